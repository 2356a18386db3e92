//! Reading objects, and believing only whole answers.

use std::ops::Range;

use aws_sdk_s3::primitives::{ByteStream, DateTime};
use bytes::{Bytes, BytesMut};
use tokio::time::timeout;

use super::Inner;
use super::client::STALL;
use super::error::{Call, status};
use super::pace::Pace;
use crate::storage::{Error, ErrorKind, Meta};
use crate::units::Timestamp;

impl Inner {
    pub(super) async fn get(&self, key: &str, limit: u64) -> Result<Bytes, Error> {
        self.check("read", key)?;
        let call = self.call("read", "GetObject", key);
        let _turn = self.turn().await;
        let answer = self.client.get_object().bucket(&self.bucket).key(self.full(key)).send().await;
        let answer = answer.map_err(|error| call.failed(&error))?;
        // Web servers answer anything with a page; no object of a replica is one.
        if answer.content_type().is_some_and(|kind| kind.starts_with("text/html")) {
            return Err(call.not_a_store());
        }
        let len = length(answer.content_length());
        if let Some(len) = len.filter(|len| *len > limit) {
            return Err(call.error(ErrorKind::TooLarge, format!("it has {len} bytes, more than {limit}")));
        }
        collect(&call, &self.receiving, answer.body, len, limit).await
    }

    pub(super) async fn get_range(&self, key: &str, range: Range<u64>) -> Result<Bytes, Error> {
        self.check("read", key)?;
        if range.start >= range.end {
            return self.get_nothing(key, range).await;
        }
        let call = self.call("read", "GetObject", key);
        // A range from a damaged index. Stores have their own opinions about numbers beyond theirs.
        if i64::try_from(range.end).is_err() {
            return Err(call.error(ErrorKind::Truncated, format!("it has fewer than {} bytes", range.end)));
        }
        let _turn = self.turn().await;
        let asked = format!("bytes={}-{}", range.start, range.end - 1);
        let request = self.client.get_object().bucket(&self.bucket).key(self.full(key)).range(asked);
        let answer = request.send().await.map_err(|error| call.failed(&error))?;
        check_range(&call, &range, answer.content_range())?;
        let len = range.end - range.start;
        if length(answer.content_length()).is_some_and(|announced| announced != len) {
            return Err(call.error(ErrorKind::Other, "the answer has another length than its range"));
        }
        collect(&call, &self.receiving, answer.body, Some(len), len).await
    }

    /// HTTP cannot ask for no bytes; what is left to say is whether the object is long enough.
    async fn get_nothing(&self, key: &str, range: Range<u64>) -> Result<Bytes, Error> {
        let size = self.head(key).await?.size;
        if range.start == range.end && range.end <= size {
            return Ok(Bytes::new());
        }
        Err(shorter(&self.call("read", "HeadObject", key), size, range.end))
    }

    pub(super) async fn head(&self, key: &str) -> Result<Meta, Error> {
        self.check("read", key)?;
        let call = self.call("read", "HeadObject", key);
        let _turn = self.turn().await;
        match self.client.head_object().bucket(&self.bucket).key(self.full(key)).send().await {
            Ok(answer) => {
                let size = length(answer.content_length());
                let size = size.ok_or_else(|| call.error(ErrorKind::Other, "the answer has no length"))?;
                Ok(Meta { key: key.to_owned(), size, modified: answer.last_modified().and_then(timestamp) })
            }
            // The answer to a HEAD has no body, and so no code: a GET tells a missing object from a missing bucket.
            Err(error) if status(&error).is_some_and(|status| (300..500).contains(&status)) => self.explain(key).await,
            Err(error) => Err(call.failed(&error)),
        }
    }

    /// A 404 is enough here, whatever it is that is missing: a put tells the rest.
    pub(super) async fn is_taken(&self, key: &str) -> Result<bool, Error> {
        self.check("read", key)?;
        let call = self.call("read", "HeadObject", key);
        let answer = {
            let _turn = self.turn().await;
            self.client.head_object().bucket(&self.bucket).key(self.full(key)).send().await
        };
        match answer {
            Ok(_) => Ok(true),
            Err(error) if status(&error) == Some(404) => Ok(false),
            Err(error) if status(&error).is_some_and(|status| (300..500).contains(&status)) => {
                self.explain(key).await.map(|_| true)
            }
            Err(error) => Err(call.failed(&error)),
        }
    }

    async fn explain(&self, key: &str) -> Result<Meta, Error> {
        let call = self.call("read", "GetObject", key);
        let answer = self.client.get_object().bucket(&self.bucket).key(self.full(key)).send().await;
        let answer = answer.map_err(|error| call.failed(&error))?;
        // Written meanwhile.
        let size = length(answer.content_length());
        let size = size.ok_or_else(|| call.error(ErrorKind::Other, "the answer has no length"))?;
        Ok(Meta { key: key.to_owned(), size, modified: answer.last_modified().and_then(timestamp) })
    }
}

