//! Whose turn it is, when, and why.

use super::Lanes;
use crate::figures::Cut;
use crate::lane::Lane;
use crate::time::Instant;

impl Lanes {
    /// The lane that is to leave apart next, and when.
    pub(crate) fn first_apart(&self) -> Option<(Instant, u32)> {
        self.apart.first().copied()
    }

    /// The lane that is to leave with others next, and when.
    pub(crate) fn first_queued(&self) -> Option<(Instant, u32)> {
        self.queued.first().copied()
    }

    /// The lanes that may send something, the earliest due first; at most `count` of them.
    pub(crate) fn queued(&self, count: usize) -> impl Iterator<Item = u32> {
        self.queued.iter().take(count).map(|&(_, at)| at)
    }

    /// Whether what was not sent before, and may leave, fills a request of `count` entries or `size` bytes.
    pub(crate) fn fills(&self, count: usize, size: usize) -> bool {
        !self.awaits_map && (self.unsent >= count || self.unsent_size >= size)
    }

    /// Why something leaves now, a request being free.
    pub(crate) fn why(&self, count: usize, size: usize) -> Cut {
        if !self.awaits_map && self.unsent >= count {
            Cut::Count
        } else if !self.awaits_map && self.unsent_size >= size {
            Cut::Size
        } else {
            self.why_due(self.first_queued())
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
