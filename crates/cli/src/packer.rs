use std::collections::BTreeMap;

use headwaters::wire::Entry;
use headwaters::wire::aggregate::{Encoder, OuterKey, Record, Unsealed};
use headwaters::wire::limits::RECORD_BYTES_MAX;

/// Packs user records into Kinesis records, those of each shard by themselves.
pub(crate) struct Packer {
    count_max: usize,
    /// By the index of the shard.
    encoders: BTreeMap<usize, Encoder>,
    outer_key: OuterKey,
    size_max: usize,
}

/// Room that an aggregate gets at once; it grows if it needs more.
const CAPACITY: usize = 51_200;

impl Packer {
    /// Packs up to so many records, and up to so many bytes of data.
    pub(crate) const fn new(count_max: usize, size_max: usize, outer_key: OuterKey) -> Self {
        Self { count_max, encoders: BTreeMap::new(), outer_key, size_max }
    }

    /// Takes a record of this shard, and gives the Kinesis record that it no longer fits into, if there is one.
    pub(crate) fn add(&mut self, shard: usize, record: Record<'_>) -> Option<Entry> {
        let Self { count_max, encoders, outer_key, size_max } = self;
        let encoder = encoders
            .entry(shard)
            .or_insert_with(|| Encoder::new(CAPACITY.min(*size_max), *outer_key));
        // The service counts the key as well, and takes no larger record on any stream.
        let size_max = (RECORD_BYTES_MAX - encoder.outer_key_len()).min(*size_max);
        if encoder.len() < *count_max && encoder.try_append(record, size_max).is_ok() {
            return None;
        }
        let full = encoder.finish().map(Unsealed::seal);
        encoder.append(record);
        full
    }

    /// What is left, in the order of the shards, each with its index.
    pub(crate) fn finish(self) -> impl Iterator<Item = (usize, Entry)> {
        self.encoders.into_iter().filter_map(|(shard, mut encoder)| {
            let last = encoder.finish()?;
            Some((shard, last.seal()))
        })
    }
}
