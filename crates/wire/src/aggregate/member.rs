use alloc::string::String;
use core::fmt;

use bytes::Bytes;

use crate::{Entry, HashKey, HashKeyError, PartitionKey, PartitionKeyError};

/// A user record inside an aggregate, as it was written: its keys may break rules of the service, for nobody
/// checked them there. Each part keeps the data of the whole Kinesis record alive: copy what is to stay.
///
/// `Debug` prints sizes only.
#[derive(Clone, Eq, PartialEq)]
#[non_exhaustive]
pub struct Member {
    /// The payload.
    pub data: Bytes,
    /// The explicit hash key, if it has one: decimal digits if all is well.
    pub explicit_hash_key: Option<Bytes>,
    /// Its place in the aggregate, counted from 0: the sub-sequence number of the KCL.
    pub index: usize,
    /// The partition key: UTF-8 if all is well.
    pub partition_key: Bytes,
}

impl Member {
    /// The hash key that decides to which shard the record belongs.
    ///
    /// # Errors
    /// [`Broken::HashKey`] when the explicit hash key is no decimal number below 2^128.
    pub fn hash_key(&self) -> Result<HashKey, Broken> {
        match &self.explicit_hash_key {
            Some(text) => parse_hash_key(text).map_err(Broken::HashKey),
            None => Ok(hash_of_text(&self.partition_key)),
        }
    }

    /// The partition key as text, if it is text.
    pub fn partition_key_str(&self) -> Option<&str> {
        core::str::from_utf8(&self.partition_key).ok()
    }

    /// The record as an entry that could be put again. Keeps the aggregate's whole data alive.
    ///
    /// # Errors
    /// [`Broken`] when one of its keys breaks a rule of the service.
    pub fn to_entry(&self) -> Result<Entry, Broken> {
        self.clone().into_entry()
    }

    /// As [`to_entry`](Self::to_entry), for one that is of no use any more.
    ///
    /// # Errors
    /// As [`to_entry`](Self::to_entry).
    pub fn into_entry(self) -> Result<Entry, Broken> {
        let explicit_hash_key = self.explicit_hash_key.as_deref().map(parse_hash_key).transpose();
        Ok(Entry {
            data: self.data,
            explicit_hash_key: explicit_hash_key.map_err(Broken::HashKey)?,
            partition_key: PartitionKey::from_utf8(self.partition_key)
                .map_err(Broken::PartitionKey)?,
        })
    }
}

pub(super) fn parse_hash_key(text: &[u8]) -> Result<HashKey, HashKeyError> {
    match core::str::from_utf8(text) {
        Ok(text) => text.parse(),
        Err(error) => Err(HashKeyError::NotDecimal { offset: error.valid_up_to() }),
    }
}

impl fmt::Debug for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { data, explicit_hash_key, index, partition_key } = self;
        f.debug_struct("Member")
            .field("index", index)
            .field("data", &format_args!("{} bytes", data.len()))
            .field("explicit_hash_key", &explicit_hash_key.is_some())
            .field("partition_key", &format_args!("{} bytes", partition_key.len()))
            .finish()
    }
}

/// Why a member cannot be read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Broken {
    /// Its explicit hash key is none.
    HashKey(HashKeyError),
    /// It refers to an explicit hash key that the aggregate does not have.
    HashKeyIndex {
        /// The index, counted from 0.
        index: u64,
    },
    /// It refers to a partition key that the aggregate does not have.
    KeyIndex {
        /// The index, counted from 0.
        index: u64,
    },
    /// Its partition key breaks a rule of the service.
    PartitionKey(PartitionKeyError),
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::HashKey(error) => error.fmt(f),
            Self::HashKeyIndex { index } => {
                write!(f, "the aggregate has no explicit hash key number {index}")
            }
            Self::KeyIndex { index } => {
                write!(f, "the aggregate has no partition key number {index}")
            }
            Self::PartitionKey(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for Broken {}

/// The hash key of a partition key. The KCL reads the key as text first: what is not UTF-8 is replaced.
pub(super) fn hash_of_text(key: &[u8]) -> HashKey {
    let text = String::from_utf8_lossy(key);
    HashKey::from_digest(headwaters_md5::digest(text.as_bytes()))
}
