use alloc::vec::Vec;
use core::fmt;

use headwaters_wire::{HashKey, HashKeyRange, ListedShard, ShardId};

/// Which shard has which hash keys: every hash key has exactly one shard.
///
/// It never changes; a reshard makes a new one. Shards are named by their index, in the order of their hash
/// keys.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct ShardMap {
    /// In the order of their hash keys.
    shards: Vec<ListedShard>,
    /// The last hash key of each shard but the last one, which ends where all hash keys end. Apart from
    /// the shards so that a search touches a third of the memory.
    ends: Vec<HashKey>,
    /// Indexes of `shards`, in the order of their ids.
    by_id: Vec<usize>,
    /// For each value of a hash key's first bits the shards that it can belong to, the first and the last one:
    /// mostly one and the same, so that most keys need no search.
    candidates: Vec<[u32; 2]>,
    /// How far a hash key is shifted to get its first bits.
    shift: u32,
}

/// How many candidates there are for each shard, at least and at most in all: where shards are of one size one key in
/// four, at most, needs a search.
const CANDIDATES_PER_SHARD: usize = 4;
const CANDIDATES: (usize, usize) = (1 << 8, 1 << 14);

impl ShardMap {
    /// Takes the shards of a complete list, in whatever order its pages gave them.
    ///
    /// A shard that is listed twice in the same words is one shard. Anything else that is not exactly one
    /// shard for each hash key is a [`MapFault`]: the list is of two moments, before and after a reshard,
    /// and may name a closed shard. (The KPL takes such a list, and either of two shards that overlap:
    /// `shard_map_test.cc`, ClosedShards.)
    pub(crate) fn new(mut shards: Vec<ListedShard>) -> Result<Self, MapFault> {
        shards.sort_by(|a, b| a.id.cmp(&b.id));
        shards.dedup();
        if let Some(pair) = shards.windows(2).find(|pair| pair[0].id == pair[1].id) {
            return Err(MapFault::Twice { id: pair[0].id.clone() });
        }
        // Stable, so that a fault names the same shards whatever the order of the pages.
        shards.sort_by_key(|shard| shard.hash_keys.start());
        check(&shards)?;
        let ends: Vec<HashKey> =
            shards[..shards.len() - 1].iter().map(|shard| shard.hash_keys.end()).collect();
        let mut by_id: Vec<usize> = (0..shards.len()).collect();
        by_id.sort_unstable_by(|&a, &b| shards[a].id.cmp(&shards[b].id));
        let (least, most) = CANDIDATES;
        let count = (CANDIDATES_PER_SHARD * shards.len()).next_power_of_two().clamp(least, most);
        let shift = u128::BITS - count.ilog2();
        let search = |key: u128| ends.partition_point(|end| end.value() < key) as u32;
        let candidate = |bits: usize| {
            let first = (bits as u128) << shift;
            [search(first), search(first | (u128::MAX >> count.ilog2()))]
        };
        let candidates = (0..count).map(candidate).collect();
        Ok(Self { shards, ends, by_id, candidates, shift })
    }

    /// How many shards there are; at least 1.
    pub(crate) const fn len(&self) -> usize {
        self.shards.len()
    }

    /// The index of the shard with this id, if there is one.
    pub(crate) fn position(&self, id: &ShardId) -> Option<usize> {
        let at = self.by_id.binary_search_by(|&index| self.shards[index].id.cmp(id)).ok()?;
        Some(self.by_id[at])
    }

    /// The hash keys of the shard with this id, if there is one.
    pub(crate) fn range_of(&self, id: &ShardId) -> Option<HashKeyRange> {
        Some(self.shard(self.position(id)?).hash_keys)
    }

    /// The index of the shard that has this hash key: there always is one.
    pub(crate) fn predict(&self, key: HashKey) -> usize {
        let [first, last] = self.candidates[(key.value() >> self.shift) as usize];
        let (first, last) = (first as usize, last as usize);
        if first == last {
            return first;
        }
        // Compared by halves, for the high one nearly always decides: measured, this takes half the time of
        // a comparison of `u128`s, and less than searches without any branch.
        first + self.ends[first..last].partition_point(|end| *end < key)
    }

    /// The shard at an index that this map gave.
    ///
    /// # Panics
    /// If there is no such shard: the index is of another map.
    pub(crate) fn shard(&self, index: usize) -> &ListedShard {
        &self.shards[index]
    }
}

/// Whether shards in the order of their starts leave no hash key out and share none.
fn check(shards: &[ListedShard]) -> Result<(), MapFault> {
    let (Some(first), Some(last)) = (shards.first(), shards.last()) else {
        return Err(MapFault::Empty);
    };
    if first.hash_keys.start() > HashKey::MIN {
        return Err(MapFault::Gap { from: HashKey::MIN });
    }
    let gap_after = |end: HashKey| {
        let from = end.value().checked_add(1).map_or(HashKey::MAX, HashKey::new);
        Err(MapFault::Gap { from })
    };
    for pair in shards.windows(2) {
        let (lower, upper) = (&pair[0], &pair[1]);
        let [end, start] = [lower.hash_keys.end(), upper.hash_keys.start()];
        if start <= end {
            let [lower, upper] = [lower.id.clone(), upper.id.clone()];
            return Err(MapFault::Overlap { lower, upper });
        }
        if start.value() - end.value() > 1 {
            return gap_after(end);
        }
    }
    if last.hash_keys.end() < HashKey::MAX { gap_after(last.hash_keys.end()) } else { Ok(()) }
}

/// Why a list of shards is no [`ShardMap`].
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum MapFault {
    /// There is no shard.
    Empty,
    /// No shard has this hash key.
    Gap {
        /// The lowest one of the gap.
        from: HashKey,
    },
    /// Two shards have hash keys in common.
    Overlap {
        /// The one that starts lower.
        lower: ShardId,
        /// The one that starts higher, or as high.
        upper: ShardId,
    },
    /// A shard is listed twice, with different hash keys.
    Twice {
        /// Which one.
        id: ShardId,
    },
}

impl fmt::Display for MapFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => write!(f, "the list has no shard"),
            Self::Gap { from } => write!(f, "no listed shard has the hash key {from}"),
            Self::Overlap { lower, upper } => {
                write!(f, "the listed shards {lower} and {upper} have hash keys in common")
            }
            Self::Twice { id } => {
                write!(f, "the shard {id} is listed twice, with different hash keys")
            }
        }
    }
}

impl core::error::Error for MapFault {}

#[cfg(test)]
mod tests;
