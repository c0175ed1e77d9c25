use alloc::collections::{BTreeMap, VecDeque};
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use headwaters_engine::{Instant, ShardStats, Stats};

use crate::checker::Copies;
use crate::latencies::Latencies;
use crate::plan::Plan;
use crate::producer::Producer;
use crate::service::Service;
use crate::sometimes::Sometimes;

/// What became of a world in which no rule was broken.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Report {
    /// Records that had no outcome when the outage ended.
    pub backlog: u64,
    /// From acceptance to outcome, the times of those stored records for whose shards nothing is dead or hot.
    pub beside: Latencies,
    /// How long it took then until a twentieth as many were open, with those that came later.
    pub caught_up: Duration,
    /// Copies of records that consumers see beyond the first of each.
    pub duplicates: u64,
    /// Copies that were stored and that consumers do not see, for they were in an aggregate of which not all
    /// members belong to the shard.
    pub hidden: u64,
    /// From acceptance to outcome, the times of all stored records.
    pub latencies: Latencies,
    /// Entries that were stored in requests whose answers were lost.
    pub lost_answers: u64,
    /// How long it took then until all of these had one.
    pub recovery: Duration,
    /// What it met of what is hard to get right.
    pub sometimes: Sometimes,
    /// Each engine's figures at the end.
    pub stats: Vec<Stats>,
    /// Kinesis records in the service's ledger.
    pub stored: u64,
    /// How much time went by in the world.
    pub time: Duration,
    /// How often all engines waited: each time everything that must hold then was looked at.
    pub waits: u64,
    /// What reached the service of each producer, by the second of the world in which it did.
    pub traffic: Vec<BTreeMap<u64, Traffic>>,
    /// What each engine says of the shards at the end.
    pub shards: Vec<Vec<ShardStats>>,
}

/// What the service did with entries of requests that it took.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Traffic {
    /// Entries that were stored.
    pub stored: u64,
    /// Their bytes.
    pub stored_bytes: u64,
    /// Entries that were throttled.
    pub throttled: u64,
    /// Their bytes.
    pub throttled_bytes: u64,
}

impl Traffic {
    /// Adds what else there was.
    pub const fn add(&mut self, other: Self) {
        self.stored += other.stored;
        self.stored_bytes += other.stored_bytes;
        self.throttled += other.throttled;
        self.throttled_bytes += other.throttled_bytes;
    }
}

impl Report {
    pub(crate) fn new(now: Instant, service: &Service) -> Self {
        Self {
            backlog: 0,
            beside: Latencies::default(),
            caught_up: Duration::ZERO,
            duplicates: 0,
            hidden: 0,
            latencies: Latencies::default(),
            lost_answers: 0,
            recovery: Duration::ZERO,
            sometimes: service.sometimes,
            stats: Vec::new(),
            stored: service.stored,
            time: now.since(Instant::ZERO),
            waits: 0,
            traffic: Vec::new(),
            shards: Vec::new(),
        }
    }

    pub(crate) fn add(&mut self, producer: &Producer, copies: Copies) {
        self.backlog += producer.recovery.backlog();
        self.beside.add(&producer.waits.beside);
        self.caught_up = self.caught_up.max(producer.recovery.caught_up());
        self.recovery = self.recovery.max(producer.recovery.took());
        self.duplicates += copies.duplicates;
        self.hidden += copies.hidden;
        self.latencies.add(&producer.waits.all);
        self.lost_answers += producer.network.lost_answers;
        self.sometimes.add(&producer.checker.sometimes);
        self.stats.push(producer.engine.stats());
        self.waits += producer.checker.wait_count();
        self.traffic.push(producer.network.traffic.clone());
        self.shards.push(producer.engine.shard_stats().collect());
    }
}

/// A rule that was broken.
#[derive(Debug)]
#[non_exhaustive]
pub struct Failure {
    /// Which rule, and by what.
    pub broken: String,
    /// The last events and actions before it.
    pub lines: VecDeque<String>,
    /// The world in which it happened.
    pub plan: Plan,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { broken, lines, plan } = self;
        writeln!(f, "{plan:#?}")?;
        lines.iter().try_for_each(|line| writeln!(f, "{line}"))?;
        writeln!(f, "seed {}: {broken}", plan.seed)?;
        if *plan != Plan::draw(plan.seed) {
            return f.write_str("again: run this plan");
        }
        write!(f, "again: headwaters sim replay {}", plan.seed)
    }
}

impl core::error::Error for Failure {}
