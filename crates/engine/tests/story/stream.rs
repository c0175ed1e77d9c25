use core::num::NonZeroU32;

use headwaters_engine::wire::{Entry, HashKey, HashKeyRange, ListedShard, Placement, ShardId};

/// A stream that stores what it is given: its open shards, in the order of their hash keys.
pub(crate) struct Stream {
    shards: Vec<ListedShard>,
    /// Whether chance decides where records are stored, and not their keys.
    pub(crate) is_auto: bool,
    next_number: u64,
    stored: u64,
}

impl Stream {
    /// So many shards of equal size, numbered from 0.
    pub(crate) fn even(shards: u32) -> Self {
        let count = NonZeroU32::new(shards).expect("a stream has a shard");
        let shard = |number: u32| ListedShard {
            hash_keys: HashKeyRange::of_even_shard(number, count).expect("below the count"),
            id: ShardId::numbered(number.into()),
        };
        let shards: Vec<_> = (0..count.get()).map(shard).collect();
        Self { next_number: shards.len() as u64, shards, is_auto: false, stored: 0 }
    }

    pub(crate) fn shards(&self) -> &[ListedShard] {
        &self.shards
    }

    /// The lowest hash key of the shard at this place.
    pub(crate) fn start(&self, place: usize) -> u128 {
        self.shards[place].hash_keys.start().value()
    }

    /// The highest hash key of the shard at this place.
    pub(crate) fn end(&self, place: usize) -> u128 {
        self.shards[place].hash_keys.end().value()
    }

    /// The open shard that has this hash key.
    pub(crate) fn shard_of(&self, hash_key: HashKey) -> &ListedShard {
        let has = |shard: &&ListedShard| shard.hash_keys.contains(hash_key);
        self.shards.iter().find(has).expect("each hash key has a shard")
    }

    /// The hash keys of an open shard.
    pub(crate) fn range_of(&self, id: &ShardId) -> HashKeyRange {
        let shard = self.shards.iter().find(|shard| shard.id == *id);
        shard.expect("it is open").hash_keys
    }

    /// Closes the shard at this place and opens one for each half of it.
    pub(crate) fn split(&mut self, place: usize) {
        let (start, end) = (self.start(place), self.end(place));
        let middle = start + (end - start) / 2;
        let children = [self.open(start, middle), self.open(middle + 1, end)];
        self.shards.splice(place..=place, children);
    }

    /// Closes the shard at this place and the one above it, and opens one for both.
    pub(crate) fn merge(&mut self, place: usize) {
        let child = self.open(self.start(place), self.end(place + 1));
        self.shards.splice(place..=place + 1, [child]);
    }

    fn open(&mut self, start: u128, end: u128) -> ListedShard {
        let hash_keys = HashKeyRange::new(HashKey::new(start), HashKey::new(end));
        let id = ShardId::numbered(self.next_number);
        self.next_number += 1;
        ListedShard { hash_keys: hash_keys.expect("start below end"), id }
    }

    /// Stores an entry in the shard where it belongs, or where chance will have it.
    pub(crate) fn store(&mut self, entry: &Entry) -> Placement {
        let drawn = (self.stored.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40) as usize;
        let shard = match self.is_auto {
            true => &self.shards[drawn % self.shards.len()],
            false => self.shard_of(entry.hash_key()),
        };
        self.number(shard.id.clone())
    }

    pub(crate) fn store_in(&mut self, shard: u64) -> Placement {
        self.number(ShardId::numbered(shard))
    }

    /// Sequence numbers rise.
    fn number(&mut self, shard: ShardId) -> Placement {
        self.stored += 1;
        let digits = format!("4959033827149025660855969253836157109592157598913{:07}", self.stored);
        Placement { sequence_number: digits.parse().expect("digits"), shard }
    }
}
