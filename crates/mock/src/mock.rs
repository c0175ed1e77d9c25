use alloc::sync::Arc;
use core::fmt;
use core::num::NonZeroU32;
use core::time::Duration;

use headwaters_model::{Handover, ListFault, Stored};
use headwaters_transport::{
    Clock, ListShards, ListShardsResult, PutRecords, PutRecordsResult, Transport,
};
use headwaters_wire::{AttemptError, Entry, HashKey, ShardId, StreamName};

use crate::service::{Counts, Service};
use crate::{Fault, MockBuilder, ShardReport};

/// One Kinesis stream in process, as a [`Transport`].
///
/// A request to any other stream is refused (`ResourceNotFoundException`). Cloning shares
/// everything: give one clone to the producer and keep another to order faults and to read records.
///
/// Commands: [`fail_listings`](Self::fail_listings), [`merge`](Self::merge),
/// [`on_request`](Self::on_request), [`script`](Self::script), [`split`](Self::split),
/// [`update_shard_count`](Self::update_shard_count). Getters: [`listings`](Self::listings),
/// [`records`](Self::records), [`requests`](Self::requests), [`shards`](Self::shards),
/// [`user_records`](Self::user_records).
///
/// "Request" means PutRecords; a ListShards request is a *listing*, has no part in scripts, and
/// takes the same latency.
///
/// # Cancel
/// A request leaves when its future is first polled and reaches the service after half of the
/// [latency](MockBuilder::latency). If the future is dropped before that, the request is lost on
/// its way (a real one might still arrive); if it is dropped later, the service has done its work.
/// The request's [`Departure`](headwaters_transport::Departure) cannot tell the one from the other:
/// it says that nothing was sent only if the future was never polled or the connection was
/// [refused](Fault::RefuseConnection).
///
/// `Debug` prints how much there is, not the records.
pub struct Mock<C> {
    clock: Arc<C>,
    latency: Duration,
    service: Arc<Service>,
}

/// Where the builder begins. The clock comes with [`MockBuilder::build`], so that `()` stands for
/// it here and nobody has to name its type.
impl Mock<()> {
    /// Begins a stream of `shards` shards, which divide the hash keys evenly: with the limits of
    /// the service and without latency, unless the builder is told otherwise.
    pub fn builder(stream: StreamName, shards: NonZeroU32) -> MockBuilder {
        MockBuilder::new(stream, shards)
    }
}

impl<C: Clock> Mock<C> {
    pub(crate) fn new(clock: C, latency: Duration, service: Service) -> Self {
        Self { clock: Arc::new(clock), latency, service: Arc::new(service) }
    }

    /// Orders one fault for each coming request, in the order in which requests are sent: each
    /// takes its own when its future is first polled. Appends to what is left of earlier scripts.
    pub fn script(&self, faults: impl IntoIterator<Item = Fault>) {
        self.service.script(faults);
    }

    /// Asks `choose` for the fault of each request for which the [script](Self::script) has none,
    /// with the request's number (from 0, all requests counted) and its entries. Replaces an
    /// earlier one; without one nothing goes wrong.
    ///
    /// It is asked for one request after the other, in the order of their numbers. It may use a
    /// clone of the mock (which then lives as long as the program), except for `on_request` itself
    /// and for sending: these would wait for it forever.
    pub fn on_request(&self, choose: impl FnMut(u64, &[Entry]) -> Fault + Send + 'static) {
        self.service.on_request(Box::new(choose));
    }

    /// Fails every listing that reaches the service from now on, or none with `None`.
    pub fn fail_listings(&self, fault: impl Into<Option<ListFault>>) {
        self.service.fail_listings(fault.into());
    }

    /// Splits a shard as SplitShard does: the upper child starts with `new_starting`.
    ///
    /// The time in [`Handover::ParentUntilDone`] counts from the origin of the clock.
    ///
    /// # Errors
    /// As the service: there is no such open shard (`ResourceNotFoundException`), it cannot be
    /// split there (`InvalidArgumentException`), or another change is under way
    /// (`ResourceInUseException`).
    pub fn split(
        &self,
        shard: &ShardId,
        new_starting: HashKey,
        handover: Handover,
    ) -> Result<(), AttemptError> {
        let now = self.clock.now();
        self.service
            .with_stream(now, |stream, now| stream.split(shard, new_starting, handover, now))
    }

    /// Merges two shards as MergeShards does; the range of `adjacent` follows that of `shard`.
    ///
    /// # Errors
    /// As in [`split`](Self::split), and if `adjacent` does not follow
    /// (`InvalidArgumentException`).
    pub fn merge(
        &self,
        shard: &ShardId,
        adjacent: &ShardId,
        handover: Handover,
    ) -> Result<(), AttemptError> {
        let now = self.clock.now();
        self.service.with_stream(now, |stream, now| stream.merge(shard, adjacent, handover, now))
    }

