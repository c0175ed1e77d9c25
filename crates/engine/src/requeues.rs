use alloc::vec::Vec;

use headwaters_wire::AttemptError;
use smallvec::smallvec;

use crate::action::{Action, BatchId, Requeue};
use crate::time::Instant;

/// Collects the entries of one batch that are put back: one notice per cause and times.
#[derive(Debug)]
pub(crate) struct Requeues {
    batch: BatchId,
    requeues: Vec<Requeue>,
}

impl Requeues {
    pub(crate) const fn new(batch: BatchId) -> Self {
        Self { batch, requeues: Vec::new() }
    }

    /// Notes that the entry at `index` is put back; indexes come in rising order.
    pub(crate) fn add(
        &mut self,
        index: u16,
        cause: AttemptError,
        not_before: Instant,
        deadline: Instant,
    ) {
        // Neighbours mostly fail alike, so the newest notices are the likeliest.
        let same = self.requeues.iter_mut().rev().find(|requeue| {
            (requeue.not_before, requeue.deadline) == (not_before, deadline)
                && requeue.cause == cause
        });
        if let Some(requeue) = same {
            requeue.indexes.push(index);
            return;
        }
        let (batch, indexes) = (self.batch, smallvec![index]);
        self.requeues.push(Requeue { batch, cause, deadline, indexes, not_before });
    }

    pub(crate) fn into_actions(self) -> impl Iterator<Item = Action> {
        self.requeues.into_iter().map(Action::Requeue)
    }
}
