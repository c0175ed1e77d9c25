mod allowance;

pub(crate) use self::allowance::Allowance;
use headwaters_wire::limits::{SHARD_BYTES_PER_SECOND, SHARD_RECORDS_PER_SECOND};

use crate::adaptive::{Adaptive, WHOLE};
use crate::time::Instant;
use crate::token_bucket::TokenBucket;

/// How fast each shard is fed, measured by what a shard takes: 1,000 records and 1 MiB (data and
/// partition keys) per second.
///
/// The limit holds for this producer alone. Others that feed the same shard are not seen but by what the service
/// throttles.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum RateLimit {
    /// At a rate that each shard teaches, for records and bytes apart: what is throttled lowers it, what is stored
    /// raises it. The default, with 150.
    ///
    /// It starts with what a shard promises, and is never lower than a two-hundredth of that, or one such entry in four
    /// seconds. Producers that feed a shard together come to equal parts of it, and waste little: if each has
    /// more than the shard takes, 1 entry in 100 of few producers is throttled, and 1 in 25 of a hundred. A shard that
    /// counts by the seconds of the clock, as some servers do, is used as well by few producers. What a shard throttles waits for its limiter and not for the wait of [`RetryPolicy`](crate::RetryPolicy).
    Adaptive {
        /// The most that the rate may become, in percent of what a shard promises, at least 1: above 100 a shard
        /// that takes more than promised is used. At most one second's worth leaves at once.
        ceiling_percent: u32,
    },
    /// No faster than a share of what a shard takes, whatever is throttled.
    Fixed {
        /// Percent of what a shard takes, at least 1: the KPL's `RateLimit`, with its default of 150.
        /// Above 100 the service throttles what it must, and a shard that takes more than promised
        /// is used; below 100 room is left to other producers. At most one second's worth leaves at
        /// once.
        percent: u32,
    },
    /// As fast as requests go. (The KPL has no such setting.)
    Off,
}

impl Default for RateLimit {
    fn default() -> Self {
        Self::Adaptive { ceiling_percent: 150 }
    }
}

impl RateLimit {
    /// Whether what is throttled waits for its limiter.
    pub(crate) const fn is_adaptive(self) -> bool {
        matches!(self, Self::Adaptive { .. })
    }
}

/// Holds Kinesis records back so that a shard, or a number of them together, is not fed faster than
/// [`RateLimit`] says.
///
/// A Kinesis record leaves when both the records and the bytes allow it, and takes from both; one
/// that is larger than a second's worth leaves when the bytes are full, and the debt is paid before
/// the next. So in any time no more leaves than flows in, and one second's worth, or one record if
/// that is larger.
///
/// Time that stands still or goes back brings nothing.
#[derive(Clone, Debug)]
pub(crate) struct Limiter {
    /// What the rate is, if it learns.
    adaptive: Option<Adaptive>,
    /// Data and partition keys, as the service counts. (The KPL counts the data only.)
    bytes: TokenBucket,
    limit: RateLimit,
    /// Kinesis records.
    records: TokenBucket,
    /// The time up to which both buckets are refilled.
    refilled: Instant,
    /// How many shards it is for.
    shards: u32,
}

impl Limiter {
    /// Allows for what `shards` shards take together: 1 for a shard's own limiter, more where the
    /// shard of a record is not known. 0 counts as 1. A whole second's worth may leave at once.
    pub(crate) fn new(limit: RateLimit, shards: u32) -> Self {
        let adaptive = match limit {
            RateLimit::Adaptive { ceiling_percent } => Some(Adaptive::new(ceiling_percent)),
            _ => None,
        };
        let (records, bytes) = rates(limit, adaptive.as_ref(), shards);
        Self {
            adaptive,
            bytes: TokenBucket::new(bytes),
            limit,
            records: TokenBucket::new(records),
            refilled: Instant::ZERO,
            shards,
        }
    }

    /// Allows for `shards` shards from now on. Of more shards what is there stays, and so does a debt: they
    /// fill the limiter faster and higher, but not at once. Of fewer shards as much is owed as of all.
    pub(crate) fn set_shards(&mut self, shards: u32, now: Instant) {
        self.refill(now);
        self.shards = shards;
        let (records, bytes) = rates(self.limit, self.adaptive.as_ref(), self.shards);
        self.bytes.resize(bytes);
        self.records.resize(records);
    }

    /// An entry of so many bytes that it let pass at `start` was stored.
    #[inline(always)]
    pub(crate) fn stored(&mut self, bytes: u64, start: Instant) {
        if let Some(adaptive) = &mut self.adaptive {
            adaptive.stored(bytes, start);
        }
    }

    /// An entry of so many bytes that it let pass at `start` was throttled.
    pub(crate) fn throttled(&mut self, bytes: u64, start: Instant, now: Instant) {
        self.refill(now);
        if let Some(adaptive) = &mut self.adaptive {
            adaptive.throttled(bytes, self.shards, start, now);
            self.set_rates();
        }
    }

    /// What it allows for in a second, in millionths of what its shards take: of records and of bytes; `None` if it
    /// has no limit.
    pub(crate) fn rates_ppm(&self, now: Instant) -> Option<[u64; 2]> {
        const PER_MILLIONTH: u64 = WHOLE / 1_000_000;
        match (self.limit, &self.adaptive) {
            (RateLimit::Fixed { percent }, _) => Some([u64::from(percent) * 10_000; 2]),
            (_, Some(adaptive)) => {
                let mut adaptive = adaptive.clone();
                adaptive.settle(self.shards, now.max(self.refilled));
                Some(adaptive.shares().map(|share| share / PER_MILLIONTH))
            }
            _ => None,
        }
    }

