//! Whose turn it is, when, and why.

use alloc::collections::BTreeSet;
use core::ops::Bound::{Excluded, Included, Unbounded};

use super::Lanes;
use crate::figures::Cut;
use crate::lane::Lane;
use crate::time::Instant;

/// Whose turn it is: of the lanes that share requests, and of those that leave apart.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Turns {
    apart: Turn,
    /// Whether a lane that could leave apart was passed over for a request that others share.
    passed_over: bool,
    shared: Turn,
}

/// Who comes first in the next request.
#[derive(Clone, Copy, Debug)]
struct Turn {
    /// Whether it is a lane whose time has come, rather than one that leaves at once.
    due_first: bool,
    /// The lane behind which those that leave at once have their turn.
    last: u32,
}

impl Turns {
    pub(crate) const FIRST: Self =
        Self { apart: Turn::FIRST, passed_over: false, shared: Turn::FIRST };
}

impl Turn {
    const FIRST: Self = Self { due_first: false, last: u32::MAX };

    /// Those that leave at once, for they are in a hurry or have much, then those whose time has come, the earliest first,
    /// and then the others. As long as requests are full, these two kinds take turns in being first, and each of those that
    /// leave at once is the first of them in its turn: what never ends in one lane keeps no other one waiting for ever.
    fn order(
        self,
        lanes: &BTreeSet<(Instant, u32)>,
        now: Instant,
    ) -> impl Iterator<Item = (Instant, u32)> {
        let Self { due_first, last } = self;
        let (least, most) = ((Instant::ZERO, 0), (Instant::ZERO, u32::MAX));
        let at_once = [
            lanes.range((Excluded((Instant::ZERO, last)), Included(most))),
            lanes.range((Included(least), Included((Instant::ZERO, last)))),
        ];
        let due = move || lanes.range((Excluded(most), Included((now, u32::MAX))));
        let later = lanes.range((Excluded((now, u32::MAX)), Unbounded));
        let [before, after] = [due_first, !due_first].map(|is_here| is_here.then(due));
        let before = before.into_iter().flatten().chain(at_once.into_iter().flatten());
        before.chain(after.into_iter().flatten()).chain(later).copied()
    }

    /// The `first` lane of a request had its turn, and `last` was the last one in it that was full.
    fn after(self, first: Option<(Instant, u32)>, last: Option<u32>) -> Self {
        match (first, last) {
            (Some((Instant::ZERO, _)), Some(last)) => Self { due_first: true, last },
            _ => Self { due_first: false, ..self },
        }
    }
}

impl Lanes {
    /// The lane that is to leave apart next, and when.
    pub(crate) fn first_apart(&self, now: Instant) -> Option<(Instant, u32)> {
        self.turns.apart.order(&self.apart, now).next()
    }

    /// Whether this lane, which could leave apart, is to leave before what others share: its time came before theirs, or
    /// they were first when it could the last time.
    pub(crate) fn is_turn_apart(&self, apart: (Instant, u32), now: Instant) -> bool {
        self.turns.passed_over || self.first_queued(now).is_none_or(|first| apart < first)
    }

    /// This lane has left apart.
    pub(crate) fn note_turn_apart(&mut self, first: (Instant, u32)) {
        self.turns.apart = self.turns.apart.after(Some(first), Some(first.1));
        self.turns.passed_over = false;
    }

    /// A request has left that is shared, though a lane could have left apart.
    pub(crate) fn pass_over(&mut self) {
        self.turns.passed_over = true;
    }

    /// The lane that is to leave with others next, and when.
    pub(crate) fn first_queued(&self, now: Instant) -> Option<(Instant, u32)> {
        self.turns.shared.order(&self.queued, now).next()
    }

    /// The lanes that may send something, in their turn; at most `count` of them.
    pub(crate) fn queued(&self, count: usize, now: Instant) -> impl Iterator<Item = u32> {
        self.turns.shared.order(&self.queued, now).take(count).map(|(_, at)| at)
    }

    /// A request has left: with all that may leave, or it was full, and `last` was the last lane in it. Its `first` lane had its
    /// turn.
    pub(crate) fn note_turn(&mut self, first: Option<(Instant, u32)>, last: Option<u32>) {
        self.turns.shared = self.turns.shared.after(first, last);
    }

    /// Whether what was not sent before, and may leave, fills a request of `count` entries or `size` bytes.
    pub(crate) fn fills(&self, count: usize, size: usize) -> bool {
        !self.awaits_map && (self.unsent >= count || self.unsent_size >= size)
    }

    /// Why something leaves now, a request being free.
    pub(crate) fn why(&self, count: usize, size: usize, now: Instant) -> Cut {
        if !self.awaits_map && self.unsent >= count {
            Cut::Count
        } else if !self.awaits_map && self.unsent_size >= size {
            Cut::Size
        } else {
            self.why_due(self.first_queued(now))
        }
    }

    /// Why this lane, which is the first, is due.
    pub(crate) fn why_due(&self, first: Option<(Instant, u32)>) -> Cut {
        let first = first.map(|(_, at)| self.get(at));
        let is_hurried =
            |lane: &Lane| lane.first().is_some_and(|record| record.sequence() < self.hurry_before);
        if first.is_some_and(is_hurried) {
            Cut::Flush
        } else if first.is_some_and(|lane| lane.unsent_size() >= self.settings.full_at) {
            Cut::Shard
        } else {
            Cut::Time
        }
    }

    /// When the next lane has something to send; what is being packed included.
    pub(crate) fn next_due(&self) -> Option<Instant> {
        if self.is_hurrying {
            return Some(Instant::ZERO);
        }
        let queued = self.queued.first().map(|&(due, _)| due);
        let filling = self.filling.first().map(|&(due, _)| due);
        queued.into_iter().chain(filling).min()
    }

    /// When a limiter lets something pass again.
    pub(crate) fn next_unblocked(&self) -> Option<Instant> {
        let mut waiting = self.blocked.iter().filter(|&&(_, at)| !self.get(at).is_empty());
        waiting.next().map(|&(until, _)| until)
    }

    /// When something may have expired.
    pub(crate) fn next_expiration(&self) -> Option<Instant> {
        self.expiring.first().map(|&(expiration, _)| expiration)
    }
}
