//! Short stories of one engine, told event by event.

mod story;

use core::time::Duration;

use headwaters_engine::wire::ErrorCode;
use headwaters_engine::{
    Action, Bounds, Event, Outcome, RateLimit, RefusedReason, RetryPolicy, Sent, ShardPrediction,
    Timing,
};
use story::{Story, names, plain, sent};

#[test]
fn a_request_leaves_when_its_entries_or_its_bytes_are_full() {
    let mut story = Story::of(plain().collection_max_count(3).collection_max_size(100));
    (0..2).for_each(|token| story.add(token, 10));
    assert!(story.batches().is_empty(), "neither is");
    story.add(2, 10);
    assert_eq!(story.batch().entries.len(), 3, "the entries are");
    story.add(3, 60);
    assert!(story.batches().is_empty());
    story.add(4, 60);
    assert_eq!(story.batch().entries.len(), 1, "the bytes are, and the second does not fit");
    story.later(100);
    assert_eq!(story.batch().entries.len(), 1);
}

/// More lanes than a request has entries: of those that are asked first one turns out to be held back by its limiter.
#[test]
fn a_lane_that_is_held_back_leaves_its_entry_to_another() {
    let limited = plain().rate_limit(RateLimit::Fixed { percent: 100 }).collection_max_count(2);
    let settings = limited.shard_prediction(ShardPrediction::On).record_ttl(None);
    let mut story = Story::on(4, settings);
    story.add_to(0, 1, 600_000);
    story.later(100);
    assert_eq!(sent(&story.batch()), [0]);
    for place in 0..3 {
        story.add_to(place as u64, place, if place == 1 { 600_000 } else { 10 });
    }
    story.later(100);
    assert_eq!(sent(&story.batch()), [0, 2]);
}

/// However small its records are, one of two shards does not take a whole request.
#[test]
fn small_records_have_their_share_of_the_entries() {
    let mut story = Story::on(2, plain().shard_prediction(ShardPrediction::On));
    for place in 0..2 {
        (0..600).for_each(|token| story.add_to(1_000 * place + token, place as usize, 10));
    }
    story.later(100);
    let batches = story.batches();
    let of_second = sent(&batches[0]).iter().filter(|token| **token >= 1_000).count();
    assert!((150..350).contains(&of_second), "{of_second} of {}", batches[0].entries.len());
}

#[test]
fn a_close_hurries_what_is_new_and_wakes_those_who_wait() {
    let mut story = Story::of(plain().bounds(Bounds { bytes: 4_000_000, records: 1 }));
    story.add(1, 10);
    assert_eq!(story.refused(10), RefusedReason::Full);
    story.handle(Event::CloseRequested { deadline: None });
    let actions = story.drain();
    assert_eq!(names(&actions), ["room-available", "send-batch"]);
    assert_eq!(story.refused(10), RefusedReason::Closed);
    let Action::SendBatch(batch) = &actions[1] else { panic!("a batch") };
    story.store(batch);
    assert_eq!(names(&story.drain()), ["complete", "close-finished"]);
    story.handle(Event::CloseRequested { deadline: None });
    assert_eq!(names(&story.drain()), ["close-finished"], "each close is answered");
}

#[test]
fn more_room_is_announced() {
    let mut story = Story::of(plain().bounds(Bounds { bytes: 4_000_000, records: 1 }));
    story.add(1, 10);
    assert_eq!(story.refused(10), RefusedReason::Full);
    story.handle(Event::BoundsChanged(Bounds { bytes: 4_000_000, records: 2 }));
    assert_eq!(names(&story.drain()), ["room-available"]);
    story.add(2, 10);
    story.handle(Event::BoundsChanged(Bounds { bytes: 1_000, records: 2 }));
    assert!(matches!(story.refused(900), RefusedReason::TooLarge { limit: ..900 }));
}

