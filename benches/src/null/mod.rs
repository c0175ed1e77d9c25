//! A server of Kinesis that answers at once: over TLS, with a thread for each connection, and without keeping anything.
//!
//! It is there to be asked, and not to be fast: what it costs is in nobody's figures.

mod answer;
mod connection;
mod request;

use core::net::SocketAddr;
use core::sync::atomic::{AtomicU64, Ordering};
use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::thread;

use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::PrivateKeyDer;

use connection::Connection;

/// A stream of [`SHARDS`](crate::SHARDS) shards, and the service before it: says of each entry that it is stored in the
/// shard where it belongs. Its threads live as long as the process.
#[derive(Debug)]
pub struct NullServer {
    address: SocketAddr,
    certificate_pem: String,
    counts: Arc<Counts>,
}

/// What was asked so far.
#[derive(Debug, Default)]
struct Counts {
    bytes: AtomicU64,
    entries: AtomicU64,
    requests: AtomicU64,
}

/// What it has said was stored.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "it is for the benches here alone")]
pub struct Stored {
    /// Bytes of bodies.
    pub bytes: u64,
    /// Kinesis records.
    pub entries: u64,
    /// Requests of them.
    pub requests: u64,
}

impl NullServer {
    /// Listens on a free port of this machine.
    ///
    /// # Errors
    /// There is no port, or no randomness to make a key of.
    pub fn start() -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let made = rcgen::generate_simple_self_signed([String::from("localhost")])
            .map_err(io::Error::other)?;
        let key = PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
        let tls = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .and_then(|builder| {
                let builder = builder.with_no_client_auth();
                builder.with_single_cert(vec![made.cert.der().clone()], key)
            })
            .map_err(io::Error::other)?;
        let (tls, counts) = (Arc::new(tls), Arc::new(Counts::default()));
        let server =
            Self { address, certificate_pem: made.cert.pem(), counts: Arc::clone(&counts) };
        thread::spawn(move || {
            for socket in listener.incoming().flatten() {
                let (tls, counts) = (Arc::clone(&tls), Arc::clone(&counts));
                // Whoever hangs up is not waited for.
                thread::spawn(move || {
                    Connection::open(socket, tls).and_then(|mut c| c.serve(&counts))
                });
            }
        });
        Ok(server)
    }

    /// Where it is.
    pub fn url(&self) -> String {
        format!("https://localhost:{}", self.address.port())
    }

    /// Whom to trust to reach it.
    pub fn certificate_pem(&self) -> &str {
        &self.certificate_pem
    }

    /// What it has said was stored so far.
    pub fn stored(&self) -> Stored {
        let Counts { bytes, entries, requests } = &*self.counts;
        Stored {
            bytes: bytes.load(Ordering::Relaxed),
            entries: entries.load(Ordering::Relaxed),
            requests: requests.load(Ordering::Relaxed),
        }
    }
}

impl Counts {
    fn add(&self, bytes: usize, entries: usize) {
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        self.entries.fetch_add(entries as u64, Ordering::Relaxed);
        self.requests.fetch_add(1, Ordering::Relaxed);
    }
}
