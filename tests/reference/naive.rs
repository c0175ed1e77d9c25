//! A producer that is easily seen to be right: lists that are searched from end to end, again and
//! again.
//!
//! It foretells what the engine must say of each command (`owed`). What the engine may choose it is
//! told: which records share a request ([`Naive::send`]) and how long a drawn wait is (`draws`).
//!
//! Its rooms: `state` is what it knows, `answers` what becomes of an answer, `leaving` when records
//! leave; the rest is here.

use core::mem::take;
use core::time::Duration;

use headwaters_engine::wire::{AttemptError, ErrorCode};
use headwaters_engine::{Bounds, Cause, Instant, Outcome, RefusedReason, Sent};

use super::answers::leave_by;
use super::state::{Closing, Flush, Naive, Owed, Place, Record, Request};
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
            Command::Close(deadline) => self.close(deadline),
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
        self.elapse();
    }

    fn add(&mut self, put: Put) {
        let (limit, most) = (self.config.max_user_record_size(), self.bounds.bytes);
        let bytes = put.record.size() + Bounds::RECORD_OVERHEAD;
        let reason = if self.closing.is_some() {
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
        self.records.push(Record {
            attempts: Vec::new(),
            deadline,
            expiration,
            keeps_attempts: false,
            pack: None,
            place: Place::Buffered,
            record,
            ripe: deadline,
            token,
        });
    }

    /// Notes that these records have left.
    pub(crate) fn send(&mut self, id: Id, entries: Vec<Vec<usize>>) {
        self.stats.requests += 1;
        self.stats.entries += entries.len() as u64;
        for entry in &entries {
            for &number in entry {
                self.records[number].place = Place::InFlight;
                self.records[number].pack = entry.first().copied();
            }
        }
        self.requests.push(Request { cancelled: None, entries, id, start: self.now });
    }

    pub(super) fn give_up(&mut self, number: usize, cause: &Cause) {
        let (cause, record) = (cause.clone(), self.records[number].record.clone());
        let is_ambiguous = self.is_ambiguous(number);
        match (&cause, is_ambiguous) {
            (Cause::Closed | Cause::Purged, _) => self.stats.handed_back += 1,
            (_, true) => self.stats.maybe_stored += 1,
            (_, false) => self.stats.not_stored += 1,
        }
        let outcome = if is_ambiguous {
            Outcome::MaybeStored { cause, record }
        } else {
            Outcome::NotStored { cause, record }
        };
        self.end(number, outcome);
    }

    pub(super) fn end(&mut self, number: usize, outcome: Outcome) {
        self.records[number].place = Place::Ended;
        self.owed.push(Owed::Outcome { number, outcome });
        self.announce_room();
        self.settle();
    }

    fn announce_room(&mut self) {
        let Bounds { bytes, records } = self.bounds;
        let room = self.held(usize::MAX) < records && self.bytes() < bytes;
        if room && take(&mut self.wants_room) {
            self.owed.push(Owed::RoomAvailable);
        }
    }

    /// Ends the flushes and the close whose records have their outcomes.
    fn settle(&mut self) {
        let flushes = take(&mut self.flushes).into_iter();
        let (pending, done): (Vec<_>, Vec<_>) =
            flushes.partition(|flush: &Flush| self.held(flush.barrier) > 0);
        self.flushes = pending;
        done.iter().for_each(|flush| self.end_flush(flush));
        if self.held(usize::MAX) == 0
            && let Some(Closing { deadline, requests, undelivered }) = &mut self.closing
        {
            *deadline = None;
            let finished = Owed::CloseFinished { undelivered: *undelivered };
            self.owed.extend(vec![finished; take(requests)]);
        }
    }

    fn end_flush(&mut self, &Flush { barrier, id, .. }: &Flush) {
        let pending = self.held(barrier) as u64;
        self.owed.push(Owed::FlushFinished { barrier, flush: id, pending });
    }

    fn close(&mut self, within: Option<Instant>) {
        let Closing { deadline, requests, .. } = self.closing.get_or_insert_default();
        *deadline = within.into_iter().chain(*deadline).min();
        *requests += 1;
        self.hurry_before = usize::MAX;
        if take(&mut self.wants_room) {
            self.owed.push(Owed::RoomAvailable);
        }
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
        let mut requests = self.requests.iter_mut();
        let request = requests.find(|request| request.id == id && request.cancelled.is_none());
        if let Some(request) = request {
            request.cancelled = Some((reason, until));
            self.owed.push(Owed::Cancel(id));
        }
    }

    /// Does what has become due, but for sending.
    fn elapse(&mut self) {
        let now = self.now;
        for number in 0..self.records.len() {
            let record = &mut self.records[number];
            if matches!(record.place, Place::Waiting { until, .. } if until <= now) {
                record.place = Place::Buffered;
            }
            if record.place == Place::Buffered && record.expiration.is_some_and(|at| at <= now) {
                self.hasten_neighbours(number);
                self.give_up(number, &Cause::Expired);
            }
        }
        let timeout = self.config.request_timeout();
        let is_late = |request: &&Request<Id>| {
            request.cancelled.is_none() && request.start.after(timeout) <= now
        };
        for id in self.ids(is_late) {
            self.stats.timeouts += 1;
            self.cancel(id, ErrorCode::RequestTimeout);
        }
        let is_silent = |request: &&Request<Id>| {
            request.cancelled.as_ref().is_some_and(|(_, until)| *until <= now)
        };
        for id in self.ids(is_silent) {
            self.cancelled(id, Sent::Unknown);
        }
        let is_late = |flush: &Flush| flush.deadline.is_some_and(|deadline| deadline <= now);
        let (late, rest): (Vec<_>, Vec<_>) = take(&mut self.flushes).into_iter().partition(is_late);
        self.flushes = rest;
        late.iter().for_each(|flush| self.end_flush(flush));
        let held = self.held(usize::MAX) as u64;
        if let Some(Closing { deadline, undelivered, .. }) = &mut self.closing
            && deadline.take_if(|deadline| *deadline <= now).is_some()
        {
            *undelivered += held;
            self.hand_back(&Cause::Closed);
            self.elapse();
        }
    }

    fn ids(&self, filter: impl FnMut(&&Request<Id>) -> bool) -> Vec<Id> {
        self.requests.iter().filter(filter).map(|request| request.id).collect()
    }
}
