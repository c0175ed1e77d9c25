use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::num::NonZeroU32;
use core::time::Duration;

use headwaters_engine::Instant;
use headwaters_engine::wire::HashKey;
use headwaters_model::{Distribution, Handover, MaxRecordSize, Stream};
use serde::{Deserialize, Serialize};

use crate::rng::{Chance, Rng, millis};
use crate::sometimes::Sometimes;

/// How the stream changes.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[non_exhaustive]
#[serde(default, deny_unknown_fields)]
pub struct Changes {
    /// Whether the service distributes records over the shards by itself from the beginning, whatever their keys.
    pub auto: bool,
    /// How often that changes.
    pub distributions: u32,
    /// How often the number of shards doubles, as that of an on-demand stream does.
    pub doublings: u32,
    /// Longest time during which parents go on while a change is under way, in milliseconds.
    pub handover_ms: u64,
    /// Longest time before the first change, and between two, in milliseconds.
    pub pause_ms: u64,
    /// How often shards are split or merged, at most; some of these changes are refused because another one is under way.
    pub reshards: u32,
    /// How often the largest record that the stream takes changes.
    pub sizes: u32,
}

/// Most shards that a change leads to.
const SHARDS_MAX: u64 = 70;

impl Changes {
    pub(crate) fn draw(rng: &mut Rng) -> Self {
        Self {
            auto: rng.happens(Chance::percent(4)),
            distributions: rng.pick(&[0, 0, 0, 0, 0, 0, 0, 0, 1, 4]),
            doublings: 0,
            handover_ms: rng.pick(&[1, 60, 400]),
            pause_ms: rng.pick(&[0, 8, 50, 500, 1_000, 2_000]),
            reshards: rng.pick(&[0, 1, 3, 12, 12]),
            sizes: rng.pick(&[0, 0, 0, 1, 3]),
        }
    }
}

/// Changes the stream, again and again.
#[derive(Debug)]
pub(crate) struct Changer {
    changes: Changes,
    /// What is left of the changes.
    left: Vec<Kind>,
    next: Instant,
    rng: Rng,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Distribution,
    Doubling,
    Reshard,
    Size,
}

impl Changer {
    pub(crate) fn new(seed: u64, changes: Changes) -> Self {
        let mut rng = Rng::new(seed, "changes");
        let Changes { distributions, doublings, reshards, sizes, .. } = changes;
        let mut left = Vec::new();
        for (count, kind) in [
            (distributions, Kind::Distribution),
            (doublings, Kind::Doubling),
            (reshards, Kind::Reshard),
            (sizes, Kind::Size),
        ] {
            for _ in 0..count {
                left.insert(rng.range(0, left.len() as u64) as usize, kind);
            }
        }
        let next = rng.time_after(Instant::ZERO, millis(changes.pause_ms));
        Self { changes, left, next, rng }
    }

    /// When the next change comes.
    pub(crate) fn next_at(&self) -> Option<Instant> {
        (!self.left.is_empty()).then_some(self.next)
    }

    /// Makes the next change if its time has come; says what it was.
    pub(crate) fn change(
        &mut self,
        stream: &mut Stream,
        sometimes: &mut Sometimes,
        now: Instant,
    ) -> Option<String> {
        self.next_at().filter(|next| *next <= now)?;
        let kind = self.left.pop()?;
        self.next = self.rng.time_after(now, millis(self.changes.pause_ms));
        Some(match kind {
            Kind::Distribution => self.redistribute(stream, sometimes, now),
            Kind::Doubling => self.double(stream, now),
            Kind::Reshard => self.reshard(stream, sometimes, now),
            Kind::Size => self.resize(stream, sometimes, now),
        })
    }

    fn redistribute(
        &mut self,
        stream: &mut Stream,
        sometimes: &mut Sometimes,
        now: Instant,
    ) -> String {
        let to = self.rng.pick(&[Distribution::Auto, Distribution::UserPartitionKey]);
        let done = stream.update_distribution(to, now.since(Instant::ZERO)).is_ok();
        sometimes.distribution_changed += u64::from(done);
        format!("distribution {to:?} done={done}")
    }

    /// The parents go on for a while.
    fn double(&mut self, stream: &mut Stream, now: Instant) -> String {
        let until = self.rng.time_after(now, millis(self.changes.handover_ms));
        let handover = Handover::ParentUntilDone { until: until.since(Instant::ZERO) };
        let before = stream.shards().len();
        let count = u32::try_from(before * 2).ok().and_then(NonZeroU32::new);
        let count = count.unwrap_or(NonZeroU32::MIN);
        let done = stream.update_shard_count(count, handover, now.since(Instant::ZERO)).is_ok();
        format!("doubling {handover:?} done={done} shards={before}->{count}")
    }

    /// The largest records of the producer may fit no more.
    fn resize(&mut self, stream: &mut Stream, sometimes: &mut Sometimes, now: Instant) -> String {
        let to = self.rng.pick(&[MaxRecordSize::DEFAULT, MaxRecordSize::MAX]);
        let done = stream.update_max_record_size(to, now.since(Instant::ZERO)).is_ok();
        sometimes.max_record_size_changed += u64::from(done);
        format!("max-record-size {} done={done}", to.bytes())
    }

    fn reshard(&mut self, stream: &mut Stream, sometimes: &mut Sometimes, now: Instant) -> String {
        let at = now.since(Instant::ZERO);
        let at_once = self.rng.range(0, 1) == 0;
        let handover = if at_once {
            Handover::ChildrenAtOnce
        } else {
            let until = self.rng.time_after(now, millis(self.changes.handover_ms));
            Handover::ParentUntilDone { until: until.since(Instant::ZERO) }
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
        format!("reshard {what} {handover:?} done={result} shards={before}->{after}")
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
