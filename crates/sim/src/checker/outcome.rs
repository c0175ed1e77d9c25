//! The outcomes of records: one each, in time, and in agreement with what the engine was told.

use alloc::format;

use headwaters_engine::wire::{Certainty, Class};
use headwaters_engine::{Cause, Completion, Instant, Outcome, RetryPolicy};

use super::consumer::place;
use super::record::{Ended, Record};
use super::requeue::waits;
use super::{Checked, Checker, Fate, rule};

impl Checker {
    /// Records have their outcome.
    pub(crate) fn completed(&mut self, completion: &Completion, now: Instant) -> Checked {
        rule(!completion.tokens.is_empty(), || "a completion of nothing".into())?;
        for token in &completion.tokens {
            let number = usize::try_from(token.0).unwrap_or(usize::MAX);
            self.completed_one(number, completion, now)
                .map_err(|broken| format!("record {number}: {broken}"))?;
        }
        Ok(())
    }

    fn completed_one(&mut self, number: usize, completion: &Completion, now: Instant) -> Checked {
        let Completion { outcome, .. } = completion;
        rule(number < self.records.len(), || "an unknown token".into())?;
        let record = &self.records[number];
        rule(record.accepted.is_some(), || "an outcome, and it was not accepted".into())?;
        rule(record.outcome.is_none(), || "two outcomes".into())?;
        self.check_attempts(number, completion, now)?;
        let timeout = self.config.request_timeout() + self.config.cancel_grace();
        let latest = record.expiration.map(|expiration| expiration.after(timeout + self.delay));
        rule(latest.is_none_or(|latest| now <= latest) || record.was_stray, || {
            "its outcome is too late".into()
        })?;
        let fate = self.fate(record);
        let ended = match outcome {
            Outcome::MaybeStored { cause, .. } => Ended::MaybeStored(cause.clone()),
            Outcome::NotStored { cause, .. } => Ended::NotStored(cause.clone()),
            Outcome::Stored { maybe_duplicate, sequence_number, shard } => {
                // It is compared with what was told, and in the end with the ledger.
                let place = place(shard, sequence_number);
                rule(fate == Some(Fate::Stored(place)), || {
                    format!("stored, and its answer was {fate:?}")
                })?;
                Ended::Stored { maybe_duplicate: *maybe_duplicate, place }
            }
        };
        if let Some(cause) = ended.cause() {
            self.check_cause(number, cause, fate.as_ref(), now)?;
        }
        if matches!(ended.cause(), Some(Cause::Permanent(_))) {
            self.note_given_up(number, completion);
        }
        self.end(number, ended, fate, now);
        Ok(())
    }

    /// What the engine was told about the entry in which a record is; `None` if it is in none.
    fn fate(&self, record: &Record) -> Option<Fate> {
        let (batch, index) = record.in_flight?;
        Some(self.requests[&batch].parcels[index].fate.clone())
    }

    /// The reason why a record is given up holds.
    fn check_cause(
        &self,
        number: usize,
        cause: &Cause,
        fate: Option<&Fate>,
        now: Instant,
    ) -> Checked {
        let record = &self.records[number];
        let class = match fate {
            Some(Fate::Failed(code)) => Some(code.class()),
            Some(Fate::Stored(_)) => None,
            Some(Fate::Unknown) => Some(Class::Transient),
            None => None,
        };
        let holds = match cause {
            Cause::AttemptsExhausted => {
                let spent = matches!(self.config.retry(),
                    RetryPolicy::Linear { max_attempts, .. } if record.attempts() >= max_attempts);
                spent && fate.is_some()
            }
            Cause::Closed => self.close_deadline.is_some_and(|deadline| deadline <= now),
            // What is bisected waits for nothing.
            Cause::Expired if matches!(fate, Some(Fate::Failed(code)) if code.may_blame_entry()) => {
                record.is_expired(now)
            }
            Cause::Expired => {
                let wait = class.map(|class| {
                    let (batch, index) = record.in_flight.expect("it has a fate");
                    let request = &self.requests[&batch];
                    let together = request.numbers_of(index).iter();
                    let sends = together.map(|&number| self.records[number].attempts()).max();
                    waits(self.policy(class, request), sends.unwrap_or(0), class).1
                });
                record.is_expired(now.after(wait.unwrap_or_default()))
            }
            Cause::Permanent(code) => {
                let is_permanent = matches!(code.class(), Class::Permanent | Class::TooLarge);
                is_permanent
                    && if code.may_blame_entry() {
                        self.may_give_up(number, code)
                    } else {
                        fate == Some(&Fate::Failed(code.clone()))
                    }
            }
            Cause::Purged => number < self.purged,
            Cause::Throttled => self.config.fail_if_throttled() && class == Some(Class::Throttled),
            _ => false,
        };
        rule(holds, || format!("given up because {cause:?}, and that is not so: {fate:?}"))
    }

    fn end(&mut self, number: usize, ended: Ended, fate: Option<Fate>, now: Instant) {
        let slot = self.map.slot(self.records[number].hash_key);
        let record = &mut self.records[number];
        self.shards.remove(slot, record);
        let is_stored = matches!(ended, Ended::Stored { .. });
        let is_lost = fate == Some(Fate::Unknown);
        if !is_stored && let Some(fate) = fate {
            record.failed(match fate {
                Fate::Failed(code) => code.certainty(),
                Fate::Stored(_) | Fate::Unknown => Certainty::MaybeStored,
            });
        }
        if let Some(place) = record.in_flight
            && self.strays.contains(&place)
        {
            // The last of its members to get an outcome, or all of them at once.
            let numbers = self.requests[&place.0].numbers_of(place.1);
            let is_last = numbers
                .iter()
                .all(|&other| other == number || self.records[other].outcome.is_some());
            if is_last {
                self.strays.remove(&place);
                self.sometimes.stray_kept += u64::from(is_stored);
            }
        }
        let record = &mut self.records[number];
        let in_flight = record.in_flight.take();
        if let (true, Some((batch, _))) = (is_lost, in_flight) {
            self.part_failed(batch, now);
        }
        self.suspect_ended(number, in_flight.is_none());
        let record = &mut self.records[number];
        self.waiting.remove(slot, record.leave_by, number);
        self.completed += 1;
        self.bytes_open -= record.size;
        match ended.cause() {
            Some(cause @ (Cause::Closed | Cause::Purged)) => {
                self.handed_back += 1;
                let is_late = *cause == Cause::Closed;
                self.closed_back += u64::from(is_late);
                self.sometimes.close_late += u64::from(is_late);
            }
            Some(Cause::Expired) => {
                self.sometimes.own_timing_expired += u64::from(record.has_own_timing);
                // Nobody told the engine the time when it came.
                let is_late = record.expiration.is_some_and(|expiration| expiration < now);
                self.sometimes.froze_past_expiration += u64::from(is_late);
                *match (record.sends, in_flight) {
                    (0, _) => &mut self.sometimes.expired_in_buffer,
                    (_, None) => &mut self.sometimes.expired_in_backoff,
                    (_, Some(_)) => &mut self.sometimes.expired_in_flight,
                } += 1;
            }
            Some(Cause::Throttled) => self.sometimes.failed_when_throttled += 1,
            _ => {}
        }
        if in_flight.is_none() && ended.cause() == Some(&Cause::Expired) {
            self.expired_among = self.accepted;
        }
        if is_stored && record.sends >= 4 {
            self.sometimes.stored_at_fourth_attempt += 1;
        }
        record.outcome = Some(ended);
        if let Some((batch, _)) = in_flight {
            self.land(batch);
        }
        self.stepped_out(number, now);
    }
}
