//! Arbitrary operations on an engine, and what must hold whatever they are.
//!
//! The bookkeeping here is as plain as can be: a list of records, a list of requests. It believes nothing
//! that the engine says of itself but whether an answer was still awaited.
#![expect(missing_docs, reason = "the names of the operations' parts say what they are")]
#![expect(clippy::exhaustive_enums, reason = "tests are to cover them all")]

use core::num::NonZeroU32;
use core::time::Duration;

use arbitrary::Arbitrary;
use headwaters_engine::wire::aggregate::{Decoded, decode};
use headwaters_engine::wire::limits::{REQUEST_BYTES_MAX, REQUEST_ENTRIES_MAX};
use headwaters_engine::wire::{
    AttemptError, Certainty, Entry, ErrorCode, HashKey, HashKeyRange, ListedShard, Placement,
    ShardId, ShardPage,
};
use headwaters_engine::{
    Action, Batch, BatchId, Bounds, Completion, Config, Engine, Event, FlushId, Instant, ListingId,
    Outcome, RateLimit, RetryPolicy, Sent, ShardPrediction, Timing, Token, UserRecord,
    WakeupReason,
};
use headwaters_sim::poll_in_pieces;

/// Something that a driver can do.
#[derive(Arbitrary, Clone, Debug)]
pub enum Operation {
    /// Put a record of this many bytes, by the call or by the event.
    Add { bytes: u16, by_event: bool },
    /// Put a record that is in a hurry, or has a short life.
    AddTimed { bytes: u16, buffered_millis: Option<u8>, ttl_millis: Option<u8> },
    /// Let time go by.
    Advance { micros: u32 },
    /// Answer one of the requests, each entry by itself. The results repeat if there are too few.
    Answer { which: u8, results: Vec<EntryResult> },
    /// Change the bounds.
    Bounds { records: u8 },
    /// Say that a request was cancelled, asked or not.
    Cancelled { which: u8, nothing_sent: bool },
    /// Close, with or without a deadline.
    Close { within_millis: Option<u16> },
    /// Fail one of the requests as a whole.
    Fail { which: u8, code: Code },
    /// Flush, with or without a deadline.
    Flush { within_millis: Option<u16> },
    /// Answer the request for the shards.
    List { answer: ListAnswer },
    /// Answer a request with another number of results.
    Miscount { which: u8, results: u8 },
    /// Take this many actions and leave the others for later. An odd number of them as drivers do that share an engine: what
    /// has to find other lanes does so one Kinesis record at a time.
    Poll { actions: u8 },
    /// Ask for everything back.
    Purge,
    /// Say that there are new credentials.
    Ready,
    /// Change the number of shards.
    Reshard { shards: u8 },
    /// Answer a request that was answered before.
    Repeat { which: u8 },
    /// Bring a time that lies in the past.
    TurnBack { micros: u32 },
}

/// What the service says when it is asked for the shards.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub enum ListAnswer {
    Denied,
    Failed,
    /// The shards of now.
    Shards,
    /// The first half of the shards of now, and nothing of the other half.
    WithGap,
}

/// What the service says of one entry.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub enum EntryResult {
    Failed(Code),
    Stored,
}

/// One code of each class and certainty.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub enum Code {
    AccessDenied,
    ConnectFailed,
    ExpiredToken,
    InternalFailure,
    Throttled,
    TooLarge,
    Unknown,
}

impl Code {
    /// Each of them.
    pub const ALL: [Self; 7] = [
        Self::AccessDenied,
        Self::ConnectFailed,
        Self::ExpiredToken,
        Self::InternalFailure,
        Self::Throttled,
        Self::TooLarge,
        Self::Unknown,
    ];

    fn error(self) -> AttemptError {
        AttemptError::new(match self {
            Self::AccessDenied => ErrorCode::AccessDeniedException,
            Self::ConnectFailed => ErrorCode::ConnectFailed,
            Self::ExpiredToken => ErrorCode::ExpiredTokenException,
            Self::InternalFailure => ErrorCode::InternalFailure,
            Self::Throttled => ErrorCode::ProvisionedThroughputExceededException,
            Self::TooLarge => ErrorCode::RequestEntityTooLarge,
            Self::Unknown => ErrorCode::parse("NeverHeardOf"),
        })
    }

    /// Whether the record may have been stored all the same: the table again, by hand.
    const fn is_ambiguous(self) -> bool {
        matches!(self, Self::InternalFailure | Self::Unknown)
    }
}

