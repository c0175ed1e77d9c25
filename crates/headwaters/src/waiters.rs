use core::mem;
use core::task::Waker;
use std::collections::VecDeque;

/// Those who wait for one thing, in the order in which they came.
#[derive(Debug, Default)]
pub(crate) struct Waiters {
    /// By place, which rises.
    queue: VecDeque<(Place, Waker)>,
    next: u64,
}

/// A place in a queue.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Place(u64);

/// What leaving a queue leaves behind.
#[derive(Debug, Default)]
pub(crate) struct Left {
    _mine: Option<Waker>,
    next: Option<Waker>,
}

impl Left {
    /// Wakes the one whose turn it is now, if that has changed. Not with the lock.
    pub(crate) fn pass_on(self) {
        if let Some(next) = self.next {
            next.wake();
        }
    }
}

impl Waiters {
    /// Whether it is the turn of whoever has this place, or none yet.
    pub(crate) fn is_next(&self, place: Option<Place>) -> bool {
        self.queue.front().is_none_or(|(first, _)| Some(*first) == place)
    }

    /// Keeps a place, or takes the last one; returns the waker that is not needed any more.
    #[must_use = "a waker is dropped without the lock: that may run anything"]
    pub(crate) fn wait(&mut self, place: &mut Option<Place>, waker: &Waker) -> Option<Waker> {
        match place.and_then(|place| self.position(place)) {
            Some(at) if self.queue[at].1.will_wake(waker) => None,
            Some(at) => Some(mem::replace(&mut self.queue[at].1, waker.clone())),
            None => {
                *place = Some(Place(self.next));
                self.queue.push_back((Place(self.next), waker.clone()));
                self.next += 1;
                None
            }
        }
    }

    /// Leaves the queue.
    #[must_use = "whose turn it is now is to be woken, and wakers are dropped without the lock"]
    pub(crate) fn leave(&mut self, place: &mut Option<Place>) -> Left {
        let Some(at) = place.take().and_then(|place| self.position(place)) else {
            return Left::default();
        };
        let mine = self.queue.remove(at).map(|(_, waker)| waker);
        Left { _mine: mine, next: if at == 0 { self.first() } else { None } }
    }

    /// The one whose turn it is.
    pub(crate) fn first(&self) -> Option<Waker> {
        self.queue.front().map(|(_, waker)| waker.clone())
    }

    /// Sends all away; they are to be woken.
    pub(crate) fn take_all(&mut self) -> impl Iterator<Item = Waker> {
        self.queue.drain(..).map(|(_, waker)| waker)
    }

    pub(crate) fn len(&self) -> usize {
        self.queue.len()
    }

    fn position(&self, place: Place) -> Option<usize> {
        self.queue.binary_search_by_key(&place, |(place, _)| *place).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_come_in_order_and_a_place_can_be_given_up() {
        let mut waiters = Waiters::default();
        let (mut first, mut second, mut third) = (None, None, None);
        assert!(waiters.is_next(first), "nobody waits");
        for place in [&mut first, &mut second, &mut third] {
            assert!(waiters.wait(place, Waker::noop()).is_none());
        }
        let kept = second;
        assert!(waiters.wait(&mut second, Waker::noop()).is_none());
        assert_eq!((second, waiters.len()), (kept, 3), "who waits again keeps the place");
        assert!(waiters.is_next(first) && !waiters.is_next(second) && !waiters.is_next(None));
        assert!(waiters.leave(&mut second).next.is_none(), "the turn is still the first one's");
        assert!(waiters.leave(&mut first).next.is_some() && waiters.is_next(third));
        assert!(waiters.leave(&mut first).next.is_none(), "left already");
        assert_eq!(waiters.take_all().count(), 1);
        assert!(waiters.leave(&mut third).next.is_none() && waiters.first().is_none());
    }
}
