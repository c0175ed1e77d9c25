use core::time::Duration;
use std::collections::{BTreeMap, VecDeque};

use headwaters::wire::ShardId;
use headwaters::wire::limits::{SHARD_BYTES_PER_SECOND, SHARD_RECORDS_PER_SECOND};
use headwaters::{EngineStats, Instant, ShardStats};

/// What happened in each second of the last minute.
#[derive(Debug, Default)]
pub(super) struct Minute {
    before: Option<Before>,
    /// Mean times of requests, the latest last; `None` where none was answered.
    pub(super) latency: VecDeque<Option<Duration>>,
    pub(super) shards: BTreeMap<ShardId, Row>,
}

/// The counters at the end of the last second.
#[derive(Debug)]
struct Before {
    at: Instant,
    engine: EngineStats,
}

/// A shard in the last minute.
#[derive(Debug, Default)]
pub(super) struct Row {
    before: Counts,
    /// Still in the list of the shards.
    pub(super) is_open: bool,
    /// The latest last.
    pub(super) seconds: VecDeque<Second>,
}

/// A shard in one second.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Second {
    /// What was sent, in parts of what the shard takes in a second: of its bytes or its records, whichever is more.
    pub(super) load: f64,
    /// Kinesis records that it throttled.
    pub(super) throttled: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    bytes: u64,
    entries: u64,
    throttled: u64,
}

/// How many seconds are shown.
pub(super) const SECONDS: usize = 60;

impl Minute {
    /// Takes note of the counters; to be called once a second.
    pub(super) fn note(&mut self, now: Instant, engine: EngineStats, shards: &[ShardStats]) {
        let before = self.before.replace(Before { at: now, engine });
        let Some(Before { at, engine: old }) = before else { return };
        let seconds = now.since(at).as_secs_f64();
        if seconds <= 0.0 {
            return;
        }
        let count = engine.request_time.count - old.request_time.count;
        let total = engine.request_time.total.saturating_sub(old.request_time.total);
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        push(&mut self.latency, total.checked_div(count));
        for row in self.shards.values_mut() {
            row.is_open = false;
        }
        for stats in shards {
            if let Some(id) = &stats.shard {
                self.shards.entry(id.clone()).or_default().note(stats, seconds);
            }
        }
        // A shard that is gone stays for the minute in which it was there.
        for row in self.shards.values_mut().filter(|row| !row.is_open) {
            push(&mut row.seconds, Second::default());
        }
        self.shards
            .retain(|_, row| row.is_open || row.seconds.iter().any(|second| second.load > 0.0));
    }

    /// Over all shards, in the last second.
    pub(super) fn throttled_now(&self) -> u64 {
        let last = |row: &Row| row.seconds.back().map_or(0, |second| second.throttled);
        self.shards.values().map(last).sum()
    }
}

impl Row {
    fn note(&mut self, stats: &ShardStats, seconds: f64) {
        let now =
            Counts { bytes: stats.bytes_sent, entries: stats.entries, throttled: stats.throttled };
        let before = core::mem::replace(&mut self.before, now);
        // The counters begin anew with another list of shards.
        let since = |now: u64, before: u64| now.checked_sub(before).unwrap_or(now);
        let part = |count: u64, limit: u64| count as f64 / seconds / limit as f64;
        let bytes = part(since(now.bytes, before.bytes), SHARD_BYTES_PER_SECOND);
        let records = part(since(now.entries, before.entries), SHARD_RECORDS_PER_SECOND);
        let throttled = since(now.throttled, before.throttled);
        push(&mut self.seconds, Second { load: bytes.max(records), throttled });
        self.is_open = true;
    }

    /// How hot it was in the minute: throttles first, then load.
    pub(super) fn heat(&self) -> (u64, f64) {
        let add = |(throttled, load): (u64, f64), second: &Second| {
            (throttled + second.throttled, load + second.load)
        };
        self.seconds.iter().fold((0, 0.0), add)
    }
}

fn push<T>(row: &mut VecDeque<T>, value: T) {
    if row.len() == SECONDS {
        row.pop_front();
    }
    row.push_back(value);
}
