//! How records get into the engine, and out of it undelivered.

use crate::action::Action;
use crate::bounds::NoRoom;
use crate::completion::{Cause, Completion, Outcome};
use crate::config::DURATION_MAX;
use crate::engine::Engine;
use crate::held::{Claim, Held, Past, Stamp};
use crate::kinesis_record::KinesisRecord;
use crate::record::{Timing, Token, UserRecord};
use crate::refused::{Refused, RefusedReason};
use crate::retry;
use crate::time::Instant;
use smallvec::smallvec;

impl Engine {
    /// Accepts a record: from now on it will get exactly one outcome.
    ///
    /// # Errors
    /// [`Refused`] gives the record back: there is no room, the engine is closing, or the record is larger
    /// than the stream takes.
    pub fn add(&mut self, token: Token, record: UserRecord, now: Instant) -> Result<(), Refused> {
        self.add_timed(token, record, Timing::default(), now)
    }

    /// Accepts a record with a timing of its own.
    ///
    /// Durations longer than a year count as a year. A time to live of zero is over at once: the record comes
    /// back as expired.
    ///
    /// # Errors
    /// As in [`add`](Self::add).
    pub fn add_timed(
        &mut self,
        token: Token,
        record: UserRecord,
        timing: Timing,
        now: Instant,
    ) -> Result<(), Refused> {
        self.advance(now);
        if let Err(reason) = self.admit(&record) {
            self.stats.refused += 1;
            return Err(Refused { reason, record });
        }
        let ttl = timing.ttl.unwrap_or(self.config.record_ttl);
        let ttl = ttl.map(|ttl| ttl.min(DURATION_MAX));
        let buffered = timing.max_buffered_time.unwrap_or(self.config.record_max_buffered_time);
        let buffered = buffered.min(DURATION_MAX);
        let expiration = ttl.map_or(Instant::NEVER, |ttl| self.now.after(ttl));
        let deadline = retry::leave_by(self.now.after(buffered), expiration, self.now);
        let sequence = self.next_sequence;
        self.next_sequence += 1;
        self.stats.accepted += 1;
        self.arrivals.note(sequence, self.now);
        let stamp = Stamp { token, sequence, expiration, deadline };
        if self.turnstile.is_none() {
            let way = self.lanes.way_of(&record, &stamp);
            self.lanes.accept(way, record, stamp, self.now);
        } else {
            self.line_up(record, stamp);
        }
        self.check();
        Ok(())
    }

    #[inline(always)]
    fn admit(&mut self, record: &UserRecord) -> Result<(), RefusedReason> {
        if self.closing.is_some() {
            return Err(RefusedReason::Closed);
        }
        let limit = self.config.max_user_record_size;
        if record.size() > limit {
            return Err(RefusedReason::TooLarge { limit });
        }
        let need = Held::room_of(record);
        self.room.take(need).map_err(|no_room| match no_room {
            NoRoom::Full => RefusedReason::Full,
            NoRoom::Never => RefusedReason::TooLarge { limit: self.room.largest() },
        })?;
        if !self.has_share(record.hash_key(), need) {
            self.room.forget(1, need);
            return Err(RefusedReason::ShardFull);
        }
        Ok(())
    }

    /// Gives a record that was not stored its outcome.
    pub(crate) fn give_up(&mut self, held: Held, cause: Cause) {
        let key = held.record.hash_key();
        self.end(held, cause);
        self.depart(key);
    }

    /// The same, of one that nobody waits for.
    pub(crate) fn end(&mut self, held: Held, cause: Cause) {
        let room = held.room();
        let Held { record, claim: Claim { token, sequence, past, .. }, .. } = held;
        let is_ambiguous = Past::is_ambiguous(past.as_ref());
        if matches!(cause, Cause::Purged | Cause::Closed) {
            self.stats.handed_back += 1;
        } else if is_ambiguous {
            self.stats.maybe_stored += 1;
        } else {
            self.stats.not_stored += 1;
        }
        let attempts = Past::attempts(past.as_ref());
        let outcome = if is_ambiguous {
            Outcome::MaybeStored { cause, record }
        } else {
            Outcome::NotStored { cause, record }
        };
        let tokens = smallvec![token];
        self.actions.push_back(Action::Complete(Completion { attempts, outcome, tokens }));
        Past::forget(past, &mut self.room);
        self.flushes.completed(sequence);
        self.release(1, room);
    }

    /// Gives up all user records of a Kinesis record.
    pub(crate) fn give_up_all(&mut self, record: KinesisRecord, cause: &Cause) {
        for held in record.unpack(&mut self.room) {
            self.give_up(held, cause.clone());
        }
    }
}
