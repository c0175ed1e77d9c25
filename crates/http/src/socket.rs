use core::pin::Pin;
use core::task::{Context, Poll};
use std::io;

use tokio::io::{AsyncRead, AsyncWrite, BufReader, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

/// A way to a server.
pub(crate) enum Socket {
    Plain(TcpStream),
    Tls(Box<TlsStream<Encrypted>>),
}

/// What TLS reads from: it asks for 4 KiB at a time (rustls 0.23), and the answer to a request of 500 records has 56.
pub(crate) type Encrypted = BufReader<TcpStream>;

const ENCRYPTED_BYTES: usize = 32 * 1024;

/// Reads as much at once as there is, up to a limit.
pub(crate) fn encrypted(socket: TcpStream) -> Encrypted {
    BufReader::with_capacity(ENCRYPTED_BYTES, socket)
}

macro_rules! each {
    ($self:expr, $socket:ident => $do:expr) => {
        match $self.get_mut() {
            Self::Plain($socket) => $do,
            Self::Tls($socket) => $do,
        }
    };
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        each!(self, socket => Pin::new(socket).poll_read(cx, buffer))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        each!(self, socket => Pin::new(socket).poll_write(cx, bytes))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self, socket => Pin::new(socket).poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self, socket => Pin::new(socket).poll_shutdown(cx))
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(socket) => socket.is_write_vectored(),
            Self::Tls(socket) => socket.is_write_vectored(),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        each!(self, socket => Pin::new(socket).poll_write_vectored(cx, slices))
    }
}
