use core::time::Duration;

use crate::options::millis;
use crate::rng::{Chance, Rng};

/// What the application does.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Caller {
    /// Most records in a burst, put as fast as there is room.
    pub burst: u32,
    /// How it ends.
    pub ending: Ending,
    /// How many of the records have an explicit hash key.
    pub explicit_hash_keys: Chance,
    /// How many of the bursts are followed by a flush.
    pub flushes: Chance,
    /// Distinct partition keys; a few of them make hot shards.
    pub keys: u32,
    /// Longest pause between two bursts.
    pub pause: Duration,
    /// How many records it puts.
    pub records: u32,
    /// Smallest and largest payload, in bytes; at least 8.
    pub sizes: (u32, u32),
    /// How many of the records have a timing of their own.
    pub timings: Chance,
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

impl Caller {
    /// What a seed stands for, and the largest record that its stream has to take.
    pub(crate) fn draw(rng: &mut Rng) -> Self {
        let (records, largest) = draw_load(rng);
        let some = [Chance::NEVER, Chance::NEVER, Chance::percent(5), Chance::percent(50)];
        Self {
            burst: rng.up_to(&[1, 5, 30, 100, 1_000, 5_000]),
            ending: draw_ending(rng),
            explicit_hash_keys: rng.pick(&some),
            flushes: rng.pick(&some),
            keys: rng.up_to(&[1, 3, 50, 10_000]),
            pause: millis(rng.pick(&[0, 3, 50, 200, 400])),
            records,
            sizes: (8, largest),
            timings: rng.pick(&some),
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
    let within = Ending::CloseWithin(millis(rng.pick(&[0, 20, 2_000])));
    rng.pick(&[Ending::Close, Ending::Flush, Ending::Flush, within, Ending::Purge])
}
