use core::time::Duration;

use crate::config::Config;
use crate::retry::{self, RetryPolicy};
use crate::time::Instant;

/// How much may be added to what is sent by sending again what failed for no reason that more time mends by itself:
/// entries with `InternalFailure`, requests that were lost, refused or not answered.
///
/// Throttled records do not count, for the limiter paces them; nor do records whose credentials were refused.
/// [`RetryPolicy::Linear`] has no budget, whatever is set here: its waits are exact.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum RetryBudget {
    /// As many retries as fail. (The KPL has no budget.)
    Off,
    /// So many Kinesis records in a hundred that were stored may be sent again, and 10 a second besides; up to 500 that
    /// were not used are saved. What is beyond waits, in whole seconds, until the budget would have it, at most 10 s; and
    /// no longer than half-way to its expiration if it would expire before. Never what was not sent before.
    ///
    /// From 1 to 100. The default, with 10.
    Percent(u32),
}

impl Default for RetryBudget {
    /// Source: M. Brooker, "Fixing retries with token buckets and circuit breakers" (a success deposits a tenth).
    fn default() -> Self {
        Self::Percent(10)
    }
}

/// Most retries that are saved, and the number at the start. Source: the retry quota of the AWS SDKs ("standard" mode).
const SAVED_MAX: i64 = 500;
/// Most retries that are owed: as many as may be saved, so that a budget recovers from any failure in the same time.
const OWED_MAX: i64 = SAVED_MAX;
/// Retries that each second brings, so that nothing waits for ever. Source: Finagle, `RetryBudget`, minimum of retries
/// per second.
const RETRIES_PER_SECOND: i64 = 10;
/// Longest wait for the budget: a tenth of what the other waits would make of it, and short enough that a record with
/// the default time to live is tried three times.
const WAIT_MAX: Duration = Duration::from_secs(10);

const NANOS_PER_SECOND: u64 = 1_000_000_000;
/// One retry, in the unit of the level: a nanosecond brings a whole number of these.
const RETRY: i64 = NANOS_PER_SECOND as i64;

/// Counts what may be sent again: each stored Kinesis record and each second bring something, each retry takes one.
#[derive(Debug)]
pub(crate) struct Budget {
    /// What a stored Kinesis record brings; `None` if there is no budget.
    deposit: Option<i64>,
    /// Negative if more was taken than there was.
    level: i64,
    /// The time up to which the level is right.
    at: Instant,
    /// What the stored records brought in the second of `at`, and in the one before.
    brought: (i64, i64),
}

impl Budget {
    pub(crate) const fn new(config: &Config) -> Self {
        let deposit = match (config.retry_budget, config.retry) {
            (RetryBudget::Off, _) | (_, RetryPolicy::Linear { .. }) => None,
            (RetryBudget::Percent(percent), _) => Some(RETRY / 100 * percent as i64),
        };
        Self { deposit, level: SAVED_MAX * RETRY, at: Instant::ZERO, brought: (0, 0) }
    }

    /// So many Kinesis records were stored.
    pub(crate) fn deposit(&mut self, records: u16, now: Instant) {
        let Some(deposit) = self.deposit else { return };
        self.refill(now);
        let brought = deposit * i64::from(records);
        self.brought.0 += brought;
        self.level = (self.level + brought).min(SAVED_MAX * RETRY);
    }

    /// A Kinesis record that expires at `expiration` is to be sent again at `not_before`: when it may.
    pub(crate) fn withdraw(
        &mut self,
        not_before: Instant,
        expiration: Instant,
        now: Instant,
    ) -> Instant {
        if self.deposit.is_none() {
            return not_before;
        }
        self.refill(now);
        self.level = (self.level - RETRY).max(-OWED_MAX * RETRY);
        if self.level >= 0 {
            return not_before;
        }
        retry::leave_by(not_before.after(self.wait()), expiration, not_before)
    }

    /// How long it takes at the present rate to bring what is owed: in whole seconds, so that what fails together
    /// leaves together.
    fn wait(&self) -> Duration {
        let owed = self.level.min(0).unsigned_abs();
        let rate = (RETRIES_PER_SECOND * RETRY + self.brought.1).unsigned_abs();
        Duration::from_secs(owed.div_ceil(rate)).min(WAIT_MAX)
    }

    /// Adds what the time since the last call brought.
    fn refill(&mut self, now: Instant) {
        const FULL: u64 = ((SAVED_MAX + OWED_MAX) / RETRIES_PER_SECOND) as u64 * NANOS_PER_SECOND;
        let second = |at: Instant| at.as_nanos() / NANOS_PER_SECOND;
        match second(now).saturating_sub(second(self.at)) {
            0 => {}
            1 => self.brought = (0, self.brought.0),
            _ => self.brought = (0, 0),
        }
        let nanos = now.as_nanos().saturating_sub(self.at.as_nanos()).min(FULL);
        let flow = RETRIES_PER_SECOND * nanos as i64;
        self.level = (self.level + flow).min(SAVED_MAX * RETRY);
        self.at = self.at.max(now);
    }

