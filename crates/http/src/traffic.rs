use core::pin::Pin;
use core::sync::atomic::{AtomicBool, Ordering};
use core::task::{Context, Poll};
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use headwaters_transport::Departure;
use hyper::rt::{Read, ReadBufCursor, Write};

/// Whether anything of a request left. Shared by the request and the socket that carries it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Traffic(Arc<State>);

#[derive(Debug, Default)]
struct State {
    departure: Mutex<Option<Departure>>,
    left: AtomicBool,
}

impl Traffic {
    /// A new request is about to be written.
    pub(crate) fn begin(&self, departure: Option<Departure>) {
        *self.0.departure.lock().unwrap_or_else(PoisonError::into_inner) = departure;
        self.0.left.store(false, Ordering::Release);
    }

    /// Whether the socket took any byte since then.
    pub(crate) fn has_left(&self) -> bool {
        self.0.left.load(Ordering::Acquire)
    }

    /// Bytes are about to be handed to the socket.
    fn leave(&self) {
        let departure = self.0.departure.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(departure) = departure {
            departure.leave();
        }
    }

    fn watch(&self, write: impl FnOnce() -> Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        self.leave();
        let written = write();
        if matches!(written, Poll::Ready(Ok(bytes)) if bytes > 0) {
            self.0.left.store(true, Ordering::Release);
        }
        written
    }
}

/// A socket that says when something leaves through it.
pub(crate) struct Watched<S> {
    pub(crate) socket: S,
    pub(crate) traffic: Traffic,
}

impl<S: Read + Unpin> Read for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_read(cx, buffer)
    }
}

impl<S: Write + Unpin> Write for Watched<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let Self { socket, traffic } = &mut *self;
        traffic.watch(|| Pin::new(socket).poll_write(cx, bytes))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let Self { socket, traffic } = &mut *self;
        traffic.watch(|| Pin::new(socket).poll_write_vectored(cx, slices))
    }
}
