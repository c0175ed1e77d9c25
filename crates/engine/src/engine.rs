use alloc::collections::VecDeque;
use alloc::vec::Vec;

use headwaters_wire::ErrorCode;

use crate::action::{Action, Batch, BatchId, Wakeup, WakeupReason};
use crate::bounds::{NoRoom, Room};
use crate::buffer::Buffer;
use crate::closing::Closing;
use crate::completion::Cause;
use crate::config::Config;
use crate::event::{Event, Sent};
use crate::flushes::Flushes;
use crate::held::Held;
use crate::in_flight::InFlight;
use crate::record::{Token, UserRecord};
use crate::refused::{Refused, RefusedReason};
use crate::retry;
use crate::stats::Stats;
use crate::time::Instant;

/// A Kinesis producer without input and output, for one stream.
///
/// - **Commands and events**: [`add`](Self::add), [`handle`](Self::handle);
/// - **output**: [`poll`](Self::poll), until it says [`Action::Wait`];
/// - **getters**: [`wakeup`](Self::wakeup), [`stats`](Self::stats), [`config`](Self::config).
///
/// Every call that brings a time may bring any time: the engine's own never goes back. Everything that is
/// due happens in `poll`, so calling it late only delays.
#[derive(Debug)]
pub struct Engine {
    pub(crate) config: Config,
    pub(crate) now: Instant,
    pub(crate) actions: VecDeque<Action>,
    pub(crate) buffer: Buffer,
    pub(crate) closing: Option<Closing>,
    pub(crate) flushes: Flushes,
    pub(crate) in_flight: InFlight,
    next_sequence: u64,
    pub(crate) room: Room,
    pub(crate) stats: Stats,
}

impl Engine {
    /// An engine that holds nothing yet.
    pub fn new(config: Config, now: Instant) -> Self {
        Self {
            room: Room::new(config.bounds),
            config,
            now,
            actions: VecDeque::new(),
            buffer: Buffer::default(),
            closing: None,
            flushes: Flushes::default(),
            in_flight: InFlight::default(),
            next_sequence: 0,
            stats: Stats::default(),
        }
    }

    /// Accepts a record: from now on it will get exactly one outcome.
    ///
    /// # Errors
    /// [`Refused`] gives the record back: there is no room, the engine is closing, or the record is larger
    /// than the stream takes.
    pub fn add(&mut self, token: Token, record: UserRecord, now: Instant) -> Result<(), Refused> {
        self.advance(now);
        if let Err(reason) = self.admit(&record) {
            self.stats.refused += 1;
            return Err(Refused { reason, record });
        }
        let expiration = self.config.record_ttl.map(|ttl| self.now.after(ttl));
        let deadline = self.now.after(self.config.record_max_buffered_time);
        let sequence = self.next_sequence;
        self.next_sequence += 1;
        self.stats.accepted += 1;
        self.buffer.add(Held {
            ambiguous: false,
            attempts: 0,
            deadline: retry::leave_by(deadline, expiration, self.now),
            expiration,
            history: None,
            record,
            sequence,
            token,
        });
        Ok(())
    }

    /// Takes note of what happened.
    pub fn handle(&mut self, event: Event, now: Instant) {
        self.advance(now);
        match event {
            Event::BatchCancelled { batch, sent } => self.batch_cancelled(batch, sent),
            Event::BoundsChanged(bounds) => {
                self.room.set(bounds);
                self.announce_room();
            }
            Event::CloseRequested { deadline } => self.close(deadline),
            Event::FlushRequested { flush, deadline } => {
                let held = self.room.records() as u64;
                self.flushes.start(flush, self.next_sequence, held, deadline);
                self.finish_flushes();
            }
            Event::PurgeRequested => self.hand_back(&Cause::Purged),
            Event::PutRecordsFinished { batch, result } => self.put_records_finished(batch, result),
            Event::RecordAdded { token, record } => {
                if let Err(refused) = self.add(token, record, now) {
                    self.actions.push_back(Action::Complete(refused.into_completion(token)));
                }
            }
            Event::TimeAdvanced => {}
        }
        self.check();
    }

    /// What to do next.
    pub fn poll(&mut self) -> Action {
        if let Some(action) = self.actions.pop_front() {
            return action;
        }
        self.elapse();
        if let Some(action) = self.actions.pop_front() {
            return action;
        }
        if self.is_batch_due() {
            return Action::SendBatch(self.collect());
        }
        self.check();
        Action::Wait(self.wakeup())
    }

    /// When the engine wants to hear of the time: what [`Action::Wait`] would say, without draining. A time
    /// that has come means that there is something to [`poll`](Self::poll).
    ///
    /// The answer changes with every call to `add`, `handle` and `poll`.
    pub fn wakeup(&self) -> Wakeup {
        if !self.actions.is_empty() || self.is_batch_due() {
            return Wakeup { at: Some(self.now), reason: WakeupReason::Actions };
        }
        let mut wakeup = Wakeup::IDLE;
        if self.has_free_request() {
            wakeup = wakeup.sooner(self.buffer.next_deadline(), WakeupReason::Deadline);
        }
        let close = self.closing.as_ref().and_then(|closing| closing.deadline);
        wakeup
            .sooner(self.buffer.next_wait_end(), WakeupReason::Retry)
            .sooner(self.buffer.next_expiration(), WakeupReason::Expiration)
            .sooner(self.in_flight.next_timeout(), WakeupReason::RequestTimeout)
            .sooner(self.in_flight.next_grace(), WakeupReason::CancelGrace)
            .sooner(self.flushes.next_deadline(), WakeupReason::Flush)
            .sooner(close, WakeupReason::Close)
    }

