use core::fmt;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;

use headwaters_engine::{
    Action, Batch, BatchId, Bounds, Config, Engine, Event, FlushId, Instant, ListingId, Refused,
    RefusedReason, Sent, Timing, Token, UserRecord,
};

use crate::settings::SettingsError;
use crate::shown::Shown;
use crate::trace::lines::{ADDED, Lines, SAID, SEALED, TOLD};
use crate::trace::reader::{Head, Reader};
use crate::trace::stand_ins::StandIns;
use crate::trace::traced::moved_at_once;
use crate::trace::words::{Described, Words, Wrong, time};
use crate::trace::writer::TraceEnd;

/// Tells an engine what another one was told, and compares what it says, action by action.
///
/// Sequence numbers, messages of the service and the content of records are not in a trace: others stand in for
/// them ([`StandIns`]), and the engine looks at none of them.
#[derive(Debug)]
pub struct Replay<R> {
    /// Batches by their names.
    batches: BTreeMap<String, BatchId>,
    config: Config,
    engine: Engine,
    listings: BTreeMap<String, ListingId>,
    now: Instant,
    reader: Reader<R>,
    said: Lines,
    /// Batches that have been sent and wait for their line with sizes.
    sealed: BTreeMap<BatchId, Batch>,
    stand_ins: StandIns,
    sums: Sums,
}

/// What was read.
#[derive(Clone, Copy, Debug, Default)]
struct Sums {
    actions: u64,
    events: u64,
    records: u64,
}

/// Sees a replay: what it does not want to see it need not name.
pub trait Witness {
    /// A record is put. It may be refused: [`refused`](Self::refused) comes next then.
    fn put(&mut self, _at: Instant, _token: Token, _record: &UserRecord, _timing: Timing) {}

    /// The record that was put last is refused.
    fn refused(&mut self, _reason: &RefusedReason) {}

    /// The engine is told something.
    fn told(&mut self, _at: Instant, _event: &Event) {}

    /// The engine says something; a batch is as it is sent, but for its check sums.
    fn said(&mut self, _at: Instant, _action: &Action, _engine: &Engine) {}
}

/// Looks away.
impl Witness for () {}

/// A trace that was replayed to its end, with the same actions.
#[derive(Debug)]
#[non_exhaustive]
pub struct Replayed {
    /// How many actions the engine said, all of them as they stand in the trace.
    pub actions: u64,
    /// Why the trace ends; `None` if it breaks off, as one of a process that was killed does.
    pub end: Option<TraceEnd>,
    /// The engine, as it is then.
    pub engine: Engine,
    /// How many events it was told, records not counted.
    pub events: u64,
    /// Lines that were read.
    pub lines: u64,
    /// How many records were put, whether or not they were accepted.
    pub records: u64,
    /// The keys that stand in for others.
    pub stand_ins: StandIns,
}

/// Where a replay ends before the trace does, and why.
#[derive(Debug)]
#[non_exhaustive]
pub struct TraceError {
    /// Why.
    pub fault: TraceFault,
    /// The line, counted from 1; 0 if the file cannot be opened.
    pub line: u64,
}

/// Why a replay ends before the trace does.
#[derive(Debug)]
#[non_exhaustive]
pub enum TraceFault {
    /// The engine says something else than is recorded: it is another version of it, or the trace was changed.
    Differs {
        /// What is recorded.
        recorded: String,
        /// What the engine says.
        replayed: String,
    },
    /// The file cannot be read.
    Read(io::Error),
    /// The settings at its beginning are none.
    Settings(SettingsError),
    /// A line is none of a trace.
    Syntax(&'static str),
}

impl Replay<BufReader<File>> {
    /// Opens a file, and reads its beginning.
    ///
    /// # Errors
    /// [`TraceError`] when it cannot be read, or is no trace.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, TraceError> {
        Self::new(BufReader::new(File::open(path)?))
    }
}

impl<R: BufRead> Replay<R> {
    /// Reads the beginning of a trace.
    ///
    /// # Errors
    /// [`TraceError`] when it cannot be read, or is no trace.
    pub fn new(from: R) -> Result<Self, TraceError> {
        let mut reader = Reader::new(from);
        let Head { config, start } = reader.head()?;
        Ok(Self {
            batches: BTreeMap::new(),
            engine: Engine::of_stand_ins(config.clone(), start),
            config,
            listings: BTreeMap::new(),
            now: start,
            reader,
            said: Lines::default(),
            sealed: BTreeMap::new(),
            stand_ins: StandIns::default(),
            sums: Sums::default(),
        })
    }

