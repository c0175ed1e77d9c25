use core::future::poll_fn;
use core::mem;
use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use core::task::{Poll, Waker};
use std::collections::VecDeque;
use std::sync::Arc;

use crate::share::is_fair;
use crate::sync::{Mutex, lock};

/// Lets so many requests through at a time, of all producers together: in turn, where several wait, and so that whoever has
/// many under way leaves some to the others.
#[derive(Debug)]
pub(crate) struct Gate {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    free: usize,
    next: u64,
    /// In the order in which they came.
    waiting: VecDeque<Request>,
}

/// A request that waits.
#[derive(Debug)]
struct Request {
    place: u64,
    seat: Arc<Seat>,
    waker: Waker,
}

/// A producer, at a gate.
#[derive(Debug)]
pub(crate) struct Seat {
    gate: Arc<Gate>,
    /// How many of its requests are through, and when one went last, counted in requests. Both change under the lock of
    /// the gate.
    through: AtomicUsize,
    went: AtomicU64,
}

/// A request that was let through; dropping it lets another.
#[derive(Debug)]
pub(crate) struct Pass(Arc<Seat>);

struct Waiting {
    place: Option<u64>,
    seat: Arc<Seat>,
}

impl Gate {
    pub(crate) fn new(requests: usize) -> Self {
        Self { state: Mutex::new(State { free: requests, next: 0, waiting: VecDeque::new() }) }
    }
}

impl Seat {
    pub(crate) fn new(gate: Arc<Gate>) -> Arc<Self> {
        Arc::new(Self { gate, through: AtomicUsize::new(0), went: AtomicU64::new(0) })
    }

    /// Waits for its turn.
    ///
    /// # Cancel safety
    /// Dropping the future gives the turn to the next.
    pub(crate) async fn pass(self: Arc<Self>) -> Pass {
        let mut waiting = Waiting { place: None, seat: self };
        poll_fn(|context| waiting.poll(context.waker())).await
    }
}

impl State {
    /// Whether one more request of this producer may go through.
    fn may(&self, seat: &Seat) -> bool {
        let through = seat.through.load(Ordering::Relaxed);
        self.free > 0 && (through == 0 || is_fair(through + 1, self.free - 1))
    }

    /// Whose turn it is: the producer's that has waited for longest since it had one.
    fn first(&self) -> Option<&Request> {
        let may = self.waiting.iter().filter(|request| self.may(&request.seat));
        // The first of those that are equal, which is the oldest.
        may.min_by_key(|request| request.seat.went.load(Ordering::Relaxed))
    }

    /// The one to be woken, without the lock.
    fn next(&self) -> Option<Waker> {
        self.first().map(|request| request.waker.clone())
    }

    fn position(&self, place: Option<u64>) -> Option<usize> {
        self.waiting.binary_search_by_key(&place?, |request| request.place).ok()
    }
}

