use serde::{Deserialize, Serialize};

use crate::rng::{Chance, Rng};

/// What the application does.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[non_exhaustive]
#[serde(default, deny_unknown_fields)]
pub struct Caller {
    /// After how many of the bursts it ends, with records left that it then puts in vain.
    pub ends_early: Chance,
    /// Most records in a burst, put as fast as there is room.
    pub burst: u32,
    /// How it ends.
    pub ending: Ending,
    /// How many of the records have an explicit hash key.
    pub explicit_hash_keys: Chance,
    /// How many of the bursts are followed by a flush.
    pub flushes: Chance,
    /// How many of the records have the first of the keys, so that its shard is hot; the others have any.
    pub hot: Chance,
    /// Distinct partition keys; a few of them make hot shards.
    pub keys: u32,
    /// How many outcomes it takes at once before it is busy with something else, and for how long at most, in
    /// milliseconds. (0, 0) if it is never too busy.
    pub outcomes: (u32, u64),
    /// Longest pause between two bursts, in milliseconds.
    pub pause_ms: u64,
    /// How many of the bursts are followed by a purge, after which it goes on putting.
    pub purges: Chance,
    /// How many records it puts.
    pub records: u32,
    /// How often what its engine may hold changes, half a second after the last time or sooner.
    pub resizes: u32,
    /// Smallest and largest payload, in bytes; at least 8.
    pub sizes: (u32, u32),
    /// How many of the records have a timing of their own.
    pub timings: Chance,
}

/// How the application ends.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[expect(clippy::exhaustive_enums, reason = "the ways there are")]
pub enum Ending {
    /// It closes after the last record and waits for the end.
    Close,
    /// It closes and gives this many milliseconds.
    CloseWithin(u64),
    /// It flushes, waits for that, and closes.
    Flush,
    /// It asks for everything back.
    Purge,
}

impl Default for Caller {
    /// A hundred records a second for ten seconds.
    fn default() -> Self {
        Self {
            burst: 1,
            ending: Ending::Close,
            ends_early: Chance::NEVER,
            explicit_hash_keys: Chance::NEVER,
            flushes: Chance::NEVER,
            hot: Chance::NEVER,
            keys: 1_000,
            outcomes: (0, 0),
            pause_ms: 20,
            purges: Chance::NEVER,
            records: 1_000,
            resizes: 0,
            sizes: (100, 100),
            timings: Chance::NEVER,
        }
    }
}

impl Caller {
    /// What a seed stands for, and the largest record that its stream has to take.
    pub(crate) fn draw(rng: &mut Rng) -> Self {
        let (records, largest) = draw_load(rng);
        let some = [Chance::NEVER, Chance::NEVER, Chance::percent(5), Chance::percent(50)];
        let never = Chance::NEVER;
        let rarely = [never, never, never, never, never, Chance::percent(2), Chance::percent(20)];
        Self {
            burst: rng.up_to(&[1, 5, 30, 100, 1_000, 5_000]),
            ending: draw_ending(rng),
            ends_early: rng.pick(&rarely),
            explicit_hash_keys: rng.pick(&some),
            flushes: rng.pick(&some),
            hot: Chance::NEVER,
            keys: rng.up_to(&[1, 3, 50, 10_000]),
            outcomes: rng.pick(&[(0, 0), (0, 0), (0, 0), (1, 2), (40, 60), (500, 2_000)]),
            pause_ms: rng.pick(&[0, 3, 50, 200, 400]),
            purges: rng.pick(&rarely),
            records,
            sizes: (8, largest),
            timings: rng.pick(&some),
            // What came later is drawn last, so that older draws mean the same.
            resizes: rng.pick(&[0, 0, 0, 0, 0, 0, 1, 8]),
        }
    }
}

/// How many records, and how large they may be: few large ones or many small ones, so that one shard can
/// take them all in a few seconds and no world lasts longer than its faults make it.
fn draw_load(rng: &mut Rng) -> (u32, u32) {
    if rng.happens(Chance::percent(5)) {
        return (rng.up_to(&[1, 6]), 3_000_000);
    }
    if rng.happens(Chance::percent(15)) {
        return (rng.up_to(&[1, 10, 60]), 100_000);
    }
    (rng.up_to(&[1, 10, 300, 2_000, 3_000]), rng.pick(&[20, 600, 600]))
}

fn draw_ending(rng: &mut Rng) -> Ending {
    let within = Ending::CloseWithin(rng.pick(&[0, 20, 2_000]));
    rng.pick(&[Ending::Close, Ending::Flush, Ending::Flush, within, Ending::Purge])
}
