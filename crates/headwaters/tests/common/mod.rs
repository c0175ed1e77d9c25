//! A producer over the mock.

#![allow(dead_code, reason = "not every test file uses all of it")]

pub(crate) mod log;

use core::num::NonZeroU32;
use core::time::Duration;
use std::sync::mpsc;
use std::thread;

use headwaters::mock::{Mock, MockBuilder};
use headwaters::{
    Config, ConfigBuilder, Delivery, Outcome, Producer, RateLimit, RetryPolicy, ShardPrediction,
    TokioClock, UserRecord,
};

/// The stream of the tests.
pub(crate) const STREAM: &str = "orders";

pub(crate) const MS: Duration = Duration::from_millis(1);

/// How long a test may take, on a machine that is busy with others.
const TEST_MAX: Duration = Duration::from_secs(60);

thread_local! {
    /// Each test has a thread of its own, and with it goes what says that it goes on.
    static LIMIT: Option<mpsc::Sender<()>> = limit();
}

/// Ends the whole run with the name of this test if it hangs: nothing else would.
#[expect(clippy::print_stderr, reason = "nobody else is there to tell")]
fn limit() -> Option<mpsc::Sender<()>> {
    let test = thread::current().name().filter(|name| *name != "main")?.to_owned();
    let (goes_on, ended) = mpsc::channel();
    thread::spawn(move || {
        if ended.recv_timeout(TEST_MAX) == Err(mpsc::RecvTimeoutError::Timeout) {
            eprintln!("{test} has not ended after {TEST_MAX:?}");
            std::process::exit(1);
        }
    });
    Some(goes_on)
}

/// A service for a test, which is to end in time from now on.
pub(crate) fn builder(shards: u32) -> MockBuilder {
    LIMIT.with(|_| ());
    let shards = NonZeroU32::new(shards).expect("not zero");
    Mock::builder(STREAM.try_into().expect("a valid name"), shards)
}

pub(crate) fn mock(latency: Duration) -> Mock<TokioClock> {
    builder(4).latency(latency).build(TokioClock::new())
}

pub(crate) fn start(mock: &Mock<TokioClock>, config: Config) -> Producer {
    let builder = Producer::builder().stream(STREAM).transport(mock.clone());
    builder.config(config).start().expect("a runtime and a valid name")
}

/// A Kinesis record for each user record in the order of putting, and waits that are known beforehand.
pub(crate) fn plain() -> ConfigBuilder {
    let retry = RetryPolicy::Linear { max_attempts: 10, step: 100 * MS };
    Config::builder()
        .aggregation_enabled(false)
        .rate_limit(RateLimit::Off)
        .retry(retry)
        .shard_prediction(ShardPrediction::Off)
}

pub(crate) fn build(config: ConfigBuilder) -> Config {
    config.build().expect("valid settings")
}

/// A record with the same text as key and data.
pub(crate) fn record(text: &str) -> UserRecord {
    UserRecord::new(text, text.to_owned()).expect("a valid record")
}

/// What a consumer reads, in the order of storing.
pub(crate) fn texts(mock: &Mock<TokioClock>) -> Vec<String> {
    let text = |data: &[u8]| String::from_utf8(data.to_vec()).expect("text");
    mock.user_records().iter().map(|stored| text(&stored.entry.data)).collect()
}

pub(crate) fn is_stored(delivery: &Delivery) -> bool {
    matches!(delivery.outcome, Outcome::Stored { maybe_duplicate: false, .. })
}

/// Each test's runtime has a time of its own.
#[expect(clippy::disallowed_methods, reason = "the tests look at the time that passes")]
pub(crate) fn tokio_now() -> tokio::time::Instant {
    tokio::time::Instant::now()
}
