use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;

use headwaters_engine::wire::limits::{REQUEST_BYTES_MAX, REQUEST_ENTRIES_MAX};
use headwaters_engine::wire::{Certainty, Entry, SequenceNumber, ShardId};
use headwaters_engine::{
    Batch, BatchId, Cause, Completion, Config, Instant, Outcome, PutRecordsResult, Requeue, Stats,
};
use headwaters_model::Stream;

/// Watches everything that goes into and comes out of an engine, and says what must not be.
///
/// It shares no code with the engine: it counts for itself, and believes only the service's ledger.
#[derive(Debug)]
pub(crate) struct Checker {
    config: Config,
    records: Vec<Record>,
    batches: BTreeMap<BatchId, Vec<usize>>,
    /// Records that the answer just given says are stored: their outcomes are due at once.
    owed: Vec<usize>,
    completed: u64,
    /// Records that a close handed back.
    handed_back: u64,
    /// Records that wait in the buffer, by the time at which they must leave if a request is free.
    leaving: BTreeSet<(Instant, usize)>,
    /// Requests that are neither answered nor cancelled, by their start.
    awaited: BTreeSet<(Instant, BatchId)>,
    /// Requests that were cancelled before they timed out: their records must be handed back at once.
    cancelled_early: Vec<BatchId>,
}

#[derive(Debug, Default)]
struct Record {
    accepted: Option<Instant>,
    /// Attempts that may have stored it.
    ambiguous: u64,
    in_flight: bool,
    leave_by: Instant,
    not_before: Instant,
    outcome: Option<Ended>,
}

#[derive(Debug)]
enum Ended {
    MaybeStored,
    NotStored,
    Stored { maybe_duplicate: bool, sequence_number: SequenceNumber, shard: ShardId },
}

/// What a rule was broken by, in words.
pub(crate) type Checked = Result<(), String>;

/// The number that a record carries in the first bytes of its payload.
pub(crate) fn number(entry: &Entry) -> Option<usize> {
    let bytes = entry.data.first_chunk::<8>()?;
    usize::try_from(u64::from_be_bytes(*bytes)).ok()
}

fn rule(holds: bool, broken: impl FnOnce() -> String) -> Checked {
    if holds { Ok(()) } else { Err(broken()) }
}

impl Checker {
    pub(crate) fn new(config: Config, records: usize) -> Self {
        let mut all = Vec::new();
        all.resize_with(records, Record::default);
        Self {
            config,
            records: all,
            batches: BTreeMap::new(),
            owed: vec![],
            completed: 0,
            handed_back: 0,
            leaving: BTreeSet::new(),
            awaited: BTreeSet::new(),
            cancelled_early: vec![],
        }
    }

    pub(crate) fn accepted(&mut self, number: usize, now: Instant) {
        let leave_by = now.after(self.config.record_max_buffered_time());
        self.records[number].accepted = Some(now);
        self.records[number].leave_by = leave_by;
        self.leaving.insert((leave_by, number));
    }

    /// How many records a purge or a close has handed back.
    pub(crate) const fn handed_back(&self) -> u64 {
        self.handed_back
    }

    /// How many records were accepted and have no outcome.
    pub(crate) fn open(&self) -> u64 {
        let accepted = self.records.iter().filter(|record| record.accepted.is_some()).count();
        accepted as u64 - self.completed
    }

    /// A request leaves: within the limits, with nothing in it that must not be sent.
    pub(crate) fn sent(&mut self, batch: &Batch, now: Instant) -> Checked {
        let collection_max_count = self.config.collection_max_count();
        let collection_max_size = self.config.collection_max_size();
        let record_ttl = self.config.record_ttl();
        let (count, id) = (batch.entries.len(), batch.id);
        let bytes: usize = batch.entries.iter().map(Entry::size).sum();
        rule(count > 0, || format!("batch {id} is empty"))?;
        rule(count <= REQUEST_ENTRIES_MAX.min(collection_max_count), || {
            format!("batch {id} has {count} entries")
        })?;
        rule(bytes <= REQUEST_BYTES_MAX, || format!("batch {id} has {bytes} bytes"))?;
        rule(bytes <= collection_max_size || count == 1, || {
            format!("batch {id} has {bytes} bytes, more than the setting")
        })?;
        let mut numbers = Vec::with_capacity(count);
        for entry in &batch.entries {
            let number = number(entry).filter(|&number| number < self.records.len());
            let number = number.ok_or("a record was invented")?;
            let record = &mut self.records[number];
            let accepted = record.accepted.ok_or("a record was sent that was not accepted")?;
            rule(record.outcome.is_none(), || {
                format!("record {number} was sent again after its outcome {:?}", record.outcome)
            })?;
            rule(!record.in_flight, || format!("record {number} is in two requests at once"))?;
            rule(record_ttl.is_none_or(|ttl| now < accepted.after(ttl)), || {
                format!("record {number} was sent after its expiration")
            })?;
            rule(now >= record.not_before, || {
                format!("record {number} was sent before its wait ended at {}", record.not_before)
            })?;
            record.in_flight = true;
            self.leaving.remove(&(record.leave_by, number));
            numbers.push(number);
        }
        self.awaited.insert((now, id));
        rule(self.batches.insert(id, numbers).is_none(), || format!("batch {id} is named twice"))
    }

