use headwaters_model::Shard;
use headwaters_wire::{HashKeyRange, ShardId};

/// One shard of a [`Mock`](crate::Mock), and what happened to it up to the report.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct ShardReport {
    /// How many bytes it stored, data and partition keys together.
    pub bytes: u64,
    /// Its id.
    pub id: ShardId,
    /// The hash keys that belong to it.
    pub range: HashKeyRange,
    /// How many Kinesis records it stored; an aggregate is one.
    pub records: u64,
    /// How many entries were throttled here, by its limits or by a fault.
    pub throttled: u64,
}

impl ShardReport {
    pub(crate) fn of(shard: &Shard) -> Self {
        Self {
            bytes: shard.bytes(),
            id: shard.id().clone(),
            range: shard.range(),
            records: shard.records(),
            throttled: shard.throttled(),
        }
    }
}
