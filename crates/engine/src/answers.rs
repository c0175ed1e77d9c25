//! What becomes of a request: each of its Kinesis records is stored, put back, or given up, by the table in the
//! crate's documentation.

use alloc::boxed::Box;
use alloc::format;
use alloc::sync::Arc;
use alloc::vec::{IntoIter, Vec};

use headwaters_wire::{AttemptError, Class, Entries, ErrorCode, Message, Placement};
use smallvec::SmallVec;

use crate::action::{Action, BatchId};
use crate::bisection::Part;
use crate::bounds::Bounds;
use crate::completion::{Attempt, Cause, Completion, Outcome};
use crate::engine::Engine;
use crate::event::{PutRecordsResult, Sent};
use crate::held::{Claim, Past};
use crate::in_flight::{Cargo, Flight, Load, Request};
use crate::kinesis_record::{Aggregate, KinesisRecord};
use crate::memory;
use crate::record::Token;
use crate::requeues::Requeues;
use crate::retry::{self, RetryPolicy, Verdict};
use crate::scattered::Sighting;
use crate::strays::Stray;
use crate::time::Instant;

/// An answer that has come. Its entries are read as the engine is polled: so an outcome goes from here to the driver
/// without being laid aside.
#[derive(Debug)]
pub(crate) struct Answer {
    /// When it came.
    pub(crate) at: Instant,
    pub(crate) batch: BatchId,
    entries: Entries,
    /// Entries that failed, of those that were read.
    pub(crate) failed: u16,
    pub(crate) flights: IntoIter<Flight>,
    pub(crate) generation: u32,
    pub(crate) index: u16,
    /// Draws the waits of retry policies that draw them: one number for all, so that what fails together
    /// stays together.
    jitter: u64,
    requeues: Requeues,
    pub(crate) results: Results,
    pub(crate) start: Instant,
}

#[derive(Debug)]
pub(crate) enum Results {
    /// One for each entry.
    Each(IntoIter<Result<Placement, AttemptError>>),
    /// The same for all.
    Failed(AttemptError),
}

impl Answer {
    /// Bytes of memory behind it.
    pub(crate) fn memory(&self) -> usize {
        memory::of_load(&self.entries, self.flights.as_slice())
    }
}

impl Results {
    /// What they say of a part of a request that was refused.
    fn of_part(&self, flights: &[Flight]) -> Part {
        let Self::Each(results) = self else { return Part::default() };
        let is_done = |result: &Result<Placement, _>, cargo: &Cargo| match (result, cargo) {
            (Ok(_), Cargo::Plain { .. }) => true,
            (Ok(placement), Cargo::Aggregate(one)) => {
                one.sent_to.as_ref() == Some(&placement.shard)
            }
            (Err(_), _) => false,
        };
        let results = results.as_slice();
        Part {
            is_done: results.iter().zip(flights).all(|(one, flight)| is_done(one, &flight.cargo)),
            is_stored: results.iter().any(Result::is_ok),
        }
    }
}

/// One attempt that failed.
struct Failure<'a> {
    at: Instant,
    /// Whether its shard throttled it.
    by_shard: bool,
    error: AttemptError,
    index: u16,
    jitter: u64,
    requeues: &'a mut Requeues,
    start: Instant,
}

impl Engine {
    /// The answer to a request.
    pub(crate) fn put_records_finished(&mut self, batch: BatchId, result: PutRecordsResult) {
        // The records of a purged request have their outcomes, whatever its answer says.
        let request = self.in_flight.finish(batch).filter(|request| request.load.records > 0);
        let Some(request) = request else {
            self.stats.ignored_answers += 1;
            return;
        };
        let time = self.now.since(request.start);
        self.stats.request_time.note(time);
        if request.load.generation == self.lanes.generation {
            self.lanes.answered(&request.load.turns, time);
        }
        let entries = request.load.flights.len();
        let is_answered = matches!(&result, Ok(results) if results.len() == entries);
        self.note_end(&request, is_answered);
        let results = match result {
            Ok(results) if is_answered => Results::Each(results.into_iter()),
            Ok(results) => {
                self.stats.unusable_answers += 1;
                let message = format!("{} results for {entries} entries", results.len());
                let message = Message::new(&message);
                Results::Failed(AttemptError::with_message(ErrorCode::UnusableAnswer, message))
            }
            Err(error) if error.code.may_blame_entry() => {
                return self.refused(batch, request, &error);
            }
            Err(error) => Results::Failed(error),
        };
        self.note_answer(batch, request, results);
    }

