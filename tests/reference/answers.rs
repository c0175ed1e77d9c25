//! What becomes of an answer: the engine's table once more.

use core::time::Duration;

use headwaters_engine::wire::{AttemptError, Class, ErrorCode, Placement, ShardId};
use headwaters_engine::{Cause, Instant, Outcome, PutRecordsResult, RetryPolicy, Sent};

use super::state::{ATTEMPTS_BYTES, Naive, Owed, Place, Record, Request};

impl<Id: Copy + Ord> Naive<Id> {
    fn finish(&mut self, id: Id) -> Option<Request<Id>> {
        let at = self.requests.iter().position(|request| request.id == id)?;
        self.gone.push(id);
        Some(self.requests.remove(at))
    }

    pub(super) fn answer(&mut self, id: Id, result: PutRecordsResult) {
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

    pub(super) fn cancelled(&mut self, id: Id, sent: Sent) {
        let Some(request) = self.finish(id) else {
            self.stats.ignored_answers += 1;
            return;
        };
        let reason = request.cancelled.as_ref().map(|(code, _)| code.clone());
        let code = match sent {
            Sent::No => ErrorCode::NotSent,
            Sent::Unknown => reason.unwrap_or(ErrorCode::Cancelled),
        };
        for index in 0..request.entries.len() {
            self.failed(&request, index, AttemptError::new(code.clone()));
        }
    }

    fn stored(&mut self, request: &Request<Id>, index: usize, placement: &Placement) {
        let numbers = &request.entries[index];
        let predicted = ShardId::numbered(self.lane(numbers[0]).into());
        let is_wrong = self.predicts() && predicted != placement.shard;
        self.stats.wrong_shard += u64::from(is_wrong);
        for &number in numbers {
            let Placement { sequence_number, shard } = placement.clone();
            let maybe_duplicate = self.is_ambiguous(number);
            self.records[number].attempts.push((request.start, self.now, None));
            self.stats.stored += 1;
            self.end(number, Outcome::Stored { maybe_duplicate, sequence_number, shard });
        }
    }

    fn failed(&mut self, request: &Request<Id>, index: usize, error: AttemptError) {
        let (class, numbers) = (error.code.class(), &request.entries[index]);
        self.stats.throttled += u64::from(class == Class::Throttled);
        numbers.iter().for_each(|&number| self.note_failure(number, request.start, &error));
        let cause = match class {
            Class::Permanent | Class::TooLarge => Some(Cause::Permanent(error.code.clone())),
            Class::Throttled if self.config.fail_if_throttled() => Some(Cause::Throttled),
            _ => None,
        };
        if let Some(cause) = cause {
            return numbers.iter().for_each(|&number| self.give_up(number, &cause));
        }
        let (least, most) = self.wait(numbers, class);
        let drawn = self.draws.iter().find(|draw| (draw.0, draw.1) == (request.id, index));
        let drawn = drawn.map(|draw| draw.2).filter(|until| (least..=most).contains(until));
        let not_before = drawn.unwrap_or(most);
        let mut kept = Vec::new();
        for &number in numbers {
            let Record { attempts, expiration, .. } = &self.records[number];
            if attempts.len() >= self.attempts_max() {
                self.give_up(number, &Cause::AttemptsExhausted);
            } else if expiration.is_some_and(|expiration| expiration <= not_before) {
                self.give_up(number, &Cause::Expired);
            } else {
                kept.push(number);
            }
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

    /// The first and the last time until which the policy lets records wait that failed now.
    fn wait(&self, numbers: &[usize], class: Class) -> (Instant, Instant) {
        let attempts = numbers.iter().map(|&number| self.records[number].attempts.len() as u32);
        let attempts = attempts.max().expect("an entry has records");
        let pause = Duration::from_millis(if class == Class::Credentials { 1_000 } else { 1 });
        let (least, most) = match self.config.retry() {
            RetryPolicy::Exponential { base, cap } => {
                (Duration::ZERO, (1..attempts).fold(base, |wait, _| (wait * 2).min(cap)).min(cap))
            }
            RetryPolicy::Kpl => (Duration::ZERO, Duration::ZERO),
            RetryPolicy::Linear { step, .. } => (step * attempts, step * attempts),
            other => panic!("the reference does not know {other:?}"),
        };
        (self.now.after(least.max(pause)), self.now.after(most.max(pause)))
    }

    fn attempts_max(&self) -> usize {
        match self.config.retry() {
            RetryPolicy::Linear { max_attempts, .. } => max_attempts as usize,
            _ => usize::MAX,
        }
    }

    pub(super) fn note_failure(&mut self, number: usize, start: Instant, error: &AttemptError) {
        if self.records[number].attempts.is_empty() {
            let fits = self.bytes() + ATTEMPTS_BYTES <= self.bounds.bytes;
            self.records[number].keeps_attempts = fits;
        }
        self.records[number].attempts.push((start, self.now, Some(error.clone())));
    }
}

/// When a record leaves that has to leave at `deadline`: half-way to its expiration if that comes
/// first.
pub(super) fn leave_by(
    deadline: Instant,
    expiration: Option<Instant>,
    earliest: Instant,
) -> Instant {
    match expiration {
        Some(expiration) if expiration <= deadline => {
            earliest.after(expiration.since(earliest) / 2)
        }
        _ => deadline,
    }
}
