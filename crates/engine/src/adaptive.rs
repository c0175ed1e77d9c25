//! A rate that learns from what the service throttles.

use crate::time::Instant;
use headwaters_wire::limits::{SHARD_BYTES_PER_SECOND, SHARD_RECORDS_PER_SECOND};

/// The unit of a share: a billionth of what a shard takes, so that the smallest step is many units.
pub(crate) const WHOLE: u64 = 1_000_000_000;
/// The least share: 5 records and 5 KiB a second. Two hundred producers that send all the time still find room beside
/// each other, and whoever fell so low hears often enough that there is room again.
pub(crate) const FLOOR: u64 = WHOLE / 200;
/// For large entries the least is one in so many seconds, for the same reason.
const FLOOR_SECONDS: u64 = 4;
/// The share to start with: what a shard promises.
const START: u64 = WHOLE;

/// What a throttled entry takes off a share, in millionths of the share, if it has a whole second's worth. It falls
/// with the fourth root of the size: 3 % for a record of a thousandth, 5 % for 10,000 bytes.
const LOSS: u64 = 168_700;
/// What a stored entry brings a whole share, in millionths of the share, if it has a whole second's worth. It falls
/// with the fourth root of the size, and rises as the share falls, with the root of that: 0.011 % for a record of a
/// thousandth at a whole share, 0.11 % at a hundredth.
///
/// Gain and loss are in balance where of all entries `GAIN / LOSS / sqrt(share)` are throttled: whoever has the same
/// luck comes to the same share, whatever the sizes of its records. One producer wastes 0.4 % so, 100 waste 3.7 %.
const GAIN: u64 = 619;
/// Most that is taken off until something is stored again: one part in so many. What is throttled in a row says one
/// thing: a shard that counts by the seconds of the clock takes nothing more from the moment at which its second's worth is
/// used until that second is over.
const LOSS_IN_A_ROW: u64 = 8;
/// After so much time the second is over, and the next row begins.
const ROW_NANOS: u128 = SECOND_NANOS;
const SECOND_NANOS: u128 = 1_000_000_000;
/// If for each entry that was stored in the last one to two seconds so many were throttled, the share is far too large,
const OVERLOAD: u64 = 9;
/// and this is the most that is taken off within one round trip: one part in so many. Also in a row, where a throttle
/// counts twice.
const LOSS_PER_ROUND_TRIP: u64 = 4;
/// So much is left of it after a second of that: one part in so many.
const LEFT_IN_A_SECOND: u64 = 4;
/// When so many of the last 16 entries were throttled, it is not chance,
const CROWDED: u32 = 4;
/// and a throttle counts twice for whoever sends fewer than so many entries a second, and would take too long to hear
/// enough of them.
const CROWDED_ENTRIES: u64 = 5;
/// After so many entries (if one in 30 were throttled, so many would hardly come through in a row)
const CALM_ENTRIES: u64 = 64;
/// and so much time, both without a throttle, the gain doubles, and after as many more again,
const CALM_NANOS: u64 = 2_000_000_000;
/// so many times at most.
const DOUBLINGS_MAX: u32 = 5;

/// How fast a shard is fed under [`RateLimit::Adaptive`](crate::RateLimit::Adaptive): a share of what it takes, for
/// records and for bytes.
#[derive(Clone, Debug)]
pub(crate) struct Adaptive {
    /// The most that a share may be.
    ceiling: u64,
    /// Records and bytes.
    shares: [u64; 2],
    /// What the shares were when the row began, and the last cut in it.
    row_shares: [u64; 2],
    cut_shares: [u64; 2],
    /// When the last cut began: what was sent until then says nothing new.
    cut_at: Option<Instant>,
    /// When the first of a row of throttles was heard.
    row_at: Instant,
    /// When the last entry was sent that was stored.
    stored_sent_at: Instant,
    /// What became of entries in this second, and in the one before.
    tally: Tally,
    tally_before: Option<Tally>,
    /// Whether each of the last 16 entries was throttled, the last one lowest.
    fates: u16,
    /// Entries that were stored since the last throttle, and since when.
    calm: u64,
    calm_since: Option<Instant>,
    /// Entries that were stored and are not counted above, and their bytes.
    stored: u64,
    stored_bytes: u64,
}