    /// How many Kinesis records and bytes it would let pass now, less than none in debt; `None` if it has no limit.
    pub(crate) fn levels(&self, now: Instant) -> Option<[i64; 2]> {
        if self.limit == RateLimit::Off {
            return None;
        }
        let mut limiter = self.clone();
        limiter.refill(now);
        Some([limiter.records.tokens(), limiter.bytes.tokens()])
    }

    fn set_rates(&mut self) {
        let (records, bytes) = rates(self.limit, self.adaptive.as_ref(), self.shards);
        self.bytes.set_rate(bytes);
        self.records.set_rate(records);
    }

    /// Whether one Kinesis record of `bytes` bytes, data and partition key, may leave now.
    pub(crate) fn allows(&mut self, bytes: u64, now: Instant) -> bool {
        if self.limit == RateLimit::Off {
            return true;
        }
        self.refill(now);
        self.records.allows(1) && self.bytes.allows(bytes)
    }

    /// One Kinesis record of `bytes` bytes leaves, allowed or not. Nothing is ever given back,
    /// whatever becomes of the record (the KPL's rule), so that retries are limited like all else.
    pub(crate) fn spend(&mut self, bytes: u64, now: Instant) {
        if self.limit == RateLimit::Off {
            return;
        }
        self.refill(now);
        self.bytes.take(bytes);
        self.records.take(1);
    }

    /// The first time, from `now` on, at which [`allows`](Self::allows) is true if nothing leaves
    /// until then: to the nanosecond. The last representable time if there is none.
    pub(crate) fn ready_at(&mut self, bytes: u64, now: Instant) -> Instant {
        if self.allows(bytes, now) {
            return now;
        }
        self.refilled.after(self.records.wait(1).max(self.bytes.wait(bytes)))
    }

    /// Takes out what `parents` lack to be full at `now`. After a reshard nothing is gained: the
    /// child of a split owes what its parent owed, the child of a merge what both did. A rate that has been learned
    /// is taken over; if it is lower than a parent's, it takes as long to pay as it would have taken the parent.
    pub(crate) fn inherit<'a>(
        &mut self,
        parents: impl Iterator<Item = &'a Self> + Clone,
        now: Instant,
    ) {
        self.refill(now);
        for parent in parents.clone() {
            self.inherit_rates(parent);
        }
        for parent in parents {
            let mut parent = parent.clone();
            parent.refill(now);
            if self.adaptive.is_some() {
                parent.bytes.slow_down(self.bytes.rate());
                parent.records.slow_down(self.records.rate());
            }
            self.inherit_part(&parent, 1);
        }
    }

    /// Starts with the rate of `parent`, if that is lower.
    fn inherit_rates(&mut self, parent: &Self) {
        if let (Some(adaptive), Some(parents)) = (&mut self.adaptive, &parent.adaptive) {
            adaptive.inherit(parents);
            self.set_rates();
            // It is as full as at the start.
            self.bytes.fill();
            self.records.fill();
        }
    }

    /// Takes over what was learned while the shards were not known, and its part of what was spent then.
    pub(crate) fn inherit_share(&mut self, parent: &Self, heirs: u32, now: Instant) {
        self.refill(now);
        let mut parent = parent.clone();
        parent.refill(now);
        self.inherit_rates(&parent);
        self.inherit_part(&parent, heirs);
    }

    /// Takes out what `parent` lacks to be full, divided by `heirs`: what was spent while the shards were not known was
    /// spent on all of them alike, as far as anybody knows.
    fn inherit_part(&mut self, parent: &Self, heirs: u32) {
        self.bytes.inherit(&parent.bytes, heirs);
        self.records.inherit(&parent.records, heirs);
    }

    fn refill(&mut self, now: Instant) {
        if now <= self.refilled {
            return;
        }
        let nanos = now.as_nanos() - self.refilled.as_nanos();
        self.bytes.refill(nanos);
        self.records.refill(nanos);
        self.refilled = now;
        if let Some(adaptive) = &mut self.adaptive
            && adaptive.settle(self.shards, now)
        {
            self.set_rates();
        }
    }

    /// What must hold between calls.
    #[cfg(debug_assertions)]
    pub(crate) fn invariants(&self) {
        self.adaptive.iter().for_each(Adaptive::invariants);
    }
}

/// Records and bytes, in hundredths per second, that `shards` shards get together.
fn rates(limit: RateLimit, adaptive: Option<&Adaptive>, shards: u32) -> (u64, u64) {
    let shards = u64::from(shards.max(1));
    if let Some(adaptive) = adaptive {
        let rate = |per_shard: u64, share: u64| {
            let hundredths = u128::from(100 * per_shard) * u128::from(share);
            let rate = hundredths.saturating_mul(shards.into()) / u128::from(WHOLE);
            u64::try_from(rate).unwrap_or(u64::MAX)
        };
        let [records, bytes] = adaptive.shares();
        return (rate(SHARD_RECORDS_PER_SECOND, records), rate(SHARD_BYTES_PER_SECOND, bytes));
    }
    let percent = match limit {
        RateLimit::Fixed { percent } => percent,
        _ => 100, // Nobody asks these buckets.
    };
    let rate = |per_shard: u64| per_shard.saturating_mul(percent.into()).saturating_mul(shards);
    (rate(SHARD_RECORDS_PER_SECOND), rate(SHARD_BYTES_PER_SECOND))
}

#[cfg(test)]
mod tests;
