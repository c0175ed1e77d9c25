use core::fmt;

use headwaters_engine::wire::AttemptError;
use headwaters_engine::{Cause, Outcome, Refused, RefusedReason, UserRecord};

use crate::ticket::Delivery;

/// What [`put_all`](crate::Producer::put_all) leaves behind: which records of the input were not stored, or maybe
/// stored, and why.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Report {
    /// Records that are not known to be stored, by their index in the input.
    pub failures: Vec<Failure>,
    /// Records that were stored, of which an earlier attempt may have stored a copy.
    pub maybe_duplicates: u64,
    /// Records that were stored.
    pub stored: u64,
    /// Records that were taken from the input. If the time was up, or the producer was closed, before its end, then
    /// nothing from this index on was put.
    pub taken: u64,
    /// Whether the input was read to its end.
    pub whole: bool,
}

/// One record that is not known to be stored.
///
/// Printed, it is one line with the index, the cause, and what went wrong last, without key and payload.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Failure {
    /// Which record of the input, counted from 0.
    pub index: u64,
    /// What is known of it.
    pub why: Why,
}

/// What is known of a record that is not known to be stored.
#[derive(Clone, Debug, Eq, PartialEq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "it has an outcome, or it came too late, or not at all"
)]
pub enum Why {
    /// It has its outcome: not stored, or maybe stored.
    Ended(Delivery),
    /// It was on its way when the time was up: it may be stored, or be stored yet. It has no outcome so far, and the
    /// record is not back.
    Pending,
    /// It was not accepted.
    Refused(Refused),
}

impl Report {
    /// Whether the input was read to its end and every record of it was stored.
    pub fn is_complete(&self) -> bool {
        self.whole && self.failures.is_empty()
    }
}

impl Failure {
    /// Whether the service may have stored it all the same.
    pub fn maybe_stored(&self) -> bool {
        match &self.why {
            Why::Ended(delivery) => matches!(delivery.outcome, Outcome::MaybeStored { .. }),
            Why::Pending => true,
            Why::Refused(_) => false,
        }
    }

    /// Why it was not stored; `None` if it was on its way when the time was up.
    pub fn cause(&self) -> Option<Cause> {
        match &self.why {
            Why::Ended(delivery) => match &delivery.outcome {
                Outcome::MaybeStored { cause, .. } | Outcome::NotStored { cause, .. } => {
                    Some(cause.clone())
                }
                Outcome::Stored { .. } => None,
            },
            Why::Pending => None,
            Why::Refused(refused) => Some(match refused.reason {
                RefusedReason::TooLarge { limit } => Cause::RefusedTooLarge { limit },
                RefusedReason::Full => Cause::RefusedFull,
                RefusedReason::ShardFull => Cause::RefusedShardFull,
                _ => Cause::Closed,
            }),
        }
    }

    /// The record, to be put again; `None` if it was on its way when the time was up.
    pub fn record(&self) -> Option<&UserRecord> {
        match &self.why {
            Why::Ended(delivery) => match &delivery.outcome {
                Outcome::MaybeStored { record, .. } | Outcome::NotStored { record, .. } => {
                    Some(record)
                }
                Outcome::Stored { .. } => None,
            },
            Why::Pending => None,
            Why::Refused(refused) => Some(&refused.record),
        }
    }

    /// What went wrong in its last attempt, if there was one that is known: the reason behind a cause as general as that its
    /// time ended.
    pub fn last_error(&self) -> Option<&AttemptError> {
        match &self.why {
            Why::Ended(delivery) => delivery.last_error(),
            Why::Pending | Why::Refused(_) => None,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "record {}: ", self.index)?;
        match &self.why {
            Why::Ended(delivery) => delivery.fmt(f),
            Why::Pending => f.write_str(
                "on its way when the time was up; nobody knows yet whether it is stored",
            ),
            Why::Refused(refused) => write!(f, "not accepted: {refused}"),
        }
    }
}
