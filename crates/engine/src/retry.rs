use core::time::Duration;

use headwaters_wire::{AttemptError, Class};

use crate::completion::Cause;
use crate::config::Config;
use crate::time::Instant;

/// How soon and how often a failed record is sent again.
///
/// In each policy a retried record leaves the buffer *no later than* half of
/// [`record_max_buffered_time`](Config::record_max_buffered_time) from now (the KPL's rule), or at the end of its
/// wait if that is later; until then it may ride along with newer records. The policies differ in *no earlier than*.
/// What its shard throttles waits for none of them where the rate is [adaptive](crate::RateLimit::Adaptive): it waits
/// for its limiter (and 1 ms, so that nothing spins).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum RetryPolicy {
    /// Wait a time drawn between nothing and `base` times two to the power of the attempts made, less one, but
    /// never more than `cap` ("full jitter"); no end but the time to live. The default, with 100 ms and 5 s.
    Exponential {
        /// Longest wait after the first attempt.
        base: Duration,
        /// Longest wait of all.
        cap: Duration,
    },
    /// No wait (but for 1 ms, so that nothing spins) and no end but the time to live: what the KPL does.
    Kpl,
    /// Wait `step` times the number of attempts made, and stop after `max_attempts`, the first included. Attempts whose
    /// whole request was refused, perhaps for another record, do not count.
    Linear {
        /// Most attempts, at least 1.
        max_attempts: u32,
        /// What the wait grows by with each attempt.
        step: Duration,
    },
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self::Exponential { base: Duration::from_millis(100), cap: Duration::from_secs(5) }
    }
}

impl RetryPolicy {
    /// Whether there may be another attempt after so many.
    pub(crate) const fn allows(self, attempts: u32) -> bool {
        match self {
            Self::Linear { max_attempts, .. } => attempts < max_attempts,
            Self::Exponential { .. } | Self::Kpl => true,
        }
    }

    /// How long to wait after so many attempts. `jitter` is a random number; the same one gives the same wait.
    fn wait(self, attempts: u32, jitter: u64) -> Duration {
        match self {
            Self::Exponential { base, cap } => {
                let doubled = 1_u32.checked_shl(attempts.saturating_sub(1)).unwrap_or(u32::MAX);
                let longest = base.saturating_mul(doubled).min(cap);
                // Sixteen bits of chance are plenty.
                let drawn = longest.as_nanos().saturating_mul(u128::from(jitter >> 48) + 1) >> 16;
                Duration::from_nanos(u64::try_from(drawn).unwrap_or(u64::MAX))
            }
            Self::Kpl => Duration::ZERO,
            Self::Linear { step, .. } => step.saturating_mul(attempts),
        }
    }
}

/// Shortest pause between the failure of an attempt and the next one, whatever the policy: a transport
/// that fails at once must not make the engine spin. Far below any round trip to the service.
const RETRY_PAUSE_MIN: Duration = Duration::from_millis(1);
/// Shortest pause after the credentials were refused, unless the transport says that it has new ones: the KPL
/// looks for new ones every 5 s, and asking more often than once in a second helps nobody.
const CREDENTIALS_PAUSE_MIN: Duration = Duration::from_secs(1);

/// By how much a server may prolong a wait. Source: the AWS SDKs' retry behaviour, which takes `x-amz-retry-after` from
/// the wait that they have to five seconds more.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(5);

/// What to do with a Kinesis record whose attempt failed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Verdict {
    /// Give up.
    Fail(Cause),
    /// Send it again, unless it has no attempts left or expires before.
    Retry {
        /// Not before this time,
        not_before: Instant,
        /// and at this time at the latest.
        deadline: Instant,
    },
}

/// Judges a failure after `attempts` attempts, this one included; if it is to be sent again, `policy` says when.
pub(crate) fn judge(
    error: &AttemptError,
    attempts: u32,
    jitter: u64,
    policy: RetryPolicy,
    config: &Config,
    now: Instant,
) -> Verdict {
    let pause = match error.code.class() {
        Class::Permanent | Class::TooLarge => {
            return Verdict::Fail(Cause::Permanent(error.code.clone()));
        }
        Class::Throttled if config.fail_if_throttled => return Verdict::Fail(Cause::Throttled),
        Class::Credentials => CREDENTIALS_PAUSE_MIN,
        _ => RETRY_PAUSE_MIN,
    };
    let wait = policy.wait(attempts, jitter).max(pause);
    let asked = error.retry_after.unwrap_or_default().min(wait.saturating_add(RETRY_AFTER_MAX));
    let not_before = now.after(wait.max(asked));
    let half = now.after(config.record_max_buffered_time / 2);
    Verdict::Retry { not_before, deadline: not_before.max(half) }
}

