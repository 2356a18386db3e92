//! What an answer that is no success means, and what to do about it.

use chrono::DateTime;

use super::reach::Reach;
use crate::clock::{Clock, SystemClock};
use crate::storage::ErrorKind;
use crate::units::Timestamp;

/// An answer, as far as it is looked at.
#[derive(Clone, Debug, Default)]
pub(super) struct Answer<'a> {
    pub(super) api: &'a str,
    pub(super) status: u16,
    /// The code and the message of S3's own error document.
    pub(super) code: Option<&'a str>,
    pub(super) message: Option<&'a str>,
    pub(super) body: &'a str,
    pub(super) content_type: Option<&'a str>,
    pub(super) location: Option<&'a str>,
    pub(super) region: Option<&'a str>,
    pub(super) date: Option<&'a str>,
}

/// What is said of a failure.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Verdict {
    pub(super) kind: ErrorKind,
    pub(super) code: Option<&'static str>,
    pub(super) message: String,
    pub(super) hints: Vec<String>,
}

impl Verdict {
    pub(super) fn new(kind: ErrorKind, message: impl Into<String>) -> Verdict {
        Verdict { kind, code: None, message: message.into(), hints: Vec::new() }
    }

    pub(super) fn coded(mut self, code: &'static str) -> Verdict {
        self.code = Some(code);
        self
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Verdict {
        self.hints.push(hint.into());
        self
    }
}

impl Answer<'_> {
    /// The code says more than the status, and some errors come with status 200.
    pub(super) fn verdict(&self, reach: &Reach) -> Verdict {
        use ErrorKind::{Denied, NotFound, Other, Truncated, Unavailable};
        let overloaded = || Verdict::new(Unavailable, "the store is overloaded").hint("try again in a while");
        match (self.code.unwrap_or_default(), self.status) {
            ("NoSuchKey", _) => Verdict::new(NotFound, "no such object"),
            ("NoSuchBucket" | "InvalidBucketName", _) => no_bucket("no such bucket", reach),
            ("NoSuchUpload", _) => Verdict::new(Other, "the upload is gone"),
            ("InvalidObjectState", _) => Verdict::new(Other, "the object is in an archive")
                .coded("storage.archived")
                .hint("have the store restore it from the archive first; archives do not suit a replica"),
            ("SlowDown" | "ServiceUnavailable" | "TooManyRequests" | "ThrottlingException", _) => overloaded(),
            ("InternalError" | "RequestTimeout" | "OperationAborted", _) => {
                Verdict::new(Unavailable, "the store failed for a moment")
            }
            ("ConditionalRequestConflict", _) => Verdict::new(Unavailable, "another request decides it just now"),
            ("ExpiredToken" | "TokenRefreshRequired" | "RequestExpired", _) => {
                Verdict::new(Denied, "the credentials have expired")
                    .coded("storage.expired_credentials")
                    .hint(format!("get new ones; {}", reach.keys))
            }
            ("RequestTimeTooSkewed", _) => self.clock_skew(),
            ("InvalidAccessKeyId", _) => {
                Verdict::new(Denied, "the access key is unknown").hint(reach.keys.to_string()).hint(reach.server_hint())
            }
            ("SignatureDoesNotMatch", _) => {
                Verdict::new(Denied, "the secret key is wrong").hint(reach.keys.to_string())
            }
            ("InvalidToken" | "AuthFailure", _) => {
                Verdict::new(Denied, "the credentials were refused").hint(reach.keys.to_string())
            }
            ("InvalidStorageClass", _) => Verdict::new(Other, "the store has no such storage class")
                .hint("pass another --storage-class, or none for the bucket's own"),
            ("InvalidRange", _) | (_, 416) => Verdict::new(Truncated, "the object ends before that"),
            (code, status) if elsewhere(status, code) => self.elsewhere(reach),
            ("", ..=499) if self.is_page() => not_a_store(reach),
            ("", 400) if self.body.contains("HTTPS") => {
                Verdict::new(ErrorKind::Untrusted, "the server expects TLS").hint("write the endpoint with https://")
            }
            ("", 403) => no_bucket("access denied, or no such bucket", reach).hint(reach.keys.to_string()),
            (_, 401 | 403) => Verdict::new(Denied, "access denied").hint(format!(
                "{}; they need {}",
                reach.keys,
                permission(self.api)
            )),
            (_, 404) => no_bucket("no such bucket, or not a store", reach),
            (_, 429 | 503) => overloaded(),
            (_, 408 | 500 | 502 | 504) => Verdict::new(Unavailable, "the store failed for a moment"),
            _ => Verdict::new(Other, "the store refused"),
        }
    }

