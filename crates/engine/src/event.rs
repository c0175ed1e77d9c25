use alloc::vec::Vec;
use core::fmt;

use headwaters_wire::{AttemptError, Placement, ShardPage};

use crate::action::{BatchId, FlushId};
use crate::bounds::Bounds;
use crate::listing::ListingId;
use crate::record::{Timing, Token, UserRecord};
use crate::time::Instant;

/// What happened outside the engine.
///
/// Any event may come at any time, in any order and more than once; what makes no sense any more (the
/// answer to a batch that was given up, say) is counted in [`Stats`](crate::Stats) and does nothing else.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_enums, reason = "a driver decides which events it has")]
pub enum Event {
    /// The transport stopped working on a batch without an answer: because
    /// [`Action::CancelBatch`](crate::Action::CancelBatch) asked it to, or of its own accord.
    BatchCancelled {
        /// Which batch.
        batch: BatchId,
        /// Whether anything of it can have left.
        sent: Sent,
    },
    /// There is more or less room from now on. What is held already stays.
    BoundsChanged(Bounds),
    /// Take no more records, deliver what is held, then finish with
    /// [`Action::CloseFinished`](crate::Action::CloseFinished). At `deadline` what is still held is handed
    /// back as by `PurgeRequested`. Asking again can bring the deadline nearer, never push it away.
    CloseRequested {
        /// When to stop trying; `None` for as long as it takes.
        deadline: Option<Instant>,
    },
    /// Send everything accepted before this event without waiting for its deadlines, and finish with
    /// [`Action::FlushFinished`](crate::Action::FlushFinished) when each of these records has an outcome.
    /// Retries keep their waits.
    FlushRequested {
        /// The caller's name for this flush.
        flush: FlushId,
        /// When to report what is still pending (it stays in the engine); `None` to wait for the end.
        deadline: Option<Instant>,
    },
    /// Hand everything back at once: what is unsent as `NotStored`, what is in flight as `MaybeStored`.
    PurgeRequested,
    /// The answer to a batch, or the failure of the request as a whole.
    PutRecordsFinished {
        /// Which batch.
        batch: BatchId,
        /// What came of it.
        result: PutRecordsResult,
    },
    /// The application puts a record. A refusal comes out as
    /// [`Action::Complete`](crate::Action::Complete), the record included; the call
    /// [`Engine::add`](crate::Engine::add) does the same and returns the refusal instead.
    RecordAdded {
        /// The caller's name for the record.
        token: Token,
        /// The record.
        record: UserRecord,
        /// When it is to leave and when it is too late, where that differs from the settings.
        timing: Timing,
    },
    /// The answer to [`Action::ListShards`](crate::Action::ListShards), or its failure.
    ShardsListed {
        /// Which request.
        request: ListingId,
        /// One page of the shards.
        result: Result<ShardPage, AttemptError>,
    },
    /// Nothing but time went by.
    TimeAdvanced,
    /// The transport has new credentials, or its clock is right again: what waits for that need not wait any
    /// more.
    TransportReady,
}

/// The result of a PutRecords request: one result per entry, in the order of the entries, or the failure
/// of the request as a whole.
pub type PutRecordsResult = Result<Vec<Result<Placement, AttemptError>>, AttemptError>;

/// What a transport knows about a batch that it stopped working on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "either it is known that nothing left, or it is not")]
pub enum Sent {
    /// Not one byte of the request left.
    No,
    /// Some or all of it may have left.
    Unknown,
}

/// One line without payloads and keys, for traces.
impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BatchCancelled { batch, sent } => {
                write!(f, "batch-cancelled {batch} sent={sent:?}")
            }
            Self::BoundsChanged(Bounds { bytes, records }) => {
                write!(f, "bounds-changed bytes={bytes} records={records}")
            }
            Self::CloseRequested { deadline } => write!(f, "close-requested {}", Until(*deadline)),
            Self::FlushRequested { flush, deadline } => {
                write!(f, "flush-requested {} {}", flush.0, Until(*deadline))
            }
            Self::PurgeRequested => f.write_str("purge-requested"),
            Self::PutRecordsFinished { batch, result: Err(error) } => {
                write!(f, "put-records-finished {batch} error={}", error.code)
            }
            Self::PutRecordsFinished { batch, result: Ok(results) } => {
                write!(f, "put-records-finished {batch} results={}", results.len())?;
                for (index, result) in results.iter().enumerate() {
                    if let Err(error) = result {
                        write!(f, " {index}={}", error.code)?;
                    }
                }
                Ok(())
            }
            Self::RecordAdded { token, record, timing } => {
                write!(f, "record-added {} size={}", token.0, record.size())?;
                if let Some(time) = timing.max_buffered_time {
                    write!(f, " max-buffered-time={time:?}")?;
                }
                match timing.ttl {
                    Some(Some(ttl)) => write!(f, " ttl={ttl:?}"),
                    Some(None) => f.write_str(" ttl=never"),
                    None => Ok(()),
                }
            }
            Self::ShardsListed { request, result: Err(error) } => {
                write!(f, "shards-listed {request} error={}", error.code)
            }
            Self::ShardsListed { request, result: Ok(page) } => {
                let more = if page.next_token.is_some() { " and more" } else { "" };
                write!(f, "shards-listed {request} shards={}{more}", page.shards.len())
            }
            Self::TimeAdvanced => f.write_str("time-advanced"),
            Self::TransportReady => f.write_str("transport-ready"),
        }
    }
}

/// A deadline in a trace.
pub(crate) struct Until(pub(crate) Option<Instant>);

impl fmt::Display for Until {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(deadline) => write!(f, "until={deadline}"),
            None => f.write_str("until=never"),
        }
    }
}