    /// Gives the stream `target` shards with even ranges as UpdateShardCount does, all in one
    /// change. Shards whose ranges fit already stay.
    ///
    /// # Errors
    /// Another change is under way (`ResourceInUseException`).
    pub fn update_shard_count(
        &self,
        target: NonZeroU32,
        handover: Handover,
    ) -> Result<(), AttemptError> {
        let now = self.clock.now();
        self.service
            .with_stream(now, |stream, now| stream.update_shard_count(target, handover, now))
    }

    /// How many listings were sent so far: one for each page.
    pub fn listings(&self) -> u64 {
        self.service.counts().listings
    }

    /// Every Kinesis record that was stored, in the order of storing, which is that of the sequence
    /// numbers. An aggregate is one of them; see [`user_records`](Self::user_records).
    ///
    /// Their times count from the origin of the clock, and their requests as
    /// [`on_request`](Self::on_request) does. The payloads are shared, not copied.
    pub fn records(&self) -> Vec<Stored> {
        self.service.records()
    }

    /// How many requests were sent so far, whatever became of them; those that a fault kept from
    /// the service are counted too.
    pub fn requests(&self) -> u64 {
        self.service.counts().requests
    }

    /// The open shards as they are now, in the order of their ranges.
    pub fn shards(&self) -> Vec<ShardReport> {
        self.service.shards(self.clock.now())
    }

    /// Every user record that a consumer gets who reads all shards with the Kinesis Client Library:
    /// [`records`](Self::records) with a record for each member in place of an aggregate. The
    /// members share time, placement and request of theirs.
    ///
    /// Like that library it leaves an aggregate out as a whole if one of its members does not
    /// belong to the shard, and what comes behind a broken member. Members whose keys break the
    /// rules of the service are left out too. It takes the check sum of each aggregate: keep the
    /// result.
    pub fn user_records(&self) -> Vec<Stored> {
        self.service.user_records()
    }

    async fn list(&self, request: ListShards) -> ListShardsResult {
        self.service.begin_listing();
        let start = self.clock.now();
        self.clock.sleep_until(start.after(self.latency / 2)).await;
        let result = self.service.list_shards(&request, self.clock.now());
        self.clock.sleep_until(start.after(self.latency)).await;
        result
    }

    async fn send(&self, request: PutRecords) -> PutRecordsResult {
        let (number, fault) = self.service.begin(&request.entries);
        if fault.leaves() {
            request.departure.leave();
        }
        let start = self.clock.now();
        self.clock.sleep_until(start.after(self.latency / 2)).await;
        let result = self.service.answer(number, &fault, &request, self.clock.now());
        let Some(delay) = fault.delay() else { return core::future::pending().await };
        self.clock.sleep_until(start.after(self.latency).after(delay)).await;
        result
    }
}

impl<C: Clock> Transport for Mock<C> {
    fn list_shards(&self, request: ListShards) -> impl Future<Output = ListShardsResult> + Send {
        self.list(request)
    }

    fn put_records(&self, request: PutRecords) -> impl Future<Output = PutRecordsResult> + Send {
        // Here and not in the future, or else one that is never polled might have been sent.
        request.departure.hold();
        self.send(request)
    }
}

impl<C> Clone for Mock<C> {
    fn clone(&self) -> Self {
        Self {
            clock: Arc::clone(&self.clock),
            latency: self.latency,
            service: Arc::clone(&self.service),
        }
    }
}

