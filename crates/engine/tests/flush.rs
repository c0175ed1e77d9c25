//! What a flush hurries, and what it leaves its time.

mod story;

use headwaters_engine::wire::ErrorCode;
use headwaters_engine::{RetryPolicy, ShardPrediction, Timing};
use story::{Story, at, buffered, fates, millis, names, plain, sent};

/// Puts a record that leaves its lane by expiring after a second, and one before it in time that does not: it lies beside
/// the queue, and after a second nothing else is there.
fn put_beside_the_queue(story: &mut Story, token: u64) {
    let brief = Timing { ttl: Some(Some(millis(1_000))), ..buffered(millis(5_000)) };
    story.add_timed(0, 10, brief);
    story.add_timed(token, 10, buffered(millis(4_000)));
}

#[test]
fn a_flush_hurries_what_is_new_and_leaves_retries_their_deadlines() {
    let mut story = Story::of(plain().retry(RetryPolicy::Kpl));
    story.add(1, 10);
    story.later(100);
    let first = story.batch();
    story.throttle(&first);
    story.flush(1);
    story.add(2, 10);
    assert_eq!(names(&story.drain()), ["requeue"], "the new one came after the flush");
    story.flush(2);
    assert_eq!(story.batch().entries.len(), 1, "the new one; the retry has its pause");
    story.later(10);
    story.flush(3);
    assert!(story.batches().is_empty(), "the retry has had its pause, and waits for company");
    story.later(39);
    assert!(story.batches().is_empty(), "and its deadline, half of the buffered time");
    story.later(1);
    let second = story.batch();
    story.store(&second);
    assert_eq!(names(&story.drain()), ["complete", "flush-finished"], "the first flush");
}

#[test]
fn a_flush_hurries_what_lies_beside_the_queue() {
    let mut story = Story::of(plain().record_ttl(None));
    put_beside_the_queue(&mut story, 1);
    story.later(1_000);
    assert_eq!(fates(&story.outcomes()), [(0, "not stored", 0)]);
    story.flush(1);
    assert_eq!(sent(&story.batch()), [1]);
}

/// As long as the first list may come in time nothing is hurried, and when none came, what the flush meant is.
#[test]
fn a_flush_that_waits_for_the_first_list_is_not_forgotten() {
    let settings = plain().record_ttl(None).shard_prediction(ShardPrediction::On);
    let mut story = Story::unlisted(1, settings);
    let request = story.list_request();
    put_beside_the_queue(&mut story, 1);
    story.flush(1);
    story.add_timed(2, 10, buffered(millis(10_000)));
    story.later(1_000);
    assert_eq!(fates(&story.outcomes()), [(0, "not stored", 0)], "and nothing leaves");
    story.fail_list(&request, ErrorCode::AccessDeniedException);
    assert_eq!(sent(&story.batch())[0], 1);
    assert_eq!(story.now, at(1_000));
}
