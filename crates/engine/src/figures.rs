//! What is counted and measured, for all shards or for one.

use core::time::Duration;

use crate::lanes::Lanes;
use crate::time::Instant;

/// Times of one kind.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Times {
    /// How many there were.
    pub count: u64,
    /// The longest of them.
    pub longest: Duration,
    /// All of them together.
    pub total: Duration,
}

impl Times {
    pub(crate) fn note(&mut self, time: Duration) {
        self.count += 1;
        self.longest = self.longest.max(time);
        self.total = self.total.saturating_add(time);
    }

    /// Their mean; zero if there was none.
    pub fn mean(&self) -> Duration {
        let count = u128::from(self.count.max(1));
        Duration::from_nanos(u64::try_from(self.total.as_nanos() / count).unwrap_or(u64::MAX))
    }
}

/// Why aggregates were ended, or requests made: how often for each reason.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Cuts {
    /// As many as there may be: [`Config::aggregation_max_count`](crate::Config::aggregation_max_count) or
    /// [`Config::collection_max_count`](crate::Config::collection_max_count).
    pub by_count: u64,
    /// Somebody was in a hurry: a flush or a close.
    pub by_flush: u64,
    /// Of requests, there was enough for one shard:
    /// [`Config::collection_max_shard_size`](crate::Config::collection_max_shard_size).
    pub by_shard: u64,
    /// As many bytes as there may be, or nearly: [`Config::aggregation_max_size`](crate::Config::aggregation_max_size)
    /// or [`Config::collection_max_size`](crate::Config::collection_max_size).
    pub by_size: u64,
    /// A record was due.
    pub by_time: u64,
}

/// One of the reasons in [`Cuts`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Cut {
    Count,
    Flush,
    Shard,
    Size,
    Time,
}

impl Cuts {
    pub(crate) const fn note(&mut self, cut: Cut) {
        *match cut {
            Cut::Count => &mut self.by_count,
            Cut::Flush => &mut self.by_flush,
            Cut::Shard => &mut self.by_shard,
            Cut::Size => &mut self.by_size,
            Cut::Time => &mut self.by_time,
        } += 1;
    }
}

/// Of one shard, since it is in the map.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Figures {
    pub(crate) bytes_sent: u64,
    pub(crate) dwell: Times,
    pub(crate) entries: u64,
    pub(crate) failed: u64,
    pub(crate) request_time: Times,
    pub(crate) stored: u64,
    pub(crate) throttled: u64,
}

impl Lanes {
    /// An entry of so many bytes was stored that left this lane at `start`.
    #[inline(always)]
    pub(crate) fn stored(&mut self, at: u32, bytes: usize, start: Instant) {
        if let Some(lane) = self.lanes.get_mut(at as usize) {
            lane.figures.stored += 1;
            lane.limiter.stored(bytes as u64, start);
        }
    }

    /// An entry failed that left this lane at `start`; if its shard throttled it, it had so many bytes.
    pub(crate) fn failed(
        &mut self,
        at: u32,
        throttled: Option<usize>,
        start: Instant,
        now: Instant,
    ) {
        let Some(lane) = self.lanes.get_mut(at as usize) else { return };
        if let Some(bytes) = throttled {
            lane.figures.throttled += 1;
            lane.limiter.throttled(bytes as u64, start, now);
        } else {
            lane.figures.failed += 1;
        }
    }

    /// A request was answered after so long of which these lanes had a part.
    pub(crate) fn answered(&mut self, turns: &[(u32, u64)], time: Duration) {
        for &(at, _) in turns {
            if let Some(lane) = self.lanes.get_mut(at as usize) {
                lane.figures.request_time.note(time);
                lane.aggregator.note_request_time(lane.figures.request_time.mean());
            }
        }
    }
}
