use core::time::Duration;

use headwaters_wire::{AttemptError, Class};

use crate::completion::Cause;
use crate::config::Config;
use crate::time::Instant;

/// How soon and how often a failed record is sent again.
///
/// In each policy a retried record leaves the buffer *no later than* half of
/// [`record_max_buffered_time`](Config::record_max_buffered_time) from now (the KPL's rule), so that it
/// rides along with newer records; the policies differ in *no earlier than*.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum RetryPolicy {
    /// No wait (but for 1 ms, so that nothing spins) and no end but the time to live: what the KPL does.
    Kpl,
    /// Wait `step` times the number of attempts made, and stop after `max_attempts`, the first included.
    /// The default, with 100 ms and 10.
    Linear {
        /// Most attempts, at least 1.
        max_attempts: u32,
        /// What the wait grows by with each attempt.
        step: Duration,
    },
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self::Linear { max_attempts: 10, step: Duration::from_millis(100) }
    }
}

/// Shortest pause between the failure of an attempt and the next one, whatever the policy: a transport
/// that fails at once must not make the engine spin. Far below any round trip to the service.
const RETRY_PAUSE_MIN: Duration = Duration::from_millis(1);

/// What to do with a record whose attempt failed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Verdict {
    /// Give up.
    Fail(Cause),
    /// Send it again.
    Requeue {
        /// Not before this time,
        not_before: Instant,
        /// and at this time at the latest.
        deadline: Instant,
    },
}

/// Judges a failure after `attempts` attempts, this one included.
pub(crate) fn judge(
    error: &AttemptError,
    attempts: u32,
    expiration: Option<Instant>,
    config: &Config,
    now: Instant,
) -> Verdict {
    match error.code.class() {
        Class::Permanent | Class::TooLarge => {
            return Verdict::Fail(Cause::Permanent(error.code.clone()));
        }
        // New credentials are the transport's to fetch; the retry will be signed with them.
        _ => {}
    }
    let wait = match config.retry {
        RetryPolicy::Kpl => Duration::ZERO,
        RetryPolicy::Linear { max_attempts, .. } if attempts >= max_attempts => {
            return Verdict::Fail(Cause::AttemptsExhausted);
        }
        RetryPolicy::Linear { step, .. } => step.saturating_mul(attempts),
    };
    let not_before = now.after(wait.max(RETRY_PAUSE_MIN));
    if expiration.is_some_and(|expiration| expiration <= not_before) {
        return Verdict::Fail(Cause::Expired);
    }
    let half = now.after(config.record_max_buffered_time / 2);
    Verdict::Requeue {
        not_before,
        deadline: leave_by(not_before.max(half), expiration, not_before),
    }
}

/// When a record must leave the buffer: at `deadline`, capped by its expiration.
///
/// A record that leaves only when it expires is never sent, so where the expiration is nearer the record
/// leaves half-way between then and `earliest`.
pub(crate) fn leave_by(
    deadline: Instant,
    expiration: Option<Instant>,
    earliest: Instant,
) -> Instant {
    match expiration {
        Some(expiration) if expiration <= deadline => {
            earliest.after(expiration.since(earliest) / 2)
        }
        _ => deadline,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use headwaters_wire::ErrorCode;

    fn at(millis: u64) -> Instant {
        Instant::ZERO.after(Duration::from_millis(millis))
    }

    fn judge_throttle(retry: RetryPolicy, attempts: u32, expiration: Option<Instant>) -> Verdict {
        let config = Config::builder().retry(retry).build().expect("a valid configuration");
        let error = AttemptError::new(ErrorCode::ProvisionedThroughputExceededException);
        judge(&error, attempts, expiration, &config, at(1_000))
    }

    #[test]
    fn the_kpls_rule_sends_again_within_half_of_the_buffered_time() {
        assert_eq!(
            judge_throttle(RetryPolicy::Kpl, 99, Some(at(1_051))),
            Verdict::Requeue { not_before: at(1_001), deadline: at(1_050) }
        );
        assert_eq!(
            judge_throttle(RetryPolicy::Kpl, 99, Some(at(1_021))),
            Verdict::Requeue { not_before: at(1_001), deadline: at(1_011) },
            "it would expire in the buffer, so it leaves half-way"
        );
        assert_eq!(
            judge_throttle(RetryPolicy::Kpl, 1, Some(at(1_001))),
            Verdict::Fail(Cause::Expired)
        );
    }

    #[test]
    fn linear_waits_longer_each_time_and_ends() {
        let linear = RetryPolicy::default();
        assert_eq!(
            judge_throttle(linear, 1, None),
            Verdict::Requeue { not_before: at(1_100), deadline: at(1_100) }
        );
        assert_eq!(
            judge_throttle(linear, 9, None),
            Verdict::Requeue { not_before: at(1_900), deadline: at(1_900) }
        );
        assert_eq!(judge_throttle(linear, 10, None), Verdict::Fail(Cause::AttemptsExhausted));
        assert_eq!(
            judge_throttle(linear, 3, Some(at(1_300))),
            Verdict::Fail(Cause::Expired),
            "the wait would end at the expiration"
        );
        let short = RetryPolicy::Linear { max_attempts: 2, step: Duration::from_millis(10) };
        assert_eq!(
            judge_throttle(short, 1, None),
            Verdict::Requeue { not_before: at(1_010), deadline: at(1_050) },
            "not before the wait, not after half of the buffered time"
        );
    }

    #[test]
    fn permanent_errors_are_not_retried() {
        let config = Config::default();
        let code = ErrorCode::ResourceNotFoundException;
        let error = AttemptError::new(code.clone());
        assert_eq!(judge(&error, 1, None, &config, at(0)), Verdict::Fail(Cause::Permanent(code)));
    }
}
