use std::sync::{Arc, Weak};

use headwaters_engine::Bounds;

use crate::share::is_fair;
use crate::shared::Shared;
use crate::sync::{Mutex, lock};

/// How much several producers may hold together.
#[derive(Debug)]
pub(crate) struct Budget {
    bounds: Bounds,
    account: Mutex<Account>,
}

#[derive(Debug, Default)]
struct Account {
    bytes: usize,
    records: usize,
    /// Those that were refused since there was room for them last.
    waiting: Vec<Waiting>,
}

/// A producer that was refused.
#[derive(Debug)]
struct Waiting {
    /// What it holds,
    held: Bounds,
    /// and the least that it was refused.
    need: Bounds,
    who: Weak<Shared>,
}

/// Why there is no room in a budget.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum NoBudget {
    Full,
    /// It is more than all of it.
    Never,
}

impl Budget {
    pub(crate) fn new(bounds: Bounds) -> Self {
        Self { bounds, account: Mutex::default() }
    }

    pub(crate) fn bounds(&self) -> Bounds {
        self.bounds
    }

    /// Takes room for a producer that holds so much; if there is none, it will be told of some.
    pub(crate) fn take(
        &self,
        need: Bounds,
        held: Bounds,
        who: &Weak<Shared>,
    ) -> Result<(), NoBudget> {
        if need.bytes > self.bounds.bytes {
            return Err(NoBudget::Never);
        }
        let mut account = lock(&self.account);
        if !account.has_room(self.bounds, held, need) {
            account.wait(held, need, who);
            return Err(NoBudget::Full);
        }
        account.bytes += need.bytes;
        account.records += need.records;
        Ok(())
    }

    /// Notes what a producer holds now instead of what it held; returns those that wait and have room now, to be told
    /// without the lock of one of them. More than there is room for is what is kept of failed attempts, which a
    /// producer's own bounds limit.
    pub(crate) fn settle(
        &self,
        before: Bounds,
        now: Bounds,
        who: &Weak<Shared>,
    ) -> Vec<Arc<Shared>> {
        if before == now {
            return Vec::new();
        }
        let mut account = lock(&self.account);
        account.bytes = (account.bytes + now.bytes).saturating_sub(before.bytes);
        account.records = (account.records + now.records).saturating_sub(before.records);
        if let Some(waiting) = account.find(who) {
            waiting.held = now;
        }
        if now.bytes < before.bytes || now.records < before.records {
            account.take_waiting(self.bounds)
        } else {
            Vec::new()
        }
    }

    /// What all of them hold.
    pub(crate) fn held(&self) -> Bounds {
        let account = lock(&self.account);
        Bounds { bytes: account.bytes, records: account.records }
    }
}

impl Account {
    /// Whether a producer that holds so much may take so much more.
    fn has_room(&self, bounds: Bounds, held: Bounds, need: Bounds) -> bool {
        let free = |all: usize, taken: usize, need: usize| all.checked_sub(taken + need);
        let (Some(bytes), Some(records)) = (
            free(bounds.bytes, self.bytes, need.bytes),
            free(bounds.records, self.records, need.records),
        ) else {
            return false;
        };
        held.records == 0
            || is_fair(held.bytes + need.bytes, bytes)
                && is_fair(held.records + need.records, records)
    }

    fn find(&mut self, who: &Weak<Shared>) -> Option<&mut Waiting> {
        self.waiting.iter_mut().find(|waiting| waiting.who.ptr_eq(who))
    }

    fn wait(&mut self, held: Bounds, need: Bounds, who: &Weak<Shared>) {
        let Some(waiting) = self.find(who) else {
            self.waiting.push(Waiting { held, need, who: who.clone() });
            return;
        };
        waiting.held = held;
        waiting.need.bytes = waiting.need.bytes.min(need.bytes);
        waiting.need.records = waiting.need.records.min(need.records);
    }

    /// Those for whom there is room now. What is refused again waits again.
    fn take_waiting(&mut self, bounds: Bounds) -> Vec<Arc<Shared>> {
        let mut waiting = core::mem::take(&mut self.waiting);
        // Who is gone waits no more.
        waiting.retain(|one| one.who.strong_count() > 0);
        let has_room = |one: &mut Waiting| self.has_room(bounds, one.held, one.need);
        let told = waiting.extract_if(.., has_room).filter_map(|one| one.who.upgrade()).collect();
        self.waiting = waiting;
        told
    }
}
