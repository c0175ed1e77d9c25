use core::sync::atomic::Ordering;

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};

use super::{Front, Reply};
use crate::codec::{Protocol, Writer};
use crate::error::ServiceError;

/// Status and body of an answer.
pub(super) fn content(
    protocol: Protocol,
    outcome: Result<Bytes, ServiceError>,
) -> (StatusCode, Bytes) {
    let error = match outcome {
        Ok(bytes) => return (StatusCode::OK, bytes),
        Err(error) => error,
    };
    let mut writer = Writer::new(protocol, 256);
    writer.name("__type").text(&error.code);
    writer.name("message").text(&error.message);
    let status = StatusCode::from_u16(error.status).unwrap_or(StatusCode::BAD_REQUEST);
    (status, writer.finish().into())
}

/// An answer with the headers that all have.
pub(super) fn dress(
    status: StatusCode,
    reply: Reply,
    content_type: &'static str,
    number: u64,
) -> Response<Reply> {
    let mut response = Response::new(reply);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    // In the form of the service's ids, and in their order.
    let id = format!("00000000-0000-0000-0000-{number:012x}");
    if let Ok(id) = HeaderValue::try_from(id) {
        headers.insert("x-amz-id-2", id.clone());
        headers.insert("x-amzn-requestid", id);
    }
    response
}

impl Front {
    /// The number of the next answer.
    pub(super) fn next_answer(&self) -> u64 {
        self.answers.fetch_add(1, Ordering::Relaxed) + 1
    }
}
