use alloc::vec;
use alloc::vec::Vec;
use core::convert::Infallible;
use core::fmt;
use core::time::Duration;

use bytes::Bytes;
use headwaters_wire::aggregate::Record;
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
/// given a larger `MaxRecordSize`. Its hash key is computed when it is made (about 75 ns; many at once in
/// [`from_entries`](Self::from_entries) cost a fraction), so that an engine behind a lock need not do it.
/// Cloning shares the payload and the key. `Debug` prints sizes only.
//
// In this order, for what says whether there is a record lies in its last field: were it elsewhere, an `Option` of a record
// would be moved in other parts than a record is, and a processor that reads across two of its own writes waits until both
// have reached the cache. Records are moved from hand to hand, and each of them would wait.
#[derive(Clone, Eq, PartialEq)]
#[repr(C)]
pub struct UserRecord {
    data: Bytes,
    partition_key: PartitionKey,
    hash_key: HashKey,
    source: Source,
}

/// Where a hash key comes from. As wide as what records are moved in.
#[derive(Clone, Copy, Eq, PartialEq)]
#[repr(u64)]
enum Source {
    Explicit,
    PartitionKey,
}

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
    /// Bytes with an owner ([`Bytes::from_owner`]) are given back as soon as they are packed or copied, and that may be while the
    /// producer that holds them is locked: what the owner does then must not call the producer, nor wait for who does.
    ///
    /// # Errors
    /// [`RecordError`] when the key is not a [`PartitionKey`], or data and key together are larger than
    /// 10 MiB, which is more than any stream takes.
    pub fn new<K>(partition_key: K, data: impl Into<Bytes>) -> Result<Self, RecordError>
    where
        K: TryInto<PartitionKey, Error: Into<RecordError>>,
    {
        let partition_key = partition_key.try_into().map_err(Into::into)?;
        Self::from_entry(Entry { data: data.into(), explicit_hash_key: None, partition_key })
    }

    /// The record that an entry describes.
    ///
    /// # Errors
    /// [`RecordError::TooLarge`] when data and key together are larger than 10 MiB.
    pub fn from_entry(entry: Entry) -> Result<Self, RecordError> {
        check_size(entry.size())?;
        let hash_key = entry.hash_key();
        Ok(Self::hashed(entry, hash_key))
    }

    /// The records that many entries describe, in their order. The hash keys are computed side by side in
    /// SIMD lanes, several times faster than one after the other.
    ///
    /// # Errors
    /// [`RecordError::TooLarge`] when one of them is larger than 10 MiB.
    pub fn from_entries(entries: Vec<Entry>) -> Result<Vec<Self>, RecordError> {
        entries.iter().map(Entry::size).try_for_each(check_size)?;
        let mut hash_keys = vec![HashKey::MIN; entries.len()];
        HashKey::of_many(entries.iter().map(|entry| &entry.partition_key), &mut hash_keys);
        let hashed = entries.into_iter().zip(hash_keys).map(|(entry, hash_key)| {
            let hash_key = entry.explicit_hash_key.unwrap_or(hash_key);
            Self::hashed(entry, hash_key)
        });
        Ok(hashed.collect())
    }

    /// The record of an entry that is known to be valid and to have this hash key.
    pub(crate) fn hashed(entry: Entry, hash_key: HashKey) -> Self {
        let Entry { data, explicit_hash_key, partition_key } = entry;
        let source = explicit_hash_key.map_or(Source::PartitionKey, |_| Source::Explicit);
        Self { data, partition_key, hash_key, source }
    }

    /// The same record, sent to the shard that holds `hash_key` instead of the one that holds the hash of
    /// its partition key.
    #[must_use]
    pub fn with_explicit_hash_key(self, hash_key: HashKey) -> Self {
        Self { hash_key, source: Source::Explicit, ..self }
    }

    /// A record of other data under the same keys, whose hash key need not be computed again: for those who put many records
    /// under few keys.
    ///
    /// # Errors
    /// [`RecordError::TooLarge`] when data and key together are larger than 10 MiB.
    pub fn with_data(self, data: impl Into<Bytes>) -> Result<Self, RecordError> {
        let record = Self { data: data.into(), ..self };
        check_size(record.size())?;
        Ok(record)
    }

    /// The payload.
    pub const fn data(&self) -> &Bytes {
        &self.data
    }

    /// The hash key that overrides the partition key's, if one was given.
    pub const fn explicit_hash_key(&self) -> Option<HashKey> {
        match self.source {
            Source::Explicit => Some(self.hash_key),
            Source::PartitionKey => None,
        }
    }

    /// The hash key by which the service chooses the shard: the explicit one, or the partition key's.
    pub const fn hash_key(&self) -> HashKey {
        self.hash_key
    }

    /// The key.
    pub const fn partition_key(&self) -> &PartitionKey {
        &self.partition_key
    }

    /// What the service counts: the bytes of data and partition key.
    pub fn size(&self) -> usize {
        self.data.len() + self.partition_key.len()
    }

    /// The same record in buffers of its own: for one that was cut out of a larger buffer, which it would keep in memory.
    #[must_use]
    pub fn detached(&self) -> Self {
        let Self { data, partition_key, hash_key, source } = self;
        let (data, partition_key) = (Bytes::copy_from_slice(data), partition_key.detached());
        Self { data, partition_key, hash_key: *hash_key, source: *source }
    }

    /// The record on its way into an aggregate.
    pub(crate) const fn as_member(&self) -> Record<'_> {
        let Self { data, partition_key, .. } = self;
        let is_explicit = self.explicit_hash_key().is_some();
        Record { data, hash_key: self.hash_key(), is_explicit, partition_key }
    }

    /// The record as an entry of a request of its own; shares the payload and the key.
    pub fn to_entry(&self) -> Entry {
        self.clone().into_entry()
    }

    /// The record as an entry of a request of its own.
    #[inline]
    pub fn into_entry(self) -> Entry {
        let explicit_hash_key = self.explicit_hash_key();
        Entry { data: self.data, explicit_hash_key, partition_key: self.partition_key }
    }
}

