use core::fmt;
use core::task::{Poll, Waker};
use std::sync::Arc;

use headwaters_engine::wire::StreamName;
use headwaters_engine::{
    Engine, Event, Instant, Refused, RefusedReason, Timing, Token, UserRecord,
};

use crate::budget::Budget;
use crate::slots::Want;
use crate::state::State;
use crate::sync::{Mutex, MutexGuard, lock};
use crate::waiters::Place;

/// What the handles, the tickets and the driver share: a state behind one short lock.
///
/// Nothing is woken, called back, sent, or dropped that could run foreign code while it is locked.
pub(crate) struct Shared {
    now: Box<dyn Fn() -> Instant + Send + Sync>,
    state: Mutex<State>,
    pub(crate) stream: StreamName,
}

impl Shared {
    pub(crate) fn new(
        stream: StreamName,
        engine: Engine,
        budget: Option<Arc<Budget>>,
        now: impl Fn() -> Instant + Send + Sync + 'static,
    ) -> Arc<Self> {
        Arc::new_cyclic(|this| {
            let state = Mutex::new(State::new(engine, budget, this.clone()));
            Self { now: Box::new(now), state, stream }
        })
    }

    pub(crate) fn now(&self) -> Instant {
        (self.now)()
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Puts a record if there is room.
    pub(crate) fn try_put(
        &self,
        record: UserRecord,
        timing: Timing,
        want: Want,
    ) -> Result<Token, Refused> {
        let now = self.now();
        let mut state = self.lock();
        let token = state.add(record, timing, want, now)?;
        unlock(state);
        Ok(token)
    }

    /// Tells the engine something, unless it has nothing to do any more.
    pub(crate) fn handle(&self, event: Event) {
        let now = self.now();
        let mut state = self.lock();
        if state.report.is_none() {
            state.engine.handle(event, now);
            unlock(state);
        }
    }

    /// Wakes whoever waits for room first.
    pub(crate) fn announce_room(&self) {
        let first = self.lock().room.first();
        if let Some(first) = first {
            first.wake();
        }
    }
}

/// Unlocks the state, and then wakes the driver if the engine wants it sooner than it would come by itself.
pub(crate) fn unlock(mut state: MutexGuard<'_, State>) {
    let driver = state.call_driver();
    drop(state);
    if let Some(driver) = driver {
        driver.wake();
    }
}

/// Somebody who may have to wait for room. Those who wait are served in the order in which they came; dropping
/// this gives the turn to the next.
pub(crate) struct InLine<'a> {
    place: Option<Place>,
    shared: &'a Shared,
}

impl<'a> InLine<'a> {
    pub(crate) fn new(shared: &'a Shared) -> Self {
        Self { place: None, shared }
    }

    /// Does what needs room if it is its turn; `None` of `attempt` means that there is none, and keeps the turn.
    pub(crate) fn poll<T>(
        &mut self,
        waker: &Waker,
        attempt: impl FnOnce(&mut State) -> Option<T>,
    ) -> Poll<T> {
        let mut state = self.shared.lock();
        if state.room.is_next(self.place)
            && let Some(done) = attempt(&mut state)
        {
            let left = state.room.leave(&mut self.place);
            unlock(state);
            left.pass_on();
            return Poll::Ready(done);
        }
        let spare = state.room.wait(&mut self.place, waker);
        unlock(state);
        drop(spare);
        Poll::Pending
    }

    /// Puts a record, which is back where it was if there is no room.
    pub(crate) fn put(
        &mut self,
        record: &mut Option<UserRecord>,
        timing: Timing,
        want: Want,
        waker: &Waker,
    ) -> Poll<Result<Token, Refused>> {
        let now = self.shared.now();
        self.poll(waker, |state| match state.add(record.take()?, timing, want, now) {
            Err(Refused { reason: RefusedReason::Full, record: back, .. }) => {
                *record = Some(back);
                None
            }
            done => Some(done),
        })
    }
}

impl Drop for InLine<'_> {
    fn drop(&mut self) {
        if self.place.is_some() {
            let left = self.shared.lock().room.leave(&mut self.place);
            left.pass_on();
        }
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stats = self.lock().engine.stats();
        f.debug_struct("Shared")
            .field("stream", &self.stream)
            .field("stats", &stats)
            .finish_non_exhaustive()
    }
}