    /// What must hold between calls.
    #[cfg(debug_assertions)]
    pub(crate) fn invariants(&self) {
        debug_assert!((-OWED_MAX * RETRY..=SAVED_MAX * RETRY).contains(&self.level));
        debug_assert!(self.brought.0 >= 0 && self.brought.1 >= 0);
        debug_assert!(self.deposit.is_some() || self.level == SAVED_MAX * RETRY);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    fn at(millis: u64) -> Instant {
        Instant::ZERO.after(Duration::from_millis(millis))
    }

    fn budget() -> Budget {
        Budget::new(&Config::default())
    }

    /// How many milliseconds after `now` a retry may leave that nothing else holds back.
    fn wait(budget: &mut Budget, now: u64) -> u128 {
        budget.invariants();
        budget.withdraw(at(now), Instant::NEVER, at(now)).since(at(now)).as_millis()
    }

    fn spend(budget: &mut Budget, retries: u32, now: u64) {
        (0..retries).for_each(|_| {
            wait(budget, now);
        });
    }

    #[test]
    fn what_is_saved_is_used_and_what_is_beyond_waits() {
        let mut budget = budget();
        assert!((0..500).all(|_| wait(&mut budget, 0) == 0));
        let waits: Vec<u128> = (0..12).map(|_| wait(&mut budget, 0)).collect();
        assert_eq!(waits[..10], [1_000; 10], "ten a second");
        assert_eq!(waits[10..], [2_000; 2]);
        assert_eq!((0..1_000).map(|_| wait(&mut budget, 0)).max(), Some(10_000));
        assert_eq!(wait(&mut budget, 49_000), 2_000, "no more than 500 are owed");
        assert_eq!(wait(&mut budget, 51_100), 0);
    }

    #[test]
    fn what_is_stored_brings_a_tenth_and_sets_the_pace() {
        let mut budget = budget();
        spend(&mut budget, 600, 0);
        assert_eq!(wait(&mut budget, 0), 10_000);
        budget.deposit(490, at(0));
        budget.deposit(500, at(500));
        // 101 were owed; 99 came, and 5 with the time.
        assert_eq!(wait(&mut budget, 500), 0);
        spend(&mut budget, 300, 500);
        assert_eq!(wait(&mut budget, 500), 10_000, "only a whole second tells the pace");
        assert_eq!(wait(&mut budget, 1_000), 3_000, "109 a second, and 295 owed");
        assert_eq!(wait(&mut budget, 3_000), 10_000, "nothing was stored in the second before");
        (0..100).for_each(|_| budget.deposit(500, at(3_000)));
        assert!((0..500).all(|_| wait(&mut budget, 3_000) == 0));
        assert_ne!(wait(&mut budget, 3_000), 0, "no more than 500 are saved");
    }

    #[test]
    fn nothing_expires_while_it_waits_for_the_budget() {
        let mut budget = budget();
        spend(&mut budget, 700, 0);
        assert_eq!(budget.withdraw(at(100), at(20_000), at(0)), at(10_100));
        assert_eq!(budget.withdraw(at(100), at(10_100), at(0)), at(5_100), "half-way");
    }

    #[test]
    fn where_it_is_off_or_the_waits_are_exact_nothing_waits() {
        let linear = RetryPolicy::Linear { max_attempts: 3, step: Duration::ZERO };
        let builders = [
            Config::builder().retry_budget(RetryBudget::Off),
            Config::builder().retry(linear),
            Config::kpl().into_builder(),
        ];
        for builder in builders {
            let mut budget = Budget::new(&builder.build().expect("valid settings"));
            assert!((0..9_000).all(|_| wait(&mut budget, 0) == 0));
        }
    }

    #[test]
    fn any_time_and_any_number_are_harmless() {
        let mut budget = Budget::new(
            &Config::builder().retry_budget(RetryBudget::Percent(100)).build().expect("valid"),
        );
        (0..9_000).for_each(|_| {
            budget.withdraw(Instant::NEVER, Instant::NEVER, at(0));
        });
        (0..9_000).for_each(|_| budget.deposit(u16::MAX, at(0)));
        budget.deposit(u16::MAX, Instant::NEVER);
        assert_eq!(budget.withdraw(at(1), at(2), at(0)), at(1), "time never goes back");
        budget.invariants();
    }
}
