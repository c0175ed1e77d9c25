//! A producer for programs without a runtime: a thread of its own drives it, and calls block.

use core::time::Duration;
use std::io;
use std::thread;

use headwaters_engine::wire::StreamName;
use headwaters_engine::{Refused, Timing, UserRecord};
use headwaters_transport::Transport;

use crate::builder::{ProducerBuilder, StartError};
use crate::close::{CloseReport, Undelivered};
use crate::report::Report;
use crate::stats::Stats;
use crate::threads::{self, ThreadClock, block_on};
use crate::ticket::Ticket;

/// Puts records into one stream and says what became of each; [`crate::Producer`] for threads.
///
/// Cheap to clone; all clones are the same producer. Not for async code: there it would block the runtime.
///
/// ```
/// # #[cfg(feature = "mock")] {
/// # use headwaters::{UserRecord, blocking::Producer, mock::Mock, ThreadClock};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let kinesis = Mock::builder("orders".try_into()?, 4_u32.try_into()?).build(ThreadClock::new());
/// let producer = Producer::start(Producer::builder().stream("orders").transport(kinesis))?;
/// let ticket = producer.put(UserRecord::new("customer-17", "two apples")?)?;
/// println!("{:?}", ticket.wait().outcome);
/// producer.close(None);
/// # Ok(())
/// # }
/// # main().unwrap();
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Producer {
    inner: crate::Producer,
}

impl Producer {
    /// Names the stream and the transport, and whatever else is to differ from the defaults.
    pub fn builder() -> ProducerBuilder<(), ThreadClock> {
        crate::Producer::with_clock(ThreadClock::new())
    }

    /// Starts the producer, on a thread of its own that ends when it is closed.
    ///
    /// With the feature `tokio`, which `http` and `aws` bring with them, that thread is a small tokio runtime, for transports that
    /// need one; without it the transport must do without. Callbacks ([`ProducerBuilder::on_outcome`]) run on that thread: what
    /// they hand on, they hand on without blocking, and with tokio they cannot block on another runtime.
    ///
    /// # Errors
    /// [`StartError`] when the stream's name is missing or wrong, as an [`io::Error`]; or that of the system, which
    /// has no thread, or nothing to wait for sockets with.
    pub fn start<T: Transport>(builder: ProducerBuilder<T, ThreadClock>) -> io::Result<Self> {
        let (inner, driver) = builder.build().map_err(invalid)?;
        let drive = threads::driving(driver)?;
        thread::Builder::new().name(String::from("headwaters")).spawn(drive)?;
        Ok(Self { inner })
    }

    /// Puts a record, waiting for room if there is none.
    ///
    /// # Errors
    /// As in [`crate::Producer::put`].
    pub fn put(&self, record: UserRecord) -> Result<Ticket, Refused> {
        block_on(self.inner.put(record))
    }

    /// Puts a record with a buffered time or a time to live of its own, waiting for room if there is none.
    ///
    /// # Errors
    /// As in [`crate::Producer::put`].
    pub fn put_timed(&self, record: UserRecord, timing: Timing) -> Result<Ticket, Refused> {
        block_on(self.inner.put_timed(record, timing))
    }

    /// Puts a record without a ticket, waiting for room if there is none; see [`crate::Producer::put_tagged`].
    ///
    /// # Errors
    /// As in [`crate::Producer::put`].
    pub fn put_tagged(&self, record: UserRecord, tag: u64) -> Result<(), Refused> {
        block_on(self.inner.put_tagged(record, tag))
    }

    /// Puts a record if there is room.
    ///
    /// # Errors
    /// As in [`crate::Producer::try_put`].
    pub fn try_put(&self, record: UserRecord) -> Result<Ticket, Refused> {
        self.inner.try_put(record)
    }

    /// Puts all records and tells what became of them, within that time; see [`crate::Producer::put_all`].
    pub fn put_all(
        &self,
        records: impl IntoIterator<Item = UserRecord>,
        within: Duration,
    ) -> Report {
        block_on(self.inner.put_all(records, within))
    }

    /// Sends everything accepted before this call, and returns when each of these records has its outcome.
    pub fn flush(&self) {
        block_on(self.inner.flush());
    }

    /// The same, but returns after `within` at the latest: how many of these records have no outcome yet.
    pub fn flush_by(&self, within: Duration) -> u64 {
        block_on(self.inner.flush_by(within))
    }

    /// Accepts no more records, delivers what was accepted, and reports; see [`crate::Producer::close`].
    pub fn close(&self, within: Option<Duration>) -> CloseReport {
        block_on(self.inner.close(within))
    }

    /// Hands back everything that is held; see [`crate::Producer::purge`].
    pub fn purge(&self) -> Vec<Undelivered> {
        self.inner.purge()
    }

    /// Counters and levels.
    pub fn stats(&self) -> Stats {
        self.inner.stats()
    }

    /// The stream.
    pub fn stream(&self) -> &StreamName {
        self.inner.stream()
    }
}

/// A producer whose driver runs elsewhere.
impl From<crate::Producer> for Producer {
    fn from(inner: crate::Producer) -> Self {
        Self { inner }
    }
}

fn invalid(error: StartError) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, error)
}
