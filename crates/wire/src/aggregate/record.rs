use bytes::Bytes;

use crate::{Entry, HashKey, PartitionKey};

/// A user record on its way into an aggregate: borrowed, with the hash key that its owner knows already.
///
/// `Debug` prints sizes only.
#[derive(Clone, Copy)]
#[expect(clippy::exhaustive_structs, reason = "its owner makes it of what it has")]
pub struct Record<'a> {
    /// The payload.
    pub data: &'a Bytes,
    /// The hash key that decides the shard: an explicit one, or that of the partition key. An aggregate goes where
    /// its first record belongs by this.
    pub hash_key: HashKey,
    /// Whether the hash key overrides that of the partition key: then it is written into the aggregate.
    pub is_explicit: bool,
    /// The routing string.
    pub partition_key: &'a PartitionKey,
}

impl Record<'_> {
    /// The record as an entry of its own, which shares the payload and the key.
    pub(super) fn to_entry(self) -> Entry {
        Entry {
            data: self.data.clone(),
            explicit_hash_key: self.explicit_hash_key(),
            partition_key: self.partition_key.clone(),
        }
    }

    /// The hash key, if it is explicit.
    pub(super) fn explicit_hash_key(self) -> Option<HashKey> {
        self.is_explicit.then_some(self.hash_key)
    }
}

impl<'a> From<&'a Entry> for Record<'a> {
    /// Computes the hash key, which costs more than appending the record: who knows it says it.
    fn from(entry: &'a Entry) -> Self {
        Self {
            data: &entry.data,
            hash_key: entry.hash_key(),
            is_explicit: entry.explicit_hash_key.is_some(),
            partition_key: &entry.partition_key,
        }
    }
}

impl core::fmt::Debug for Record<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Record")
            .field("data", &format_args!("{} bytes", self.data.len()))
            .field("is_explicit", &self.is_explicit)
            .field("partition_key", self.partition_key)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aggregate::testing::entry;

    #[test]
    fn an_entry_comes_back_with_its_hash_key_and_is_not_printed() {
        for entry in [entry("secret", None), entry("secret", Some(7))] {
            let record = Record::from(&entry);
            assert_eq!((record.to_entry(), record.hash_key), (entry.clone(), entry.hash_key()));
            let printed = alloc::format!("{record:?}");
            assert!(!printed.contains("secret") && printed.contains("4 bytes"), "{printed}");
        }
    }
}
