use alloc::sync::Arc;
use core::fmt;
use core::num::NonZeroU32;
use core::time::Duration;

use headwaters_model::{Stored, Stream};
use headwaters_transport::{Clock, PutRecords, PutRecordsResult, Transport};
use headwaters_wire::{Entry, StreamName};

use crate::service::{Counts, Service};
use crate::{Fault, MockBuilder, ShardReport};

/// One Kinesis stream in process, as a [`Transport`].
///
/// A request to any other stream is refused (`ResourceNotFoundException`). Cloning shares
/// everything: give one clone to the producer and keep another to order faults and to read records.
///
/// Commands: [`script`](Self::script), [`on_request`](Self::on_request). Getters:
/// [`records`](Self::records), [`requests`](Self::requests), [`shards`](Self::shards).
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
    pub(crate) fn new(clock: C, latency: Duration, stream: Stream) -> Self {
        Self { clock: Arc::new(clock), latency, service: Arc::new(Service::new(stream)) }
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

    /// Every record that was stored, in the order of storing, which is that of the sequence
    /// numbers.
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

    /// The shards as they are now, in the order of their ranges.
    pub fn shards(&self) -> Vec<ShardReport> {
        self.service.shards()
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
        let Counts { records, requests, scripted } = self.service.counts();
        f.debug_struct("Mock")
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

    #[test]
    fn debug_prints_counts_only() {
        let mock = builder(2).build(StandingClock);
        assert!(ready(mock.put_records(request(vec![entry("secret", "secret")]))).is_ok());
        mock.script([Fault::LoseRequest, Fault::None]);
        assert_eq!(format!("{mock:?}"), "Mock { records: 1, requests: 1, scripted: 2, .. }");
    }
}