/// When a record must leave the buffer: at `deadline`, capped by its expiration.
///
/// A record that leaves only when it expires is never sent, so where the expiration is nearer the record
/// leaves half-way between then and `earliest`.
pub(crate) fn leave_by(deadline: Instant, expiration: Instant, earliest: Instant) -> Instant {
    if expiration <= deadline {
        return earliest.after(expiration.since(earliest) / 2);
    }
    deadline
}

#[cfg(test)]
mod tests {
    use super::*;
    use headwaters_wire::ErrorCode;

    fn at(millis: u64) -> Instant {
        Instant::ZERO.after(Duration::from_millis(millis))
    }

    fn judge_code(retry: RetryPolicy, attempts: u32, code: ErrorCode) -> Verdict {
        let config = Config::builder().retry(retry).build().expect("a valid configuration");
        judge(&AttemptError::new(code), attempts, u64::MAX, retry, &config, at(1_000))
    }

    fn judge_throttle(retry: RetryPolicy, attempts: u32) -> Verdict {
        judge_code(retry, attempts, ErrorCode::ProvisionedThroughputExceededException)
    }

    fn retry(not_before: u64, deadline: u64) -> Verdict {
        Verdict::Retry { not_before: at(not_before), deadline: at(deadline) }
    }

    #[test]
    fn the_kpls_rule_sends_again_within_half_of_the_buffered_time() {
        assert_eq!(judge_throttle(RetryPolicy::Kpl, 99), retry(1_001, 1_050));
        assert!(RetryPolicy::Kpl.allows(u32::MAX));
    }

    #[test]
    fn linear_waits_longer_each_time_and_ends() {
        let linear = RetryPolicy::Linear { max_attempts: 10, step: Duration::from_millis(100) };
        assert_eq!(judge_throttle(linear, 1), retry(1_100, 1_100));
        assert_eq!(judge_throttle(linear, 9), retry(1_900, 1_900));
        assert!(linear.allows(9) && !linear.allows(10));
        let short = RetryPolicy::Linear { max_attempts: 2, step: Duration::from_millis(10) };
        assert_eq!(
            judge_throttle(short, 1),
            retry(1_010, 1_050),
            "not before the wait, not after half of the buffered time"
        );
    }

    #[test]
    fn exponential_doubles_up_to_its_cap_and_draws() {
        let policy = RetryPolicy::default();
        let waits = [1, 2, 3, 6, 7, 99].map(|attempts| policy.wait(attempts, u64::MAX).as_millis());
        assert_eq!(waits, [100, 200, 400, 3_200, 5_000, 5_000]);
        assert!(policy.wait(1, 0) < Duration::from_micros(2));
        let middle = policy.wait(3, u64::MAX / 2);
        assert!(middle > Duration::from_millis(199) && middle < Duration::from_millis(201));
        let absurd = RetryPolicy::Exponential { base: Duration::MAX, cap: Duration::MAX };
        assert!(absurd.wait(u32::MAX, u64::MAX) > Duration::from_secs(1 << 30));
    }

    #[test]
    fn an_expiration_that_is_nearer_is_met_half_way() {
        assert_eq!(leave_by(at(50), at(51), at(1)), at(50));
        assert_eq!(leave_by(at(50), at(21), at(1)), at(11), "it would expire in the buffer");
        assert_eq!(leave_by(at(50), Instant::NEVER, at(1)), at(50));
    }

    #[test]
    fn a_server_may_ask_for_five_seconds_more() {
        let linear = RetryPolicy::Linear { max_attempts: 10, step: Duration::from_millis(100) };
        let config = Config::builder().retry(linear).build().expect("a valid configuration");
        for (asked, not_before) in [(0, 1_100), (50, 1_100), (700, 1_700), (60_000, 6_100)] {
            let retry_after = Some(Duration::from_millis(asked));
            let error =
                AttemptError { retry_after, ..AttemptError::new(ErrorCode::ServiceUnavailable) };
            let verdict = judge(&error, 1, u64::MAX, linear, &config, at(1_000));
            assert_eq!(verdict, retry(not_before, not_before), "{asked}");
        }
    }

    #[test]
    fn permanent_errors_are_not_retried_and_credentials_take_their_time() {
        let code = ErrorCode::ResourceNotFoundException;
        let verdict = judge_code(RetryPolicy::Kpl, 1, code.clone());
        assert_eq!(verdict, Verdict::Fail(Cause::Permanent(code)));
        let verdict = judge_code(RetryPolicy::Kpl, 1, ErrorCode::ExpiredTokenException);
        assert_eq!(verdict, retry(2_000, 2_000));
    }
}
