use core::fmt;
use core::hash::BuildHasher;
use core::pin::pin;
use core::time::Duration;
use std::hash::RandomState;
use std::sync::Arc;

use headwaters_engine::wire::{StreamName, StreamNameError};
use headwaters_engine::{Config, Engine, Event, Refused, RefusedReason, Stats, Timing, UserRecord};
use headwaters_transport::{Clock, Transport};

use crate::clock::TokioClock;
use crate::close::CloseReport;
use crate::driver::Driver;
use crate::shared::Shared;
use crate::ticket::Ticket;

/// Puts records into one stream and says what became of each.
///
/// Cheap to clone; all clones are the same producer. A task on the tokio runtime drives it.
///
/// [`close`](Self::close) it before the program ends. Dropping the last clone instead lets what was
/// accepted be delivered in the background for as long as the runtime lives, and says by a
/// `tracing` warning how many records that leaves.
#[derive(Clone, Debug)]
pub struct Producer {
    handle: Arc<Handle>,
}

#[derive(Debug)]
struct Handle {
    shared: Arc<Shared>,
    stream: StreamName,
}

impl Producer {
    /// Names the stream and the transport, and whatever else is to differ from the defaults.
    pub fn builder() -> ProducerBuilder<(), TokioClock> {
        ProducerBuilder {
            clock: TokioClock::new(),
            config: Config::default(),
            stream: Err(StartError::StreamMissing),
            transport: (),
        }
    }

    /// Puts a record, waiting for room if there is none. Those who wait are served in the order in which
    /// they came, so a large record is not overtaken for ever by small ones; only
    /// [`try_put`](Self::try_put) does not queue, and who waits because of one shard
    /// ([`RefusedReason::ShardFull`]) lets the others pass.
    ///
    /// # Errors
    /// [`Refused`] gives the record back: the producer is closed, or the record is larger than the stream
    /// takes. Never [`RefusedReason::Full`] or [`RefusedReason::ShardFull`].
    ///
    /// # Cancel safety
    /// Dropping the future before it is ready means that the record was not accepted and is dropped with
    /// it; use [`try_put`](Self::try_put) to keep it.
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
        let shared = &self.handle.shared;
        let mut turn = Some(shared.turn.lock().await);
        let mut record = record;
        loop {
            // Listen first, or room made between the refusal and the wait would go unnoticed.
            let mut room = pin!(shared.room.notified());
            room.as_mut().enable();
            record = match shared.try_put(record, timing) {
                Err(Refused { reason: RefusedReason::Full, record, .. }) => record,
                Err(Refused { reason: RefusedReason::ShardFull, record, .. }) => {
                    // Those behind may be for other shards.
                    drop(turn.take());
                    record
                }
                done => return done,
            };
            room.await;
        }
    }

    /// Puts a record if there is room.
    ///
    /// # Errors
    /// [`Refused`] gives the record back: there is no room now, the producer is closed, or the record is
    /// larger than the stream takes.
    pub fn try_put(&self, record: UserRecord) -> Result<Ticket, Refused> {
        self.handle.shared.try_put(record, Timing::default())
    }

    /// Sends everything accepted before this call without waiting for its deadlines, and ends when each of
    /// these records has its outcome. Failed attempts are retried as always; only
    /// [`record_ttl`](Config::record_ttl) and the retry policy bound the time this takes.
    ///
    /// # Cancel safety
    /// Dropping the future stops the waiting, not the flush.
    pub async fn flush(&self) {
        let shared = &self.handle.shared;
        let finished = {
            let now = shared.now();
            let mut state = shared.lock();
            if state.report.is_some() {
                return;
            }
            let (flush, finished) = state.start_flush();
            state.engine.handle(Event::FlushRequested { flush, deadline: None }, now);
            shared.wake_driver(state);
            finished
        };
        // The driver answers, or ends and takes everything with it: in both cases nothing is pending.
        let _ = finished.await;
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
        let shared = &self.handle.shared;
        shared.request_close(within);
        loop {
            let mut closed = pin!(shared.closed.notified());
            closed.as_mut().enable();
            if let Some(report) = &shared.lock().report {
                return report.clone();
            }
            closed.await;
        }
    }

    /// Counters and levels.
    pub fn stats(&self) -> Stats {
        self.handle.shared.lock().engine.stats()
    }

    /// The stream.
    pub fn stream(&self) -> &StreamName {
        &self.handle.stream
    }
}

