use core::time::Duration;

/// How long a full bucket lasts at its rate, which is how much may leave in one burst.
///
/// One second, because the service counts a shard's records and bytes by the second: a shorter
/// window would hold back what the service takes, a longer one would send what it throttles. (The
/// KPL's bucket for bytes is 10 MiB deep since 1.0.6 and its bucket for records 1,000, whatever its
/// `RateLimit`, so an idle shard may be sent what it takes in ten seconds at once.)
const WINDOW: Duration = Duration::from_secs(1);

/// The unit of a level: one token is 10^11 grains, a billionth of a hundredth each. In one
/// nanosecond a rate of `n` hundredths of a token per second brings exactly `n` grains, so nothing
/// is ever rounded.
const GRAINS_PER_TOKEN: i128 = 100 * 1_000_000_000;

/// Fastest rate. With it, what flows in any time that an [`Instant`](crate::Instant) can tell fits
/// an `i128`: (2^63 - 1) * (2^64 - 1) < 2^127.
const RATE_MAX: u64 = i64::MAX as u64;

/// A store of tokens that fills at a steady rate, up to its depth: what flows in [`WINDOW`].
///
/// Full at the start. What was taken never comes back but by the flow.
#[derive(Clone, Debug)]
pub(crate) struct TokenBucket {
    /// Grains that are there; negative in debt, never above the depth.
    level: i128,
    /// Hundredths of a token per second, which is grains per nanosecond; from 1 to [`RATE_MAX`].
    rate: u64,
}

impl TokenBucket {
    /// A full bucket that gets `rate` hundredths of a token per second.
    ///
    /// A rate of 0 counts as 1, because a bucket that never fills would hold a record for ever.
    pub(crate) fn new(rate: u64) -> Self {
        let mut bucket = Self { level: 0, rate: rate.clamp(1, RATE_MAX) };
        bucket.fill();
        bucket
    }

    /// Changes the rate, and the depth with it. If it rises the level stays; if it falls what is there shrinks with the
    /// depth, so that a bucket that was half empty is half empty: it would else be fuller than before, and who
    /// [inherits](Self::inherit) what lacks would not hear of what was spent. A debt stays.
    pub(crate) fn set_rate(&mut self, rate: u64) {
        let rate = rate.clamp(1, RATE_MAX);
        if self.level > 0 {
            self.slow_down(rate);
        }
        self.rate = rate;
    }

    /// Changes the rate, and the depth with it, because it is for more shards, or for fewer. For more the level stays;
    /// for fewer what lacks does: those that are left owe what all did.
    pub(crate) fn resize(&mut self, rate: u64) {
        let before = self.depth();
        self.rate = rate.clamp(1, RATE_MAX);
        self.level = self.level.saturating_sub((before - self.depth()).max(0));
    }

    /// Fills it, as at the start.
    pub(crate) fn fill(&mut self) {
        self.level = self.depth();
    }

    /// Lowers the rate to `rate`, if it is higher, and with it what lacks: it takes as long to be full as before.
    pub(crate) fn slow_down(&mut self, rate: u64) {
        if rate < self.rate {
            self.level = self.level.saturating_mul(rate.into()) / i128::from(self.rate);
            self.rate = rate.max(1);
        }
    }

    /// Hundredths of a token per second.
    pub(crate) const fn rate(&self) -> u64 {
        self.rate
    }

    /// Whole tokens that are there; negative in debt.
    pub(crate) fn tokens(&self) -> i64 {
        // Nearly every level fits in 64 bits, which are divided many times faster.
        if let Ok(level) = u64::try_from(self.level) {
            return (level / GRAINS_PER_TOKEN as u64) as i64;
        }
        let tokens = self.level.div_euclid(GRAINS_PER_TOKEN);
        i64::try_from(tokens).unwrap_or(if tokens < 0 { i64::MIN } else { i64::MAX })
    }

    /// Whether nothing more goes in.
    pub(crate) fn is_full(&self) -> bool {
        self.level >= self.depth()
    }

    /// Puts in what flowed in `nanos` nanoseconds.
    pub(crate) fn refill(&mut self, nanos: u64) {
        let flow = i128::from(self.rate) * i128::from(nanos);
        self.level = self.level.saturating_add(flow).min(self.depth());
    }

    /// Whether `tokens` may be taken now. A full bucket gives more than its depth, or else what is
    /// larger could never leave.
    pub(crate) fn allows(&self, tokens: u64) -> bool {
        self.level >= self.needed(tokens)
    }

    /// Takes `tokens`, into debt if need be.
    pub(crate) fn take(&mut self, tokens: u64) {
        self.level = self.level.saturating_sub(grains(tokens));
    }

