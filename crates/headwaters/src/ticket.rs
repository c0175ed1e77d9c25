use core::fmt;
use core::ops::Deref;
use core::pin::Pin;
use core::task::{Context, Poll};
use std::sync::Arc;

use headwaters_engine::wire::AttemptError;
use headwaters_engine::{Attempts, Outcome, Token};

use crate::shared::Shared;
use crate::threads::block_on;

/// A promise of the outcome of one accepted record.
///
/// Dropping a ticket never drops its record: it only means that nobody will be told.
#[derive(Debug)]
#[must_use = "a ticket tells what became of the record; drop it on purpose if nobody needs to know"]
pub struct Ticket {
    shared: Arc<Shared>,
    /// `None` once the delivery has been taken.
    token: Option<Token>,
}

/// What became of a record, and how: a handle on its [`Account`], to whose fields it gives way.
///
/// Printed, it is one line that says what became of the record, and what went wrong last; see [`Account`]. Cheap to clone.
/// Match on a reference (`match &delivery.outcome`), or take the outcome out with
/// [`into_outcome`](Self::into_outcome).
///
/// Records that were packed together share one account; those of records that were stored in the
/// same moment lie side by side, some dozens of them, and are freed together.
#[derive(Clone, Debug)]
pub struct Delivery {
    accounts: Arc<[Account]>,
    index: u32,
}

/// What became of a record, and how. Records that were packed together have a sequence number in common.
///
/// Printed, it is one line without key and payload: "not stored: its time to live ended (...), after 14 attempts; the last:
/// ConnectFailed: no connection to http://127.0.0.1:9: Connection refused". What a server said is in it as well, cleaned and
/// shortened ([`Message`](crate::wire::Message)).
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Account {
    /// The attempts that were made.
    pub attempts: Attempts,
    /// What became of it.
    pub outcome: Outcome,
}

impl Delivery {
    pub(crate) fn new(accounts: Arc<[Account]>, index: u32) -> Self {
        Self { accounts, index }
    }

    /// The outcome by itself, for whoever wants to keep it, or the record in it.
    pub fn into_outcome(self) -> Outcome {
        self.outcome.clone()
    }
}

impl Account {
    /// What went wrong in the last attempt that is known: the reason behind a cause as general as that its time ended.
    pub fn last_error(&self) -> Option<&AttemptError> {
        self.attempts.last_error()
    }
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.outcome {
            Outcome::Stored { maybe_duplicate, sequence_number, shard } => {
                write!(f, "stored on {shard} as {sequence_number}")?;
                return if *maybe_duplicate { f.write_str(", maybe twice") } else { Ok(()) };
            }
            Outcome::NotStored { cause, .. } => write!(f, "not stored: {cause}")?,
            Outcome::MaybeStored { cause, .. } => write!(f, "maybe stored: {cause}")?,
        }
        match self.attempts.count() {
            0 => f.write_str(", before it was sent")?,
            1 => f.write_str(", after 1 attempt")?,
            attempts => write!(f, ", after {attempts} attempts")?,
        }
        self.last_error().map_or(Ok(()), |error| write!(f, "; the last: {error}"))
    }
}

impl fmt::Display for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl Deref for Delivery {
    type Target = Account;

    fn deref(&self) -> &Account {
        &self.accounts[self.index as usize]
    }
}

impl Eq for Delivery {}

impl PartialEq for Delivery {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Ticket {
    pub(crate) fn new(shared: Arc<Shared>, token: Token) -> Self {
        Self { shared, token: Some(token) }
    }

    /// Waits for the outcome on this thread: for programs without a runtime. Within one it would block it.
    ///
    /// # Panics
    /// If the outcome has been taken already, by polling.
    pub fn wait(self) -> Delivery {
        block_on(self)
    }
}

/// Resolves exactly once, even if the runtime that drives the producer is shut down.
///
/// # Cancel safety
/// A ticket can be polled, put aside and polled again.
///
/// # Panics
/// When it is polled after it was ready.
impl Future for Ticket {
    type Output = Delivery;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Delivery> {
        let token = self.token.expect("a ticket is not polled after it was ready");
        let mut spare = None;
        let taken = self.shared.lock().slots.take(token, context.waker(), &mut spare);
        drop(spare);
        taken.map(|delivery| {
            self.token = None;
            delivery.expect("a slot stays until its ticket has taken what is in it")
        })
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if let Some(token) = self.token {
            let left = self.shared.lock().slots.forget(token);
            drop(left);
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// What became of a record that was stored.
    pub(crate) fn stored() -> Account {
        let outcome = Outcome::Stored {
            maybe_duplicate: false,
            sequence_number: "1".parse().expect("a digit"),
            shard: headwaters_engine::wire::ShardId::numbered(0),
        };
        Account { attempts: Attempts::default(), outcome }
    }
}