impl Shared {
    fn request_close(&self, within: Option<Duration>) {
        let now = self.now();
        let deadline = within.map(|within| now.after(within));
        let mut state = self.lock();
        if state.report.is_none() {
            state.engine.handle(Event::CloseRequested { deadline }, now);
            self.wake_driver(state);
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        let stats = self.shared.lock().engine.stats();
        let left = stats.buffered + stats.in_flight;
        if left > 0 {
            tracing::warn!(
                stream = %self.stream,
                records = left,
                "the producer was dropped without a close; its records are delivered in the background \
                 while the runtime lives"
            );
        }
        self.shared.request_close(None);
    }
}

/// Collects what a [`Producer`] needs.
#[derive(Clone, Debug)]
#[must_use]
pub struct ProducerBuilder<T, C> {
    clock: C,
    config: Config,
    stream: Result<StreamName, StartError>,
    transport: T,
}

impl<T, C> ProducerBuilder<T, C> {
    /// The clock; tokio's if none is given.
    pub fn clock<D: Clock>(self, clock: D) -> ProducerBuilder<T, D> {
        let Self { config, stream, transport, .. } = self;
        ProducerBuilder { clock, config, stream, transport }
    }

    /// The settings; the defaults if none are given.
    ///
    /// A [`seed`](Config::seed) of 0, the default, gives the producer one of its own, so that the producers
    /// of a fleet do not all try again at the same moments. With any other seed the same events give the
    /// same waits.
    pub fn config(self, config: Config) -> Self {
        Self { config, ..self }
    }

    /// The stream; required. A wrong name is reported by [`start`](Self::start).
    pub fn stream(self, name: impl AsRef<str>) -> Self {
        Self { stream: StreamName::new(name.as_ref()).map_err(StartError::Stream), ..self }
    }

    /// The way to the service; required.
    pub fn transport<U: Transport>(self, transport: U) -> ProducerBuilder<U, C> {
        let Self { clock, config, stream, .. } = self;
        ProducerBuilder { clock, config, stream, transport }
    }
}

impl<T: Transport, C: Clock> ProducerBuilder<T, C> {
    /// Starts the producer on the tokio runtime of the caller.
    ///
    /// The runtime needs timers (`enable_time`, or `enable_all`) unless another clock is given: without them
    /// the producer closes at its first wait, and its tickets and the log say so.
    ///
    /// # Errors
    /// [`StartError`] when the stream's name is missing or wrong, or there is no tokio runtime.
    pub fn start(self) -> Result<Producer, StartError> {
        let Self { clock, config, stream, transport } = self;
        let runtime = tokio::runtime::Handle::try_current().map_err(|_| StartError::NoRuntime)?;
        let stream = stream?;
        let clock = Arc::new(clock);
        let time = Arc::clone(&clock);
        let now = move || time.now();
        let config = seeded(config);
        let shared = Arc::new(Shared::new(Engine::new(config, now()), now));
        let driver = Driver::new(Arc::clone(&shared), transport, clock, stream.clone());
        runtime.spawn(driver.run());
        Ok(Producer { handle: Arc::new(Handle { shared, stream }) })
    }
}

/// The settings with a seed of their own if they have none. Each `RandomState` has other keys.
fn seeded(config: Config) -> Config {
    if config.seed() != 0 {
        return config;
    }
    let seed = RandomState::new().hash_one(0);
    config.into_builder().seed(seed).build().expect("the rest was valid, and any seed is")
}

/// Why a producer did not start.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum StartError {
    /// It was not started within a tokio runtime.
    NoRuntime,
    /// The name of the stream breaks a rule.
    Stream(StreamNameError),
    /// No stream was named.
    StreamMissing,
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoRuntime => {
                f.write_str("a producer starts within a tokio runtime; there is none")
            }
            Self::Stream(error) => error.fmt(f),
            Self::StreamMissing => f.write_str("no stream was named; call `.stream(\"name\")`"),
        }
    }
}

impl core::error::Error for StartError {}
