//! A server that does as a script says, on this machine.

use core::time::Duration;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use crate::tls::acceptor;

/// What the server does with one request.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_enums, reason = "those that there are")]
pub enum Step {
    /// Reads the request, writes these bytes, and goes on with the connection.
    Answer(Vec<u8>),
    /// Reads the request, writes these bytes, and closes the connection in order.
    AnswerAndClose(Vec<u8>),
    /// Reads the request, writes these bytes, and resets the connection.
    AnswerAndReset(Vec<u8>),
    /// Resets the connection when the first byte of the request is there.
    ResetAtFirstByte,
    /// Resets the connection before it has read anything.
    ResetAtOnce,
    /// Reads the request, writes these bytes, and never anything again.
    Stall(Vec<u8>),
    /// Reads the request, writes these bytes, and then the other ones for ever.
    Endless(Vec<u8>, Vec<u8>),
    /// Reads the request, and writes these bytes one by one with a pause after each.
    Drip(Vec<u8>, Duration),
}

/// A request as it came.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Received {
    /// The request line and the headers.
    pub head: String,
    /// All of the body.
    pub body: Vec<u8>,
    /// The number of its connection, from 0.
    pub connection: usize,
}

impl Received {
    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then_some(value.trim())
        })
    }
}

/// A server that takes one step of its script for each request. Clones are the same server.
#[derive(Clone, Debug)]
pub struct Server {
    port: u16,
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    connections: usize,
    received: Vec<Received>,
    steps: VecDeque<Step>,
    /// What happens when the script has ended.
    otherwise: Step,
    tasks: Vec<JoinHandle<()>>,
    written: usize,
}

impl Server {
    /// Starts a server that stores everything once the script has ended.
    pub async fn start(steps: impl IntoIterator<Item = Step>) -> Self {
        Self::start_at(0, steps).await
    }

    /// Starts one at this port.
    ///
    /// # Panics
    /// Somebody else listens there.
    pub async fn start_at(port: u16, steps: impl IntoIterator<Item = Step>) -> Self {
        Self::listen(port, None, steps).await
    }

    /// Starts one behind TLS whose certificate has this name; and the certificate in PEM.
    pub async fn start_secure(name: &str) -> (Self, String) {
        let (acceptor, pem) = acceptor(name);
        (Self::listen(0, Some(acceptor), []).await, pem)
    }

