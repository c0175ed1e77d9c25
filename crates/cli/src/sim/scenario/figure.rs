use core::ops::Range;

use headwaters::EngineStats;
use headwaters_sim::{Latencies, Plan, Report, Traffic};
use serde::{Deserialize, Serialize};

use crate::shards::shard_seconds;

/// What a scenario is judged by. Parts are of 1.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Figure {
    /// Attempts per record: those that were put back for another one count once more.
    Amplification,
    /// The most that reached the service in one of the seconds that count, as a part of what the stream promises for
    /// a second.
    Burst,
    /// How long it took after an outage until a twentieth as many records were open as had piled up.
    CaughtUpS,
    /// Copies that consumers see beyond the first of each record, for each record.
    Duplicates,
    /// The part of what the stream promises that was stored in the seconds that count: of bytes or of records, whichever is
    /// more.
    Goodput,
    /// Jain's index of what was stored for each producer in the seconds that count: 1 if all had the same.
    Jain,
    /// The same as the next, of the records whose shards are neither dead nor hot.
    P99BesideMs,
    /// The 99th percentile of the times from acceptance to outcome, of stored records.
    P99Ms,
    /// How long it took after an outage until all that had piled up had its outcome.
    RecoveryS,
    /// Requests per thousand records.
    Requests,
    /// The part of the records that was stored for certain.
    Stored,
    /// Of the entries that reached the service in the seconds that count, the part that was throttled.
    Waste,
}

impl Figure {
    /// As it is written in a file.
    pub(super) fn name(self) -> String {
        let name = serde_json::to_value(self).expect("it is a word");
        name.as_str().map(String::from).unwrap_or_default()
    }

    /// What it is, for people.
    pub(super) const fn about(self) -> &'static str {
        match self {
            Self::Amplification => "attempts per record",
            Self::Burst => "the most in one second, as a part of what the stream promises",
            Self::CaughtUpS => {
                "from the end of the outage until nearly all that had piled up was through"
            }
            Self::Duplicates => "copies beyond the first, per record",
            Self::Goodput => "stored, as a part of what the stream promises",
            Self::Jain => "fairness: 1 if all producers had the same",
            Self::P99BesideMs => {
                "99th percentile from acceptance to outcome, beside hot and dead shards"
            }
            Self::P99Ms => "99th percentile from acceptance to outcome",
            Self::RecoveryS => {
                "from the end of the outage until all that had piled up had its outcome"
            }
            Self::Requests => "requests per thousand records",
            Self::Stored => "part of the records that is stored for certain",
            Self::Waste => "part of the entries that was throttled",
        }
    }
}

/// A world that was lived through, and what counts of it.
#[derive(Debug)]
pub(super) struct Life<'a> {
    pub(super) plan: &'a Plan,
    pub(super) report: &'a Report,
    pub(super) seconds: Range<u64>,
}

impl Life<'_> {
    /// Not a number if there was nothing to measure.
    pub(super) fn measure(&self, figure: Figure) -> f64 {
        let Report { beside, caught_up, duplicates, latencies, recovery, .. } = self.report;
        match figure {
            Figure::Amplification => 1.0 + self.sum(|stats| stats.requeued) / self.accepted(),
            Figure::Burst => self.burst(),
            Figure::CaughtUpS => caught_up.as_secs_f64(),
            Figure::Duplicates => *duplicates as f64 / self.accepted(),
            Figure::Goodput => self.goodput(),
            Figure::Jain => self.jain(),
            Figure::P99BesideMs => p99_ms(beside),
            Figure::P99Ms => p99_ms(latencies),
            Figure::RecoveryS => recovery.as_secs_f64(),
            Figure::Requests => self.sum(|stats| stats.requests) * 1_000.0 / self.accepted(),
            Figure::Stored => self.sum(|stats| stats.stored) / self.accepted(),
            Figure::Waste => {
                let Traffic { stored, throttled, .. } = self.traffic();
                throttled as f64 / (stored + throttled) as f64
            }
        }
    }

    fn sum(&self, of: impl Fn(&EngineStats) -> u64) -> f64 {
        self.report.stats.iter().map(of).sum::<u64>() as f64
    }

    fn accepted(&self) -> f64 {
        self.sum(|stats| stats.accepted)
    }

    /// What each producer had in the seconds that count.
    fn each(&self) -> Vec<Traffic> {
        let sum = |seconds: &std::collections::BTreeMap<u64, Traffic>| {
            let mut sum = Traffic::default();
            seconds.range(self.seconds.clone()).for_each(|(_, traffic)| sum.add(*traffic));
            sum
        };
        self.report.traffic.iter().map(sum).collect()
    }

    fn traffic(&self) -> Traffic {
        let mut sum = Traffic::default();
        self.each().into_iter().for_each(|traffic| sum.add(traffic));
        sum
    }

    /// As a part of what the stream promises for a second.
    fn part(&self, records: u64, bytes: u64) -> f64 {
        shard_seconds(records, bytes) / f64::from(self.plan.shards.get())
    }

    fn burst(&self) -> f64 {
        let part = |second: u64| {
            let mut sum = Traffic::default();
            let of = self.report.traffic.iter().filter_map(|seconds| seconds.get(&second));
            of.for_each(|traffic| sum.add(*traffic));
            self.part(sum.stored + sum.throttled, sum.stored_bytes + sum.throttled_bytes)
        };
        let last = self.report.time.as_secs().min(self.seconds.end);
        (self.seconds.start..=last).map(part).fold(0.0, f64::max)
    }

    fn goodput(&self) -> f64 {
        let Traffic { stored, stored_bytes, .. } = self.traffic();
        let seconds = self.seconds.end.saturating_sub(self.seconds.start);
        self.part(stored, stored_bytes) / seconds as f64
    }

    fn jain(&self) -> f64 {
        let used: Vec<f64> =
            self.each().iter().map(|one| self.part(one.stored, one.stored_bytes)).collect();
        let sum: f64 = used.iter().sum();
        let squares: f64 = used.iter().map(|used| used * used).sum();
        sum * sum / (squares * used.len() as f64)
    }
}

fn p99_ms(of: &Latencies) -> f64 {
    of.quantile(990_000).as_secs_f64() * 1_000.0
}
