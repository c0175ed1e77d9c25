use core::convert::Infallible;
use core::fmt;

use bytes::Bytes;
use headwaters_wire::limits::RECORD_BYTES_MAX;
use headwaters_wire::{Entry, HashKey, PartitionKey, PartitionKeyError};

/// The caller's name for a record: the engine hands it back with the outcome and never reads it, so
/// nobody needs a map to find the record again. Two records may carry the same token.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[expect(clippy::exhaustive_structs, reason = "a number of the caller's, nothing more")]
pub struct Token(pub u64);

/// What the application puts: data and the key that routes it.
///
/// A user record that exists is within the limits of the service. Whether the stream at hand takes it is
/// for [`Engine::add`](crate::Engine::add) to say: streams take records up to 1 MiB unless they were
/// given a larger `MaxRecordSize`. Cloning shares the payload and the key. `Debug` prints sizes only.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct UserRecord(Entry);

impl UserRecord {
    /// A record of `data` (it may be empty) under `partition_key`. Copies neither.
    ///
    /// ```
    /// use headwaters_engine::UserRecord;
    ///
    /// let record = UserRecord::new("customer-17", "hello")?;
    /// assert_eq!(record.size(), 16);
    /// # Ok::<(), headwaters_engine::RecordError>(())
    /// ```
    ///
    /// # Errors
    /// [`RecordError`] when the key is not a [`PartitionKey`], or data and key together are larger than
    /// 10 MiB, which is more than any stream takes.
    pub fn new<K>(partition_key: K, data: impl Into<Bytes>) -> Result<Self, RecordError>
    where
        K: TryInto<PartitionKey, Error: Into<RecordError>>,
    {
        let partition_key = partition_key.try_into().map_err(Into::into)?;
        let entry = Entry { data: data.into(), explicit_hash_key: None, partition_key };
        if entry.size() > RECORD_BYTES_MAX {
            return Err(RecordError::TooLarge { size: entry.size() });
        }
        Ok(Self(entry))
    }

    /// The same record, sent to the shard that holds `hash_key` instead of the one that holds the hash of
    /// its partition key.
    #[must_use]
    pub fn with_explicit_hash_key(mut self, hash_key: HashKey) -> Self {
        self.0.explicit_hash_key = Some(hash_key);
        self
    }

    /// The payload.
    pub fn data(&self) -> &Bytes {
        &self.0.data
    }

    /// The hash key that overrides the partition key's, if one was given.
    pub fn explicit_hash_key(&self) -> Option<HashKey> {
        self.0.explicit_hash_key
    }

    /// The key.
    pub fn partition_key(&self) -> &PartitionKey {
        &self.0.partition_key
    }

    /// What the service counts: the bytes of data and partition key.
    pub fn size(&self) -> usize {
        self.0.size()
    }

    /// The record as an entry of a request of its own.
    pub fn as_entry(&self) -> &Entry {
        &self.0
    }
}

/// Why there is no such [`UserRecord`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum RecordError {
    /// The key breaks a rule of the service.
    PartitionKey(PartitionKeyError),
    /// Data and partition key together have more than 10 MiB.
    TooLarge {
        /// The bytes they have.
        size: usize,
    },
}

impl fmt::Display for RecordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PartitionKey(error) => error.fmt(f),
            Self::TooLarge { size } => write!(
                f,
                "data and partition key have {size} bytes; no stream takes more than {RECORD_BYTES_MAX}"
            ),
        }
    }
}

impl core::error::Error for RecordError {}

impl From<PartitionKeyError> for RecordError {
    fn from(error: PartitionKeyError) -> Self {
        Self::PartitionKey(error)
    }
}

impl From<Infallible> for RecordError {
    fn from(error: Infallible) -> Self {
        match error {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    #[test]
    fn size_counts_the_key_and_ten_mebibytes_are_the_end() {
        let fits = vec![0; RECORD_BYTES_MAX - 1];
        assert!(UserRecord::new("k", fits).is_ok());
        let above = vec![0; RECORD_BYTES_MAX];
        assert_eq!(
            UserRecord::new("k", above),
            Err(RecordError::TooLarge { size: RECORD_BYTES_MAX + 1 })
        );
        assert_eq!(
            UserRecord::new("", "x"),
            Err(RecordError::PartitionKey(PartitionKeyError::Empty))
        );
    }
}