/// Settings that make many things happen in few operations: records go by themselves, and nobody knows where.
pub fn config() -> Config {
    let plain = packing().into_builder().aggregation_enabled(false).rate_limit(RateLimit::Off);
    plain.shard_prediction(ShardPrediction::Off).build().expect("valid settings")
}

/// Likewise: records are packed for their shards, and limited.
pub fn packing() -> Config {
    Config::builder()
        .aggregation_max_count(5)
        .aggregation_max_size(1_000)
        .collection_max_shard_size(1_800)
        .rate_limit(RateLimit::Fixed { percent: 4 })
        .cancel_grace(Duration::from_millis(20))
        .collection_max_count(4)
        .collection_max_size(2_000)
        .max_requests_in_flight(3)
        .max_user_record_size(3_000)
        .bounds(Bounds { bytes: 200_000, records: 40 })
        .record_max_buffered_time(Duration::from_millis(10))
        .record_ttl(Some(Duration::from_millis(300)))
        .request_timeout(Duration::from_millis(100))
        .retry(RetryPolicy::Linear { max_attempts: 4, step: Duration::from_millis(5) })
        .build()
        .expect("valid settings")
}

/// Does the operations, then closes, and returns every action as a line.
///
/// # Panics
/// When a rule is broken: that is what it is for.
pub fn perform(config: Config, operations: &[Operation]) -> Vec<String> {
    let mut driver = Driver::new(config);
    operations.iter().for_each(|operation| driver.perform(operation));
    driver.end();
    driver.trace
}

struct Driver {
    config: Config,
    engine: Engine,
    now: Instant,
    records: Vec<Record>,
    requests: Vec<Request>,
    answered: Vec<BatchId>,
    closes: u32,
    flushes: Vec<FlushId>,
    listing: Option<ListingId>,
    /// How many shards the stream has now.
    shards: u32,
    trace: Vec<String>,
}

#[derive(Debug, Default)]
struct Record {
    accepted: Option<Instant>,
    ambiguous: bool,
    ended: bool,
    /// An awaited answer said that it is stored.
    stored: bool,
    /// It was stored as part of an aggregate where the engine did not expect that.
    strayed: bool,
    ttl: Option<Duration>,
}

struct Request {
    id: BatchId,
    entries: Vec<Parcel>,
}

/// One entry of a request: its records, the hash keys of each, and of the entry itself.
struct Parcel {
    hash_key: HashKey,
    members: Vec<(usize, HashKey)>,
}

impl Driver {
    fn new(config: Config) -> Self {
        Self {
            engine: Engine::new(config.clone(), Instant::ZERO),
            config,
            now: Instant::ZERO,
            records: Vec::new(),
            requests: Vec::new(),
            answered: Vec::new(),
            closes: 0,
            flushes: Vec::new(),
            listing: None,
            shards: 2,
            trace: Vec::new(),
        }
    }

    fn perform(&mut self, operation: &Operation) {
        match operation {
            Operation::Add { bytes, by_event } => {
                self.add(usize::from(*bytes), *by_event, Timing::default());
            }
            Operation::AddTimed { bytes, buffered_millis, ttl_millis } => {
                let millis = |millis: &u8| Duration::from_millis(u64::from(*millis));
                let (max_buffered_time, ttl) = (
                    buffered_millis.as_ref().map(millis),
                    ttl_millis.as_ref().map(millis).map(Some),
                );
                self.add(usize::from(*bytes), true, Timing { max_buffered_time, ttl });
            }
            Operation::Advance { micros } => {
                self.now = self.now.after(Duration::from_micros(u64::from(*micros)));
                self.engine.handle(Event::TimeAdvanced, self.now);
            }
            Operation::Answer { which, results } => self.answer(*which, results),
            Operation::Bounds { records } => {
                let bounds = Bounds { records: usize::from(*records), ..self.config.bounds() };
                self.engine.handle(Event::BoundsChanged(bounds), self.now);
            }
            Operation::Cancelled { which, nothing_sent } => self.cancelled(*which, *nothing_sent),
            Operation::Close { within_millis } => {
                let deadline = self.deadline(*within_millis);
                self.closes += 1;
                self.engine.handle(Event::CloseRequested { deadline }, self.now);
            }
            Operation::Fail { which, code } => self.fail(*which, *code),
            Operation::Flush { within_millis } => {
                let (flush, deadline) =
                    (FlushId(self.trace.len() as u64), self.deadline(*within_millis));
                self.flushes.push(flush);
                self.engine.handle(Event::FlushRequested { flush, deadline }, self.now);
            }
            Operation::List { answer } => self.list(*answer),
            Operation::Miscount { which, results } => self.miscount(*which, *results),
            Operation::Poll { actions } if actions % 2 == 1 => self.poll_in_pieces(*actions),
            Operation::Poll { actions } => {
                for _ in 0..*actions {
                    let action = self.engine.poll();
                    if !self.act(action) {
                        break;
                    }
                }
            }
            Operation::Purge => self.engine.handle(Event::PurgeRequested, self.now),
            Operation::Ready => self.engine.handle(Event::TransportReady, self.now),
            Operation::Repeat { which } => self.repeat(*which),
            Operation::Reshard { shards } => self.shards = 1 + u32::from(*shards) % 4,
            Operation::TurnBack { micros } => {
                let back = self.now.as_nanos().saturating_sub(u64::from(*micros) * 1_000);
                self.engine.handle(Event::TimeAdvanced, Instant::from_nanos(back));
            }
        }
    }