/// What became of entries in a second or more.
#[derive(Clone, Debug, Default)]
struct Tally {
    since: Instant,
    stored: u64,
    throttled: u64,
}

impl Adaptive {
    pub(crate) fn new(ceiling_percent: u32) -> Self {
        let ceiling = (WHOLE / 100).saturating_mul(ceiling_percent.into());
        let shares = [START.min(ceiling); 2];
        Self {
            ceiling,
            shares,
            cut_shares: shares,
            row_shares: shares,
            cut_at: None,
            row_at: Instant::ZERO,
            stored_sent_at: Instant::ZERO,
            tally: Tally::default(),
            tally_before: None,
            fates: 0,
            calm: 0,
            calm_since: None,
            stored: 0,
            stored_bytes: 0,
        }
    }

    /// An entry of so many bytes was stored that was sent at `start`. Only counted here, for most entries are stored;
    /// [`settle`](Self::settle) reckons.
    #[inline(always)]
    pub(crate) fn stored(&mut self, bytes: u64, start: Instant) {
        self.stored_sent_at = self.stored_sent_at.max(start);
        self.stored += 1;
        self.stored_bytes += bytes;
    }

    /// Raises the shares by what was stored since the last time; whether they have changed. `shards` are what the
    /// shares are shares of.
    pub(crate) fn settle(&mut self, shards: u32, now: Instant) -> bool {
        if self.stored == 0 {
            return false;
        }
        let (stored, bytes) = (self.stored, self.stored_bytes / self.stored);
        (self.stored, self.stored_bytes) = (0, 0);
        self.fates = self.fates.checked_shl(u32::try_from(stored).unwrap_or(u32::MAX)).unwrap_or(0);
        self.calm = self.calm.saturating_add(stored);
        let since = *self.calm_since.get_or_insert(now);
        let times = (self.calm / CALM_ENTRIES).min(now.since(since).as_nanos() as u64 / CALM_NANOS);
        let doublings = u32::try_from(times).unwrap_or(u32::MAX).min(DOUBLINGS_MAX);
        let before = self.shares;
        self.tally(now).stored += stored;
        for (share, cost) in self.shares.iter_mut().zip(costs(bytes, shards)) {
            let gain = gain(*share, cost).saturating_mul(stored).saturating_mul(1 << doublings);
            // What is reckoned at once at most doubles it, or a long silence would end in a leap.
            *share = share.saturating_add(gain.min(*share)).min(self.ceiling);
        }
        self.shares != before
    }

    /// An entry of so many bytes was throttled that was sent at `start`.
    pub(crate) fn throttled(&mut self, bytes: u64, shards: u32, start: Instant, now: Instant) {
        self.settle(shards, now);
        self.tally(now).throttled += 1;
        self.fates = self.fates << 1 | 1;
        (self.calm, self.calm_since) = (0, Some(now));
        self.begin_cut(start, now);
        let costs = costs(bytes, 1);
        // The limit that it comes closer to is the one that it was refused for, as far as anybody knows.
        let tighter = usize::from(costs[1] > costs[0]);
        let cost = costs[tighter] / u64::from(shards.max(1));
        let is_crowded = self.fates.count_ones() >= CROWDED;
        let before = self.shares[tighter];
        let is_rare = cost.saturating_mul(CROWDED_ENTRIES) > before;
        let counts_twice = is_crowded && is_rare;
        let least = self.least(tighter, counts_twice).max(FLOOR).max(cost / FLOOR_SECONDS);
        let taken_off = loss(before, cost) << u32::from(counts_twice);
        self.shares[tighter] = before.saturating_sub(taken_off).max(least).min(before);
    }

