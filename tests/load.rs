//! "PutRecords failed for some records: resend only those": half a million records into 64 shards that
//! throttle. The service's ledger is the proof.
#![expect(clippy::print_stdout, reason = "the figures, for those who ask with --nocapture")]

use core::num::NonZeroU32;
use core::time::Duration;

use headwaters_sim::{Chance, Faults, Plan, RateLimit, Report, Retry, run};

const RECORDS: u32 = 500_000;
const SHARDS: u32 = 64;

/// The world's checker already holds that nothing is sent again after its outcome, that everything `Stored`
/// is in the ledger and nothing `NotStored` is, and that each duplicate has an attempt that explains it.
fn load(
    rate_limit: RateLimit,
    retry: Retry,
    shards: u32,
    faults: impl FnOnce(&mut Faults),
) -> Report {
    let shards = NonZeroU32::new(shards).expect("not zero");
    let mut plan = Plan::load(1, RECORDS, shards);
    (plan.settings.rate_limit, plan.settings.retry) = (rate_limit, retry);
    faults(&mut plan.faults);
    let report = run(&plan).unwrap_or_else(|failure| panic!("{failure}"));
    println!("{report:#?}");
    let stats = report.stats[0];
    println!("{:.3} attempts per record", stats.entries as f64 / stats.accepted as f64);
    assert_eq!(stats.accepted, u64::from(RECORDS));
    assert_eq!(stats.accepted, stats.stored + stats.not_stored + stats.maybe_stored);
    assert!(stats.throttled > 0, "the shards had to push back");
    report
}

fn kpl(faults: impl FnOnce(&mut Faults)) -> Report {
    let report = load(KPL_RATE, Retry::Kpl, SHARDS, faults);
    assert_eq!(
        report.stats[0].stored,
        u64::from(RECORDS),
        "without an end to retries all is stored"
    );
    // The shards take 64,000 records at once and 64,000 in each second.
    assert!(report.time > Duration::from_millis(6_800), "the limits of the shards were kept");
    report
}

/// Ten attempts, and a wait of 100 ms times the number of those made.
const LINEAR: Retry = Retry::Linear { max_attempts: 10, step_ms: 100 };

const KPL_RATE: RateLimit = RateLimit::Fixed { percent: 150 };

fn linear(faults: impl FnOnce(&mut Faults)) -> Report {
    load(KPL_RATE, LINEAR, SHARDS, faults)
}

fn exactly_once(report: &Report) {
    assert_eq!(report.duplicates, 0);
    assert_eq!(report.stored, report.stats[0].stored);
}

#[test]
fn with_the_kpls_rule_all_is_stored_exactly_once() {
    let report = kpl(|_| {});
    exactly_once(&report);
    // The limiter lets half as much again leave as the shards take, so every third entry is one too many. Without
    // it, what does not fit would be sent again and again.
    assert!(report.stats[0].entries < u64::from(RECORDS) * 16 / 10, "{}", report.stats[0].entries);
}

#[test]
fn with_linear_retries_all_is_stored_or_reported() {
    exactly_once(&linear(|_| {}));
}

/// So few shards that the load takes a minute: the limiter holds it back, and ten attempts are enough for all.
#[test]
fn with_too_few_shards_the_limiter_waits() {
    let report = load(KPL_RATE, LINEAR, 8, |_| {});
    assert_eq!(report.stats[0].stored, u64::from(RECORDS));
    exactly_once(&report);
}

/// Without a limiter ten attempts are not enough for many records: those are reported, and the rest is stored.
#[test]
fn without_a_limiter_the_rest_is_reported() {
    let report = load(RateLimit::Off, LINEAR, 8, |_| {});
    assert!(
        report.stats[0].stored > 8 * 5_000 && report.stats[0].not_stored > u64::from(RECORDS) / 4
    );
    exactly_once(&report);
}

/// An entry that fails for no reason of the shard's is stored by a later attempt. `InternalFailure` leaves
/// open whether it was stored; here it never is, so there are no duplicates.
#[test]
fn with_entry_failures() {
    let five_percent = |faults: &mut Faults| faults.entry_failure = Chance::percent(5);
    exactly_once(&kpl(five_percent));
    exactly_once(&linear(five_percent));
}

#[test]
fn with_whole_request_failures() {
    let one_percent = |faults: &mut Faults| faults.request_failure = Chance::percent(1);
    exactly_once(&kpl(one_percent));
    exactly_once(&linear(one_percent));
}

/// A lost answer is the one thing that no producer can see through: its records may be stored twice, and
/// each of them says so.
#[test]
fn with_lost_answers() {
    let one_percent = |faults: &mut Faults| faults.lost_answer = Chance::percent(1);
    for report in [kpl(one_percent), linear(one_percent)] {
        assert!(report.lost_answers > 0 && report.duplicates > 0);
        assert!(report.duplicates <= report.lost_answers);
    }
}
