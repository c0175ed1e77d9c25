use alloc::string::String;
use core::num::NonZeroU32;
use core::time::Duration;

use headwaters_engine::Instant;
use headwaters_engine::wire::HashKey;
use headwaters_model::{Handover, Stream};
use serde::{Deserialize, Serialize};

use crate::rng::{Rng, millis};
use crate::sometimes::Sometimes;

/// How the shards of a world change.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[non_exhaustive]
#[serde(default, deny_unknown_fields)]
pub struct Reshards {
    /// How many changes there are at most; some are refused because another one is under way.
    pub count: u32,
    /// Longest time during which parents go on while a change is under way, in milliseconds.
    pub handover_ms: u64,
    /// Longest time before the first change, and between two, in milliseconds.
    pub pause_ms: u64,
}

/// Most shards that a change leads to.
const SHARDS_MAX: u64 = 70;

impl Reshards {
    pub(crate) fn draw(rng: &mut Rng) -> Self {
        Self {
            count: rng.pick(&[0, 1, 3, 12, 12]),
            handover_ms: rng.pick(&[1, 60, 400]),
            pause_ms: rng.pick(&[0, 8, 50, 500, 1_000, 2_000]),
        }
    }
}

/// Changes the shards, one after the other.
#[derive(Debug)]
pub(crate) struct Resharder {
    left: u32,
    next: Instant,
    reshards: Reshards,
    rng: Rng,
}

impl Resharder {
    pub(crate) fn new(seed: u64, reshards: Reshards) -> Self {
        let mut resharder = Self {
            left: reshards.count,
            next: Instant::ZERO,
            reshards,
            rng: Rng::new(seed, "reshards"),
        };
        resharder.next = resharder.rng.time_after(Instant::ZERO, millis(reshards.pause_ms));
        resharder
    }

    /// When the next change comes.
    pub(crate) fn next_at(&self) -> Option<Instant> {
        (self.left > 0).then_some(self.next)
    }

    /// Makes the next change if its time has come; says what it was.
    pub(crate) fn change(
        &mut self,
        stream: &mut Stream,
        sometimes: &mut Sometimes,
        now: Instant,
    ) -> Option<String> {
        self.next_at().filter(|next| *next <= now)?;
        self.left -= 1;
        self.next = self.rng.time_after(now, millis(self.reshards.pause_ms));
        let at = now.since(Instant::ZERO);
        let at_once = self.rng.range(0, 1) == 0;
        let handover = if at_once {
            Handover::ChildrenAtOnce
        } else {
            let until =
                self.rng.time_after(now, millis(self.reshards.handover_ms)).since(Instant::ZERO);
            Handover::ParentUntilDone { until }
        };
        let [shards, before] = [stream.shards().len() as u64; 2];
        let (what, result) = match self.rng.range(0, 9) {
            0..=4 if shards < SHARDS_MAX => ("split", self.split(stream, handover, at)),
            5..=7 if shards > 1 => ("merge", self.merge(stream, handover, at)),
            _ => ("count", self.update_count(stream, handover, at)),
        };
        if result {
            *match (what, at_once) {
                ("split", true) => &mut sometimes.split_at_once,
                ("split", false) => &mut sometimes.split_handed_over,
                ("merge", true) => &mut sometimes.merge_at_once,
                ("merge", false) => &mut sometimes.merge_handed_over,
                (_, true) => &mut sometimes.count_updated_at_once,
                (_, false) => &mut sometimes.count_updated_handed_over,
            } += 1;
        }
        let after = stream.shards().len();
        Some(alloc::format!("reshard {what} {handover:?} done={result} shards={before}->{after}"))
    }

    fn split(&mut self, stream: &mut Stream, handover: Handover, at: Duration) -> bool {
        let shard = self.rng.pick(stream.shards());
        let (start, end) = (shard.range().start().value(), shard.range().end().value());
        // In the middle, or anywhere: children may be small.
        let anywhere = self.rng.range(1, 63);
        let share = self.rng.pick(&[32, anywhere]);
        let key = start + (end - start) / 64 * u128::from(share);
        stream.split(shard.id(), HashKey::new(key), handover, at).is_ok()
    }

    fn merge(&mut self, stream: &mut Stream, handover: Handover, at: Duration) -> bool {
        let shards = stream.shards();
        let lower = self.rng.range(0, shards.len() as u64 - 2) as usize;
        let (one, other) = (shards[lower].id().clone(), shards[lower + 1].id().clone());
        stream.merge(&one, &other, handover, at).is_ok()
    }

    fn update_count(&mut self, stream: &mut Stream, handover: Handover, at: Duration) -> bool {
        let most = (stream.shards().len() as u64 * 2).min(SHARDS_MAX);
        let count = u32::try_from(self.rng.range(1, most)).ok().and_then(NonZeroU32::new);
        stream.update_shard_count(count.unwrap_or(NonZeroU32::MIN), handover, at).is_ok()
    }
}
