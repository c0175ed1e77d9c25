use core::fmt;
use std::io::{self, Read};
use std::thread;

use headwaters::UserRecord;
use tokio::sync::mpsc;

use super::source::Source;
use super::{Decode, Inputs, Item, Position, Unusable};
use crate::resume::{Begin, Passed};

/// What one read of a file gave.
#[derive(Debug)]
pub(crate) struct Batch<T = UserRecord> {
    pub(crate) items: Vec<Item<T>>,
    /// Where the first record begins that is not in here or in an earlier batch.
    pub(crate) next: Position,
    /// Empty lines that were passed over, those of earlier batches included.
    pub(crate) skipped: u64,
    /// Set in the last batch.
    pub(crate) end: Option<End>,
}

/// Why there is no further batch.
#[derive(Debug)]
pub(crate) enum End {
    /// Everything was read.
    Complete,
    /// A file cannot be read on.
    Failed(ReadError),
}

/// Why a file cannot be read on.
#[derive(Debug)]
pub(crate) enum ReadError {
    /// The system says so.
    Io(io::Error),
    /// The command line does not fit it.
    Unusable(Unusable),
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => error.fmt(f),
            Self::Unusable(error) => error.fmt(f),
        }
    }
}

impl From<io::Error> for ReadError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<Unusable> for ReadError {
    fn from(error: Unusable) -> Self {
        Self::Unusable(error)
    }
}

/// How much is read at a time, and with it how large a batch is: what one read gives is passed on
/// at once, so that a record that comes through a pipe does not wait for the next one.
const READ_BYTES: usize = 64 * 1024;

/// How many batches may wait to be put.
const BATCHES_WAITING: usize = 4;

/// Reads the files, one after the other, on a thread of its own: a read that blocks holds up
/// nothing else.
///
/// `decoder` makes what divides a file, from its format and its index. The thread ends when the
/// receiver is dropped, at the latest after the read that it is in.
pub(crate) fn start<F: Send + 'static, T: Send + 'static>(
    inputs: Inputs<F>,
    decoder: impl Fn(F, usize) -> Box<dyn Decode<T>> + Send + 'static,
) -> io::Result<mpsc::Receiver<Batch<T>>> {
    let (batches, receiver) = mpsc::channel(BATCHES_WAITING);
    let run = move || Reader::new(batches, inputs.passed).run(inputs.sources, decoder);
    thread::Builder::new().name(String::from("reader")).spawn(run)?;
    Ok(receiver)
}

struct Reader<T> {
    batches: mpsc::Sender<Batch<T>>,
    buffer: Vec<u8>,
    /// What is not wanted any more.
    passed: Passed,
    /// Empty lines in the files that are done.
    skipped: u64,
}

/// Nobody wants to have more.
struct Unwanted;

impl<T> Reader<T> {
    fn new(batches: mpsc::Sender<Batch<T>>, passed: Passed) -> Self {
        Self { batches, buffer: vec![0; READ_BYTES], passed, skipped: 0 }
    }

    fn run<F>(
        mut self,
        sources: Vec<(F, Source)>,
        decoder: impl Fn(F, usize) -> Box<dyn Decode<T>>,
    ) {
        let mut end = Position::start_of(0);
        for (file, (format, mut source)) in sources.into_iter().enumerate() {
            let begin = self.passed.begin(file);
            if begin == Begin::Nowhere {
                continue;
            }
            let mut decoder = decoder(format, file);
            if let Err(error) = skip(begin, &mut source, &mut *decoder) {
                let _ = self.send(&*decoder, vec![], Some(End::Failed(error.into())));
                return;
            }
            loop {
                let mut items = Vec::new();
                let more = match self.read(&mut source, &mut *decoder, &mut items) {
                    Ok(more) => more,
                    Err(error) => {
                        let _ = self.send(&*decoder, items, Some(End::Failed(error)));
                        return;
                    }
                };
                if self.send(&*decoder, items, None).is_err() {
                    return;
                }
                if !more {
                    break;
                }
            }
            self.skipped += decoder.skipped();
            end = decoder.position();
        }
        let batch =
            Batch { items: vec![], next: end, skipped: self.skipped, end: Some(End::Complete) };
        let _ = self.batches.blocking_send(batch);
    }

    /// Reads once; says whether there may be more.
    fn read(
        &mut self,
        source: &mut Source,
        decoder: &mut dyn Decode<T>,
        items: &mut Vec<Item<T>>,
    ) -> Result<bool, ReadError> {
        let length = loop {
            match source.read(&mut self.buffer) {
                Ok(length) => break length,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        };
        match length {
            0 => decoder.finish(items)?,
            _ => decoder.decode(&self.buffer[..length], items)?,
        }
        Ok(length > 0)
    }

    fn send(
        &self,
        decoder: &dyn Decode<T>,
        mut items: Vec<Item<T>>,
        end: Option<End>,
    ) -> Result<(), Unwanted> {
        items.retain(|item| !self.passed.has(item.position));
        let skipped = self.skipped + decoder.skipped();
        let batch = Batch { items, next: decoder.position(), skipped, end };
        self.batches.blocking_send(batch).map_err(|_| Unwanted)
    }
}

/// Goes to where the file is to be read from, if both sides can; what is read before it is not passed on in any case.
fn skip<T>(begin: Begin, source: &mut Source, decoder: &mut dyn Decode<T>) -> io::Result<()> {
    if let Begin::At(position) = begin
        && source.is_plain_file()?
        && decoder.begin_at(position)
    {
        source.seek(position.offset)?;
    }
    Ok(())
}
