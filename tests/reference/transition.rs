//! What can happen to a producer. Transitions name requests by their places among those there are, so
//! that they go on making sense when others are left out.

use core::time::Duration;

use headwaters_engine::wire::{
    AttemptError, Entry, ErrorCode, HashKey, Message, PartitionKey, Placement, ShardId,
};
use headwaters_engine::{
    BatchId, Bounds, Event, FlushId, Instant, PutRecordsResult, Sent, Timing, Token, UserRecord,
};

use super::state::Naive;

#[derive(Clone, Debug)]
pub(crate) struct Transition {
    pub(crate) pace: Pace,
    pub(crate) what: What,
}

/// At what time something happens.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Pace {
    /// Now, but the clock says that it was earlier.
    Back { micros: u32 },
    /// A long time later.
    Far { seconds: u32 },
    /// So much later.
    Later { micros: u32 },
    /// When the next thing is due, or so much before or after.
    Next { nanos: i8 },
}

#[derive(Clone, Debug)]
pub(crate) enum What {
    Add { by_event: bool, drafts: Vec<Draft> },
    Answer { results: Vec<EntryResult>, which: usize },
    Bounds { bytes: Option<usize>, records: usize },
    Cancelled { sent: Sent, which: usize },
    Close { within_millis: Option<u16> },
    Fail { code: ErrorCode, which: usize },
    Flush { within_millis: Option<u16> },
    Miscount { results: usize, which: usize },
    Nothing,
    Purge,
    Ready,
    Repeat { as_cancelled: bool, which: usize },
}

/// What the service says of one entry.
#[derive(Clone, Debug)]
pub(crate) enum EntryResult {
    /// It is stored in a shard of which nobody knows. Aggregates never are.
    Elsewhere,
    Failed(ErrorCode),
    Stored,
}

/// A record in the making.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    pub(crate) bytes: usize,
    pub(crate) explicit_hash_key: Option<u8>,
    pub(crate) key: u8,
    pub(crate) timing: Timing,
}

/// A transition with the names of what it is about.
#[derive(Clone, Debug)]
pub(crate) enum Command<Id> {
    Add { by_event: bool, puts: Vec<Put> },
    Answer { id: Id, result: PutRecordsResult },
    Bounds(Bounds),
    Cancelled { id: Id, sent: Sent },
    Close(Option<Instant>),
    Flush { deadline: Option<Instant>, id: FlushId },
    Nothing,
    Purge,
    Ready,
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Put {
    pub(crate) record: UserRecord,
    pub(crate) timing: Timing,
    pub(crate) token: Token,
}

impl Transition {
    /// What it means for a producer in this state, and when it happens. What is about a request does
    /// nothing if there is none.
    pub(crate) fn resolve<Id: Copy + Ord>(&self, naive: &Naive<Id>) -> (Command<Id>, Instant) {
        let now = self.pace.resolve(naive);
        (self.what.resolve(naive, now).unwrap_or(Command::Nothing), now)
    }
}

impl Pace {
    /// At the time of what happened before.
    pub(crate) const NOW: Self = Self::Later { micros: 0 };

