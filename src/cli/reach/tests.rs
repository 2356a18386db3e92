use super::*;
use crate::storage::Sse;

fn args() -> S3Args {
    S3Args {
        endpoint: None,
        region: None,
        profile: None,
        path_style: false,
        no_sign_request: false,
        ca_bundle: None,
        sse: None::<Sse>,
        storage_class: None,
        concurrency: 8,
        bwlimit: None,
        retries: 10,
    }
}

fn env<'a>(pairs: &'a [(&'a str, &'a str)]) -> impl Fn(&str) -> Option<String> + 'a {
    move |name: &str| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
}

fn kept() -> Reach {
    Reach {
        endpoint: Some("http://kept".into()),
        region: Some("kept".into()),
        profile: Some("kept".into()),
        path_style: Some(true),
        no_sign_request: false,
        ca_bundle: Some("/kept.pem".into()),
    }
}

/// What stands for an option: what is given to the store, and what is kept for the next time.
fn texts(reach: &Reach) -> [Option<String>; 5] {
    [
        reach.endpoint.clone(),
        reach.region.clone(),
        reach.profile.clone(),
        reach.path_style.map(|it| it.to_string()),
        reach.ca_bundle.as_ref().map(|path| path.display().to_string()),
    ]
}

#[test]
fn a_flag_wins_over_a_variable_and_both_over_what_was_before_for_each_option_by_itself() {
    let given = |change: fn(&mut S3Args)| {
        let mut args = args();
        change(&mut args);
        args
    };
    let nobody = args();
    // The option, who says what, what the store is told, what is kept. A variable of AWS is read by the store itself.
    for (option, args, pairs, told, whole) in [
        (0, &nobody, &[] as &[_], Some("http://kept"), Some("http://kept")),
        (0, &given(|it| it.endpoint = Some("http://flag".into())), &[], Some("http://flag"), Some("http://flag")),
        (0, &given(|it| it.endpoint = Some(String::new())), &[], Some("http://kept"), Some("http://kept")),
        (
            0,
            &nobody,
            &[("AWS_ENDPOINT_URL_S3", "http://s3"), ("AWS_ENDPOINT_URL", "http://all")],
            None,
            Some("http://s3"),
        ),
        (0, &nobody, &[("AWS_ENDPOINT_URL", "http://all")], None, Some("http://all")),
        (
            0,
            &given(|it| it.endpoint = Some("http://flag".into())),
            &[("AWS_ENDPOINT_URL_S3", "http://s3")],
            Some("http://flag"),
            Some("http://flag"),
        ),
        (1, &nobody, &[], Some("kept"), Some("kept")),
        (1, &given(|it| it.region = Some("flag".into())), &[("AWS_REGION", "aws")], Some("flag"), Some("flag")),
        (1, &nobody, &[("AWS_REGION", "aws")], None, Some("aws")),
        (1, &nobody, &[("AWS_DEFAULT_REGION", "aws")], None, Some("aws")),
        (2, &nobody, &[], Some("kept"), Some("kept")),
        (2, &given(|it| it.profile = Some("flag".into())), &[("AWS_PROFILE", "aws")], Some("flag"), Some("flag")),
        (2, &nobody, &[("AWS_PROFILE", "aws")], None, Some("aws")),
        (2, &nobody, &[("AWS_PROFILE", "aws"), ("AWS_ACCESS_KEY_ID", "AK")], None, None),
        (2, &nobody, &[("AWS_ACCESS_KEY_ID", "AK")], None, None),
        (2, &nobody, &[("WALOY_S3_ACCESS_KEY_FILE", "key")], None, None),
        (2, &given(|it| it.no_sign_request = true), &[("AWS_PROFILE", "aws")], None, None),
        (3, &nobody, &[], Some("true"), Some("true")),
        (3, &nobody, &[("WALOY_S3_PATH_STYLE", "false")], Some("false"), Some("false")),
        (4, &nobody, &[], Some("/kept.pem"), Some("/kept.pem")),
        (
            4,
            &given(|it| it.ca_bundle = Some("/flag.pem".into())),
            &[("AWS_CA_BUNDLE", "/a")],
            Some("/flag.pem"),
            Some("/flag.pem"),
        ),
        (4, &nobody, &[("AWS_CA_BUNDLE", "/aws.pem")], None, Some("/aws.pem")),
    ] {
        let reached = Reached::new(args, Some(&kept()), env(pairs));
        let said = (texts(&reached.options)[option].clone(), texts(&reached.whole)[option].clone());
        assert_eq!((said.0.as_deref(), said.1.as_deref()), (told, whole), "{option} {args:?} {pairs:?}");
        // What one option says changes no other; only keys that are given replace a profile.
        for other in (0..5).filter(|&other| other != option && other != 2) {
            assert_eq!(texts(&reached.options)[other], texts(&kept())[other], "{other} {args:?} {pairs:?}");
        }
    }
}

#[test]
fn unsigned_is_as_before_unless_somebody_has_keys() {
    let kept = Reach { no_sign_request: true, ..Reach::default() };
    let unsigned = |args: &S3Args, pairs: &[(&str, &str)]| Reached::new(args, Some(&kept), env(pairs)).options;
    assert!(unsigned(&args(), &[]).no_sign_request);
    assert!(!unsigned(&args(), &[("AWS_ACCESS_KEY_ID", "AK")]).no_sign_request);
    assert!(!unsigned(&args(), &[("AWS_PROFILE", "p")]).no_sign_request);
    let profile = unsigned(&S3Args { profile: Some("p".into()), ..args() }, &[]);
    assert_eq!((profile.no_sign_request, profile.profile.as_deref()), (false, Some("p")));
}

#[test]
fn what_is_as_before_is_told_and_nothing_is_if_nothing_was_kept() {
    let told = |args: &S3Args, kept: Option<&Reach>| Reached::new(args, kept, |_| None).as_before();
    assert_eq!(told(&args(), None), None);
    assert_eq!(told(&args(), Some(&Reach::default())), None);
    let args = S3Args { endpoint: Some("http://flag".into()), ..args() };
    let expected = "region kept, profile kept, path style, certificates /kept.pem";
    assert_eq!(told(&args, Some(&kept())).as_deref(), Some(expected));
}

#[test]
fn certificates_are_found_from_another_directory() {
    let args = S3Args { ca_bundle: Some("ca.pem".into()), ..args() };
    let reached = Reached::new(&args, None, |_| None);
    assert_eq!(reached.options.ca_bundle.as_deref(), Some(Path::new("ca.pem")));
    assert!(reached.whole.ca_bundle.unwrap().is_absolute());
}
