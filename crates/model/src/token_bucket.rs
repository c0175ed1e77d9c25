use core::time::Duration;

/// A token bucket as deep as one second's worth of its rate; full at the start.
///
/// It counts what is missing rather than what is there, in billionths of a token: one nanosecond
/// then refills exactly `rate` of them, so nothing is ever rounded, and debt needs no sign.
#[derive(Clone, Debug)]
pub(crate) struct TokenBucket {
    /// Billionths of a token that the bucket lacks to be full; above the depth it is in debt.
    missing: u128,
    /// Tokens per second.
    rate: u64,
}

impl TokenBucket {
    pub(crate) const fn new(rate: u64) -> Self {
        Self { missing: 0, rate }
    }

    /// Puts in what flowed during `elapsed`.
    pub(crate) fn refill(&mut self, elapsed: Duration) {
        let flowed = elapsed.as_nanos().saturating_mul(self.rate.into());
        self.missing = self.missing.saturating_sub(flowed);
    }

    /// Whether `tokens` can be taken now. A full bucket gives out more than it holds, or else what
    /// is larger than the depth could never be taken; a bucket with rate 0 gives nothing.
    pub(crate) fn allows(&self, tokens: u64) -> bool {
        self.rate > 0 && self.missing + billionths(tokens.min(self.rate)) <= billionths(self.rate)
    }

    /// Takes `tokens`, into debt if need be.
    pub(crate) fn take(&mut self, tokens: u64) {
        self.missing += billionths(tokens);
    }
}

fn billionths(tokens: u64) -> u128 {
    u128::from(tokens) * 1_000_000_000
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Random;

    fn take_if_allowed(bucket: &mut TokenBucket, tokens: u64) -> bool {
        let allowed = bucket.allows(tokens);
        if allowed {
            bucket.take(tokens);
        }
        allowed
    }

    /// The reference adds up millisecond by millisecond and keeps a signed level.
    #[test]
    fn decisions_equal_those_of_a_brute_force_bucket() {
        let mut random = Random::new(1);
        for rate in [1, 3, 7, 999, 1_000, 1_048_576, u64::from(u32::MAX)] {
            let depth = i128::from(rate) * 1_000_000_000;
            let (mut bucket, mut level) = (TokenBucket::new(rate), depth);
            let mut counts = [0; 2];
            for step in 0..4_000 {
                let millis = random.below(40) * random.below(40);
                bucket.refill(Duration::from_millis(millis));
                for _ in 0..millis {
                    level = depth.min(level + i128::from(rate) * 1_000_000);
                }
                let tokens = 1 + random.below(rate + rate / 4);
                let cost = i128::from(tokens) * 1_000_000_000;
                let expected = level >= cost || level == depth;
                assert_eq!(take_if_allowed(&mut bucket, tokens), expected, "{rate}/s, step {step}");
                if expected {
                    level -= cost;
                }
                counts[usize::from(expected)] += 1;
            }
            assert!(counts.iter().all(|&count| count > 400), "{rate}/s: {counts:?} is one-sided");
        }
    }

    #[test]
    fn a_token_is_there_at_its_nanosecond_and_not_before() {
        let mut bucket = TokenBucket::new(3);
        assert!(take_if_allowed(&mut bucket, 3));
        bucket.refill(Duration::from_nanos(333_333_333));
        assert!(!bucket.allows(1));
        bucket.refill(Duration::from_nanos(1));
        assert!(take_if_allowed(&mut bucket, 1));
        // The 2 billionths that were over are not lost: three tokens take one second altogether.
        bucket.refill(Duration::from_nanos(666_666_666));
        assert!(take_if_allowed(&mut bucket, 2));
    }

    #[test]
    fn the_depth_is_one_seconds_worth() {
        let mut bucket = TokenBucket::new(10);
        bucket.refill(Duration::MAX);
        assert!(take_if_allowed(&mut bucket, 10));
        assert!(!bucket.allows(1));
    }

    #[test]
    fn more_than_the_depth_needs_a_full_bucket_and_leaves_a_debt() {
        let mut bucket = TokenBucket::new(10);
        assert!(take_if_allowed(&mut bucket, 25));
        bucket.refill(Duration::from_millis(1_599));
        assert!(!bucket.allows(1), "15 in debt: the first token comes after 1.6 s");
        bucket.refill(Duration::from_millis(1));
        assert!(take_if_allowed(&mut bucket, 1));
        bucket.refill(Duration::from_millis(999));
        assert!(!bucket.allows(25));
        bucket.refill(Duration::from_millis(1));
        assert!(bucket.allows(25));
    }

    #[test]
    fn extreme_rates_and_times_are_harmless() {
        let mut bucket = TokenBucket::new(u64::MAX);
        assert!(take_if_allowed(&mut bucket, u64::MAX));
        assert!(!bucket.allows(1));
        bucket.refill(Duration::MAX);
        assert!(bucket.allows(u64::MAX));
        // 2^65 nanoseconds at 2^63 a second would overflow to nothing.
        let mut overflowing = TokenBucket::new(1 << 63);
        overflowing.take(1 << 63);
        overflowing.refill(Duration::new(36_893_488_147, 419_103_232));
        assert!(overflowing.allows(1 << 63));
        let mut closed = TokenBucket::new(0);
        closed.refill(Duration::MAX);
        assert!(!closed.allows(1));
    }
}
