//! What was measured, and what follows from it.

use std::collections::BTreeMap;

use crate::arms::Arm;

/// What one turn took.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Figures {
    pub(crate) cpu_nanos: f64,
    pub(crate) records: u64,
}

impl Figures {
    pub(crate) fn nanos_per_record(self) -> f64 {
        self.cpu_nanos / self.records as f64
    }
}

/// All turns of all contestants.
#[derive(Debug, Default)]
pub(crate) struct Results {
    /// Who did not take part, and why.
    pub(crate) missing: BTreeMap<&'static str, String>,
    /// CPU nanoseconds per record in each round, by contestant and size.
    turns: BTreeMap<(&'static str, usize), Vec<f64>>,
}

impl Results {
    pub(crate) fn add(&mut self, arm: &Arm, size: usize, figures: Figures) {
        self.turns.entry((arm.id, size)).or_default().push(figures.nanos_per_record());
    }

    pub(crate) fn miss(&mut self, arm: &Arm, why: &str) {
        self.missing.insert(arm.id, why.to_owned());
    }

    /// The turns of one contestant, cheapest first; `None` if it did not take part.
    pub(crate) fn sorted(&self, id: &str, size: usize) -> Option<Vec<f64>> {
        let mut turns = self.of(id, size)?.clone();
        turns.sort_by(f64::total_cmp);
        Some(turns)
    }

    pub(crate) fn median(&self, id: &str, size: usize) -> Option<f64> {
        self.sorted(id, size).map(|turns| quantile(&turns, 0.5))
    }

    /// How many times the CPU time of `base` this one takes: the median of what it was in each round.
    pub(crate) fn ratio(&self, id: &str, base: &str, size: usize) -> Option<f64> {
        let (turns, base) = (self.of(id, size)?, self.of(base, size)?);
        let mut ratios: Vec<f64> = turns.iter().zip(base).map(|(one, base)| one / base).collect();
        ratios.sort_by(f64::total_cmp);
        Some(quantile(&ratios, 0.5))
    }

    fn of(&self, id: &str, size: usize) -> Option<&Vec<f64>> {
        // The ids are few.
        self.turns.iter().find(|((one, of), _)| *one == id && *of == size).map(|(_, turns)| turns)
    }
}

/// Of numbers in their order; not empty.
pub(crate) fn quantile(sorted: &[f64], part: f64) -> f64 {
    sorted[((sorted.len() - 1) as f64 * part).round() as usize]
}
