use alloc::vec::Vec;
use core::time::Duration;

/// How long something took, again and again: as many times as there are, in the same little room.
///
/// Times are kept to one part in 64 of themselves, and to a microsecond where they are short.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Latencies {
    count: u64,
    /// How many there are of each size.
    sizes: Vec<u64>,
}

/// Each power of two is divided in so many parts.
const PARTS: u64 = 64;
const PARTS_LOG2: u32 = PARTS.ilog2();

/// The size of a time: whole microseconds, of which only the first digits count.
fn size(time: Duration) -> usize {
    let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
    let shift = (micros | PARTS).ilog2() - PARTS_LOG2;
    (u64::from(shift) * PARTS + (micros >> shift)) as usize
}

/// The longest time of a size.
fn longest(size: usize) -> Duration {
    let (shift, first) = (size as u64 / PARTS, size as u64 % PARTS);
    let micros = match shift {
        0 => first,
        _ => {
            let shift = shift - 1;
            ((PARTS + first) << shift) + ((1 << shift) - 1)
        }
    };
    Duration::from_micros(micros)
}

impl Latencies {
    /// How many there are.
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// The time that so many of a million of them do not exceed, to one part in 64; zero if there are none.
    pub fn quantile(&self, ppm: u32) -> Duration {
        let rank = u128::from(self.count) * u128::from(ppm);
        let rank = u64::try_from(rank.div_ceil(1_000_000)).unwrap_or(u64::MAX).max(1);
        let mut seen = 0;
        let size = self.sizes.iter().position(|count| {
            seen += count;
            seen >= rank
        });
        size.map_or(Duration::ZERO, longest)
    }

    /// Adds those of another.
    pub fn add(&mut self, other: &Self) {
        self.count += other.count;
        self.sizes.resize(self.sizes.len().max(other.sizes.len()), 0);
        for (sum, count) in self.sizes.iter_mut().zip(&other.sizes) {
            *sum += count;
        }
    }

    /// Notes another one.
    pub fn note(&mut self, time: Duration) {
        let size = size(time);
        if size >= self.sizes.len() {
            self.sizes.resize(size + 1, 0);
        }
        self.sizes[size] += 1;
        self.count += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_kept_to_one_part_in_64() {
        let mut last = 0;
        for micros in (0..5_000).chain([1 << 20, 3_600_000_000, u64::MAX / 2, u64::MAX]) {
            let time = Duration::from_micros(micros);
            let size = size(time);
            assert!(size >= last && longest(size) >= time, "{micros}");
            assert!(longest(size).as_micros() <= u128::from(micros) * 65 / 64, "{micros}");
            last = size;
        }
    }

    #[test]
    fn quantiles_are_of_all_that_were_added() {
        let of = |range: core::ops::RangeInclusive<u64>| {
            let mut latencies = Latencies::default();
            range.for_each(|millis| latencies.note(Duration::from_millis(millis)));
            latencies
        };
        let mut all = of(1..=60);
        all.add(&of(61..=100));
        assert_eq!((all.count(), &all), (100, &of(1..=100)));
        for (ppm, millis) in [(0, 1), (500_000, 50), (990_000, 99), (1_000_000, 100)] {
            let [said, exact] = [all.quantile(ppm), Duration::from_millis(millis)];
            assert!(said >= exact && said <= exact * 65 / 64, "{ppm}: {said:?}");
        }
        assert_eq!(Latencies::default().quantile(990_000), Duration::ZERO);
    }
}
