use core::pin::Pin;
use core::task::{Context, Poll};

use headwaters_engine::{Attempts, Outcome};
use tokio::sync::oneshot;

/// A promise of the outcome of one accepted record.
///
/// Dropping a ticket never drops its record: it only means that nobody will be told.
#[derive(Debug)]
#[must_use = "a ticket tells what became of the record; drop it on purpose if nobody needs to know"]
pub struct Ticket(oneshot::Receiver<Delivery>);

/// What became of a record, and how. Records that were packed together have a sequence number in common.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Delivery {
    /// The attempts that were made.
    pub attempts: Attempts,
    /// What became of it.
    pub outcome: Outcome,
}

pub(crate) fn ticket() -> (oneshot::Sender<Delivery>, Ticket) {
    let (sender, receiver) = oneshot::channel();
    (sender, Ticket(receiver))
}

/// Resolves exactly once, even if the runtime that drives the producer is shut down.
///
/// # Cancel safety
/// A ticket can be polled, put aside and polled again.
impl Future for Ticket {
    type Output = Delivery;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Delivery> {
        Pin::new(&mut self.0).poll(context).map(|delivery| {
            delivery.expect("a driver gives every ticket its outcome before it ends")
        })
    }
}
