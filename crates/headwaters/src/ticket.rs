use core::ops::Deref;
use core::pin::Pin;
use core::task::{Context, Poll};
use std::sync::Arc;

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
/// Cheap to clone. Match on a reference (`match &ticket.await.outcome`), or take the outcome out with
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
