//! The ways out: close, its deadline, purge.

use alloc::vec::Vec;

use headwaters_wire::{AttemptError, ErrorCode};

use crate::action::Action;
use crate::completion::{Attempt, Cause};
use crate::engine::Engine;
use crate::held::Past;
use crate::kinesis_record::KinesisRecord;
use crate::order::Turnstile;
use crate::time::Instant;

/// A close that was asked for, and stays.
#[derive(Debug)]
pub(crate) struct Closing {
    pub(crate) deadline: Option<Instant>,
    /// How many records the deadline handed back.
    undelivered: u64,
    /// How many `CloseFinished` are owed.
    requests: u32,
}

impl Engine {
    /// Takes no more records from now on.
    pub(crate) fn close(&mut self, deadline: Option<Instant>) {
        let sooner = |mine: Option<Instant>| mine.into_iter().chain(deadline).min();
        match &mut self.closing {
            Some(closing) => {
                closing.deadline = sooner(closing.deadline);
                closing.requests = closing.requests.saturating_add(1);
            }
            None => self.closing = Some(Closing { deadline, undelivered: 0, requests: 1 }),
        }
        // Nothing will come that would be worth waiting for.
        self.lanes.hurry(u64::MAX, self.now);
        // Whoever waits for room must learn that there will be none.
        if self.room.forget_wanted() | self.shares.forget_wanted() {
            self.actions.push_back(Action::RoomAvailable);
        }
        self.finish_close();
    }

    /// Hands everything back if the deadline of the close has come.
    pub(crate) fn end_close(&mut self) {
        let Some(closing) = &mut self.closing else { return };
        if closing.deadline.is_none_or(|deadline| deadline > self.now) {
            return;
        }
        closing.deadline = None;
        closing.undelivered += self.room.records() as u64;
        self.hand_back(&Cause::Closed);
    }

    /// Says that the close is done, if it is.
    #[inline]
    pub(crate) fn finish_close(&mut self) {
        let Some(closing) = &mut self.closing else { return };
        if self.room.records() > 0 {
            return;
        }
        // A close that is done has no deadline any more.
        closing.deadline = None;
        let undelivered = closing.undelivered;
        for _ in 0..core::mem::take(&mut closing.requests) {
            self.actions.push_back(Action::CloseFinished { undelivered });
        }
    }

    /// Gives every record an outcome now.
    pub(crate) fn hand_back(&mut self, cause: &Cause) {
        let mut held: Vec<KinesisRecord> = self.lanes.drain(self.now);
        held.extend(self.waits.drain());
        let waiting = self.turnstile.as_mut().map(Turnstile::drain);
        held.extend(waiting.into_iter().flatten().map(KinesisRecord::Plain));
        held.extend(self.bisection.drain());
        held.sort_by_key(KinesisRecord::sequence);
        for record in held {
            self.give_up_all(record, cause);
        }
        self.give_up_strays(cause);
        let error = AttemptError::new(ErrorCode::Cancelled);
        for (batch, start, load) in self.in_flight.drain() {
            self.cancel(batch, ErrorCode::Cancelled);
            for mut record in load.land() {
                let attempt = Attempt { end: self.now, error: Some(error.clone()), start };
                Past::note(record.past_mut(), attempt, &mut self.room);
                self.give_up_all(record, cause);
            }
        }
    }
}
