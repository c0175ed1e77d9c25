//! Requests fail one after the other, and then they do not any more.

mod story;

use core::time::Duration;

use headwaters_engine::wire::ErrorCode;
use headwaters_engine::{
    Action, Batch, Config, ConfigBuilder, Event, Instant, OutagePolicy, RetryBudget, RetryPolicy,
    Sent, Stats, WakeupReason,
};
use story::{Story, all, at, buffered, fates, millis, names, plain, sent};

/// Each record leaves at once, by itself.
fn one_by_one() -> ConfigBuilder {
    plain().collection_max_count(1).record_ttl(None)
}

/// An engine that lost three requests, and has `records` others.
fn in_an_outage(settings: ConfigBuilder, records: u64) -> Story {
    let mut story = Story::of(settings);
    (0..3).for_each(|token| story.add(token, 10));
    for batch in story.batches() {
        story.fail(&batch, ErrorCode::ConnectionLost);
    }
    assert_eq!(names(&story.drain()), ["requeue"; 3]);
    (3..3 + records).for_each(|token| story.add(token, 10));
    story
}

/// Waits until something leaves: how long, and what.
fn wait_for_batches(story: &mut Story) -> (Duration, Vec<Batch>) {
    let start = story.now;
    loop {
        let batches = story.batches();
        if !batches.is_empty() {
            return (story.now.since(start), batches);
        }
        let at = story.engine.wakeup().at.expect("it waits for a time");
        assert!(at > story.now, "which has not come");
        story.now = at;
        story.handle(Event::TimeAdvanced);
    }
}

/// The next probe, and how long it took to come.
fn probe(story: &mut Story) -> (Batch, Duration) {
    let (pause, batches) = wait_for_batches(story);
    let [batch] = &batches[..] else { panic!("one probe, and not {}", batches.len()) };
    (batch.clone(), pause)
}

fn window(story: &Story) -> (u64, bool, u64) {
    let Stats { requests_allowed, probing, requests_failed_in_a_row, .. } = story.engine.stats();
    (requests_allowed, probing, requests_failed_in_a_row)
}

#[test]
fn probes_leave_one_by_one_and_the_first_answer_opens_the_window_step_by_step() {
    let mut story = in_an_outage(one_by_one(), 100);
    assert_eq!(window(&story), (1, true, 3));
    let mut pauses = Vec::new();
    for failures in 4..12 {
        let (batch, pause) = probe(&mut story);
        assert!(story.batches().is_empty(), "there is one probe at a time");
        pauses.push(pause);
        story.fail(&batch, ErrorCode::ServiceUnavailable);
        assert_eq!(names(&story.drain()), ["requeue"]);
        assert_eq!(window(&story), (1, true, failures));
    }
    let longest = [100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000].map(millis);
    assert!(pauses.iter().zip(longest).all(|(pause, longest)| *pause <= longest), "{pauses:?}");
    assert!(pauses.iter().sum::<Duration>() > millis(2_000), "{pauses:?}");
    let (first, _) = probe(&mut story);
    story.store(&first);
    assert_eq!(window(&story), (2, false, 0));
    let mut in_flight = story.drain();
    for allowed in [2, 4, 8, 16, 24, 24] {
        let batches: Vec<Batch> = in_flight.drain(..).filter_map(batch_of).collect();
        assert_eq!(batches.len(), allowed, "twice as many in each round trip");
        batches.iter().for_each(|batch| story.store(batch));
        in_flight = story.drain();
    }
}

fn batch_of(action: Action) -> Option<Batch> {
    match action {
        Action::SendBatch(batch) => Some(batch),
        _ => None,
    }
}

#[test]
fn what_is_on_its_way_ends_before_a_probe_leaves() {
    let mut story = Story::of(one_by_one());
    (0..6).for_each(|token| story.add(token, 10));
    let batches = story.batches();
    assert_eq!(batches.len(), 6);
    story.add(6, 10);
    let seventh = story.batch();
    batches.iter().for_each(|batch| story.fail(batch, ErrorCode::ConnectFailed));
    story.add(7, 10);
    assert_eq!(names(&story.drain()), ["requeue"; 6]);
    story.later(5_000);
    assert!(story.batches().is_empty(), "a request is in flight");
    story.handle(Event::BatchCancelled { batch: seventh.id, sent: Sent::Unknown });
    assert_eq!(names(&story.drain()), ["requeue"]);
    let (_, pause) = probe(&mut story);
    assert!(pause <= millis(100), "it had left before the first pause: {pause:?}");
}