    /// The end of a request without an answer.
    pub(crate) fn batch_cancelled(&mut self, batch: BatchId, sent: Sent) {
        let Some(request) = self.in_flight.finish(batch) else {
            self.stats.ignored_answers += 1;
            return;
        };
        self.note_end(&request, false);
        let code = match sent {
            Sent::No => ErrorCode::NotSent,
            Sent::Unknown => request.cancelled.clone().unwrap_or(ErrorCode::Cancelled),
        };
        self.note_answer(batch, request, Results::Failed(AttemptError::new(code)));
    }

    fn note_answer(&mut self, batch: BatchId, request: Request, results: Results) {
        match &results {
            // What is left of a request that was purged came to its end because it was cancelled.
            _ if request.load.records == 0 => {}
            Results::Each(_) => {
                self.window.answered(self.now);
                self.failure = None;
            }
            Results::Failed(error) => {
                let is_given_up = self.now.since(request.start) >= self.config.request_timeout;
                // Where others are answered the service is there, and only something in this request is not.
                if !(is_given_up && self.window.was_answered_since(request.start)) {
                    self.window.failed(error.code.class(), request.start, self.now);
                    // Who closes or purges is not what is wrong.
                    if request.cancelled != Some(ErrorCode::Cancelled) {
                        self.failure = Some(error.clone());
                    }
                }
            }
        }
        let Request { load, start, .. } = request;
        let Load { case, entries, flights, generation, records, .. } = load;
        if let Some(case) = case {
            self.part_answered(case, results.of_part(&flights));
        }
        self.answered += records;
        self.answers.push_back(Box::new(Answer {
            at: self.now,
            batch,
            entries,
            failed: 0,
            flights: flights.into_iter(),
            generation,
            index: 0,
            jitter: self.random.next(),
            requeues: Requeues::new(batch),
            results,
            start,
        }));
    }

    /// Reads what is left of all answers.
    pub(crate) fn read_answers(&mut self) {
        while self.read_entry() {}
    }

