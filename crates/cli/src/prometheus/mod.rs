//! `put --prometheus`: the figures of a load, for whoever asks over HTTP.

mod figures;

use core::convert::Infallible;
use core::net::SocketAddr;
use core::time::Duration;
use std::sync::Arc;

use headwaters::{Clock, TokioClock};
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use self::figures::Figures;
use crate::exit::Abort;

/// The figures of this process, and where they are asked for.
pub(crate) struct Exporter {
    clock: TokioClock,
    figures: Figures,
    listener: TcpListener,
}

/// Nobody needs more connections at a time; others wait.
const CONNECTIONS_MAX: usize = 8;

/// How long it waits when a connection cannot be taken.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How long a client may take for the head of its request, and how long its connection may last.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(60);

impl Exporter {
    /// Listens, and takes all figures from now on: to be called before the first is told.
    pub(crate) async fn listen(address: SocketAddr, clock: TokioClock) -> Result<Self, Abort> {
        let cannot = |error| {
            Abort::usage(format_args!(
                "cannot listen at {address} for --prometheus: {error}; another port, or 0 for a free one, may do"
            ))
        };
        let listener = TcpListener::bind(address).await.map_err(cannot)?;
        let figures = Figures::install().map_err(Abort::internal)?;
        Ok(Self { clock, figures, listener })
    }

    /// Where the figures are.
    pub(crate) fn url(&self) -> String {
        let address = self.listener.local_addr();
        address.map_or_else(|_| String::new(), |address| format!("http://{address}/metrics"))
    }

    /// Answers whoever asks.
    pub(crate) async fn run(self) -> Infallible {
        let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        loop {
            let permit = Arc::clone(&room).acquire_owned().await;
            let permit = permit.expect("nobody closes the semaphore");
            let Ok((socket, _)) = self.listener.accept().await else {
                // Such as too many open files: it passes, or the next connection says so again.
                self.clock.sleep_until(self.clock.now().after(ACCEPT_PAUSE)).await;
                continue;
            };
            let (clock, figures) = (self.clock, self.figures.clone());
            tokio::spawn(async move {
                let end = clock.now().after(CONNECTION_TIMEOUT);
                tokio::select! {
                    // A client that goes away misses the figures, and nothing else.
                    _ = serve(socket, figures) => {}
                    () = clock.sleep_until(end) => {}
                }
                drop(permit);
            });
        }
    }
}

async fn serve(socket: TcpStream, figures: Figures) -> Result<(), hyper::Error> {
    let answer = service_fn(|request| {
        let answer = answer(&request, &figures);
        async { Ok::<_, Infallible>(answer) }
    });
    let mut server = http1::Builder::new();
    server.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT);
    server.serve_connection(TokioIo::new(socket), answer).await
}

fn answer<B>(request: &Request<B>, figures: &Figures) -> Response<String> {
    let gets = matches!(*request.method(), Method::GET | Method::HEAD);
    let (status, text) = match request.uri().path() {
        _ if !gets => (StatusCode::METHOD_NOT_ALLOWED, String::from("figures can be got only\n")),
        "/metrics" => (StatusCode::OK, figures.text()),
        _ => (StatusCode::NOT_FOUND, String::from("the figures are at /metrics\n")),
    };
    let mut response = Response::new(text);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers
        .insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8"));
    if !gets {
        headers.insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
    }
    response
}