#[test]
fn an_idle_engine_stays_idle_and_neither_flush_nor_close_shortens_a_pause() {
    let mut story = Story::of(
        one_by_one().retry(RetryPolicy::Linear { max_attempts: 1, step: Duration::ZERO }),
    );
    (0..3).for_each(|token| story.add(token, 10));
    for batch in story.batches() {
        story.fail(&batch, ErrorCode::ConnectionLost);
    }
    assert_eq!(story.outcomes().len(), 3);
    assert_eq!(story.engine.wakeup().at, None, "there is nothing to probe with");
    story.add(3, 10);
    let wakeup = story.engine.wakeup();
    assert_eq!(wakeup.reason, WakeupReason::Pause);
    let opens_at = wakeup.at.expect("a pause");
    story.flush(1);
    assert!(story.batches().is_empty());
    story.handle(Event::CloseRequested { deadline: Some(at(1_000)) });
    assert!(story.batches().is_empty());
    assert_eq!(story.engine.wakeup().at, Some(opens_at));
    assert!(opens_at > Instant::ZERO && opens_at <= at(100));
    story.now = opens_at;
    story.handle(Event::TimeAdvanced);
    assert_eq!(sent(&story.batch()), [3]);
}

#[test]
fn a_close_hands_back_and_time_to_live_ends_while_nothing_leaves() {
    let mut story = in_an_outage(one_by_one().record_ttl(Some(millis(100))), 0);
    let (probe, _) = probe(&mut story);
    story.add_timed(9, 10, buffered(millis(1)));
    // Nobody answers: the probe is out until it times out.
    story.later(200);
    let expired = story.outcomes();
    let of = |token| fates(&expired).into_iter().find(|fate| fate.0 == token);
    assert_eq!(of(9), Some((9, "not stored", 0)), "it was never sent");
    story.handle(Event::CloseRequested { deadline: Some(story.now.after(millis(10))) });
    story.later(10);
    let actions = story.drain();
    assert_eq!(names(&actions), ["cancel-batch", "complete", "close-finished"]);
    story.handle(Event::BatchCancelled { batch: probe.id, sent: Sent::Unknown });
    assert_eq!(window(&story), (1, true, 3), "what was given up says nothing");
}

#[test]
fn silence_is_a_failure_when_its_grace_ends_and_an_answer_until_then_is_none() {
    let mut story = Story::of(one_by_one());
    (0..2).for_each(|token| story.add(token, 10));
    let [first, second] = &story.batches()[..] else { panic!("two batches") };
    story.later(6_000);
    assert_eq!(names(&story.drain()), ["cancel-batch"; 2]);
    assert_eq!(window(&story), (24, false, 0), "perhaps there is an answer");
    story.later(500);
    let refused = Event::BatchCancelled { batch: first.id, sent: Sent::No };
    story.handle(refused);
    assert_eq!(window(&story), (23, false, 1));
    story.later(500);
    assert_eq!(names(&story.drain()), ["requeue", "requeue"]);
    assert_eq!(window(&story), (22, false, 2), "for {second:?} there was no answer");
}

#[test]
fn silence_says_nothing_of_the_service_while_others_are_answered() {
    let mut story = Story::of(one_by_one());
    (0..4).for_each(|token| story.add(token, 10));
    let batches = story.batches();
    story.later(6_000);
    assert_eq!(names(&story.drain()), ["cancel-batch"; 4]);
    story.later(500);
    story.store(&batches[0]);
    story.later(500);
    assert_eq!(names(&story.drain()), ["complete", "requeue", "requeue", "requeue"]);
    assert_eq!(window(&story), (24, false, 0));
}

#[test]
fn a_throttled_request_halves_the_window_and_pauses() {
    let mut story = Story::of(one_by_one().retry(RetryPolicy::Kpl));
    story.add(0, 10);
    let batch = story.batch();
    story.fail(&batch, ErrorCode::KMSThrottlingException);
    (1..20).for_each(|token| story.add(token, 10));
    assert_eq!(names(&story.drain()), ["requeue"], "nothing leaves now");
    assert_eq!(window(&story), (12, false, 1));
    let (pause, batches) = wait_for_batches(&mut story);
    assert!(pause > millis(0) && pause <= millis(100));
    assert_eq!(batches.len(), 12);
}

