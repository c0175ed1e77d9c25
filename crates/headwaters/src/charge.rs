use core::mem;
use std::sync::{Arc, Weak};

use headwaters_engine::{Bounds, RefusedReason};

use crate::budget::{Budget, NoBudget};
use crate::shared::Shared;
use crate::state::NOTHING;

/// What this producer has of a budget.
#[derive(Debug)]
pub(crate) struct Charge {
    budget: Arc<Budget>,
    charged: Bounds,
}

impl Charge {
    pub(crate) fn new(budget: Arc<Budget>) -> Self {
        Self { budget, charged: NOTHING }
    }

    /// All the bytes that there can be.
    pub(crate) fn most(&self) -> usize {
        self.budget.bounds().bytes
    }

    pub(crate) fn take(&mut self, need: Bounds, who: &Weak<Shared>) -> Result<(), NoBudget> {
        self.budget.take(need, self.charged, who)?;
        self.charged.bytes += need.bytes;
        self.charged.records += need.records;
        Ok(())
    }

    /// What was taken for a record that was refused then.
    pub(crate) fn give_back(
        &mut self,
        need: Bounds,
        who: &Weak<Shared>,
        others: &mut Vec<Arc<Shared>>,
    ) {
        let less = Bounds {
            bytes: self.charged.bytes - need.bytes,
            records: self.charged.records - need.records,
        };
        self.settle(less, who, others);
    }

    pub(crate) fn settle(
        &mut self,
        held: Bounds,
        who: &Weak<Shared>,
        others: &mut Vec<Arc<Shared>>,
    ) {
        let before = mem::replace(&mut self.charged, held);
        others.extend(self.budget.settle(before, held, who));
    }

    /// Why a record is refused, beside whose size so much is taken for it.
    pub(crate) fn reason(&self, none: NoBudget, overhead: usize) -> RefusedReason {
        match none {
            NoBudget::Full => RefusedReason::Full,
            NoBudget::Never => {
                let limit = self.most().saturating_sub(overhead);
                RefusedReason::TooLarge { limit }
            }
        }
    }
}
