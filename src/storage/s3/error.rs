//! What a failed request means, in words.

use std::error::Error as StdError;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::operation::RequestId as _;

use crate::storage::{Error, ErrorKind};

/// A request, as far as it matters for what is said of its failure.
#[derive(Clone, Debug)]
pub(super) struct Call {
    /// What was tried: `write`.
    pub(super) operation: &'static str,
    /// The operation of S3: `PutObject`.
    pub(super) api: &'static str,
    /// The URL of the object.
    pub(super) object: String,
}

/// Why, in one line.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Cause(String);

impl Call {
    /// An error with no cause but what it says.
    pub(super) fn error(&self, kind: ErrorKind, message: impl Into<String>) -> Error {
        Error::new(kind, self.operation, &self.object, message)
    }

    /// An error whose causes are an error of the SDK's, which must not be printed as it is.
    pub(super) fn because(&self, kind: ErrorKind, message: impl Into<String>, cause: &dyn StdError) -> Error {
        self.error(kind, message).because(Cause(format!("{}: {}", self.api, chain(cause))))
    }

    /// What a failed request means.
    pub(super) fn failed<E>(&self, error: &SdkError<E, HttpResponse>) -> Error
    where
        E: ProvideErrorMetadata + StdError + 'static,
    {
        match error {
            SdkError::ServiceError(answer) => {
                let headers = answer.raw().headers();
                let status = answer.raw().status().as_u16();
                let code = answer.err().code();
                if code.is_none() && (200..300).contains(&status) {
                    return self.because(ErrorKind::Other, "the answer makes no sense", error);
                }
                let (kind, message) = classify(status, code);
                let message = match headers.get("x-amz-bucket-region") {
                    Some(region) if elsewhere(status, code) => format!("the bucket is in region {region}"),
                    _ => message.to_owned(),
                };
                let id = error.request_id().or_else(|| headers.get("x-amz-request-id"));
                let cause = answered(self.api, status, code, id, answer.err().message());
                self.error(kind, message).because(Cause(cause))
            }
            SdkError::TimeoutError(_) => {
                self.because(ErrorKind::Unavailable, "the store did not answer in time", error)
            }
            SdkError::DispatchFailure(failure) => match credentials(error) {
                Some(kind) => self.because(kind, without_credentials(kind), error),
                None if failure.is_user() => self.because(ErrorKind::Other, "the request could not be made", error),
                None if failure.is_timeout() => {
                    self.because(ErrorKind::Unavailable, "the store did not answer in time", error)
                }
                None => self.because(ErrorKind::Unavailable, "the store cannot be reached", error),
            },
            SdkError::ResponseError(answer) => match answer.raw().status().as_u16() {
                // The body broke off, or a proxy spoke in the store's name.
                200..=299 | 500.. => self.because(ErrorKind::Unavailable, "the answer is not whole", error),
                _ => self.because(ErrorKind::Other, "the answer makes no sense", error),
            },
            _ => match credentials(error) {
                Some(kind) => self.because(kind, without_credentials(kind), error),
                None => self.because(ErrorKind::Other, "the request could not be made", error),
            },
        }
    }
}

/// The status of an answer that is a refusal.
pub(super) fn status<E>(error: &SdkError<E, HttpResponse>) -> Option<u16> {
    match error {
        SdkError::ServiceError(answer) => Some(answer.raw().status().as_u16()),
        _ => None,
    }
}

/// The code of an answer that is a refusal.
pub(super) fn code<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> Option<&str> {
    match error {
        SdkError::ServiceError(answer) => answer.err().code(),
        _ => None,
    }
}

