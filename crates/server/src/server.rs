use core::fmt;
use core::net::SocketAddr;
use core::time::Duration;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use crate::clock::wait;
use crate::faults::FaultPlan;
use crate::front::{Ending, Front, Socket};
use crate::state;
use crate::tls::Tls;

/// A Kinesis that listens: made by a [`ServerBuilder`](crate::ServerBuilder), it serves in tasks of the tokio runtime
/// in which it was started, until it is shut down or dropped.
///
/// ```
/// use headwaters_server::{FaultPlan, Server};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn core::error::Error>> {
/// let server = Server::builder().stream("orders", 4)?.start().await?;
/// println!("point a client to {}", server.url());
///
/// // From now on every tenth request is stored, and its answer lost.
/// server.set_faults(FaultPlan::from_toml(
///     "[[fault]]\noperations = ['PutRecords']\nevery = 10\nreset = 'after'",
/// )?);
/// server.shutdown().await?;
/// # Ok(())
/// # }
/// ```
pub struct Server {
    address: SocketAddr,
    closing: watch::Sender<bool>,
    front: Arc<Front>,
    is_tls: bool,
    serving: Option<JoinHandle<()>>,
    state: Option<PathBuf>,
}

/// How long answers that are under way may take when the server is shut down.
const GRACE: Duration = Duration::from_secs(2);

/// How long nothing is accepted after that failed, for want of file handles as a rule.
const PAUSE: Duration = Duration::from_millis(50);

impl Server {
    /// Serves what comes to the listener.
    pub(crate) fn serve(
        listener: TcpListener,
        front: Front,
        tls: Option<Tls>,
        state: Option<PathBuf>,
    ) -> io::Result<Self> {
        let (address, front, is_tls) = (listener.local_addr()?, Arc::new(front), tls.is_some());
        let closing = watch::Sender::new(false);
        let serving = accept(listener, Arc::clone(&front), tls, closing.subscribe());
        let saving = state.clone().map(|path| state::save_now_and_then(Arc::clone(&front), path));
        let serving = tokio::spawn(async move {
            match saving {
                None => serving.await,
                Some(saving) => tokio::select! {
                    () = serving => {}
                    never = saving => match never {},
                },
            }
        });
        Ok(Self { address, closing, front, is_tls, serving: Some(serving), state })
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// What clients take as the endpoint.
    pub fn url(&self) -> String {
        // A certificate and a client know this machine by its name.
        let scheme = if self.is_tls { "https" } else { "http" };
        match self.address {
            address if address.ip().is_loopback() && self.is_tls => {
                format!("{scheme}://localhost:{}", address.port())
            }
            address => format!("{scheme}://{address}"),
        }
    }

    /// Puts a plan of faults into force in place of the one before; its counts begin anew.
    pub fn set_faults(&self, plan: FaultPlan) {
        self.front.faults.set(plan);
    }

    /// What happened to requests that a fault met, from the event of this number on, as the control path gives it:
    /// JSON.
    pub fn events(&self, from: u64) -> String {
        self.front.events.report(from).to_string()
    }

    /// Takes no more requests, lets answers that are under way end, for two seconds at most, and writes the state to
    /// disk if it has a place there.
    ///
    /// # Errors
    /// The state could not be written.
    pub async fn shutdown(mut self) -> io::Result<()> {
        self.closing.send_replace(true);
        if let Some(serving) = self.serving.take() {
            // A task that panicked serves no more, either.
            let _ = serving.await;
        }
        match &self.state {
            Some(path) => state::save(&self.front.kinesis, self.front.clock.now(), path),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("url", &self.url()).finish_non_exhaustive()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(serving) = &self.serving {
            serving.abort();
        }
    }
}

async fn accept(
    listener: TcpListener,
    front: Arc<Front>,
    tls: Option<Tls>,
    mut closing: watch::Receiver<bool>,
) {
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = closed(&mut closing) => break,
            Some(_) = connections.join_next() => continue,
        };
        match accepted {
            Ok((stream, _)) => {
                let (front, tls) = (Arc::clone(&front), tls.clone());
                connections.spawn(connect(stream, front, tls, closing.clone()));
            }
            Err(_) => wait(PAUSE).await,
        }
    }
    drop(listener);
    let all = async { while connections.join_next().await.is_some() {} };
    tokio::select! {
        () = all => {}
        () = wait(GRACE) => {}
    }
}

/// Ends when the server is shut down, or dropped.
async fn closed(closing: &mut watch::Receiver<bool>) {
    let _ = closing.wait_for(|closing| *closing).await;
}

async fn connect(
    stream: TcpStream,
    front: Arc<Front>,
    tls: Option<Tls>,
    closing: watch::Receiver<bool>,
) {
    // It only costs time if that does not work.
    let _ = stream.set_nodelay(true);
    let ending = Ending::default();
    let socket = Socket::new(stream, ending.clone());
    match tls {
        None => serve(socket, front, ending, closing).await,
        Some(tls) => {
            // A handshake that fails is the client's to tell.
            if let Ok(stream) = tls.accept(socket).await {
                serve(stream, front, ending, closing).await;
            }
        }
    }
}

async fn serve<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    front: Arc<Front>,
    ending: Ending,
    mut closing: watch::Receiver<bool>,
) {
    let service = service_fn(|request| {
        let (front, ending) = (Arc::clone(&front), ending.clone());
        async move { front.handle(request, &ending).await }
    });
    let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    let mut connection = core::pin::pin!(connection);
    // A connection that breaks is the client's to tell, or what a fault ordered.
    tokio::select! {
        _ = connection.as_mut() => {}
        () = closed(&mut closing) => {
            connection.as_mut().graceful_shutdown();
            let _ = connection.await;
        }
    }
}