    /// Reads what the answers say of one more Kinesis record; false if there is nothing left to read.
    pub(crate) fn read_entry(&mut self) -> bool {
        let Some(mut answer) = self.answers.pop_front() else { return false };
        let result = match &mut answer.results {
            Results::Each(results) => results.next(),
            Results::Failed(error) => Some(Err(error.clone())),
        };
        let (Some(flight), Some(result)) = (answer.flights.next(), result) else {
            self.budget.deposit(answer.index - answer.failed, self.now);
            self.actions.extend(answer.requeues.into_actions());
            return true;
        };
        let index = answer.index;
        answer.index = index.saturating_add(1);
        let (at, start) = (answer.at, answer.start);
        let entry = &answer.entries[usize::from(index)];
        match result {
            Ok(placement) => {
                let attempt = Attempt { end: at, error: None, start };
                let sighting = Sighting {
                    hash_key: flight.cargo.hash_key(entry),
                    is_recent: answer.generation == self.lanes.generation,
                    lane: flight.lane,
                    shard: &placement.shard,
                    start,
                };
                let as_predicted = self.check_shard(&sighting);
                // It may have changed the lanes.
                if answer.generation == self.lanes.generation
                    && (as_predicted || self.lanes.shard(flight.lane).is_none())
                {
                    self.lanes.stored(flight.lane, entry.size(), answer.start);
                }
                match flight.cargo {
                    Cargo::Plain { claim, hash_key, .. } => {
                        self.answered -= 1;
                        let room = Bounds::RECORD_OVERHEAD + entry.size();
                        self.deliver_one(claim, room, attempt, placement);
                        self.depart(hash_key);
                    }
                    Cargo::Aggregate(aggregate) => {
                        self.answered -= aggregate.claims.len();
                        // Where it was sent all its members belong, whatever the map says by now.
                        let as_sent = aggregate.sent_to.as_ref() == Some(&placement.shard);
                        let stray =
                            Stray { aggregate, attempt, batch: answer.batch, index, placement };
                        if as_predicted || as_sent {
                            self.deliver(stray);
                        } else {
                            self.judge(stray);
                        }
                    }
                }
            }
            Err(error) => {
                let by_shard = matches!(answer.results, Results::Each(_))
                    && error.code.class() == Class::Throttled;
                if answer.generation == self.lanes.generation {
                    let throttled = by_shard.then(|| entry.size());
                    self.lanes.failed(flight.lane, throttled, start, self.now);
                }
                let record = flight.cargo.land(entry);
                answer.failed = answer.failed.saturating_add(1);
                self.answered -= record.records();
                let (jitter, requeues) = (answer.jitter, &mut answer.requeues);
                self.failed(
                    record,
                    Failure { at, by_shard, error, index, jitter, requeues, start },
                );
            }
        }
        self.answers.push_front(answer);
        true
    }

    fn deliver_one(&mut self, claim: Claim, room: usize, attempt: Attempt, placement: Placement) {
        let Claim { token, sequence, past, .. } = claim;
        let mut attempts = Past::attempts(past.as_ref());
        attempts.push(attempt);
        let outcome = stored(placement, Past::is_ambiguous(past.as_ref()));
        let mut tokens = SmallVec::new();
        tokens.push(token);
        self.stats.stored += 1;
        self.stats.bytes_stored += (room - Bounds::RECORD_OVERHEAD) as u64;
        self.actions.push_back(Action::Complete(Completion { attempts, outcome, tokens }));
        Past::forget(past, &mut self.room);
        self.flushes.completed(sequence);
        self.release(1, room);
    }

    /// All members of an aggregate are stored: one completion for those that have a past in common.
    pub(crate) fn deliver(&mut self, Stray { aggregate, attempt, placement, .. }: Stray) {
        let Aggregate { claims, keys, past: later, room, .. } = *aggregate;
        let records = claims.len();
        self.stats.stored += records as u64;
        self.stats.bytes_stored += (room - records * Bounds::RECORD_OVERHEAD) as u64;
        let mut claims = claims.into_iter().peekable();
        while let Some(Claim { token, sequence, past, .. }) = claims.next() {
            self.flushes.completed(sequence);
            let mut tokens: SmallVec<[Token; 1]> = SmallVec::new();
            if past.is_none() && later.is_none() {
                tokens.reserve(claims.len() + 1);
            }
            tokens.push(token);
            while let Some(next) = claims.next_if(|next| is_same(&next.past, &past)) {
                self.flushes.completed(next.sequence);
                tokens.push(next.token);
            }
            let joined = Past::joined(past, later.as_ref(), &mut self.room);
            let mut attempts = Past::attempts(joined.as_ref());
            attempts.push(attempt.clone());
            let outcome = stored(placement.clone(), Past::is_ambiguous(joined.as_ref()));
            self.actions.push_back(Action::Complete(Completion { attempts, outcome, tokens }));
            Past::forget(joined, &mut self.room);
        }
        Past::forget(later, &mut self.room);
        self.release(records, room);
        keys.into_iter().for_each(|key| self.depart(key));
    }