/// Takes all of a body: so many bytes, if that is known, and in any case no more than the limit.
async fn collect(call: &Call, pace: &Pace, mut body: ByteStream, len: Option<u64>, limit: u64) -> Result<Bytes, Error> {
    // One chunk that is all there is, is given back as it came. Only the end of the body says that it is as it was sent.
    let (mut whole, mut taken, mut total) = (None, BytesMut::new(), 0);
    let of = || len.map(|len| format!(" of {len}")).unwrap_or_default();
    loop {
        let chunk = match timeout(STALL, body.next()).await {
            Ok(Some(Ok(chunk))) if chunk.is_empty() => continue,
            Ok(Some(Ok(chunk))) => chunk,
            Ok(Some(Err(error))) => {
                let message = format!("the answer broke off after {total}{} bytes", of());
                return Err(call.because(ErrorKind::Unavailable, message, &error));
            }
            Ok(None) => break,
            Err(_) => {
                let message = format!("the answer stalled after {total}{} bytes", of());
                return Err(call.error(ErrorKind::Unavailable, message));
            }
        };
        pace.pass(chunk.len()).await;
        total += chunk.len() as u64;
        if total > len.unwrap_or(limit) {
            let kind = if len.is_some() { ErrorKind::Other } else { ErrorKind::TooLarge };
            return Err(call.error(kind, format!("the answer has more than {} bytes", len.unwrap_or(limit))));
        }
        if taken.is_empty() && len == Some(total) {
            whole = Some(chunk);
            continue;
        }
        if taken.is_empty() {
            taken.reserve(len.unwrap_or(0) as usize);
        }
        taken.extend_from_slice(&chunk);
    }
    match len {
        Some(len) if len != total => {
            let message = format!("the answer ended after {total} of {len} bytes");
            Err(call.error(ErrorKind::Unavailable, message))
        }
        _ => Ok(whole.unwrap_or_else(|| taken.freeze())),
    }
}

/// Holds what the store says it gave against what it was asked for.
fn check_range(call: &Call, range: &Range<u64>, answer: Option<&str>) -> Result<(), Error> {
    let Some(answer) = answer else {
        return Err(call.error(ErrorKind::Other, "the store answered a ranged read with something else"));
    };
    match parse_range(answer) {
        Some((given, _)) if given == *range => Ok(()),
        Some((given, Some(size))) if given.start == range.start && given.end == size && size < range.end => {
            Err(shorter(call, size, range.end))
        }
        _ => {
            let message = format!("asked for bytes {}-{}, the store gave {answer:?}", range.start, range.end - 1);
            Err(call.error(ErrorKind::Other, message))
        }
    }
}

/// Reads `bytes 0-99/1234`: the range, and the size of the object unless it is `*`.
fn parse_range(text: &str) -> Option<(Range<u64>, Option<u64>)> {
    let (range, size) = text.strip_prefix("bytes")?.trim_start().split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let size = if size == "*" { None } else { Some(size.parse().ok()?) };
    Some((first.parse().ok()?..last.parse::<u64>().ok()?.checked_add(1)?, size))
}

fn shorter(call: &Call, size: u64, end: u64) -> Error {
    call.error(ErrorKind::Truncated, format!("it has {size} bytes, not {end}"))
}

fn length(announced: Option<i64>) -> Option<u64> {
    announced.and_then(|len| u64::try_from(len).ok())
}

/// A moment of the store's clock.
pub(super) fn timestamp(at: &DateTime) -> Option<Timestamp> {
    at.to_millis().ok().map(Timestamp)
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;
    use std::sync::Arc;
    use std::task::{Context, Poll};

    use super::*;

    fn call() -> Call {
        Call { operation: "read", api: "GetObject", object: "s3://acme/a".into(), reach: Arc::default() }
    }

    #[test]
    fn only_the_range_asked_for_is_believed() {
        let check = |answer| check_range(&call(), &(10..20), answer).map_err(|error| error.kind);
        assert_eq!(check(Some("bytes 10-19/30")), Ok(()));
        assert_eq!(check(Some("bytes 10-19/*")), Ok(()));
        assert_eq!(check(Some("bytes 10-14/15")), Err(ErrorKind::Truncated));
        for wrong in
            [None, Some(""), Some("bytes 0-9/30"), Some("bytes 10-18/30"), Some("bytes 10-20/30"), Some("10-19")]
        {
            assert_eq!(check(wrong), Err(ErrorKind::Other), "{wrong:?}");
        }
    }

    #[tokio::test]
    async fn a_body_of_another_length_is_refused() {
        let collect = async |len, limit| {
            let body = ByteStream::from_static(b"hello");
            collect(&call(), &Pace::default(), body, len, limit).await.map_err(|error| error.kind)
        };
        assert_eq!(collect(Some(5), 9).await, Ok(Bytes::from_static(b"hello")));
        assert_eq!(collect(None, 5).await, Ok(Bytes::from_static(b"hello")));
        assert_eq!(collect(Some(6), 9).await, Err(ErrorKind::Unavailable));
        assert_eq!(collect(Some(4), 9).await, Err(ErrorKind::Other));
        assert_eq!(collect(None, 4).await, Err(ErrorKind::TooLarge));
    }

    /// One chunk, and then an error where the end would be: a checksum that does not match.
    struct Mismatch(Option<Bytes>);

    impl http_body::Body for Mismatch {
        type Data = Bytes;
        type Error = std::io::Error;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<http_body::Frame<Bytes>, Self::Error>>> {
            Poll::Ready(Some(match self.0.take() {
                Some(chunk) => Ok(http_body::Frame::data(chunk)),
                None => Err(std::io::Error::other("the checksum does not match")),
            }))
        }
    }

    #[tokio::test]
    async fn what_is_found_at_the_end_of_a_body_counts_also_if_it_came_in_one_chunk() {
        for len in [Some(5), None] {
            let body = ByteStream::from_body_1_x(Mismatch(Some(Bytes::from_static(b"hello"))));
            let error = collect(&call(), &Pace::default(), body, len, 9).await.unwrap_err();
            assert!(error.is_transient() && error.message.contains("broke off after 5"), "{error}");
        }
    }
}
