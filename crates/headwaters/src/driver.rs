use core::fmt;
use core::panic::AssertUnwindSafe;
use core::pin::Pin;
use core::task::{Context, Poll};
use core::time::Duration;
use std::panic::catch_unwind;
use std::sync::Arc;

use headwaters_engine::{Batch, Event, Instant, Requeue, Sent};
use headwaters_transport::{Clock, Transport};

use crate::requests::Requests;
use crate::shared::Shared;
use crate::state::Todo;
use crate::ticket::Delivery;

/// What makes a producer go: a future that sends, waits and tells, until the producer is closed.
///
/// [`ProducerBuilder::start`](crate::ProducerBuilder::start) has tokio run it. On any other runtime you spawn it
/// yourself, or [`block_on`](crate::block_on) it on a thread. Dropping it before it ends closes the producer: what was
/// not sent is `NotStored`, what was in flight `MaybeStored`.
#[must_use = "nothing is sent until the driver is run"]
pub struct Driver(Pin<Box<dyn Future<Output = ()> + Send>>);

impl Future for Driver {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        self.0.as_mut().poll(context)
    }
}

impl fmt::Debug for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Driver")
    }
}

/// Who is told of the outcomes of records without tickets.
pub(crate) type OnOutcome = Box<dyn FnMut(u64, Delivery) + Send>;

/// What counts as a freeze. Clocks that are set differently drift apart, too, but not as far in the life of a connection.
const FREEZE_MIN: Duration = Duration::from_secs(1);

type Sleep = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Does what the engine says. It decides nothing.
pub(crate) struct Drive<T, C> {
    clock: Arc<C>,
    /// What happened, for the engine.
    events: Vec<Event>,
    /// For how long the process has been frozen, as far as the transport knows.
    frozen: Duration,
    #[cfg(feature = "metrics")]
    meter: crate::metrics::Meter,
    on_outcome: Option<OnOutcome>,
    requests: Requests<T>,
    shared: Arc<Shared>,
    /// Ends when the engine wants to hear of the time.
    sleep: Option<(Instant, Sleep)>,
}

impl<T: Transport, C: Clock> Drive<T, C> {
    pub(crate) fn new(
        shared: Arc<Shared>,
        clock: Arc<C>,
        requests: Requests<T>,
        on_outcome: Option<OnOutcome>,
    ) -> Self {
        Self {
            frozen: clock.frozen(),
            clock,
            events: Vec::new(),
            #[cfg(feature = "metrics")]
            meter: crate::metrics::Meter::new(&shared.stream),
            on_outcome,
            requests,
            shared,
            sleep: None,
        }
    }

    /// Up to how many shards each has metrics of its own.
    #[cfg(feature = "metrics")]
    pub(crate) fn metrics_shards_max(mut self, shards: usize) -> Self {
        self.meter.set_shards_max(shards);
        self
    }

    pub(crate) fn into_driver(mut self) -> Driver {
        Driver(Box::pin(core::future::poll_fn(move |context| self.poll(context))))
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        self.shared.lock().note_wakeup();
        self.notice_thaw();
        loop {
            self.shared.lock().seat_driver();
            self.requests.poll(context, &mut self.events);
            let (wanted, closed) = self.turn(context);
            if closed {
                return Poll::Ready(());
            }
            // What was sent just now may have ended already; else it wakes this task when it does.
            self.requests.poll(context, &mut self.events);
            if self.events.is_empty() && self.sleep_until(wanted, context).is_pending() {
                return Poll::Pending;
            }
        }
    }

    fn notice_thaw(&mut self) {
        let frozen = self.clock.frozen();
        if frozen >= self.frozen + FREEZE_MIN {
            self.frozen = frozen;
            self.requests.thawed();
        }
    }

    /// Tells the engine what happened, and does what it says, in turns that hold the lock for a short time each.
    /// Returns when it wants to hear of the time, and whether the producer is closed.
    fn turn(&mut self, context: &Context<'_>) -> (Option<Instant>, bool) {
        loop {
            let mut state = self.shared.lock();
            let begin = self.shared.now();
            if self.events.is_empty() {
                state.engine.handle(Event::TimeAdvanced, begin);
            }
            for event in self.events.drain(..) {
                state.engine.handle(event, begin);
            }
            let waits = state.drain(begin);
            let mut todo = state.take_todo();
            // Whatever comes from now on calls the driver.
            let wanted = if waits { state.dismiss_driver(context.waker()) } else { None };
            let news = state.outage_news();
            #[cfg(feature = "metrics")]
            let stats = state.stats();
            state.note_hold(self.shared.now().since(begin));
            drop(state);
            #[cfg(feature = "metrics")]
            self.meter.tell(&stats, core::mem::take(&mut todo.tally));
            if let Some(news) = news {
                news.tell(&self.shared.stream);
            }
            self.perform(&mut todo);
            if waits {
                return (wanted, todo.closed);
            }
        }
    }