/// What to do about a refusal. The code says more than the status, and some errors come with status 200.
fn classify(status: u16, code: Option<&str>) -> (ErrorKind, &'static str) {
    let overloaded = "the store is overloaded";
    match (code.unwrap_or_default(), status) {
        ("NoSuchKey", _) => (ErrorKind::NotFound, "no such object"),
        ("NoSuchBucket" | "InvalidBucketName", _) => (ErrorKind::NoBucket, "no such bucket"),
        ("NoSuchUpload", _) => (ErrorKind::Other, "the upload is gone"),
        ("InvalidObjectState", _) => (ErrorKind::Other, "the object is in an archive"),
        ("SlowDown" | "ServiceUnavailable" | "TooManyRequests" | "ThrottlingException", _) => {
            (ErrorKind::Unavailable, overloaded)
        }
        ("InternalError" | "RequestTimeout" | "OperationAborted", _) => {
            (ErrorKind::Unavailable, "the store failed for a moment")
        }
        ("ConditionalRequestConflict", _) => (ErrorKind::Unavailable, "another request decides it just now"),
        ("ExpiredToken" | "TokenRefreshRequired" | "RequestExpired", _) => {
            (ErrorKind::Denied, "the credentials have expired")
        }
        ("RequestTimeTooSkewed", _) => (ErrorKind::Denied, "the clocks of store and machine differ"),
        ("InvalidAccessKeyId" | "SignatureDoesNotMatch" | "InvalidToken" | "AuthFailure", _) => {
            (ErrorKind::Denied, "the credentials were refused")
        }
        (code, status) if elsewhere(status, Some(code)) => (ErrorKind::NoBucket, "the bucket is in another region"),
        ("InvalidRange", _) | (_, 416) => (ErrorKind::Truncated, "the object ends before that"),
        ("", 403) => (ErrorKind::NoBucket, "access denied, or no such bucket"),
        (_, 401 | 403) => (ErrorKind::Denied, "access denied"),
        (_, 404) => (ErrorKind::NoBucket, "no such bucket, or not a store"),
        (_, 429 | 503) => (ErrorKind::Unavailable, overloaded),
        (_, 408 | 500 | 502 | 504) => (ErrorKind::Unavailable, "the store failed for a moment"),
        _ => (ErrorKind::Other, "the store refused"),
    }
}

/// The bucket is there, but another server has it.
fn elsewhere(status: u16, code: Option<&str>) -> bool {
    let codes = [
        "PermanentRedirect",
        "TemporaryRedirect",
        "AuthorizationHeaderMalformed",
        "IllegalLocationConstraintException",
    ];
    matches!(status, 301 | 302 | 307 | 308) || code.is_some_and(|code| codes.contains(&code))
}

/// `PutObject returned 403 AccessDenied (request id 8YJ2): Access Denied`.
fn answered(api: &str, status: u16, code: Option<&str>, id: Option<&str>, message: Option<&str>) -> String {
    let mut text = format!("{api} returned {status}");
    if let Some(code) = code {
        text += &format!(" {code}");
    }
    if let Some(id) = id {
        text += &format!(" (request id {id})");
    }
    match message.map(str::trim) {
        Some(message) if !message.is_empty() => text + ": " + &one_line(message),
        _ => text,
    }
}

/// Whether a request failed for want of credentials, and what to do about it.
fn credentials(error: &(dyn StdError + 'static)) -> Option<ErrorKind> {
    let mut next = Some(error);
    while let Some(cause) = next {
        match cause.downcast_ref::<CredentialsError>() {
            // Those who give credentials out (an STS, a metadata service) have their outages too.
            Some(CredentialsError::ProviderTimedOut(_) | CredentialsError::ProviderError(_)) => {
                return Some(ErrorKind::Unavailable);
            }
            Some(_) => return Some(ErrorKind::Denied),
            None => next = cause.source(),
        }
    }
    None
}

fn without_credentials(kind: ErrorKind) -> &'static str {
    if kind == ErrorKind::Denied { "no credentials" } else { "the credentials cannot be fetched" }
}

/// What the SDK says of every error of a kind, and so of none.
const EMPTY: [&str; 7] =
    ["service error", "dispatch failure", "response error", "unhandled error", "io error", "other", "timeout"];

/// An error and its causes in one line. The SDK's own `Display` says only "service error", its `Debug` far too much.
fn chain(error: &dyn StdError) -> String {
    let mut said: Vec<String> = Vec::new();
    let mut next = Some(error);
    while let Some(cause) = next {
        let text = one_line(&cause.to_string());
        // Some repeat their causes.
        if !EMPTY.contains(&text.as_str()) && !said.iter().any(|before| before.ends_with(&text)) {
            said.push(text);
        }
        next = cause.source();
    }
    if said.is_empty() { one_line(&error.to_string()) } else { said.join(": ") }
}

/// The text as one line of at most 300 characters: some stores answer with a page of HTML.
fn one_line(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ").chars().filter(|character| !character.is_control()).take(300).collect()
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
            let code = Some(code).filter(|code| !code.is_empty());
            assert_eq!(classify(status, code).0, kind, "{status} {code:?}");
        }
    }

    #[test]
    fn an_answer_is_told_in_one_readable_line() {
        let text = answered("PutObject", 403, Some("AccessDenied"), Some("8YJ2"), Some("Access\n Denied "));
        assert_eq!(text, "PutObject returned 403 AccessDenied (request id 8YJ2): Access Denied");
        assert_eq!(answered("HeadObject", 404, None, None, None), "HeadObject returned 404");
    }
}
