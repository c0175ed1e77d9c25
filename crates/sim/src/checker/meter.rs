use alloc::vec::Vec;
use core::time::Duration;

use headwaters_engine::wire::limits::{SHARD_BYTES_PER_SECOND, SHARD_RECORDS_PER_SECOND};
use headwaters_engine::wire::{ListedShard, ShardId};
use headwaters_engine::{Instant, RateLimit};

use alloc::collections::BTreeSet;

/// How much more was sent to each shard than flowed in: a meter for each shard of the map, and one for the
/// stream as long as there is none, or while keys do not decide.
///
/// A meter holds the largest excess, over all times in the past, of what was sent since then over what the rate
/// allows in that while. So "in any while no more than the rate allows, and one second's worth, or one record if
/// that is larger" says the same as: the excess is at most one second's worth, and where a record lifts it above
/// that, it was zero before. (With a rate that learns it is the ceiling's rate, one second's worth, and one record.)
/// A child starts with the excess of its parents: for it, what they were sent counts
/// too (not with a rate that learns).
#[derive(Debug)]
pub(super) struct Meters {
    /// Percent of what a shard takes; `None` if there is no limit.
    percent: Option<u64>,
    /// Whether the rate may be lower than that.
    learns: bool,
    meters: Vec<Meter>,
    /// Shards that answers have named while there was no map.
    seen: BTreeSet<ShardId>,
    has_map: bool,
    /// How many shards each meter stands for.
    shards: usize,
    /// Until then a limiter may hold back what it began to hold back when it stood for fewer.
    excused_until: Instant,
}

/// Records and bytes, in units of which the rate brings a whole number in each nanosecond.
#[derive(Clone, Debug, Default)]
struct Meter {
    at: Instant,
    excess: [u128; 2],
}

const UNITS: u128 = 100 * SECOND;
/// In nanoseconds.
const SECOND: u128 = 1_000_000_000;
/// How many shards a stream is taken to have as long as nothing is known.
const SHARDS_ASSUMED: usize = 4;
/// Lanes that are held back are looked at this often.
const POLL: Duration = Duration::from_millis(25);

impl Meter {
    /// What flows off in a nanosecond; a second's worth is a billion times as much.
    fn flow_off(&mut self, rates: [u128; 2], now: Instant) {
        let nanos = now.since(self.at).as_nanos();
        for (excess, rate) in self.excess.iter_mut().zip(rates) {
            *excess = excess.saturating_sub(rate * nanos);
        }
        self.at = self.at.max(now);
    }
}

impl Meters {
    pub(super) fn new(limit: RateLimit) -> Self {
        let percent = match limit {
            RateLimit::Adaptive { ceiling_percent: percent } | RateLimit::Fixed { percent } => {
                Some(u64::from(percent))
            }
            _ => None,
        };
        let learns = matches!(limit, RateLimit::Adaptive { .. });
        let meters = [Meter::default()].into();
        Self {
            percent,
            learns,
            meters,
            seen: BTreeSet::new(),
            has_map: false,
            shards: SHARDS_ASSUMED,
            excused_until: Instant::ZERO,
        }
    }

    fn rates(&self) -> Option<[u128; 2]> {
        let percent = u128::from(self.percent?) * self.shards as u128;
        Some(
            [SHARD_RECORDS_PER_SECOND, SHARD_BYTES_PER_SECOND]
                .map(|rate| u128::from(rate) * percent),
        )
    }

    /// An answer named this shard.
    pub(super) fn see(&mut self, shard: &ShardId, now: Instant) {
        if !self.has_map && self.seen.insert(shard.clone()) {
            self.stand_for(self.seen.len().max(SHARDS_ASSUMED), now);
        }
    }

    /// The one meter of the stream stands for so many shards from now on.
    pub(super) fn stand_for(&mut self, shards: usize, now: Instant) {
        // What flowed off until now did so at the old rate, and what more may be sent at once is not given away. What was
        // sent to more shards was sent to the fewer.
        self.flow_off(now);
        let old = self.rates();
        self.excuse(now);
        self.shards = shards;
        // With a rate that learns what may be sent is less, nobody knows by how much.
        let (false, Some(old), Some(new)) = (self.learns, old, self.rates()) else { return };
        for (excess, (old, new)) in self.meters[0].excess.iter_mut().zip(old.into_iter().zip(new)) {
            *excess += new.saturating_sub(old) * SECOND;
        }
    }

