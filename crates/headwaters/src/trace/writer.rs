use core::fmt;
use core::time::Duration;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;

/// Where the trace of a producer goes, for [`ProducerBuilder::trace`](crate::ProducerBuilder::trace).
///
/// A thread writes it, and nobody waits for that: if the file takes less than the trace brings, or an error, the trace
/// ends there, and the producer goes on without it. That it has ended early is logged once, and
/// [`TraceWatch`] tells it.
pub struct Trace {
    limit: u64,
    state: Arc<State>,
    to: Box<dyn Write + Send>,
}

/// Why a trace ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum TraceEnd {
    /// The producer was closed: it is whole.
    Closed,
    /// It could not be written any further.
    Failed(io::ErrorKind),
    /// It has reached [`Trace::limit`].
    Limit,
    /// What waited to be written came to 16 MiB.
    Slow,
}

/// Tells how far a trace is. Cloning gives another handle to the same trace.
#[derive(Clone, Debug)]
pub struct TraceWatch(Arc<State>);

/// A producer's end of a trace.
#[derive(Debug)]
pub(super) struct Chunks {
    chunks: SyncSender<Vec<u8>>,
    state: Arc<State>,
}

#[derive(Debug, Default)]
struct State {
    now: Mutex<Now>,
    /// Told when all is written.
    written: Condvar,
}

#[derive(Debug, Default)]
struct Now {
    bytes: u64,
    /// Why the producer brings no more.
    cause: Option<TraceEnd>,
    /// Set when nothing more will be written.
    end: Option<TraceEnd>,
}

/// How much is collected before it is handed over to be written.
pub(super) const CHUNK_BYTES: usize = 256 * 1024;

/// How much may wait to be written: 16 MiB.
const CHUNKS_WAITING: usize = 64;

/// Room in a file for the line that says why the trace ends.
const END_BYTES: u64 = 32;

impl Trace {
    /// The size of a trace if nothing else is said: 256 MiB, which several million records fill.
    pub const LIMIT: u64 = 256 * 1024 * 1024;

    /// Writes to a file, which is created, or emptied.
    ///
    /// # Errors
    /// When it cannot be.
    pub fn create(path: impl AsRef<Path>) -> io::Result<Self> {
        File::create(path).map(Self::to)
    }

    /// Writes to this, in pieces of about 256 KiB or of a second.
    pub fn to(writer: impl Write + Send + 'static) -> Self {
        Self { limit: Self::LIMIT, state: Arc::default(), to: Box::new(writer) }
    }

    /// The size, in bytes, at which the trace ends.
    #[must_use]
    pub fn limit(self, bytes: u64) -> Self {
        Self { limit: bytes, ..self }
    }

    /// Tells how far it is, also when the producer has it.
    pub fn watch(&self) -> TraceWatch {
        TraceWatch(Arc::clone(&self.state))
    }

    /// How many bytes of lines it may have.
    pub(super) const fn room(&self) -> u64 {
        self.limit.saturating_sub(END_BYTES)
    }

    /// Starts to write; `None` if there can be no thread for it.
    pub(super) fn start(self, stream: String) -> Option<Chunks> {
        let Self { state, to, .. } = self;
        let (chunks, waiting) = sync_channel(CHUNKS_WAITING);
        let shared = Arc::clone(&state);
        let failed = stream.clone();
        let run = move || {
            let end = write(to, waiting, &shared);
            if end != TraceEnd::Closed {
                tracing::warn!(stream, %end, "the trace is not whole; the producer goes on without it");
            }
            shared.end(end);
        };
        let thread = thread::Builder::new().name(String::from("headwaters-trace")).spawn(run);
        if let Err(error) = thread {
            tracing::warn!(stream = failed, %error, "there is no thread for the trace");
            state.end(TraceEnd::Failed(error.kind()));
            return None;
        }
        Some(Chunks { chunks, state })
    }
}

/// Writes all that comes, and why no more does.
fn write(mut to: Box<dyn Write + Send>, chunks: Receiver<Vec<u8>>, state: &State) -> TraceEnd {
    let written = (|| {
        for chunk in chunks {
            to.write_all(&chunk)?;
            state.lock().bytes += chunk.len() as u64;
        }
        // A producer that is dropped is closed.
        let end = state.lock().cause.unwrap_or(TraceEnd::Closed);
        let line = format!("end {}\n", end.word());
        to.write_all(line.as_bytes())?;
        to.flush()?;
        state.lock().bytes += line.len() as u64;
        io::Result::Ok(end)
    })();
    written.unwrap_or_else(|error| TraceEnd::Failed(error.kind()))
}

impl Chunks {
    /// Hands lines over; false if they cannot be written now.
    pub(super) fn send(&self, lines: Vec<u8>) -> bool {
        self.chunks.try_send(lines).is_ok()
    }

    /// No more lines come.
    pub(super) fn end(self, cause: TraceEnd) {
        self.state.lock().cause = Some(cause);
    }
}

impl State {
    fn lock(&self) -> std::sync::MutexGuard<'_, Now> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn end(&self, end: TraceEnd) {
        self.lock().end = Some(end);
        self.written.notify_all();
    }
}

impl TraceWatch {
    /// How many bytes are written.
    pub fn bytes(&self) -> u64 {
        self.0.lock().bytes
    }

    /// Why it ended; `None` while it goes on.
    pub fn end(&self) -> Option<TraceEnd> {
        self.0.lock().end
    }

    /// Waits until all of it is written, or for so long. Call it when the producer is closed, and not where a runtime needs the
    /// thread.
    pub fn wait(&self, within: Duration) -> Option<TraceEnd> {
        let now = self.0.lock();
        let goes_on = |now: &mut Now| now.end.is_none();
        let waited = self.0.written.wait_timeout_while(now, within, goes_on);
        waited.unwrap_or_else(PoisonError::into_inner).0.end
    }
}

impl TraceEnd {
    /// How the last line of a trace says it.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Failed(_) => "failed",
            Self::Limit => "limit",
            Self::Slow => "slow",
        }
    }

    pub(super) fn of_word(word: &str) -> Option<Self> {
        [Self::Closed, Self::Limit, Self::Slow].into_iter().find(|end| end.word() == word)
    }
}

impl fmt::Display for TraceEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("the producer was closed"),
            Self::Failed(kind) => write!(f, "it cannot be written: {kind}"),
            Self::Limit => f.write_str("it has reached its limit"),
            Self::Slow => f.write_str("it could not be written as fast as it came"),
        }
    }
}

impl fmt::Debug for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trace").field("limit", &self.limit).finish_non_exhaustive()
    }
}
