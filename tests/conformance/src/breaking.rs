use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use headwaters_hostile::acceptor;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// What something on the way does.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Habit {
    /// It lets the server have each request to PutRecords, and breaks the connection instead of every third answer.
    BreakEveryThirdAnswer,
    /// It passes everything on.
    None,
    /// It refuses requests that are signed with one of the first two keys, but for the very first request.
    RefuseFirstKeys,
}

/// Something between a transport and its server.
#[derive(Debug)]
pub(crate) struct Breaking {
    pub(crate) port: u16,
    accepting: Mutex<JoinHandle<()>>,
    state: Arc<State>,
}

#[derive(Debug)]
struct State {
    broken: AtomicU64,
    down: AtomicBool,
    habit: Habit,
    requests: AtomicU64,
    server: u16,
}

impl Breaking {
    pub(crate) async fn start(server: u16, habit: Habit) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("there are free ports");
        let port = listener.local_addr().expect("it listens").port();
        let state = State {
            broken: AtomicU64::new(0),
            down: AtomicBool::new(false),
            habit,
            requests: AtomicU64::new(0),
            server,
        };
        let state = Arc::new(state);
        let accepting = Mutex::new(accept(listener, Arc::clone(&state)));
        Self { port, accepting, state }
    }

    /// How many answers were lost, or requests refused.
    pub(crate) fn broken(&self) -> u64 {
        self.state.broken.load(Ordering::Acquire)
    }

    /// From now on nobody listens, and what is open breaks with its next request.
    pub(crate) fn down(&self) {
        self.state.down.store(true, Ordering::Release);
        self.accepting.lock().expect("nobody panics").abort();
    }

    pub(crate) async fn up(&self) {
        self.state.down.store(false, Ordering::Release);
        let listener = TcpListener::bind(("127.0.0.1", self.port)).await.expect("the port is ours");
        *self.accepting.lock().expect("nobody panics") = accept(listener, Arc::clone(&self.state));
    }
}

impl Drop for Breaking {
    fn drop(&mut self) {
        if let Ok(accepting) = self.accepting.get_mut() {
            accepting.abort();
        }
    }
}

fn accept(listener: TcpListener, state: Arc<State>) -> JoinHandle<()> {
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let state = Arc::clone(&state);
            tokio::spawn(async move {
                let _ = state.serve(socket).await;
            });
        }
    })
}

const REFUSAL: &str =
    "{\"__type\":\"ExpiredTokenException\",\"message\":\"The security token has expired\"}";

impl State {
    /// Passes requests and answers on, one after the other.
    async fn serve(&self, mut client: TcpStream) -> std::io::Result<()> {
        let mut server = TcpStream::connect(("127.0.0.1", self.server)).await?;
        loop {
            let request = message(&mut client).await?;
            if self.down.load(Ordering::Acquire) {
                return Ok(());
            }
            let head = String::from_utf8_lossy(&request[..request.len().min(4_096)]).into_owned();
            let puts = head.contains("Kinesis_20131202.PutRecords");
            let number = if puts { self.requests.fetch_add(1, Ordering::AcqRel) } else { 0 };
            let first_key =
                ["Credential=KEY0/", "Credential=KEY1/"].iter().any(|key| head.contains(key));
            if self.habit == Habit::RefuseFirstKeys && puts && first_key {
                self.broken.fetch_add(1, Ordering::AcqRel);
                let answer = format!(
                    "HTTP/1.1 400 Bad Request\r\nContent-Type: application/x-amz-json-1.1\r\nContent-Length: {}\r\n\r\n{REFUSAL}",
                    REFUSAL.len()
                );
                client.write_all(answer.as_bytes()).await?;
                continue;
            }
            server.write_all(&request).await?;
            let answer = message(&mut server).await?;
            if self.habit == Habit::BreakEveryThirdAnswer && puts && number % 3 == 2 {
                self.broken.fetch_add(1, Ordering::AcqRel);
                return Ok(());
            }
            client.write_all(&answer).await?;
        }
    }
}

/// A whole message: a head, and a body of a length that is known or in chunks.
async fn message(socket: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let mut message = Vec::new();
    while !message.ends_with(b"\r\n\r\n") {
        message.push(socket.read_u8().await?);
    }
    let head = String::from_utf8_lossy(&message).to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
    if let Some(length) = length {
        let start = message.len();
        message.resize(start + length.trim().parse::<usize>().unwrap_or(0), 0);
        socket.read_exact(&mut message[start..]).await?;
    } else if head.contains("transfer-encoding: chunked") {
        while !message.ends_with(b"\r\n0\r\n\r\n") {
            message.push(socket.read_u8().await?);
        }
    }
    Ok(message)
}

/// TLS in front of a server, for `localhost`; and the certificate.
pub(crate) async fn secure(server: u16) -> (Secured, String) {
    let (acceptor, pem) = acceptor("localhost");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("there are free ports");
    let port = listener.local_addr().expect("it listens").port();
    let task = tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let mut client = acceptor.accept(socket).await?;
                let mut server = TcpStream::connect(("127.0.0.1", server)).await?;
                tokio::io::copy_bidirectional(&mut client, &mut server).await
            });
        }
    });
    (Secured { port, task }, pem)
}

/// Ends with the value.
#[derive(Debug)]
pub(crate) struct Secured {
    pub(crate) port: u16,
    task: JoinHandle<()>,
}

impl Drop for Secured {
    fn drop(&mut self) {
        self.task.abort();
    }
}
