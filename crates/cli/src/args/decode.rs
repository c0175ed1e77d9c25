use core::str::FromStr;
use std::path::PathBuf;

use clap::Args;
use headwaters::wire::{HashKey, HashKeyRange};

use crate::input::Encoding;
use crate::shards::Shards;

pub(super) const EXAMPLES: &str = "\
Examples:
  aws kinesis get-records --shard-iterator ... | headwaters decode --text
  headwaters decode --shard 0/4 aggregates.jsonl
  headwaters decode --input raw aggregate.bin";

/// Take aggregates apart, as the Kinesis Client Library does
#[derive(Args, Debug)]
pub(crate) struct DecodeArguments {
    /// Input files; none or `-` is the standard input
    #[arg(value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,

    /// What the input is
    #[arg(long, value_name = "FORMAT", default_value = "json", help_heading = "Input")]
    pub(crate) input: Encoding,

    /// The hash keys of the shard that the records were read from, both ends
    /// included. The Kinesis Client Library drops an aggregate that has one
    /// record of another shard: its records are marked as dropped. Records
    /// that are in no aggregate stay
    #[arg(long, value_name = "START..END", value_parser = range, help_heading = "Shard")]
    #[arg(conflicts_with = "shard", verbatim_doc_comment)]
    range: Option<HashKeyRange>,

    /// The same by the shard's number, from 0, and the number of the shards,
    /// which divide the hash keys evenly
    #[arg(long, value_name = "NUMBER/SHARDS", value_parser = shard, help_heading = "Shard")]
    #[arg(verbatim_doc_comment)]
    shard: Option<HashKeyRange>,

    /// Write data that are UTF-8 without control characters as text: data_text
    /// in place of data
    #[arg(long, help_heading = "Output", verbatim_doc_comment)]
    pub(crate) text: bool,
}

impl DecodeArguments {
    /// The hash keys of the shard: all, if none is named.
    pub(crate) fn range(&self) -> HashKeyRange {
        let all = || HashKeyRange::ALL;
        self.range.or(self.shard).unwrap_or_else(all)
    }
}

fn range(text: &str) -> Result<HashKeyRange, String> {
    let (start, end) =
        text.split_once("..").ok_or("a range has two hash keys, such as 0..340282366920938")?;
    let [start, end] = [start, end].map(|key| HashKey::from_str(key).map_err(|e| e.to_string()));
    HashKeyRange::new(start?, end?).ok_or_else(|| String::from("START must not lie above END"))
}

fn shard(text: &str) -> Result<HashKeyRange, String> {
    let (number, shards) =
        text.split_once('/').ok_or("a shard is its number from 0 and their number: 0/4")?;
    let shards: Shards = shards.parse()?;
    let range = number.parse().ok().and_then(|number| shards.range(number));
    range.ok_or_else(|| format!("NUMBER is a number from 0 to {}", shards.count().get() - 1))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use crate::args::{Arguments, Command};

    fn parse(words: &str) -> Result<(u128, u128), clap::Error> {
        let words = ["headwaters", "decode"].into_iter().chain(words.split_whitespace());
        match Arguments::try_parse_from(words)?.command {
            Command::Decode(arguments) => {
                let range = arguments.range();
                Ok((range.start().value(), range.end().value()))
            }
            other => unreachable!("{other:?}"),
        }
    }

    #[test]
    fn a_shard_is_its_range() {
        let half = 1 << 127;
        for (words, range) in [
            ("", (0, u128::MAX)),
            ("--range 5..9", (5, 9)),
            ("--range 7..7", (7, 7)),
            ("--shard 0/1", (0, u128::MAX)),
            ("--shard 0/2", (0, half - 1)),
            ("--shard 1/2", (half, u128::MAX)),
        ] {
            assert_eq!(parse(words).expect(words), range, "{words}");
        }
    }

    #[test]
    fn a_shard_that_there_cannot_be_is_refused_with_a_reason() {
        for (words, reason) in [
            ("--range 9..5", "START must not lie above END"),
            ("--range 9", "a range has two hash keys"),
            ("--range 1..x", "no digit at byte 0"),
            ("--range ..1", "the hash key is empty"),
            ("--shard 2/2", "a number from 0 to 1"),
            ("--shard 0/0", "a number from 1 to 20000"),
            ("--shard 1", "0/4"),
            ("--shard 0/1 --range 0..1", "cannot be used with"),
        ] {
            let error = parse(words).expect_err(words).to_string();
            assert!(error.contains(reason), "{words}: {error}");
        }
    }
}
