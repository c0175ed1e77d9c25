use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::num::NonZeroU32;
use core::ops::Bound;
use core::time::Duration;

use headwaters_wire::{HashKey, HashKeyRange, ShardId, StreamName};

use crate::reshard::Reshard;
use crate::{Shard, ShardLimits, ranges};

/// All shards that a stream ever had: those that are open now, and their closed ancestors.
#[derive(Clone)]
pub(crate) struct Generations {
    closed: BTreeMap<ShardId, Shard>,
    limits: Option<ShardLimits>,
    /// The number of the next shard: ids count up and are never used again.
    next: u64,
    /// In the order of their ranges, which cover all hash keys.
    open: Vec<Shard>,
    /// Where the range of each open shard starts: by that it is found in `open`.
    starts: BTreeMap<ShardId, HashKey>,
    stream: StreamName,
    /// The position in `open` whose turn it is when the service chooses the shard, modulo the
    /// number of open shards, which a reshard can change.
    turn: usize,
}

impl Generations {
    /// The first generation: `count` shards that divide the hash keys evenly.
    pub(crate) fn new(count: NonZeroU32, limits: Option<ShardLimits>, stream: StreamName) -> Self {
        let mut generations = Self {
            closed: BTreeMap::new(),
            limits,
            next: 0,
            open: Vec::new(),
            starts: BTreeMap::new(),
            stream,
            turn: 0,
        };
        for range in ranges::divide(count) {
            generations.add(range);
        }
        generations
    }

    /// Closes the parents, which must be open, and opens the children.
    pub(crate) fn replace(&mut self, Reshard { children, parents }: Reshard) {
        for parent in &parents {
            self.starts.remove(parent);
        }
        let closing = self.open.extract_if(.., |shard| !self.starts.contains_key(shard.id()));
        self.closed.extend(closing.map(|shard| (shard.id().clone(), shard)));
        for range in children {
            self.add(range);
        }
        self.open.sort_by_key(|shard| shard.range().start());
    }

    fn add(&mut self, range: HashKeyRange) {
        let id = ShardId::numbered(self.next);
        self.next += 1;
        self.starts.insert(id.clone(), range.start());
        self.open.push(Shard::new(id, range, self.limits, &self.stream));
    }

    /// The open shards in the order of their ids, from the one after `id` on, or from the first.
    pub(crate) fn after(&self, id: Option<&ShardId>) -> impl Iterator<Item = &Shard> {
        let from = id.map_or(Bound::Unbounded, Bound::Excluded);
        let later = self.starts.range::<ShardId, _>((from, Bound::Unbounded));
        later.map(|(_, &start)| self.at(start))
    }

    /// The open shard that `key` belongs to.
    pub(crate) fn at(&self, key: HashKey) -> &Shard {
        &self.open[self.position(key)]
    }

    /// The closed shards, in the order of their ids.
    pub(crate) fn closed(&self) -> impl Iterator<Item = &Shard> {
        self.closed.values()
    }

    /// The open shards, in the order of their ranges.
    pub(crate) fn open(&self) -> &[Shard] {
        &self.open
    }

    /// The open shard at this position.
    pub(crate) fn open_mut(&mut self, position: usize) -> &mut Shard {
        &mut self.open[position]
    }

    /// The open shard with this id.
    pub(crate) fn open_shard(&self, id: &ShardId) -> Option<&Shard> {
        self.starts.get(id).map(|&start| self.at(start))
    }

    /// The shard with this id, open or closed.
    pub(crate) fn shard(&self, id: &ShardId) -> Option<&Shard> {
        self.open_shard(id).or_else(|| self.closed.get(id))
    }

    /// Takes the next turn for a record of `size` bytes at `now`: it falls to the first shard with
    /// room, from the one whose turn it is on, or to that one itself if there is no room anywhere.
    pub(crate) fn take_turn(&mut self, size: u64, now: Duration) -> usize {
        let count = self.open.len();
        let mut turns = (self.turn..self.turn + count).map(|turn| turn % count);
        let position = turns.find(|&position| self.open[position].has_room(size, now));
        let position = position.unwrap_or(self.turn % count);
        self.turn = position + 1;
        position
    }

    /// Where the shard of `key` is in `open`: always inside, for the last range ends with the last
    /// hash key.
    pub(crate) fn position(&self, key: HashKey) -> usize {
        self.open.partition_point(|shard| shard.range().end() < key)
    }
}
