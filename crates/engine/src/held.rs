use alloc::boxed::Box;

use headwaters_wire::{AttemptError, Certainty};
use smallvec::smallvec;

use crate::bounds::{Bounds, Room};
use crate::completion::{Attempt, Attempts, Cause, Completion, Outcome};
use crate::record::{Token, UserRecord};
use crate::time::Instant;

/// A record that the engine has accepted and has no outcome for yet.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) record: UserRecord,
    pub(crate) token: Token,
    /// Place in the order of acceptance.
    pub(crate) sequence: u64,
    /// When it leaves the buffer at the latest, if a request is free.
    pub(crate) deadline: Instant,
    /// When it is too late to send it; `None` for never.
    pub(crate) expiration: Option<Instant>,
    /// How many attempts have failed.
    pub(crate) attempts: u32,
    /// Whether one of them may have stored the record.
    pub(crate) ambiguous: bool,
    /// What is kept of them. Most records never have any; where there is no room, only their number is kept.
    pub(crate) history: Option<Box<Attempts>>,
}

impl Held {
    /// The room that a record takes when it is accepted, in bytes.
    pub(crate) fn room_of(record: &UserRecord) -> usize {
        record.size() + Bounds::RECORD_OVERHEAD
    }

    /// The room that it takes now.
    pub(crate) fn room(&self) -> usize {
        Self::room_of(&self.record) + if self.history.is_some() { Attempts::BYTES } else { 0 }
    }

    /// Notes a failed attempt; keeps what it can of it.
    pub(crate) fn failed(
        &mut self,
        start: Instant,
        end: Instant,
        error: &AttemptError,
        room: &mut Room,
    ) {
        self.attempts = self.attempts.saturating_add(1);
        self.ambiguous |= error.code.certainty() == Certainty::MaybeStored;
        if self.history.is_none() && room.take_more(Attempts::BYTES) {
            self.history = Some(Box::new(Attempts::with_room(self.attempts - 1)));
        }
        if let Some(history) = &mut self.history {
            history.push(Attempt { end, error: Some(error.clone()), start });
        }
    }

    pub(crate) fn is_expired(&self, now: Instant) -> bool {
        self.expiration.is_some_and(|expiration| expiration <= now)
    }

    /// Its attempts so far.
    pub(crate) fn take_attempts(&mut self) -> Attempts {
        let kept = self.history.take().map(|history| *history);
        kept.unwrap_or_else(|| Attempts::unkept(self.attempts))
    }

    /// Its outcome if none of its attempts was confirmed.
    pub(crate) fn undelivered(mut self, cause: Cause) -> Completion {
        let attempts = self.take_attempts();
        let (ambiguous, record) = (self.ambiguous, self.record);
        let outcome = if ambiguous {
            Outcome::MaybeStored { cause, record }
        } else {
            Outcome::NotStored { cause, record }
        };
        Completion { attempts, outcome, tokens: smallvec![self.token] }
    }
}
