//! A minute in which the service does not answer, under 90 percent of the load that the stream takes: how much is sent in
//! vain, and how long it takes until what has piled up is stored. The same with the KPL's settings, for comparison.
#![expect(clippy::print_stdout, reason = "the figures, for those who ask with --nocapture")]

use core::num::NonZeroU32;
use core::time::Duration;

use headwaters_sim::{
    Chance, Kind, Line, Outage, Plan, RateLimit, Report, Retry, Settings, Watch, watch,
};

const SHARDS: u32 = 4;
/// What the shards take in a second, in bytes.
const CAPACITY: u64 = SHARDS as u64 * 1024 * 1024;
/// With a record every 27.5 ms, 90 percent of the capacity.
const RECORD_BYTES: u32 = 103_800;
const PAUSE_MS: u64 = 55;
const LOAD: u64 = RECORD_BYTES as u64 * 2_000 / PAUSE_MS;
/// When the outage begins and ends.
const OUTAGE_MS: (u64, u64) = (10_000, 70_000);
/// So many that they are put until long after: 690 s.
const RECORDS: u32 = 25_000;

fn plan(outage: Outage, settings: Settings) -> Plan {
    let mut plan = Plan::default();
    plan.shards = NonZeroU32::new(SHARDS).expect("not zero");
    plan.settings = settings;
    // Random ones: each shard gets its part.
    plan.caller.explicit_hash_keys = Chance::percent(100);
    plan.caller.pause_ms = PAUSE_MS;
    plan.caller.records = RECORDS;
    plan.caller.sizes = (RECORD_BYTES, RECORD_BYTES);
    (plan.faults.outage, plan.faults.outage_ms) = (outage, OUTAGE_MS);
    plan
}

/// Settings under which an entry is a record, and what piles up can be held.
fn patient() -> Settings {
    let mut settings = Settings::default();
    (settings.aggregation, settings.bounds_bytes, settings.ttl_ms) = (false, u32::MAX, None);
    settings
}

/// What is sent after the outage, second by second.
#[derive(Default)]
struct Seconds {
    bytes: Vec<u64>,
    requests: u64,
}

impl Watch for Seconds {
    fn see(&mut self, line: Line<'_>) {
        let Some(after) = line.at.as_nanos().checked_sub(OUTAGE_MS.0 * 1_000_000) else { return };
        let what = if line.kind == Kind::Action { line.what.to_string() } else { return };
        if !what.starts_with("send-batch") {
            return;
        }
        if line.at.as_nanos() < OUTAGE_MS.1 * 1_000_000 {
            self.requests += 1;
        }
        let bytes = what.rsplit_once("bytes=").expect("a request has bytes").1;
        let second = usize::try_from(after / 1_000_000_000).expect("a short world");
        self.bytes.resize(self.bytes.len().max(second + 1), 0);
        self.bytes[second] += bytes.parse::<u64>().expect("a number");
    }
}

struct Figures {
    amplification: f64,
    report: Report,
    /// The most that was sent in a second after the outage, in percent of the capacity.
    burst: u64,
}

/// Lives through an outage. The world's checker holds that nothing is lost, and that no shard is sent more in any time
/// than its limiter allows.
fn live(name: &str, outage: Outage, settings: Settings) -> Figures {
    let mut seconds = Seconds::default();
    let report = watch(&plan(outage, settings), &mut seconds).unwrap_or_else(|f| panic!("{f}"));
    let stats = report.stats[0];
    let amplification = stats.entries as f64 / stats.accepted as f64;
    let outage = usize::try_from((OUTAGE_MS.1 - OUTAGE_MS.0) / 1_000).expect("a minute");
    let burst = seconds.bytes[outage..].iter().max().map_or(0, |bytes| bytes * 100 / CAPACITY);
    println!(
        "{name:24} requests in the outage {:6}  attempts per record {amplification:.3}  put off {:5}  \
         throttled {:6}  backlog {:5}  stored after {:4} s  caught up after {:4} s  most in a second {burst} %",
        seconds.requests,
        stats.retries_put_off,
        stats.throttled,
        report.backlog,
        report.recovery.as_secs(),
        report.caught_up.as_secs(),
    );
    assert_eq!(stats.stored, u64::from(RECORDS), "nothing is lost");
    Figures { amplification, report, burst }
}

fn ours() -> Settings {
    // As much as the shards take: with more, throttles would hide what the outage costs.
    let mut settings = patient();
    settings.rate_limit = RateLimit::Fixed { percent: 100 };
    settings
}

fn kpl() -> Settings {
    let mut settings = patient();
    settings.outage_probes = false;
    settings.rate_limit = RateLimit::Fixed { percent: 150 };
    settings.retry = Retry::Kpl;
    settings.retry_budget_percent = 0;
    settings
}

fn outage_is_cheap(name: &str, outage: Outage) {
    let figures = live(name, outage, ours());
    assert!(figures.amplification <= 1.1, "{}", figures.amplification);
    let backlog = figures.report.backlog * u64::from(RECORD_BYTES);
    // What was put first leaves first: with all that the shards take, while the load goes on behind it.
    let [longest, until_usual] =
        [CAPACITY, CAPACITY - LOAD].map(|rate| Duration::from_secs(2 * backlog / rate));
    assert!(figures.report.backlog > 1_000, "{} records piled up", figures.report.backlog);
    let Report { recovery, caught_up, .. } = figures.report;
    assert!(!recovery.is_zero() && recovery <= longest, "{recovery:?} of {longest:?}");
    assert!(!caught_up.is_zero() && caught_up <= until_usual, "{caught_up:?} of {until_usual:?}");
    // A second's worth that was saved, and what flows in a second.
    assert!(figures.burst <= 200, "{} %", figures.burst);
    live(&format!("{name}, as the KPL"), outage, kpl());
}

#[test]
fn requests_are_refused() {
    outage_is_cheap("refused", Outage::Refused);
}

#[test]
fn requests_are_lost() {
    outage_is_cheap("lost", Outage::Lost);
}

#[test]
fn requests_are_not_answered() {
    outage_is_cheap("not answered", Outage::Silent);
}
