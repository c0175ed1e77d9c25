use core::num::NonZeroU32;
use core::time::Duration;

use headwaters_engine::{Bounds, Config, RetryPolicy};

use crate::rng::{Chance, Rng};

/// Everything that a world is made of. Printed before a failure, so that a seed explains itself.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Options {
    /// What the application does.
    pub caller: Caller,
    /// The engine's settings.
    pub config: Config,
    /// Whether the seed stands for all of this.
    pub drawn: bool,
    /// What goes wrong, and how often.
    pub faults: Faults,
    /// Shortest and longest time from sending to the answer.
    pub latency: (Duration, Duration),
    /// Draws everything that happens in the world.
    pub seed: u64,
    /// How many shards the stream has.
    pub shards: NonZeroU32,
    /// Whether the shards have the service's limits.
    pub throttling: bool,
}

/// What the application does.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Caller {
    /// How it ends.
    pub ending: Ending,
    /// Distinct partition keys; a few of them make hot shards.
    pub keys: u32,
    /// Longest pause between two bursts.
    pub pause: Duration,
    /// Most records in a burst, put as fast as there is room.
    pub burst: u32,
    /// How many records it puts.
    pub records: u32,
    /// Smallest and largest payload, in bytes; at least 8.
    pub sizes: (u32, u32),
}

/// How the application ends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "the ways there are")]
pub enum Ending {
    /// It closes after the last record and waits for the end.
    Close,
    /// It closes and gives this much time.
    CloseWithin(Duration),
    /// It flushes, waits for that, and closes.
    Flush,
    /// It asks for everything back.
    Purge,
}

/// What goes wrong, and how often. Faults of entries are per entry, the others per request.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct Faults {
    /// The request is stored and the network swallows the answer; the transport never says a word, not
    /// even to a cancel.
    pub black_hole: Chance,
    /// No connection: nothing is sent.
    pub connect_failed: Chance,
    /// An entry fails with `InternalFailure` and is not stored.
    pub entry_failure: Chance,
    /// An entry fails with `InternalFailure` and is stored.
    pub entry_failure_stored: Chance,
    /// The answer comes long after the request timed out.
    pub late_answer: Chance,
    /// The request is stored and the connection breaks before the answer.
    pub lost_answer: Chance,
    /// The connection breaks before the request arrives.
    pub lost_request: Chance,
    /// The answer comes twice.
    pub repeated_answer: Chance,
    /// The service refuses the request as a whole and would take it again.
    pub request_failure: Chance,
    /// The service refuses the request for good.
    pub request_refused: Chance,
    /// A cancel is not answered.
    pub silent_cancel: Chance,
    /// The answer has another number of results than the request has entries.
    pub wrong_count: Chance,
}

impl Options {
    /// The options that a seed stands for: sizes, settings and faults are all drawn, so that unusual
    /// combinations are met as often as usual ones.
    pub fn draw(seed: u64) -> Self {
        let rng = &mut Rng::new(seed, "options");
        let config = draw_config(rng);
        let (records, largest) = draw_load(rng);
        Self {
            caller: Caller {
                burst: draw_u32(rng, &[1, 5, 100, 1_000, 5_000]),
                ending: draw_ending(rng),
                keys: draw_u32(rng, &[1, 3, 50, 10_000]),
                pause: millis(rng.pick(&[0, 3, 50, 400])),
                records,
                sizes: (8, largest),
            },
            config,
            drawn: true,
            faults: draw_faults(rng),
            latency: rng.pick(&[
                (millis(0), millis(0)),
                (millis(1), millis(5)),
                (millis(10), millis(60)),
                (millis(1), millis(900)),
            ]),
            seed,
            shards: NonZeroU32::new(draw_u32(rng, &[1, 2, 8, 64])).unwrap_or(NonZeroU32::MIN),
            throttling: rng.happens(Chance::percent(70)),
        }
    }

    /// The options of "resend only those": `records` records of 200 bytes from a file into `shards`
    /// shards that throttle, put as fast as there is room.
    pub fn load(seed: u64, records: u32, shards: NonZeroU32, config: Config) -> Self {
        Self {
            caller: Caller {
                burst: records,
                ending: Ending::Close,
                keys: records,
                pause: Duration::ZERO,
                records,
                sizes: (200, 200),
            },
            config,
            drawn: false,
            faults: Faults::default(),
            latency: (millis(20), millis(60)),
            seed,
            shards,
            throttling: true,
        }
    }
}

fn draw_config(rng: &mut Rng) -> Config {
    let retry = if rng.happens(Chance::percent(50)) {
        RetryPolicy::Kpl
    } else {
        let max_attempts = draw_u32(rng, &[1, 2, 5, 10]);
        RetryPolicy::Linear { max_attempts, step: millis(rng.pick(&[0, 10, 100])) }
    };
    let bounds = Bounds {
        bytes: 2 * 1024 * 1024 + 1024 * rng.pick(&[0, 500, 60_000]),
        records: rng.pick(&[1, 7, 600, 100_000]),
    };
    // The linear policy ends by itself; the KPL's needs a time to live where shards are too few.
    let ttls = [Some(millis(100)), Some(millis(700)), Some(millis(30_000)), None];
    Config::builder()
        .bounds(bounds)
        .cancel_grace(millis(rng.pick(&[0, 50, 1_000])))
        .collection_max_count(rng.pick(&[1, 3, 100, 500]))
        .collection_max_size(rng.pick(&[1, 10_000, 1_000_000, 10_485_760]))
        .max_requests_in_flight(rng.pick(&[1, 2, 24, 256]))
        .record_max_buffered_time(millis(rng.pick(&[0, 10, 100, 1_000])))
        .record_ttl(rng.pick(&ttls))
        .request_timeout(millis(rng.pick(&[100, 500, 6_000])))
        .retry(retry)
        .build()
        .unwrap_or_default()
}

/// How many records, and how large they may be: few large ones or many small ones, so that one shard can
/// take them all in a few seconds and no world lasts longer than its faults make it.
fn draw_load(rng: &mut Rng) -> (u32, u32) {
    if rng.happens(Chance::percent(20)) {
        return (draw_u32(rng, &[1, 10, 60]), 100_000);
    }
    (draw_u32(rng, &[1, 10, 300, 3_000]), 600)
}

/// Each fault is off in most worlds, and rare or frequent in the others.
fn draw_faults(rng: &mut Rng) -> Faults {
    let mut chance = || {
        let off = Chance::NEVER;
        rng.pick(&[off, off, off, Chance::percent(1), Chance::percent(5), Chance::percent(30)])
    };
    Faults {
        black_hole: chance(),
        connect_failed: chance(),
        entry_failure: chance(),
        entry_failure_stored: chance(),
        late_answer: chance(),
        lost_answer: chance(),
        lost_request: chance(),
        repeated_answer: chance(),
        request_failure: chance(),
        request_refused: chance(),
        silent_cancel: chance(),
        wrong_count: chance(),
    }
}

fn draw_ending(rng: &mut Rng) -> Ending {
    let within = Ending::CloseWithin(millis(rng.pick(&[0, 20, 2_000])));
    rng.pick(&[Ending::Close, Ending::Flush, Ending::Flush, within, Ending::Purge])
}

/// A number from 1 (or the entry below) up to one of `ends`.
fn draw_u32(rng: &mut Rng, ends: &[u32]) -> u32 {
    let end = u64::from(rng.pick(ends));
    u32::try_from(rng.range(end.div_ceil(2), end)).unwrap_or(u32::MAX)
}

const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}
