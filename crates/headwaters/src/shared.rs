use core::fmt;
use core::sync::atomic::{AtomicBool, Ordering};
use core::task::{Poll, Waker};
use std::sync::Arc;

use headwaters_engine::wire::StreamName;
use headwaters_engine::{Event, Instant, Refused, RefusedReason, Timing, Token, UserRecord};

use crate::budget::Budget;
use crate::slots::Want;
use crate::state::{State, Waiting};
use crate::sync::{Mutex, MutexGuard, lock};
use crate::trace::Traced;
use crate::turns::give_way;
use crate::waiters::{Left, Place};

/// What the handles, the tickets and the driver share: a state behind one short lock.
///
/// Nothing is woken, called back or sent that could run foreign code while it is locked. Payloads are dropped: whoever gives
/// them drop code of their own is told what it must not do ([`UserRecord::new`]).
pub(crate) struct Shared {
    /// Whether whoever puts next is to give way first.
    crowded: AtomicBool,
    now: Box<dyn Fn() -> Instant + Send + Sync>,
    state: Mutex<State>,
    pub(crate) stream: StreamName,
}

impl Shared {
    pub(crate) fn new(
        stream: StreamName,
        engine: Traced,
        budget: Option<Arc<Budget>>,
        now: impl Fn() -> Instant + Send + Sync + 'static,
    ) -> Arc<Self> {
        Arc::new_cyclic(|this| {
            let state = Mutex::new(State::new(engine, budget, this.clone()));
            Self { crowded: AtomicBool::new(false), now: Box::new(now), state, stream }
        })
    }

    pub(crate) fn now(&self) -> Instant {
        (self.now)()
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Gives way if the driver has had no turn for a while.
    pub(crate) async fn give_way(&self) {
        if self.crowded.load(Ordering::Relaxed) && self.crowded.swap(false, Ordering::Relaxed) {
            give_way().await;
        }
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
        let added = state.add(record, timing, want, now);
        // A refusal, too, may have told the time, and given something back.
        unlock(state);
        added
    }

    /// Tells the engine something, unless it has nothing to do any more.
    pub(crate) fn handle(&self, event: Event) {
        let now = self.now();
        let mut state = self.lock();
        if state.report.is_none() {
            state.tell(event, now);
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

/// Unlocks the state, and then wakes the driver if the engine wants it sooner than it would come by itself. Where the driver
/// has ended, those whom it would wake are woken here.
pub(crate) fn unlock(mut state: MutexGuard<'_, State>) {
    let driver = state.call_driver();
    let mut left = if state.report.is_some() { state.take_waiting() } else { Waiting::default() };
    drop(state);
    if let Some(driver) = driver {
        driver.wake();
    }
    left.wake();
}

/// Somebody who may have to wait for room. Those who wait are served in the order in which they came; dropping
/// this gives the turn to the next. Who waits for room for one shard keeps nobody else up.
pub(crate) struct InLine<'a> {
    place: Option<Place>,
    shard_place: Option<Place>,
    shared: &'a Shared,
}

/// What became of an attempt to put something.
pub(crate) enum Attempt<T> {
    Done(T),
    /// There is no room.
    Full,
    /// There is none for its shard.
    ShardFull,
}

impl<'a> InLine<'a> {
    pub(crate) fn new(shared: &'a Shared) -> Self {
        Self { place: None, shard_place: None, shared }
    }

    /// Does what needs room if it is its turn.
    pub(crate) fn poll<T>(
        &mut self,
        waker: &Waker,
        attempt: impl FnOnce(&mut State) -> Attempt<T>,
    ) -> Poll<T> {
        let mut state = self.shared.lock();
        let is_its_turn = self.shard_place.is_some() || state.room.is_next(self.place);
        let attempted = if is_its_turn { attempt(&mut state) } else { Attempt::Full };
        if state.take_crowded() {
            self.shared.crowded.store(true, Ordering::Relaxed);
        }
        let (place, shard_place) = (&mut self.place, &mut self.shard_place);
        let (poll, left, spare) = match attempted {
            Attempt::Done(done) => {
                let left = (state.room.leave(place), state.shard_room.leave(shard_place));
                (Poll::Ready(done), left, None)
            }
            Attempt::Full => {
                if is_its_turn {
                    state.make_room();
                }
                let left = (Left::default(), state.shard_room.leave(shard_place));
                (Poll::Pending, left, state.room.wait(place, waker))
            }
            Attempt::ShardFull => {
                let left = (state.room.leave(place), Left::default());
                (Poll::Pending, left, state.shard_room.wait(shard_place, waker))
            }
        };
        unlock(state);
        left.0.pass_on();
        drop((left.1, spare));
        poll
    }

    /// Puts a record, which is back where it was if there is no room.
    ///
    /// The refusal is boxed: nothing as large as a record is moved for those that are accepted.
    pub(crate) fn put(
        &mut self,
        record: &mut Option<UserRecord>,
        timing: Timing,
        want: Want,
        waker: &Waker,
    ) -> Poll<Result<Token, Box<Refused>>> {
        let now = self.shared.now();
        self.poll(waker, |state| {
            let Some(put) = record.take() else { return Attempt::Full };
            let refused = match state.add(put, timing, want, now) {
                Ok(token) => return Attempt::Done(Ok(token)),
                Err(refused) => refused,
            };
            match refused.reason {
                RefusedReason::Full => {
                    *record = Some(refused.record);
                    Attempt::Full
                }
                RefusedReason::ShardFull => {
                    *record = Some(refused.record);
                    Attempt::ShardFull
                }
                _ => Attempt::Done(Err(Box::new(refused))),
            }
        })
    }
}

impl Drop for InLine<'_> {
    fn drop(&mut self) {
        if self.place.is_some() || self.shard_place.is_some() {
            let mut state = self.shared.lock();
            let left = state.room.leave(&mut self.place);
            let other = state.shard_room.leave(&mut self.shard_place);
            drop(state);
            left.pass_on();
            drop(other);
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
