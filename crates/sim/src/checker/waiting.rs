use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use headwaters_engine::Instant;

/// Records that wait in the engine: for each shard of the map, by the time at which they must have left if a
/// request is free and the limiter allows it.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    slots: Vec<BTreeSet<(Instant, usize)>>,
}

impl Waiting {
    pub(super) fn add(&mut self, slot: usize, leave_by: Instant, number: usize) {
        if self.slots.len() <= slot {
            self.slots.resize_with(slot + 1, BTreeSet::new);
        }
        self.slots[slot].insert((leave_by, number));
    }

    /// Gives a record another time, if it is one of those that wait.
    pub(super) fn hasten(&mut self, slot: usize, (from, to): (Instant, Instant), number: usize) {
        if let Some(records) = self.slots.get_mut(slot)
            && records.remove(&(from, number))
        {
            records.insert((to, number));
        }
    }

    pub(super) fn remove(&mut self, slot: usize, leave_by: Instant, number: usize) {
        if let Some(records) = self.slots.get_mut(slot) {
            records.remove(&(leave_by, number));
        }
    }

    /// Gives each record the time, and perhaps the place, that `change` says.
    pub(super) fn change(
        &mut self,
        mut change: impl FnMut(usize, Instant, usize) -> (Option<usize>, Instant),
    ) {
        let slots = core::mem::take(&mut self.slots);
        for (slot, records) in slots.into_iter().enumerate() {
            for (leave_by, number) in records {
                let (new_slot, leave_by) = change(slot, leave_by, number);
                self.add(new_slot.unwrap_or(slot), leave_by, number);
            }
        }
    }

    /// All that wait.
    pub(super) fn numbers(&self) -> impl Iterator<Item = usize> {
        self.slots.iter().flatten().map(|&(_, number)| number)
    }

    /// Those that wait for a shard.
    pub(super) fn of_slot(&self, slot: usize) -> impl Iterator<Item = usize> {
        self.slots.get(slot).into_iter().flatten().map(|&(_, number)| number)
    }

    /// The first record of each shard that should have left by `now`.
    pub(super) fn overdue(&self, now: Instant) -> impl Iterator<Item = (usize, usize)> {
        self.slots.iter().enumerate().filter_map(move |(slot, records)| {
            let &(leave_by, number) = records.first()?;
            (leave_by <= now).then_some((slot, number))
        })
    }
}