    async fn listen(
        port: u16,
        tls: Option<TlsAcceptor>,
        steps: impl IntoIterator<Item = Step>,
    ) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).await.expect("the port is free");
        let state = State {
            connections: 0,
            received: Vec::new(),
            steps: steps.into_iter().collect(),
            otherwise: Step::Answer(stored(1)),
            tasks: Vec::new(),
            written: 0,
        };
        let port = listener.local_addr().expect("it listens").port();
        let server = Self { port, state: Arc::new(Mutex::new(state)) };
        let accepting = server.clone();
        server.spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let (server, tls) = (accepting.clone(), tls.clone());
                accepting.spawn(async move { server.accept(socket, tls).await });
            }
        });
        server
    }

    /// What it does once the script has ended.
    #[must_use]
    pub fn otherwise(self, step: Step) -> Self {
        self.lock().otherwise = step;
        self
    }

    /// Continues the script.
    pub fn script(&self, steps: impl IntoIterator<Item = Step>) {
        self.lock().steps.extend(steps);
    }

    /// The requests that came whole.
    pub fn received(&self) -> Vec<Received> {
        self.lock().received.clone()
    }

    /// How many connections were made.
    pub fn connections(&self) -> usize {
        self.lock().connections
    }

    /// How many bytes an endless answer got rid of.
    pub fn written(&self) -> usize {
        self.lock().written
    }

    /// Where it listens.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// The same for a client that needs no TLS.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Ends it with all of its connections.
    pub async fn stop(self) {
        let tasks: Vec<JoinHandle<()>> = self.lock().tasks.drain(..).collect();
        for task in tasks {
            task.abort();
            // Only then its socket is closed.
            let _ = task.await;
        }
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let task = tokio::spawn(task);
        self.lock().tasks.push(task);
    }

    async fn accept(&self, socket: TcpStream, tls: Option<TlsAcceptor>) {
        let number = {
            let mut state = self.lock();
            state.connections += 1;
            state.connections - 1
        };
        match tls {
            None => self.serve_tcp(socket, number).await,
            Some(tls) => {
                if let Ok(socket) = tls.accept(socket).await {
                    self.serve(socket, number).await;
                }
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().expect("no test panics while it is locked")
    }

    fn step(&self) -> Step {
        let mut state = self.lock();
        state.steps.pop_front().unwrap_or_else(|| state.otherwise.clone())
    }

    fn resets_at_once(&self) -> bool {
        let mut state = self.lock();
        let resets = matches!(state.steps.front(), Some(Step::ResetAtOnce));
        if resets {
            state.steps.pop_front();
        }
        resets
    }

    async fn serve_tcp(&self, socket: TcpStream, number: usize) {
        if self.resets_at_once() {
            return reset(&socket);
        }
        let socket = self.serve(socket, number).await;
        if let Some(socket) = socket {
            reset(&socket);
        }
    }

    /// Serves a connection; gives it back if it is to be reset.
    async fn serve<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        mut socket: S,
        number: usize,
    ) -> Option<S> {
        loop {
            let mut first = [0];
            if socket.read_exact(&mut first).await.is_err() {
                return None;
            }
            let step = self.step();
            if matches!(step, Step::ResetAtFirstByte) {
                return Some(socket);
            }
            let received = read_request(&mut socket, first[0], number).await?;
            self.lock().received.push(received);
            match step {
                Step::Answer(bytes) => socket.write_all(&bytes).await.ok()?,
                Step::AnswerAndClose(bytes) => {
                    let _ = socket.write_all(&bytes).await;
                    let _ = socket.shutdown().await;
                    return None;
                }
                Step::AnswerAndReset(bytes) => {
                    let _ = socket.write_all(&bytes).await;
                    let _ = socket.flush().await;
                    // Let the client read what there is before the reset discards it.
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    return Some(socket);
                }
                Step::Stall(bytes) => {
                    let _ = socket.write_all(&bytes).await;
                    let _ = socket.read_u8().await;
                    return None;
                }
                Step::Endless(bytes, rest) => {
                    socket.write_all(&bytes).await.ok()?;
                    while socket.write_all(&rest).await.is_ok() {
                        self.lock().written += rest.len();
                    }
                    return None;
                }
                Step::Drip(bytes, pause) => {
                    for byte in bytes {
                        socket.write_all(&[byte]).await.ok()?;
                        socket.flush().await.ok()?;
                        tokio::time::sleep(pause).await;
                    }
                }
                Step::ResetAtFirstByte | Step::ResetAtOnce => {}
            }
        }
    }
}

#[allow(deprecated, reason = "no time to linger is what makes a close a reset")]
fn reset(socket: &TcpStream) {
    let _ = socket.set_linger(Some(Duration::ZERO));
}

async fn read_request<S: AsyncRead + Unpin>(
    socket: &mut S,
    first: u8,
    connection: usize,
) -> Option<Received> {
    let mut head = vec![first];
    while !head.ends_with(b"\r\n\r\n") {
        head.push(socket.read_u8().await.ok()?);
    }
    let mut received =
        Received { head: String::from_utf8(head).ok()?, body: Vec::new(), connection };
    let length =
        received.header("content-length").map_or(0, |value| value.parse().expect("a number"));
    received.body = vec![0; length];
    socket.read_exact(&mut received.body).await.ok()?;
    Some(received)
}

/// An answer with this status and body.
pub fn answer(status: &str, headers: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {length}\r\n\r\n{body}").into_bytes()
}

fn stored_body(entries: usize) -> String {
    let entry = |index| {
        format!("{{\"SequenceNumber\":\"4957{index:052}\",\"ShardId\":\"shardId-000000000001\"}}")
    };
    let entries: Vec<String> = (0..entries).map(entry).collect();
    format!("{{\"FailedRecordCount\":0,\"Records\":[{}]}}", entries.join(","))
}

/// The answer to so many entries that were stored.
pub fn stored(entries: usize) -> Vec<u8> {
    answer("200 OK", "Content-Type: application/x-amz-json-1.1\r\n", &stored_body(entries))
}

/// An error of the service, with a message.
pub fn failure(status: &str, code: &str) -> Vec<u8> {
    answer(status, "", &format!("{{\"__type\":\"{code}\",\"message\":\"so it is\"}}"))
}

/// An address on this machine where nobody listens.
///
/// # Panics
/// There is no free port.
pub fn nobody() -> String {
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("there are free ports");
    format!("http://{}", free.local_addr().expect("it listens"))
}
