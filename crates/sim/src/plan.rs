use alloc::vec::Vec;
use core::num::NonZeroU32;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::caller::Caller;
use crate::changes::Changes;
use crate::clock::ClockFaults;
use crate::faults::Faults;
use crate::rng::{Chance, Rng, millis};
use crate::settings::{Retry, Settings};

/// Everything that a world is made of. Printed when a rule is broken, so that a seed explains itself.
///
/// A seed stands for a plan ([`Plan::draw`]), and a plan can be written by hand: in TOML, say, each field under its
/// name, where what is not named is as in [`Plan::default`], which is a stream of one shard on which nothing goes
/// wrong. Times are in milliseconds, chances in a million.
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
    /// Whether they count by the seconds of the clock, each of which begins anew, rather than with token buckets.
    pub windows: bool,
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
    /// From when until when each application puts, those of the first producers first; the others from the beginning
    /// until they have put all.
    pub shifts: Vec<Shift>,
}

/// From when until when an application puts records, in milliseconds of the world's time. At its end it asks for
/// everything back that has no outcome yet.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[expect(clippy::exhaustive_structs, reason = "a beginning and an end")]
#[serde(default, deny_unknown_fields)]
pub struct Shift {
    /// Its beginning.
    pub from_ms: u64,
    /// Its end; `None` if it goes on until it has put all.
    pub until_ms: Option<u64>,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            seed: 0,
            producers: NonZeroU32::MIN,
            shards: NonZeroU32::MIN,
            throttling: true,
            windows: false,
            latency_ms: (20, 60),
            list_page: 1_000,
            map_denied: false,
            caller: Caller::default(),
            clock: ClockFaults::default(),
            faults: Faults::default(),
            changes: Changes::default(),
            settings: Settings::default(),
            shifts: Vec::new(),
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
            windows: Rng::new(seed, "plan-windows").happens(Chance::percent(25)),
            latency_ms: rng.pick(&[(0, 0), (1, 5), (10, 60), (1, 900)]),
            list_page: rng.pick(&[1, 7, 1_000, 1_000]),
            map_denied: rng.happens(Chance::percent(7)),
            caller,
            clock: ClockFaults::draw(&mut Rng::new(seed, "plan-clock")),
            faults,
            changes: Changes::draw(&mut Rng::new(seed, "plan-changes")),
            settings,
            shifts: Vec::new(),
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

    /// How long a record may wait for its outcome, at most, once nothing goes wrong any more: one shard may have to
    /// take everything that all producers hold.
    pub(crate) fn patience(&self) -> Duration {
        let Self { caller, clock, settings, .. } = self;
        let most = if caller.resizes > 0 { caller.records } else { settings.bounds_records };
        let held = caller.records.min(most);
        let records = u64::from(held) * u64::from(self.producers.get());
        let bytes = records * u64::from(caller.sizes.1);
        // The slowest limiter lets half of what a shard takes pass, and of what it lets pass some is refused.
        let shard = Duration::from_secs(4 * (records / 500 + bytes / (512 << 10)));
        // Each in a request of its own, and what was under way comes first.
        let timeout = millis(settings.request_timeout_ms + settings.cancel_grace_ms);
        let latency = millis(self.latency_ms.1.min(settings.request_timeout_ms / 2));
        // Where order is kept and all have one key, each waits for the one before.
        let at_a_time = if settings.ordered { 1 } else { settings.max_requests_in_flight };
        let requests = latency * held / at_a_time + timeout * 4;
        let wait = match settings.retry {
            Retry::Exponential { cap_ms, .. } => millis(cap_ms),
            Retry::Kpl => Duration::ZERO,
            Retry::Linear { max_attempts, step_ms } => millis(step_ms) * max_attempts,
        };
        // A longest pause and a request that is lost, one after the other; then there are more of them with each answer.
        let outage = Duration::from_secs(5) * 2 + latency * settings.max_requests_in_flight;
        let budget = Duration::from_secs(10);
        let reading = millis(caller.outcomes.1) * (held / caller.outcomes.0.max(1) + 1);
        let stops = clock.backward + clock.freezes + clock.stalls + 1;
        let waking = (millis(clock.longest_ms) + millis(clock.resolution_ms) * 10) * stops;
        let requests = requests + outage;
        Duration::from_secs(60) + shard + requests + (wait + budget) * 4 + reading + waking
    }
}
