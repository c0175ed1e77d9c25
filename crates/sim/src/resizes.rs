use core::time::Duration;

use headwaters_engine::{Bounds, Instant};

use crate::plan::Plan;
use crate::rng::{Rng, millis};

/// Changes how much an engine may hold, again and again, whatever it holds just then.
#[derive(Debug)]
pub(crate) struct Resizes {
    bytes: [usize; 3],
    records: [usize; 5],
    left: u32,
    next: Instant,
    rng: Rng,
}

/// Longest time before the first change, and between two.
const PAUSE_MAX: Duration = millis(500);

impl Resizes {
    pub(crate) fn new(plan: &Plan, seed: u64) -> Self {
        let mut rng = Rng::new(seed, "resizes");
        let size = |bytes: u32| usize::try_from(bytes).unwrap_or(usize::MAX);
        let [usual, largest] =
            [plan.settings.bounds_bytes, plan.settings.max_user_record_size].map(size);
        // Each record fits when nothing else is held: else it would be refused for ever.
        let bytes = [usual, largest + 4_096, largest + (60 << 20)];
        let records = [size(plan.settings.bounds_records), 1, 7, 600, 100_000];
        let next = rng.time_after(Instant::ZERO, PAUSE_MAX);
        Self { bytes, records, left: plan.caller.resizes, next, rng }
    }

    /// When the next change comes.
    pub(crate) fn next_at(&self) -> Option<Instant> {
        (self.left > 0).then_some(self.next)
    }

    /// What may be held from now on, if it is time for a change.
    pub(crate) fn take(&mut self, now: Instant) -> Option<Bounds> {
        self.next_at().filter(|next| *next <= now)?;
        self.left -= 1;
        self.next = self.rng.time_after(now, PAUSE_MAX);
        let (bytes, records) = (self.rng.pick(&self.bytes), self.rng.pick(&self.records));
        Some(Bounds { bytes, records })
    }

    /// It stays as it is.
    pub(crate) const fn end(&mut self) {
        self.left = 0;
    }
}
