use std::sync::{Arc, Weak};

use headwaters_engine::Bounds;

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
    /// Producers that were refused since there was room last.
    waiting: Vec<Weak<Shared>>,
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

    /// Takes room.
    pub(crate) fn take(&self, need: Bounds) -> Result<(), NoBudget> {
        if need.bytes > self.bounds.bytes {
            return Err(NoBudget::Never);
        }
        let mut account = lock(&self.account);
        let (bytes, records) = (account.bytes + need.bytes, account.records + need.records);
        if bytes > self.bounds.bytes || records > self.bounds.records {
            return Err(NoBudget::Full);
        }
        (account.bytes, account.records) = (bytes, records);
        Ok(())
    }

    /// Notes what a producer holds now instead of what it held. More than there is room for is what it keeps of
    /// failed attempts, which its own bounds limit.
    pub(crate) fn settle(&self, before: Bounds, now: Bounds) {
        if before == now {
            return;
        }
        let mut account = lock(&self.account);
        account.bytes = (account.bytes + now.bytes).saturating_sub(before.bytes);
        account.records = (account.records + now.records).saturating_sub(before.records);
    }

    /// Remembers that a producer waits for room.
    pub(crate) fn wait(&self, who: Weak<Shared>) {
        let waiting = &mut lock(&self.account).waiting;
        if !waiting.iter().any(|other| other.ptr_eq(&who)) {
            waiting.push(who);
        }
    }

    /// The producers that wait, to be told that there is room. Not with the lock of one of them.
    pub(crate) fn take_waiting(&self) -> Vec<Arc<Shared>> {
        let waiting = core::mem::take(&mut lock(&self.account).waiting);
        waiting.iter().filter_map(Weak::upgrade).collect()
    }

    /// What all of them hold.
    pub(crate) fn held(&self) -> Bounds {
        let account = lock(&self.account);
        Bounds { bytes: account.bytes, records: account.records }
    }
}
