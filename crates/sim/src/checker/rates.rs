//! What the engine learns from throttles.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::vec::Vec;
use core::time::Duration;

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
    /// Shards of the map of which the answer just heard says nothing but that they throttle, and the rate in bytes below
    /// which they need not fall.
    to_fall: BTreeMap<usize, u64>,
    /// All that it says throttle, and their rates before.
    throttled: BTreeMap<usize, Vec<u64>>,
    /// What is known of their rows of throttles, by the map of this generation.
    rows: BTreeMap<usize, Row>,
    generation: u32,
    /// When each shard was last heard to throttle, and by which map.
    heard: BTreeMap<usize, (u32, Instant)>,
    /// Whether more than one answer came since the last wait: then nobody knows which came last.
    are_several: bool,
    /// Whether one came.
    is_noted: bool,
}

/// Throttles after which nothing was stored that was sent later say one thing, if they are of one second: together they
/// need not lower a rate by more than one part in so many.
const LOSS_IN_A_ROW: u64 = 8;
const ROW: Duration = Duration::from_secs(1);

/// A row of throttles.
#[derive(Debug)]
enum Row {
    /// The last one is over.
    Ended,
    /// There may be one that began then or before.
    Unsure(Instant),
    /// It began then, with these rates.
    Since { at: Instant, before: Vec<u64>, is_paid: bool },
}

impl Row {
    fn is_over(&self, now: Instant) -> bool {
        match self {
            Self::Ended => true,
            Self::Unsure(_) => false,
            Self::Since { at, .. } => now.since(*at) >= ROW,
        }
    }

    /// Whether it has taken off what it may at `now`, when the rates are these.
    fn is_paid(&mut self, rates: &[u64]) -> bool {
        let Self::Since { before, is_paid, .. } = self else { return true };
        let least = before.iter().map(|rate| rate - rate / LOSS_IN_A_ROW + 1);
        *is_paid |= rates.iter().zip(least).any(|(rate, least)| *rate <= least);
        *is_paid
    }
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
        let generation = core::mem::replace(&mut self.rates.generation, request.generation);
        if generation != request.generation {
            self.rates.rows.clear();
        }
        let throttled: Vec<usize> =
            slots.iter().copied().filter(|&slot| is_throttled(slot).any(|is| is)).collect();
        let has_row = |slot: &usize| !matches!(self.rates.rows.get(slot), Some(Row::Ended));
        if throttled.is_empty() && !slots.iter().any(has_row) {
            return;
        }
        let shards: Vec<ShardStats> = shards.collect();
        for (parcel, result) in request.parcels.iter().zip(results) {
            let Ok(placement) = result else { continue };
            let since = match self.rates.rows.get(&parcel.slot) {
                Some(Row::Ended) => continue,
                Some(Row::Since { at, .. } | Row::Unsure(at)) => *at,
                None => Instant::ZERO,
            };
            let is_predicted = shards[parcel.slot].shard.as_ref() == Some(&placement.shard);
            if is_predicted && request.start > since {
                self.rates.rows.insert(parcel.slot, Row::Ended);
            }
        }
        self.rates.throttled =
            throttled.into_iter().map(|slot| (slot, rates(&shards[slot]))).collect();
        for &slot in self.rates.throttled.keys() {
            let heard = self.rates.heard.get(&slot);
            let is_news = heard.is_none_or(|&(generation, at)| {
                generation != request.generation || request.start > at
            });
            if is_news && is_throttled(slot).all(|is| is) {
                let of = request.parcels.iter().filter(|parcel| parcel.slot == slot);
                let largest = of.map(|parcel| parcel.size).max().unwrap_or(0) as u64;
                let least = largest * 1_000_000 / (SHARD_BYTES_PER_SECOND * FLOOR_SECONDS);
                self.rates.to_fall.insert(slot, FLOOR_PPM.max(least));
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
        for (&slot, before) in &throttled {
            self.rates.heard.insert(slot, (self.map.generation, now));
            let row = self.rates.rows.entry(slot).or_insert(Row::Unsure(now));
            if are_several || matches!(row, Row::Unsure(_)) {
                *row = Row::Unsure(now);
            } else if row.is_over(now) {
                // What was stored with them raised the rate first, nobody knows by how much.
                let is_sure = to_fall.contains_key(&slot);
                let since = Row::Since { at: now, before: before.clone(), is_paid: false };
                *row = if is_sure { since } else { Row::Unsure(now) };
            }
        }
        if throttled.is_empty() || are_several {
            return Ok(());
        }
        for (slot, shard) in shards.enumerate() {
            let after = rates(&shard);
            let ceiling = u64::from(ceiling_percent) * 10_000;
            rule(after.iter().all(|rate| (FLOOR_PPM..=ceiling).contains(rate)), || {
                format!("shard {slot} of the map is fed at {after:?} millionths")
            })?;
            let Some(before) = throttled.get(&slot) else { continue };
            let row = self.rates.rows.get_mut(&slot);
            let is_paid = row.is_none_or(|row| row.is_paid(&after));
            let Some(least) = to_fall.get(&slot) else { continue };
            let is_lower = after.iter().zip(before).any(|(after, before)| after < before);
            let is_least = after[0] <= FLOOR_PPM || after[1] <= *least;
            self.sometimes.rate_lowered += u64::from(is_lower);
            self.sometimes.rate_at_floor += u64::from(is_least);
            rule(is_lower || is_least || is_paid, || {
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