pub(crate) const fn check_size(size: usize) -> Result<(), RecordError> {
    if size > RECORD_BYTES_MAX { Err(RecordError::TooLarge { size }) } else { Ok(()) }
}

impl fmt::Debug for UserRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UserRecord")
            .field("data", &format_args!("{} bytes", self.data.len()))
            .field("explicit_hash_key", &self.explicit_hash_key().is_some())
            .field("partition_key", &self.partition_key)
            .finish_non_exhaustive()
    }
}

/// When a record is to leave and when it is too late, where that differs from the settings.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "the two settings that a record can override")]
pub struct Timing {
    /// How long it may wait for company; `None` for
    /// [`Config::record_max_buffered_time`](crate::Config::record_max_buffered_time).
    pub max_buffered_time: Option<Duration>,
    /// Its time to live; `None` for [`Config::record_ttl`](crate::Config::record_ttl), `Some(None)` for ever.
    pub ttl: Option<Option<Duration>>,
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

    #[test]
    fn other_data_under_the_same_keys() {
        let record =
            UserRecord::new("k", "data").expect("small").with_explicit_hash_key(HashKey::MAX);
        let other = record.clone().with_data("more data").expect("small");
        assert_eq!(other.to_entry(), Entry { data: "more data".into(), ..record.to_entry() });
        let above = vec![0; RECORD_BYTES_MAX];
        assert_eq!(
            record.with_data(above),
            Err(RecordError::TooLarge { size: RECORD_BYTES_MAX + 1 })
        );
    }

    #[test]
    fn many_records_are_the_same_as_one_by_one() {
        let entry = |number: u32| Entry {
            data: Bytes::from_static(b"data"),
            explicit_hash_key: number.is_multiple_of(3).then(|| HashKey::new(number.into())),
            partition_key: PartitionKey::new(alloc::format!("key-{number}")).expect("a valid key"),
        };
        let entries: Vec<Entry> = (0..100).map(entry).collect();
        let one_by_one: Vec<_> = entries
            .iter()
            .cloned()
            .map(|entry| UserRecord::from_entry(entry).expect("small"))
            .collect();
        let records = UserRecord::from_entries(entries.clone()).expect("small records");
        assert_eq!(records, one_by_one);
        assert!(records.iter().map(UserRecord::to_entry).eq(entries));
    }
}
