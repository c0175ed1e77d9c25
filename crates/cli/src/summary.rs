use core::fmt;

use headwaters::EngineStats;
use headwaters::mock::ShardReport;
use indicatif::{HumanBytes, HumanCount};
use serde::Serialize;

use crate::acks::Place;
use crate::exit::Exit;
use crate::readback::Comparison;
use crate::resume::ResumeReport;
use crate::sink::SinkReport;
use crate::stop::{Reason, Signal};
use crate::tally::Tally;

/// What the command did: the text, and the object of `--output json`, whose fields these are.
#[derive(Serialize)]
pub(crate) struct Summary<'a> {
    pub(crate) stream: &'a str,
    pub(crate) input: Input,
    pub(crate) stored: u64,
    /// Of those stored: they may be there twice.
    pub(crate) maybe_duplicate: u64,
    pub(crate) not_stored: u64,
    pub(crate) maybe_stored: u64,
    pub(crate) handed_back: u64,
    /// Of those handed back: they may be stored.
    pub(crate) handed_back_maybe_stored: u64,
    pub(crate) rejected: u64,
    /// Only if a report could not be written in time.
    pub(crate) without_outcome: u64,
    pub(crate) retries: u64,
    pub(crate) throttled: u64,
    pub(crate) requests: u64,
    /// Kinesis records in those, sent again or not: an aggregate is one.
    pub(crate) entries: u64,
    /// Kinesis records that the stream holds.
    /// `None` if they cannot be seen from here.
    pub(crate) kinesis_records: Option<u64>,
    pub(crate) elapsed_seconds: f64,
    pub(crate) records_per_second: f64,
    /// Why reading stopped before the end of the input.
    pub(crate) stopped: Option<&'static str>,
    /// Where the input begins that was not put.
    pub(crate) unread: Option<Place<'a>>,
    /// `None` if they cannot be seen from here.
    pub(crate) shards: Option<Vec<Shard>>,
    pub(crate) read_back: Option<Comparison>,
    pub(crate) reports: Vec<SinkReport>,
    /// `None` without `--resume`.
    pub(crate) resume: Option<ResumeReport>,
    pub(crate) exit_code: u8,
}

/// What was read.
#[derive(Serialize)]
pub(crate) struct Input {
    pub(crate) records: u64,
    /// Of the records that were put: data and partition keys.
    pub(crate) bytes: u64,
    pub(crate) empty_lines: u64,
}

/// What the stream says of a shard.
#[derive(Serialize)]
pub(crate) struct Shard {
    pub(crate) shard: String,
    pub(crate) kinesis_records: u64,
    pub(crate) bytes: u64,
    pub(crate) throttled: u64,
}

impl From<ShardReport> for Shard {
    fn from(report: ShardReport) -> Self {
        Self {
            shard: report.id.to_string(),
            kinesis_records: report.records,
            bytes: report.bytes,
            throttled: report.throttled,
        }
    }
}

impl<'a> Summary<'a> {
    /// The part that counters tell.
    pub(crate) fn new(
        stream: &'a str,
        tally: Tally,
        stats: EngineStats,
        elapsed_seconds: f64,
    ) -> Self {
        let rate = tally.stored as f64 / elapsed_seconds;
        Self {
            stream,
            input: Input {
                records: tally.input,
                bytes: tally.input_bytes,
                empty_lines: tally.skipped,
            },
            stored: tally.stored,
            maybe_duplicate: tally.maybe_duplicate,
            not_stored: tally.not_stored,
            maybe_stored: tally.maybe_stored,
            handed_back: tally.handed_back,
            handed_back_maybe_stored: tally.handed_back_maybe,
            rejected: tally.rejected,
            without_outcome: tally.input - tally.settled(),
            retries: stats.requeued,
            throttled: stats.throttled,
            requests: stats.requests,
            entries: stats.entries,
            kinesis_records: None,
            elapsed_seconds,
            records_per_second: if rate.is_finite() { rate } else { 0.0 },
            stopped: None,
            unread: None,
            shards: None,
            read_back: None,
            reports: Vec::new(),
            resume: None,
            exit_code: Exit::Delivered.code(),
        }
    }
}

/// The reason in words.
pub(crate) const fn reason(reason: Reason) -> &'static str {
    match reason {
        Reason::Credentials => "the service refuses the credentials",
        Reason::Deadline => "the deadline came",
        Reason::Output => "a report could not be written",
        Reason::Refused => "the service refuses whatever comes",
        Reason::Signal(Signal::Interrupt) => "interrupted",
        Reason::Signal(Signal::Terminate) => "terminated",
    }
}

