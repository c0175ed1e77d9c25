use core::sync::atomic::{AtomicU64, Ordering};
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use serde::Serialize;
use tokio::sync::{mpsc, oneshot};

/// A file of JSON lines, written by a thread of its own: a file or pipe that does not take them
/// holds up the lines that wait for it, and nothing else.
#[derive(Debug)]
pub(crate) struct Sink {
    /// `None` once it is closed.
    chunks: Option<mpsc::Sender<Chunk>>,
    done: oneshot::Receiver<()>,
    /// What is not handed over yet.
    next: Chunk,
    name: String,
    /// Lines that were to be written.
    lines: u64,
    state: Arc<State>,
}

#[derive(Debug, Default)]
struct Chunk {
    bytes: Vec<u8>,
    lines: u64,
}

#[derive(Debug, Default)]
struct State {
    error: Mutex<Option<io::Error>>,
    /// Lines that were written.
    written: AtomicU64,
}

/// A line cannot be written, and no later one will be.
#[derive(Debug)]
pub(crate) struct Broken;

/// What became of the lines of a sink.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub(crate) struct SinkReport {
    pub(crate) error: Option<String>,
    pub(crate) file: String,
    /// Lines that are in the file.
    pub(crate) lines: u64,
    /// Lines that are not.
    pub(crate) lost: u64,
}

/// How much is collected before it is handed over; what waits longer than anything happens is
/// handed over sooner.
const CHUNK_BYTES: usize = 64 * 1024;

/// How many chunks may wait for the file.
const CHUNKS_WAITING: usize = 16;

impl Sink {
    /// Creates the file, or empties it.
    pub(crate) fn create(path: &Path) -> io::Result<Self> {
        Self::start(path.display().to_string(), Target::File(File::create(path)?))
    }

    /// Writes to the standard output.
    pub(crate) fn stdout() -> io::Result<Self> {
        Self::start(String::from("stdout"), Target::Stdout)
    }

    fn start(name: String, target: Target) -> io::Result<Self> {
        let (chunks, receiver) = mpsc::channel(CHUNKS_WAITING);
        let (finished, done) = oneshot::channel();
        let state = Arc::new(State::default());
        let shared = Arc::clone(&state);
        let run = move || {
            if let Err(error) = write(target, receiver, &shared.written) {
                *lock(&shared.error) = Some(error);
            }
            let _ = finished.send(());
        };
        thread::Builder::new().name(String::from("report")).spawn(run)?;
        Ok(Self { chunks: Some(chunks), done, next: Chunk::default(), name, lines: 0, state })
    }

    /// Adds a line.
    pub(crate) async fn line(&mut self, line: &impl Serialize) -> Result<(), Broken> {
        self.lines += 1;
        if self.chunks.is_none() {
            return Err(Broken);
        }
        serde_json::to_writer(&mut self.next.bytes, line)
            .expect("all names are strings, and a vector takes everything");
        self.next.bytes.push(b'\n');
        self.next.lines += 1;
        if self.next.bytes.len() >= CHUNK_BYTES { self.flush().await } else { Ok(()) }
    }

    /// Adds bytes as they are; they count as one line.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.lines += 1;
        self.next.lines += 1;
        self.next.bytes.extend_from_slice(bytes);
    }

    /// Hands over what was collected.
    pub(crate) async fn flush(&mut self) -> Result<(), Broken> {
        let Some(chunks) = &self.chunks else { return Err(Broken) };
        if self.next.lines > 0 && chunks.send(core::mem::take(&mut self.next)).await.is_err() {
            self.chunks = None;
            return Err(Broken);
        }
        Ok(())
    }

    /// Ends when something could not be written, so that nothing more will be.
    ///
    /// # Cancel safety
    /// Dropping the future has no effect.
    pub(crate) async fn broken(&self) {
        if let Some(chunks) = &self.chunks {
            chunks.closed().await;
        }
    }

    /// Waits until everything is written, or cannot be.
    ///
    /// # Cancel safety
    /// Dropping the future stops the waiting, not the writing.
    pub(crate) async fn finish(&mut self) {
        // What cannot be handed over is counted.
        let _ = self.flush().await;
        self.chunks = None;
        // It is dropped when the thread ends in whatever way.
        let _ = (&mut self.done).await;
    }

    /// Whether it failed because the other end of a pipe wants no more.
    pub(crate) fn is_closed_pipe(&self) -> bool {
        let error = lock(&self.state.error);
        error.as_ref().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
    }

    /// How far it got.
    pub(crate) fn report(&self) -> SinkReport {
        let lines = self.state.written.load(Ordering::Acquire);
        let lost = self.lines - lines;
        let error = lock(&self.state.error).as_ref().map(ToString::to_string);
        let late = (lost > 0).then(|| String::from("it does not take the lines in time"));
        SinkReport { error: error.or(late), file: self.name.clone(), lines, lost }
    }
}

enum Target {
    File(File),
    Stdout,
}

/// Writes all chunks; the lines of one that fails count as not written, even if some of them are.
fn write(
    mut target: Target,
    mut chunks: mpsc::Receiver<Chunk>,
    written: &AtomicU64,
) -> io::Result<()> {
    while let Some(chunk) = chunks.blocking_recv() {
        match &mut target {
            Target::File(file) => file.write_all(&chunk.bytes)?,
            Target::Stdout => {
                let mut stdout = io::stdout().lock();
                stdout.write_all(&chunk.bytes)?;
                stdout.flush()?;
            }
        }
        written.fetch_add(chunk.lines, Ordering::AcqRel);
    }
    if let Target::File(file) = target
        && file.metadata()?.is_file()
    {
        // Some file systems notice only now that there is no room: then no line is sure to be
        // there.
        file.sync_all().inspect_err(|_| written.store(0, Ordering::Release))?;
    }
    Ok(())
}

fn lock(error: &Mutex<Option<io::Error>>) -> MutexGuard<'_, Option<io::Error>> {
    error.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[tokio::test]
    async fn lines_are_written_in_order() {
        let path = std::env::temp_dir().join(format!("headwaters-sink-{}", std::process::id()));
        let mut sink = Sink::create(&path).expect("the folder is ours");
        for number in 0..50_000 {
            sink.line(&number).await.expect("there is room");
        }
        sink.finish().await;
        let text = fs::read_to_string(&path).expect("it is there");
        fs::remove_file(&path).expect("it is ours");
        assert!(text.lines().eq((0..50_000).map(|number| number.to_string())));
        let report = sink.report();
        assert_eq!((report.lines, report.lost, report.error), (50_000, 0, None));
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn a_full_disk_is_told_once_and_every_line_counted() {
        let mut sink = Sink::create(Path::new("/dev/full")).expect("it can be opened");
        let mut broken = 0;
        for number in 0..1_000_000 {
            broken += u64::from(sink.line(&number).await.is_err());
        }
        sink.finish().await;
        assert!(broken > 0, "the writer hears of it");
        let report = sink.report();
        assert_eq!((report.lines, report.lost), (0, 1_000_000));
        assert!(report.error.is_some_and(|error| error.contains("No space left")));
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn a_few_lines_are_lost_as_well_on_a_full_disk() {
        let mut sink = Sink::create(Path::new("/dev/full")).expect("it can be opened");
        sink.line(&1).await.expect("it is only collected");
        sink.finish().await;
        assert_eq!((sink.report().lines, sink.report().lost), (0, 1));
    }
}
