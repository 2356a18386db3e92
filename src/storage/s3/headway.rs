//! Giving up a request that makes no headway, however large it is.
//!
//! The SDK limits a request as a whole: one that is large enough for a slow line is then waited for as long when the
//! store never answers. Here the time is counted from the last bytes that the connection took. What the system's socket
//! holds of them is on its way by then; it holds much only for a line that is fast.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::config::interceptors::BeforeTransmitInterceptorContextMut;
use aws_sdk_s3::config::{Builder, Config, ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_s3::error::{BoxError, SdkError};
use aws_sdk_s3::primitives::SdkBody;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep_until};

use super::client::{STALL, connect_only};
use super::pace::Pace;

/// A body is handed over in pieces of this size at most, so that it shows how fast the connection takes them.
const PIECE: usize = 64 * 1024;

/// How far a request is. Clones are of the same request.
#[derive(Clone, Debug)]
pub(super) struct Headway {
    last: Arc<Mutex<Instant>>,
    pace: Pace,
}

impl Headway {
    pub(super) fn begin(pace: &Pace) -> Headway {
        Headway { last: Arc::new(Mutex::new(Instant::now())), pace: pace.clone() }
    }

    /// The limits of the SDK for the request: none but that for a connection.
    pub(super) fn limits() -> Builder {
        Config::builder().timeout_config(connect_only())
    }

    /// Waits for the answer, as long as the connection takes more of the body, and for 30 s from the last of it.
    pub(super) async fn within<T, E>(
        &self,
        answer: impl Future<Output = Result<T, SdkError<E, HttpResponse>>>,
    ) -> Result<T, SdkError<E, HttpResponse>> {
        tokio::select! {
            biased;
            answer = answer => answer,
            () = self.stops() => {
                Err(SdkError::timeout_error(format!("no answer, and nothing sent, for {} s", STALL.as_secs())))
            }
        }
    }

    async fn stops(&self) {
        loop {
            let end = *self.lock() + STALL;
            if end <= Instant::now() {
                return;
            }
            sleep_until(end).await;
        }
    }

    /// Then more of the body is handed over, or it is now.
    fn goes_on(&self, at: Instant) {
        *self.lock() = at;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Instant> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Intercept for Headway {
    fn name(&self) -> &'static str {
        "Headway"
    }

    /// Watches the body: after it was signed, and its checksums made.
    fn modify_before_transmit(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let body = context.request_mut().body_mut();
        let watched = Watched {
            body: std::mem::replace(body, SdkBody::taken()),
            rest: Bytes::new(),
            headway: self.clone(),
            wait: None,
        };
        *body = SdkBody::from_body_1_x(watched);
        Ok(())
    }
}

/// A body that shows when more of it was taken.
struct Watched {
    body: SdkBody,
    /// What is left of its last piece.
    rest: Bytes,
    headway: Headway,
    /// Until the next piece may pass.
    wait: Option<Pin<Box<Sleep>>>,
}

impl Body for Watched {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        while self.rest.is_empty() {
            match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => self.rest = data,
                    Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
                },
                end => return Poll::Ready(end),
            }
        }
        let len = self.rest.len().min(self.headway.pace.piece(PIECE));
        if self.wait.is_none()
            && let Some(at) = self.headway.pace.take(len)
        {
            self.headway.goes_on(at);
            self.wait = Some(Box::pin(sleep_until(at)));
        }
        if let Some(wait) = &mut self.wait {
            ready!(wait.as_mut().poll(cx));
            self.wait = None;
        }
        self.headway.goes_on(Instant::now());
        Poll::Ready(Some(Ok(Frame::data(self.rest.split_to(len)))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (inner, rest) = (self.body.size_hint(), self.rest.len() as u64);
        let mut hint = SizeHint::new();
        hint.set_lower(inner.lower() + rest);
        if let Some(upper) = inner.upper() {
            hint.set_upper(upper + rest);
        }
        hint
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU64;
    use std::time::Duration;

    use aws_sdk_s3::operation::put_object::PutObjectError;

    use super::*;

    /// Takes a body of so many bytes, a piece every so often, and answers after that.
    async fn send(headway: &Headway, len: usize, every: Duration, then: Duration) -> Result<Vec<u8>, Duration> {
        let bytes: Vec<u8> = (0..len).map(|n| n as u8).collect();
        let mut body = Watched { body: SdkBody::from(bytes), rest: Bytes::new(), headway: headway.clone(), wait: None };
        let began = Instant::now();
        let answer = async {
            let mut taken = Vec::new();
            while !body.is_end_stream() {
                assert_eq!(body.size_hint().exact(), Some((len - taken.len()) as u64));
                let frame = std::future::poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await;
                let Some(frame) = frame.transpose().unwrap() else { break };
                taken.extend_from_slice(&frame.into_data().unwrap());
                tokio::time::sleep(every).await;
            }
            tokio::time::sleep(then).await;
            Ok::<_, SdkError<PutObjectError, HttpResponse>>(taken)
        };
        headway.within(answer).await.map_err(|_| began.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_has_time_as_long_as_it_is_sent_and_then_thirty_seconds_for_its_answer() {
        let (quick, slow, never) = (Duration::from_millis(1), Duration::from_secs(20), Duration::from_secs(100_000));
        let taken = send(&Headway::begin(&Pace::default()), 100 * PIECE + 1, slow, quick).await.unwrap();
        assert_eq!(taken.len(), 100 * PIECE + 1);
        assert!(taken.iter().enumerate().all(|(n, byte)| *byte == n as u8));
        let waited = send(&Headway::begin(&Pace::default()), 100 * PIECE, quick, never).await.unwrap_err();
        assert!((STALL..STALL + Duration::from_secs(1)).contains(&waited), "{waited:?}");
        let waited = send(&Headway::begin(&Pace::default()), 100 * PIECE, never, quick).await.unwrap_err();
        assert!((STALL..STALL + Duration::from_secs(1)).contains(&waited), "{waited:?}");
        assert!(send(&Headway::begin(&Pace::default()), 0, quick, slow).await.unwrap().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_may_pass_slowly_only_is_not_given_up() {
        let pace = Pace::new(NonZeroU64::new(1000));
        let (began, none) = (Instant::now(), Duration::ZERO);
        let send = async || send(&Headway::begin(&pace), 100_000, none, none).await.unwrap();
        let (first, second) = tokio::join!(send(), send());
        assert_eq!((first.len(), second.len()), (100_000, 100_000));
        assert!((198..202).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
    }
}
