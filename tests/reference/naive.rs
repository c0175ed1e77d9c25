//! A producer that is easily seen to be right: lists that are searched from end to end, again and
//! again.
//!
//! It foretells what the engine must say of each command (`owed`). What the engine may choose it is
//! told: which records share a request ([`Naive::send`]) and how long a drawn wait is (`draws`).
//! Whether the engine may choose so is another matter: `choice`.

use core::mem::take;
use core::time::Duration;

use headwaters_engine::wire::{AttemptError, Class, ErrorCode, Placement, ShardId};
use headwaters_engine::{
    Bounds, Cause, Instant, Outcome, PutRecordsResult, RefusedReason, RetryPolicy, Sent,
};

use super::state::{ATTEMPTS_BYTES, Due, Flush, Naive, Owed, Place, Record, Request};
use super::transition::{Command, Put};

/// The longest time that counts. Source: `Engine::add_timed`.
const YEAR: Duration = Duration::from_secs(366 * 24 * 60 * 60);

impl<Id: Copy + Ord> Naive<Id> {
    /// Does what the command asks for, and then what has become due.
    pub(crate) fn apply(&mut self, command: Command<Id>, now: Instant) {
        self.commands += 1;
        self.now = self.now.max(now);
        match command {
            Command::Add { puts, .. } => puts.into_iter().for_each(|put| self.add(put)),
            Command::Answer { id, result } => self.answer(id, result),
            Command::Bounds(bounds) => {
                self.bounds = bounds;
                self.announce_room();
            }
            Command::Cancelled { id, sent } => self.cancelled(id, sent),
            Command::Close(deadline) => {
                self.closes += 1;
                self.is_closing = true;
                self.close_at = deadline.into_iter().chain(self.close_at).min();
                self.hurry_before = usize::MAX;
                self.announce_room();
            }
            Command::Flush { deadline, id } => {
                let barrier = self.records.len();
                self.hurry_before = self.hurry_before.max(barrier);
                self.flushes.push(Flush { barrier, deadline, id });
            }
            Command::Nothing => {}
            Command::Purge => self.hand_back(&Cause::Purged),
            Command::Ready => self.ready(),
        }
        self.settle();
        while let Some(due) = self.due() {
            self.elapse(due);
        }
    }

    fn add(&mut self, put: Put) {
        let (limit, most) = (self.config.max_user_record_size(), self.bounds.bytes);
        let bytes = put.record.size() + Bounds::RECORD_OVERHEAD;
        let reason = if self.is_closing {
            RefusedReason::Closed
        } else if put.record.size() > limit {
            RefusedReason::TooLarge { limit }
        } else if bytes > most {
            RefusedReason::TooLarge { limit: most.saturating_sub(Bounds::RECORD_OVERHEAD) }
        } else if self.held(usize::MAX) >= self.bounds.records || self.bytes() + bytes > most {
            self.wants_room = true;
            RefusedReason::Full
        } else {
            return self.accept(put);
        };
        self.stats.refused += 1;
        self.owed.push(Owed::Refusal { put, reason });
    }

    fn accept(&mut self, Put { record, timing, token }: Put) {
        self.stats.accepted += 1;
        let ttl = timing.ttl.unwrap_or(self.config.record_ttl());
        let expiration = ttl.map(|ttl| self.now.after(ttl.min(YEAR)));
        let buffered = timing.max_buffered_time.unwrap_or(self.config.record_max_buffered_time());
        let deadline = leave_by(self.now.after(buffered.min(YEAR)), expiration, self.now);
        self.records.push(Record::new(record, token, deadline, expiration));
    }

    /// Notes that these records have left.
    pub(crate) fn send(&mut self, id: Id, entries: Vec<Vec<usize>>) {
        self.stats.requests += 1;
        self.stats.entries += entries.len() as u64;
        for entry in &entries {
            for &number in entry {
                self.records[number].place = Place::InFlight;
                self.records[number].pack = Some(entry[0]);
            }
        }
        self.requests.push(Request { cancelled: None, entries, id, start: self.now });
    }

    fn answer(&mut self, id: Id, result: PutRecordsResult) {
        let Some(request) = self.finish(id).filter(|request| !request.entries.is_empty()) else {
            self.stats.ignored_answers += 1;
            return;
        };
        let count = request.entries.len();
        let results = match result {
            Ok(results) if results.len() == count => results,
            Ok(_) => {
                self.stats.unusable_answers += 1;
                vec![Err(AttemptError::new(ErrorCode::UnusableAnswer)); count]
            }
            Err(error) => vec![Err(error); count],
        };
        for (index, result) in results.into_iter().enumerate() {
            match result {
                Ok(placement) => self.stored(&request, index, &placement),
                Err(error) => self.failed(&request, index, error),
            }
        }
    }

