use core::future::poll_fn;
use core::pin::Pin;

use bytes::Bytes;
use http_body::Body;
use hyper::body::Incoming;

use crate::error::ServiceError;

/// Most bytes of a request: 10 MiB of records in base64, and what is around 500 of them.
const BODY_BYTES_MAX: usize = 16 << 20;

/// Why there is no body.
#[derive(Debug)]
pub(crate) enum NoBody {
    /// The connection broke, or what came is no HTTP.
    Broken,
    /// It is refused.
    Refused(ServiceError),
}

/// The next part of a body.
async fn part(body: &mut Incoming) -> Option<Result<Bytes, NoBody>> {
    loop {
        let frame = poll_fn(|context| Pin::new(&mut *body).poll_frame(context)).await?;
        match frame.map(hyper::body::Frame::into_data) {
            Ok(Ok(bytes)) => return Some(Ok(bytes)),
            // Trailers.
            Ok(Err(_)) => {}
            Err(_) => return Some(Err(NoBody::Broken)),
        }
    }
}

/// Waits until a part of the body is there.
pub(crate) async fn first_part(body: &mut Incoming) {
    let _ = part(body).await;
}

/// The whole body.
pub(crate) async fn whole(mut body: Incoming) -> Result<Bytes, NoBody> {
    let too_large = || {
        let words = format!("The request is larger than {BODY_BYTES_MAX} bytes");
        NoBody::Refused(ServiceError::new("RequestEntityTooLargeException", words))
    };
    let expected = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if expected > BODY_BYTES_MAX {
        return Err(too_large());
    }
    let Some(first) = part(&mut body).await.transpose()? else { return Ok(Bytes::new()) };
    if first.len() >= expected && body.is_end_stream() {
        return Ok(first);
    }
    let mut whole = Vec::with_capacity(expected.max(first.len()));
    whole.extend_from_slice(&first);
    drop(first);
    while let Some(bytes) = part(&mut body).await.transpose()? {
        if whole.len() + bytes.len() > BODY_BYTES_MAX {
            return Err(too_large());
        }
        whole.extend_from_slice(&bytes);
    }
    Ok(whole.into())
}
