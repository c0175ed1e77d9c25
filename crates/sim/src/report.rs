use alloc::collections::VecDeque;
use alloc::string::String;
use core::fmt;
use core::time::Duration;

use headwaters_engine::Stats;

use crate::options::Options;
use crate::sometimes::Sometimes;

/// What became of a world in which no rule was broken.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Report {
    /// Copies of records that consumers see beyond the first of each.
    pub duplicates: u64,
    /// Copies that were stored and that consumers do not see, for they were in an aggregate of which not all
    /// members belong to the shard.
    pub hidden: u64,
    /// Entries that were stored in requests whose answers were lost.
    pub lost_answers: u64,
    /// What it met of what is hard to get right.
    pub sometimes: Sometimes,
    /// The engine's figures at the end.
    pub stats: Stats,
    /// Kinesis records in the service's ledger.
    pub stored: u64,
    /// How much time went by in the world.
    pub time: Duration,
    /// A hash of everything that happened, in order.
    pub trace: u64,
}

/// A rule that was broken.
#[derive(Debug)]
#[non_exhaustive]
pub struct Failure {
    /// Which rule, and by what.
    pub broken: String,
    /// The last events and actions before it.
    pub lines: VecDeque<String>,
    /// The world in which it happened.
    pub options: Options,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { broken, lines, options } = self;
        writeln!(f, "{options:#?}")?;
        lines.iter().try_for_each(|line| writeln!(f, "{line}"))?;
        writeln!(f, "seed {}: {broken}", options.seed)?;
        if !options.drawn {
            return f.write_str("again: run the same test");
        }
        let replay = "cargo test -p headwaters-tests --test sim -- --nocapture";
        write!(f, "again: HEADWATERS_SEED={} {replay}", options.seed)
    }
}

impl core::error::Error for Failure {}
