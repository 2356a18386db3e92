//! How to reach a bucket: what is said now, then what was kept when the database was replicated there last.

use std::path::{Path, PathBuf};

use super::args::S3Args;
use crate::state::Reach;

/// Variables from which keys come, whatever else was said before.
const KEYS: [&str; 7] = [
    "WALOY_S3_ACCESS_KEY",
    "WALOY_S3_ACCESS_KEY_FILE",
    "AWS_ACCESS_KEY_ID",
    "AWS_PROFILE",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
];

/// How a bucket is reached.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reached {
    /// What flags and variables of waloy say, and what is as before where nobody says anything. The rest is asked of
    /// the environment by the store.
    pub options: Reach,
    /// The part of it that is as before.
    pub before: Reach,
    /// All of it, with what the variables of AWS say: to be kept for the next time.
    pub whole: Reach,
}

impl Reached {
    /// From flags, the environment and what was kept, the first that says it for each option by itself. Only who asks
    /// for keys is one question: a profile of before is not used where keys are given now.
    pub fn new(args: &S3Args, kept: Option<&Reach>, variable: impl Fn(&str) -> Option<String>) -> Reached {
        let given = given(args, &variable);
        let aws = of_aws(&variable);
        let keys_given =
            given.profile.is_some() || given.no_sign_request || KEYS.iter().any(|&it| variable(it).is_some());
        let kept = kept.cloned().unwrap_or_default();
        let unsaid = Reach {
            endpoint: kept.endpoint.filter(|_| given.endpoint.is_none() && aws.endpoint.is_none()),
            region: kept.region.filter(|_| given.region.is_none() && aws.region.is_none()),
            path_style: kept.path_style.filter(|_| given.path_style.is_none()),
            ca_bundle: kept.ca_bundle.filter(|_| given.ca_bundle.is_none() && aws.ca_bundle.is_none()),
            profile: kept.profile.filter(|_| !keys_given),
            no_sign_request: kept.no_sign_request && !keys_given,
        };
        let options = first(&given, &unsaid);
        let mut whole = first(&options, &aws);
        // Given as a path from where this command was started; the next one may be started elsewhere.
        whole.ca_bundle = whole.ca_bundle.map(|path| std::path::absolute(&path).unwrap_or(path));
        Reached { options, before: unsaid, whole }
    }

    /// What is as before, in words; `None` if nothing is.
    pub fn as_before(&self) -> Option<String> {
        let before = &self.before;
        let path = before.ca_bundle.as_deref().map(Path::display);
        let words: Vec<String> = [
            before.endpoint.as_ref().map(|it| format!("endpoint {it}")),
            before.region.as_ref().map(|it| format!("region {it}")),
            before.profile.as_ref().map(|it| format!("profile {it}")),
            before.path_style.filter(|&it| it).map(|_| "path style".to_owned()),
            before.no_sign_request.then(|| "unsigned".to_owned()),
            path.map(|it| format!("certificates {it}")),
        ]
        .into_iter()
        .flatten()
        .collect();
        (!words.is_empty()).then(|| words.join(", "))
    }
}

/// What flags and variables of waloy say; those that are empty say nothing.
fn given(args: &S3Args, variable: impl Fn(&str) -> Option<String>) -> Reach {
    let set = |value: &Option<String>| value.clone().filter(|value| !value.is_empty());
    Reach {
        endpoint: set(&args.endpoint),
        region: set(&args.region),
        profile: set(&args.profile),
        path_style: (args.path_style || variable("WALOY_S3_PATH_STYLE").is_some()).then_some(args.path_style),
        no_sign_request: args.no_sign_request,
        ca_bundle: args.ca_bundle.clone(),
    }
}

/// What the variables say that the tools of AWS read.
fn of_aws(variable: impl Fn(&str) -> Option<String>) -> Reach {
    let any = |names: [&str; 2]| names.into_iter().find_map(&variable);
    // With keys beside it the profile is not asked for them, unless it is given with the flag.
    let keys = KEYS.iter().any(|&it| it != "AWS_PROFILE" && variable(it).is_some());
    Reach {
        endpoint: any(["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"]),
        region: any(["AWS_REGION", "AWS_DEFAULT_REGION"]),
        profile: variable("AWS_PROFILE").filter(|_| !keys),
        ca_bundle: variable("AWS_CA_BUNDLE").map(PathBuf::from),
        ..Reach::default()
    }
}

/// What one says, and the other where it says nothing.
fn first(one: &Reach, other: &Reach) -> Reach {
    let (one, other) = (one.clone(), other.clone());
    Reach {
        endpoint: one.endpoint.or(other.endpoint),
        region: one.region.or(other.region),
        // Unsigned and with the keys of a profile are two answers to one question.
        profile: one.profile.or(other.profile.filter(|_| !one.no_sign_request)),
        path_style: one.path_style.or(other.path_style),
        no_sign_request: one.no_sign_request || other.no_sign_request,
        ca_bundle: one.ca_bundle.or(other.ca_bundle),
    }
}

#[cfg(test)]
mod tests;
