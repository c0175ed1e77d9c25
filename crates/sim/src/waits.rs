use alloc::vec::Vec;

use headwaters_engine::wire::{HashKey, HashKeyRange};
use headwaters_engine::{Completion, Instant, Outcome};
use headwaters_model::Stream;

use crate::checker::Checker;
use crate::latencies::Latencies;

/// How long stored records waited for their outcomes.
#[derive(Debug)]
pub(crate) struct Waits {
    pub(crate) all: Latencies,
    /// Of those in none of the ranges in trouble.
    pub(crate) beside: Latencies,
    /// The shards, as they are at the start, that are dead or hot.
    in_trouble: Vec<HashKeyRange>,
}

impl Waits {
    pub(crate) fn new(dead_shards: u32, hot: Option<HashKey>, stream: &Stream) -> Self {
        let hot = hot.map(|hash_key| stream.shard_of(hash_key).range());
        let dead = stream.shards().iter().take(dead_shards as usize).map(|shard| shard.range());
        Self {
            all: Latencies::default(),
            beside: Latencies::default(),
            in_trouble: dead.chain(hot).collect(),
        }
    }

    /// Records have their outcome, at `time` of the world's.
    pub(crate) fn note(&mut self, completion: &Completion, checker: &Checker, time: Instant) {
        if !matches!(completion.outcome, Outcome::Stored { .. }) {
            return;
        }
        for (accepted, hash_key) in
            completion.tokens.iter().filter_map(|&token| checker.put_at(token))
        {
            let waited = time.since(accepted);
            self.all.note(waited);
            if !self.in_trouble.iter().any(|range| range.contains(hash_key)) {
                self.beside.note(waited);
            }
        }
    }
}
