//! Answers are not larger than they can be: the SDK takes any but that to a read of an object into memory as a whole.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use aws_sdk_s3::config::interceptors::{
    BeforeDeserializationInterceptorContextMut, BeforeTransmitInterceptorContextRef,
};
use aws_sdk_s3::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_s3::error::BoxError;
use aws_sdk_s3::primitives::SdkBody;
use aws_smithy_types::config_bag::{Storable, StoreReplace};
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

/// Bytes of an answer that is not an object: a listing has 1,000 keys of at most 1 KiB, escaped.
const MOST: u64 = 16 << 20;

/// Ends answers that go on and on.
#[derive(Debug)]
pub(super) struct Limit;

/// The request is one for an object.
#[derive(Debug)]
struct ReadsObject;

impl Storable for ReadsObject {
    type Storer = StoreReplace<ReadsObject>;
}

impl Intercept for Limit {
    fn name(&self) -> &'static str {
        "Limit"
    }

    fn read_before_transmit(
        &self,
        context: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        bag: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let request = context.request();
        let query = request.uri().split_once('?').map_or("", |(_, query)| query);
        if request.method() == "GET" && !query.split('&').any(|part| part == "uploads" || part.starts_with("list-")) {
            bag.interceptor_state().store_put(ReadsObject);
        }
        Ok(())
    }

    fn modify_before_deserialization(
        &self,
        context: &mut BeforeDeserializationInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        bag: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        // Of an object no more is taken than was asked for.
        let is_object = bag.load::<ReadsObject>().is_some();
        if !(is_object && context.response().status().is_success()) {
            let body = context.response_mut().body_mut();
            let limited = Limited { body: std::mem::replace(body, SdkBody::taken()), left: MOST };
            *body = SdkBody::from_body_1_x(limited);
        }
        Ok(())
    }
}

/// A body of which only so much is taken.
struct Limited {
    body: SdkBody,
    left: u64,
}

impl Body for Limited {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        let len = frame.as_ref().and_then(|frame| frame.as_ref().ok()?.data_ref()).map_or(0, |data| data.len() as u64);
        Poll::Ready(match self.left.checked_sub(len) {
            Some(left) => {
                self.left = left;
                frame
            }
            None => Some(Err("the answer is larger than it can be".into())),
        })
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn taken(len: usize, left: u64) -> Result<usize, BoxError> {
        let mut body = Limited { body: SdkBody::from(vec![7; len]), left };
        let mut taken = 0;
        while let Some(frame) = std::future::poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
            taken += frame?.data_ref().map_or(0, Bytes::len);
        }
        Ok(taken)
    }

    #[tokio::test]
    async fn a_body_is_taken_up_to_its_limit() {
        assert_eq!(taken(0, 0).await.unwrap(), 0);
        assert_eq!(taken(9, 9).await.unwrap(), 9);
        assert!(taken(10, 9).await.is_err());
    }
}
