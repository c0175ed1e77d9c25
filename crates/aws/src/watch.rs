use core::pin::Pin;
use core::sync::atomic::{AtomicBool, Ordering};
use core::task::{Context, Poll};
use core::time::Duration;
use std::sync::{Arc, OnceLock};

use aws_sdk_kinesis::config::interceptors::{
    BeforeDeserializationInterceptorContextMut, BeforeTransmitInterceptorContextMut,
};
use aws_sdk_kinesis::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_kinesis::error::BoxError;
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;
use headwaters_transport::{Departure, Sent};
use http_body::{Body, Frame, SizeHint};

use crate::depth::Depth;

/// Watches one request on its way: when its body leaves, and what becomes of the answer's.
///
/// The SDK's errors do not say whether a connection had been made. The body does: an HTTP client takes the first
/// piece of it when there is somebody to send it to, and without its body no request stores anything. To have it
/// taken, and not seen through its memory, it is hidden in a stream; the signature is there by then.
#[derive(Clone, Debug)]
pub(crate) struct Watch {
    answer: Arc<Answer>,
    departure: Departure,
    /// Most bytes of the answer.
    limit: usize,
}

#[derive(Debug, Default)]
struct Answer {
    is_broken: AtomicBool,
    retry_after: OnceLock<Duration>,
}

/// In milliseconds.
const RETRY_AFTER: &str = "x-amz-retry-after";

impl Watch {
    pub(crate) fn new(departure: Departure, limit: usize) -> Self {
        departure.hold();
        Self { answer: Arc::default(), departure, limit }
    }

    /// Whether something may have been sent.
    pub(crate) fn has_left(&self) -> bool {
        self.departure.sent() == Sent::Unknown
    }

    /// How long the server wants to be left alone, if it said so.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        self.answer.retry_after.get().copied()
    }

    /// Whether the connection broke amid the answer.
    pub(crate) fn is_answer_broken(&self) -> bool {
        self.answer.is_broken.load(Ordering::Relaxed)
    }
}

impl Intercept for Watch {
    fn name(&self) -> &'static str {
        "HeadwatersWatch"
    }

    fn modify_before_transmit(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let request = context.request_mut();
        let body = Box::pin(request.take_body());
        let departure = self.departure.clone();
        let look = move |polled| {
            departure.leave();
            polled
        };
        *request.body_mut() = SdkBody::from_body_1_x(Passing { body, look });
        Ok(())
    }

    fn modify_before_deserialization(
        &self,
        context: &mut BeforeDeserializationInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let response = context.response_mut();
        // Taken, and not read: in debug builds the SDK (aws-runtime 1.6) panics when the header comes with anything else
        // than an error of which it knows the code.
        let retry_after = response.headers_mut().remove(RETRY_AFTER);
        if let Some(millis) = retry_after.and_then(|millis| millis.parse().ok()) {
            let _ = self.answer.retry_after.set(Duration::from_millis(millis));
        }
        let body = Box::pin(response.take_body());
        if body.size_hint().lower() > self.limit as u64 {
            return Err(TOO_LARGE.into());
        }
        let answer = Arc::clone(&self.answer);
        let mut arriving = Arriving { answer, depth: Depth::default(), left: self.limit };
        let look = move |polled| arriving.look(polled);
        *response.body_mut() = SdkBody::from_body_1_x(Passing { body, look });
        Ok(())
    }
}

const TOO_DEEP: &str = "the answer is nested deeper than it can be";
const TOO_LARGE: &str = "the answer is larger than it can be";

type Polled = Poll<Option<Result<Frame<Bytes>, BoxError>>>;

/// What is left of an answer's limit, and how deep it is nested.
struct Arriving {
    answer: Arc<Answer>,
    depth: Depth,
    left: usize,
}

impl Arriving {
    fn look(&mut self, polled: Polled) -> Polled {
        match &polled {
            Poll::Ready(Some(Ok(frame))) => {
                let bytes = frame.data_ref().map_or(&[][..], |bytes| bytes);
                let Some(left) = self.left.checked_sub(bytes.len()) else {
                    return Poll::Ready(Some(Err(TOO_LARGE.into())));
                };
                self.left = left;
                if !self.depth.pass(bytes) {
                    return Poll::Ready(Some(Err(TOO_DEEP.into())));
                }
            }
            Poll::Ready(Some(Err(_))) => self.answer.is_broken.store(true, Ordering::Relaxed),
            Poll::Ready(None) | Poll::Pending => {}
        }
        polled
    }
}

/// A body at which somebody looks as it passes.
struct Passing<F> {
    body: Pin<Box<SdkBody>>,
    look: F,
}

impl<F: FnMut(Polled) -> Polled + Unpin> Body for Passing<F> {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Polled {
        let polled = self.body.as_mut().poll_frame(cx);
        (self.look)(polled)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        Body::size_hint(&*self.body)
    }
}