    /// Counters and levels.
    pub fn stats(&self) -> Stats {
        Stats {
            buffered: self.buffer.len() as u64,
            bytes_held: self.room.bytes() as u64,
            in_flight: self.in_flight.records() as u64,
            requests_in_flight: self.in_flight.requests() as u64,
            ..self.stats
        }
    }

    /// The settings.
    pub const fn config(&self) -> &Config {
        &self.config
    }

    /// Whether the engine holds no record.
    pub const fn is_empty(&self) -> bool {
        self.room.records() == 0
    }

    fn advance(&mut self, now: Instant) {
        self.now = self.now.max(now);
    }

    fn admit(&mut self, record: &UserRecord) -> Result<(), RefusedReason> {
        if self.closing.is_some() {
            return Err(RefusedReason::Closed);
        }
        let limit = self.config.max_user_record_size;
        if record.size() > limit {
            return Err(RefusedReason::TooLarge { limit });
        }
        self.room.take(Held::room_of(record)).map_err(|no_room| match no_room {
            NoRoom::Full => RefusedReason::Full,
            NoRoom::Never => RefusedReason::TooLarge { limit: self.room.largest() },
        })
    }

    /// Does what has become due.
    fn elapse(&mut self) {
        let now = self.now;
        self.buffer.end_waits(now);
        while let Some(held) = self.buffer.take_expired(now) {
            self.give_up(held, Cause::Expired);
        }
        self.in_flight.skip_answered();
        while let Some(batch) = self.in_flight.take_timed_out(now) {
            self.stats.timeouts += 1;
            self.cancel(batch, ErrorCode::RequestTimeout);
            self.in_flight.skip_answered();
        }
        while let Some(batch) = self.in_flight.take_silent(now) {
            self.batch_cancelled(batch, Sent::Unknown);
            self.in_flight.skip_answered();
        }
        while let Some((flush, pending)) = self.flushes.take_late(now) {
            self.actions.push_back(Action::FlushFinished { flush, pending });
        }
        self.end_close();
    }

    fn has_free_request(&self) -> bool {
        self.in_flight.requests() < self.config.max_requests_in_flight
    }

    fn is_batch_due(&self) -> bool {
        let (buffer, config) = (&self.buffer, &self.config);
        self.has_free_request()
            && (buffer.fills(config.collection_max_count, config.collection_max_size)
                || buffer.next_deadline().is_some_and(|deadline| deadline <= self.now)
                || (self.closing.is_some() && buffer.has_new_before(u64::MAX))
                || self.flushes.barrier().is_some_and(|barrier| buffer.has_new_before(barrier)))
    }

    /// Makes a batch of the records that leave next.
    fn collect(&mut self) -> Batch {
        let config = &self.config;
        let records = self.buffer.take(config.collection_max_count, config.collection_max_size);
        let entries: Vec<_> = records.iter().map(|held| held.record.as_entry().clone()).collect();
        self.stats.requests += 1;
        self.stats.entries += entries.len() as u64;
        let timeout = self.now.after(config.request_timeout);
        let id = self.in_flight.start(records, self.now, timeout);
        Batch { entries, id }
    }

    /// Gives a record that was not stored its outcome.
    pub(crate) fn give_up(&mut self, held: Held, cause: Cause) {
        if matches!(cause, Cause::Purged | Cause::Closed) {
            self.stats.handed_back += 1;
        } else if held.ambiguous {
            self.stats.maybe_stored += 1;
        } else {
            self.stats.not_stored += 1;
        }
        let (sequence, room) = (held.sequence, held.room());
        self.actions.push_back(Action::Complete(held.undelivered(cause)));
        self.release(sequence, room);
    }

    /// Forgets a record that has its outcome.
    pub(crate) fn release(&mut self, sequence: u64, room: usize) {
        self.room.give_back(room);
        self.flushes.completed(sequence);
        self.announce_room();
        self.finish_flushes();
        self.finish_close();
    }

    fn announce_room(&mut self) {
        if self.room.announce() {
            self.actions.push_back(Action::RoomAvailable);
        }
    }

    fn finish_flushes(&mut self) {
        while let Some(flush) = self.flushes.take_done() {
            self.actions.push_back(Action::FlushFinished { flush, pending: 0 });
        }
    }

    pub(crate) fn cancel(&mut self, batch: BatchId, reason: ErrorCode) {
        let grace = self.now.after(self.config.cancel_grace);
        if self.in_flight.cancel(batch, reason, grace) {
            self.actions.push_back(Action::CancelBatch(batch));
        }
    }

    /// What must hold after each call, in debug builds of a size that allows it.
    fn check(&self) {
        #[cfg(debug_assertions)]
        {
            let stats = self.stats();
            let ended = stats.stored + stats.not_stored + stats.maybe_stored + stats.handed_back;
            debug_assert_eq!(stats.accepted, ended + stats.buffered + stats.in_flight);
            debug_assert_eq!(self.room.records() as u64, stats.buffered + stats.in_flight);
            // Walking everything after each call would make large tests quadratic.
            const WALKED_MAX: usize = 64;
            if self.room.records() <= WALKED_MAX {
                self.buffer.invariants();
                self.in_flight.invariants();
            }
        }
    }
}
