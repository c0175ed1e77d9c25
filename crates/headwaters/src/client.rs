use std::sync::Arc;

use headwaters_engine::Bounds;
use headwaters_transport::{Clock, Transport};

use crate::budget::Budget;
use crate::builder::ProducerBuilder;
use crate::gate::Gate;
use crate::producer::Producer;

/// What producers of several streams share: one transport, and if wanted one bound on what they hold and one on
/// their requests.
///
/// ```
/// # #[cfg(all(feature = "mock", feature = "tokio"))] {
/// # use headwaters::{Bounds, Client, TokioClock, mock::Mock};
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// # let kinesis = Mock::builder("orders".try_into()?, 4_u32.try_into()?).build(TokioClock::new());
/// let client = Client::new(kinesis)
///     .bounds(Bounds { bytes: 64 * 1024 * 1024, records: 500_000 })
///     .max_requests_in_flight(48);
/// let orders = client.producer("orders").start()?;
/// let returns = client.producer("returns").start()?;
/// # Ok(())
/// # }
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Client<T> {
    budget: Option<Arc<Budget>>,
    gate: Option<Arc<Gate>>,
    transport: Arc<T>,
}

impl<T: Transport> Client<T> {
    /// Shares a transport.
    pub fn new(transport: T) -> Self {
        Self { budget: None, gate: None, transport: Arc::new(transport) }
    }

    /// How much all producers together may hold. Each has its own [`Config::bounds`](crate::Config::bounds) beside it.
    ///
    /// What one of them holds is never more than what is free then, in bytes and in records: a single busy stream uses
    /// half, three that are stuck a quarter each, and there is always something left for one more. Who holds nothing needs
    /// nothing but room for its record, so let this be some times the largest record.
    pub fn bounds(self, bounds: Bounds) -> Self {
        Self { budget: Some(Arc::new(Budget::new(bounds))), ..self }
    }

    /// How many PutRecords requests of all producers together may be in flight; the others wait, their
    /// producers in turn, and their timeouts run meanwhile. It is divided as the [bounds](Self::bounds) are: who has many in
    /// flight, perhaps because none is answered, leaves some to the others. Each producer has its own
    /// [`Config::max_requests_in_flight`](crate::Config::max_requests_in_flight) beside it. At least 1.
    pub fn max_requests_in_flight(self, requests: usize) -> Self {
        Self { gate: Some(Arc::new(Gate::new(requests.max(1)))), ..self }
    }

    /// A producer for a stream, under tokio's clock.
    #[cfg(feature = "tokio")]
    pub fn producer(&self, stream: impl AsRef<str>) -> ProducerBuilder<Arc<T>, crate::TokioClock> {
        self.producer_with_clock(stream, crate::TokioClock::new())
    }

    /// A producer for a stream, under a clock of your own.
    pub fn producer_with_clock<C: Clock>(
        &self,
        stream: impl AsRef<str>,
        clock: C,
    ) -> ProducerBuilder<Arc<T>, C> {
        let mut builder =
            Producer::with_clock(clock).stream(stream).transport(Arc::clone(&self.transport));
        builder.budget.clone_from(&self.budget);
        builder.gate.clone_from(&self.gate);
        builder
    }

    /// What all producers hold now, if that is bounded.
    pub fn held(&self) -> Option<Bounds> {
        self.budget.as_ref().map(|budget| budget.held())
    }
}
