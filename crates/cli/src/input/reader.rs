use core::fmt;
use std::io::{self, Read};
use std::thread;

use tokio::sync::mpsc;

use super::{Decode, Inputs, Item, Keys, Position, Unusable};

/// What one read of a file gave.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) items: Vec<Item>,
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
/// The thread ends when the receiver is dropped, at the latest after the read that it is in.
pub(crate) fn start(inputs: Inputs, keys: Keys) -> io::Result<mpsc::Receiver<Batch>> {
    let (batches, receiver) = mpsc::channel(BATCHES_WAITING);
    let run =
        move || Reader { batches, buffer: vec![0; READ_BYTES], skipped: 0 }.run(inputs, &keys);
    thread::Builder::new().name(String::from("reader")).spawn(run)?;
    Ok(receiver)
}

struct Reader {
    batches: mpsc::Sender<Batch>,
    buffer: Vec<u8>,
    /// Empty lines in the files that are done.
    skipped: u64,
}

/// Nobody wants to have more.
struct Unwanted;

impl Reader {
    fn run(mut self, inputs: Inputs, keys: &Keys) {
        let mut end = Position::start_of(0);
        for (file, (format, mut reader)) in inputs.readers.into_iter().enumerate() {
            let mut decoder = format.decoder(file, keys);
            loop {
                let (items, more) = match self.read(&mut *reader, &mut *decoder) {
                    Ok(read) => read,
                    Err((items, error)) => {
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
        reader: &mut dyn Read,
        decoder: &mut dyn Decode,
    ) -> Result<(Vec<Item>, bool), (Vec<Item>, ReadError)> {
        let mut items = Vec::new();
        let length = loop {
            match reader.read(&mut self.buffer) {
                Ok(length) => break length,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err((items, error.into())),
            }
        };
        let decoded = match length {
            0 => decoder.finish(&mut items),
            _ => decoder.decode(&self.buffer[..length], &mut items),
        };
        match decoded {
            Ok(()) => Ok((items, length > 0)),
            Err(error) => Err((items, error.into())),
        }
    }

    fn send(
        &self,
        decoder: &dyn Decode,
        items: Vec<Item>,
        end: Option<End>,
    ) -> Result<(), Unwanted> {
        let skipped = self.skipped + decoder.skipped();
        let batch = Batch { items, next: decoder.position(), skipped, end };
        self.batches.blocking_send(batch).map_err(|_| Unwanted)
    }
}
