//! What could be packed together is packed together.

use alloc::collections::BTreeMap;
use alloc::format;

use headwaters_engine::wire::limits::PARTITION_KEY_CHARS_MAX;
use headwaters_engine::{BatchId, ShardPrediction};

use super::{Checked, Checker, Request, rule};

/// Which records are packed if others came with them.
#[derive(Debug)]
pub(super) struct Packing {
    /// From this one on; all before are sent as they are by now, or packed anew.
    from: u64,
    /// Counts what happens between acceptances.
    pub(super) burst: u64,
}

impl Packing {
    /// As long as there is no map nothing is packed.
    pub(super) const fn new() -> Self {
        Self { from: u64::MAX, burst: 0 }
    }

    /// From now on records go by themselves, at least those of some shard.
    pub(super) const fn end(&mut self) {
        self.from = u64::MAX;
    }

    /// Records are packed if they are accepted from now on, when there are `accepted` before.
    pub(super) const fn start(&mut self, accepted: u64) {
        self.from = accepted;
    }

    /// A list came that says nothing new: as before, but for those that went by themselves until it came.
    pub(super) const fn go_on(&mut self, accepted: u64) {
        if self.from == u64::MAX {
            self.start(accepted);
        }
    }
}

impl Checker {
    /// Nothing happened between the acceptances of two records of one shard, and any two of them fit together: then not
    /// both of them leave by themselves.
    pub(super) fn check_packed(&self, batch: BatchId, request: &Request) -> Checked {
        let config = &self.config;
        let is_on =
            config.shard_prediction() == ShardPrediction::On && config.aggregation_enabled();
        // With the key of the aggregate it must be a record that the stream takes.
        let most = config.max_user_record_size().saturating_sub(4 * PARTITION_KEY_CHARS_MAX);
        let most = most.min(config.aggregation_max_size());
        let fits = config.aggregation_max_count() > 1 && 2 * self.largest_record + 64 <= most;
        if !is_on || !fits || self.is_ordered() {
            return Ok(());
        }
        let mut alone: BTreeMap<(usize, u64), usize> = BTreeMap::new();
        for (index, parcel) in request.parcels.iter().enumerate() {
            let number = request.numbers_of(index)[0];
            let record = &self.records[number];
            let from = self.packing.from.max(self.expired_among);
            let is_new = record.sends == 1 && !record.has_own_timing;
            if parcel.is_aggregate || !is_new || (number as u64) < from {
                continue;
            }
            let other = alone.insert((parcel.slot, record.burst), number);
            rule(other.is_none(), || {
                format!(
                    "{batch} has records {other:?} and {number} for shard {}, each by itself",
                    parcel.slot
                )
            })?;
        }
        Ok(())
    }
}