    /// Takes actions as a driver does that shares the engine; a piece of a reshard counts as one.
    fn poll_in_pieces(&mut self, actions: u8) {
        for _ in 0..actions {
            let action = poll_in_pieces(&mut self.engine, 1);
            if let Action::Wait(wakeup) = action
                && wakeup.reason == WakeupReason::Actions
            {
                assert_eq!(wakeup, self.engine.wakeup(), "the same with and without draining");
                self.trace.push("moved a piece".into());
            } else if !self.act(action) {
                break;
            }
        }
    }

    fn deadline(&self, within_millis: Option<u16>) -> Option<Instant> {
        within_millis.map(|millis| self.now.after(Duration::from_millis(u64::from(millis))))
    }

    fn add(&mut self, bytes: usize, by_event: bool, timing: Timing) {
        let number = self.records.len();
        let mut data = vec![0; bytes.max(8)];
        data[..8].copy_from_slice(&(number as u64).to_be_bytes());
        let record = UserRecord::new(format!("key-{}", number % 7), data).expect("a valid record");
        let token = Token(number as u64);
        let before = self.engine.stats().accepted;
        if by_event {
            self.engine.handle(Event::RecordAdded { token, record, timing }, self.now);
        } else if let Err(refused) = self.engine.add(token, record.clone(), self.now) {
            assert_eq!(refused.record, record, "a refused record comes back as it was");
        }
        let accepted = (self.engine.stats().accepted > before).then_some(self.now);
        // A refusal of the event comes out as an outcome; one of the call has been given.
        let ended = accepted.is_none() && !by_event;
        let ttl = timing.ttl.unwrap_or(self.config.record_ttl());
        self.records.push(Record { accepted, ended, ttl, ..Record::default() });
    }

    fn list(&mut self, answer: ListAnswer) {
        let Some(request) = self.listing.take() else { return };
        let count = NonZeroU32::new(self.shards).expect("there are some");
        let shards = match answer {
            ListAnswer::WithGap => self.shards / 2,
            _ => self.shards,
        };
        let shard = |index| ListedShard {
            hash_keys: HashKeyRange::of_even_shard(index, count).expect("one of them"),
            id: shard_id(self.shards, index),
        };
        let result = match answer {
            ListAnswer::Denied => Err(AttemptError::new(ErrorCode::AccessDeniedException)),
            ListAnswer::Failed => Err(AttemptError::new(ErrorCode::LimitExceededException)),
            _ => Ok(ShardPage { next_token: None, shards: (0..shards).map(shard).collect() }),
        };
        self.engine.handle(Event::ShardsListed { request, result }, self.now);
    }

    /// Where the stream stores an entry now, and the hash keys that belong there.
    fn place(&self, key: HashKey) -> (ShardId, HashKeyRange) {
        let count = NonZeroU32::new(self.shards).expect("there are some");
        let ranges =
            (0..self.shards).filter_map(|at| Some((at, HashKeyRange::of_even_shard(at, count)?)));
        let mut found = ranges.filter(|(_, range)| range.contains(key));
        let (index, range) = found.next().expect("the ranges cover everything");
        (shard_id(self.shards, index), range)
    }

    /// Takes one of the requests; none if there are none.
    fn take(&mut self, which: u8) -> Option<Request> {
        if self.requests.is_empty() {
            return None;
        }
        let request = self.requests.swap_remove(usize::from(which) % self.requests.len());
        self.answered.push(request.id);
        Some(request)
    }

    /// Gives the engine an answer; whether its records waited for it.
    fn give(&mut self, event: Event) -> bool {
        let ignored = self.engine.stats().ignored_answers;
        self.engine.handle(event, self.now);
        self.engine.stats().ignored_answers == ignored
    }