    fn cancelled(&mut self, id: Id, sent: Sent) {
        let Some(request) = self.finish(id) else {
            self.stats.ignored_answers += 1;
            return;
        };
        let code = match (sent, &request.cancelled) {
            (Sent::No, _) => ErrorCode::NotSent,
            (Sent::Unknown, Some((reason, _))) => reason.clone(),
            (Sent::Unknown, None) => ErrorCode::Cancelled,
        };
        for index in 0..request.entries.len() {
            self.failed(&request, index, AttemptError::new(code.clone()));
        }
    }

    fn finish(&mut self, id: Id) -> Option<Request<Id>> {
        let at = self.requests.iter().position(|request| request.id == id)?;
        self.gone.push(id);
        Some(self.requests.remove(at))
    }

    fn stored(&mut self, request: &Request<Id>, index: usize, placement: &Placement) {
        let numbers = &request.entries[index];
        let predicted = ShardId::numbered(self.lane(numbers[0]).into());
        let is_wrong = self.predicts() && predicted != placement.shard;
        self.stats.wrong_shard += u64::from(is_wrong);
        for &number in numbers {
            let Placement { sequence_number, shard } = placement.clone();
            let maybe_duplicate = self.records[number].is_ambiguous();
            self.records[number].attempts.push((request.start, self.now, None));
            self.stats.bytes_stored += self.records[number].record.size() as u64;
            self.end(number, Outcome::Stored { maybe_duplicate, sequence_number, shard });
        }
    }

    fn failed(&mut self, request: &Request<Id>, index: usize, error: AttemptError) {
        let (class, numbers) = (error.code.class(), &request.entries[index]);
        self.stats.throttled += u64::from(class == Class::Throttled);
        numbers.iter().for_each(|&number| self.note_failure(number, request.start, &error));
        let (attempts_max, least, most) = self.policy(numbers, class);
        let drawn = self.draws.iter().find(|draw| (draw.0, draw.1) == (request.id, index));
        let drawn = drawn.map(|draw| draw.2).filter(|until| (least..=most).contains(until));
        let not_before = drawn.unwrap_or(most);
        let mut kept = Vec::new();
        for &number in numbers {
            let Record { attempts, expiration, .. } = &self.records[number];
            let cause = match class {
                Class::Permanent | Class::TooLarge => Cause::Permanent(error.code.clone()),
                Class::Throttled if self.config.fail_if_throttled() => Cause::Throttled,
                _ if attempts.len() >= attempts_max => Cause::AttemptsExhausted,
                _ if expiration.is_some_and(|at| at <= not_before) => Cause::Expired,
                _ => {
                    kept.push(number);
                    continue;
                }
            };
            self.give_up(number, &cause);
        }
        let half = self.now.after(self.config.record_max_buffered_time() / 2);
        let expiration = kept.iter().filter_map(|&number| self.records[number].expiration).min();
        let deadline = leave_by(not_before.max(half), expiration, not_before);
        for &number in &kept {
            let for_credentials = class == Class::Credentials;
            self.stats.requeued += 1;
            (self.records[number].deadline, self.records[number].ripe) = (deadline, deadline);
            self.records[number].place = Place::Waiting { for_credentials, until: not_before };
        }
        if !kept.is_empty() {
            self.owed.push(Owed::Requeue { deadline, error, id: request.id, index, not_before });
        }
    }

    /// How many attempts records have that failed now, and the first and the last time until which
    /// they wait.
    fn policy(&self, numbers: &[usize], class: Class) -> (usize, Instant, Instant) {
        let attempts = numbers.iter().map(|&number| self.records[number].attempts.len() as u32);
        let attempts = attempts.max().expect("an entry has records");
        let (attempts_max, least, most) = match self.config.retry() {
            RetryPolicy::Exponential { base, cap } => {
                let most = (1..attempts).fold(base, |wait, _| (wait * 2).min(cap)).min(cap);
                (usize::MAX, Duration::ZERO, most)
            }
            RetryPolicy::Kpl => (usize::MAX, Duration::ZERO, Duration::ZERO),
            RetryPolicy::Linear { max_attempts, step } => {
                (max_attempts as usize, step * attempts, step * attempts)
            }
            other => panic!("the reference does not know {other:?}"),
        };
        let pause = Duration::from_millis(if class == Class::Credentials { 1_000 } else { 1 });
        (attempts_max, self.now.after(least.max(pause)), self.now.after(most.max(pause)))
    }

