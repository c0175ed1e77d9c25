use core::fmt;
use core::future::poll_fn;
use core::task::{Poll, Waker};
use core::time::Duration;
use std::sync::Arc;

use headwaters_engine::wire::StreamName;
use headwaters_engine::{Event, FlushId, Refused, ShardStats, Timing, UserRecord};

use crate::close::{CloseReport, Undelivered};
use crate::permit::Permit;
use crate::put_all::put_all;
use crate::report::Report;
use crate::shared::{Attempt, InLine, Shared, unlock};
use crate::slots::Want;
use crate::stats::Stats;
use crate::ticket::Ticket;
use crate::waiters::Place;

/// Puts records into one stream and says what became of each.
///
/// Cheap to clone; all clones are the same producer. A [`Driver`](crate::Driver) makes it go: a task on the tokio
/// runtime, or whatever you run it on. The methods themselves need no runtime.
///
/// [`close`](Self::close) it before the program ends. Dropping the last clone instead lets what was
/// accepted be delivered in the background for as long as the driver runs, and says by a
/// `tracing` warning how many records that leaves.
#[derive(Clone, Debug)]
pub struct Producer {
    handle: Arc<Handle>,
}

struct Handle {
    shared: Arc<Shared>,
}

impl Producer {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { handle: Arc::new(Handle { shared }) }
    }

    fn shared(&self) -> &Arc<Shared> {
        &self.handle.shared
    }

    /// Puts a record, waiting for room if there is none. Those who wait are served in the order in which
    /// they came, so a large record is not overtaken for ever by small ones; only
    /// [`try_put`](Self::try_put) does not queue, and who waits because of one shard
    /// ([`RefusedReason::ShardFull`](crate::RefusedReason::ShardFull)) lets the others pass. A task that never has to
    /// wait gives way all the same when the driver has had no turn for a millisecond; then one that is polled beside it may
    /// come first.
    ///
    /// # Errors
    /// [`Refused`] gives the record back: the producer is closed, or the record is larger than the stream
    /// takes. Never [`RefusedReason::Full`](crate::RefusedReason::Full) or
    /// [`RefusedReason::ShardFull`](crate::RefusedReason::ShardFull).
    ///
    /// # Cancel safety
    /// Dropping the future before it is ready means that the record was not accepted and is dropped with
    /// it; use [`try_put`](Self::try_put) or [`reserve`](Self::reserve) to keep it.
    pub async fn put(&self, record: UserRecord) -> Result<Ticket, Refused> {
        self.put_timed(record, Timing::default()).await
    }

    /// Puts a record with a buffered time or a time to live of its own, waiting for room if there is none.
    ///
    /// # Errors
    /// As in [`put`](Self::put).
    ///
    /// # Cancel safety
    /// As in [`put`](Self::put).
    pub async fn put_timed(&self, record: UserRecord, timing: Timing) -> Result<Ticket, Refused> {
        let shared = self.shared();
        let mut line = InLine::new(shared);
        let mut record = Some(record);
        let put = |waker: &Waker| line.put(&mut record, timing, Want::Ticket, waker);
        shared.give_way().await;
        let token = poll_with(put).await.map_err(|refused| *refused)?;
        Ok(Ticket::new(Arc::clone(shared), token))
    }

    /// Puts a record without a ticket, waiting for room if there is none. Its outcome goes to the callback
    /// ([`ProducerBuilder::on_outcome`](crate::ProducerBuilder::on_outcome)), under this tag; without one to nobody.
    ///
    /// # Errors
    /// As in [`put`](Self::put).
    ///
    /// # Cancel safety
    /// As in [`put`](Self::put).
    pub async fn put_tagged(&self, record: UserRecord, tag: u64) -> Result<(), Refused> {
        let mut line = InLine::new(self.shared());
        let mut record = Some(record);
        let timing = Timing::default();
        let put = |waker: &Waker| line.put(&mut record, timing, Want::Tag(tag), waker);
        self.shared().give_way().await;
        poll_with(put).await.map(drop).map_err(|refused| *refused)
    }

    /// Puts a record if there is room.
    ///
    /// # Errors
    /// [`Refused`] gives the record back: there is no room now, the producer is closed, or the record is
    /// larger than the stream takes.
    pub fn try_put(&self, record: UserRecord) -> Result<Ticket, Refused> {
        self.try_put_timed(record, Timing::default())
    }

    /// Puts a record with a buffered time or a time to live of its own, if there is room.
    ///
    /// # Errors
    /// As in [`try_put`](Self::try_put).
    pub fn try_put_timed(&self, record: UserRecord, timing: Timing) -> Result<Ticket, Refused> {
        let token = self.shared().try_put(record, timing, Want::Ticket)?;
        Ok(Ticket::new(Arc::clone(self.shared()), token))
    }

    /// Puts a record without a ticket, if there is room; see [`put_tagged`](Self::put_tagged).
    ///
    /// # Errors
    /// As in [`try_put`](Self::try_put).
    pub fn try_put_tagged(&self, record: UserRecord, tag: u64) -> Result<(), Refused> {
        self.shared().try_put(record, Timing::default(), Want::Tag(tag)).map(drop)
    }

    /// Waits until there is room for a record of whatever size the stream takes, and keeps it: the put itself
    /// cannot wait or fail any more. What is kept too much is given back with the put;
    /// [`reserve_for`](Self::reserve_for) keeps less.
    ///
    /// # Cancel safety
    /// Dropping the future gives up its place in the queue, and nothing else.
    pub async fn reserve(&self) -> Permit {
        let largest = self.shared().lock().engine.config().max_user_record_size();
        self.reserve_for(largest).await
    }

    /// Waits until there is room for a record of `size` bytes, data and partition key together, and keeps it.
    ///
    /// A size beyond the largest record that the stream takes counts as that.
    ///
    /// # Cancel safety
    /// As in [`reserve`](Self::reserve).
    pub async fn reserve_for(&self, size: usize) -> Permit {
        let shared = self.shared();
        shared.give_way().await;
        let mut line = InLine::new(shared);
        let kept = poll_with(|waker: &Waker| {
            let now = shared.now();
            line.poll(waker, |state| {
                let size = size.min(state.engine.config().max_user_record_size());
                match state.reserve(size, now) {
                    Some(kept) => Attempt::Done(kept),
                    None => Attempt::Full,
                }
            })
        });
        Permit::new(Arc::clone(shared), kept.await)
    }

    /// Puts all records, waiting for room where there is none, delivers them, and tells which of them were not
    /// stored, or maybe stored. Only what failed is sent again. Ends after `within` at the latest, whatever happens.
    ///
    /// In the last tenth of the time (at most [`Config::request_timeout`](crate::Config::request_timeout)) nothing is
    /// sent any more, so that most answers come before the end. What has none then is
    /// [`Why::Pending`](crate::Why::Pending), and what was not taken from `records` is left in it: pass
    /// `records.by_ref()` to go on with the rest. It gives way as [`put`](Self::put) does.
    ///
    /// # Cancel safety
    /// Dropping the future drops no record that was accepted, but nobody is told what becomes of them; up to 64 that
    /// were taken from `records` and not accepted are dropped with it.
    pub async fn put_all(
        &self,
        records: impl IntoIterator<Item = UserRecord>,
        within: Duration,
    ) -> Report {
        put_all(self.shared(), records.into_iter(), within).await
    }

    /// Sends everything accepted before this call without waiting for its deadlines, and ends when each of
    /// these records has its outcome. Failed attempts are retried as always; only
    /// [`record_ttl`](crate::Config::record_ttl) and the retry policy bound the time this takes.
    ///
    /// # Cancel safety
    /// Dropping the future stops the waiting, not the flush.
    pub async fn flush(&self) {
        self.flush_until(None).await;
    }

    /// The same, but ends after `within` at the latest; returns how many of these records have no outcome yet. They
    /// stay in the producer.
    ///
    /// # Cancel safety
    /// As in [`flush`](Self::flush).
    pub async fn flush_by(&self, within: Duration) -> u64 {
        self.flush_until(Some(within)).await
    }

    async fn flush_until(&self, within: Option<Duration>) -> u64 {
        let Some(flush) = Flush::start(self.shared(), within) else { return 0 };
        poll_with(|waker: &Waker| flush.poll(waker)).await
    }

    /// Accepts no more records, delivers what was accepted, and reports. After `within` what is left is handed
    /// back: in the report and through the tickets, as `NotStored` if it was not sent, `MaybeStored` if it was
    /// in flight. `None` waits for as long as the time to live and the retry policy allow.
    ///
    /// Closing again gives the same report; a shorter time makes the first close end sooner.
    ///
    /// # Cancel safety
    /// Dropping the future stops the waiting, not the close; call it again for the report.
    pub async fn close(&self, within: Option<Duration>) -> CloseReport {
        let shared = self.shared();
        shared.request_close(within);
        let mut closer = Closer { place: None, shared };
        poll_with(|waker: &Waker| closer.poll(waker)).await
    }

    /// Hands back everything that is held, now: through the tickets, and in the order of acceptance but for what was
    /// in flight, which comes last and may be stored all the same. The producer stays open.
    pub fn purge(&self) -> Vec<Undelivered> {
        let shared = self.shared();
        let now = shared.now();
        let mut state = shared.lock();
        let purged = state.purge(now);
        unlock(state);
        purged
    }

    /// Counters and levels.
    pub fn stats(&self) -> Stats {
        self.shared().lock().stats()
    }

    /// How it stands with each shard, in the order of their hash keys. What goes to no known shard comes last.
    pub fn shard_stats(&self) -> Vec<ShardStats> {
        self.shared().lock().engine.shard_stats().collect()
    }

    /// The stream.
    pub fn stream(&self) -> &StreamName {
        &self.shared().stream
    }
}

