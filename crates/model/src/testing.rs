//! What the unit tests of this crate have in common.

use core::num::NonZeroU32;

use bytes::Bytes;
use headwaters_wire::{Entry, HashKey, PartitionKey, StreamName};

use crate::StreamOptions;

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
