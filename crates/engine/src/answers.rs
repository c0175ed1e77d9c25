//! What becomes of a request: each of its records is stored, put back, or given up.

use alloc::format;
use alloc::vec::Vec;

use headwaters_wire::{AttemptError, Class, ErrorCode, Message, Placement};
use smallvec::smallvec;

use crate::action::{Action, BatchId};
use crate::completion::{Attempt, Completion, Outcome};
use crate::engine::Engine;
use crate::event::{PutRecordsResult, Sent};
use crate::held::Held;
use crate::in_flight::Request;
use crate::requeues::Requeues;
use crate::retry::{self, Verdict};
use crate::time::Instant;

impl Engine {
    /// The answer to a request: each entry is stored, sent again, or given up.
    pub(crate) fn put_records_finished(&mut self, batch: BatchId, result: PutRecordsResult) {
        // The records of a purged request have their outcomes, whatever its answer says.
        let request = self.in_flight.finish(batch).filter(|request| !request.records.is_empty());
        let Some(request) = request else {
            self.stats.ignored_answers += 1;
            return;
        };
        match result {
            Ok(results) if results.len() == request.records.len() => {
                self.entries_answered(batch, request, results);
            }
            Ok(results) => {
                self.stats.unusable_answers += 1;
                let message =
                    format!("{} results for {} entries", results.len(), request.records.len());
                let message = Message::new(&message);
                let error = AttemptError { code: ErrorCode::UnusableAnswer, message };
                self.request_failed(batch, request, &error);
            }
            Err(error) => self.request_failed(batch, request, &error),
        }
    }

    fn entries_answered(
        &mut self,
        batch: BatchId,
        request: Request,
        results: Vec<Result<Placement, AttemptError>>,
    ) {
        let mut requeues = Requeues::new(batch);
        for ((index, held), result) in (0..).zip(request.records).zip(results) {
            match result {
                Ok(placement) => self.stored(held, request.start, placement),
                Err(error) => self.attempt_failed(held, index, request.start, error, &mut requeues),
            }
        }
        self.actions.extend(requeues.into_actions());
    }

    fn request_failed(&mut self, batch: BatchId, request: Request, error: &AttemptError) {
        let mut requeues = Requeues::new(batch);
        for (index, held) in (0..).zip(request.records) {
            self.attempt_failed(held, index, request.start, error.clone(), &mut requeues);
        }
        self.actions.extend(requeues.into_actions());
    }

    fn stored(&mut self, mut held: Held, start: Instant, placement: Placement) {
        let (room, maybe_duplicate) = (held.room(), held.ambiguous);
        let mut attempts = held.take_attempts();
        attempts.push(Attempt { end: self.now, error: None, start });
        let Placement { sequence_number, shard } = placement;
        let outcome = Outcome::Stored { maybe_duplicate, sequence_number, shard };
        let tokens = smallvec![held.token];
        self.stats.stored += 1;
        self.actions.push_back(Action::Complete(Completion { attempts, outcome, tokens }));
        self.release(held.sequence, room);
    }

    fn attempt_failed(
        &mut self,
        mut held: Held,
        index: u16,
        start: Instant,
        error: AttemptError,
        requeues: &mut Requeues,
    ) {
        if error.code.class() == Class::Throttled {
            self.stats.throttled += 1;
        }
        held.failed(start, self.now, &error, &mut self.room);
        match retry::judge(&error, held.attempts, held.expiration, &self.config, self.now) {
            Verdict::Fail(cause) => self.give_up(held, cause),
            Verdict::Requeue { not_before, deadline } => {
                self.stats.requeued += 1;
                requeues.add(index, error, not_before, deadline);
                held.deadline = deadline;
                self.buffer.put_back(held, not_before, self.now);
            }
        }
    }

    /// The end of a request without an answer.
    pub(crate) fn batch_cancelled(&mut self, batch: BatchId, sent: Sent) {
        let Some(request) = self.in_flight.finish(batch) else {
            self.stats.ignored_answers += 1;
            return;
        };
        let code = match sent {
            Sent::No => ErrorCode::NotSent,
            Sent::Unknown => request.cancelled.clone().unwrap_or(ErrorCode::Cancelled),
        };
        self.request_failed(batch, request, &AttemptError::new(code));
    }
}