    /// A page for people, as proxies, web servers and consoles send.
    pub(super) fn is_page(&self) -> bool {
        let html = |text: &str| text.trim_start().get(..5).is_some_and(|text| text.eq_ignore_ascii_case("<html"));
        self.content_type.is_some_and(|kind| kind.starts_with("text/html"))
            || html(self.body)
            || self.body.trim_start().get(..9).is_some_and(|text| text.eq_ignore_ascii_case("<!doctype"))
    }

    /// The bucket is there, but another server has it.
    fn elsewhere(&self, reach: &Reach) -> Verdict {
        let region = self.region.map(str::to_owned).or_else(|| element(self.body, "Region"));
        let region = region.or_else(|| self.message.and_then(expected));
        if let Some(region) = region.filter(|region| is_region(region)) {
            return Verdict::new(ErrorKind::NoBucket, format!("the bucket is in region {region}"))
                .coded("storage.wrong_region")
                .hint(format!("pass --region {region} (or set AWS_REGION)"));
        }
        if let (None, Some(location)) = (self.code, self.location) {
            let origin = url::Url::parse(location).map(|url| url.origin().ascii_serialization());
            let verdict = Verdict::new(ErrorKind::NoBucket, "the server sends elsewhere").coded("storage.redirected");
            return match origin {
                Ok(origin) if origin != "null" => verdict.hint(format!("if it is meant, pass --endpoint {origin}")),
                _ => verdict.hint(reach.server_hint()),
            };
        }
        Verdict::new(ErrorKind::NoBucket, "the bucket is in another region")
            .coded("storage.wrong_region")
            .hint("pass the region of the bucket with --region; a store of your own may have one too (Garage: garage)")
    }

    fn clock_skew(&self) -> Verdict {
        let theirs = self.date.and_then(|date| DateTime::parse_from_rfc2822(date).ok());
        let theirs = theirs.map(|date| Timestamp(date.timestamp_millis()).rfc3339());
        let ours = SystemClock.now().rfc3339();
        let hint = match theirs {
            Some(theirs) => format!("set the clock: here it is {ours}, at the store {theirs}"),
            None => format!("set the clock: here it is {ours}"),
        };
        Verdict::new(ErrorKind::Denied, "the clocks of this machine and of the store differ too much")
            .coded("storage.clock_skew")
            .hint(hint)
    }
}

/// The server is none of S3.
pub(super) fn not_a_store(reach: &Reach) -> Verdict {
    Verdict::new(ErrorKind::NoBucket, "a web page came back: the server does not speak S3")
        .coded("storage.not_s3")
        .hint(reach.server_hint())
        .hint("a console has another port than the store: MinIO's store is on 9000, Garage's on 3900")
}

fn no_bucket(message: &str, reach: &Reach) -> Verdict {
    Verdict::new(ErrorKind::NoBucket, message)
        .hint("buckets are not made by waloy: create it, or correct the URL")
        .hint(reach.server_hint())
}

fn elsewhere(status: u16, code: &str) -> bool {
    let codes = [
        "PermanentRedirect",
        "TemporaryRedirect",
        "AuthorizationHeaderMalformed",
        "IllegalLocationConstraintException",
    ];
    matches!(status, 301 | 302 | 307 | 308) || codes.contains(&code)
}

/// The text of an element of an error document.
fn element(body: &str, name: &str) -> Option<String> {
    let (text, _) = body.split_once(&format!("<{name}>"))?.1.split_once(&format!("</{name}>"))?;
    Some(text.trim().to_owned())
}

