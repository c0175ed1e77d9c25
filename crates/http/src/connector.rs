use core::net::SocketAddr;
use core::time::Duration;
use std::io;

use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::connection::Connection;
use crate::endpoint::{Endpoint, Host};
use crate::proxy::Proxy;
use crate::socket::{Encrypted, Socket, encrypted};
use crate::time::Deadline;
use crate::tls;

/// Makes connections to an endpoint.
pub(crate) struct Connector {
    pub(crate) endpoint: Endpoint,
    pub(crate) proxy: Option<Proxy>,
    /// For `https://`.
    pub(crate) tls: Option<TlsConnector>,
    pub(crate) timeout: Duration,
}

impl Connector {
    /// A new connection, through the proxy if there is one.
    ///
    /// # Errors
    /// What went wrong; nothing of any request was sent.
    pub(crate) async fn connect(&self) -> Result<Connection, ConnectError> {
        let deadline = Deadline::after(self.timeout);
        let connected = deadline.bound(self.try_connect(deadline)).await;
        connected.unwrap_or_else(|| {
            Err(format!("no connection to {} within {:?}", self.endpoint, self.timeout))
        })
    }

    async fn try_connect(&self, deadline: Deadline) -> Result<Connection, ConnectError> {
        let first = self.proxy.as_ref().map_or(&self.endpoint, Proxy::endpoint);
        let failed = |error: io::Error| format!("no connection to {first}: {error}");
        let mut socket = dial(first, deadline).await.map_err(failed)?;
        // Requests are written as a whole.
        socket.set_nodelay(true).map_err(failed)?;
        if let Some(proxy) = &self.proxy {
            let refused = |error| format!("no tunnel through {first}: {error}");
            proxy.tunnel(&mut socket, &self.endpoint).await.map_err(refused)?;
        }
        let socket = match &self.tls {
            Some(tls) => Socket::Tls(Box::new(self.secure(tls, socket).await?)),
            None => Socket::Plain(socket),
        };
        Connection::open(socket).await.map_err(|error| error.to_string())
    }

    async fn secure(
        &self,
        tls: &TlsConnector,
        socket: TcpStream,
    ) -> Result<TlsStream<Encrypted>, ConnectError> {
        let name = tls::server_name(self.endpoint.host())
            .map_err(|_| format!("no certificate can have the name {}", self.endpoint.host()))?;
        let failed = |error: io::Error| format!("no TLS with {}: {error}", self.endpoint);
        tls.connect(name, encrypted(socket)).await.map_err(failed)
    }
}

/// Why there is no connection, in words.
pub(crate) type ConnectError = String;

/// Tries one address after the other, and gives each its share of the time that is left, so that one that
/// swallows everything does not take the others' chance.
async fn dial(endpoint: &Endpoint, deadline: Deadline) -> io::Result<TcpStream> {
    let addresses = resolve(endpoint).await?;
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for (index, address) in addresses.iter().enumerate() {
        let others = u32::try_from(addresses.len() - index).unwrap_or(u32::MAX);
        let share = Deadline::after(deadline.left() / others);
        match share.bound(TcpStream::connect(address)).await {
            Some(Ok(socket)) => return Ok(socket),
            Some(Err(error)) => last = error,
            None => last = io::ErrorKind::TimedOut.into(),
        }
    }
    Err(last)
}

async fn resolve(endpoint: &Endpoint) -> io::Result<Vec<SocketAddr>> {
    let port = endpoint.port();
    match endpoint.host() {
        Host::Address(address) => Ok(vec![SocketAddr::new(*address, port)]),
        Host::Name(name) => {
            let found = tokio::net::lookup_host((&**name, port)).await?;
            // A name server that says otherwise about `localhost` is not to be believed: it would get plain
            // requests.
            let local = endpoint.is_loopback();
            Ok(found.filter(|address| !local || address.ip().is_loopback()).collect())
        }
    }
}

impl core::fmt::Debug for Connector {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Connector")
            .field("endpoint", &self.endpoint)
            .field("proxy", &self.proxy)
            .finish_non_exhaustive()
    }
}
