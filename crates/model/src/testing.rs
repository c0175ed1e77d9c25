//! What the unit tests of this crate have in common.

use alloc::vec::Vec;
use core::num::NonZeroU32;
use core::time::Duration;

use bytes::Bytes;
use headwaters_wire::{AttemptError, Entry, HashKey, PartitionKey, Placement, ShardId, StreamName};

use crate::{EntryFaults, Stream, StreamOptions};

/// The stream of the tests.
pub(crate) fn name() -> StreamName {
    StreamName::new("orders").expect("a valid name")
}

pub(crate) fn options(shards: u32) -> StreamOptions {
    StreamOptions::new(name(), NonZeroU32::new(shards).expect("the tests ask for shards"))
}

/// An entry that counts `size` bytes: 1 for the key, the rest for the data.
pub(crate) fn entry(hash_key: HashKey, size: usize) -> Entry {
    Entry {
        data: Bytes::from(alloc::vec![0; size - 1]),
        explicit_hash_key: Some(hash_key),
        partition_key: PartitionKey::new("k").expect("a valid key"),
    }
}

/// The answer to a request that keeps the rules.
pub(crate) type Results = Vec<Result<Placement, AttemptError>>;

/// Puts entries that keep the rules, without faults.
pub(crate) fn put(stream: &mut Stream, entries: &[Entry], now: Duration) -> Results {
    stream
        .put_records(&name(), entries, &EntryFaults::default(), now)
        .expect("the request keeps the rules")
}

/// The id of a shard by its number.
pub(crate) const fn id(number: u64) -> ShardId {
    ShardId::numbered(number)
}

/// The numbers of the open shards, in the order of their ranges.
pub(crate) fn open(stream: &Stream) -> Vec<u64> {
    stream.shards().iter().filter_map(|shard| shard.id().number()).collect()
}

/// The hash key in the middle of a shard: where it is split into halves.
pub(crate) fn middle(stream: &Stream, shard: &ShardId) -> HashKey {
    let range = stream.shard(shard).expect("the tests ask for shards that are there").range();
    let [start, end] = [range.start(), range.end()].map(HashKey::value);
    HashKey::new(start + (end - start) / 2 + 1)
}

/// SplitMix64: enough to vary the tests, the same in every run.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number from 0 up to and without `bound`.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    pub(crate) fn hash_key(&mut self) -> HashKey {
        HashKey::new(u128::from(self.next()) << 64 | u128::from(self.next()))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }
}
