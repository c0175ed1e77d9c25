//! From files to records: each format turns bytes into [`Item`]s, and nothing of it reads a file.
//!
//! ```text
//! file -> reader (64 KiB at a time) -> decoder of the format -> keys -> Batch of items
//! ```
//!
//! A decoder takes the bytes in pieces of any size and holds at most one record or document of the
//! largest size, so that no input, however broken, takes more memory than that.

mod csv;
mod delimited;
mod documents;
mod files;
mod framed;
mod json;
mod json_lines;
mod keys;
mod length;
mod lines;
mod nul;
mod raw;
mod reader;
mod received;
mod records;
mod rule;
mod source;
#[cfg(test)]
mod testing;

use bytes::Bytes;
use clap::ValueEnum;
pub(crate) use csv::Column;
pub(crate) use files::{FileFormat, Files, Inputs, OpenError, STDIN, nothing_given};
use headwaters::UserRecord;
pub(crate) use json::JsonPath;
pub(crate) use keys::{Key, Keys};
pub(crate) use reader::{Batch, End, ReadError, start};
pub(crate) use received::Received;
pub(crate) use records::decoder as records_decoder;
pub(crate) use rule::Rule;

/// How a file is divided into records.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum Format {
    /// One record per row, put as CSV text; the first row names the columns
    Csv,
    /// One JSON document per line, put as it is
    Jsonl,
    /// 4 bytes of length, big-endian, before each record
    Length,
    /// One record per line, without the line end
    Lines,
    /// A NUL byte after each record
    Nul,
    /// What --failed writes: keys and data in JSON lines
    Records,
}

impl FileFormat for Format {
    fn counts_lines(self) -> bool {
        match self {
            Self::Csv | Self::Jsonl | Self::Lines | Self::Records => true,
            Self::Length | Self::Nul => false,
        }
    }

    /// Nothing that is meant to be divided begins as gzip does.
    fn unpacks(self) -> bool {
        true
    }
}

impl Format {
    /// What divides a file of this format.
    pub(crate) fn decoder(self, file: usize, keys: &Keys) -> Box<dyn Decode> {
        let keys = keys.clone();
        match self {
            Self::Csv => Box::new(csv::Csv::new(file, keys)),
            Self::Jsonl => Box::new(json_lines::decoder(file, keys)),
            Self::Length => Box::new(length::Length::new(file, keys)),
            Self::Lines => Box::new(lines::decoder(file, keys)),
            Self::Nul => Box::new(nul::decoder(file, keys)),
            Self::Records => Box::new(records::decoder(file, keys.limit)),
        }
    }
}

/// How Kinesis records are read back.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum Encoding {
    /// JSON: a record per line, or what `aws kinesis get-records` prints
    Json,
    /// The bytes of one record in each file
    Raw,
}

impl FileFormat for Encoding {
    fn counts_lines(self) -> bool {
        matches!(self, Self::Json)
    }

    /// A record itself may be gzip: that is for its consumer to unpack.
    fn unpacks(self) -> bool {
        matches!(self, Self::Json)
    }
}

impl Encoding {
    /// What divides a file of this encoding.
    pub(crate) fn decoder(self, file: usize) -> Box<dyn Decode<Received>> {
        match self {
            Self::Json => Box::new(documents::Documents::new(file)),
            Self::Raw => Box::new(raw::Raw::new(file)),
        }
    }
}

/// Where a record begins.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Position {
    /// The index of the file.
    pub(crate) file: usize,
    /// Bytes before it in the file.
    pub(crate) offset: u64,
    /// The number of its line or record, from 1.
    pub(crate) number: u64,
}

impl Position {
    pub(crate) const fn start_of(file: usize) -> Self {
        Self { file, offset: 0, number: 1 }
    }
}

/// A record, or what is wrong with it.
pub(crate) type Content<T = UserRecord> = Result<T, Box<BadInput>>;

/// One record of the input, good or bad.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Item<T = UserRecord> {
    pub(crate) content: Content<T>,
    pub(crate) position: Position,
}

/// Why a record of the input cannot be put, and what is left of it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct BadInput {
    pub(crate) kept: Kept,
    /// How many bytes it has in the file, as far as they are there.
    pub(crate) length: u64,
    pub(crate) rule: Rule,
}

impl BadInput {
    /// Boxed, for it is large and seldom.
    pub(crate) fn new(kept: Kept, length: u64, rule: Rule) -> Box<Self> {
        Box::new(Self { kept, length, rule })
    }

    /// The bytes that are held for it.
    pub(crate) fn size(&self) -> usize {
        match &self.kept {
            Kept::Data(data) => data.len(),
            Kept::Nothing => 0,
            Kept::Record(record) => record.size(),
        }
    }
}

/// What is left of a record that cannot be put.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Kept {
    /// Its bytes, without a key that is valid.
    Data(Bytes),
    /// Nothing: it is too large to be held.
    Nothing,
    /// All of it: only the stream's limit is against it.
    Record(UserRecord),
}

/// A format's part of the way: bytes in, items out.
pub(crate) trait Decode<T = UserRecord> {
    /// Takes the next bytes of the file.
    fn decode(&mut self, bytes: &[u8], items: &mut Vec<Item<T>>) -> Result<(), Unusable>;

    /// Takes note that the file ends.
    fn finish(&mut self, items: &mut Vec<Item<T>>) -> Result<(), Unusable>;

    /// Where the first record begins that is not complete yet.
    fn position(&self) -> Position;

    /// Before the first bytes: lets them be those from a record on that is not the first. Says whether that can be; else
    /// it takes the file from its start.
    fn begin_at(&mut self, _: Position) -> bool {
        false
    }

    /// How many empty lines were passed over.
    fn skipped(&self) -> u64 {
        0
    }
}

/// Why nothing of a file can be used: the command line does not fit it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Unusable(String);

impl core::fmt::Display for Unusable {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(&self.0)
    }
}