/// A future of what `poll` gives.
async fn poll_with<T>(mut poll: impl FnMut(&Waker) -> Poll<T>) -> T {
    poll_fn(|context| poll(context.waker())).await
}

/// A flush that somebody waits for.
struct Flush<'a> {
    id: FlushId,
    shared: &'a Shared,
}

impl<'a> Flush<'a> {
    /// Starts a flush; `None` if there is nothing left to be flushed.
    fn start(shared: &'a Shared, within: Option<Duration>) -> Option<Self> {
        let now = shared.now();
        let deadline = within.map(|within| now.after(within));
        let mut state = shared.lock();
        if state.report.is_some() {
            return None;
        }
        let id = state.flushes.start();
        state.engine.handle(Event::FlushRequested { flush: id, deadline }, now);
        unlock(state);
        Some(Self { id, shared })
    }

    fn poll(&self, waker: &Waker) -> Poll<u64> {
        let mut spare = None;
        let poll = self.shared.lock().flushes.poll(self.id, waker, &mut spare);
        drop(spare);
        poll
    }
}

impl Drop for Flush<'_> {
    fn drop(&mut self) {
        let spare = self.shared.lock().flushes.forget(self.id);
        drop(spare);
    }
}

/// Somebody who waits for the end of a close.
struct Closer<'a> {
    place: Option<Place>,
    shared: &'a Shared,
}

impl Closer<'_> {
    fn poll(&mut self, waker: &Waker) -> Poll<CloseReport> {
        let mut state = self.shared.lock();
        if let Some(report) = &state.report {
            return Poll::Ready(report.clone());
        }
        let spare = state.closers.wait(&mut self.place, waker);
        drop(state);
        drop(spare);
        Poll::Pending
    }
}

impl Drop for Closer<'_> {
    fn drop(&mut self) {
        let left = self.shared.lock().closers.leave(&mut self.place);
        drop(left);
    }
}

impl Shared {
    fn request_close(&self, within: Option<Duration>) {
        let deadline = within.map(|within| self.now().after(within));
        self.handle(Event::CloseRequested { deadline });
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        let stats = self.shared.lock().engine.stats();
        let left = stats.buffered + stats.in_flight;
        if left > 0 {
            tracing::warn!(
                stream = %self.shared.stream,
                records = left,
                "the producer was dropped without a close; its records are delivered in the background \
                 while the driver runs"
            );
        }
        self.shared.request_close(None);
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.shared.fmt(f)
    }
}
