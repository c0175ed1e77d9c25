use std::sync::Arc;

use headwaters_engine::wire::{AttemptError, Class, ErrorCode, StreamName};
use headwaters_engine::{Batch, BatchId, Event, ListShards, ListingId};
use headwaters_transport::{Departure, PutRecords, Transport};
use tokio::task::{AbortHandle, Id, JoinError, JoinSet};

/// The requests that are under way: a task for each. Dropping this cancels them.
pub(crate) struct Requests<T> {
    /// At most `max_requests_in_flight` PutRecords requests, those being cancelled, and one listing.
    running: Vec<Running>,
    stream: StreamName,
    tasks: JoinSet<Event>,
    transport: Arc<T>,
}

struct Running {
    abort: AbortHandle,
    request: Request,
}

enum Request {
    Batch { departure: Departure, id: BatchId },
    Listing(ListingId),
}

impl<T: Transport> Requests<T> {
    pub(crate) fn new(stream: StreamName, transport: T) -> Self {
        let transport = Arc::new(transport);
        Self { running: Vec::new(), stream, tasks: JoinSet::new(), transport }
    }

    /// Sends a batch.
    pub(crate) fn send(&mut self, Batch { id, entries, .. }: Batch) {
        let request = PutRecords::new(self.stream.clone(), entries);
        let departure = request.departure.clone();
        let transport = Arc::clone(&self.transport);
        let abort = self.tasks.spawn(async move {
            let result = transport.put_records(request).await;
            Event::PutRecordsFinished { batch: id, result }
        });
        self.running.push(Running { abort, request: Request::Batch { departure, id } });
    }

    /// Asks for a page of the shards, and drops the listing before if it is still under way: the
    /// engine waits for it no more.
    pub(crate) fn list(&mut self, ListShards { id, next_token, .. }: ListShards) {
        let is_listing = |running: &Running| matches!(running.request, Request::Listing(_));
        if let Some(at) = self.running.iter().position(is_listing) {
            self.running.swap_remove(at).abort.abort();
        }
        let request = headwaters_transport::ListShards::new(self.stream.clone(), next_token);
        let transport = Arc::clone(&self.transport);
        let abort = self.tasks.spawn(async move {
            let result = transport.list_shards(request).await;
            Event::ShardsListed { request: id, result }
        });
        self.running.push(Running { abort, request: Request::Listing(id) });
    }

    /// Stops working on a batch; that it is cancelled comes out of [`finished`](Self::finished), unless
    /// its answer has come.
    pub(crate) fn cancel(&self, batch: BatchId) {
        let is_it = |running: &&Running| matches!(running.request, Request::Batch { id, .. } if id == batch);
        if let Some(running) = self.running.iter().find(is_it) {
            running.abort.abort();
        }
    }

    /// Waits until a request ends, and adds what became of it and of all others that have ended; for ever
    /// if there is none.
    ///
    /// # Cancel safety
    /// Dropping the future loses no answer: there is nothing to wait for after the first.
    pub(crate) async fn finished(&mut self, events: &mut Vec<Event>) {
        let Some(done) = self.tasks.join_next_with_id().await else {
            return core::future::pending().await;
        };
        events.extend(self.end_of(done));
        while let Some(done) = self.tasks.try_join_next_with_id() {
            events.extend(self.end_of(done));
        }
    }

    /// Without the list of the shards a producer works on, so that nobody would notice. Such an error
    /// comes every few minutes at most.
    fn warn_of(&self, event: &Event) {
        if let Event::ShardsListed { result: Err(error), .. } = event
            && error.code.class() == Class::Permanent
        {
            tracing::warn!(
                stream = %self.stream,
                code = %error.code,
                "the shards cannot be listed (permission `kinesis:ListShards`?): records are not aggregated, \
                 and limited as a whole"
            );
        }
    }

    /// What the end of a task means; nothing, if it was of a listing that was dropped.
    fn end_of(&mut self, done: Result<(Id, Event), JoinError>) -> Option<Event> {
        let task = match &done {
            Ok((task, _)) => *task,
            Err(error) => error.id(),
        };
        let at = self.running.iter().position(|running| running.abort.id() == task)?;
        let Running { request, .. } = self.running.swap_remove(at);
        let error = match done {
            Ok((_, event)) => {
                self.warn_of(&event);
                return Some(event);
            }
            Err(error) => error,
        };
        if error.is_panic() {
            tracing::error!(stream = %self.stream, "the transport panicked; its request counts as lost");
        }
        Some(match request {
            Request::Batch { departure, id } => {
                Event::BatchCancelled { batch: id, sent: departure.sent() }
            }
            Request::Listing(id) => {
                let result = Err(AttemptError::new(ErrorCode::ConnectionLost));
                Event::ShardsListed { request: id, result }
            }
        })
    }
}