    fn answer(&mut self, which: u8, results: &[EntryResult]) {
        let Some(Request { id, entries }) = self.take(which) else { return };
        let results = results.iter().chain(core::iter::repeat(&EntryResult::Stored));
        let results: Vec<_> = results.take(entries.len()).copied().collect();
        let answer = entries.iter().zip(&results).map(|(entry, result)| match result {
            EntryResult::Failed(code) => Err(code.error()),
            EntryResult::Stored => Ok(placement(self.place(entry.hash_key).0)),
        });
        let result = Ok(answer.collect());
        if !self.give(Event::PutRecordsFinished { batch: id, result }) {
            return;
        }
        for (Parcel { hash_key, members }, result) in entries.into_iter().zip(results) {
            let (_, range) = self.place(hash_key);
            let is_whole = members.iter().all(|&(_, key)| range.contains(key));
            for &(number, _) in &members {
                let record = &mut self.records[number];
                match result {
                    EntryResult::Failed(code) => record.ambiguous |= code.is_ambiguous(),
                    EntryResult::Stored if members.len() == 1 => record.stored = true,
                    EntryResult::Stored => {
                        // Whether the engine expected it there is its own affair.
                        record.strayed = true;
                        record.ambiguous |= !is_whole;
                    }
                }
            }
        }
    }

    fn fail(&mut self, which: u8, code: Code) {
        let Some(Request { id, entries }) = self.take(which) else { return };
        if self.give(Event::PutRecordsFinished { batch: id, result: Err(code.error()) }) {
            self.mark_ambiguous(&entries, code.is_ambiguous());
        }
    }

    fn miscount(&mut self, which: u8, results: u8) {
        let Some(Request { id, entries }) = self.take(which) else { return };
        let mut count = usize::from(results);
        count += usize::from(count == entries.len());
        let result = Ok((0..count).map(|_| Ok(placement(shard_id(1, 0)))).collect());
        if self.give(Event::PutRecordsFinished { batch: id, result }) {
            self.mark_ambiguous(&entries, true);
        }
    }

    fn cancelled(&mut self, which: u8, nothing_sent: bool) {
        let Some(Request { id, entries }) = self.take(which) else { return };
        let sent = if nothing_sent { Sent::No } else { Sent::Unknown };
        if self.give(Event::BatchCancelled { batch: id, sent }) {
            self.mark_ambiguous(&entries, !nothing_sent);
        }
    }

    fn mark_ambiguous(&mut self, entries: &[Parcel], ambiguous: bool) {
        for &(number, _) in entries.iter().flat_map(|entry| &entry.members) {
            self.records[number].ambiguous |= ambiguous;
        }
    }

    fn repeat(&mut self, which: u8) {
        if self.answered.is_empty() {
            return;
        }
        let batch = self.answered[usize::from(which) % self.answered.len()];
        let result = Ok(vec![Ok(placement(shard_id(1, 0)))]);
        assert!(!self.give(Event::PutRecordsFinished { batch, result }), "answered twice");
    }

    /// Does one action; false if the engine waits.
    fn act(&mut self, action: Action) -> bool {
        self.trace.push(action.to_string());
        match action {
            Action::CancelBatch(batch) => {
                // Its answer may have come since the engine decided.
                let awaited = self.requests.iter().any(|request| request.id == batch);
                assert!(awaited || self.answered.contains(&batch), "cancels {batch}");
            }
            Action::CloseFinished { .. } => {
                self.closes = self.closes.checked_sub(1).expect("a close that was asked for, once");
                let open = |record: &&Record| record.accepted.is_some() && !record.ended;
                assert_eq!(
                    self.records.iter().filter(open).count(),
                    0,
                    "closed while records have no outcome"
                );
            }
            Action::Complete(completion) => self.complete(&completion),
            Action::Stored(stored) => stored.into_completions().for_each(|one| self.complete(&one)),
            Action::FlushFinished { flush, .. } => {
                let at = self.flushes.iter().position(|&id| id == flush);
                self.flushes.swap_remove(at.expect("a flush that was asked for, once"));
            }
            Action::ListShards(request) => self.listing = Some(request.id),
            Action::Requeue(requeue) => {
                assert!(requeue.indexes.is_sorted() && requeue.not_before <= requeue.deadline);
            }
            Action::RoomAvailable => {}
            Action::SendBatch(batch) => self.send(&batch),
            Action::Wait(wakeup) => {
                assert_eq!(wakeup, self.engine.wakeup(), "the same with and without draining");
                let now = self.now;
                assert!(wakeup.at.is_none_or(|at| at > now), "waits for {wakeup:?} at {now}");
                return false;
            }
        }
        true
    }

