use core::time::Duration;
use std::collections::BTreeMap;

use headwaters::{Instant, ShardStats};

/// What happened to one shard in one slice of time, or until now.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Cell {
    pub(super) bytes: u64,
    pub(super) entries: u64,
    pub(super) throttled: u64,
    /// The rate at which it is fed, in millionths of what it promises; the last that was seen.
    pub(super) rate_ppm: Option<u64>,
}

impl Cell {
    pub(super) fn of(shard: &ShardStats) -> Self {
        Self {
            bytes: shard.bytes_sent,
            entries: shard.entries,
            throttled: shard.throttled,
            rate_ppm: shard.record_rate_ppm,
        }
    }

    /// What came since `last`. A shard that left the list and came back counts from the beginning.
    pub(super) fn since(&self, last: &Self) -> Self {
        let last = if self.entries < last.entries { Self::default() } else { *last };
        Self {
            bytes: self.bytes - last.bytes.min(self.bytes),
            entries: self.entries - last.entries,
            throttled: self.throttled - last.throttled.min(self.throttled),
            rate_ppm: self.rate_ppm,
        }
    }

    fn add(&mut self, other: &Self) {
        self.bytes += other.bytes;
        self.entries += other.entries;
        self.throttled += other.throttled;
        self.rate_ppm = other.rate_ppm.or(self.rate_ppm);
    }
}

/// How long records took that got their outcome.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Took {
    count: u32,
    longest: Duration,
    sum: Duration,
}

impl Took {
    fn add(&mut self, other: Self) {
        self.count += other.count;
        self.longest = self.longest.max(other.longest);
        self.sum += other.sum;
    }

    /// The mean and the longest, if there were any.
    pub(super) fn mean_and_longest(&self) -> Option<[Duration; 2]> {
        (self.count > 0).then(|| [self.sum / self.count, self.longest])
    }
}

/// A slice of time.
#[derive(Clone, Debug, Default)]
pub(super) struct Slice {
    /// By the number of the shard; `None` for what goes to no known shard.
    pub(super) cells: BTreeMap<Option<u64>, Cell>,
    /// How often each thing happened that no engine knows of.
    pub(super) faults: BTreeMap<String, u64>,
    /// The most records that each producer held.
    held: BTreeMap<u32, u64>,
    pub(super) took: Took,
}

impl Slice {
    pub(super) fn count(&mut self, fault: &str) {
        *self.faults.entry(String::from(fault)).or_default() += 1;
    }

    pub(super) fn held(&mut self, producer: u32, records: u64) {
        let most = self.held.entry(producer).or_default();
        *most = records.max(*most);
    }

    /// A record got its outcome.
    pub(super) fn took(&mut self, longest: Duration) {
        self.took.add(Took { count: 1, longest, sum: longest });
    }

    /// Records that all producers held, if anybody looked.
    pub(super) fn records_held(&self) -> Option<u64> {
        (!self.held.is_empty()).then(|| self.held.values().sum())
    }

    /// Adds what an engine did for a shard. The rates that are shown are those of the first engine.
    pub(super) fn add(&mut self, shard: Option<u64>, cell: &Cell, producer: u32) {
        let rate_ppm = cell.rate_ppm.filter(|_| producer == 0);
        self.cells.entry(shard).or_default().add(&Cell { rate_ppm, ..*cell });
    }

    fn join(&mut self, later: Self) {
        for (shard, cell) in &later.cells {
            self.cells.entry(*shard).or_default().add(cell);
        }
        for (fault, count) in later.faults {
            *self.faults.entry(fault).or_default() += count;
        }
        for (producer, records) in later.held {
            self.held(producer, records);
        }
        self.took.add(later.took);
    }
}

/// A world's time in slices of one length: as many as fit on a page. If there are more, two become one.
#[derive(Debug)]
pub(super) struct Slices {
    slices: Vec<Slice>,
    step: Duration,
}

impl Default for Slices {
    fn default() -> Self {
        Self { slices: Vec::new(), step: Duration::from_millis(10) }
    }
}

/// Most slices.
const SLICES_MAX: usize = 120;

impl Slices {
    /// How long each of them is.
    pub(super) const fn step(&self) -> Duration {
        self.step
    }

    /// All of them, and when each began, in seconds.
    pub(super) fn all(&self) -> impl Iterator<Item = (f64, &Slice)> {
        let start = |(at, slice)| (at as f64 * self.step.as_secs_f64(), slice);
        self.slices.iter().enumerate().map(start)
    }

    /// The one of this time.
    pub(super) fn at(&mut self, at: Instant) -> &mut Slice {
        let number = |step: Duration| {
            usize::try_from(u128::from(at.as_nanos()) / step.as_nanos()).unwrap_or(usize::MAX)
        };
        while number(self.step) >= SLICES_MAX {
            self.step *= 2;
            let mut joined = Vec::with_capacity(SLICES_MAX);
            let mut slices = core::mem::take(&mut self.slices).into_iter();
            while let Some(mut slice) = slices.next() {
                slice.join(slices.next().unwrap_or_default());
                joined.push(slice);
            }
            self.slices = joined;
        }
        let number = number(self.step);
        if number >= self.slices.len() {
            self.slices.resize(number + 1, Slice::default());
        }
        &mut self.slices[number]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn however_long_it_takes_nothing_that_happened_is_lost() {
        let mut slices = Slices::default();
        for second in 0..3_600 {
            let slice = slices.at(Instant::ZERO.after(Duration::from_secs(second)));
            slice.count("late");
            let cell = Cell { bytes: 5, entries: 1, throttled: 0, rate_ppm: Some(second) };
            slice.add(Some(3), &cell, 0);
            slice.held(0, second);
            slice.took(Duration::from_secs(second % 7));
        }
        let all: Vec<_> = slices.all().map(|(_, slice)| slice).collect();
        assert!(all.len() > SLICES_MAX / 2 && all.len() <= SLICES_MAX, "{}", all.len());
        assert_eq!(all.iter().map(|slice| slice.faults["late"]).sum::<u64>(), 3_600);
        let bytes = |slice: &&Slice| slice.cells.get(&Some(3)).map_or(0, |cell| cell.bytes);
        assert_eq!(all.iter().map(bytes).sum::<u64>(), 18_000);
        assert_eq!(all.last().and_then(|slice| slice.records_held()), Some(3_599));
        let [mean, longest] = all[0].took.mean_and_longest().expect("some ended");
        assert!(mean > Duration::from_secs(2) && mean < Duration::from_secs(4), "{mean:?}");
        assert_eq!(longest, Duration::from_secs(6));
    }

    #[test]
    fn a_shard_that_comes_back_counts_from_the_beginning() {
        let [one, two] =
            [3, 5].map(|entries| Cell { entries, bytes: 10 * entries, ..Cell::default() });
        assert_eq!((two.since(&one).entries, two.since(&one).bytes), (2, 20));
        assert_eq!((one.since(&two).entries, one.since(&two).bytes), (3, 30));
    }
}
