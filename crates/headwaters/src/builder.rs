use core::fmt;
use core::hash::BuildHasher;
use std::hash::RandomState;
use std::sync::Arc;

use headwaters_engine::Config;
use headwaters_engine::wire::{StreamName, StreamNameError};
use headwaters_transport::{Clock, Transport};

use crate::budget::Budget;
use crate::driver::{Drive, Driver, OnOutcome};
use crate::gate::{Gate, Seat};
use crate::producer::Producer;
use crate::requests::{Requests, Spawner};
use crate::shared::Shared;
use crate::ticket::Delivery;
use crate::trace::{Trace, Traced};

/// Collects what a [`Producer`] needs.
#[must_use]
pub struct ProducerBuilder<T, C> {
    pub(crate) budget: Option<Arc<Budget>>,
    clock: C,
    config: Config,
    pub(crate) gate: Option<Arc<Gate>>,
    #[cfg(feature = "metrics")]
    metrics_shards_max: usize,
    on_outcome: Option<OnOutcome>,
    stream: Result<StreamName, StartError>,
    trace: Option<Trace>,
    transport: T,
}

impl Producer {
    /// Names the stream and the transport, and whatever else is to differ from the defaults. The clock is tokio's.
    #[cfg(feature = "tokio")]
    pub fn builder() -> ProducerBuilder<(), crate::TokioClock> {
        Self::with_clock(crate::TokioClock::new())
    }

    /// The same, under a clock of your own.
    pub fn with_clock<C: Clock>(clock: C) -> ProducerBuilder<(), C> {
        ProducerBuilder {
            budget: None,
            clock,
            config: Config::default(),
            gate: None,
            #[cfg(feature = "metrics")]
            metrics_shards_max: crate::metrics::SHARDS_MAX,
            on_outcome: None,
            stream: Err(StartError::StreamMissing),
            trace: None,
            transport: (),
        }
    }
}

impl<T, C> ProducerBuilder<T, C> {
    /// Another clock.
    pub fn clock<D: Clock>(self, clock: D) -> ProducerBuilder<T, D> {
        self.with(|transport, _| (transport, clock))
    }

    fn with<U, D>(self, with: impl FnOnce(T, C) -> (U, D)) -> ProducerBuilder<U, D> {
        let (transport, clock) = with(self.transport, self.clock);
        ProducerBuilder {
            budget: self.budget,
            clock,
            config: self.config,
            gate: self.gate,
            #[cfg(feature = "metrics")]
            metrics_shards_max: self.metrics_shards_max,
            on_outcome: self.on_outcome,
            stream: self.stream,
            trace: self.trace,
            transport,
        }
    }

    /// Up to how many shards each has metrics of its own; 100 if nothing is said. Beyond that they would cost more than they
    /// tell.
    #[cfg(feature = "metrics")]
    pub fn metrics_shards_max(self, shards: usize) -> Self {
        Self { metrics_shards_max: shards, ..self }
    }

    /// The settings; the defaults if none are given.
    ///
    /// A [`seed`](Config::seed) of 0, the default, gives the producer one of its own, so that the producers
    /// of a fleet do not all try again at the same moments. With any other seed the same events give the
    /// same waits.
    pub fn config(self, config: Config) -> Self {
        Self { config, ..self }
    }

    /// Who is told what became of records that were put with a tag instead of a ticket
    /// ([`Producer::put_tagged`]).
    ///
    /// The driver calls it, for one record after the other, so it should hand on what takes long.
    pub fn on_outcome(self, call: impl FnMut(u64, Delivery) + Send + 'static) -> Self {
        Self { on_outcome: Some(Box::new(call)), ..self }
    }

    /// The stream; required. A wrong name is reported by [`build`](Self::build).
    pub fn stream(self, name: impl AsRef<str>) -> Self {
        Self { stream: StreamName::new(name.as_ref()).map_err(StartError::Stream), ..self }
    }

    /// Records what the engine is told and what it says, for a [replay](crate::trace::Replay). A trace has no data and no
    /// partition keys; [`trace`](crate::trace) says what it has.
    pub fn trace(self, trace: Trace) -> Self {
        Self { trace: Some(trace), ..self }
    }

    /// The way to the service; required.
    pub fn transport<U: Transport>(self, transport: U) -> ProducerBuilder<U, C> {
        self.with(|_, clock| (transport, clock))
    }
}

impl<T: Transport, C: Clock> ProducerBuilder<T, C> {
    /// The producer, and the driver that makes it go, for you to run: on another runtime than tokio, or on a thread.
    ///
    /// # Errors
    /// [`StartError`] when the stream's name is missing or wrong.
    pub fn build(self) -> Result<(Producer, Driver), StartError> {
        self.build_with(Spawner::Driver)
    }

    /// Starts the producer on the tokio runtime of the caller.
    ///
    /// The runtime needs timers (`enable_time`, or `enable_all`) unless another clock is given: without them
    /// the producer closes at its first wait, and its tickets and the log say so.
    ///
    /// # Errors
    /// [`StartError`] when the stream's name is missing or wrong, or there is no tokio runtime.
    #[cfg(feature = "tokio")]
    pub fn start(self) -> Result<Producer, StartError> {
        let runtime = tokio::runtime::Handle::try_current().map_err(|_| StartError::NoRuntime)?;
        let (producer, driver) = self.build_with(Spawner::Tokio(runtime.clone()))?;
        runtime.spawn(driver);
        Ok(producer)
    }

    fn build_with(self, spawner: Spawner) -> Result<(Producer, Driver), StartError> {
        let Self { budget, clock, config, gate, on_outcome, stream, trace, transport, .. } = self;
        let stream = stream?;
        let clock = Arc::new(clock);
        let time = Arc::clone(&clock);
        let now = move || time.now();
        let engine = Traced::new(seeded(config), now(), trace, &stream);
        let shared = Shared::new(stream, engine, budget, now);
        let seat = gate.map(Seat::new);
        let requests = Requests::new(Arc::clone(&shared), Arc::new(transport), seat, spawner);
        let drive = Drive::new(Arc::clone(&shared), clock, requests, on_outcome);
        #[cfg(feature = "metrics")]
        let drive = drive.metrics_shards_max(self.metrics_shards_max);
        Ok((Producer::new(shared), drive.into_driver()))
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

impl<T, C> fmt::Debug for ProducerBuilder<T, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { config, stream, .. } = self;
        f.debug_struct("ProducerBuilder")
            .field("config", config)
            .field("stream", stream)
            .finish_non_exhaustive()
    }
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
            Self::NoRuntime => f.write_str(
                "`start` needs a tokio runtime, and there is none; without one use `build`, or \
                 `blocking::Producer`",
            ),
            Self::Stream(error) => error.fmt(f),
            Self::StreamMissing => f.write_str("no stream was named; call `.stream(\"name\")`"),
        }
    }
}

impl core::error::Error for StartError {}