    fn note_failure(&mut self, number: usize, start: Instant, error: &AttemptError) {
        if self.records[number].attempts.is_empty() {
            let fits = self.bytes() + ATTEMPTS_BYTES <= self.bounds.bytes;
            self.records[number].keeps_attempts = fits;
        }
        self.records[number].attempts.push((start, self.now, Some(error.clone())));
    }

    fn give_up(&mut self, number: usize, cause: &Cause) {
        let (cause, record) = (cause.clone(), self.records[number].record.clone());
        let outcome = if self.records[number].is_ambiguous() {
            Outcome::MaybeStored { cause, record }
        } else {
            Outcome::NotStored { cause, record }
        };
        self.end(number, outcome);
    }

    fn end(&mut self, number: usize, outcome: Outcome) {
        self.records[number].place = Place::Ended;
        self.owed.push(Owed::Outcome { number, outcome });
        self.announce_room();
        self.settle();
    }

    fn announce_room(&mut self) {
        let Bounds { bytes, records } = self.bounds;
        let has_room = self.held(usize::MAX) < records && self.bytes() < bytes;
        if (has_room || self.is_closing) && take(&mut self.wants_room) {
            self.owed.push(Owed::RoomAvailable);
        }
    }

    /// Ends the flushes and the close whose records have their outcomes.
    fn settle(&mut self) {
        for flush in take(&mut self.flushes) {
            if self.held(flush.barrier) > 0 {
                self.flushes.push(flush);
            } else {
                self.end_flush(&flush);
            }
        }
        if self.is_closing && self.held(usize::MAX) == 0 {
            self.close_at = None;
            let finished = Owed::CloseFinished { undelivered: self.undelivered };
            self.owed.extend(vec![finished; take(&mut self.closes)]);
        }
    }

    fn end_flush(&mut self, &Flush { barrier, id, .. }: &Flush) {
        let pending = self.held(barrier) as u64;
        self.owed.push(Owed::FlushFinished { barrier, flush: id, pending });
    }

    fn ready(&mut self) {
        for record in &mut self.records {
            if let Place::Waiting { for_credentials: true, .. } = record.place {
                (record.deadline, record.ripe) = (self.now, self.now);
                record.place = Place::Waiting { for_credentials: false, until: self.now };
            }
        }
    }

    fn hand_back(&mut self, cause: &Cause) {
        for number in 0..self.records.len() {
            if matches!(self.records[number].place, Place::Buffered | Place::Waiting { .. }) {
                self.give_up(number, cause);
            }
        }
        // Room for attempts that are noted now goes to the requests in the order of their names.
        let mut ids: Vec<Id> = self.requests.iter().map(|request| request.id).collect();
        ids.sort_unstable();
        for id in ids {
            self.cancel(id, ErrorCode::Cancelled);
            let request = self.requests.iter_mut().find(|request| request.id == id);
            let request = request.expect("it was there a moment ago");
            let (start, entries) = (request.start, take(&mut request.entries));
            for number in entries.into_iter().flatten() {
                self.note_failure(number, start, &AttemptError::new(ErrorCode::Cancelled));
                self.give_up(number, cause);
            }
        }
    }

    fn cancel(&mut self, id: Id, reason: ErrorCode) {
        let until = self.now.after(self.config.cancel_grace());
        let request = self.requests.iter_mut().find(|request| request.id == id);
        if let Some(request) = request.filter(|request| request.cancelled.is_none()) {
            request.cancelled = Some((reason, until));
            self.owed.push(Owed::Cancel(id));
        }
    }

    fn elapse(&mut self, due: Due<Id>) {
        match due {
            Due::Return(number) => self.records[number].place = Place::Buffered,
            Due::Expiration(number) => {
                self.hasten_neighbours(number);
                self.give_up(number, &Cause::Expired);
            }
            Due::Timeout(id) => {
                self.stats.timeouts += 1;
                self.cancel(id, ErrorCode::RequestTimeout);
            }
            Due::Silence(id) => self.cancelled(id, Sent::Unknown),
            Due::Flush(at) => {
                let flush = self.flushes.remove(at);
                self.end_flush(&flush);
            }
            Due::Close => {
                self.close_at = None;
                self.undelivered += self.held(usize::MAX) as u64;
                self.hand_back(&Cause::Closed);
            }
        }
    }
}

/// When a record leaves that has to leave at `deadline`: half-way to its expiration if that comes
/// first.
fn leave_by(deadline: Instant, expiration: Option<Instant>, earliest: Instant) -> Instant {
    match expiration {
        Some(expiration) if expiration <= deadline => {
            earliest.after(expiration.since(earliest) / 2)
        }
        _ => deadline,
    }
}