impl<C> fmt::Debug for Mock<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Counts { listings, records, requests, scripted } = self.service.counts();
        f.debug_struct("Mock")
            .field("listings", &listings)
            .field("records", &records)
            .field("requests", &requests)
            .field("scripted", &scripted)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{
        StandingClock, TestClock, builder, entry, gives_up, ready, request, request_to,
    };
    use headwaters_transport::Sent;
    use headwaters_wire::{ErrorCode, HashKey, Placement};

    const LATENCY: Duration = Duration::from_millis(100);

    #[test]
    fn what_is_read_back_is_what_was_sent_and_answered_in_order() {
        let mock = builder(4).build(StandingClock);
        let requests: Vec<Vec<Entry>> = (0..3)
            .map(|request| (0..50).map(|n| entry(&format!("{request}-{n}"), "data")).collect())
            .collect();
        let mut placements: Vec<Placement> = Vec::new();
        for entries in &requests {
            let results = ready(mock.put_records(request(entries.clone())));
            let results = results.expect("the request keeps the rules");
            placements.extend(results.into_iter().map(|result| result.expect("there is room")));
        }

        let records = mock.records();
        assert!(records.iter().map(|stored| &stored.entry).eq(requests.iter().flatten()));
        assert!(records.iter().map(|stored| &stored.placement).eq(&placements));
        let positions: Vec<(u64, usize)> = records.iter().map(|s| (s.request, s.index)).collect();
        let sent = (0..3).flat_map(|request| (0..50).map(move |index| (request, index)));
        assert!(positions.into_iter().eq(sent));

        let shards = mock.shards();
        for stored in &records {
            let hash_key = stored.entry.hash_key();
            let of_key = shards.iter().find(|shard| shard.range.contains(hash_key));
            assert_eq!(of_key.map(|shard| &shard.id), Some(&stored.placement.shard));
        }
        for shard in &shards {
            let here = || records.iter().filter(|stored| stored.placement.shard == shard.id);
            assert!(shard.records > 0, "the test reaches every shard");
            assert_eq!(shard.records, here().count() as u64);
            assert_eq!(shard.bytes, here().map(|s| s.entry.size() as u64).sum::<u64>());
        }
        assert_eq!((shards[0].range.start(), shards[3].range.end()), (HashKey::MIN, HashKey::MAX));
    }

    #[tokio::test(start_paused = true)]
    async fn a_record_is_stored_half_way_and_answered_in_the_end() {
        let clock = TestClock::start();
        let mock = builder(1).latency(LATENCY).build(clock);
        clock.advance(Duration::from_secs(5)).await;
        let put = mock.put_records(request(vec![entry("k", "v")]));
        let watch = async {
            clock.advance(LATENCY / 2 - Duration::from_millis(1)).await;
            let before = mock.records().len();
            clock.advance(Duration::from_millis(2)).await;
            (before, mock.records().len())
        };
        let (result, seen) = tokio::join!(put, watch);
        assert!(result.is_ok());
        assert_eq!(seen, (0, 1));
        assert_eq!(mock.records()[0].at, Duration::from_millis(5_050));
        assert_eq!(clock.elapsed(), Duration::from_millis(5_100));
    }

    /// At each point of a request's way: what its departure says, what is stored, what is counted.
    #[tokio::test(start_paused = true)]
    async fn a_dropped_future_leaves_what_its_departure_says() {
        for (millis, fault, expected) in [
            (1, Fault::None, (Sent::Unknown, 0)),
            (49, Fault::None, (Sent::Unknown, 0)),
            (51, Fault::None, (Sent::Unknown, 1)),
            (99, Fault::None, (Sent::Unknown, 1)),
            (1, Fault::LoseRequest, (Sent::Unknown, 0)),
            (99, Fault::LoseRequest, (Sent::Unknown, 0)),
            (1, Fault::RefuseConnection, (Sent::No, 0)),
            (99, Fault::RefuseConnection, (Sent::No, 0)),
        ] {
            let clock = TestClock::start();
            let mock = builder(1).latency(LATENCY).build(clock);
            mock.script([fault.clone()]);
            let request = request(vec![entry("k", "v")]);
            let departure = request.departure.clone();
            let put = mock.put_records(request);
            assert!(gives_up(put, clock, Duration::from_millis(millis)).await);
            clock.advance(LATENCY).await;
            let seen = (departure.sent(), mock.records().len());
            assert_eq!(seen, expected, "{fault:?} after {millis} ms");
            assert_eq!(mock.requests(), 1);
        }
    }

    #[test]
    fn a_future_that_is_never_polled_sends_nothing() {
        let mock = builder(1).build(StandingClock);
        mock.script([Fault::LoseAnswer]);
        let request = request(vec![entry("k", "v")]);
        let departure = request.departure.clone();
        drop(mock.put_records(request));
        assert_eq!(departure.sent(), Sent::No);
        assert_eq!(mock.requests(), 0);
        assert!(format!("{mock:?}").contains("scripted: 1"), "the fault waits for a request");
    }

    #[test]
    fn another_stream_is_not_there() {
        let mock = builder(1).build(StandingClock);
        let refused = ready(mock.put_records(request_to("other", vec![entry("k", "v")])));
        assert_eq!(refused.map_err(|e| e.code), Err(ErrorCode::ResourceNotFoundException));
        assert_eq!((mock.records().len(), mock.requests()), (0, 1));
    }

    #[test]
    fn clones_share_the_stream_the_script_and_the_callback() {
        let mock = builder(1).build(StandingClock);
        let clone = mock.clone();
        clone.script([Fault::RefuseConnection]);
        clone.on_request(|number, _| if number == 1 { Fault::LoseRequest } else { Fault::None });
        let codes = [&mock, &clone, &mock].map(|mock| {
            ready(mock.put_records(request(vec![entry("k", "v")]))).err().map(|error| error.code)
        });
        let expected = [Some(ErrorCode::ConnectFailed), Some(ErrorCode::ConnectionLost), None];
        assert_eq!(codes, expected);
        assert_eq!(clone.records(), mock.records());
        assert_eq!((clone.records().len(), clone.requests(), mock.requests()), (1, 3, 3));
    }

    /// The numbers of the shards of each page.
    async fn list(mock: &Mock<TestClock>) -> Result<Vec<Vec<u64>>, ErrorCode> {
        let mut pages = Vec::new();
        let mut next_token = None;
        loop {
            let request = ListShards::new(mock_stream(), next_token);
            let page = mock.list_shards(request).await.map_err(|error| error.code)?;
            pages.push(page.shards.iter().filter_map(|shard| shard.id.number()).collect());
            next_token = page.next_token;
            if next_token.is_none() {
                return Ok(pages);
            }
        }
    }

    fn mock_stream() -> StreamName {
        request(vec![]).stream
    }

    #[tokio::test(start_paused = true)]
    async fn a_listing_comes_in_pages_each_after_the_latency() {
        let clock = TestClock::start();
        let mock = builder(5).page_size(2).latency(LATENCY).build(clock);
        assert_eq!(list(&mock).await, Ok(vec![vec![0, 1], vec![2, 3], vec![4]]));
        assert_eq!((mock.listings(), mock.requests()), (3, 0));
        assert_eq!(clock.elapsed(), 3 * LATENCY);
        let mock = builder(5).build(clock);
        assert_eq!(list(&mock).await, Ok(vec![vec![0, 1, 2, 3, 4]]));
        let mock = builder(5).page_size(0).build(clock);
        assert_eq!(list(&mock).await, Err(ErrorCode::ValidationException));
    }

    #[tokio::test(start_paused = true)]
    async fn listings_fail_as_long_as_they_are_told_to() {
        let mock = builder(1).build(TestClock::start());
        mock.script([Fault::LoseRequest]);
        for (fault, code) in [
            (ListFault::Denied, ErrorCode::AccessDeniedException),
            (ListFault::InternalFailure, ErrorCode::InternalFailure),
            (ListFault::Throttled, ErrorCode::LimitExceededException),
        ] {
            mock.fail_listings(fault);
            assert_eq!(list(&mock).await, Err(code.clone()));
            assert_eq!(list(&mock).await, Err(code));
        }
        mock.fail_listings(None);
        assert_eq!(list(&mock).await, Ok(vec![vec![0]]));
        let lost = mock.put_records(request(vec![entry("k", "v")])).await;
        let code = lost.map_err(|error| error.code);
        assert_eq!(code, Err(ErrorCode::ConnectionLost), "a script is for requests");
    }

    #[tokio::test(start_paused = true)]
    async fn shards_are_split_and_merged_in_the_time_of_the_clock() {
        let clock = TestClock::start();
        let mock = builder(2).build(clock);
        let shards = mock.shards();
        let until = Handover::ParentUntilDone { until: Duration::from_secs(30) };
        assert_eq!(mock.merge(&shards[0].id, &shards[1].id, until), Ok(()));
        let at_once = Handover::ChildrenAtOnce;
        let four = NonZeroU32::new(4).expect("4 is not 0");
        let refused = mock.update_shard_count(four, at_once).map_err(|error| error.code);
        assert_eq!(refused, Err(ErrorCode::ResourceInUseException));
        assert_eq!(mock.shards().len(), 2, "the parents are there until it is done");
        clock.advance(Duration::from_secs(30)).await;
        assert_eq!(mock.shards().len(), 1, "without a request in between");

        let middle = shards[1].range.start();
        assert_eq!(mock.split(&mock.shards()[0].id, middle, at_once), Ok(()));
        assert_eq!(list(&mock).await, Ok(vec![vec![3, 4]]));
        assert_eq!(mock.update_shard_count(four, at_once), Ok(()));
        assert_eq!(list(&mock).await, Ok(vec![vec![5, 6, 7, 8]]));
    }

    #[test]
    fn debug_prints_counts_only() {
        let mock = builder(2).build(StandingClock);
        assert!(ready(mock.put_records(request(vec![entry("secret", "secret")]))).is_ok());
        mock.script([Fault::LoseRequest, Fault::None]);
        assert_eq!(
            format!("{mock:?}"),
            "Mock { listings: 0, records: 1, requests: 1, scripted: 2, .. }"
        );
    }
}