    /// Shortest time after which [`allows`](Self::allows) is true, if nothing is taken until then.
    pub(crate) fn wait(&self, tokens: u64) -> Duration {
        let short = self.needed(tokens).saturating_sub(self.level).max(0).unsigned_abs();
        let nanos = short.div_ceil(self.rate.into());
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// Takes out what `parent` lacks to be full, divided by `heirs`.
    pub(crate) fn inherit(&mut self, parent: &Self, heirs: u32) {
        let lack = parent.depth().saturating_sub(parent.level);
        self.level = self.level.saturating_sub(lack / i128::from(heirs.max(1)));
    }

    /// The level at which `tokens` may be taken.
    fn needed(&self, tokens: u64) -> i128 {
        grains(tokens).min(self.depth())
    }

    /// Grains in a full bucket.
    fn depth(&self) -> i128 {
        const WINDOW_NANOS: i128 = WINDOW.as_nanos() as i128;
        i128::from(self.rate) * WINDOW_NANOS
    }
}

fn grains(tokens: u64) -> i128 {
    i128::from(tokens) * GRAINS_PER_TOKEN
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;
    const MILLI: u64 = 1_000_000;

    fn per_second(tokens: u64) -> TokenBucket {
        TokenBucket::new(tokens * 100)
    }

    fn take_if_allowed(bucket: &mut TokenBucket, tokens: u64) -> bool {
        let allowed = bucket.allows(tokens);
        if allowed {
            bucket.take(tokens);
        }
        allowed
    }

    /// The KPL's `TokenBucket/Basic`: maximum, growth, cap. One step differs: the KPL never gives
    /// more than the depth, ours does when it is full, and then owes it.
    #[test]
    fn basic() {
        let mut bucket = per_second(1_000);
        assert!(take_if_allowed(&mut bucket, 1_000), "full at the start");
        assert!(!bucket.allows(1));
        bucket.refill(100 * MILLI);
        assert!(!bucket.allows(110));
        assert!(take_if_allowed(&mut bucket, 90), "100 grew");
        bucket.refill(5 * SECOND);
        assert!(take_if_allowed(&mut bucket, 1_000), "10 were left and 5,000 came");
        assert!(!bucket.allows(1), "but no more than the depth is kept");
    }

    #[test]
    fn a_token_is_there_at_its_nanosecond_and_not_before() {
        let mut bucket = per_second(3);
        assert!(take_if_allowed(&mut bucket, 3));
        assert_eq!(bucket.wait(1), Duration::from_nanos(333_333_334));
        bucket.refill(333_333_333);
        assert!(!bucket.allows(1));
        bucket.refill(1);
        assert!(take_if_allowed(&mut bucket, 1));
        // The fraction that was over is not lost: three tokens take one second altogether.
        bucket.refill(666_666_666);
        assert!(take_if_allowed(&mut bucket, 2));
    }

    #[test]
    fn a_rate_may_be_a_fraction_of_a_token() {
        let mut bucket = TokenBucket::new(1);
        assert!(take_if_allowed(&mut bucket, 1), "a hundredth of a token is the depth, and full");
        assert_eq!(bucket.wait(1), Duration::from_secs(100), "0.99 in debt, 0.01 needed");
        bucket.refill(100 * SECOND - 1);
        assert!(!bucket.allows(1));
        bucket.refill(1);
        assert!(bucket.allows(1));
    }

    #[test]
    fn more_than_the_depth_needs_a_full_bucket_and_leaves_a_debt() {
        let mut bucket = per_second(10);
        assert!(take_if_allowed(&mut bucket, 25));
        assert_eq!(bucket.wait(0), Duration::from_millis(1_500), "15 are owed");
        assert_eq!(bucket.wait(1), Duration::from_millis(1_600));
        bucket.refill(1_600 * MILLI);
        assert!(take_if_allowed(&mut bucket, 1));
        assert_eq!(bucket.wait(25), Duration::from_secs(1));
        bucket.refill(SECOND - 1);
        assert!(!bucket.allows(25), "a grain is missing");
        bucket.refill(1);
        assert!(bucket.allows(25));
    }

    #[test]
    fn a_new_rate_keeps_the_level() {
        let mut bucket = per_second(10);
        bucket.take(4);
        bucket.set_rate(100 * 100);
        assert!(bucket.allows(6) && !bucket.allows(7), "what the depth grew by is not given away");
        assert_eq!(bucket.wait(100), Duration::from_millis(940));
        bucket.take(16);
        bucket.set_rate(1_000 * 100);
        assert_eq!(bucket.wait(0), Duration::from_millis(10), "10 are owed, as before");
    }

    #[test]
    fn of_fewer_shards_as_much_is_owed_as_of_all() {
        let mut bucket = per_second(4_000);
        bucket.take(1_500);
        bucket.resize(2_000 * 100);
        assert_eq!(bucket.tokens(), 500);
        bucket.resize(1_000 * 100);
        assert_eq!(bucket.tokens(), -500);
        bucket.resize(4_000 * 100);
        assert_eq!(bucket.tokens(), -500, "what the depth grew by is not given away");
    }

    #[test]
    fn a_lower_rate_leaves_it_as_full_as_it_was() {
        let mut bucket = per_second(1_000);
        bucket.set_rate(800 * 100);
        assert!(bucket.is_full());
        bucket.take(200);
        bucket.set_rate(400 * 100);
        assert_eq!(bucket.tokens(), 300, "three quarters");
        let mut heir = per_second(400);
        heir.inherit(&bucket, 1);
        assert_eq!(heir.tokens(), 300, "who inherits hears of what was spent");
        bucket.take(500);
        bucket.set_rate(100 * 100);
        assert_eq!(bucket.tokens(), -200, "a debt stays");
    }

    #[test]
    fn extreme_rates_times_and_counts_are_harmless() {
        let mut bucket = TokenBucket::new(u64::MAX);
        assert!(take_if_allowed(&mut bucket, u64::MAX));
        assert!(!bucket.allows(1));
        bucket.refill(u64::MAX);
        bucket.refill(u64::MAX);
        assert!(bucket.allows(u64::MAX), "584 years pay for anything, and twice is no more");

        let mut slow = TokenBucket::new(0);
        for _ in 0..10 {
            slow.take(u64::MAX);
        }
        assert_eq!(slow.wait(u64::MAX), Duration::from_nanos(u64::MAX));
        slow.refill(u64::MAX);
        assert!(!slow.allows(0));

        let mut abyss = TokenBucket { level: i128::MIN, rate: 1 };
        abyss.take(u64::MAX);
        abyss.inherit(&TokenBucket { level: i128::MIN, rate: RATE_MAX }, 1);
        assert_eq!(abyss.level, i128::MIN);
        assert_eq!(abyss.wait(1), Duration::from_nanos(u64::MAX));
    }
}
