use core::fmt;

use crate::completion::{Attempts, Cause, Completion, Outcome};
use crate::record::{Token, UserRecord};
use smallvec::smallvec;

/// A record that was not accepted, given back.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Refused {
    /// Why.
    pub reason: RefusedReason,
    /// The record, untouched.
    pub record: UserRecord,
}

/// Why a record was not accepted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum RefusedReason {
    /// The engine is closing or closed.
    Closed,
    /// There is no room now; [`Action::RoomAvailable`](crate::Action::RoomAvailable) will say when to try again.
    Full,
    /// Too much waits for the shard of this record ([`ShardShare`](crate::ShardShare)), while there is room for others;
    /// [`Action::RoomAvailable`](crate::Action::RoomAvailable) will say when to try again.
    ShardFull,
    /// The record is larger than the stream takes, or than all the room there is.
    TooLarge {
        /// The most bytes, data and partition key together.
        limit: usize,
    },
}

impl fmt::Display for RefusedReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("the producer is closed"),
            Self::Full => f.write_str("the producer is full; wait for room, or raise `bounds`"),
            Self::ShardFull => f.write_str(
                "too much waits for the shard of this record; wait for room, or raise `bounds` or `shard_share`",
            ),
            Self::TooLarge { limit } => write!(
                f,
                "the record is larger than {limit} bytes, data and partition key together; if the \
                 stream takes more, raise `max_user_record_size` (and `bounds` with it)"
            ),
        }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.reason.fmt(f)
    }
}

impl core::error::Error for Refused {}

impl Refused {
    /// A refusal by somebody before the engine, who has bounds of its own.
    pub const fn new(reason: RefusedReason, record: UserRecord) -> Self {
        Self { reason, record }
    }

    /// The refusal as an outcome, for whoever has promised one.
    pub fn into_completion(self, token: Token) -> Completion {
        let cause = match self.reason {
            RefusedReason::Closed => Cause::Closed,
            RefusedReason::Full => Cause::RefusedFull,
            RefusedReason::ShardFull => Cause::RefusedShardFull,
            RefusedReason::TooLarge { limit } => Cause::RefusedTooLarge { limit },
        };
        let outcome = Outcome::NotStored { cause, record: self.record };
        Completion { attempts: Attempts::default(), outcome, tokens: smallvec![token] }
    }
}
