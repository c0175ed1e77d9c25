use core::fmt;
use core::pin::Pin;
use core::task::{Context, Poll};

use futures_sink::Sink;
use headwaters_engine::{Refused, UserRecord};

use crate::permit::Permit;
use crate::producer::Producer;

/// A producer as a [`Sink`] of records.
///
/// It takes a record when there is room for one of any size. A sink cannot say what became of each record:
/// `flush` ends when all records before it have their outcomes, and fails if one of those that this sink took was not
/// stored. Use [`Producer::put`] to know which.
///
/// Closing the sink flushes it and leaves the producer open, for others may have it, too.
#[must_use = "a sink does nothing unless something is sent into it"]
pub struct RecordSink {
    flush: Option<Work<()>>,
    permit: Option<Permit>,
    producer: Producer,
    reserve: Option<Work<Permit>>,
    tickets: Vec<crate::Ticket>,
    unstored: u64,
}

type Work<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Why a [`RecordSink`] failed.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum SinkError {
    /// A record was sent without asking whether there is room (`poll_ready`), and there is none.
    Refused(Refused),
    /// So many records, of those that the sink took since its last flush, are not known to be stored.
    Undelivered(u64),
}

impl Producer {
    /// This producer as a [`Sink`].
    pub fn sink(&self) -> RecordSink {
        RecordSink {
            flush: None,
            permit: None,
            producer: self.clone(),
            reserve: None,
            tickets: Vec::new(),
            unstored: 0,
        }
    }
}

/// Outcomes that are looked at at a time, so that tickets do not pile up between flushes.
const SWEEP: usize = 1_024;

impl RecordSink {
    /// Counts what was not stored of what has its outcome.
    fn sweep(&mut self, context: &mut Context<'_>) {
        let mut unstored = 0;
        self.tickets.retain_mut(|ticket| match Pin::new(ticket).poll(context) {
            Poll::Ready(delivery) => {
                unstored += u64::from(!matches!(
                    delivery.outcome,
                    headwaters_engine::Outcome::Stored { .. }
                ));
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
        if self.permit.is_some() {
            return Poll::Ready(Ok(()));
        }
        let producer = self.producer.clone();
        let reserve =
            self.reserve.get_or_insert_with(|| Box::pin(async move { producer.reserve().await }));
        reserve.as_mut().poll(context).map(|permit| {
            self.reserve = None;
            self.permit = Some(permit);
            Ok(())
        })
    }

    fn start_send(mut self: Pin<&mut Self>, record: UserRecord) -> Result<(), SinkError> {
        let ticket = match self.permit.take() {
            Some(permit) => permit.put(record),
            None => self.producer.try_put(record).map_err(SinkError::Refused)?,
        };
        self.tickets.push(ticket);
        if self.tickets.len().is_multiple_of(SWEEP) {
            self.sweep(&mut Context::from_waker(core::task::Waker::noop()));
        }
        Ok(())
    }

    fn poll_flush(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Result<(), SinkError>> {
        let producer = self.producer.clone();
        let flush =
            self.flush.get_or_insert_with(|| Box::pin(async move { producer.flush().await }));
        if flush.as_mut().poll(context).is_pending() {
            return Poll::Pending;
        }
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
