use core::fmt;
use core::pin::Pin;
use core::task::{Context, Poll, Waker, ready};

use futures_sink::Sink;
use headwaters_engine::{Outcome, Refused, RefusedReason, UserRecord};

use crate::producer::Producer;
use crate::ticket::Ticket;

/// A producer as a [`Sink`] of records.
///
/// It puts each record, as [`Producer::put`] does: where there is no room, for all or for its shard, it takes the next one
/// when this one has found some. A sink cannot say what became of each record:
/// `flush` ends when all records before it have their outcomes, and fails if one of those that this sink took was not
/// stored. Use [`Producer::put`] to know which.
///
/// Closing the sink flushes it and leaves the producer open, for others may have it, too.
///
/// A record that waits for room has a place in the line of all that do, and those behind it wait for it: poll the sink to the
/// end of what it does (`ready`, `send`, `flush`), or drop it, which gives up the place and that record.
#[must_use = "a sink does nothing unless something is sent into it"]
pub struct RecordSink {
    flush: Option<Work<()>>,
    producer: Producer,
    /// The last record, if it waits for room.
    put: Option<Work<Result<Ticket, Refused>>>,
    tickets: Vec<Ticket>,
    unstored: u64,
}

type Work<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Why a [`RecordSink`] failed.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum SinkError {
    /// The producer did not accept this record: it is closed, or the record is larger than the stream takes. With
    /// [`RefusedReason::Full`] it was sent without asking (`poll_ready`) while another waited for room.
    Refused(Refused),
    /// So many records, of those that the sink took since its last flush, are not known to be stored.
    Undelivered(u64),
}

impl Producer {
    /// This producer as a [`Sink`].
    pub fn sink(&self) -> RecordSink {
        RecordSink {
            flush: None,
            producer: self.clone(),
            put: None,
            tickets: Vec::new(),
            unstored: 0,
        }
    }
}

/// Outcomes that are looked at at a time, so that tickets do not pile up between flushes.
const SWEEP: usize = 1_024;

impl RecordSink {
    /// Waits until the last record has found room.
    fn poll_put(&mut self, context: &mut Context<'_>) -> Poll<Result<(), SinkError>> {
        if let Some(put) = &mut self.put {
            let result = ready!(put.as_mut().poll(context));
            self.put = None;
            self.keep(result.map_err(SinkError::Refused)?);
        }
        Poll::Ready(Ok(()))
    }

    fn keep(&mut self, ticket: Ticket) {
        // A flush that has begun does not cover it.
        self.flush = None;
        self.tickets.push(ticket);
        if self.tickets.len().is_multiple_of(SWEEP) {
            self.sweep(&mut Context::from_waker(Waker::noop()));
        }
    }

    /// Counts what was not stored of what has its outcome.
    fn sweep(&mut self, context: &mut Context<'_>) {
        let mut unstored = 0;
        self.tickets.retain_mut(|ticket| match Pin::new(ticket).poll(context) {
            Poll::Ready(delivery) => {
                unstored += u64::from(!matches!(delivery.outcome, Outcome::Stored { .. }));
                false
            }
            Poll::Pending => true,
        });
        self.unstored += unstored;
    }
}

impl Sink<UserRecord> for RecordSink {
    type Error = SinkError;

    fn poll_ready(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Result<(), SinkError>> {
        self.poll_put(context)
    }

    fn start_send(mut self: Pin<&mut Self>, record: UserRecord) -> Result<(), SinkError> {
        if self.put.is_some() {
            return Err(SinkError::Refused(Refused::new(RefusedReason::Full, record)));
        }
        match self.producer.try_put(record) {
            Ok(ticket) => self.keep(ticket),
            // The next poll waits for room: as long as nobody polls it has no place in the line, and keeps nobody up.
            Err(refused) => match refused.reason {
                RefusedReason::Full | RefusedReason::ShardFull => {
                    let producer = self.producer.clone();
                    self.put = Some(Box::pin(async move { producer.put(refused.record).await }));
                }
                _ => return Err(SinkError::Refused(refused)),
            },
        }
        Ok(())
    }

    fn poll_flush(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Result<(), SinkError>> {
        ready!(self.poll_put(context))?;
        let producer = self.producer.clone();
        let flush =
            self.flush.get_or_insert_with(|| Box::pin(async move { producer.flush().await }));
        ready!(flush.as_mut().poll(context));
        self.flush = None;
        // All have their outcomes now.
        self.sweep(context);
        match core::mem::take(&mut self.unstored) {
            0 => Poll::Ready(Ok(())),
            unstored => Poll::Ready(Err(SinkError::Undelivered(unstored))),
        }
    }

    fn poll_close(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<(), SinkError>> {
        self.poll_flush(context)
    }
}

impl fmt::Debug for RecordSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { producer, tickets, unstored, .. } = self;
        f.debug_struct("RecordSink")
            .field("producer", producer)
            .field("pending", &tickets.len())
            .field("unstored", unstored)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for SinkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(refused) => refused.fmt(f),
            Self::Undelivered(count) => write!(f, "{count} records are not known to be stored"),
        }
    }
}

impl core::error::Error for SinkError {}