    fn send(&mut self, batch: &Batch) {
        let count = batch.entries.len();
        let bytes: usize = batch.entries.iter().map(Entry::size).sum();
        assert!((1..=REQUEST_ENTRIES_MAX.min(self.config.collection_max_count())).contains(&count));
        assert!(bytes <= REQUEST_BYTES_MAX);
        assert!(bytes <= self.config.collection_max_size() || count == 1);
        let entries: Vec<Parcel> = batch.entries.iter().map(parcel).collect();
        for &(number, _) in entries.iter().flat_map(|entry| &entry.members) {
            let record = &self.records[number];
            let accepted = record.accepted.expect("only accepted records are sent");
            assert!(!record.ended, "record {number} is sent after its outcome");
            assert!(!record.stored, "record {number} is stored and sent again");
            let ttl = record.ttl.expect("the settings have one");
            assert!(self.now < accepted.after(ttl), "record {number} is sent too late");
        }
        self.requests.push(Request { id: batch.id, entries });
    }

    fn complete(&mut self, completion: &Completion) {
        for &Token(number) in &completion.tokens {
            self.complete_one(usize::try_from(number).expect("a small number"), completion);
        }
    }

    fn complete_one(&mut self, number: usize, completion: &Completion) {
        let record = &mut self.records[number];
        assert!(!record.ended, "record {number} has two outcomes");
        record.ended = true;
        let ambiguous = match &completion.outcome {
            Outcome::MaybeStored { .. } => true,
            Outcome::NotStored { .. } => false,
            Outcome::Stored { maybe_duplicate, .. } => *maybe_duplicate,
        };
        let stored = matches!(completion.outcome, Outcome::Stored { .. });
        if !record.strayed {
            assert_eq!(
                stored, record.stored,
                "record {number}: what an awaited answer said counts"
            );
        }
        assert!(ambiguous || !record.ambiguous, "record {number}: {completion:?}");
        let kept = completion.attempts.kept();
        if kept.len() == completion.attempts.count() as usize {
            let codes = || kept.iter().filter_map(|attempt| attempt.error.as_ref());
            let maybe = |error: &AttemptError| error.code.certainty() == Certainty::MaybeStored;
            assert_eq!(codes().any(maybe), ambiguous, "record {number}: {completion:?}");
            // Attempts that no answer told of ended by a timeout or by being handed back; of strays the engine
            // may not know enough.
            let untold = |error: &AttemptError| match error.code {
                ErrorCode::RequestTimeout | ErrorCode::Cancelled => true,
                ErrorCode::WrongShard => record.strayed,
                _ => false,
            };
            assert!(record.ambiguous || codes().any(untold) || !ambiguous, "{completion:?}");
        }
    }

    /// Closes at once, and checks that everybody has an outcome.
    fn end(&mut self) {
        let deadline = Some(self.now);
        self.closes += 1;
        self.engine.handle(Event::CloseRequested { deadline }, self.now);
        while {
            let action = self.engine.poll();
            self.act(action)
        } {}
        for (number, record) in self.records.iter().enumerate() {
            assert!(record.ended, "record {number} has no outcome: {record:?}");
        }
        assert!(self.engine.is_empty() && self.flushes.is_empty() && self.closes == 0);
        let stats = self.engine.stats();
        let ended = stats.stored + stats.not_stored + stats.maybe_stored + stats.handed_back;
        assert_eq!((stats.accepted, stats.buffered, stats.in_flight), (ended, 0, 0));
        assert_eq!(stats.bytes_held, 0);
    }
}

fn parcel(entry: &Entry) -> Parcel {
    let members = match decode(entry.data.clone()) {
        Decoded::Aggregate(aggregate) => {
            let members = aggregate.members().map(|member| {
                let member = member.expect("a good member");
                (number(&member.data), member.hash_key().expect("a good key"))
            });
            members.collect()
        }
        Decoded::Plain(data) => vec![(number(&data), entry.hash_key())],
    };
    Parcel { hash_key: entry.hash_key(), members }
}

fn number(data: &[u8]) -> usize {
    let bytes = data.first_chunk::<8>().expect("every record carries its number");
    usize::try_from(u64::from_be_bytes(*bytes)).expect("a small number")
}

/// A shard of a stream that has so many: an id always means the same hash keys.
fn shard_id(shards: u32, index: u32) -> ShardId {
    ShardId::numbered(u64::from(10 * shards + index))
}

fn placement(shard: ShardId) -> Placement {
    let sequence_number = "49590338271490256608559692538361571095921575989136588898";
    let sequence_number = sequence_number.parse().expect("digits");
    Placement { sequence_number, shard }
}