    fn resolve<Id: Copy + Ord>(self, naive: &Naive<Id>) -> Instant {
        let now = naive.now;
        match self {
            Self::Back { micros } => {
                Instant::from_nanos(now.as_nanos().saturating_sub(u64::from(micros) * 1_000))
            }
            Self::Far { seconds } => now.after(Duration::from_secs(seconds.into())),
            Self::Later { micros } => now.after(Duration::from_micros(micros.into())),
            Self::Next { nanos } => {
                let next = naive.next().unwrap_or(now);
                Instant::from_nanos(next.as_nanos().saturating_add_signed(nanos.into()))
            }
        }
    }
}

impl What {
    fn resolve<Id: Copy + Ord>(&self, naive: &Naive<Id>, now: Instant) -> Option<Command<Id>> {
        // Deadlines are counted from the engine's time, which never goes back.
        let now = now.max(naive.now);
        let deadline = |millis: &u16| now.after(Duration::from_millis(u64::from(*millis)));
        let request = |which: usize| naive.requests.get(which.checked_rem(naive.requests.len())?);
        // The last ones first.
        let gone = |which: usize| naive.gone.iter().rev().nth(which.checked_rem(naive.gone.len())?);
        Some(match self {
            Self::Add { by_event, drafts } => {
                let first = naive.stats.accepted + naive.stats.refused;
                let puts = (first..).zip(drafts).map(|(token, draft)| draft.put(token)).collect();
                Command::Add { by_event: *by_event, puts }
            }
            Self::Answer { results, which } => {
                let request = request(*which)?;
                let results = results.iter().chain(core::iter::repeat(&EntryResult::Stored));
                let answer = |(entry, result): (&Vec<usize>, _)| answer(naive, entry, result);
                let result = Ok(request.entries.iter().zip(results).map(answer).collect());
                Command::Answer { id: request.id, result }
            }
            Self::Bounds { bytes, records } => {
                let bytes = bytes.unwrap_or(naive.config.bounds().bytes);
                Command::Bounds(Bounds { bytes, records: *records })
            }
            Self::Cancelled { sent, which } => {
                Command::Cancelled { id: request(*which)?.id, sent: *sent }
            }
            Self::Close { within_millis } => Command::Close(within_millis.as_ref().map(deadline)),
            Self::Fail { code, which } => {
                Command::Answer { id: request(*which)?.id, result: Err(error(code)) }
            }
            Self::Flush { within_millis } => {
                let id = FlushId(naive.commands);
                Command::Flush { deadline: within_millis.as_ref().map(deadline), id }
            }
            Self::Miscount { results, which } => {
                let request = request(*which)?;
                let count = results + usize::from(*results == request.entries.len());
                let result = Ok(vec![Ok(placement(0, 0)); count]);
                Command::Answer { id: request.id, result }
            }
            Self::Nothing => Command::Nothing,
            Self::Purge => Command::Purge,
            Self::Ready => Command::Ready,
            Self::Repeat { as_cancelled: true, which } => {
                Command::Cancelled { id: *gone(*which)?, sent: Sent::Unknown }
            }
            Self::Repeat { as_cancelled: false, which } => {
                Command::Answer { id: *gone(*which)?, result: Ok(vec![Ok(placement(0, 0))]) }
            }
        })
    }
}

impl Draft {
    /// The record of which the payload begins with its token.
    fn put(&self, token: u64) -> Put {
        let mut data = token.to_be_bytes().to_vec();
        data.resize(self.bytes.max(data.len()), 0);
        let hash_key = |byte| HashKey::new(u128::from(byte) << 120);
        let entry = Entry {
            data: data.into(),
            explicit_hash_key: self.explicit_hash_key.map(hash_key),
            partition_key: PartitionKey::new(format!("key-{}", self.key)).expect("a valid key"),
        };
        let record = UserRecord::from_entry(entry).expect("a small record");
        Put { record, timing: self.timing, token: Token(token) }
    }
}

impl Command<BatchId> {
    /// The event for an engine; none for records, which go another way.
    pub(crate) fn event(&self) -> Option<Event> {
        Some(match self.clone() {
            Self::Add { .. } => return None,
            Self::Answer { id, result } => Event::PutRecordsFinished { batch: id, result },
            Self::Bounds(bounds) => Event::BoundsChanged(bounds),
            Self::Cancelled { id, sent } => Event::BatchCancelled { batch: id, sent },
            Self::Close(deadline) => Event::CloseRequested { deadline },
            Self::Flush { deadline, id } => Event::FlushRequested { flush: id, deadline },
            Self::Nothing => Event::TimeAdvanced,
            Self::Purge => Event::PurgeRequested,
            Self::Ready => Event::TransportReady,
        })
    }
}

fn answer<Id: Copy + Ord>(
    naive: &Naive<Id>,
    entry: &[usize],
    result: &EntryResult,
) -> Result<Placement, AttemptError> {
    let (number, shard) = (entry[0], naive.lane(entry[0]));
    match result {
        EntryResult::Failed(code) => Err(error(code)),
        EntryResult::Elsewhere if entry.len() == 1 => Ok(placement(number, 99)),
        EntryResult::Elsewhere | EntryResult::Stored => Ok(placement(number, shard)),
    }
}

fn error(code: &ErrorCode) -> AttemptError {
    AttemptError::with_message(code.clone(), Message::new("it does happen"))
}

fn placement(number: usize, shard: u32) -> Placement {
    let sequence_number = format!("{}", 1_000 + number).parse().expect("digits");
    Placement { sequence_number, shard: ShardId::numbered(shard.into()) }
}
