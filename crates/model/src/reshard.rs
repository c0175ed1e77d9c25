use alloc::vec;
use alloc::vec::Vec;
use core::num::NonZeroU32;

use headwaters_wire::{AttemptError, HashKey, HashKeyRange, ShardId, StreamName};

use crate::{Shard, errors, ranges};

/// Which open shards a change closes, and which ranges it opens in their place: both cover the same
/// hash keys.
#[derive(Clone, Debug)]
pub(crate) struct Reshard {
    pub(crate) children: Vec<HashKeyRange>,
    pub(crate) parents: Vec<ShardId>,
}

impl Reshard {
    /// Divides `shard` at `new_starting`. By the service's rule a child has at least two hash keys.
    pub(crate) fn split(
        shard: &Shard,
        new_starting: HashKey,
        stream: &StreamName,
    ) -> Result<Self, AttemptError> {
        let range = shard.range();
        let above_one_more = new_starting.value() > range.start().value().saturating_add(1);
        if !above_one_more || new_starting >= range.end() {
            return Err(errors::split_key(shard, new_starting, stream));
        }
        let below = HashKey::new(new_starting.value() - 1);
        let children = [(range.start(), below), (new_starting, range.end())];
        Ok(Self {
            children: children.map(|(start, end)| between(start, end)).into(),
            parents: vec![shard.id().clone()],
        })
    }

    /// Joins `shard` with the one that begins where it ends.
    pub(crate) fn merge(
        shard: &Shard,
        adjacent: &Shard,
        stream: &StreamName,
    ) -> Result<Self, AttemptError> {
        let (lower, upper) = (shard.range(), adjacent.range());
        if lower.end().value().checked_add(1) != Some(upper.start().value()) {
            return Err(errors::not_adjacent(shard.id(), adjacent.id(), stream));
        }
        Ok(Self {
            children: vec![between(lower.start(), upper.end())],
            parents: vec![shard.id().clone(), adjacent.id().clone()],
        })
    }

    /// Divides the hash keys evenly among `count` shards. Those of `open` that have a right range
    /// already stay.
    pub(crate) fn even(open: &[Shard], count: NonZeroU32) -> Self {
        let evens: Vec<HashKeyRange> = ranges::divide(count).collect();
        let at = |start: HashKey| open.partition_point(|shard| shard.range().start() < start);
        let stays = |even: &HashKeyRange| {
            open.get(at(even.start())).is_some_and(|shard| shard.range() == *even)
        };
        let (staying, children): (Vec<_>, Vec<_>) = evens.into_iter().partition(stays);
        let closes = |range| staying.binary_search_by_key(&range, HashKeyRange::start).is_err();
        let closing = open.iter().filter(|shard| closes(shard.range().start()));
        Self { children, parents: closing.map(|shard| shard.id().clone()).collect() }
    }
}

fn between(start: HashKey, end: HashKey) -> HashKeyRange {
    HashKeyRange::new(start, end).expect("the ends of a range that was checked to have keys")
}
