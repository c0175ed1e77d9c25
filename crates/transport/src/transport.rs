use alloc::sync::Arc;

use headwaters_engine::PutRecordsResult;

use crate::list_shards::{ListShards, ListShardsResult};
use crate::put_records::PutRecords;

/// A way to a Kinesis service.
///
/// # Cancel
/// To cancel a request the caller drops its future. What the service may have seen of a PutRecords request
/// then is what its [`Departure`](crate::Departure) says; an adapter that does not touch it is taken to have
/// sent everything.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a transport",
    label = "no way to a Kinesis service",
    note = "give the producer one with `.transport(...)`, such as `headwaters::mock::Mock`"
)]
pub trait Transport: Send + Sync + 'static {
    /// Sends one ListShards request and returns its page, or its failure.
    ///
    /// The first page is asked for by the stream, with the filter `AT_LATEST`: the shards that are open now.
    /// A later page is asked for by its token alone, for the service refuses it beside a stream or a filter.
    /// 1,000 shards a page are enough (`MaxResults`, which goes with both). A server that ignores the filter
    /// lists closed shards too: the adapter drops those that have an `EndingSequenceNumber`.
    ///
    /// The producer asks when it starts, when answers or errors show that shards were split or merged, and
    /// again after a failure, with waits of its own. Without a list it does not aggregate.
    ///
    /// # Cancel safety
    /// Dropping the future gives the request up. It changes nothing at the service, so nothing is lost.
    fn list_shards(&self, request: ListShards) -> impl Future<Output = ListShardsResult> + Send;

    /// Sends one PutRecords request and returns its results: one per entry, in their order, or the
    /// failure of the request as a whole.
    ///
    /// Failures on the way have codes of their own: `ConnectFailed` and `NotSent` if nothing left,
    /// `ConnectionLost`, `RequestTimeout` and `UnusableAnswer` if something may have been stored.
    ///
    /// # Cancel safety
    /// Dropping the future gives the request up; it may or may not be stored, as `departure` tells.
    fn put_records(&self, request: PutRecords) -> impl Future<Output = PutRecordsResult> + Send;

    /// The process has stood still for a second or more (a Lambda that was frozen, a machine that slept) without noticing: whoever
    /// was at the other end of an idle connection has given it up by now, so it is better dropped than used.
    ///
    /// The producer says so before it sends anything else, if its [`Clock`](crate::Clock::frozen) can know. Does
    /// nothing, if nothing else is said.
    fn thawed(&self) {}
}

/// Several producers can share one transport.
impl<T: Transport> Transport for Arc<T> {
    fn list_shards(&self, request: ListShards) -> impl Future<Output = ListShardsResult> + Send {
        T::list_shards(self, request)
    }

    fn put_records(&self, request: PutRecords) -> impl Future<Output = PutRecordsResult> + Send {
        T::put_records(self, request)
    }

    fn thawed(&self) {
        T::thawed(self);
    }
}
