//! Retries wait when there were too many, and only then.

use alloc::format;
use core::time::Duration;

use headwaters_engine::wire::Class;
use headwaters_engine::{BatchId, Config, Instant, RetryBudget, RetryPolicy};

use super::{Checked, Checker, rule};

/// How much may be sent again. In what order the engine reads answers and takes from the budget nobody sees; so what is
/// there is known between two bounds, which meet when nothing fails for a while.
#[derive(Debug)]
pub(super) struct Budget {
    /// What a stored Kinesis record brings, in billionths of a retry; `None` if there is no budget.
    brings: Option<i128>,
    /// There was not less than this at the last wait, and not more.
    low: i128,
    high: i128,
    /// What came since.
    came: i128,
    at: Instant,
    /// Kinesis records that were told to have failed since the last wait, and may take one each.
    told: i128,
    /// Kinesis records that were sent again since.
    taken: i128,
}

const ONE: i128 = 1_000_000_000;
const FULL: i128 = 500 * ONE;
const PER_NANO: i128 = 10;
/// Waits for the budget are whole seconds,
pub(super) const STEP: Duration = Duration::from_secs(1);
/// and never longer than this.
pub(super) const LONGEST: Duration = Duration::from_secs(10);

impl Budget {
    pub(super) fn new(config: &Config) -> Self {
        let brings = match (config.retry_budget(), config.retry()) {
            (_, RetryPolicy::Linear { .. }) => None,
            (RetryBudget::Percent(percent), _) => Some(ONE * i128::from(percent) / 100),
            _ => None,
        };
        let (low, high) = (FULL, FULL);
        Self { brings, low, high, came: 0, at: Instant::ZERO, told: 0, taken: 0 }
    }

    /// How much longer than its policy wants a Kinesis record may wait.
    pub(super) const fn longest(&self, class: Option<Class>) -> Duration {
        match (self.brings, class) {
            (Some(_), Some(Class::Transient)) => LONGEST,
            _ => Duration::ZERO,
        }
    }

    fn flow(&mut self, now: Instant) {
        self.came += PER_NANO * now.since(self.at).as_nanos() as i128;
        self.at = self.at.max(now);
    }

    /// So many Kinesis records were stored, and so many failed and may be sent again.
    pub(super) fn told(&mut self, stored: usize, failed: usize, now: Instant) {
        let Some(brings) = self.brings else { return };
        self.flow(now);
        self.came += brings * stored as i128;
        self.told += failed as i128;
    }

    /// All answers are read.
    pub(super) fn settle(&mut self, now: Instant) {
        if self.brings.is_none() {
            return;
        }
        self.flow(now);
        self.high = self.most().min(FULL);
        // In the worst order what came was of no use, for there was enough, and all the rest was taken then.
        let all = (self.low + self.came).min(FULL);
        self.low = (all - self.taken * ONE).max(-FULL);
        (self.came, self.told, self.taken) = (0, 0, 0);
    }

    /// What there is at most: in the best order all was taken first, some of it for nothing, for no more can be owed than so much.
    fn most(&self) -> i128 {
        (self.high - self.taken * ONE).max(-FULL) + self.came
    }
}

impl Checker {
    /// A Kinesis record goes back and has to wait from `earliest` to `latest`, if there is enough for it.
    pub(super) fn check_budget(
        &mut self,
        place: (BatchId, usize),
        not_before: Instant,
        (earliest, latest): (Instant, Instant),
        expiration: Option<Instant>,
        now: Instant,
    ) -> Checked {
        if self.budget.brings.is_none() {
            return Ok(());
        }
        self.budget.flow(now);
        let budget = &mut self.budget;
        budget.taken += 1;
        let most = budget.told.max(budget.taken);
        if not_before > latest {
            self.sometimes.budget_empty += 1;
            return rule(budget.low < most * ONE, || {
                format!("{place:?} waits for the budget until {not_before}: {budget:?}")
            });
        }
        // Where the wait would end after the expiration it is cut short, by as much as it takes.
        let is_cut = expiration.is_some_and(|expiration| expiration <= latest.after(LONGEST));
        let is_free = not_before < earliest.after(STEP) && !is_cut;
        rule(!is_free || budget.most() >= 0, || {
            format!("{place:?} does not wait for the budget: {budget:?}")
        })
    }
}
