use core::panic::AssertUnwindSafe;
use core::pin::Pin;
use core::task::{Context, Poll};
use std::panic::catch_unwind;
use std::sync::Arc;

use headwaters_engine::wire::{AttemptError, Class, Entry, ErrorCode};
use headwaters_engine::{Batch, BatchId, Event, ListShards, ListingId, Sent};
use headwaters_transport::{Departure, PutRecords, Transport};
use tracing::Instrument;

use crate::gate::Seat;
use crate::shared::Shared;

/// The requests that are under way. Dropping this cancels them.
pub(crate) struct Requests<T> {
    gate: Option<Arc<Seat>>,
    /// At most `max_requests_in_flight` PutRecords requests, those being cancelled, and one listing.
    running: Vec<Running>,
    shared: Arc<Shared>,
    spawner: Spawner,
    transport: Arc<T>,
}

/// Who runs the requests.
#[derive(Clone, Debug)]
pub(crate) enum Spawner {
    /// The driver itself, one by one.
    Driver,
    /// The runtime, each as a task.
    #[cfg(feature = "tokio")]
    Tokio(tokio::runtime::Handle),
}

type Work = Pin<Box<dyn Future<Output = Event> + Send>>;

struct Running {
    request: Request,
    task: Task,
}

enum Request {
    /// What is known of where it is, before the gate and after it.
    Batch {
        before: Departure,
        departure: Departure,
        id: BatchId,
        #[cfg(feature = "metrics")]
        flight: crate::metrics::Flight,
    },
    Listing(ListingId),
}

enum Task {
    /// `None` once it is cancelled.
    Here(Option<Work>),
    #[cfg(feature = "tokio")]
    Spawned(tokio::task::JoinHandle<Event>),
}

/// How a task ended without an event.
enum Lost {
    Cancelled,
    Panicked,
}

impl<T: Transport> Requests<T> {
    pub(crate) fn new(
        shared: Arc<Shared>,
        transport: Arc<T>,
        gate: Option<Arc<Seat>>,
        spawner: Spawner,
    ) -> Self {
        Self { gate, running: Vec::new(), shared, spawner, transport }
    }

    /// Sends a batch, when the gate lets it through.
    pub(crate) fn send(&mut self, Batch { id, entries, .. }: Batch) {
        let span = tracing::debug_span!(
            "put_records",
            stream = %self.shared.stream,
            batch = %id,
            entries = entries.len(),
            bytes = entries.iter().map(Entry::size).sum::<usize>(),
            failed = tracing::field::Empty,
            error = tracing::field::Empty,
        );
        #[cfg(feature = "metrics")]
        let flight = crate::metrics::Flight::start(&entries, &self.shared);
        let request = PutRecords::new(self.shared.stream.clone(), entries);
        let departure = request.departure.clone();
        let transport = Arc::clone(&self.transport);
        let before = Departure::default();
        let gate = self.gate.clone().inspect(|_| before.hold());
        let passed = before.clone();
        let work = async move {
            let _pass = match gate {
                Some(gate) => Some(gate.pass().await),
                None => None,
            };
            passed.leave();
            let result = transport.put_records(request).await;
            let span = tracing::Span::current();
            match &result {
                Ok(results) => {
                    span.record("failed", results.iter().filter(|result| result.is_err()).count())
                }
                Err(error) => span.record("error", tracing::field::display(&error.code)),
            };
            Event::PutRecordsFinished { batch: id, result }
        };
        let request = Request::Batch {
            before,
            departure,
            id,
            #[cfg(feature = "metrics")]
            flight,
        };
        self.start(request, Box::pin(work.instrument(span)));
    }

    /// Asks for a page of the shards, and drops the listing before if it is still under way: the
    /// engine waits for it no more.
    pub(crate) fn list(&mut self, ListShards { id, next_token, .. }: ListShards) {
        let is_listing = |running: &Running| matches!(running.request, Request::Listing(_));
        if let Some(at) = self.running.iter().position(is_listing) {
            drop(self.running.swap_remove(at));
        }
        let span = tracing::debug_span!("list_shards", stream = %self.shared.stream, listing = %id);
        let request = headwaters_transport::ListShards::new(self.shared.stream.clone(), next_token);
        let transport = Arc::clone(&self.transport);
        let work = async move {
            let result = transport.list_shards(request).await;
            Event::ShardsListed { request: id, result }
        };
        self.start(Request::Listing(id), Box::pin(work.instrument(span)));
    }