    /// What a share must not fall below before something new is heard.
    fn least(&self, at: usize, counts_twice: bool) -> u64 {
        let row = self.row_shares[at];
        let part = if counts_twice { LOSS_PER_ROUND_TRIP } else { LOSS_IN_A_ROW };
        let in_a_row = row - row / part;
        if !self.is_overloaded() {
            return in_a_row;
        }
        let cut = self.cut_shares[at];
        (cut - cut / LOSS_PER_ROUND_TRIP).max(row / LEFT_IN_A_SECOND).min(in_a_row)
    }

    /// Begins a cut if an entry that was sent at `start` says something new.
    fn begin_cut(&mut self, start: Instant, now: Instant) {
        let Some(cut_at) = self.cut_at else {
            return self.begin_row(now);
        };
        if start <= cut_at {
            return;
        }
        let is_over = now.since(self.row_at).as_nanos() >= ROW_NANOS;
        if is_over || self.stored_sent_at > self.row_at {
            self.begin_row(now);
        } else {
            (self.cut_at, self.cut_shares) = (Some(now), self.shares);
        }
    }

    /// Whether nearly everything is throttled.
    fn is_overloaded(&self) -> bool {
        let (Some(last), this) = (&self.tally_before, &self.tally) else { return false };
        let stored = last.stored + this.stored;
        last.throttled + this.throttled >= stored.saturating_mul(OVERLOAD)
    }

    /// Begins the tally of another second, if it is time to.
    fn tally(&mut self, now: Instant) -> &mut Tally {
        let elapsed = now.since(self.tally.since).as_nanos();
        if elapsed >= SECOND_NANOS {
            let last =
                core::mem::replace(&mut self.tally, Tally { since: now, ..Tally::default() });
            self.tally_before = (elapsed < 2 * SECOND_NANOS).then_some(last);
        }
        &mut self.tally
    }

    fn begin_row(&mut self, now: Instant) {
        (self.row_at, self.cut_at) = (now, Some(now));
        (self.row_shares, self.cut_shares) = (self.shares, self.shares);
    }

    /// Starts with the shares of what was there before. The shard that comes of two is fed as carefully as the one of
    /// them that had less room: it takes as much as one of them, and is to take what both took.
    pub(crate) fn inherit(&mut self, parent: &Self) {
        for (share, parents) in self.shares.iter_mut().zip(parent.shares) {
            *share = parents.min(*share);
        }
        (self.row_shares, self.cut_shares) = (self.shares, self.shares);
    }

    /// The share of the records and that of the bytes.
    pub(crate) const fn shares(&self) -> [u64; 2] {
        self.shares
    }

    /// What must hold between calls.
    #[cfg(debug_assertions)]
    pub(crate) fn invariants(&self) {
        let least = FLOOR.min(self.ceiling);
        debug_assert!(self.shares.iter().all(|share| (least..=self.ceiling).contains(share)));
    }
}

/// What an entry takes of so many shards, as record and in bytes: a whole is what they take in a second.
fn costs(bytes: u64, shards: u32) -> [u64; 2] {
    let shards = u64::from(shards.max(1));
    let bytes = bytes.saturating_mul(WHOLE) / SHARD_BYTES_PER_SECOND;
    [WHOLE / SHARD_RECORDS_PER_SECOND / shards, bytes / shards]
}

/// The fourth root of a whole, and the root, both times a thousand.
const ROOTS: [u128; 2] = [177_828, 31_622_777];

/// What a stored entry brings a share.
fn gain(share: u64, cost: u64) -> u64 {
    let relative = u128::from(GAIN) * fourth_root(cost) * ROOTS[1] / ROOTS[0];
    let root = u128::from(share.isqrt().max(1)) * 1_000;
    part(share, relative * seconds(share, cost), root * 1_000_000)
}

/// What a throttled entry takes off a share.
fn loss(share: u64, cost: u64) -> u64 {
    let relative = u128::from(LOSS) * fourth_root(cost);
    part(share, relative * seconds(share, cost), ROOTS[0] * 1_000_000)
}