    /// Excuses what is held back until all that was spent has flowed off at the rates as they are.
    fn excuse(&mut self, now: Instant) {
        let Some(rates) = self.rates() else { return };
        let waits = self.meters.iter().flat_map(|meter| meter.excess.into_iter().zip(rates));
        let longest = waits.map(|(excess, rate)| excess.div_ceil(rate)).max().unwrap_or(0);
        let longest = Duration::from_nanos(u64::try_from(longest).unwrap_or(u64::MAX));
        self.excused_until = self.excused_until.max(now.after(longest).after(POLL));
    }

    fn flow_off(&mut self, now: Instant) {
        if let Some(rates) = self.rates() {
            self.meters.iter_mut().for_each(|meter| meter.flow_off(rates, now));
        }
    }

    /// Keys decide no more: one meter for all shards, of what was spent on any of them.
    pub(super) fn pool(&mut self, shards: usize, now: Instant) {
        self.flow_off(now);
        // The engine may read the answer later, and until then each shard's share flows off by itself.
        self.excused_until = Instant::ZERO;
        self.excuse(now);
        let sum = |which: usize| self.meters.iter().map(|meter| meter.excess[which]).sum();
        self.meters = [Meter { at: now, excess: [sum(0), sum(1)] }].into();
        self.shards = shards;
    }

    /// Keys decide, and there are so many shards: nobody knows which of them got what was sent so far, so all alike.
    pub(super) fn share(&mut self, shards: usize, now: Instant) {
        self.flow_off(now);
        let excess = self.meters[0].excess.map(|excess| excess / shards as u128);
        self.meters = alloc::vec![Meter { at: now, excess }; shards];
        (self.shards, self.excused_until) = (1, Instant::ZERO);
    }

    /// A Kinesis record of so many bytes leaves for a shard: whether it may, and whether it is larger than a
    /// second's worth.
    pub(super) fn sent(&mut self, slot: usize, bytes: usize, now: Instant) -> (bool, bool) {
        let Some(rates) = self.rates() else { return (true, false) };
        let meter = &mut self.meters[slot];
        meter.flow_off(rates, now);
        let costs = [1, bytes as u128].map(|tokens| tokens * UNITS);
        let depths = rates.map(|rate| rate * SECOND);
        let mut may = true;
        for ((excess, cost), depth) in meter.excess.iter_mut().zip(costs).zip(depths) {
            may &= *excess == 0
                || *excess + cost <= depth
                // A bucket that has become smaller is full sooner, and then lets one pass that is larger.
                || (self.learns && *excess <= depth);
            *excess += cost;
        }
        (may, costs[1] > depths[1])
    }

    /// Whether a limiter may hold back something of up to `largest` bytes, or did so until a moment ago.
    pub(super) fn may_hold_back(&mut self, slot: usize, largest: usize, now: Instant) -> bool {
        let Some(rates) = self.rates() else { return false };
        if self.learns || !self.has_map || now <= self.excused_until {
            // How long it holds back was found out when fewer shards were known.
            return true;
        }
        let meter = &mut self.meters[slot];
        meter.flow_off(rates, now);
        let costs = [1, largest as u128].map(|tokens| tokens * UNITS);
        meter.excess.iter().zip(costs).zip(rates).any(|((excess, cost), rate)| {
            let depth = rate * SECOND;
            let before = excess + rate * POLL.as_nanos();
            before + cost.min(depth) > depth
        })
    }

