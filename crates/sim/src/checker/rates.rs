//! What the engine learns from throttles.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::vec::Vec;

use headwaters_engine::wire::Class;
use headwaters_engine::wire::limits::SHARD_BYTES_PER_SECOND;
use headwaters_engine::{BatchId, Instant, PutRecordsResult, RateLimit, ShardStats};

use super::{Checked, Checker, rule};

/// The least that a rate may be, and the one that it starts with unless its ceiling is lower, in millionths of what a
/// shard takes.
const FLOOR_PPM: u64 = 5_000;
const START_PPM: u64 = 1_000_000;
/// A rate need not become lower than one entry in so many seconds.
const FLOOR_SECONDS: u64 = 4;

/// The rates, and what must become of them.
#[derive(Debug, Default)]
pub(super) struct Rates {
    /// Shards of the map of which the answer just heard says nothing but that they throttle, their rates before, and
    /// the rate in bytes below which they need not fall.
    to_fall: BTreeMap<usize, (Vec<u64>, u64)>,
    /// All that it says throttle.
    throttled: BTreeSet<usize>,
    /// When each shard was last heard to throttle, and by which map.
    heard: BTreeMap<usize, (u32, Instant)>,
    /// Whether more than one answer came since the last wait: then nobody knows which came last.
    are_several: bool,
    /// Whether one came.
    is_noted: bool,
}

/// The rates of a shard, in its records and in its bytes.
fn rates(of: &ShardStats) -> Vec<u64> {
    of.record_rate_ppm.into_iter().chain(of.byte_rate_ppm).collect()
}

impl Checker {
    /// An answer came that the engine has not read; `shards` is what it says of them.
    pub(crate) fn note_rates(
        &mut self,
        batch: BatchId,
        result: &PutRecordsResult,
        shards: impl Iterator<Item = ShardStats>,
    ) {
        let RateLimit::Adaptive { .. } = self.config.rate_limit() else { return };
        let Some(request) = self.requests.get(&batch) else { return };
        self.rates.are_several |= self.rates.is_noted;
        self.rates.is_noted = true;
        let Ok(results) = result else { return };
        if results.len() != request.parcels.len() || request.generation != self.map.generation {
            return;
        }
        let is_throttled = |slot: usize| {
            let of = request.parcels.iter().zip(results).filter(move |(at, _)| at.slot == slot);
            of.map(|(_, result)| matches!(result, Err(error) if error.code.class() == Class::Throttled))
        };
        let slots: BTreeSet<usize> = request.parcels.iter().map(|parcel| parcel.slot).collect();
        let throttled = slots.into_iter().filter(|&slot| is_throttled(slot).any(|is| is));
        self.rates.throttled = throttled.collect();
        if self.rates.throttled.is_empty() {
            return;
        }
        let shards: Vec<ShardStats> = shards.collect();
        for &slot in &self.rates.throttled {
            let heard = self.rates.heard.get(&slot);
            let is_news = heard.is_none_or(|&(generation, at)| {
                generation != request.generation || request.start > at
            });
            if is_news && is_throttled(slot).all(|is| is) {
                let of = request.parcels.iter().filter(|parcel| parcel.slot == slot);
                let largest = of.map(|parcel| parcel.size).max().unwrap_or(0) as u64;
                let least = largest * 1_000_000 / (SHARD_BYTES_PER_SECOND * FLOOR_SECONDS);
                self.rates.to_fall.insert(slot, (rates(&shards[slot]), FLOOR_PPM.max(least)));
            }
        }
    }

    /// The engine has read all answers and says this of its shards: where nothing was heard but throttles the rate is
    /// lower than before, unless it was as low as may be.
    pub(crate) fn check_rates(
        &mut self,
        shards: impl Iterator<Item = ShardStats>,
        now: Instant,
    ) -> Checked {
        let RateLimit::Adaptive { ceiling_percent } = self.config.rate_limit() else {
            return Ok(());
        };
        self.rates.is_noted = false;
        let are_several = core::mem::take(&mut self.rates.are_several);
        let to_fall = core::mem::take(&mut self.rates.to_fall);
        let throttled = core::mem::take(&mut self.rates.throttled);
        for slot in throttled {
            self.rates.heard.insert(slot, (self.map.generation, now));
        }
        if to_fall.is_empty() || are_several {
            return Ok(());
        }
        for (slot, shard) in shards.enumerate() {
            let after = rates(&shard);
            let ceiling = u64::from(ceiling_percent) * 10_000;
            rule(after.iter().all(|rate| (FLOOR_PPM..=ceiling).contains(rate)), || {
                format!("shard {slot} of the map is fed at {after:?} millionths")
            })?;
            let Some((before, least)) = to_fall.get(&slot) else { continue };
            let is_lower = after.iter().zip(before).any(|(after, before)| after < before);
            let is_least = after[0] <= FLOOR_PPM || after[1] <= *least;
            self.sometimes.rate_lowered += u64::from(is_lower);
            self.sometimes.rate_at_floor += u64::from(is_least);
            rule(is_lower || is_least, || {
                format!(
                    "shard {slot} of the map throttled, and its rate went from {before:?} to {after:?}"
                )
            })?;
        }
        Ok(())
    }

    /// A list of shards came; what the engine said of them before it, and what it says now.
    pub(crate) fn note_inheritance(
        &mut self,
        before: &[ShardStats],
        after: impl Iterator<Item = ShardStats>,
    ) {
        let RateLimit::Adaptive { ceiling_percent } = self.config.rate_limit() else { return };
        let start = START_PPM.min(u64::from(ceiling_percent) * 10_000);
        let is_new = |shard: &ShardStats| before.iter().all(|before| before.shard != shard.shard);
        let slow = after.filter(|shard| is_new(shard) && rates(shard).iter().any(|&r| r < start));
        self.sometimes.rate_inherited += slow.count() as u64;
    }
}
