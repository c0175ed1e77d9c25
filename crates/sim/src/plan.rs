use core::num::NonZeroU32;

use serde::{Deserialize, Serialize};

use crate::caller::Caller;
use crate::changes::Changes;
use crate::clock::ClockFaults;
use crate::faults::Faults;
use crate::rng::{Chance, Rng};
use crate::settings::Settings;

/// Everything that a world is made of. Printed when a rule is broken, so that a seed explains itself.
///
/// A seed stands for a plan ([`Plan::draw`]), and a plan can be written by hand: in TOML, say, each field under its name,
/// where what is not named is as in [`Plan::default`], which is a stream of one shard on which nothing goes wrong. Times are in
/// milliseconds, chances in a million.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[non_exhaustive]
#[serde(default, deny_unknown_fields)]
pub struct Plan {
    /// Draws everything that happens in the world.
    pub seed: u64,
    /// How many producers write to the stream, each with an application, a network and a clock of its own.
    pub producers: NonZeroU32,
    /// How many shards the stream has at the start.
    pub shards: NonZeroU32,
    /// Whether the shards have the service's limits.
    pub throttling: bool,
    /// Shortest and longest time from sending to the answer, in milliseconds.
    pub latency_ms: (u64, u64),
    /// Most shards on one page of their list.
    pub list_page: u32,
    /// Whether nobody may list the shards, from the first to the last moment.
    pub map_denied: bool,
    /// What each application does.
    pub caller: Caller,
    /// What goes wrong with the clocks.
    pub clock: ClockFaults,
    /// What goes wrong on the way and in the service, and how often.
    pub faults: Faults,
    /// How the stream changes.
    pub changes: Changes,
    /// The settings of each engine.
    pub settings: Settings,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            seed: 0,
            producers: NonZeroU32::MIN,
            shards: NonZeroU32::MIN,
            throttling: true,
            latency_ms: (20, 60),
            list_page: 1_000,
            map_denied: false,
            caller: Caller::default(),
            clock: ClockFaults::default(),
            faults: Faults::default(),
            changes: Changes::default(),
            settings: Settings::default(),
        }
    }
}

impl Plan {
    /// The plan that a seed stands for: sizes, settings and faults are all drawn, so that unusual
    /// combinations are met as often as usual ones. Each part draws from numbers of its own: a new draw in one does not
    /// change the others.
    pub fn draw(seed: u64) -> Self {
        let rng = |part| Rng::new(seed, part);
        let caller = Caller::draw(&mut rng("plan-caller"));
        let settings = Settings::draw(caller.sizes.1, &mut rng("plan-settings"));
        let faults = Faults::draw(&mut rng("plan-faults"));
        let rng = &mut rng("plan");
        Self {
            seed,
            producers: NonZeroU32::new(rng.pick(&[1, 1, 1, 2, 3])).unwrap_or(NonZeroU32::MIN),
            shards: NonZeroU32::new(rng.up_to(&[1, 2, 8, 64])).unwrap_or(NonZeroU32::MIN),
            throttling: rng.happens(Chance::percent(70)),
            latency_ms: rng.pick(&[(0, 0), (1, 5), (10, 60), (1, 900)]),
            list_page: rng.pick(&[1, 7, 1_000, 1_000]),
            map_denied: rng.happens(Chance::percent(7)),
            caller,
            clock: ClockFaults::draw(&mut Rng::new(seed, "plan-clock")),
            faults,
            changes: Changes::draw(&mut Rng::new(seed, "plan-changes")),
            settings,
        }
    }

    /// The plan of "resend only those": `records` records of 200 bytes from a file into `shards`
    /// shards that throttle, put as fast as there is room.
    pub fn load(seed: u64, records: u32, shards: NonZeroU32) -> Self {
        let caller = Caller {
            burst: records,
            keys: records,
            pause_ms: 0,
            records,
            sizes: (200, 200),
            ..Caller::default()
        };
        // Nothing is aggregated, so that an entry is a record.
        let settings = Settings { aggregation: false, ttl_ms: None, ..Settings::default() };
        Self { caller, seed, settings, shards, ..Self::default() }
    }
}
