/// Random numbers from a seed, for jitter: SplitMix64, in whole numbers, so that a seed means the same on
/// every machine.
///
/// The seed is the only source of chance in the engine: the same seed and the same inputs give the same
/// actions.
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

/// What the state grows by with each number: 2^64 divided by the golden ratio, made odd. Source: Steele, Lea
/// and Flood, "Fast Splittable Pseudorandom Number Generators", 2014, as are the two factors below.
const GOLDEN_GAMMA: u64 = 0x9E37_79B9_7F4A_7C15;

impl Random {
    /// The numbers of this seed. Every seed is good, 0 included.
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number from 0 to `n - 1`; 0 if `n` is 0. Some numbers come more often than others by one part in
    /// 2^64 / `n`, which no jitter notices.
    pub(crate) const fn below(&mut self, n: u64) -> u64 {
        ((self.next() as u128 * n as u128) >> 64) as u64
    }

    pub(crate) const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(GOLDEN_GAMMA);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stay_what_they_are() {
        // The first outputs of SplitMix64 for seed 0, as published with the algorithm.
        let mut random = Random::new(0);
        assert_eq!(random.next(), 0xE220_A839_7B1D_CDAF);
        assert_eq!(random.next(), 0x6E78_9E6A_A1B9_65F4);
    }

    #[test]
    fn numbers_are_below_the_bound_and_reach_all_of_it() {
        let mut random = Random::new(1);
        let mut seen = [0_u32; 3];
        for _ in 0..3_000 {
            seen[usize::try_from(random.below(3)).expect("below 3")] += 1;
        }
        assert!(seen.iter().all(|&count| count > 900), "{seen:?}");
        assert_eq!((random.below(0), random.below(1)), (0, 0));
        assert!((0..100).any(|_| random.below(u64::MAX) > u64::MAX / 2));
    }
}
