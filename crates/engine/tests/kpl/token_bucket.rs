//! `aws/utils/test/token_bucket_test.cc`, as the limiter of a shard shows it; the buckets themselves are tested
//! where they are.

use headwaters_engine::RateLimit;

use crate::story::{Story, buffered, kpl, millis, sent};

fn limited() -> Story {
    let settings = kpl().aggregation_enabled(false).rate_limit(RateLimit::Fixed { percent: 100 });
    Story::on(1, settings)
}

fn add(story: &mut Story, records: u64, bytes: usize) {
    (0..records).for_each(|token| story.add_timed(token, bytes, buffered(millis(0))));
}

/// A full bucket gives its depth, then what flows in, and after a rest its depth again and no more.
///
/// The KPL looks 40 times a second whether something may leave; so does this engine.
#[test]
fn token_bucket_basic() {
    let mut story = limited();
    add(&mut story, 1_500, 10);
    let left = |story: &mut Story, millis| story.run(millis).sent().len();
    assert_eq!(left(&mut story, 0), 1_000, "as much as a shard takes in a second");
    assert_eq!(left(&mut story, 24), 0);
    assert_eq!(left(&mut story, 1), 25, "what has flowed in since");
    assert_eq!(left(&mut story, 475), 475);
    assert_eq!(left(&mut story, 60_000), 0, "there is nothing left");
    add(&mut story, 1_500, 10);
    assert_eq!(left(&mut story, 0), 1_000, "no more than its depth, however long it filled");
}

/// All or nothing over records and bytes.
#[test]
fn token_bucket_multiple() {
    const HALF_MIB: usize = 512 * 1024 - 1;
    let mut story = limited();
    add(&mut story, 3, HALF_MIB);
    assert_eq!(story.run(0).sent().len(), 2, "the bytes are spent, 998 records are not");
    story.add_timed(9, 10, buffered(millis(0)));
    assert!(story.run(475).sent().is_empty(), "a small one does not overtake");
    assert_eq!(story.run(25).sent(), [2], "half a second for half of what a second brings");
    assert_eq!(story.run(25).sent(), [9]);

    story.later(5_000);
    add(&mut story, 1_001, 10);
    let batches = story.batches();
    let records: usize = batches.iter().map(|batch| sent(batch).len()).sum();
    assert_eq!(records, 1_000, "the records are spent, a megabyte is not: refusals took nothing");
}
