use core::future::poll_fn;
use core::task::Poll;
use std::sync::Arc;

use crate::sync::{Mutex, lock};
use crate::waiters::{Place, Waiters};

/// Lets so many requests through at a time, of all producers together, in the order in which they came.
#[derive(Debug)]
pub(crate) struct Gate {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    free: usize,
    waiters: Waiters,
}

/// A request that was let through; dropping it lets the next one.
#[derive(Debug)]
pub(crate) struct Pass(Arc<Gate>);

struct Waiting<'a> {
    gate: &'a Arc<Gate>,
    place: Option<Place>,
}

impl Gate {
    pub(crate) fn new(requests: usize) -> Self {
        Self { state: Mutex::new(State { free: requests, waiters: Waiters::default() }) }
    }

    /// Waits for its turn.
    ///
    /// # Cancel safety
    /// Dropping the future gives the turn to the next.
    pub(crate) async fn pass(self: &Arc<Self>) -> Pass {
        let mut waiting = Waiting { gate: self, place: None };
        poll_fn(|context| {
            let mut state = lock(&self.state);
            if state.free == 0 || !state.waiters.is_next(waiting.place) {
                let spare = state.waiters.wait(&mut waiting.place, context.waker());
                drop((state, spare));
                return Poll::Pending;
            }
            state.free -= 1;
            let left = state.waiters.leave(&mut waiting.place);
            let more = state.free > 0;
            drop(state);
            if more {
                left.pass_on();
            }
            Poll::Ready(Pass(Arc::clone(self)))
        })
        .await
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if self.place.is_some() {
            let left = lock(&self.gate.state).waiters.leave(&mut self.place);
            left.pass_on();
        }
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        let mut state = lock(&self.0.state);
        state.free += 1;
        let next = state.waiters.first();
        drop(state);
        if let Some(next) = next {
            next.wake();
        }
    }
}