/// `the region 'us-east-1' is wrong; expecting 'eu-west-3'`
fn expected(message: &str) -> Option<String> {
    let rest = message.split_once("expecting '").or_else(|| message.split_once("expected '"))?.1;
    Some(rest.split_once('\'')?.0.to_owned())
}

/// What can be passed on a command line without a second thought.
fn is_region(text: &str) -> bool {
    !text.is_empty() && text.len() < 64 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// The permission that an operation needs.
fn permission(api: &str) -> &'static str {
    match api {
        "ListObjectsV2" => "s3:ListBucket on this bucket",
        "GetObject" | "HeadObject" => "s3:GetObject on this prefix",
        "DeleteObject" => "s3:DeleteObject on this prefix",
        "AbortMultipartUpload" => "s3:AbortMultipartUpload on this prefix",
        _ => "s3:PutObject on this prefix",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_told_apart_by_code_first_and_status_second() {
        use ErrorKind::{Denied, NoBucket, NotFound, Other, Truncated, Unavailable};
        for (status, code, kind) in [
            (404, "NoSuchKey", NotFound),
            (404, "NoSuchBucket", NoBucket),
            (404, "", NoBucket),
            (403, "", NoBucket),
            (403, "AccessDenied", Denied),
            (403, "InvalidAccessKeyId", Denied),
            (403, "SignatureDoesNotMatch", Denied),
            (403, "RequestTimeTooSkewed", Denied),
            (400, "ExpiredToken", Denied),
            (401, "", Denied),
            (301, "PermanentRedirect", NoBucket),
            (400, "AuthorizationHeaderMalformed", NoBucket),
            (409, "ConditionalRequestConflict", Unavailable),
            (503, "SlowDown", Unavailable),
            (200, "InternalError", Unavailable),
            (500, "", Unavailable),
            (502, "", Unavailable),
            (429, "", Unavailable),
            (400, "RequestTimeout", Unavailable),
            (416, "InvalidRange", Truncated),
            (501, "NotImplemented", Other),
            (400, "InvalidArgument", Other),
        ] {
            let answer = Answer { status, code: Some(code).filter(|code| !code.is_empty()), ..Answer::default() };
            assert_eq!(answer.verdict(&Reach::default()).kind, kind, "{status} {code:?}");
        }
    }

    #[test]
    fn the_right_region_is_found_wherever_a_store_writes_it() {
        let region = |answer: Answer<'_>| answer.verdict(&Reach::default()).hints[0].clone();
        let hint = "pass --region eu-west-3 (or set AWS_REGION)";
        assert_eq!(region(Answer { status: 301, region: Some("eu-west-3"), ..Answer::default() }), hint);
        let malformed = Answer { status: 400, code: Some("AuthorizationHeaderMalformed"), ..Answer::default() };
        assert_eq!(region(Answer { body: "<Error><Region>eu-west-3</Region></Error>", ..malformed.clone() }), hint);
        let message = "the region 'us-east-1' is wrong; expecting 'eu-west-3'";
        assert_eq!(region(Answer { message: Some(message), ..malformed.clone() }), hint);
        // What is no region is not for a command line.
        let odd = Answer { body: "<Region>$(reboot)</Region>", ..malformed.clone() };
        assert!(region(odd).contains("--region;"));
        assert!(region(malformed).contains("--region;"));
    }

    #[test]
    fn a_page_for_people_is_no_answer_of_a_store() {
        let page = |status, body| Answer { status, body, ..Answer::default() }.verdict(&Reach::default());
        for body in ["<!DOCTYPE html><p>Welcome", " <HTML>", "<html lang=en>"] {
            assert_eq!(page(404, body).code, Some("storage.not_s3"), "{body}");
        }
        // A proxy says that the store is down.
        assert_eq!(page(502, "<html>Bad Gateway").kind, ErrorKind::Unavailable);
        assert_eq!(page(404, "<Error></Error>").code, None);
    }
}