    fn perform(&mut self, todo: &mut Todo) {
        todo.batches.drain(..).for_each(|batch| self.send(batch));
        todo.cancels.drain(..).for_each(|batch| self.requests.cancel(batch));
        if let Some(listing) = todo.listing.take() {
            self.requests.list(listing);
        }
        todo.requeues.drain(..).for_each(|requeue| self.trace(&requeue));
        self.tell(todo);
    }

    /// Sends a batch; the check sums of its aggregates are computed without the lock.
    fn send(&mut self, batch: Batch) {
        #[cfg(feature = "metrics")]
        self.meter.tell_dwell(&batch.dwell);
        let Batch { id, unsealed: Some(unsealed), .. } = batch else {
            return self.requests.send(batch);
        };
        let check_sums = unsealed.compute();
        drop(unsealed);
        let sealed = self.shared.lock().engine.seal(id, &check_sums);
        match sealed {
            Some(batch) => self.requests.send(batch),
            // It was purged meanwhile.
            None => self.events.push(Event::BatchCancelled { batch: id, sent: Sent::No }),
        }
    }

    /// Waits for the time. A timer that is set for an earlier time stays: it is cheaper to come once too often.
    fn sleep_until(&mut self, wanted: Option<Instant>, context: &mut Context<'_>) -> Poll<()> {
        let Some(wanted) = wanted else {
            self.sleep = None;
            return Poll::Pending;
        };
        if wanted <= self.shared.now() {
            // There is more to do now (a reshard is moved in pieces). Others have their turn first, and the lock.
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let is_set = self.sleep.as_ref().is_some_and(|(at, _)| *at <= wanted);
        if !is_set {
            let clock = Arc::clone(&self.clock);
            let sleep = async move { clock.sleep_until(wanted).await };
            self.sleep = Some((wanted, Box::pin(sleep)));
        }
        let Some((_, sleep)) = &mut self.sleep else { return Poll::Pending };
        let slept = sleep.as_mut().poll(context);
        if slept.is_ready() {
            self.sleep = None;
        }
        slept
    }
}

impl<T, C> Drive<T, C> {
    /// Tells those who wait, and calls back for those who do not.
    fn tell(&mut self, todo: &mut Todo) {
        todo.waiting.wake();
        let Some(on_outcome) = &mut self.on_outcome else { return todo.tagged.clear() };
        for (tag, delivery) in todo.tagged.drain(..) {
            // A panic of the callback is no reason to lose records.
            if catch_unwind(AssertUnwindSafe(|| on_outcome(tag, delivery))).is_err() {
                tracing::error!(stream = %self.shared.stream, "the callback for outcomes panicked");
            }
        }
    }

    fn trace(&self, requeue: &Requeue) {
        let Requeue { batch, cause, indexes, not_before, .. } = requeue;
        tracing::debug!(
            stream = %self.shared.stream,
            batch = %batch,
            entries = indexes.len(),
            code = %cause.code,
            delay = ?not_before.since(self.shared.now()),
            "entries failed and will be sent again"
        );
    }
}

/// A driver that ends without a close (its runtime was shut down) still gives every record an outcome.
impl<T, C> Drop for Drive<T, C> {
    fn drop(&mut self) {
        let now = self.shared.now();
        let mut state = self.shared.lock();
        let stats = state.engine.stats();
        let left = stats.buffered + stats.in_flight;
        // Where it was closed already somebody else may have found that it is, and left it to the driver to say so.
        let was_open = state.report.is_none();
        if was_open {
            state.engine.handle(Event::CloseRequested { deadline: Some(now) }, now);
            while !state.drain(now) {}
        }
        let mut todo = state.take_todo();
        drop(state);
        if was_open && std::thread::panicking() {
            tracing::error!(stream = %self.shared.stream, records = left, "the driver of the producer panicked");
        } else if left > 0 {
            tracing::warn!(
                stream = %self.shared.stream,
                records = left,
                "the runtime stopped before the producer was closed; its records are undelivered"
            );
        }
        self.tell(&mut todo);
    }
}
