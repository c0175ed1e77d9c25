use std::sync::Arc;

use headwaters_engine::wire::StreamName;
use headwaters_engine::{
    Action, Batch, BatchId, Cause, Completion, Event, Instant, ListShards, Outcome,
};
use headwaters_transport::{Clock, Transport};
use tokio::sync::oneshot;

use crate::close::{CloseReport, Undelivered};
use crate::requests::Requests;
use crate::shared::{Shared, State};
use crate::ticket::Delivery;

/// The task that does what the engine says: sends, lists, waits, cancels, reports. It decides nothing.
pub(crate) struct Driver<T, C> {
    clock: Arc<C>,
    requests: Requests<T>,
    shared: Arc<Shared>,
    stream: StreamName,
    undelivered: Vec<Undelivered>,
}

/// What came out of the engine and is to be done without its lock.
#[derive(Default)]
struct Todo {
    batches: Vec<Batch>,
    cancels: Vec<BatchId>,
    closed: bool,
    deliveries: Vec<(oneshot::Sender<Delivery>, Delivery)>,
    flushed: Vec<oneshot::Sender<()>>,
    listing: Option<ListShards>,
    room: bool,
    wakeup: Option<Instant>,
}

impl<T: Transport, C: Clock> Driver<T, C> {
    pub(crate) fn new(
        shared: Arc<Shared>,
        transport: T,
        clock: Arc<C>,
        stream: StreamName,
    ) -> Self {
        let requests = Requests::new(stream.clone(), transport);
        Self { clock, requests, shared, stream, undelivered: Vec::new() }
    }

    pub(crate) async fn run(mut self) {
        let shared = Arc::clone(&self.shared);
        let mut events = vec![Event::TimeAdvanced];
        loop {
            let todo = self.feed(&mut events);
            let wakeup = todo.wakeup;
            if self.perform(todo) {
                return;
            }
            tokio::select! {
                biased;
                () = self.requests.finished(&mut events) => {}
                () = shared.work.notified() => {}
                () = sleep_until(&*self.clock, wakeup) => {}
            }
            events.push(Event::TimeAdvanced);
        }
    }

    /// Tells the engine what happened, and asks what to do.
    fn feed(&mut self, events: &mut Vec<Event>) -> Todo {
        let now = self.shared.now();
        let mut state = self.shared.lock();
        for event in events.drain(..) {
            state.engine.handle(event, now);
        }
        drain(&mut state, &mut self.undelivered)
    }

    /// Does it; true if the producer is closed and nothing is left to do.
    fn perform(&mut self, todo: Todo) -> bool {
        todo.cancels.into_iter().for_each(|batch| self.requests.cancel(batch));
        todo.batches.into_iter().for_each(|batch| self.requests.send(batch));
        if let Some(listing) = todo.listing {
            self.requests.list(listing);
        }
        if todo.room {
            self.shared.room.notify_waiters();
        }
        tell(todo.deliveries, todo.flushed);
        if todo.closed {
            self.report();
        }
        todo.closed
    }
}

impl<T, C> Driver<T, C> {
    /// Leaves the report for whoever closes: the last thing a driver does.
    fn report(&mut self) {
        let mut state = self.shared.lock();
        let undelivered = core::mem::take(&mut self.undelivered);
        state.report = Some(CloseReport { stats: state.engine.stats(), undelivered });
        // A flush that came after the last poll has nothing to wait for.
        state.flushes.clear();
        drop(state);
        self.shared.closed.notify_waiters();
        self.shared.room.notify_waiters();
    }
}

/// Polls the engine until it waits.
fn drain(state: &mut State, undelivered: &mut Vec<Undelivered>) -> Todo {
    let mut todo = Todo::default();
    loop {
        match state.engine.poll() {
            Action::CancelBatch(batch) => todo.cancels.push(batch),
            Action::CloseFinished { .. } => todo.closed = true,
            Action::Complete(completion) => complete(state, completion, undelivered, &mut todo),
            Action::FlushFinished { flush, .. } => {
                if let Some(at) = state.flushes.iter().position(|(id, _)| *id == flush) {
                    todo.flushed.push(state.flushes.swap_remove(at).1);
                }
            }
            // A later one means that the engine waits for the one before no more.
            Action::ListShards(listing) => todo.listing = Some(listing),
            // A notice for traces: the engine has done it already.
            Action::Requeue(_) => {}
            Action::RoomAvailable => todo.room = true,
            Action::SendBatch(batch) => todo.batches.push(batch),
            Action::Wait(wakeup) => {
                todo.wakeup = wakeup.at;
                state.driver_wakes = wakeup.at;
                return todo;
            }
        }
    }
}

fn complete(
    state: &mut State,
    completion: Completion,
    undelivered: &mut Vec<Undelivered>,
    todo: &mut Todo,
) {
    let Completion { attempts, outcome, tokens, .. } = completion;
    let maybe_stored = matches!(outcome, Outcome::MaybeStored { .. });
    if let Outcome::MaybeStored { cause: Cause::Closed, record }
    | Outcome::NotStored { cause: Cause::Closed, record } = &outcome
    {
        undelivered.push(Undelivered { maybe_stored, record: record.clone() });
    }
    for token in tokens {
        if let Some(sender) = state.tickets.remove(token) {
            let delivery = Delivery { attempts: attempts.clone(), outcome: outcome.clone() };
            todo.deliveries.push((sender, delivery));
        }
    }
}

/// Resolves tickets and flushes. Nobody may be listening any more, which is theirs to choose.
fn tell(deliveries: Vec<(oneshot::Sender<Delivery>, Delivery)>, flushed: Vec<oneshot::Sender<()>>) {
    for (ticket, delivery) in deliveries {
        let _ = ticket.send(delivery);
    }
    for flush in flushed {
        let _ = flush.send(());
    }
}

async fn sleep_until(clock: &impl Clock, at: Option<Instant>) {
    match at {
        Some(at) => clock.sleep_until(at).await,
        None => core::future::pending().await,
    }
}

/// A driver that ends without a close (its runtime was shut down) still gives every record an outcome:
/// what was not sent is `NotStored`, what was in flight `MaybeStored`.
impl<T, C> Drop for Driver<T, C> {
    fn drop(&mut self) {
        let now = self.shared.now();
        let mut state = self.shared.lock();
        if state.report.is_some() {
            return;
        }
        let left = state.engine.stats().buffered + state.engine.stats().in_flight;
        if std::thread::panicking() {
            tracing::error!(stream = %self.stream, records = left, "the driver of the producer panicked");
        } else if left > 0 {
            tracing::warn!(
                stream = %self.stream,
                records = left,
                "the runtime stopped before the producer was closed; its records are undelivered"
            );
        }
        state.engine.handle(Event::CloseRequested { deadline: Some(now) }, now);
        let todo = drain(&mut state, &mut self.undelivered);
        drop(state);
        tell(todo.deliveries, todo.flushed);
        self.report();
    }
}