#[test]
fn a_request_that_is_full_leaves_when_the_pause_ends() {
    let once = RetryPolicy::Linear { max_attempts: 1, step: Duration::ZERO };
    let mut story = Story::of(plain().collection_max_count(3).retry(once));
    (0..3).for_each(|token| story.add(token, 10));
    let batch = story.batch();
    story.fail(&batch, ErrorCode::ThrottlingException);
    assert_eq!(story.outcomes().len(), 3);
    (3..6).for_each(|token| story.add_timed(token, 10, buffered(millis(9_000))));
    let (pause, batches) = wait_for_batches(&mut story);
    assert!(pause > millis(0) && pause <= millis(100), "{pause:?}");
    assert_eq!(sent(&batches[0]), [3, 4, 5]);
}

/// Eight requests of one record each, which all have failed so.
fn all_failed(code: &ErrorCode) -> Story {
    let mut story = Story::of(one_by_one());
    (0..8).for_each(|token| story.add(token, 10));
    story.batches().iter().for_each(|batch| story.fail(batch, code.clone()));
    story
}

#[test]
fn what_is_no_failure_of_the_service_changes_nothing() {
    let mut story = all_failed(&ErrorCode::ResourceNotFoundException);
    assert_eq!(story.outcomes().len(), 8);
    assert_eq!(window(&story), (24, false, 0));
}

#[test]
fn refused_credentials_are_probed_and_new_ones_at_once() {
    let mut story = all_failed(&ErrorCode::ExpiredTokenException);
    assert_eq!(story.outcomes().len(), 0, "they wait for new ones");
    assert_eq!(window(&story), (1, true, 8));
    story.handle(Event::TransportReady);
    let probe = story.batch();
    story.store(&probe);
    let is_batch = |action: &&Action| matches!(action, Action::SendBatch(_));
    assert!(story.drain().iter().any(|action| is_batch(&action)), "the others follow");
    assert!(!window(&story).1);
}

#[test]
fn retries_beyond_the_budget_wait() {
    let settings = || plain().retry(RetryPolicy::Kpl).record_ttl(None);
    let waits = |settings: ConfigBuilder, code: ErrorCode| {
        let mut story = Story::of(settings);
        (0..600).for_each(|token| story.add(token, 10));
        story.later(100);
        let mut waits = vec![0; 12];
        for batch in story.batches() {
            let failed: Vec<usize> = (0..batch.entries.len()).collect();
            story.fail_at(&batch, &failed, &code);
        }
        for action in story.drain() {
            let Action::Requeue(requeue) = action else { panic!("{action}") };
            let second = requeue.not_before.since(story.now).as_secs();
            waits[second as usize] += requeue.indexes.len();
        }
        (waits, story.engine.stats().retries_put_off)
    };
    let (with, put_off) = waits(settings(), ErrorCode::InternalFailure);
    assert_eq!(with, [500, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 0]);
    assert_eq!(put_off, 100);
    let all_at_once = ([&[600][..], &[0; 11]].concat(), 0);
    let throttled = ErrorCode::ProvisionedThroughputExceededException;
    assert_eq!(waits(settings(), throttled), all_at_once, "their limiter paces them");
    let without = settings().retry_budget(RetryBudget::Off);
    assert_eq!(waits(without, ErrorCode::InternalFailure), all_at_once);
}

#[test]
fn the_kpl_has_nothing_of_the_kind() {
    let kpl = Config::kpl();
    assert_eq!((kpl.outage(), kpl.retry_budget()), (OutagePolicy::Off, RetryBudget::Off));
    let mut story = in_an_outage(one_by_one().outage(OutagePolicy::Off), 100);
    assert_eq!(window(&story), (24, false, 3));
    let batches = story.batches();
    assert_eq!(batches.len(), 24);
    batches.iter().for_each(|batch| story.store(batch));
    let stored = story.drain();
    let outcomes: Vec<_> = stored
        .into_iter()
        .filter_map(|action| match action {
            Action::Complete(completion) => Some(completion),
            _ => None,
        })
        .collect();
    assert_eq!(fates(&outcomes), all(3..27, "stored", 1));
}