    /// The settings that the producer had.
    pub const fn config(&self) -> &Config {
        &self.config
    }

    /// When the engine was made.
    pub const fn start(&self) -> Instant {
        self.now
    }

    /// Replays all of it.
    ///
    /// # Errors
    /// [`TraceError`] at the first line that the engine does not agree with, or that is none of a trace.
    pub fn run(mut self, witness: &mut impl Witness) -> Result<Replayed, TraceError> {
        let mut end = None;
        while end.is_none() {
            let Some(line) = self.reader.next()? else { break };
            // The line is in a buffer that the rest needs, too.
            let line = line.to_owned();
            let done = self.line(&line, witness);
            end = done.map_err(|fault| TraceError::new(self.reader.number(), fault))?;
        }
        let Self { engine, reader, stand_ins, sums, .. } = self;
        let Sums { actions, events, records } = sums;
        let lines = reader.number();
        Ok(Replayed { actions, end, engine, events, lines, records, stand_ins })
    }

    fn line(
        &mut self,
        line: &str,
        witness: &mut impl Witness,
    ) -> Result<Option<TraceEnd>, TraceFault> {
        let mut rest = line;
        if let Some((word, behind)) = line.split_once(' ')
            && let Some(at) = time(word)
        {
            (self.now, rest) = (at, behind);
        }
        let mut chars = rest.chars();
        let words = || Words::of(rest.get(1..).unwrap_or_default());
        match chars.next() {
            Some(ADDED) => self.add(words(), witness)?,
            Some(TOLD) => self.tell(words(), witness)?,
            Some(SAID) => self.ask(rest, witness)?,
            Some(SEALED) => self.seal(rest)?,
            Some('#') | None => {}
            _ => match rest.strip_prefix("end ").and_then(TraceEnd::of_word) {
                Some(end) => return Ok(Some(end)),
                None => return Err(TraceFault::Syntax("nothing begins like that")),
            },
        }
        Ok(None)
    }

    fn add(&mut self, mut words: Words<'_>, witness: &mut impl Witness) -> Result<(), TraceFault> {
        let described = words.record()?;
        let record = self.stand_in(described)?;
        let Described { token, timing, .. } = described;
        self.sums.records += 1;
        witness.put(self.now, token, &record, timing);
        let result = self.engine.add_timed(token, record, timing, self.now);
        let mut said = Lines::default();
        if let Err(Refused { reason, .. }) = &result {
            witness.refused(reason);
            said.refused(reason);
        }
        let recorded: Vec<&str> = core::iter::from_fn(|| words.next().ok()).collect();
        let (recorded, replayed) = (recorded.join(" "), text(&said.bytes));
        if recorded == replayed.trim() { Ok(()) } else { Err(differs(&recorded, &replayed)) }
    }

    fn stand_in(&mut self, described: Described) -> Result<UserRecord, Wrong> {
        let Described { data, key, half, explicit, .. } = described;
        self.stand_ins.record(data, key, half, explicit).map_err(|_| "there is no such record")
    }

    fn tell(&mut self, words: Words<'_>, witness: &mut impl Witness) -> Result<(), TraceFault> {
        let event = self.event(words)?;
        match &event {
            Event::RecordAdded { token, record, timing } => {
                self.sums.records += 1;
                witness.put(self.now, *token, record, *timing);
            }
            event => {
                self.sums.events += 1;
                witness.told(self.now, event);
            }
        }
        self.engine.handle(event, self.now);
        Ok(())
    }

