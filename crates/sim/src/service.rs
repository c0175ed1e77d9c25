use core::time::Duration;

use headwaters_engine::Instant;
use headwaters_engine::wire::{Entry, StreamName};
use headwaters_model::{Distribution, MaxRecordSize, Metering, ShardLimits, Stream, StreamOptions};

use crate::changes::Changer;
use crate::plan::Plan;
use crate::rng::{Chance, Rng};
use crate::sometimes::Sometimes;

/// The service: one stream for all producers, and what happens to it meanwhile.
#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) name: StreamName,
    changer: Changer,
    seed: u64,
    slow_shards: Chance,
    pub(crate) sometimes: Sometimes,
    /// Kinesis records that consumers have read.
    pub(crate) stored: u64,
    pub(crate) stream: Stream,
}

impl Service {
    pub(crate) fn new(plan: &Plan) -> Self {
        let name = StreamName::new("world").expect("a valid name");
        let mut options = StreamOptions::new(name.clone(), plan.shards);
        if plan.settings.max_user_record_size as usize > MaxRecordSize::DEFAULT.bytes() {
            options = options.max_record_size(MaxRecordSize::MAX);
        }
        if plan.changes.auto {
            options = options.distribution(Distribution::Auto);
        }
        if !plan.throttling {
            options = options.unlimited();
        } else if plan.windows {
            let limits = ShardLimits { metering: Metering::Window, ..ShardLimits::default() };
            options = options.limits(limits);
        }
        Self {
            name,
            changer: Changer::new(plan.seed, plan.changes),
            seed: plan.seed,
            slow_shards: plan.faults.slow_shards,
            sometimes: Sometimes::default(),
            stored: 0,
            stream: Stream::new(options),
        }
    }

    /// When the stream changes next.
    pub(crate) fn next_at(&self) -> Option<Instant> {
        self.changer.next_at()
    }

    /// Changes the stream if it is time to; says what was changed. `is_busy` if requests are on their way.
    pub(crate) fn change(&mut self, is_busy: bool, now: Instant) -> Option<alloc::string::String> {
        let before = self.sometimes;
        let what = self.changer.change(&mut self.stream, &mut self.sometimes, now);
        let after = &mut self.sometimes;
        let splits = |of: &Sometimes| of.split_at_once + of.split_handed_over;
        let merges = |of: &Sometimes| of.merge_at_once + of.merge_handed_over;
        if is_busy {
            after.split_in_flight += splits(after) - splits(&before);
            after.merged_in_flight += merges(after) - merges(&before);
        }
        what
    }

    /// The number of the shard to which an entry belongs now.
    pub(crate) fn number_of(&self, entry: &Entry) -> u64 {
        self.stream.shard_of(entry.hash_key()).id().number().unwrap_or(0)
    }

    /// How much longer than usual a request takes that has these entries.
    pub(crate) fn slowness(&self, entries: &[Entry], now: Instant) -> Duration {
        if self.slow_shards == Chance::NEVER {
            return Duration::ZERO;
        }
        let second = now.since(Instant::ZERO).as_secs();
        let is_slow = |entry: &Entry| {
            let mut rng = Rng::new(self.seed ^ self.number_of(entry) << 32 ^ second, "slow");
            rng.happens(self.slow_shards)
        };
        Duration::from_secs(u64::from(entries.iter().any(is_slow)))
    }

    /// Nothing is slow any more.
    pub(crate) fn heal(&mut self) {
        self.slow_shards = Chance::NEVER;
    }
}