    /// A Kinesis record was not stored this time, as far as is known.
    fn failed(&mut self, mut record: KinesisRecord, failure: Failure<'_>) {
        let Failure { at: end, by_shard, error, index, jitter, requeues, start } = failure;
        if error.code.class() == Class::Throttled {
            self.stats.throttled += 1;
        }
        let attempt = Attempt { end, error: Some(error.clone()), start };
        Past::note(record.past_mut(), attempt, &mut self.room);
        // Where the rate has learned from it, the limiter says when there is room again; to wait for both would leave
        // room to others that they need not have.
        let policy = if by_shard && self.config.rate_limit.is_adaptive() {
            RetryPolicy::Kpl
        } else {
            self.config.retry
        };
        let attempts = record.attempts();
        let verdict = retry::judge(&error, attempts, jitter, policy, &self.config, self.now);
        let (not_before, deadline, class) = match verdict {
            Verdict::Fail(cause) => return self.give_up_all(record, &cause),
            Verdict::Retry { not_before, deadline } => (not_before, deadline, error.code.class()),
        };
        let retry = self.config.retry;
        let kept = self.weed(record, |claim, attempts| {
            if !retry.allows(attempts) {
                return Some(Cause::AttemptsExhausted);
            }
            (claim.expiration <= not_before).then_some(Cause::Expired)
        });
        let Some(mut record) = kept else { return };
        let not_before = match class {
            Class::Transient => self.pay(&record, not_before),
            _ => not_before,
        };
        let deadline = deadline.max(not_before);
        let deadline = retry::leave_by(deadline, record.expiration(), not_before);
        record.set_deadline(deadline);
        self.stats.requeued += record.records() as u64;
        requeues.add(index, error, not_before, deadline);
        self.lanes.wait_elsewhere(record.hash_key(), record.room());
        self.waits.add(record, not_before, class == Class::Credentials);
    }

    /// When a Kinesis record may be sent again that would be at `not_before`, if nobody counted.
    fn pay(&mut self, record: &KinesisRecord, not_before: Instant) -> Instant {
        let later = self.budget.withdraw(not_before, record.expiration(), self.now);
        if later > not_before {
            self.stats.retries_put_off += record.records() as u64;
        }
        later
    }

    /// Gives those user records of a Kinesis record up for which there is a cause, and returns the others: as
    /// they were if there is none, else packed anew.
    pub(crate) fn weed(
        &mut self,
        record: KinesisRecord,
        cause: impl Fn(&Claim, u32) -> Option<Cause>,
    ) -> Option<KinesisRecord> {
        let aggregate = match record {
            KinesisRecord::Plain(held) => {
                let attempts = Past::count(held.claim.past.as_ref());
                let Some(cause) = cause(&held.claim, attempts) else {
                    return Some(KinesisRecord::Plain(held));
                };
                self.give_up(held, cause);
                return None;
            }
            KinesisRecord::Aggregate(aggregate) => aggregate,
        };
        let later = Past::count(aggregate.past.as_ref());
        let cause =
            |claim: &Claim| cause(claim, Past::count(claim.past.as_ref()).saturating_add(later));
        if aggregate.claims.iter().all(|claim| cause(claim).is_none()) {
            return Some(KinesisRecord::Aggregate(aggregate));
        }
        let generation = aggregate.generation;
        let causes: Vec<Option<Cause>> = aggregate.claims.iter().map(cause).collect();
        let mut kept = Vec::new();
        for (held, cause) in aggregate.unpack(&mut self.room).into_iter().zip(causes) {
            match cause {
                Some(cause) => self.give_up(held, cause),
                None => kept.push(held),
            }
        }
        self.stats.repacked += kept.len() as u64;
        self.lanes.pack(kept, generation)
    }
}

fn stored(placement: Placement, maybe_duplicate: bool) -> Outcome {
    let Placement { sequence_number, shard } = placement;
    Outcome::Stored { maybe_duplicate, sequence_number, shard }
}

fn is_same(one: &Option<Arc<Past>>, other: &Option<Arc<Past>>) -> bool {
    match (one, other) {
        (None, None) => true,
        (Some(one), Some(other)) => Arc::ptr_eq(one, other),
        _ => false,
    }
}
