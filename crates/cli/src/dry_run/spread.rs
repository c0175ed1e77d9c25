use headwaters::wire::aggregate::Record;
use headwaters::wire::{HashKey, HashKeyRange};
use headwaters::{Config, UserRecord};

use super::cost::Counted;
use crate::exit::{Abort, Exit};
use crate::packer::Packer;
use crate::shards::shard_seconds;

/// Which records go to which shard, in which Kinesis records.
///
/// It is computed, not tried with a producer: that would take as long as the load, and what it sends depends on the time of
/// day. The aggregates are those of a producer whose records come faster than it sends them.
pub(super) struct Spread {
    /// The size of data above which a record goes alone.
    alone_above: usize,
    packer: Option<Packer>,
    total: Total,
}

/// What comes of the input, as far as it was read.
pub(super) struct Total {
    pub(super) counted: Counted,
    /// Good records, and their bytes: data and partition keys.
    pub(super) records: u64,
    pub(super) record_bytes: u64,
    pub(super) requests: Requests,
    pub(super) shards: Vec<ShardTotal>,
}

/// What comes of it for a shard.
pub(super) struct ShardTotal {
    pub(super) id: String,
    pub(super) keys: HashKeyRange,
    pub(super) records: u64,
    pub(super) kinesis_records: u64,
    /// Of the Kinesis records: data and partition keys.
    pub(super) bytes: u64,
}

/// How many requests there are if each is as full as it may be.
pub(super) struct Requests {
    bytes: usize,
    bytes_max: usize,
    pub(super) count: u64,
    entries: usize,
    entries_max: usize,
}

impl Spread {
    pub(super) fn new(shards: Vec<(String, HashKeyRange)>, config: &Config) -> Result<Self, Abort> {
        if shards.is_empty() {
            let text = "the stream has no open shards; --shards N says how many it will have";
            return Err(Abort { exit: Exit::Refused, text: String::from(text) });
        }
        let total = |(id, keys)| ShardTotal { id, keys, records: 0, kinesis_records: 0, bytes: 0 };
        let mut shards: Vec<_> = shards.into_iter().map(total).collect();
        shards.sort_by_key(|shard| shard.keys.start());
        let (size, count) = (config.aggregation_max_size(), config.aggregation_max_count());
        let packer =
            || Packer::new(usize::try_from(count).unwrap_or(usize::MAX), size, config.outer_key());
        Ok(Self {
            alone_above: size,
            packer: config.aggregation_enabled().then(packer),
            total: Total {
                counted: Counted::default(),
                records: 0,
                record_bytes: 0,
                requests: Requests {
                    bytes: 0,
                    bytes_max: config.collection_max_size(),
                    count: 0,
                    entries: 0,
                    entries_max: config.collection_max_count(),
                },
                shards,
            },
        })
    }

    /// Takes a record of the input.
    pub(super) fn add(&mut self, record: &UserRecord) {
        let total = &mut self.total;
        let shard = total.shard_of(record.hash_key());
        total.records += 1;
        total.record_bytes += record.size() as u64;
        total.shards[shard].records += 1;
        let entry = record.to_entry();
        let sent = match &mut self.packer {
            Some(packer) if entry.data.len() <= self.alone_above => {
                let record = Record {
                    data: &entry.data,
                    hash_key: record.hash_key(),
                    is_explicit: entry.explicit_hash_key.is_some(),
                    partition_key: &entry.partition_key,
                };
                packer.add(shard, record)
            }
            _ => Some(entry),
        };
        if let Some(sent) = sent {
            total.send(shard, sent.data.len(), sent.size());
        }
    }

    /// What comes of all that was taken.
    pub(super) fn finish(self) -> Total {
        let Self { packer, mut total, .. } = self;
        for (shard, last) in packer.into_iter().flat_map(Packer::finish) {
            total.send(shard, last.data.len(), last.size());
        }
        total
    }
}

