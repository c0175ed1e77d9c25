use core::num::NonZeroUsize;
use std::io::{self, IsTerminal};
use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::{Args, ValueEnum};
use headwaters::wire::aggregate;
use headwaters::wire::limits::RECORD_BYTES_MAX;

use super::{refusal, size};
use crate::shards::Shards;

pub(super) const EXAMPLES: &str = "\
Examples:
  headwaters aggregate failed.jsonl
  headwaters aggregate --shards 4 --max-size 25KiB records.jsonl > aggregates.jsonl
  headwaters aggregate --format raw few.jsonl > aggregate.bin";

/// Pack records into aggregates, as the Kinesis Producer Library does
#[derive(Args, Debug)]
pub(crate) struct AggregateArguments {
    /// Input files, JSON lines with partition_key, explicit_hash_key (or none)
    /// and data in base64, as put --failed writes them; none or `-` is the
    /// standard input
    #[arg(value_name = "FILE", verbatim_doc_comment)]
    pub(crate) files: Vec<PathBuf>,

    /// Largest data of an aggregate: bytes, KiB or MiB. A record that is
    /// larger goes alone, as it is
    #[arg(long, value_name = "SIZE", default_value_t = SIZE_DEFAULT, value_parser = max_size)]
    #[arg(help_heading = "Aggregates", verbatim_doc_comment)]
    pub(crate) max_size: usize,

    /// Most records in an aggregate [default: as many as there is room for]
    #[arg(long, value_name = "COUNT", help_heading = "Aggregates")]
    pub(crate) max_count: Option<NonZeroUsize>,

    /// How many shards the stream has: they divide the hash keys evenly, and
    /// no aggregate has records of two
    #[arg(long, value_name = "SHARDS", default_value = "1", help_heading = "Aggregates")]
    #[arg(verbatim_doc_comment)]
    pub(crate) shards: Shards,

    /// The partition key of an aggregate
    #[arg(long, value_name = "KEY", default_value = "kpl", help_heading = "Aggregates")]
    pub(crate) outer_key: OuterKey,

    /// The form of the output
    #[arg(long, value_name = "FORM", default_value = "json")]
    pub(crate) format: Output,
}

/// The default of the KPL's `AggregationMaxSize`. Source: its `KinesisProducerConfiguration`.
const SIZE_DEFAULT: usize = 51_200;

/// The least that the KPL takes for it. Source: the same.
const SIZE_MIN: usize = 64;

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum OuterKey {
    /// That of its first record
    First,
    /// The letter a, as the KPL does
    Kpl,
}

impl From<OuterKey> for aggregate::OuterKey {
    fn from(key: OuterKey) -> Self {
        match key {
            OuterKey::First => Self::FirstRecord,
            OuterKey::Kpl => Self::Kpl,
        }
    }
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum Output {
    /// JSON lines with partition_key, explicit_hash_key and data in base64
    Json,
    /// The bytes of the data, if all the input makes one Kinesis record
    Raw,
}

impl AggregateArguments {
    /// Looks at what no single argument can tell.
    pub(crate) fn check(&self) -> Result<(), clap::Error> {
        if self.format == Output::Raw && io::stdout().is_terminal() {
            let text = "--format raw writes bytes that are not for a terminal: send them to a file";
            return Err(refusal("aggregate", ErrorKind::ArgumentConflict, text));
        }
        Ok(())
    }
}

fn max_size(text: &str) -> Result<usize, String> {
    let size = size(text)?;
    if !(SIZE_MIN..=RECORD_BYTES_MAX).contains(&size) {
        return Err(format!("an aggregate may have {SIZE_MIN} to {RECORD_BYTES_MAX} bytes"));
    }
    Ok(size)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::args::{Arguments, Command};

    fn parse(words: &str) -> Result<AggregateArguments, clap::Error> {
        let words = ["headwaters", "aggregate"].into_iter().chain(words.split_whitespace());
        match Arguments::try_parse_from(words)?.command {
            Command::Aggregate(arguments) => Ok(arguments),
            other => unreachable!("{other:?}"),
        }
    }

    #[test]
    fn the_defaults_are_those_of_the_kpl() {
        let arguments = parse("").expect("nothing is required");
        assert_eq!((arguments.max_size, arguments.max_count), (51_200, None));
        assert_eq!(arguments.outer_key, OuterKey::Kpl);
        assert_eq!(arguments.shards.count().get(), 1);
    }

    #[test]
    fn sizes_counts_and_shards_have_bounds() {
        for words in ["--max-size 64", "--max-size 10MiB", "--max-count 1", "--shards 20000"] {
            assert!(parse(words).is_ok(), "{words}");
        }
        for (words, reason) in [
            ("--max-size 63", "64 to 10485760 bytes"),
            ("--max-size 10485761", "64 to 10485760 bytes"),
            ("--max-count 0", "zero"),
            ("--shards 0", "a number from 1 to 20000"),
            ("--shards 20001", "a number from 1 to 20000"),
        ] {
            let error = parse(words).expect_err(words).to_string();
            assert!(error.contains(reason), "{words}: {error}");
        }
    }
}