impl fmt::Display for Summary<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let row = |f: &mut fmt::Formatter<'_>, name: &str, count: u64, more: &[(u64, &str)]| {
            write!(f, "{name:<16}{:>12}", HumanCount(count).to_string())?;
            for (count, what) in more.iter().filter(|(count, _)| *count > 0) {
                write!(f, "  ({} {what})", HumanCount(*count))?;
            }
            writeln!(f)
        };
        writeln!(f, "{:<16}{:>12}", "stream", self.stream)?;
        let input = &self.input;
        row(f, "input", input.records, &[(input.empty_lines, "empty lines passed over")])?;
        row(f, "stored", self.stored, &[(self.maybe_duplicate, "maybe twice")])?;
        row(f, "not stored", self.not_stored, &[])?;
        row(f, "maybe stored", self.maybe_stored, &[])?;
        row(
            f,
            "handed back",
            self.handed_back,
            &[(self.handed_back_maybe_stored, "maybe stored")],
        )?;
        row(f, "rejected", self.rejected, &[])?;
        if self.without_outcome > 0 {
            row(f, "no outcome", self.without_outcome, &[])?;
        }
        row(f, "retries", self.retries, &[(self.throttled, "entries throttled")])?;
        row(f, "requests", self.requests, &[(self.entries, "entries")])?;
        if let Some(records) = self.kinesis_records {
            row(f, "kinesis records", records, &[])?;
        }
        let (elapsed, rate) = (self.elapsed_seconds, self.records_per_second);
        let bytes = HumanBytes(input.bytes);
        writeln!(f, "{:<16}{elapsed:>10.3} s  ({rate:.0} records/s, {bytes})", "elapsed")?;
        if let Some(stopped) = self.stopped {
            writeln!(f, "{:<16}{stopped}", "stopped")?;
        }
        if let Some(unread) = &self.unread {
            writeln!(f, "{:<16}from {unread} on", "unread")?;
        }
        for report in &self.reports {
            writeln!(f, "{:<16}{report}", "report")?;
        }
        if let Some(resume) = &self.resume {
            writeln!(f, "{:<16}{resume}", "resume")?;
        }
        if let Some(comparison) = &self.read_back {
            writeln!(f, "{:<16}{comparison}", "read back")?;
        }
        self.shards.as_deref().map_or(Ok(()), |shards| write_shards(f, shards))
    }
}

fn write_shards(f: &mut fmt::Formatter<'_>, shards: &[Shard]) -> fmt::Result {
    let width = shards.iter().map(|shard| shard.shard.len()).max().unwrap_or_default();
    writeln!(
        f,
        "\n{:<width$}{:>18}{:>16}{:>12}",
        "shard", "kinesis records", "bytes", "throttled"
    )?;
    for Shard { shard, kinesis_records, bytes, throttled } in shards {
        writeln!(f, "{shard:<width$}{kinesis_records:>18}{bytes:>16}{throttled:>12}")?;
    }
    Ok(())
}

impl fmt::Display for SinkReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} lines", self.file, HumanCount(self.lines))?;
        if self.lost > 0 {
            write!(f, ", {} could not be written", HumanCount(self.lost))?;
        }
        Ok(())
    }
}

impl fmt::Display for ResumeReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, stored, to_repeat, to_repeat_maybe_stored: maybe, complete, .. } = self;
        write!(f, "{file}: {} records stored", HumanCount(*stored))?;
        if *complete {
            return f.write_str(", which is all");
        }
        if *to_repeat > 0 {
            write!(f, ", {} to be put again", HumanCount(*to_repeat))?;
        }
        if *maybe > 0 {
            write!(f, " ({} of them maybe stored)", HumanCount(*maybe))?;
        }
        Ok(())
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let found = HumanCount(self.found);
        if self.explained() {
            write!(f, "{found} records, as reported")?;
        } else {
            write!(f, "{found} records, NOT as reported")?;
        }
        for (count, what) in [
            (self.missing, "missing"),
            (self.unexpected, "unexpected"),
            (self.duplicates, "duplicates"),
            (self.unexplained_duplicates, "of them unexplained"),
            (self.maybe_stored_found, "of those maybe stored"),
        ] {
            if count > 0 {
                write!(f, ", {} {what}", HumanCount(count))?;
            }
        }
        Ok(())
    }
}