impl Total {
    /// The shard that a hash key belongs to. Between a reshard's steps a list may have holes: then the one before.
    fn shard_of(&self, key: HashKey) -> usize {
        self.shards.partition_point(|shard| shard.keys.start() <= key).saturating_sub(1)
    }

    fn send(&mut self, shard: usize, data: usize, size: usize) {
        self.counted.add(data as u64);
        self.requests.add(size);
        let shard = &mut self.shards[shard];
        shard.kinesis_records += 1;
        shard.bytes += size as u64;
    }

    /// Kinesis records, and their bytes: data and partition keys.
    pub(super) fn sent(&self) -> (u64, u64) {
        let add = |(records, bytes), shard: &ShardTotal| {
            (records + shard.kinesis_records, bytes + shard.bytes)
        };
        self.shards.iter().fold((0, 0), add)
    }

    /// The shard that takes longest, and how many seconds that is at the service's limits.
    pub(super) fn slowest(&self) -> Option<(&ShardTotal, f64)> {
        let seconds = |shard: &ShardTotal| shard_seconds(shard.kinesis_records, shard.bytes);
        let timed = self.shards.iter().map(|shard| (shard, seconds(shard)));
        timed.max_by(|(_, one), (_, other)| one.total_cmp(other))
    }
}

impl Requests {
    fn add(&mut self, size: usize) {
        if self.count == 0 || self.entries == self.entries_max || self.bytes + size > self.bytes_max
        {
            (self.bytes, self.entries) = (0, 0);
            self.count += 1;
        }
        self.bytes += size;
        self.entries += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spread(config: &Config) -> Spread {
        let range = |first: u128, last: u128| {
            HashKeyRange::new(HashKey::new(first), HashKey::new(last)).expect("a range")
        };
        let half = u128::MAX / 2;
        // As ListShards may give them: in any order.
        let shards = vec![
            (String::from("b"), range(half + 1, u128::MAX)),
            (String::from("a"), range(0, half)),
        ];
        Spread::new(shards, config).expect("there are shards")
    }

    fn record(hash_key: u128, size: usize) -> UserRecord {
        let record = UserRecord::new("k", vec![b'x'; size]).expect("a valid record");
        record.with_explicit_hash_key(HashKey::new(hash_key))
    }

    #[test]
    fn records_go_where_their_hash_keys_belong() {
        let config = Config::builder().aggregation_enabled(false).build().expect("valid");
        let mut spread = spread(&config);
        for key in [0, u128::MAX / 2, u128::MAX / 2 + 1, u128::MAX, 7] {
            spread.add(&record(key, 10));
        }
        let total = spread.finish();
        let shards = total.shards.iter();
        let shards: Vec<_> = shards
            .map(|shard| (&*shard.id, shard.records, shard.kinesis_records, shard.bytes))
            .collect();
        assert_eq!(shards, [("a", 3, 3, 33), ("b", 2, 2, 22)]);
        assert_eq!((total.sent(), total.requests.count), ((5, 55), 1));
        assert_eq!(total.slowest().expect("there are shards").1, 0.003);
    }

    #[test]
    fn aggregates_are_those_of_the_settings_and_the_large_go_alone() {
        let config = Config::builder().aggregation_max_size(1_000).build().expect("valid");
        let mut spread = spread(&config);
        for size in [400, 400, 5_000, 400] {
            spread.add(&record(1, size));
        }
        let total = spread.finish();
        // The two that fit, the large one, and the last: alone it goes plain.
        assert_eq!(total.sent().0, 3);
        assert_eq!(total.counted.put_units, 3);
    }

    #[test]
    fn a_request_is_full_by_count_or_by_size() {
        let config = Config::builder().aggregation_enabled(false).build().expect("valid");
        let mut many = spread(&config);
        (0..1_001).for_each(|key| many.add(&record(key, 1)));
        assert_eq!(many.finish().requests.count, 3);
        let mut large = spread(&config);
        (0..6).for_each(|key| large.add(&record(key, 1 << 20)));
        // Five would fit into 5 MiB, but for their keys.
        assert_eq!(large.finish().requests.count, 2);
    }
}