#[test]
fn a_cancel_that_held_everything_back_leaves_no_doubt() {
    for (sent, maybe_duplicate) in [(Sent::No, false), (Sent::Unknown, true)] {
        let mut story = Story::of(plain());
        story.add(1, 10);
        story.later(100);
        let batch = story.batch();
        story.later(6_000);
        assert_eq!(names(&story.drain()), ["cancel-batch"]);
        story.handle(Event::BatchCancelled { batch: batch.id, sent });
        assert_eq!(names(&story.drain()), ["requeue"]);
        story.later(100);
        let again = story.batch();
        story.store(&again);
        let [Action::Complete(completion)] = &story.drain()[..] else { panic!("an outcome") };
        let Outcome::Stored { maybe_duplicate: told, .. } = completion.outcome else {
            panic!("stored")
        };
        assert_eq!((told, completion.attempts.count()), (maybe_duplicate, 2), "{sent:?}");
    }
}

#[test]
fn a_silent_transport_is_waited_for_and_then_not() {
    let mut story = Story::of(plain().max_requests_in_flight(1));
    story.add(1, 10);
    story.later(100);
    let batch = story.batch();
    story.later(6_000);
    assert_eq!(names(&story.drain()), ["cancel-batch"]);
    story.add(2, 10);
    story.later(999);
    assert!(story.drain().is_empty(), "the cancelled request keeps its place");
    story.later(1);
    let actions = story.drain();
    assert_eq!(names(&actions), ["requeue", "send-batch"]);
    story.store(&batch);
    assert!(story.drain().is_empty(), "too late");
    assert_eq!(story.engine.stats().ignored_answers, 1);
}

#[test]
fn attempts_are_kept_while_there_is_room_for_them() {
    let record_bytes = Bounds::RECORD_OVERHEAD + 11;
    let bounds = Bounds { bytes: record_bytes * 5, records: 10 };
    let mut story = Story::of(plain().max_user_record_size(11).bounds(bounds));
    (0..5).for_each(|token| story.add(token, 10));
    let held = story.engine.stats().bytes_held;
    assert_eq!(held, bounds.bytes as u64, "not a byte is left");
    story.later(100);
    let batch = story.batch();
    story.throttle(&batch);
    assert_eq!(story.engine.stats().bytes_held, held);
    assert_eq!(names(&story.drain()), ["requeue"]);
    story.later(100);
    let again = story.batch();
    story.store(&again);
    for action in story.drain() {
        let Action::Complete(completion) = action else { panic!("an outcome: {action}") };
        assert_eq!((completion.attempts.count(), completion.attempts.kept().len()), (2, 1));
    }
    assert_eq!(story.engine.stats().bytes_held, 0);
}

/// A record with a timing of its own that comes out of order is not sent yet, and counts as the others do.
#[test]
fn what_comes_out_of_order_fills_requests_and_hurries_too() {
    let for_ever = Timing { ttl: Some(None), ..Timing::default() };
    let mut story = Story::of(plain().collection_max_count(3));
    story.add_timed(1, 1, for_ever);
    (2..=3).for_each(|token| story.add(token, 1));
    assert_eq!(sent(&story.batch()), [1, 2, 3], "three fill a request");

    let one_by_one = || plain().collection_max_count(1).max_requests_in_flight(1);
    let mut story = Story::of(one_by_one());
    story.add_timed(1, 1, for_ever);
    story.add(2, 1);
    story.flush(1);
    let first = story.batch();
    story.store(&first);
    let rest = story.drain();
    let left = |action: &Action| matches!(action, Action::SendBatch(_));
    assert!(rest.iter().any(left), "a flush hurries it: {:?}", names(&rest));
}

/// A retry that waits for its time is no company for what is new.
#[test]
fn what_waits_for_its_retry_does_not_fill_a_request() {
    let retry = RetryPolicy::Linear { max_attempts: 3, step: Duration::from_secs(1) };
    let mut story = Story::of(plain().collection_max_count(2).retry(retry));
    story.add(0, 10);
    story.later(100);
    let batch = story.batch();
    story.fail_at(&batch, &[0], &ErrorCode::InternalFailure);
    story.drain();
    story.add(1, 10);
    assert!(story.batches().is_empty(), "one that is new, and one that waits");
    story.add(2, 10);
    assert_eq!(sent(&story.batch()), [1, 2]);
}
