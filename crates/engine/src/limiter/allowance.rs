use super::{Limiter, RateLimit};
use crate::time::Instant;
use crate::token_bucket::TokenBucket;

/// What a [`Limiter`] lets pass at one moment, in whole tokens: reckoned once for many Kinesis records, because
/// reckoning in the limiter's own unit for each costs more than all the rest of taking it.
///
/// It says what [`allows`](Limiter::allows) and [`spend`](Limiter::spend) would.
#[derive(Debug)]
pub(crate) struct Allowance {
    bytes: Tokens,
    records: Tokens,
}

#[derive(Debug)]
struct Tokens {
    left: u64,
    /// What one taking may be: a full bucket gives whatever is asked.
    most: u64,
    taken: u64,
}

impl Tokens {
    const UNBOUNDED: Self = Self { left: u64::MAX, most: u64::MAX, taken: 0 };

    fn of(bucket: &TokenBucket) -> Self {
        let left = u64::try_from(bucket.tokens()).unwrap_or(0);
        Self { left, most: if bucket.is_full() { u64::MAX } else { left }, taken: 0 }
    }

    #[inline(always)]
    const fn take(&mut self, tokens: u64) {
        self.left = self.left.saturating_sub(tokens);
        self.most = self.left;
        self.taken = self.taken.saturating_add(tokens);
    }
}

impl Allowance {
    /// Whether one Kinesis record of `bytes` bytes may leave.
    #[inline(always)]
    pub(crate) const fn allows(&self, bytes: u64) -> bool {
        self.records.most > 0 && bytes <= self.bytes.most
    }

    /// One Kinesis record of `bytes` bytes leaves.
    #[inline(always)]
    pub(crate) const fn take(&mut self, bytes: u64) {
        self.records.take(1);
        self.bytes.take(bytes);
    }
}

impl Limiter {
    /// What may leave now. What is taken of it is to be [settled](Self::settle) before the limiter is asked again.
    pub(crate) fn allowance(&mut self, now: Instant) -> Allowance {
        if self.limit == RateLimit::Off {
            return Allowance { bytes: Tokens::UNBOUNDED, records: Tokens::UNBOUNDED };
        }
        self.refill(now);
        Allowance { bytes: Tokens::of(&self.bytes), records: Tokens::of(&self.records) }
    }

    /// What was taken of an allowance has left.
    pub(crate) fn settle(&mut self, allowance: &Allowance) {
        if self.limit != RateLimit::Off {
            self.bytes.take(allowance.bytes.taken);
            self.records.take(allowance.records.taken);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whatever is asked: the same as a limiter that is asked for each record.
    #[test]
    fn an_allowance_says_what_the_limiter_says() {
        let limits = [
            RateLimit::Off,
            RateLimit::Fixed { percent: 1 },
            RateLimit::Fixed { percent: 150 },
            RateLimit::Fixed { percent: u32::MAX },
            RateLimit::default(),
        ];
        // A Kinesis record has at least the byte of its key.
        let sizes = [1, 100, 10_000, 1 << 20, 2, 3 << 20, 700, 10 << 20, 1 << 19];
        let (mut passed, mut refused) = (0, 0);
        for limit in limits {
            let (mut one, mut other) = (Limiter::new(limit, 1), Limiter::new(limit, 1));
            for step in 0..400_u64 {
                let now = Instant::from_nanos(step * step * 3_000_000);
                let mut allowance = one.allowance(now);
                for size in sizes.iter().cycle().skip(step as usize % 9).take(step as usize % 40) {
                    let allows = other.allows(*size, now);
                    assert_eq!(allowance.allows(*size), allows, "{limit:?}: {size} at {now:?}");
                    if allows {
                        other.spend(*size, now);
                        allowance.take(*size);
                        passed += 1;
                    } else {
                        refused += 1;
                    }
                }
                one.settle(&allowance);
                assert_eq!(one.levels(now), other.levels(now));
            }
        }
        assert!(passed > 5_000 && refused > 5_000, "{passed} and {refused}");
    }
}
