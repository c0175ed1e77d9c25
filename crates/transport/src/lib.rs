//! The two seams of Headwaters: [`Transport`], how requests reach Kinesis, and [`Clock`], where time
//! comes from.
//!
//! An adapter translates, sends, classifies and returns; it holds no policy. In particular it does not
//! retry: the engine does, entry by entry, and a second layer of retries would only multiply the first.
#![no_std]
#![forbid(unsafe_code)]
extern crate alloc;

mod clock;
mod departure;

use alloc::sync::Arc;
use alloc::vec::Vec;

pub use clock::Clock;
pub use departure::Departure;
use headwaters_engine::wire::{Entry, StreamName};
pub use headwaters_engine::{Instant, PutRecordsResult, Sent};

/// A way to a Kinesis service.
///
/// # Cancel
/// To cancel a request the caller drops its future. What the service may have seen of it then is what the
/// request's [`Departure`] says; an adapter that does not touch it is taken to have sent everything.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a transport",
    label = "no way to a Kinesis service",
    note = "give the producer one with `.transport(...)`, such as `headwaters::mock::Mock`"
)]
pub trait Transport: Send + Sync + 'static {
    /// Sends one PutRecords request and returns its results: one per entry, in their order, or the
    /// failure of the request as a whole.
    ///
    /// Failures on the way have codes of their own: `ConnectFailed` and `NotSent` if nothing left,
    /// `ConnectionLost`, `RequestTimeout` and `UnusableAnswer` if something may have been stored.
    ///
    /// # Cancel safety
    /// Dropping the future gives the request up; it may or may not be stored, as `departure` tells.
    fn put_records(&self, request: PutRecords) -> impl Future<Output = PutRecordsResult> + Send;
}

/// Several producers can share one transport.
impl<T: Transport> Transport for Arc<T> {
    fn put_records(&self, request: PutRecords) -> impl Future<Output = PutRecordsResult> + Send {
        T::put_records(self, request)
    }
}

/// One PutRecords request.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PutRecords {
    /// How far it got: for the adapter to say.
    pub departure: Departure,
    /// 1 to 500 entries, within the limits of the service.
    pub entries: Vec<Entry>,
    /// The stream.
    pub stream: StreamName,
}

impl PutRecords {
    /// A request that has not been sent.
    pub fn new(stream: StreamName, entries: Vec<Entry>) -> Self {
        Self { departure: Departure::default(), entries, stream }
    }
}
