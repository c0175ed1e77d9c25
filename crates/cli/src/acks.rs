use headwaters::{Attempts, Cause, Outcome};
use serde::Serialize;

use crate::input::{BadInput, Files, Position};
use crate::sink::{Broken, Sink};

/// `--acks`: one line per record, in the order of the input.
#[derive(Debug)]
pub(crate) struct Acks {
    pub(crate) sink: Sink,
}

#[derive(Serialize)]
struct Ack<'a> {
    #[serde(flatten)]
    place: Place<'a>,
    outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    shard: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sequence_number: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    maybe_duplicate: Option<bool>,
    attempts: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<&'a str>,
}

/// Where a record was, as the reports say it.
#[derive(Serialize)]
pub(crate) struct Place<'a> {
    pub(crate) file: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    record: Option<u64>,
    offset: u64,
}

impl<'a> Place<'a> {
    pub(crate) fn new(files: &'a Files, position: Position) -> Self {
        let number = Some(position.number);
        let (line, record) =
            if files.counts_lines(position) { (number, None) } else { (None, number) };
        Self { file: files.name(position), line, record, offset: position.offset }
    }
}

impl core::fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let Self { file, line, record, offset } = self;
        let file = file.replace(char::is_control, "\u{FFFD}");
        match (line, record) {
            (Some(line), _) => write!(f, "{file}, line {line} (byte {offset})"),
            (None, Some(record)) => write!(f, "{file}, record {record} (byte {offset})"),
            (None, None) => write!(f, "{file}, byte {offset}"),
        }
    }
}

impl Acks {
    /// Writes the line of a record that was put. `cause` says why it was not stored.
    pub(crate) async fn put(
        &mut self,
        place: Place<'_>,
        outcome: &Outcome,
        attempts: &Attempts,
        cause: Option<&str>,
    ) -> Result<(), Broken> {
        let (shard, sequence_number, maybe_duplicate) = match outcome {
            Outcome::Stored { maybe_duplicate, sequence_number, shard } => {
                (Some(shard.to_string()), Some(sequence_number.as_str()), Some(*maybe_duplicate))
            }
            Outcome::MaybeStored { .. } | Outcome::NotStored { .. } => (None, None, None),
        };
        let attempts = attempts.count();
        let outcome = name(outcome);
        let ack = Ack { place, outcome, shard, sequence_number, maybe_duplicate, attempts, cause };
        self.sink.line(&ack).await
    }

    /// Writes the line of a record that was never put.
    pub(crate) async fn rejected(
        &mut self,
        place: Place<'_>,
        bad: &BadInput,
    ) -> Result<(), Broken> {
        let cause = bad.rule.to_string();
        let ack = Ack {
            place,
            outcome: REJECTED,
            shard: None,
            sequence_number: None,
            maybe_duplicate: None,
            attempts: 0,
            cause: Some(&cause),
        };
        self.sink.line(&ack).await
    }
}

/// The outcome of a record that was never put.
pub(crate) const REJECTED: &str = "rejected";

/// The outcome in a word.
pub(crate) const fn name(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::MaybeStored { .. } => "maybe_stored",
        Outcome::NotStored { .. } => "not_stored",
        Outcome::Stored { .. } => "stored",
    }
}

/// Why a record is not stored, with what the service said last.
pub(crate) fn cause(cause: &Cause, attempts: &Attempts) -> String {
    match (cause, attempts.last_error()) {
        // Its code says it all but for the words of the service.
        (Cause::Permanent(code), Some(error)) if error.code == *code => {
            format!("the service refused it for good: {error}")
        }
        (_, Some(error)) => format!("{cause}; the last error was {error}"),
        (_, None) => cause.to_string(),
    }
}