    /// The process was frozen.
    pub(crate) fn thawed(&self) {
        self.transport.thawed();
    }

    fn start(&mut self, request: Request, work: Work) {
        let task = match &self.spawner {
            Spawner::Driver => Task::Here(Some(work)),
            #[cfg(feature = "tokio")]
            Spawner::Tokio(runtime) => Task::Spawned(runtime.spawn(work)),
        };
        self.running.push(Running { request, task });
    }

    /// Stops working on a batch; that it is cancelled comes out of [`poll`](Self::poll), unless its answer
    /// has come.
    pub(crate) fn cancel(&mut self, batch: BatchId) {
        let is_it = |running: &&mut Running| matches!(running.request, Request::Batch { id, .. } if id == batch);
        if let Some(running) = self.running.iter_mut().find(is_it) {
            running.task.cancel();
        }
    }

    /// Goes on with all requests, and adds what became of those that have ended.
    pub(crate) fn poll(&mut self, context: &mut Context<'_>, events: &mut Vec<Event>) {
        let mut at = 0;
        while let Some(running) = self.running.get_mut(at) {
            match running.task.poll(context) {
                Poll::Pending => at += 1,
                Poll::Ready(end) => {
                    let Running { request, .. } = self.running.swap_remove(at);
                    events.push(self.end_of(request, end));
                }
            }
        }
    }

    fn end_of(&self, request: Request, end: Result<Event, Lost>) -> Event {
        match end {
            Ok(event) => {
                self.warn_of(&event);
                #[cfg(feature = "metrics")]
                if let (Request::Batch { flight, .. }, Event::PutRecordsFinished { result, .. }) =
                    (&request, &event)
                {
                    flight.end(result, &self.shared);
                }
                return event;
            }
            Err(Lost::Cancelled) => {}
            Err(Lost::Panicked) => {
                tracing::error!(stream = %self.shared.stream, "the transport panicked; its request counts as lost");
            }
        }
        match request {
            Request::Batch { before, departure, id, .. } => {
                let sent = if before.sent() == Sent::No { Sent::No } else { departure.sent() };
                Event::BatchCancelled { batch: id, sent }
            }
            Request::Listing(id) => {
                let result = Err(AttemptError::new(ErrorCode::ConnectionLost));
                Event::ShardsListed { request: id, result }
            }
        }
    }

    /// Without the list of the shards a producer works on, so that nobody would notice. Such an error
    /// comes every few minutes at most.
    fn warn_of(&self, event: &Event) {
        if let Event::ShardsListed { result: Err(error), .. } = event
            && error.code.class() == Class::Permanent
        {
            let look_at = match error.code {
                ErrorCode::AccessDeniedException => "the permission `kinesis:ListShards`",
                ErrorCode::ResourceNotFoundException => {
                    "the name of the stream, the region and the account"
                }
                _ => "the endpoint and the stream",
            };
            tracing::warn!(
                stream = %self.shared.stream,
                code = %error.code,
                look_at,
                "the shards cannot be listed: records are not aggregated, and limited as a whole"
            );
        }
    }
}

impl Task {
    fn cancel(&mut self) {
        match self {
            Self::Here(work) => *work = None,
            #[cfg(feature = "tokio")]
            Self::Spawned(task) => task.abort(),
        }
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Result<Event, Lost>> {
        match self {
            Self::Here(None) => Poll::Ready(Err(Lost::Cancelled)),
            Self::Here(Some(work)) => {
                // A transport that panicked is not asked again.
                match catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(context))) {
                    Ok(poll) => poll.map(Ok),
                    Err(_) => Poll::Ready(Err(Lost::Panicked)),
                }
            }
            #[cfg(feature = "tokio")]
            Self::Spawned(task) => Pin::new(task).poll(context).map(|end| {
                end.map_err(|error| if error.is_panic() { Lost::Panicked } else { Lost::Cancelled })
            }),
        }
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.cancel();
    }
}
