//! `core/test/limiter_test.cc`.

use headwaters_engine::{RateLimit, Timing};

use crate::story::{Story, all, at, buffered, fates, kpl, millis};

/// An engine for one shard that lets one record pass each millisecond, after the first thousand.
fn one_per_milli() -> Story {
    let settings = kpl().aggregation_enabled(false).rate_limit(RateLimit::Fixed { percent: 100 });
    Story::on(1, settings)
}

/// 4,000 Kinesis records that come in any order leave in the order of their deadlines.
#[test]
fn limiter_ordering() {
    const RECORDS: u64 = 4_000;
    let mut story = one_per_milli();
    // 1,789 and 4,000 have no divisor in common, so each deadline is there once.
    let deadline = |token: u64| 500 + token * 1_789 % RECORDS;
    for token in 0..RECORDS {
        story.add_timed(token, 10, buffered(millis(deadline(token))));
    }
    let mut run = story.run(1_500);
    let early = run.sent().len();
    assert!(early < RECORDS as usize, "its limiter holds most of them back");
    run.batches.extend(story.run(6_000).batches);
    let deadlines: Vec<u64> = run.sent().into_iter().map(deadline).collect();
    assert!(deadlines.is_sorted());
    assert_eq!(deadlines.len(), RECORDS as usize);
    for (start, _) in &run.batches {
        let sent = run.entries_before(start.after(millis(1))) as u128;
        let elapsed = start.since(at(2_000)).as_millis();
        assert!(sent <= 1_000 + elapsed, "{sent} in {elapsed} ms");
    }
}

/// What has expired when it comes, what expires while it is held back, and what never expires: all of it is
/// accounted for.
#[test]
fn limiter_expiration() {
    let ttl = |ttl| Timing { ttl: Some(ttl), ..buffered(millis(0)) };
    let mut story = one_per_milli();
    for token in 0..1_000 {
        story.add_timed(token, 10, ttl(Some(millis(0))));
    }
    for token in 1_000..5_000 {
        story.add_timed(token, 10, ttl(Some(millis(1_000))));
    }
    for token in 5_000..8_000 {
        story.add_timed(token, 10, ttl(None));
    }
    let mut run = story.run(0);
    assert_eq!(fates(&run.outcomes)[..1_000], all(0..1_000, "not stored", 0), "expired already");
    run.outcomes.extend(story.run(10_000).outcomes);
    let fates = fates(&run.outcomes);
    assert_eq!(fates.len(), 8_000);
    assert_eq!(fates[5_000..], all(5_000..8_000, "stored", 1), "these never expire");
    let queued = &fates[1_000..5_000];
    let stored = queued.iter().filter(|(_, fate, _)| *fate == "stored").count();
    assert!((1_900..=2_000).contains(&stored), "{stored} left in the second that they had");
    let expired = queued.iter().filter(|(_, fate, _)| *fate == "not stored").count();
    assert_eq!(stored + expired, 4_000);
    assert!(story.engine.is_empty());
}
