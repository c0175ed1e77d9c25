//! What the unit tests of this crate have in common.

use core::num::NonZeroU32;
use core::pin::pin;
use core::task::{Context, Poll, Waker};
use core::time::Duration;

use headwaters_transport::{Clock, Instant, PutRecords, PutRecordsResult};
use headwaters_wire::{Entry, ErrorCode, PartitionKey, StreamName};

use crate::{Mock, MockBuilder};

/// The time of tokio, which its tests stop; it counts from [`TestClock::start`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct TestClock(tokio::time::Instant);

impl TestClock {
    #[expect(clippy::disallowed_methods, reason = "this is the clock")]
    pub(crate) fn start() -> Self {
        Self(tokio::time::Instant::now())
    }

    /// Lets `duration` pass.
    pub(crate) async fn advance(self, duration: Duration) {
        self.sleep_until(self.now().after(duration)).await;
    }

    pub(crate) fn elapsed(self) -> Duration {
        self.0.elapsed()
    }
}

impl Clock for TestClock {
    fn now(&self) -> Instant {
        Instant::ZERO.after(self.0.elapsed())
    }

    #[expect(clippy::disallowed_methods, reason = "this is the clock")]
    async fn sleep_until(&self, at: Instant) {
        tokio::time::sleep_until(self.0 + at.since(Instant::ZERO)).await;
    }
}

/// A clock for tests without time: it stands at its origin, and nobody waits.
#[derive(Debug)]
pub(crate) struct StandingClock;

impl Clock for StandingClock {
    fn now(&self) -> Instant {
        Instant::ZERO
    }

    async fn sleep_until(&self, _at: Instant) {}
}

/// What comes of a future that does not wait.
pub(crate) fn ready<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("the future waits"),
    }
}

/// Drops `future` after `patience`; whether it was still not done then.
pub(crate) async fn gives_up<T>(
    future: impl Future<Output = T>,
    clock: TestClock,
    patience: Duration,
) -> bool {
    tokio::select! {
        biased;
        _ = future => false,
        () = clock.advance(patience) => true,
    }
}

/// A mock of the stream of the tests, `orders`.
pub(crate) fn builder(shards: u32) -> MockBuilder {
    Mock::builder(name("orders"), NonZeroU32::new(shards).expect("the tests ask for shards"))
}

pub(crate) fn entry(key: &str, data: &'static str) -> Entry {
    let partition_key = PartitionKey::new(key).expect("a valid key");
    Entry { data: data.into(), explicit_hash_key: None, partition_key }
}

/// A request to the stream of the tests.
pub(crate) fn request(entries: Vec<Entry>) -> PutRecords {
    request_to("orders", entries)
}

pub(crate) fn request_to(stream: &str, entries: Vec<Entry>) -> PutRecords {
    PutRecords::new(name(stream), entries)
}

fn name(stream: &str) -> StreamName {
    StreamName::new(stream).expect("a valid name")
}

/// The error code of each result; `None` for a stored entry.
pub(crate) fn codes(result: &PutRecordsResult) -> Vec<Option<ErrorCode>> {
    let results = result.as_ref().expect("the request keeps the rules");
    results.iter().map(|result| result.as_ref().err().map(|error| error.code.clone())).collect()
}
