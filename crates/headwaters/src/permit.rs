use std::sync::Arc;

use headwaters_engine::{Bounds, Timing, UserRecord};

use crate::shared::{Shared, unlock};
use crate::slots::Want;
use crate::ticket::Ticket;

/// Room for one record, which nobody else can take. Dropping it gives the room back.
#[derive(Debug)]
#[must_use = "the room is kept until the permit is used or dropped"]
pub struct Permit {
    kept: Bounds,
    shared: Arc<Shared>,
}

impl Permit {
    pub(crate) fn new(shared: Arc<Shared>, kept: Bounds) -> Self {
        Self { kept, shared }
    }

    /// Puts a record, now and for certain: whatever can be wrong with it comes as its outcome.
    ///
    /// That is [`Cause::RefusedTooLarge`](crate::Cause::RefusedTooLarge) for a record that is larger than the
    /// stream takes, [`Cause::Closed`](crate::Cause::Closed) if the producer was closed meanwhile,
    /// [`Cause::RefusedShardFull`](crate::Cause::RefusedShardFull) if too much waits for its shard, and
    /// [`Cause::RefusedFull`](crate::Cause::RefusedFull) for one that is larger than what was
    /// [reserved](crate::Producer::reserve_for), if there is no room for it.
    pub fn put(self, record: UserRecord) -> Ticket {
        self.put_timed(record, Timing::default())
    }

    /// Puts a record with a buffered time or a time to live of its own.
    pub fn put_timed(mut self, record: UserRecord, timing: Timing) -> Ticket {
        let now = self.shared.now();
        let mut state = self.shared.lock();
        let kept = core::mem::replace(&mut self.kept, Bounds { bytes: 0, records: 0 });
        let token = state.redeem(kept, record, timing, Want::Ticket, now);
        unlock(state);
        Ticket::new(Arc::clone(&self.shared), token)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if self.kept.records > 0 {
            let now = self.shared.now();
            let mut state = self.shared.lock();
            state.release(self.kept, now);
            unlock(state);
        }
    }
}
