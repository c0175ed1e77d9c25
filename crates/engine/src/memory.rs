//! How much memory the engine takes.

use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;

use headwaters_wire::{Entries, Entry};

use crate::action::Action;
use crate::engine::Engine;
use crate::held::{Claim, Held, Past};
use crate::in_flight::{Cargo, Flight};
use crate::kinesis_record::{Aggregate, Content, KinesisRecord};

impl Engine {
    /// How many bytes of memory the engine takes now: payloads and keys, what is kept of each record, and room that is
    /// kept ready; within 10 percent of what is allocated, once that is a mebibyte.
    ///
    /// This is for monitoring, and for finding out what [`Bounds`](crate::Bounds) are worth: it looks at everything that is
    /// held, which takes some nanoseconds for each Kinesis record. What the bounds are compared with is
    /// [`Stats::bytes_held`](crate::Stats::bytes_held). Not known, and so not counted: the rest of a larger buffer of which a
    /// payload or key is a part, the texts of errors (at most 512 bytes for each attempt), what the allocator adds, and
    /// what the driver has not polled yet.
    pub fn memory(&self) -> usize {
        let turnstile = self.turnstile.as_ref().map_or(0, |turnstile| turnstile.memory());
        let answers: usize = self.answers.iter().map(|answer| answer.memory()).sum();
        let strays = self.strays.iter().map(|stray| of_aggregate(&stray.aggregate));
        size_of::<Self>()
            + self.actions.capacity() * size_of::<Action>()
            + self.lanes.memory()
            + self.in_flight.memory()
            + self.waits.memory()
            + self.bisection.memory()
            + turnstile
            + answers
            + strays.sum::<usize>()
    }

    /// Gives back what memory is kept for more of the same. That of the lanes when nothing is held, and not each time: it
    /// takes some time for each lane, and what is given back must be taken again.
    pub(crate) fn shrink(&mut self) {
        const RECORDS_PER_LANE: u64 = 64;
        const ACTIONS: usize = 64;
        if self.actions.is_empty() && self.actions.capacity() > ACTIONS {
            self.actions = VecDeque::new();
        }
        let since = self.next_sequence - self.shrunk;
        if self.is_empty() && since > RECORDS_PER_LANE * self.lanes.lanes.len() as u64 {
            self.shrunk = self.next_sequence;
            self.lanes.shrink();
        }
    }
}

/// What keeps memory that is not part of it.
pub(crate) trait Memory {
    /// How many bytes.
    fn behind(&self) -> usize;
}

impl Memory for KinesisRecord {
    fn behind(&self) -> usize {
        match self {
            Self::Aggregate(aggregate) => of_aggregate(aggregate),
            Self::Plain(held) => held.behind(),
        }
    }
}

impl Memory for Held {
    fn behind(&self) -> usize {
        self.record.size() + of_claim(&self.claim)
    }
}

/// What is behind the claim of a record that goes plain: once it was in a request, its payload and key had to be cloned.
fn of_claim(claim: &Claim) -> usize {
    let counts = if claim.past.is_some() { 2 * SHARED } else { 0 };
    counts + of_past(claim.past.as_ref())
}

/// What a payload or a key takes, beside its bytes, once there is a clone of it (in `bytes` 1.x: a buffer, its size, and a
/// count).
const SHARED: usize = 3 * size_of::<usize>();

/// What is kept of records that are in a request.
pub(crate) fn of_load(entries: &Entries, flights: &[Flight]) -> usize {
    let one = |(entry, flight): (&Entry, &Flight)| match &flight.cargo {
        Cargo::Aggregate(aggregate) => of_aggregate(aggregate),
        Cargo::Plain { claim, .. } => entry.size() + of_claim(claim),
    };
    let behind: usize = entries.iter().zip(flights).map(one).sum();
    let shared = size_of::<Vec<Entry>>() + 2 * size_of::<usize>();
    shared + behind + entries.len() * size_of::<Entry>() + size_of_val(flights)
}

fn of_aggregate(aggregate: &Aggregate) -> usize {
    let Aggregate { claims, content, keys, past, .. } = aggregate;
    let content = match content {
        Content::Sealed(entry) => entry.size(),
        Content::Unsealed(unsealed) => unsealed.as_ref().map_or(0, |unsealed| unsealed.memory()),
    };
    size_of::<Aggregate>() + of_claims(claims) + of_vec(keys) + content + of_past(past.as_ref())
}

pub(crate) fn of_claims(claims: &Vec<Claim>) -> usize {
    let pasts: usize = claims.iter().map(|claim| of_past(claim.past.as_ref())).sum();
    of_vec(claims) + pasts
}

/// A part of what is shared.
fn of_past(past: Option<&Arc<Past>>) -> usize {
    past.map_or(0, |past| past.memory() / Arc::strong_count(past))
}

pub(crate) const fn of_vec<T>(vec: &Vec<T>) -> usize {
    vec.capacity() * size_of::<T>()
}

/// A tree of so many entries. Its nodes have room for eleven each, of which six are taken when all come in their order, and
/// seven or eight else.
pub(crate) const fn of_tree<K, V>(len: usize) -> usize {
    len * (size_of::<K>() + size_of::<V>()) * 5 / 3
}
