use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::Counts;
use super::answer::Answers;
use super::request::{Protocol, shards_of_entries};

/// One connection, and what is kept to answer on it.
pub(super) struct Connection {
    answers: Answers,
    /// What was read and not yet answered.
    read: Vec<u8>,
    socket: StreamOwned<ServerConnection, TcpStream>,
}

/// What the head of a request says.
struct Head {
    body_bytes: usize,
    bytes: usize,
    is_put: bool,
    protocol: Protocol,
}

const READ_BYTES: usize = 64 * 1024;

impl Connection {
    pub(super) fn open(socket: TcpStream, tls: Arc<ServerConfig>) -> io::Result<Self> {
        socket.set_nodelay(true)?;
        let tls = ServerConnection::new(tls).map_err(io::Error::other)?;
        let socket = StreamOwned::new(tls, socket);
        Ok(Self { answers: Answers::default(), read: Vec::new(), socket })
    }

    /// Answers one request after the other until the other side hangs up.
    pub(super) fn serve(&mut self, counts: &Counts) -> io::Result<()> {
        loop {
            let head = loop {
                match Head::find(&self.read) {
                    Some(head) => break head,
                    None => self.more()?,
                }
            };
            let end = head.bytes + head.body_bytes;
            while self.read.len() < end {
                self.more()?;
            }
            let body = &self.read[head.bytes..end];
            let answer = if head.is_put {
                let shards = shards_of_entries(head.protocol, body);
                counts.add(body.len(), shards.len());
                self.answers.stored(head.protocol, &shards)
            } else {
                self.answers.shards()
            };
            self.socket.write_all(answer)?;
            self.socket.flush()?;
            self.read.drain(..end);
        }
    }

    fn more(&mut self) -> io::Result<()> {
        let before = self.read.len();
        self.read.resize(before + READ_BYTES, 0);
        let bytes = self.socket.read(&mut self.read[before..]);
        self.read.truncate(before + *bytes.as_ref().unwrap_or(&0));
        if bytes? == 0 { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
    }
}

impl Head {
    /// The head at the beginning of what was read, if it is there as a whole.
    fn find(read: &[u8]) -> Option<Self> {
        let bytes = memchr::memmem::find(read, b"\r\n\r\n")? + 4;
        let mut head = Self { body_bytes: 0, bytes, is_put: false, protocol: Protocol::Json };
        for line in String::from_utf8_lossy(&read[..bytes]).to_ascii_lowercase().lines() {
            match line.split_once(':').map(|(name, value)| (name, value.trim())) {
                Some(("content-length", value)) => head.body_bytes = value.parse().unwrap_or(0),
                Some(("content-type", value)) if value.contains("cbor") => {
                    head.protocol = Protocol::Cbor;
                }
                Some(("x-amz-target", value)) => head.is_put = value.ends_with(".putrecords"),
                _ => {}
            }
        }
        Some(head)
    }
}