    /// The engine cancels a request: when it has taken too long, or when nobody waits for it any more.
    pub(crate) fn cancelled(&mut self, batch: BatchId, now: Instant) -> Checked {
        let start = self.awaited.iter().find(|(_, id)| *id == batch).map(|&(start, _)| start);
        let start = start.ok_or_else(|| format!("{batch} is cancelled and not awaited"))?;
        self.awaited.remove(&(start, batch));
        if now < start.after(self.config.request_timeout()) {
            self.cancelled_early.push(batch);
        }
        Ok(())
    }

    /// A request is over, whatever came of it.
    pub(crate) fn over(&mut self, batch: BatchId) {
        self.awaited.retain(|(_, id)| *id != batch);
    }

    /// The engine got an answer that it was waiting for.
    pub(crate) fn answered(&mut self, batch: BatchId, result: &PutRecordsResult) {
        let Some(numbers) = self.batches.get(&batch) else { return };
        let Ok(results) = result else { return };
        if results.len() == numbers.len() {
            let stored = numbers.iter().zip(results).filter(|(_, result)| result.is_ok());
            self.owed.extend(stored.map(|(&number, _)| number));
        }
    }

    /// Entries go back: the right ones, and in time.
    pub(crate) fn requeued(&mut self, requeue: &Requeue, now: Instant) -> Checked {
        let Requeue { batch, cause, deadline, indexes, not_before, .. } = requeue;
        let half = now.after(self.config.record_max_buffered_time() / 2);
        rule(indexes.is_sorted_by(|a, b| a < b), || format!("indexes of {batch} do not rise"))?;
        rule(not_before <= deadline, || format!("a deadline before the wait in {batch}"))?;
        rule(*deadline <= half.max(*not_before), || {
            format!("requeued until {deadline}, past half of the buffered time")
        })?;
        let numbers = self.batches.get(batch).ok_or("an unknown batch was requeued")?;
        for &index in indexes {
            let number = *numbers.get(usize::from(index)).ok_or("an index beyond its batch")?;
            let record = &mut self.records[number];
            rule(record.in_flight, || format!("record {number} was requeued from nowhere"))?;
            record.in_flight = false;
            record.not_before = *not_before;
            record.leave_by = *deadline;
            self.leaving.insert((*deadline, number));
            record.ambiguous += u64::from(cause.code.certainty() == Certainty::MaybeStored);
        }
        Ok(())
    }

    /// A record has its outcome: its only one, in time, and in agreement with its attempts.
    pub(crate) fn completed(&mut self, completion: &Completion, now: Instant) -> Checked {
        let [token] = completion.tokens[..] else {
            return Err("a completion without exactly one token".to_string());
        };
        let number = usize::try_from(token.0).unwrap_or(usize::MAX);
        let record = self.records.get_mut(number).ok_or("an unknown token")?;
        let accepted = record.accepted.ok_or("an outcome for a record that was not accepted")?;
        rule(record.outcome.is_none(), || format!("record {number} has two outcomes"))?;
        if let Some(ttl) = self.config.record_ttl() {
            let timeout = self.config.request_timeout() + self.config.cancel_grace();
            let latest = accepted.after(ttl).after(timeout);
            rule(now <= latest, || format!("record {number} has its outcome too late"))?;
        }
        let last = completion.attempts.last().and_then(|attempt| attempt.error.as_ref());
        if record.in_flight {
            let uncertain = |code: Certainty| u64::from(code == Certainty::MaybeStored);
            record.ambiguous += last.map_or(0, |error| uncertain(error.code.certainty()));
        }
        record.in_flight = false;
        self.leaving.remove(&(record.leave_by, number));
        self.completed += 1;
        let handed_back = matches!(
            completion.outcome,
            Outcome::MaybeStored { cause: Cause::Closed | Cause::Purged, .. }
                | Outcome::NotStored { cause: Cause::Closed | Cause::Purged, .. }
        );
        self.handed_back += u64::from(handed_back);
        record.outcome = Some(match &completion.outcome {
            Outcome::MaybeStored { .. } => Ended::MaybeStored,
            Outcome::NotStored { cause, .. } => {
                rule(
                    *cause != Cause::AttemptsExhausted || completion.attempts.count() > 0,
                    || format!("record {number} exhausted no attempt"),
                )?;
                Ended::NotStored
            }
            Outcome::Stored { maybe_duplicate, sequence_number, shard } => Ended::Stored {
                maybe_duplicate: *maybe_duplicate,
                sequence_number: sequence_number.clone(),
                shard: shard.clone(),
            },
        });
        Ok(())
    }

