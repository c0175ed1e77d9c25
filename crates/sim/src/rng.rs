use core::time::Duration;

use headwaters_engine::Instant;
use serde::de::{Error, Unexpected};
use serde::{Deserialize, Deserializer, Serialize};

/// Random numbers from a seed: SplitMix64, written out so that a seed means the same for ever.
#[derive(Clone, Debug)]
pub struct Rng(u64);

const GOLDEN_GAMMA: u64 = 0x9E37_79B9_7F4A_7C15;

impl Rng {
    /// The numbers of `seed` for one purpose. Each purpose draws from a stream of its own, so that a new
    /// draw in one does not shift the others.
    pub fn new(seed: u64, purpose: &str) -> Self {
        let mut rng = Self(seed);
        for byte in purpose.bytes() {
            rng.0 = rng.next() ^ u64::from(byte);
        }
        rng
    }

    /// The next 64 random bits.
    pub const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(GOLDEN_GAMMA);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number from `low` to `high`, both included; `low` if they are the wrong way round.
    pub fn range(&mut self, low: u64, high: u64) -> u64 {
        let span = u128::from(high.saturating_sub(low)) + 1;
        low + u64::try_from((u128::from(self.next()) * span) >> 64).unwrap_or(0)
    }

    /// A number from half of one of `ends` (or 1) up to it.
    pub fn up_to(&mut self, ends: &[u32]) -> u32 {
        let end = u64::from(self.pick(ends));
        u32::try_from(self.range(end.div_ceil(2), end)).unwrap_or(u32::MAX)
    }

    /// A time from `now` to `longest` after it.
    pub(crate) fn time_after(&mut self, now: Instant, longest: Duration) -> Instant {
        let longest = u64::try_from(longest.as_nanos()).unwrap_or(u64::MAX);
        now.after(Duration::from_nanos(self.range(0, longest)))
    }

    /// Whether something happens that has this chance.
    pub fn happens(&mut self, chance: Chance) -> bool {
        self.range(1, PPM) <= u64::from(chance.0)
    }

    /// One of several.
    ///
    /// # Panics
    /// If there is nothing to choose from.
    pub fn pick<T: Clone>(&mut self, of: &[T]) -> T {
        let at = self.range(0, of.len() as u64 - 1);
        of[usize::try_from(at).unwrap_or(0)].clone()
    }
}

pub(crate) const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

const PPM: u64 = 1_000_000;

/// A probability in parts per million: whole numbers mean the same on every machine.
#[derive(Clone, Copy, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Chance(#[serde(deserialize_with = "in_a_million")] u32);

/// A plan with a chance above all chances was not meant so.
fn in_a_million<'de, D: Deserializer<'de>>(from: D) -> Result<u32, D::Error> {
    let chance = u32::deserialize(from)?;
    if u64::from(chance) > PPM {
        let unexpected = Unexpected::Unsigned(chance.into());
        return Err(D::Error::invalid_value(unexpected, &"a chance in a million: 0 to 1000000"));
    }
    Ok(chance)
}

impl core::fmt::Debug for Chance {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{} in a million", self.0)
    }
}

impl Chance {
    /// It never happens.
    pub const NEVER: Self = Self(0);

    /// So many in a hundred.
    pub const fn percent(percent: u32) -> Self {
        Self(percent * 10_000)
    }

    /// So many in a million.
    pub const fn ppm(ppm: u32) -> Self {
        Self(ppm)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stay_what_they_are() {
        // The first outputs of SplitMix64 for seed 0, as published with the algorithm.
        let mut rng = Rng::new(0, "");
        assert_eq!(rng.next(), 0xE220_A839_7B1D_CDAF);
        assert_eq!(rng.next(), 0x6E78_9E6A_A1B9_65F4);
    }

    #[test]
    fn ranges_reach_both_ends_and_chances_are_kept() {
        let mut rng = Rng::new(1, "test");
        let mut seen = [0_u32; 3];
        for _ in 0..3_000 {
            seen[usize::try_from(rng.range(4, 6)).expect("small") - 4] += 1;
        }
        assert!(seen.iter().all(|&count| count > 900), "{seen:?}");
        assert_eq!(rng.range(9, 3), 9);
        let hits = (0..10_000).filter(|_| rng.happens(Chance::percent(10))).count();
        assert!((900..1_100).contains(&hits), "{hits}");
        assert!((0..10_000).all(|_| !rng.happens(Chance::NEVER)));
        assert!((0..10_000).all(|_| rng.happens(Chance::percent(100))));
    }
}
