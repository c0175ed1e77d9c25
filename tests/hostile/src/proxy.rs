use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A proxy that makes tunnels to where it wants to, and keeps all that it sees of who uses them.
#[derive(Clone, Debug)]
pub struct Proxy {
    port: u16,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Debug, Default)]
struct Seen {
    asked: Vec<String>,
    passed: Vec<u8>,
}

impl Proxy {
    /// Starts a proxy whose tunnels lead to this port, whoever is asked for; it answers with this status.
    ///
    /// # Panics
    /// There is no free port.
    pub async fn start(to: u16, status: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("there are free ports");
        let port = listener.local_addr().expect("it listens").port();
        let proxy = Self { port, seen: Arc::default() };
        let accepting = proxy.clone();
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let proxy = accepting.clone();
                tokio::spawn(async move { proxy.serve(socket, to, status).await });
            }
        });
        proxy
    }

    /// Where it listens.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// The heads of the requests to itself.
    ///
    /// # Panics
    /// A connection panicked.
    pub fn asked(&self) -> Vec<String> {
        self.seen.lock().expect("nobody panics").asked.clone()
    }

    /// What passed through its tunnels to the server.
    ///
    /// # Panics
    /// A connection panicked.
    pub fn passed(&self) -> Vec<u8> {
        self.seen.lock().expect("nobody panics").passed.clone()
    }

    async fn serve(&self, mut socket: TcpStream, to: u16, status: &str) -> Option<()> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(socket.read_u8().await.ok()?);
        }
        let head = String::from_utf8_lossy(&head).into_owned();
        self.seen.lock().expect("nobody panics").asked.push(head);
        let answer = format!("HTTP/1.1 {status}\r\nServer: x\r\n\r\n");
        socket.write_all(answer.as_bytes()).await.ok()?;
        let server = TcpStream::connect(("127.0.0.1", to)).await.ok()?;
        let (mut from_client, mut to_client) = socket.into_split();
        let (mut from_server, mut to_server) = server.into_split();
        let back = tokio::spawn(async move {
            let _ = tokio::io::copy(&mut from_server, &mut to_client).await;
        });
        let mut buffer = vec![0; 64 * 1024];
        while let Some(bytes) = from_client.read(&mut buffer).await.ok().filter(|bytes| *bytes > 0)
        {
            self.seen.lock().expect("nobody panics").passed.extend_from_slice(&buffer[..bytes]);
            to_server.write_all(&buffer[..bytes]).await.ok()?;
        }
        to_server.shutdown().await.ok()?;
        back.await.ok()
    }
}
