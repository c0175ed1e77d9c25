use alloc::collections::VecDeque;
use alloc::string::String;
use core::fmt::{self, Write};

use headwaters_engine::Instant;

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
