use core::time::Duration;

use crate::shard_limits::{Metering, ShardLimits};
use crate::token_bucket::TokenBucket;

/// What decides whether a shard has room for a record: a bucket of records and one of bytes. A
/// record needs both, and takes from both or from neither.
#[derive(Clone, Debug)]
pub(crate) struct Throttle {
    bytes: TokenBucket,
    metering: Metering,
    records: TokenBucket,
    /// Up to when the buckets are refilled.
    refilled: Duration,
}

impl Throttle {
    pub(crate) const fn new(limits: ShardLimits) -> Self {
        Self {
            bytes: TokenBucket::new(limits.bytes_per_second),
            metering: limits.metering,
            records: TokenBucket::new(limits.records_per_second),
            refilled: Duration::ZERO,
        }
    }

    /// Whether there is room for one record of `bytes` at `now`.
    pub(crate) fn allows(&mut self, bytes: u64, now: Duration) -> bool {
        self.refill(now);
        self.records.allows(1) && self.bytes.allows(bytes)
    }

    /// Counts one record of `bytes` at `now`, whether or not there is room for it.
    pub(crate) fn take(&mut self, bytes: u64, now: Duration) {
        self.refill(now);
        self.records.take(1);
        self.bytes.take(bytes);
    }

    /// A time before the last one gives no tokens and does not move the clock back, or the time in
    /// between would be paid out twice.
    fn refill(&mut self, now: Duration) {
        if now > self.refilled {
            let elapsed = match self.metering {
                Metering::Bucket => now - self.refilled,
                Metering::Window if now.as_secs() > self.refilled.as_secs() => Duration::MAX,
                Metering::Window => Duration::ZERO,
            };
            self.bytes.refill(elapsed);
            self.records.refill(elapsed);
            self.refilled = now;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn throttle(records_per_second: u64, bytes_per_second: u64) -> Throttle {
        let metering = Metering::Bucket;
        Throttle::new(ShardLimits { bytes_per_second, metering, records_per_second })
    }

    #[test]
    fn a_window_ends_with_its_second() {
        let limits = ShardLimits {
            bytes_per_second: 100,
            metering: Metering::Window,
            records_per_second: 2,
        };
        let mut throttle = Throttle::new(limits);
        let millis = Duration::from_millis;
        let mut taken = |now| {
            let mut count = 0;
            while throttle.allows(60, now) {
                throttle.take(60, now);
                count += 1;
            }
            count
        };
        assert_eq!(
            [990, 999, 1_000, 1_001, 1_999].map(|now| taken(millis(now))),
            [1, 0, 1, 0, 0],
            "one of 60 bytes each"
        );
        assert_eq!(taken(millis(1_500)), 0, "the clock goes back");
    }

    #[test]
    fn either_bucket_can_refuse_and_then_neither_gives() {
        let mut throttle = throttle(2, 100);
        throttle.take(60, Duration::ZERO);
        assert!(!throttle.allows(41, Duration::ZERO), "the bytes are short");
        assert!(throttle.allows(40, Duration::ZERO), "asking took no record and no byte");
        throttle.take(1, Duration::ZERO);
        assert!(!throttle.allows(1, Duration::ZERO), "the records are short");
        assert!(throttle.allows(1, SECOND / 2));
    }

    #[test]
    fn a_clock_that_goes_back_pays_nothing_twice() {
        let mut throttle = throttle(10, 1_000);
        let mut taken = 0;
        for now in [SECOND, Duration::ZERO, SECOND, SECOND / 2, SECOND] {
            while throttle.allows(1, now) {
                throttle.take(1, now);
                taken += 1;
            }
        }
        assert_eq!(taken, 10);
        assert!(throttle.allows(1, SECOND + SECOND / 10));
    }

    /// Time that passed before a record is not left over to pay for it.
    #[test]
    fn taking_first_refills_up_to_now() {
        let mut throttle = throttle(10, 1_000);
        throttle.take(1_000, 10 * SECOND);
        assert!(!throttle.allows(1, 10 * SECOND));
    }
}