/// How many seconds a share takes for an entry, at least one: what is rare says more.
fn seconds(share: u64, cost: u64) -> u128 {
    (cost / share.max(1)).clamp(1, FLOOR_SECONDS).into()
}

/// At least one unit.
fn part(share: u64, of: u128, whole: u128) -> u64 {
    let part = u128::from(share).saturating_mul(of) / whole;
    u64::try_from(part).unwrap_or(u64::MAX).max(1)
}

/// Times a thousand, in whole hundreds.
const fn fourth_root(of: u64) -> u128 {
    of.saturating_mul(10_000).isqrt().isqrt() as u128 * 100
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    fn at(millis: u64) -> Instant {
        Instant::from_nanos(millis * 1_000_000)
    }

    /// In parts of a million.
    fn shares(adaptive: &Adaptive) -> [u64; 2] {
        adaptive.shares().map(|share| share / 1_000)
    }

    /// One entry changes a share by so many millionths of it: the figures that are beside the constants in words.
    #[test]
    fn gain_and_loss_go_by_the_size_and_the_gain_by_the_share_too() {
        let per_million = |change: u64, share: u64| change * 1_000_000 / share;
        let one = |share: u64, cost: u64| {
            [gain(share, cost), loss(share, cost)].map(|change| per_million(change, share))
        };
        let [record, hundredth] = [WHOLE / 1_000, WHOLE / 100];
        assert_eq!(one(WHOLE, record), [109, 29_977], "0.011 %, 3 %");
        assert_eq!(one(WHOLE, hundredth), [195, 53_315], "10,000 bytes: 0.02 %, 5 %");
        assert_eq!(one(hundredth, record), [1100, 29_977], "0.11 %");
        assert_eq!(one(FLOOR, 2 * FLOOR), [5533, 106_630], "two seconds' worth");
        assert_eq!(one(FLOOR, 100 * FLOOR), [29438, 567_304], "of a hundred seconds four count");
        assert_eq!([gain(1, 1), loss(1, 1)], [1, 1], "at least a unit");
    }

    #[test]
    fn an_entry_costs_a_part_of_what_all_shards_take() {
        assert_eq!(costs(SHARD_BYTES_PER_SECOND, 1), [WHOLE / 1_000, WHOLE]);
        assert_eq!(costs(SHARD_BYTES_PER_SECOND / 2, 4), [WHOLE / 4_000, WHOLE / 8]);
        assert_eq!(costs(0, 0), [WHOLE / 1_000, 0], "at least one shard");
    }

    #[test]
    fn the_mean_size_of_what_was_stored_counts() {
        let raised = |sizes: &[u64]| {
            let mut adaptive = Adaptive::new(150);
            sizes.iter().for_each(|bytes| adaptive.stored(*bytes, at(0)));
            adaptive.settle(2, at(0));
            adaptive.shares()
        };
        assert_eq!(raised(&[1_000, 3_000]), raised(&[2_000, 2_000]));
        assert!(raised(&[1_000, 3_000])[1] > raised(&[1_000, 1_000])[1]);
        assert_eq!(raised(&[1_000])[0] - WHOLE, gain(WHOLE, WHOLE / 2_000), "of two shards");
    }

    #[test]
    fn a_tally_is_of_this_second_and_the_one_before_if_there_was_one() {
        let overloaded = |pause: u64| {
            let mut adaptive = Adaptive::new(150);
            (0..9).for_each(|_| adaptive.throttled(500, 1, at(0), at(500)));
            adaptive.stored(500, at(0));
            adaptive.settle(1, at(600));
            adaptive.tally(at(600 + pause));
            adaptive.is_overloaded()
        };
        assert!(!overloaded(399), "the first second is not over");
        assert!(overloaded(400), "nine of ten");
        assert!(overloaded(1_399), "in the second before");
        assert!(!overloaded(1_400), "in the one before that");
    }

    #[test]
    fn only_the_limit_that_is_closer_is_blamed() {
        let mut adaptive = Adaptive::new(150);
        adaptive.throttled(1_048, 1, at(0), at(10));
        assert_eq!(shares(&adaptive), [970_022, 1_000_000], "3 % of the records");
        adaptive.throttled(1_049, 1, at(0), at(10));
        assert_eq!(shares(&adaptive), [970_022, 970_022], "3 % of the bytes");
        adaptive.throttled(100 << 10, 1, at(0), at(10));
        assert_eq!(shares(&adaptive), [970_022, 878_551], "the larger, the more: 9 %");
    }

    #[test]
    fn what_is_throttled_in_a_row_says_one_thing() {
        let mut adaptive = Adaptive::new(150);
        let throttle = |adaptive: &mut Adaptive, start, now| {
            (0..500).for_each(|_| adaptive.throttled(500, 1, at(start), at(now)));
            shares(adaptive)[0]
        };
        assert_eq!(throttle(&mut adaptive, 0, 50), 875_000, "an eighth");
        assert_eq!(throttle(&mut adaptive, 51, 99), 875_000, "nothing was stored in between");
        adaptive.stored(500, at(50));
        adaptive.settle(1, at(100));
        let raised = adaptive.shares()[0];
        throttle(&mut adaptive, 101, 150);
        assert!(adaptive.shares()[0] < raised, "the little that it brought is gone");
        assert_eq!(shares(&adaptive)[0], 875_000, "that was sent before the row began");
        adaptive.stored(500, at(51));
        adaptive.settle(1, at(160));
        assert_eq!(throttle(&mut adaptive, 151, 200), 765_715, "another row");
    }

    #[test]
    fn a_row_ends_with_its_second() {
        let mut adaptive = Adaptive::new(150);
        (0..200).for_each(|_| adaptive.stored(500, at(0)));
        adaptive.settle(1, at(0));
        let mut after = |start, now| {
            (0..500).for_each(|_| adaptive.throttled(500, 1, at(start), at(now)));
            shares(&adaptive)[0]
        };
        assert_eq!([after(0, 50), after(51, 1_049)], [894_249; 2], "an eighth");
        assert_eq!(after(1_050, 1_050), 782_468, "and another");
    }

    #[test]
    fn where_nearly_all_is_throttled_it_falls_by_three_quarters_in_a_second() {
        let mut adaptive = Adaptive::new(150);
        (0..10).for_each(|_| adaptive.stored(500, at(0)));
        adaptive.settle(1, at(0));
        let shares: Vec<u64> = (10..50)
            .map(|tenth| {
                let now = tenth * 100;
                (0..100).for_each(|_| adaptive.throttled(500, 1, at(now - 50), at(now)));
                adaptive.shares()[0] / 1_000_000
            })
            .collect();
        assert_eq!(shares[..4], [750, 563, 422, 316], "a quarter in a round trip");
        assert_eq!(shares[4..10], [250; 6], "and three quarters in a second");
        assert_eq!(shares[19], 62, "again");
    }

    #[test]
    fn it_falls_to_the_floor_and_no_further() {
        let mut adaptive = Adaptive::new(150);
        let seconds = |range: core::ops::Range<u64>| range.map(|second| at(second * 1_000));
        seconds(1..1_000).for_each(|now| adaptive.throttled(500, 1, now, now));
        assert_eq!(shares(&adaptive), [FLOOR / 1_000, 1_000_000]);
        seconds(1_000..2_000).for_each(|now| adaptive.throttled(1 << 19, 1, now, now));
        assert_eq!(shares(&adaptive), [FLOOR / 1_000, 125_000], "half a MiB in four seconds");
        seconds(2_000..2_001).for_each(|now| adaptive.throttled(1 << 20, 1, now, now));
        assert_eq!(shares(&adaptive)[1], 125_000, "the floor of a larger one lifts nothing");
    }

    #[test]
    fn what_is_stored_raises_it_and_faster_after_some_calm() {
        let mut adaptive = Adaptive::new(150);
        (0..500).for_each(|_| adaptive.throttled(500, 1, at(0), at(0)));
        let store = |adaptive: &mut Adaptive, now| {
            let before = adaptive.shares()[0];
            (0..100).for_each(|_| adaptive.stored(500, at(0)));
            adaptive.settle(1, now);
            (adaptive.shares()[0] - before) * 10_000 / before
        };
        assert_eq!(
            store(&mut adaptive, at(100)),
            117,
            "1.1 % for 100 at a whole, by the root of 7/8"
        );
        assert_eq!(store(&mut adaptive, at(1_999)), 116, "not long enough");
        assert_eq!(store(&mut adaptive, at(4_000)), 464);
        assert_eq!(store(&mut adaptive, at(5_999)), 454);
        adaptive.throttled(500, 1, at(6_000), at(6_000));
        assert_eq!(store(&mut adaptive, at(6_001)), 112, "once more from the beginning");
        assert!(!adaptive.settle(1, at(9_000)), "time alone raises nothing");
        for second in 1..200 {
            store(&mut adaptive, at(6_000 + 1_000 * second));
        }
        assert_eq!(shares(&adaptive)[0], 1_500_000, "the ceiling");
    }

    #[test]
    fn in_a_crowd_the_rare_count_twice() {
        let fall = |stored_between: u64| {
            let mut adaptive = Adaptive::new(100);
            adaptive.shares = [FLOOR * 2; 2];
            let mut falls = 0;
            for time in 1..=20 {
                (0..stored_between).for_each(|_| adaptive.stored(10_000, at(0)));
                adaptive.settle(1, at(time));
                let before = adaptive.shares()[1];
                adaptive.shares[1] = FLOOR * 2;
                adaptive.throttled(10_000, 1, at(time), at(time));
                falls = (FLOOR * 2 - adaptive.shares()[1]) * 1_000 / (FLOOR * 2);
                adaptive.shares[1] = before.min(FLOOR * 2);
            }
            falls
        };
        assert_eq!((fall(9), fall(2)), (52, 105), "in thousandths");
    }

    #[test]
    fn extreme_values_are_harmless() {
        for percent in [1, 100, u32::MAX] {
            for shards in [0, 1, u32::MAX] {
                let mut adaptive = Adaptive::new(percent);
                for (time, bytes) in
                    [0, 1, 1_000, 10 << 20, u64::from(u32::MAX)].into_iter().enumerate()
                {
                    let now = at(time as u64 * 100_000);
                    (0..1_000).for_each(|_| adaptive.stored(bytes, now));
                    adaptive.settle(shards, now);
                    adaptive.throttled(bytes, shards, now, now);
                    #[cfg(debug_assertions)]
                    adaptive.invariants();
                }
            }
        }
    }

    #[test]
    fn it_takes_many_entries_to_speak_of_calm() {
        let mut adaptive = Adaptive::new(150);
        adaptive.throttled(500, 1, at(0), at(0));
        let before = adaptive.shares()[0];
        adaptive.stored(500, at(0));
        adaptive.settle(1, at(3_600_000));
        assert_eq!(adaptive.shares()[0] - before, gain(before, WHOLE / 1_000), "of one entry");
    }

    /// Who sends so many entries in a second, or more, is not one of those who send few.
    #[test]
    fn in_a_crowd_a_throttle_counts_twice_for_those_who_send_few() {
        let (bytes, cost) = (SHARD_BYTES_PER_SECOND / 16, WHOLE / 16);
        let lost = |share: u64| {
            let mut adaptive = Adaptive::new(150);
            (adaptive.shares[1], adaptive.fates) = (share, u16::MAX);
            adaptive.throttled(bytes, 1, at(0), at(10));
            share - adaptive.shares()[1]
        };
        let many = cost * CROWDED_ENTRIES;
        assert_eq!(lost(many), loss(many, cost));
        assert_eq!(lost(many - 1), 2 * loss(many - 1, cost));
    }
}