    /// When at the latest all that was sent too much has flowed off, and whoever was held back has been looked at.
    pub(super) fn free_by(&mut self, now: Instant) -> Instant {
        let Some(rates) = self.rates() else { return now };
        if self.learns || !self.has_map {
            // Nobody else knows the rate, or how long it holds back was found out when fewer shards were known.
            return Instant::from_nanos(u64::MAX);
        }
        let nanos = self.meters.iter_mut().flat_map(|meter| {
            meter.flow_off(rates, now);
            meter.excess.iter().zip(rates).map(|(excess, rate)| excess.div_ceil(rate))
        });
        let nanos = u64::try_from(nanos.max().unwrap_or(0)).unwrap_or(u64::MAX);
        now.after(Duration::from_nanos(nanos)).after(POLL).max(self.excused_until)
    }

    /// There is a new map. Returns how many new shards start with what their parents were sent too much.
    pub(super) fn install(
        &mut self,
        old: &[ListedShard],
        new: &[ListedShard],
        now: Instant,
    ) -> u64 {
        if !core::mem::replace(&mut self.has_map, true) {
            self.share(new.len(), now);
            return 0;
        }
        self.flow_off(now);
        let before = core::mem::take(&mut self.meters);
        let mut inherited = 0;
        for shard in new {
            let same = old.iter().position(|other| other == shard);
            self.meters.push(same.map_or_else(
                || {
                    let mut meter = Meter { at: now, ..Meter::default() };
                    for (parent, spent) in old.iter().zip(&before) {
                        let is_parent = parent.hash_keys.overlaps(&shard.hash_keys);
                        // With a rate that learns the child owes the time that its parents would have taken, and who
                        // can tell how fast it pays.
                        if is_parent && !self.learns && !new.contains(parent) {
                            let sums = meter.excess.iter_mut().zip(spent.excess);
                            sums.for_each(|(excess, spent)| *excess += spent);
                        }
                    }
                    inherited += u64::from(meter.excess != [0, 0]);
                    meter
                },
                |at| before[at].clone(),
            ));
        }
        inherited
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use headwaters_engine::wire::HashKeyRange;

    fn at(millis: u64) -> Instant {
        Instant::ZERO.after(Duration::from_millis(millis))
    }

    fn shard(number: u64) -> ListedShard {
        ListedShard { hash_keys: HashKeyRange::ALL, id: ShardId::numbered(number) }
    }

    #[test]
    fn a_seconds_worth_leaves_at_once_and_then_what_flows_off() {
        let mut meters = Meters::new(RateLimit::Fixed { percent: 50 });
        meters.install(&[], &[shard(0)], at(0));
        let half = 512 * 1024;
        assert_eq!(meters.sent(0, half, at(0)), (true, false));
        assert!(meters.may_hold_back(0, 1, at(0)));
        assert_eq!(meters.sent(0, half / 2, at(500)), (true, false));
        assert_eq!(meters.sent(0, 1, at(500)), (false, false), "a byte too soon");
        assert!(meters.may_hold_back(0, half / 2, at(1_025)), "25 ms ago a byte was missing");
        assert!(!meters.may_hold_back(0, half / 2, at(1_026)));
    }

    #[test]
    fn a_giant_leaves_when_nothing_is_owed_and_its_debt_goes_to_the_child() {
        let mut meters = Meters::new(RateLimit::Fixed { percent: 100 });
        assert_eq!(meters.install(&[], &[shard(0)], at(0)), 0);
        assert_eq!(meters.sent(0, 3 << 20, at(0)), (true, true));
        assert_eq!(meters.install(&[shard(0)], &[shard(1)], at(1_000)), 1);
        assert_eq!(meters.sent(0, 1, at(1_999)), (false, false));
        assert_eq!(meters.sent(0, 3 << 20, at(3_000)), (false, true), "it owes the byte");
        assert_eq!(meters.install(&[shard(1)], &[shard(2)], at(9_000)), 0);
    }

    #[test]
    fn without_a_map_the_shards_that_were_named_count_together() {
        let mut meters = Meters::new(RateLimit::Fixed { percent: 100 });
        for number in 0..5 {
            meters.see(&ShardId::numbered(number), at(0));
        }
        let sent: Vec<bool> = (0..5).map(|_| meters.sent(0, 1 << 20, at(0)).0).collect();
        assert_eq!(sent, [true, true, true, true, false]);
        assert_eq!(meters.sent(0, 1 << 20, at(400)), (true, false), "five shards' rate");
    }
}
