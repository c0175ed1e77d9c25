use core::num::NonZeroU32;
use core::time::Duration;

use headwaters_engine::{Bounds, Config, OuterKey, RateLimit, RetryPolicy, ShardPrediction};

use crate::caller::{Caller, Ending};
use crate::faults::Faults;
use crate::reshards::Reshards;
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
    /// Most shards on one page of their list.
    pub list_page: usize,
    /// Whether nobody may list the shards, from the first to the last moment.
    pub map_denied: bool,
    /// How the shards change.
    pub reshards: Reshards,
    /// Draws everything that happens in the world.
    pub seed: u64,
    /// How many shards the stream has at the start.
    pub shards: NonZeroU32,
    /// Whether the shards have the service's limits.
    pub throttling: bool,
}

impl Options {
    /// The options that a seed stands for: sizes, settings and faults are all drawn, so that unusual
    /// combinations are met as often as usual ones.
    pub fn draw(seed: u64) -> Self {
        let rng = &mut Rng::new(seed, "options");
        let caller = Caller::draw(rng);
        let config = draw_config(caller.sizes.1 as usize, rng);
        Self {
            caller,
            config,
            drawn: true,
            faults: Faults::draw(rng),
            latency: rng.pick(&[
                (millis(0), millis(0)),
                (millis(1), millis(5)),
                (millis(10), millis(60)),
                (millis(1), millis(900)),
            ]),
            list_page: rng.pick(&[1, 7, 1_000, 1_000]),
            map_denied: rng.happens(Chance::percent(7)),
            reshards: Reshards::draw(rng),
            seed,
            shards: NonZeroU32::new(rng.up_to(&[1, 2, 8, 64])).unwrap_or(NonZeroU32::MIN),
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
                explicit_hash_keys: Chance::NEVER,
                flushes: Chance::NEVER,
                keys: records,
                pause: Duration::ZERO,
                records,
                sizes: (200, 200),
                timings: Chance::NEVER,
            },
            config,
            drawn: false,
            faults: Faults::default(),
            latency: (millis(20), millis(60)),
            list_page: 1_000,
            map_denied: false,
            reshards: Reshards::NONE,
            seed,
            shards,
            throttling: true,
        }
    }
}

/// Settings for records with at most `largest` bytes of data.
fn draw_config(largest: usize, rng: &mut Rng) -> Config {
    // No key of a world is longer than this.
    const KEY_MAX: usize = 20;
    let tight = largest + KEY_MAX;
    let max_user_record_size = match largest {
        0..1_000_000 => rng.pick(&[tight, tight + 2_000, 1_048_576, 1_048_576]),
        _ => rng.pick(&[tight, 10_485_760]),
    };
    let bounds = Bounds {
        bytes: max_user_record_size + 1024 * rng.pick(&[4, 500, 60_000]),
        records: rng.pick(&[1, 7, 600, 100_000]),
    };
    let percent = RateLimit::Fixed { percent: rng.pick(&[50, 100, 150, 400]) };
    let ttls = [Some(millis(100)), Some(millis(700)), Some(millis(30_000)), None];
    let prediction = match rng.happens(Chance::percent(85)) {
        true => ShardPrediction::On,
        false => ShardPrediction::Off,
    };
    Config::builder()
        .aggregation_enabled(rng.happens(Chance::percent(75)))
        .aggregation_max_count(rng.pick(&[1, 2, 7, 100, 4_294_967_295]))
        .aggregation_max_size(rng.pick(&[64, 300, 3_000, 51_200, 51_200, 1_000_000]))
        .bounds(bounds)
        .cancel_grace(millis(rng.pick(&[0, 50, 1_000])))
        .collection_max_count(rng.pick(&[1, 3, 100, 500]))
        .collection_max_shard_size(rng.pick(&[1, 1_000, 262_144]))
        .collection_max_size(rng.pick(&[1, 10_000, 1_000_000, 10_485_760]))
        .fail_if_throttled(rng.happens(Chance::percent(15)))
        .max_requests_in_flight(rng.pick(&[1, 2, 24, 256]))
        .max_user_record_size(max_user_record_size)
        .outer_key(rng.pick(&[OuterKey::Kpl, OuterKey::FirstRecord]))
        .rate_limit(rng.pick(&[percent, percent, RateLimit::Off]))
        .record_max_buffered_time(millis(rng.pick(&[0, 10, 100, 1_000])))
        .record_ttl(rng.pick(&ttls))
        .request_timeout(millis(rng.pick(&[100, 500, 6_000])))
        .retry(draw_retry(rng))
        .seed(rng.next())
        .shard_prediction(prediction)
        .build()
        .expect("settings within their bounds")
}

fn draw_retry(rng: &mut Rng) -> RetryPolicy {
    let exponential = RetryPolicy::Exponential {
        base: millis(rng.pick(&[0, 20, 100])),
        cap: millis(rng.pick(&[0, 500, 5_000])),
    };
    // Two attempts are the likeliest to end for some members of an aggregate and not for others.
    let max_attempts = rng.pick(&[1, 2, 2, 2, 3, 5, 10]);
    let linear = RetryPolicy::Linear { max_attempts, step: millis(rng.pick(&[0, 10, 10, 100])) };
    rng.pick(&[exponential, RetryPolicy::Kpl, linear, linear])
}

pub(crate) const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}
