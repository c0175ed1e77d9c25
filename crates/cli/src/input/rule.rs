use core::fmt;

use headwaters::wire::{HashKeyError, PartitionKeyError};

/// The rule that a record of the input breaks. Its text never quotes the record.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Rule {
    /// `data` is no base64.
    Base64,
    /// A JSON document that is larger than any answer of the service.
    DocumentTooLarge { limit: usize, size: u64 },
    /// The row has another number of fields than the first one.
    Fields { expected: usize, found: usize },
    /// The field at this path is not one that can be a key.
    Field { found: &'static str, path: String },
    /// Not a hash key.
    HashKey(HashKeyError),
    /// A record of a list breaks a rule.
    InList { number: usize, rule: Box<Self> },
    /// Not JSON.
    Json { column: usize, line: usize, what: String },
    /// Not UTF-8.
    NotUtf8 { offset: usize },
    /// A line of `records` that is none.
    NotARecord { what: &'static str },
    /// JSON that is no Kinesis record.
    NotReceived { what: &'static str },
    /// The file ends inside of quotes.
    OpenQuote,
    /// Not a partition key.
    PartitionKey(PartitionKeyError),
    /// Larger than the stream takes.
    TooLarge { limit: usize, size: u64 },
    /// The file ends in the middle of it. `promised` is what its length says, if that is there.
    Truncated { found: u64, promised: Option<u32> },
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Base64 => f.write_str("`data` is not base64"),
            Self::DocumentTooLarge { limit, size } => {
                write!(f, "the document has {size} bytes; it may have {limit}")
            }
            Self::Fields { expected, found } => {
                write!(f, "the row has {found} fields; the first row has {expected}")
            }
            Self::Field { found, path } => write!(
                f,
                "`{path}` is {found}; a key is taken from a string, a number, true or false"
            ),
            Self::HashKey(error) => error.fmt(f),
            Self::InList { number, rule } => write!(f, "record {number} of the list: {rule}"),
            Self::Json { column, line: 1, what } => {
                write!(f, "the JSON is broken at column {column}: {what}")
            }
            Self::Json { column, line, what } => {
                write!(
                    f,
                    "the JSON is broken at line {line}, column {column} of the record: {what}"
                )
            }
            Self::NotUtf8 { offset } => {
                write!(f, "the text is not UTF-8 from byte {offset} of the record on")
            }
            Self::NotARecord { what } => write!(
                f,
                "{what}; such a line has the strings `partition_key` and `data` (base64), and may \
                 have `explicit_hash_key`"
            ),
            Self::NotReceived { what } => write!(
                f,
                "{what}; a Kinesis record has the string `data` or `Data` (base64), and an answer to \
                 GetRecords has a list of them, `Records`"
            ),
            Self::OpenQuote => f.write_str("a quote is open at the end of the file"),
            Self::PartitionKey(error) => error.fmt(f),
            Self::TooLarge { limit, size } => write!(
                f,
                "the record has {size} bytes; the stream takes at most {limit}, data and partition \
                 key together"
            ),
            Self::Truncated { found, promised: None } => {
                write!(f, "the input ends after {found} of the 4 bytes of a length")
            }
            Self::Truncated { found, promised: Some(promised) } => {
                write!(f, "the length says {promised} bytes, but the input ends after {found}")
            }
        }
    }
}

impl From<HashKeyError> for Rule {
    fn from(error: HashKeyError) -> Self {
        Self::HashKey(error)
    }
}

impl From<PartitionKeyError> for Rule {
    fn from(error: PartitionKeyError) -> Self {
        Self::PartitionKey(error)
    }
}
