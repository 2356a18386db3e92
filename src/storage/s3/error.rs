//! What a failed request means, in words.

use std::error::Error as StdError;
use std::sync::Arc;

use aws_config::imds::client::error::ImdsError;
use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::operation::RequestId as _;

use super::reach::Reach;
use super::transport;
use super::verdict::{Answer, Verdict, not_a_store};
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
    /// Whom it went to.
    pub(super) reach: Arc<Reach>,
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
    pub(super) fn because(
        &self,
        kind: ErrorKind,
        message: impl Into<String>,
        cause: &(dyn StdError + 'static),
    ) -> Error {
        self.error(kind, message).because(self.cause(cause))
    }

    /// What a failed request means.
    pub(super) fn failed<E>(&self, error: &SdkError<E, HttpResponse>) -> Error
    where
        E: ProvideErrorMetadata + StdError + 'static,
    {
        match error {
            SdkError::ServiceError(answer) => {
                let (raw, said) = (answer.raw(), answer.err());
                let answer = Answer { code: said.code(), message: said.message(), ..self.answer(raw) };
                if answer.code.is_none() && (200..300).contains(&answer.status) {
                    return self.senseless(&answer, error);
                }
                let id = error.request_id().or_else(|| raw.headers().get("x-amz-request-id"));
                let cause = answered(self.api, answer.status, answer.code, id, answer.message);
                self.judged(answer.verdict(&self.reach)).because(Cause(cause))
            }
            SdkError::TimeoutError(_) => self.late(error),
            SdkError::DispatchFailure(failure) => match transport::credentials(error, &self.reach) {
                Some(verdict) => self.without_credentials(verdict, error),
                None if failure.is_user() => self.because(ErrorKind::Other, "the request could not be made", error),
                None if failure.is_timeout() => self.late(error),
                None => self.judged(transport::connection(error, &self.reach)).because(self.cause(error)),
            },
            SdkError::ResponseError(answer) => {
                let answer = self.answer(answer.raw());
                match answer.status {
                    // The body broke off, or a proxy spoke in the store's name.
                    200..=299 | 500.. if !answer.is_page() => {
                        self.because(ErrorKind::Unavailable, "the answer is not whole", error)
                    }
                    _ => self.senseless(&answer, error),
                }
            }
            _ => match transport::credentials(error, &self.reach) {
                Some(verdict) => self.without_credentials(verdict, error),
                None => self.because(ErrorKind::Other, "the request could not be made", error),
            },
        }
    }

    /// It was said to be taken, without the entity tag that every store gives an object: by somebody in between.
    pub(super) fn not_taken(&self) -> Error {
        self.error(ErrorKind::Unavailable, "it was said to be taken, and is not there").hint(self.reach.server_hint())
    }

    /// What came is not what a store says.
    pub(super) fn not_a_store(&self) -> Error {
        self.judged(not_a_store(&self.reach))
    }

    fn answer<'a>(&'a self, raw: &'a HttpResponse) -> Answer<'a> {
        let headers = raw.headers();
        Answer {
            api: self.api,
            status: raw.status().as_u16(),
            code: None,
            message: None,
            body: raw.body().bytes().and_then(|body| std::str::from_utf8(body).ok()).unwrap_or_default(),
            content_type: headers.get("content-type"),
            location: headers.get("location"),
            region: headers.get("x-amz-bucket-region"),
            date: headers.get("date"),
        }
    }

    fn judged(&self, verdict: Verdict) -> Error {
        let error = self.error(verdict.kind, verdict.message);
        let error = verdict.hints.into_iter().fold(error, Error::hint);
        verdict.code.into_iter().fold(error, Error::coded)
    }

    fn senseless(&self, answer: &Answer<'_>, error: &(dyn StdError + 'static)) -> Error {
        if answer.is_page() {
            return self.not_a_store().because(Cause(answered(self.api, answer.status, None, None, None)));
        }
        self.because(ErrorKind::Other, "the answer makes no sense", error).hint(self.reach.server_hint())
    }

    fn late(&self, error: &(dyn StdError + 'static)) -> Error {
        let late = self.because(ErrorKind::Unavailable, "the store did not answer in time", error);
        late.hint(self.reach.server_hint())
    }

    fn without_credentials(&self, verdict: Verdict, error: &(dyn StdError + 'static)) -> Error {
        let error_of_call = self.judged(verdict);
        if transport::is_nothing_found(error) { error_of_call } else { error_of_call.because(self.cause(error)) }
    }

    fn cause(&self, error: &(dyn StdError + 'static)) -> Cause {
        let why = transport::reason(error).map(|reason| format!("TLS handshake failed: {reason}"));
        Cause(format!("{}: {}", self.api, why.unwrap_or_else(|| chain(error))))
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

/// What the SDK says of every error of a kind, and so of none.
const EMPTY: [&str; 7] =
    ["service error", "dispatch failure", "response error", "unhandled error", "io error", "other", "timeout"];

/// An error and its causes in one line. The SDK's own `Display` says only "service error", its `Debug` far too much.
fn chain(error: &(dyn StdError + 'static)) -> String {
    let mut said: Vec<String> = Vec::new();
    let mut next = Some(error);
    while let Some(cause) = next {
        let text = match cause.downcast_ref::<ImdsError>() {
            // Its `Display` prints a whole answer as Rust sees it.
            Some(ImdsError::ErrorResponse(answer)) => {
                format!("the metadata service answered {}", answer.response().status().as_u16())
            }
            _ => one_line(&cause.to_string()),
        };
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
    fn an_answer_is_told_in_one_readable_line() {
        let text = answered("PutObject", 403, Some("AccessDenied"), Some("8YJ2"), Some("Access\n Denied "));
        assert_eq!(text, "PutObject returned 403 AccessDenied (request id 8YJ2): Access Denied");
        assert_eq!(answered("HeadObject", 404, None, None, None), "HeadObject returned 404");
    }
}
