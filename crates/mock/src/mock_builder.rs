use core::num::NonZeroU32;
use core::time::Duration;

use headwaters_model::{ListRequest, MaxRecordSize, ShardLimits, Stream, StreamOptions};
use headwaters_transport::Clock;
use headwaters_wire::StreamName;

use crate::Mock;
use crate::service::Service;

/// What a [`Mock`] is made of; begun with [`Mock::builder`].
#[derive(Clone, Debug)]
pub struct MockBuilder {
    latency: Duration,
    options: StreamOptions,
    page_size: usize,
}

impl MockBuilder {
    pub(crate) fn new(stream: StreamName, shards: NonZeroU32) -> Self {
        Self {
            latency: Duration::ZERO,
            options: StreamOptions::new(stream, shards),
            page_size: ListRequest::MAX_RESULTS_DEFAULT,
        }
    }

    /// How long it takes from sending a request to its answer; zero by default.
    ///
    /// The request reaches the service after half of it, and what the service does, it does then.
    #[must_use]
    pub fn latency(self, latency: Duration) -> Self {
        Self { latency, ..self }
    }

    /// Gives every shard these limits instead of the service's ([`ShardLimits::default`]).
    #[must_use]
    pub fn limits(self, limits: ShardLimits) -> Self {
        Self { options: self.options.limits(limits), ..self }
    }

    /// Takes records of this size, data and partition key together, instead of 1 MiB
    /// (UpdateMaxRecordSize).
    #[must_use]
    pub fn max_record_size(self, size: MaxRecordSize) -> Self {
        Self { options: self.options.max_record_size(size), ..self }
    }

    /// Lists this many shards a page instead of 1,000: 1 to 10,000, or every listing is refused
    /// (`ValidationException`), as the service would.
    #[must_use]
    pub fn page_size(self, shards: usize) -> Self {
        Self { page_size: shards, ..self }
    }

    /// Lets every shard take whatever comes; only a [`Fault`](crate::Fault) throttles then.
    #[must_use]
    pub fn unlimited(self) -> Self {
        Self { options: self.options.unlimited(), ..self }
    }

    /// A mock without records and without faults, in the time of `clock`.
    pub fn build<C: Clock>(self, clock: C) -> Mock<C> {
        let Self { latency, options, page_size } = self;
        Mock::new(clock, latency, Service::new(Stream::new(options), page_size))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{TestClock, builder, codes, entry, request};
    use headwaters_transport::Transport;
    use headwaters_wire::ErrorCode;

    async fn stored_of<C: Clock>(mock: &Mock<C>, count: usize) -> usize {
        let results = mock.put_records(request(vec![entry("k", "v"); count])).await;
        codes(&results).iter().filter(|code| code.is_none()).count()
    }

    #[tokio::test(start_paused = true)]
    async fn a_throttled_shard_refills_in_the_time_of_the_clock() {
        let limits = ShardLimits {
            bytes_per_second: 1_000,
            records_per_second: 10,
            ..ShardLimits::default()
        };
        let clock = TestClock::start();
        let mock = builder(1).limits(limits).build(clock);
        assert_eq!(stored_of(&mock, 12).await, 10);
        assert_eq!(stored_of(&mock, 1).await, 0);
        clock.advance(Duration::from_millis(300)).await;
        assert_eq!(stored_of(&mock, 5).await, 3);

        let results = mock.put_records(request(vec![entry("k", "v")])).await;
        assert_eq!(
            codes(&results),
            [Some(ErrorCode::ProvisionedThroughputExceededException)],
            "a throttled entry has the service's own code"
        );
        let shard = &mock.shards()[0];
        assert_eq!((shard.records, shard.bytes, shard.throttled), (13, 26, 6));
    }

    /// A bucket is judged when the request is there, not when it is sent.
    #[tokio::test(start_paused = true)]
    async fn limits_are_judged_when_the_request_reaches_the_service() {
        let limits = ShardLimits {
            bytes_per_second: 1_000,
            records_per_second: 10,
            ..ShardLimits::default()
        };
        let mock =
            builder(1).limits(limits).latency(Duration::from_millis(400)).build(TestClock::start());
        assert_eq!(stored_of(&mock, 10).await, 10);
        // Stored at 200 ms; the next request is there at 600 ms, when 4 records have room.
        assert_eq!(stored_of(&mock, 10).await, 4);
    }

    #[tokio::test(start_paused = true)]
    async fn by_default_the_limits_are_the_services_and_unlimited_takes_all() {
        let (limited, unlimited) = (builder(1), builder(1).unlimited());
        for (builder, expected) in [(limited, 1_000), (unlimited, 1_500)] {
            let mock = builder.build(TestClock::start());
            let mut stored = 0;
            for _ in 0..3 {
                stored += stored_of(&mock, 500).await;
            }
            assert_eq!(stored, expected);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_shards_are_as_many_as_were_asked_for() {
        let mock = builder(3).build(TestClock::start());
        let numbers: Vec<_> = mock.shards().iter().map(|shard| shard.id.number()).collect();
        assert_eq!(numbers, [Some(0), Some(1), Some(2)]);
    }
}
