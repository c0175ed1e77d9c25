use alloc::collections::VecDeque;
use alloc::string::String;
use core::fmt::{self, Write};

use headwaters_engine::wire::ErrorCode;
use headwaters_engine::{BatchId, Completion, Engine, Instant};

/// Something that happened in a world.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct Line<'a> {
    /// When, in the world's time.
    pub at: Instant,
    /// What kind of thing.
    pub kind: Kind,
    /// Which producer it happened to; `None` if it happened to the stream.
    pub producer: Option<u32>,
    /// What, as one line of words.
    pub what: &'a dyn fmt::Display,
}

/// What kind of thing happened.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "what goes in, what comes out, and the rest")]
pub enum Kind {
    /// An engine said what to do.
    Action,
    /// An engine was told something.
    Event,
    /// Something that no engine knows of.
    World,
}

impl fmt::Debug for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// In columns: when, who, what goes in (`>`) or out (`<`), and what it is.
impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { at, kind, producer, what } = self;
        let sign = match kind {
            Kind::Action => '<',
            Kind::Event => '>',
            Kind::World => '*',
        };
        // Times of a day and more are rare, and then the columns are wider.
        let nanos = at.as_nanos();
        write!(f, "{:>5}.{:09} ", nanos / 1_000_000_000, nanos % 1_000_000_000)?;
        match producer {
            Some(number) => write!(f, "p{number:<3}")?,
            None => f.write_str("    ")?,
        }
        write!(f, "{sign} {what}")
    }
}

/// Sees everything that happens in a world, in its order.
pub trait Watch {
    /// Something happened.
    fn see(&mut self, line: Line<'_>);

    /// An engine has said all that it has to say, and waits. By default nobody looks at it.
    fn look(&mut self, _at: Instant, _producer: u32, _engine: &Engine) {}

    /// Something became of records. By default nobody follows them.
    fn follow(&mut self, _step: Step<'_>) {}
}

/// What became of some records of a producer.
#[non_exhaustive]
pub struct Step<'a> {
    /// When, in the world's time.
    pub at: Instant,
    /// Whose records they are.
    pub producer: u32,
    /// What.
    pub what: What<'a>,
}

impl<'a> Step<'a> {
    /// For who shows the records of something that is no world.
    pub const fn new(at: Instant, producer: u32, what: What<'a>) -> Self {
        Self { at, producer, what }
    }
}

/// The ways of records. They are named by their numbers, in the order in which their application puts them, from 0.
#[non_exhaustive]
pub enum What<'a> {
    /// One was accepted.
    Accepted(u64),
    /// They have their outcome.
    Completed(&'a Completion),
    /// They go back, for another attempt.
    Requeued {
        /// Why.
        code: &'a ErrorCode,
        /// Which; one that was packed with others may be named with them after it has left them.
        records: &'a mut dyn Iterator<Item = u64>,
    },
    /// They left.
    Sent {
        /// In which request.
        batch: BatchId,
        /// Which.
        records: &'a mut dyn Iterator<Item = u64>,
    },
}

impl fmt::Debug for Step<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { at, producer, what } = self;
        write!(f, "{at} p{producer} {what:?}")
    }
}

impl fmt::Debug for What<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Accepted(record) => write!(f, "accepted {record}"),
            Self::Completed(completion) => fmt::Display::fmt(completion, f),
            Self::Requeued { code, .. } => write!(f, "requeued {code}"),
            Self::Sent { batch, .. } => write!(f, "sent {batch}"),
        }
    }
}

/// Looks away. A world that nobody watches is a good deal faster.
impl Watch for () {
    fn see(&mut self, _: Line<'_>) {}
}

impl<F: FnMut(Line<'_>)> Watch for F {
    fn see(&mut self, line: Line<'_>) {
        self(line);
    }
}

/// A hash of all lines: two worlds in which the same things happened have the same.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct TraceHash(u64);

impl TraceHash {
    /// The hash so far.
    pub const fn value(self) -> u64 {
        self.0
    }
}

const FNV_OFFSET: u64 = 0xCBF2_9CE4_8422_2325;
const FNV_PRIME: u64 = 0x0100_0000_01B3;

impl Default for TraceHash {
    fn default() -> Self {
        Self(FNV_OFFSET)
    }
}

impl Watch for TraceHash {
    fn see(&mut self, line: Line<'_>) {
        // Writing into a hash cannot fail.
        let _ = writeln!(self, "{line}");
    }
}

/// FNV-1a.
impl Write for TraceHash {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(FNV_PRIME);
        }
        Ok(())
    }
}

/// The last of the lines.
#[derive(Debug, Default)]
pub(crate) struct LastLines(pub(crate) VecDeque<String>);

/// How many lines are kept.
const LINES_KEPT: usize = 60;

impl Watch for LastLines {
    fn see(&mut self, line: Line<'_>) {
        if self.0.len() == LINES_KEPT {
            self.0.pop_front();
        }
        self.0.push_back(alloc::format!("{line}"));
    }
}