    /// The engine waits: nothing is owed, and its figures are right.
    pub(crate) fn waits(&mut self, at: Option<Instant>, stats: &Stats, now: Instant) -> Checked {
        for number in self.owed.drain(..) {
            let stored = matches!(self.records[number].outcome, Some(Ended::Stored { .. }));
            rule(stored, || format!("record {number} was stored and its outcome is not"))?;
        }
        rule(at.is_none_or(|at| at > now), || format!("it waits for {at:?}, which has come"))?;
        let free = stats.requests_in_flight < self.config.max_requests_in_flight() as u64;
        let next = self.leaving.first().filter(|(leave_by, _)| free && *leave_by <= now);
        rule(next.is_none(), || format!("a request is free, and {next:?} has not left"))?;
        for batch in self.cancelled_early.drain(..) {
            let waits = self.batches[&batch].iter().any(|&number| self.records[number].in_flight);
            rule(!waits, || format!("{batch} is cancelled before its time, and waited for"))?;
        }
        let timeout = self.config.request_timeout();
        let late = self.awaited.first().filter(|(start, _)| start.after(timeout) <= now);
        rule(late.is_none(), || format!("{late:?} has taken too long"))?;
        rule(stats.bytes_held <= self.config.bounds().bytes as u64, || {
            format!("{} bytes are held", stats.bytes_held)
        })?;
        let held = stats.buffered + stats.in_flight;
        rule(held > 0 || self.awaited.is_empty(), || format!("{:?} is for nobody", self.awaited))?;
        rule(held <= self.config.bounds().records as u64, || format!("{held} records are held"))?;
        rule(stats.requests_in_flight <= self.config.max_requests_in_flight() as u64, || {
            format!("{} requests are in flight", stats.requests_in_flight)
        })?;
        let ended = stats.stored + stats.not_stored + stats.maybe_stored + stats.handed_back;
        rule(ended == self.completed && stats.accepted == ended + held, || {
            format!("{} outcomes were given, and the figures say {stats:?}", self.completed)
        })?;
        rule(held > 0 || stats.requests_in_flight > 0 || at.is_none(), || {
            format!("it holds nothing and waits for {at:?}")
        })
    }

    /// All is over: what the service stored is what the outcomes say. Returns the number of duplicates.
    pub(crate) fn ended(&self, service: &Stream) -> Result<u64, String> {
        let mut copies = vec![0_u64; self.records.len()];
        let mut places: BTreeMap<usize, Vec<(&SequenceNumber, &ShardId)>> = BTreeMap::new();
        for stored in service.ledger() {
            let number = number(&stored.entry).ok_or("the ledger has a record of nobody")?;
            copies[number] += 1;
            let place = (&stored.placement.sequence_number, &stored.placement.shard);
            places.entry(number).or_default().push(place);
        }
        for (number, record) in self.records.iter().enumerate() {
            let copies = copies[number];
            let wrong = || format!("record {number} has {copies} copies: {record:?}");
            let holds = match (&record.accepted, &record.outcome) {
                (None, None) => copies == 0,
                (Some(_), Some(Ended::NotStored)) => copies == 0 && record.ambiguous == 0,
                (Some(_), Some(Ended::MaybeStored)) => {
                    record.ambiguous > 0 && copies <= record.ambiguous
                }
                (Some(_), Some(Ended::Stored { maybe_duplicate, sequence_number, shard })) => {
                    let places = places.get(&number);
                    let place = (sequence_number, shard);
                    places.is_some_and(|places| places.contains(&place))
                        && copies <= 1 + record.ambiguous
                        && *maybe_duplicate == (record.ambiguous > 0)
                }
                (None, Some(_)) | (Some(_), None) => false,
            };
            rule(holds, wrong)?;
        }
        Ok(copies.into_iter().map(|copies| copies.saturating_sub(1)).sum())
    }
}
