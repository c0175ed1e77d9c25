use alloc::boxed::Box;

use headwaters_wire::{AttemptError, Certainty};
use smallvec::smallvec;

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
    /// Failed attempts; most records never have one.
    pub(crate) history: Option<Box<History>>,
}

/// What failed attempts leave behind.
#[derive(Debug, Default)]
pub(crate) struct History {
    pub(crate) attempts: Attempts,
    /// Whether one of them may have stored the record.
    pub(crate) ambiguous: bool,
}

impl Held {
    /// Notes a failed attempt.
    pub(crate) fn failed(&mut self, start: Instant, end: Instant, error: AttemptError) {
        let history = self.history.get_or_insert_default();
        history.ambiguous |= error.code.certainty() == Certainty::MaybeStored;
        history.attempts.push(Attempt { end, error: Some(error), start });
    }

    /// How many attempts have failed.
    pub(crate) fn attempts(&self) -> u32 {
        self.history.as_ref().map_or(0, |history| history.attempts.count())
    }

    /// Whether a failed attempt may have stored it.
    pub(crate) fn is_ambiguous(&self) -> bool {
        self.history.as_ref().is_some_and(|history| history.ambiguous)
    }

    pub(crate) fn is_expired(&self, now: Instant) -> bool {
        self.expiration.is_some_and(|expiration| expiration <= now)
    }

    /// Its outcome if none of its attempts was confirmed.
    pub(crate) fn undelivered(self, cause: Cause) -> Completion {
        let ambiguous = self.is_ambiguous();
        let record = self.record;
        let outcome = if ambiguous {
            Outcome::MaybeStored { cause, record }
        } else {
            Outcome::NotStored { cause, record }
        };
        let attempts = self.history.map(|history| history.attempts).unwrap_or_default();
        Completion { attempts, outcome, tokens: smallvec![self.token] }
    }
}