impl Waiting {
    fn poll(&mut self, waker: &Waker) -> Poll<Pass> {
        let mut state = lock(&self.seat.gate.state);
        let first = state.first().map(|request| request.place);
        // Who comes now may go if nobody who waits may.
        if !state.may(&self.seat) || first.is_some_and(|first| Some(first) != self.place) {
            let spare = match state.position(self.place) {
                Some(at) => Some(mem::replace(&mut state.waiting[at].waker, waker.clone())),
                None => {
                    let (place, seat) = (state.next, Arc::clone(&self.seat));
                    self.place = Some(place);
                    state.next += 1;
                    state.waiting.push_back(Request { place, seat, waker: waker.clone() });
                    None
                }
            };
            // Whose turn it is may not have known: who was first when there was room is not any more.
            let next = state.first().filter(|first| Some(first.place) != self.place);
            let next = next.map(|request| request.waker.clone());
            drop(state);
            drop(spare);
            next.into_iter().for_each(Waker::wake);
            return Poll::Pending;
        }
        state.free -= 1;
        state.next += 1;
        self.seat.went.store(state.next, Ordering::Relaxed);
        self.seat.through.fetch_add(1, Ordering::Relaxed);
        let mine = state.position(self.place.take()).and_then(|at| state.waiting.remove(at));
        let next = state.next();
        drop(state);
        drop(mine);
        next.into_iter().for_each(Waker::wake);
        Poll::Ready(Pass(Arc::clone(&self.seat)))
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if self.place.is_none() {
            return;
        }
        let mut state = lock(&self.seat.gate.state);
        let mine = state.position(self.place).and_then(|at| state.waiting.remove(at));
        let next = state.next();
        drop(state);
        drop(mine);
        next.into_iter().for_each(Waker::wake);
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        let Self(seat) = self;
        let mut state = lock(&seat.gate.state);
        state.free += 1;
        seat.through.fetch_sub(1, Ordering::Relaxed);
        let next = state.next();
        drop(state);
        next.into_iter().for_each(Waker::wake);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::sync::atomic::AtomicBool;

    #[test]
    fn producers_go_in_turn_and_who_has_many_through_leaves_some() {
        let gate = Arc::new(Gate::new(8));
        let [busy, other] = [(); 2].map(|()| Seat::new(Arc::clone(&gate)));
        // So many come, and those that may go.
        let come = |seat: &Arc<Seat>, requests: usize| {
            let (mut passes, mut waiting) = (Vec::new(), Vec::new());
            for _ in 0..requests {
                let mut request = Waiting { place: None, seat: Arc::clone(seat) };
                match request.poll(Waker::noop()) {
                    Poll::Ready(pass) => passes.push(pass),
                    Poll::Pending => waiting.push(request),
                }
            }
            (passes, waiting)
        };
        let mut goes = Vec::new();
        let mut is_next = |request: &mut Waiting| match request.poll(Waker::noop()) {
            Poll::Ready(pass) => {
                goes.push(pass);
                true
            }
            Poll::Pending => false,
        };
        let (passes, mut busy) = come(&busy, 6);
        assert_eq!((passes.len(), busy.len()), (4, 2), "it leaves as many as it has");
        let (_others, mut other) = come(&other, 4);
        assert_eq!(other.len(), 2, "who waits stands in nobody's way");
        drop(passes);
        assert!(!is_next(&mut other[0]) && is_next(&mut busy[0]), "its turn was before");
        assert!(!is_next(&mut busy[1]) && is_next(&mut other[0]), "though it came later");
        assert!(!is_next(&mut other[1]) && is_next(&mut busy[1]));
        drop((busy, other));
        assert!(lock(&gate.state).waiting.is_empty());
    }

    /// Who was woken for a place need not be first any more when it comes to take it: who is then has come meanwhile, has seen
    /// the other before it, and would not look again by itself.
    #[test]
    fn a_turn_that_has_passed_to_another_is_told_to_it() {
        struct Told(AtomicBool);
        impl std::task::Wake for Told {
            fn wake(self: Arc<Self>) {
                self.0.store(true, Ordering::Relaxed);
            }
        }
        let gate = Arc::new(Gate::new(1));
        let [one, other] = [(); 2].map(|()| Seat::new(Arc::clone(&gate)));
        let request = |seat: &Arc<Seat>| Waiting { place: None, seat: Arc::clone(seat) };
        let Poll::Ready(pass) = request(&one).poll(Waker::noop()) else { panic!("it is free") };
        let mut second = request(&one);
        assert!(second.poll(Waker::noop()).is_pending());
        drop(pass);
        let told = Arc::new(Told(AtomicBool::new(false)));
        let (mut first, waker) = (request(&other), Waker::from(Arc::clone(&told)));
        assert!(first.poll(&waker).is_pending(), "the other was there before");
        assert!(second.poll(Waker::noop()).is_pending(), "and has had a turn before");
        assert!(told.0.load(Ordering::Relaxed), "somebody goes");
        assert!(first.poll(&waker).is_ready());
    }
}