    fn event(&mut self, mut words: Words<'_>) -> Result<Event, Wrong> {
        let event = match words.next()? {
            "add" => {
                let described = words.record()?;
                let record = self.stand_in(described)?;
                let Described { token, timing, .. } = described;
                Event::RecordAdded { token, record, timing }
            }
            "answer" => {
                let batch = self.batch(words.next()?)?;
                return Ok(Event::PutRecordsFinished { batch, result: words.answer()? });
            }
            "bounds" => {
                let (bytes, records) = (words.number()?, words.number()?);
                Event::BoundsChanged(Bounds { bytes, records })
            }
            "cancelled" => {
                let batch = self.batch(words.next()?)?;
                let sent = match words.next()? {
                    "sent" => Sent::Unknown,
                    "unsent" => Sent::No,
                    _ => return Err("a request is `sent` or `unsent`"),
                };
                Event::BatchCancelled { batch, sent }
            }
            "close" => Event::CloseRequested { deadline: words.until()? },
            "flush" => {
                let flush = FlushId(words.number()?);
                Event::FlushRequested { flush, deadline: words.until()? }
            }
            "listed" => {
                let name = words.next()?;
                let request = self.listing(name)?;
                let page = words.page(name, self.said.asked.as_ref())?;
                return Ok(Event::ShardsListed { request, result: Ok(page) });
            }
            "purge" => Event::PurgeRequested,
            "ready" => Event::TransportReady,
            "time" => Event::TimeAdvanced,
            "unlisted" => {
                let request = self.listing(words.next()?)?;
                return Ok(Event::ShardsListed { request, result: Err(words.error()?) });
            }
            _ => return Err("there is no such event"),
        };
        words.end()?;
        Ok(event)
    }

    fn batch(&self, name: &str) -> Result<BatchId, Wrong> {
        self.batches.get(name).copied().ok_or("there was no such request")
    }

    fn listing(&self, name: &str) -> Result<ListingId, Wrong> {
        self.listings.get(name).copied().ok_or("there was no such list")
    }

    /// Asks the engine what it says, where the other one said this.
    fn ask(&mut self, recorded: &str, witness: &mut impl Witness) -> Result<(), TraceFault> {
        self.sums.actions += 1;
        let mut action = self.engine.poll_unsealed(moved_at_once(&self.engine));
        self.said.bytes.clear();
        self.said.said(&action);
        self.compare(recorded)?;
        match &mut action {
            Action::ListShards(request) => {
                self.listings.insert(request.id.to_string(), request.id);
            }
            Action::SendBatch(batch) => {
                self.batches.insert(batch.id.to_string(), batch.id);
                if let Some(unsealed) = batch.unsealed.take() {
                    // Nobody reads them.
                    let check_sums = vec![[0; 16]; unsealed.len()];
                    drop(unsealed);
                    if let Some(sealed) = self.engine.seal(batch.id, &check_sums) {
                        batch.entries = sealed.entries.clone();
                        self.sealed.insert(batch.id, sealed);
                    }
                }
            }
            _ => {}
        }
        witness.said(self.now, &action, &self.engine);
        Ok(())
    }

    /// Compares what was sent.
    fn seal(&mut self, recorded: &str) -> Result<(), TraceFault> {
        let name = Words::of(recorded.get(1..).unwrap_or_default()).next()?;
        let batch = self.batch(name)?;
        let batch = self.sealed.remove(&batch).ok_or("it was not without check sums")?;
        self.said.bytes.clear();
        self.said.sealed(&batch);
        self.compare(recorded)
    }

    fn compare(&self, recorded: &str) -> Result<(), TraceFault> {
        let replayed = self.said.bytes.strip_suffix(b"\n").unwrap_or(&self.said.bytes);
        if replayed == recorded.as_bytes() {
            return Ok(());
        }
        Err(differs(recorded, &text(replayed)))
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn differs(recorded: &str, replayed: &str) -> TraceFault {
    let [recorded, replayed] = [recorded, replayed].map(|line| line.trim().to_owned());
    TraceFault::Differs { recorded, replayed }
}

impl TraceError {
    pub(super) const fn new(line: u64, fault: TraceFault) -> Self {
        Self { fault, line }
    }
}

impl From<Wrong> for TraceFault {
    fn from(what: Wrong) -> Self {
        Self::Syntax(what)
    }
}

impl fmt::Display for TraceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line > 0 {
            write!(f, "line {}: ", self.line)?;
        }
        match &self.fault {
            TraceFault::Differs { recorded, replayed } => {
                write!(f, "the engine differs: recorded is `{}`, ", Shown(recorded))?;
                write!(f, "replayed `{}`", Shown(replayed))
            }
            TraceFault::Read(error) => error.fmt(f),
            TraceFault::Settings(error) => error.fmt(f),
            TraceFault::Syntax(what) => f.write_str(what),
        }
    }
}

impl core::error::Error for TraceError {}
