use core::time::Duration;

use headwaters_wire::{AttemptError, HashKeyRange, ShardId, StreamName};

use crate::throttle::Throttle;
use crate::{ShardLimits, errors};

/// One shard of a [`Stream`](crate::Stream), open or closed, and what happened to it so far.
///
/// Each shard has limits of its own, and its room is full when it opens: a child inherits neither
/// what its parents had left nor their debt.
#[derive(Clone, Debug)]
pub struct Shard {
    bytes: u64,
    id: ShardId,
    range: HashKeyRange,
    records: u64,
    /// `None` if the shard takes whatever comes.
    throttle: Option<Throttle>,
    throttled: u64,
    /// Made once and shared by all answers: throttling an entry must cost no allocation.
    throttled_error: AttemptError,
}

impl Shard {
    pub(crate) fn new(
        id: ShardId,
        range: HashKeyRange,
        limits: Option<ShardLimits>,
        stream: &StreamName,
    ) -> Self {
        Self {
            bytes: 0,
            throttled_error: errors::throttled(&id, stream),
            id,
            range,
            records: 0,
            throttle: limits.map(Throttle::new),
            throttled: 0,
        }
    }

    /// Whether the limits leave room for a record of `size` bytes at `now`.
    pub(crate) fn has_room(&mut self, size: u64, now: Duration) -> bool {
        self.throttle.as_mut().is_none_or(|throttle| throttle.allows(size, now))
    }

    /// Counts a record of `size` bytes that is stored at `now`, room or not.
    pub(crate) fn count_stored(&mut self, size: u64, now: Duration) {
        if let Some(throttle) = &mut self.throttle {
            throttle.take(size, now);
        }
        self.records += 1;
        self.bytes += size;
    }

    /// Counts an entry that is throttled and says why it is.
    pub(crate) fn count_throttled(&mut self) -> AttemptError {
        self.throttled += 1;
        self.throttled_error.clone()
    }

    /// How many bytes it stored, data and partition keys together.
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Its id.
    pub const fn id(&self) -> &ShardId {
        &self.id
    }

    /// The hash keys that belong to it.
    pub const fn range(&self) -> HashKeyRange {
        self.range
    }

    /// How many records it stored.
    pub const fn records(&self) -> u64 {
        self.records
    }

    /// How many entries were throttled here, by its limits or by a fault.
    pub const fn throttled(&self) -> u64 {
        self.throttled
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::name;

    const NOW: Duration = Duration::ZERO;

    fn shard(limits: Option<ShardLimits>) -> Shard {
        let range = HashKeyRange::ALL;
        Shard::new(ShardId::numbered(3), range, limits, &name())
    }

    #[test]
    fn a_shard_counts_what_it_stores_and_what_it_throttles() {
        let mut shard = shard(Some(ShardLimits {
            bytes_per_second: 100,
            records_per_second: 5,
            ..ShardLimits::default()
        }));
        shard.count_stored(70, NOW);
        shard.count_stored(20, NOW);
        assert!(!shard.has_room(11, NOW));
        shard.count_throttled();
        assert!(shard.has_room(10, NOW));
        assert_eq!((shard.records(), shard.bytes(), shard.throttled()), (2, 90, 1));
    }

    #[test]
    fn all_throttled_entries_share_one_message() {
        let mut shard = shard(None);
        let [first, second] = [shard.count_throttled(), shard.count_throttled()];
        assert_eq!(
            first.message.as_str(),
            "Rate exceeded for shard shardId-000000000003 in stream orders under account \
             000000000000."
        );
        assert!(core::ptr::eq(first.message.as_str(), second.message.as_str()));
    }

    #[test]
    fn without_limits_there_is_always_room() {
        let mut shard = shard(None);
        for _ in 0..10 {
            shard.count_stored(u64::from(u32::MAX), NOW);
            assert!(shard.has_room(u64::MAX, NOW));
        }
    }
}
