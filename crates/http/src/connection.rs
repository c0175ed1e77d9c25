use core::fmt;
use core::future::poll_fn;
use core::pin::Pin;
use core::task::{Context, Poll};

use bytes::Bytes;
use headwaters_transport::Departure;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;

use crate::socket::Socket;
use crate::traffic::{Traffic, Watched};

/// One HTTP/1.1 connection, for one request at a time.
///
/// Whoever holds it drives it: there is no task behind it. To drop it closes the socket, whatever was going on;
/// that is how a request is cancelled.
pub(crate) struct Connection {
    driver: Driver,
    sender: http1::SendRequest<Payload>,
    traffic: Traffic,
}

/// Moves the bytes; ends when the connection does.
struct Driver {
    connection: http1::Connection<Watched<TokioIo<Socket>>, Payload>,
    /// It must not be polled again.
    ended: bool,
}

/// Most bytes of the head of an answer, and most headers: the service's have about 300 bytes.
const HEAD_BYTES_MAX: usize = 64 * 1024;
const HEADERS_MAX: usize = 100;

/// What came back.
pub(crate) struct Answer {
    pub(crate) body: Bytes,
    pub(crate) headers: HeaderMap,
    pub(crate) status: StatusCode,
}

/// Why no answer came back.
#[derive(Debug)]
pub(crate) enum ExchangeError {
    /// The connection broke, and nothing had left.
    Gone,
    /// The connection broke before or amid the answer.
    Lost(hyper::Error),
    /// The answer is not HTTP.
    NotHttp(hyper::Error),
    /// The answer is larger than the limit.
    TooLarge,
}

impl Connection {
    pub(crate) async fn open(socket: Socket) -> hyper::Result<Self> {
        let traffic = Traffic::default();
        let socket = Watched { socket: TokioIo::new(socket), traffic: traffic.clone() };
        let (sender, connection) = http1::Builder::new()
            .max_buf_size(HEAD_BYTES_MAX)
            .max_headers(HEADERS_MAX)
            .handshake(socket)
            .await?;
        Ok(Self { driver: Driver { connection, ended: false }, sender, traffic })
    }

    /// Sends a request and reads its answer, of which the body may have `limit` bytes.
    ///
    /// # Cancel safety
    /// Dropping the future leaves a connection in the middle of something: drop that too.
    pub(crate) async fn exchange(
        &mut self,
        request: Request<Bytes>,
        departure: Option<Departure>,
        limit: usize,
    ) -> Result<Answer, ExchangeError> {
        self.traffic.begin(departure);
        let request = request.map(|body| Payload(Some(body)));
        let response = match self.send(request).await {
            Ok(response) => response,
            Err(_) if !self.traffic.has_left() => return Err(ExchangeError::Gone),
            Err(error) if error.is_parse() => return Err(ExchangeError::NotHttp(error)),
            Err(error) => return Err(ExchangeError::Lost(error)),
        };
        let (head, body) = response.into_parts();
        let body = self.read(body, limit).await?;
        Ok(Answer { body, headers: head.headers, status: head.status })
    }

    async fn send(&mut self, request: Request<Payload>) -> hyper::Result<Response<Incoming>> {
        let driver = &mut self.driver;
        let mut response = core::pin::pin!(self.sender.send_request(request));
        poll_fn(|cx| {
            driver.poll(cx);
            response.as_mut().poll(cx)
        })
        .await
    }

    async fn read(&mut self, mut body: Incoming, limit: usize) -> Result<Bytes, ExchangeError> {
        let announced = body.size_hint().lower();
        if announced > limit as u64 {
            return Err(ExchangeError::TooLarge);
        }
        let mut whole = Vec::with_capacity(announced as usize);
        let driver = &mut self.driver;
        loop {
            let frame = poll_fn(|cx| {
                driver.poll(cx);
                Pin::new(&mut body).poll_frame(cx)
            });
            let Some(frame) = frame.await else { return Ok(whole.into()) };
            let frame = frame.map_err(ExchangeError::Lost)?;
            // Anything else is a trailer.
            let Ok(bytes) = frame.into_data() else { continue };
            if whole.len() + bytes.len() > limit {
                return Err(ExchangeError::TooLarge);
            }
            whole.extend_from_slice(&bytes);
        }
    }

    /// Whether another request can be sent now: the last one is done with, and the server has not closed
    /// the connection, as far as that is known here.
    pub(crate) async fn is_ready(&mut self) -> bool {
        let Self { driver, sender, .. } = self;
        poll_fn(|cx| {
            driver.poll(cx);
            let ready = matches!(sender.poll_ready(cx), Poll::Ready(Ok(())));
            Poll::Ready(ready && !driver.ended)
        })
        .await
    }
}

impl Driver {
    /// What went wrong comes out of the request or its answer.
    fn poll(&mut self, cx: &mut Context<'_>) {
        if !self.ended {
            self.ended = Pin::new(&mut self.connection).poll(cx).is_ready();
        }
    }
}

/// The body of a request: there as a whole.
struct Payload(Option<Bytes>);

impl Body for Payload {
    type Data = Bytes;
    type Error = core::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        Poll::Ready(self.0.take().map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.0.as_ref().map_or(0, |bytes| bytes.len() as u64))
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("ended", &self.driver.ended).finish_non_exhaustive()
    }
}
