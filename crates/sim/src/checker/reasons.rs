//! Why a request leaves just now, and who gets a place in it.

use alloc::collections::BTreeMap;
use alloc::format;

use headwaters_engine::{BatchId, Instant, Stats};

use super::{Checked, Checker, Request, rule};

/// A lane's share of a request, in its turn, when others wait: one in so many.
const LANES_PER_REQUEST: usize = 8;

impl Checker {
    /// A request leaves because something is due, or in a hurry, or because there is enough for one. Here those are looked
    /// at for which there never is enough: whatever leaves before its time leaves with something whose time has come.
    pub(super) fn check_reason(&self, batch: BatchId, request: &Request, now: Instant) -> Checked {
        let config = &self.config;
        let full_at = config.collection_max_size().min(config.collection_max_shard_size()) as u64;
        // Nothing takes more than twice its bytes and this when it is packed.
        let most_bytes = 2 * self.bytes_open + 64 * self.open();
        let is_enough =
            self.open() >= config.collection_max_count() as u64 || most_bytes >= full_at;
        if is_enough || self.is_ordered() {
            return Ok(());
        }
        let has_reason = |number: usize, is_new: bool| {
            self.records[number].due <= now
                || (is_new && number < self.hurried)
                || (number as u64) < self.expired_among
                // What looks for poison does not wait for others.
                || self.records[number].spared > 0
        };
        let leaves = request.numbers.iter();
        let mut leaves = leaves.map(|&number| (number, self.records[number].sends == 1));
        let stays = self.waiting.numbers();
        let mut stays = stays.map(|number| (number, self.records[number].sends == 0));
        let mut is_reason = |(number, is_new)| has_reason(number, is_new);
        rule(leaves.any(&mut is_reason) || stays.any(&mut is_reason), || {
            format!("{batch} leaves, and nothing is due")
        })
    }

    /// Where there is more than a request takes, each shard gets its share before one gets more.
    pub(super) fn check_shares(
        &mut self,
        batch: BatchId,
        request: &Request,
        stats: &Stats,
        now: Instant,
    ) -> Checked {
        let (most, count) = (self.config.collection_max_size(), self.config.collection_max_count());
        let bytes: usize = request.parcels.iter().map(|parcel| parcel.size).sum();
        let is_full = request.parcels.len() == count || bytes + self.largest > most;
        // What looks for poison does not share.
        let is_part =
            request.numbers.first().is_some_and(|&number| self.records[number].spared > 0);
        let is_apart = self.doubts.is_doubted(request.parcels[0].slot);
        if is_part
            || is_apart
            || !is_full
            || stats.lanes_held_back > 0
            || self.map.len() < 2
            || self.map.is_scattered()
        {
            return Ok(());
        }
        let share = most.div_ceil(LANES_PER_REQUEST);
        let mut taken: BTreeMap<usize, usize> = BTreeMap::new();
        for parcel in &request.parcels {
            // An entry takes its bytes, or its part of the number of entries.
            let costs = parcel.size.max(most / count);
            if costs > share {
                return Ok(());
            }
            *taken.entry(parcel.slot).or_default() += costs;
        }
        let passed_over = self
            .waiting
            .overdue(now)
            .find(|(slot, _)| !taken.contains_key(slot) && !self.doubts.is_doubted(*slot));
        let Some((slot, number)) = passed_over else { return Ok(()) };
        self.sometimes.shares_taken += 1;
        // What was left of the one before may be added to a share; and whoever has something large to send saves up for it,
        // while the others have one turn after the other.
        let saves = self.largest_waiting().min(most);
        let most_taken = 2 * share + if saves > share { saves } else { 0 };
        let greedy = taken.iter().find(|(_, taken)| **taken > most_taken);
        rule(greedy.is_none(), || {
            format!(
                "{batch} has {greedy:?} bytes for one shard, and none for shard {slot}, to which record {number} should go"
            )
        })
    }
}
