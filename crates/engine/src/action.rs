use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use headwaters_wire::{AttemptError, Entries, Entry};
use smallvec::SmallVec;

use crate::check_sums::CheckSums;
use crate::completion::Completion;
use crate::event::Until;
use crate::listing::ListShards;
use crate::stored::Stored;
use crate::time::Instant;

/// What the driver must do. Poll until [`Action::Wait`].
#[derive(Clone, Debug)]
#[must_use = "an action that is dropped can lose records"]
#[expect(clippy::exhaustive_enums, reason = "a driver that forgets an action must not compile")]
pub enum Action {
    /// Stop working on this batch and say [`Event::BatchCancelled`](crate::Event::BatchCancelled). If the
    /// answer comes first, say that instead. The batch keeps its place among the requests in flight until
    /// either comes, or [`Config::cancel_grace`](crate::Config::cancel_grace) ends.
    CancelBatch(BatchId),
    /// Closing is done: nothing is held any more.
    CloseFinished {
        /// How many records the deadline handed back.
        undelivered: u64,
    },
    /// One or more user records have their outcome, the only one they will ever get.
    Complete(Completion),
    /// A flush is done, or its deadline has come.
    FlushFinished {
        /// Which flush.
        flush: FlushId,
        /// How many of its records have no outcome yet (0 unless the deadline came first).
        pending: u64,
    },
    /// Send this ListShards request, and say what came of it with
    /// [`Event::ShardsListed`](crate::Event::ShardsListed). There is never more than one: a new one means that the
    /// engine waits for the one before no more.
    ListShards(ListShards),
    /// A notice: these entries of a batch failed and the engine has already put their records back.
    Requeue(Requeue),
    /// A record was refused for want of room before, and now there is some.
    RoomAvailable,
    /// Send these entries as one PutRecords request, and say what came of it with
    /// [`Event::PutRecordsFinished`](crate::Event::PutRecordsFinished).
    SendBatch(Batch),
    /// User records have their outcome, as with [`Complete`](Self::Complete): they were stored, each at its first attempt.
    Stored(Stored),
    /// Nothing more to do until something happens or this time comes.
    Wait(Wakeup),
}

impl Action {
    /// The same outcomes one by one: [`Stored`](Self::Stored) as a [`Complete`](Self::Complete) for each record, and what
    /// else there is as it is. For whoever treats all outcomes alike; it costs what telling all at once had saved.
    pub fn one_by_one(self) -> impl Iterator<Item = Self> {
        let (stored, other) = match self {
            Self::Stored(stored) => (Some(stored), None),
            other => (None, Some(other)),
        };
        stored.into_iter().flat_map(Stored::into_completions).map(Self::Complete).chain(other)
    }
}

/// Names a batch. A later batch never has the same name.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct BatchId {
    pub(crate) slot: u32,
    pub(crate) generation: u32,
}

impl fmt::Display for BatchId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.slot, self.generation)
    }
}

/// The caller's name for a flush.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[expect(clippy::exhaustive_structs, reason = "a number of the caller's, nothing more")]
pub struct FlushId(pub u64);

/// The content of one PutRecords request: 1 to 500 entries, at most 10 MiB.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Batch {
    /// The name under which to report.
    pub id: BatchId,
    /// The entries, in the order in which to send them; none as long as they lack check sums.
    pub entries: Entries,
    /// For each shard of which it has something, for how long the oldest record of it had been held; empty from
    /// [`Engine::seal`](crate::Engine::seal), which returns a batch that came before.
    pub dwell: Vec<Duration>,
    /// The check sums that they lack; always `None` from [`Engine::poll`](crate::Engine::poll).
    pub unsealed: Option<CheckSums>,
}

/// Entries of a batch that failed together and will be sent again together or apart. After the refusal of a whole batch
/// that is bisected they wait for nothing but their turn: both times are now.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Requeue {
    /// The batch in which they failed.
    pub batch: BatchId,
    /// Why.
    pub cause: AttemptError,
    /// When their records leave the buffer at the latest, if there is a free request.
    pub deadline: Instant,
    /// Which entries of the batch, counted from 0, in rising order.
    pub indexes: SmallVec<[u16; 8]>,
    /// When their records may leave the buffer at the earliest.
    pub not_before: Instant,
}

/// When the engine wants to hear of the time again, and what for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Wakeup {
    /// The time; `None` if only an event can bring anything new. Coming late or early does no harm (an
    /// aggregate that lingers goes on filling until the engine is polled).
    pub at: Option<Instant>,
    /// What is due then.
    pub reason: WakeupReason,
}

/// What is due at a [`Wakeup`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum WakeupReason {
    /// There are actions to poll now.
    Actions,
    /// A transport has been silent for too long about a cancelled batch.
    CancelGrace,
    /// The deadline of the close.
    Close,
    /// The deadline of a buffered record.
    Deadline,
    /// The expiration of a buffered record.
    Expiration,
    /// The deadline of a flush.
    Flush,
    /// Nothing: there is no record, or only an answer can help.
    Idle,
    /// A limiter lets something pass again.
    Limiter,
    /// The list of shards: a request is due, or has been in flight for too long.
    Listing,
    /// The end of the pause after requests that failed as a whole.
    Pause,
    /// A request has been in flight for too long.
    RequestTimeout,
    /// The end of the wait before a retry.
    Retry,
}

impl Wakeup {
    pub(crate) const IDLE: Self = Self { at: None, reason: WakeupReason::Idle };

    /// The sooner of this wake-up and `other`.
    pub(crate) fn sooner(self, at: Option<Instant>, reason: WakeupReason) -> Self {
        match (self.at, at) {
            (_, None) => self,
            (Some(mine), Some(other)) if mine <= other => self,
            (_, Some(other)) => Self { at: Some(other), reason },
        }
    }
}

/// One line without payloads and keys, for traces.
impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CancelBatch(batch) => write!(f, "cancel-batch {batch}"),
            Self::CloseFinished { undelivered } => {
                write!(f, "close-finished undelivered={undelivered}")
            }
            Self::Complete(completion) => completion.fmt(f),
            Self::FlushFinished { flush, pending } => {
                write!(f, "flush-finished {} pending={pending}", flush.0)
            }
            Self::Requeue(Requeue { batch, cause, deadline, indexes, not_before }) => {
                write!(f, "requeue {batch} cause={} not-before={not_before}", cause.code)?;
                write!(f, " deadline={deadline} indexes=")?;
                indexes.iter().enumerate().try_for_each(|(at, index)| {
                    write!(f, "{}{index}", if at == 0 { "" } else { "," })
                })
            }
            Self::ListShards(ListShards { id, next_token }) => {
                let page = if next_token.is_some() { "next page" } else { "first page" };
                write!(f, "list-shards {id} {page}")
            }
            Self::RoomAvailable => f.write_str("room-available"),
            Self::SendBatch(Batch { id, unsealed: Some(_), .. }) => {
                write!(f, "send-batch {id} unsealed")
            }
            Self::SendBatch(Batch { id, entries, .. }) => {
                let bytes: usize = entries.iter().map(Entry::size).sum();
                write!(f, "send-batch {id} entries={} bytes={bytes}", entries.len())
            }
            Self::Stored(stored) => stored.fmt(f),
            Self::Wait(Wakeup { at, reason }) => write!(f, "wait {} {reason:?}", Until(*at)),
        }
    }
}
