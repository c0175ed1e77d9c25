//! "PutRecords failed for some records: resend only those": half a million records into 64 shards that
//! throttle. The service's ledger is the proof.
#![expect(clippy::print_stdout, reason = "the figures, for those who ask with --nocapture")]

use core::num::NonZeroU32;
use core::time::Duration;

use headwaters_engine::{Bounds, Config, RetryPolicy};
use headwaters_sim::{Chance, Faults, Options, Report, run};

const RECORDS: u32 = 500_000;

/// The world's checker already holds that nothing is sent again after its outcome, that everything `Stored`
/// is in the ledger and nothing `NotStored` is, and that each duplicate has an attempt that explains it.
fn load(retry: RetryPolicy, bounds: Bounds, faults: impl FnOnce(&mut Faults)) -> Report {
    let config = Config::builder().retry(retry).bounds(bounds).record_ttl(None).build();
    let config = config.expect("valid settings");
    let shards = NonZeroU32::new(64).expect("not zero");
    let mut options = Options::load(1, RECORDS, shards, config);
    faults(&mut options.faults);
    let report = run(&options).unwrap_or_else(|failure| panic!("{failure}"));
    println!("{report:#?}");
    let stats = report.stats;
    assert_eq!(stats.accepted, u64::from(RECORDS));
    assert_eq!(stats.accepted, stats.stored + stats.not_stored + stats.maybe_stored);
    assert!(stats.throttled > 0, "the shards had to push back");
    report
}

/// The default bounds: the load waits for room.
fn kpl(faults: impl FnOnce(&mut Faults)) -> Report {
    let report = load(RetryPolicy::Kpl, Config::default().bounds(), faults);
    assert_eq!(report.stats.stored, u64::from(RECORDS), "without an end to retries all is stored");
    // The shards take 64,000 records at once and 64,000 in each second.
    assert!(report.time > Duration::from_millis(6_800), "the limits of the shards were kept");
    report
}

/// Room for everything at once, so that some records run out of attempts: they are reported, and the rest is
/// stored.
fn linear(faults: impl FnOnce(&mut Faults)) -> Report {
    let bounds = Bounds { bytes: 1 << 30, records: RECORDS as usize };
    let report = load(RetryPolicy::default(), bounds, faults);
    assert!(report.stats.stored > u64::from(RECORDS) / 2);
    assert!(report.stats.not_stored > 0);
    report
}

fn exactly_once(report: Report) {
    assert_eq!(report.duplicates, 0);
    assert_eq!(report.stored, report.stats.stored);
}

#[test]
fn with_the_kpls_rule_all_is_stored_exactly_once() {
    exactly_once(kpl(|_| {}));
}

#[test]
fn with_linear_retries_all_is_stored_or_reported() {
    exactly_once(linear(|_| {}));
}

/// An entry that fails for no reason of the shard's is stored by a later attempt. `InternalFailure` leaves
/// open whether it was stored; here it never is, so there are no duplicates.
#[test]
fn with_entry_failures() {
    let five_percent = |faults: &mut Faults| faults.entry_failure = Chance::percent(5);
    exactly_once(kpl(five_percent));
    exactly_once(linear(five_percent));
}

#[test]
fn with_whole_request_failures() {
    let one_percent = |faults: &mut Faults| faults.request_failure = Chance::percent(1);
    exactly_once(kpl(one_percent));
    exactly_once(linear(one_percent));
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
