use core::fmt;

use headwaters_wire::{AttemptError, ErrorCode, SequenceNumber, ShardId};
use smallvec::SmallVec;

use crate::record::{Token, UserRecord};
use crate::time::Instant;

/// The one final word on one user record, or on several that were packed together and had the same attempts.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Completion {
    /// The attempts that were made, oldest first.
    pub attempts: Attempts,
    /// What became of the record.
    pub outcome: Outcome,
    /// The user records that it is about.
    pub tokens: SmallVec<[Token; 1]>,
}

/// What became of a record.
#[derive(Clone, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "the three-way truth is the promise")]
pub enum Outcome {
    /// Nobody can tell whether the service stored it: an attempt ended without a usable answer, and no
    /// later one succeeded. Putting it again can make a duplicate; not putting it again can lose it.
    MaybeStored {
        /// Why there were no further attempts.
        cause: Cause,
        /// The record.
        record: UserRecord,
    },
    /// The service did not store it.
    NotStored {
        /// Why not.
        cause: Cause,
        /// The record.
        record: UserRecord,
    },
    /// The service stored it and said so.
    Stored {
        /// Whether an earlier attempt may have stored it too.
        maybe_duplicate: bool,
        /// Its number.
        sequence_number: SequenceNumber,
        /// Its shard.
        shard: ShardId,
    },
}

/// Why a record was not delivered.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Cause {
    /// The retry policy allows no more attempts; the last error is the last attempt's.
    AttemptsExhausted,
    /// The producer was closed and its deadline came first, or the record came after the close.
    Closed,
    /// The record's time to live ended: that of the settings, or one that was given with it.
    Expired,
    /// The service refused it with an error that no retry can mend: by itself, or with everything that was in its request
    /// because the stream is at fault.
    Permanent(ErrorCode),
    /// The service wants less, and [`Config::fail_if_throttled`](crate::Config::fail_if_throttled) is set.
    Throttled,
    /// The producer was told to give everything back.
    Purged,
    /// It never was accepted: there is no room.
    RefusedFull,
    /// It never was accepted: too much waits for its shard.
    RefusedShardFull,
    /// It never was accepted: it is larger than the stream takes.
    RefusedTooLarge {
        /// The most bytes that the stream takes, data and partition key together.
        limit: usize,
    },
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AttemptsExhausted => f.write_str("no attempts are left (see `retry`)"),
            Self::Closed => f.write_str("the producer was closed"),
            Self::Expired => f.write_str(
                "its time to live ended (see `record_ttl`, or the time that was given with it)",
            ),
            Self::Permanent(code) => write!(f, "the service refused it for good: {code}"),
            Self::Throttled => f.write_str("the service wants less (see `fail_if_throttled`)"),
            Self::Purged => f.write_str("the producer was purged"),
            Self::RefusedFull => f.write_str("there is no room (see `bounds`)"),
            Self::RefusedShardFull => {
                f.write_str("too much waits for its shard (see `shard_share` and `bounds`)")
            }
            Self::RefusedTooLarge { limit } => {
                write!(f, "it is larger than the {limit} bytes of `max_user_record_size`")
            }
        }
    }
}

/// One try to store a record.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Attempt {
    /// When the answer came, or the engine stopped waiting for it.
    pub end: Instant,
    /// Why it failed; `None` if it stored the record.
    pub error: Option<AttemptError>,
    /// When the batch was handed to the driver.
    pub start: Instant,
}

/// The attempts of one record: their number, and the first and the last few of them.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Attempts {
    count: u32,
    kept: SmallVec<[Attempt; 1]>,
}

impl Attempts {
    /// Most attempts that are kept in full; beyond it the ones in the middle go.
    pub const KEPT_MAX: usize = 4;
    /// How many of them are the first ones.
    const KEPT_FIRST: usize = 1;
    /// Memory that the attempts of one record take while it is held.
    pub(crate) const BYTES: usize = size_of::<Self>() + Self::KEPT_MAX * size_of::<Attempt>();

    /// How many attempts were made, those included that count for no retry policy: a request was refused as a whole, and
    /// sent again in parts.
    pub const fn count(&self) -> u32 {
        self.count
    }

    /// The attempts that were kept, oldest first: the first and the last three. When memory was short
    /// ([`Bounds`](crate::Bounds)) any of them can be missing, the first too, or all; [`count`](Self::count) counts them
    /// all the same.
    pub fn kept(&self) -> &[Attempt] {
        &self.kept
    }

    /// The last attempt that was kept: the very last, unless memory was short.
    pub fn last(&self) -> Option<&Attempt> {
        self.kept.last()
    }

    /// What went wrong in that attempt, if anything did.
    pub fn last_error(&self) -> Option<&AttemptError> {
        self.last()?.error.as_ref()
    }

    /// Bytes of memory behind it.
    pub(crate) fn memory(&self) -> usize {
        if self.kept.spilled() { self.kept.capacity() * size_of::<Attempt>() } else { 0 }
    }

    /// The only attempt.
    #[inline(always)]
    pub(crate) fn one(attempt: Attempt) -> Self {
        Self { count: 1, kept: SmallVec::from_buf([attempt]) }
    }

    pub(crate) fn push(&mut self, attempt: Attempt) {
        if self.kept.len() == Self::KEPT_MAX {
            self.kept.remove(Self::KEPT_FIRST);
        }
        self.count_one();
        self.kept.push(attempt);
    }

    /// Counts an attempt of which nothing is kept.
    pub(crate) const fn count_one(&mut self) {
        self.count = self.count.saturating_add(1);
    }

    /// Adds later attempts; only their number if nothing is to be kept.
    pub(crate) fn extend(&mut self, later: &Self, keep: bool) {
        let count = self.count.saturating_add(later.count);
        if keep {
            later.kept.iter().cloned().for_each(|attempt| self.push(attempt));
        } else {
            self.kept = SmallVec::new();
        }
        self.count = count;
    }
}

/// One line without payload and key, for traces.
impl fmt::Display for Completion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("complete")?;
        self.tokens.iter().try_for_each(|token| write!(f, " {}", token.0))?;
        match &self.outcome {
            Outcome::MaybeStored { cause, .. } => write!(f, " maybe-stored cause={cause:?}")?,
            Outcome::NotStored { cause, .. } => write!(f, " not-stored cause={cause:?}")?,
            Outcome::Stored { maybe_duplicate, sequence_number, shard } => {
                write!(f, " stored {shard} {sequence_number}")?;
                if *maybe_duplicate {
                    f.write_str(" maybe-duplicate")?;
                }
            }
        }
        write!(f, " attempts={}", self.attempts.count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    #[test]
    fn the_first_and_the_last_three_attempts_are_kept() {
        let mut attempts = Attempts::default();
        for nanos in 0..100 {
            let at = Instant::from_nanos(nanos);
            attempts.push(Attempt { start: at, end: at, error: None });
        }
        let kept: Vec<u64> = attempts.kept().iter().map(|a| a.start.as_nanos()).collect();
        assert_eq!(attempts.count(), 100);
        assert_eq!(kept, [0, 97, 98, 99]);
    }
}
