use core::task::Waker;

use crate::report::{Failure, Why};
use crate::ticket::Delivery;

/// The calls of `put_all` that go on. There are few.
#[derive(Debug, Default)]
pub(crate) struct Groups {
    groups: Vec<Group>,
    next: u32,
}

/// What is known of one call of `put_all`.
#[derive(Debug)]
pub(crate) struct Group {
    id: u32,
    pub(crate) failures: Vec<Failure>,
    pub(crate) maybe_duplicates: u64,
    pub(crate) stored: u64,
    /// A bit for each record that was put: whether it has its outcome.
    settled: Vec<u64>,
    /// How many were put, and how many of them have no outcome.
    put: u32,
    pending: u32,
    /// Woken when the last one has its outcome.
    pub(crate) waker: Option<Waker>,
}

impl Groups {
    pub(crate) fn start(&mut self) -> u32 {
        let id = self.next;
        // Its name is part of a token, beside a mark.
        self.next = (self.next + 1) & (u32::MAX >> 1);
        self.groups.push(Group {
            id,
            failures: Vec::new(),
            maybe_duplicates: 0,
            stored: 0,
            settled: Vec::new(),
            put: 0,
            pending: 0,
            waker: None,
        });
        id
    }

    pub(crate) fn get(&mut self, id: u32) -> Option<&mut Group> {
        self.groups.iter_mut().find(|group| group.id == id)
    }

    pub(crate) fn note(&mut self, id: u32, note: impl FnOnce(&mut Group)) {
        if let Some(group) = self.get(id) {
            note(group);
        }
    }

    pub(crate) fn end(&mut self, id: u32) -> Option<Group> {
        let at = self.groups.iter().position(|group| group.id == id)?;
        Some(self.groups.swap_remove(at))
    }

    /// Notes that a record was stored; who waits for the last outcome, if it was that.
    #[inline]
    pub(crate) fn stored(&mut self, id: u32, index: u32, maybe_duplicate: bool) -> Option<Waker> {
        let group = self.get(id)?;
        group.stored += 1;
        group.maybe_duplicates += u64::from(maybe_duplicate);
        group.settle(index)
    }

    /// The same of one that was not, or nobody knows.
    pub(crate) fn failed(&mut self, id: u32, index: u32, delivery: Delivery) -> Option<Waker> {
        let group = self.get(id)?;
        group.failures.push(Failure { index: index.into(), why: Why::Ended(delivery) });
        group.settle(index)
    }
}

impl Group {
    /// The number of the record that is put next; `None` if there are too many.
    pub(crate) fn next(&self) -> Option<u32> {
        (self.put < u32::MAX).then_some(self.put)
    }

    /// Notes that it was put.
    pub(crate) fn put(&mut self) {
        if self.put.is_multiple_of(u64::BITS) {
            self.settled.push(0);
        }
        self.put += 1;
        self.pending += 1;
    }

    /// Notes that it was not.
    pub(crate) fn skip(&mut self, why: Why) {
        let index = self.put;
        self.put();
        self.mark(index);
        self.failures.push(Failure { index: index.into(), why });
    }

    fn settle(&mut self, index: u32) -> Option<Waker> {
        self.mark(index);
        if self.pending == 0 { self.waker.take() } else { None }
    }

    fn mark(&mut self, index: u32) {
        self.settled[(index / u64::BITS) as usize] |= 1 << (index % u64::BITS);
        self.pending -= 1;
    }

    pub(crate) fn is_settled(&self) -> bool {
        self.pending == 0
    }

    /// How many records were taken, whatever became of them.
    pub(crate) fn len(&self) -> u32 {
        self.put
    }

    /// The numbers of those without an outcome.
    pub(crate) fn unsettled(&self) -> impl Iterator<Item = u32> {
        let is_open = |index: &u32| {
            self.settled[(index / u64::BITS) as usize] >> (index % u64::BITS) & 1 == 0
        };
        (0..self.put).filter(is_open)
    }
}
