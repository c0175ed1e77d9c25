use core::num::NonZeroU32;

use fastrand::Rng;

/// Draws keys, the first ones more often if that is wanted: number `k` with a weight of 1/k^skew (Zipf).
#[derive(Debug)]
pub(super) struct Keys {
    count: NonZeroU32,
    /// The sums of the weights up to each key; empty if all keys weigh the same.
    sums: Vec<f64>,
}

impl Keys {
    pub(super) fn new(count: NonZeroU32, skew: f64) -> Self {
        let weights = (1..=count.get()).map(|number| f64::from(number).powf(-skew));
        let sums = weights.scan(0.0, |sum, weight| {
            *sum += weight;
            Some(*sum)
        });
        let sums = if skew > 0.0 { sums.collect() } else { vec![] };
        Self { count, sums }
    }

    /// The number of a key, from 1.
    pub(super) fn draw(&self, random: &mut Rng) -> u32 {
        let Some(all) = self.sums.last() else { return random.u32(1..=self.count.get()) };
        let drawn = random.f64() * all;
        let below = self.sums.partition_point(|sum| *sum <= drawn);
        u32::try_from(below + 1).unwrap_or(u32::MAX).min(self.count.get())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(keys: u32, skew: f64) -> Vec<u32> {
        let drawn = Keys::new(NonZeroU32::new(keys).expect("not 0"), skew);
        let mut random = Rng::with_seed(7);
        let mut counts = vec![0; keys as usize];
        (0..60_000).for_each(|_| counts[drawn.draw(&mut random) as usize - 1] += 1);
        counts
    }

    #[test]
    fn the_first_key_comes_twice_as_often_as_the_second() {
        let counts = counts(3, 1.0);
        // 6/11, 3/11 and 2/11 of them.
        for (count, expected) in counts.iter().zip([32_727_u32, 16_364, 10_909]) {
            assert!(count.abs_diff(expected) < 600, "{counts:?}");
        }
    }

    #[test]
    fn without_skew_all_come_alike() {
        let counts = counts(6, 0.0);
        assert!(counts.iter().all(|count| count.abs_diff(10_000) < 500), "{counts:?}");
        assert_eq!(Keys::new(NonZeroU32::MIN, 10.0).draw(&mut Rng::with_seed(1)), 1);
    }
}
