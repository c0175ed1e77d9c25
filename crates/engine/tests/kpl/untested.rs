//! What the KPL does and does not test.

use headwaters_engine::wire::{Entry, ErrorCode};
use headwaters_engine::{
    Action, Bounds, Cause, Config, Event, OutagePolicy, Outcome, RateLimit, RefusedReason,
    RetryBudget, RetryPolicy, ShardShare, Timing, WakeupReason,
};

use crate::story::{
    Story, all, at, buffered, fates, kpl, millis, names, packed, plain, record, sent,
};

/// A shard whose records fill 256 KiB sends at once. The KPL counts the data only, and flushes the whole collector;
/// here the key counts, too, and what waits for other shards rides along.
#[test]
fn collector_sends_at_256_kib_for_one_shard() {
    const QUARTER: usize = 64 * 1024 - 1;
    let mut story = Story::on(2, kpl().aggregation_enabled(false));
    story.add_to(0, 1, 10);
    (1..4).for_each(|token| story.add_to(token, 0, QUARTER));
    story.add_to(4, 0, QUARTER - 1);
    assert!(story.drain().is_empty(), "a byte is missing");
    story.add_to(5, 1, QUARTER);
    assert!(story.drain().is_empty(), "another shard counts for itself");
    story.add_to(6, 0, 0);
    let batch = story.batch();
    let mut tokens = sent(&batch);
    tokens.sort_unstable();
    assert_eq!(tokens.len(), 7, "one for all shards");
}

/// Aggregates count as they are closed: of 51,200 bytes each it takes six.
#[test]
fn collector_sends_at_256_kib_of_aggregates() {
    let mut story = Story::on(1, kpl());
    let mut token = 0;
    let batch = loop {
        story.add(token, 1_000);
        token += 1;
        match &story.batches()[..] {
            [] => {}
            [batch] => break batch.clone(),
            _ => panic!("one batch"),
        }
    };
    assert_eq!(batch.entries.len(), 6);
    let bytes: usize = batch.entries.iter().map(Entry::size).sum();
    assert!((256 * 1024..6 * 51_200).contains(&bytes), "{bytes}");
}

/// 100 ms in the aggregate, 20 ms in the request; a retry within 50 ms; and everything of one moment in one request.
#[test]
fn pipeline_timing_is_the_kpls() {
    let mut story = Story::on(3, kpl());
    (0..6).for_each(|token| story.add_to(token, token as usize % 3, 10));
    let wakeup = story.engine.wakeup();
    assert_eq!((wakeup.at, wakeup.reason), (Some(at(2_120)), WakeupReason::Deadline));
    story.later(119);
    assert!(story.drain().is_empty());
    story.later(1);
    let batch = story.batch();
    assert_eq!(packed(&batch), [[0, 3], [1, 4], [2, 5]]);
    story.later(30);
    story.throttle(&batch);
    let actions = story.drain();
    let [Action::Requeue(requeue)] = &actions[..] else { panic!("{:?}", names(&actions)) };
    assert_eq!((requeue.not_before, requeue.deadline), (at(2_151), at(2_200)));
    story.later(50);
    let again = story.batch();
    story.later(10);
    story.store(&again);
    assert_eq!(fates(&story.outcomes()), all(0..6, "stored", 2));
    assert_eq!(story.engine.wakeup().at, None, "nothing is left to do");
}

/// An aggregate that fills early leaves the KPL's first stage at once, and the second one no sooner than the
/// deadline of its records.
#[test]
fn pipeline_of_a_full_aggregate() {
    let mut story = Story::on(1, kpl().aggregation_max_count(2));
    (0..2).for_each(|token| story.add(token, 10));
    story.later(90);
    (2..4).for_each(|token| story.add(token, 10));
    story.later(10);
    assert_eq!(packed(&story.batch()), [[0, 1], [2, 3]], "the second rides along");
}

#[test]
fn aggregator_flush() {
    let mut story = Story::on(3, kpl());
    (0..6).for_each(|token| story.add_to(token, token as usize % 3, 10));
    story.flush(1);
    let batch = story.batch();
    assert_eq!(packed(&batch), [[0, 3], [1, 4], [2, 5]], "all shards at once");
    story.add_to(6, 0, 10);
    story.store(&batch);
    assert_eq!(names(&story.drain()), ["complete", "complete", "complete", "flush-finished"]);
    story.later(119);
    assert!(story.drain().is_empty(), "what came later is in no hurry");
    story.later(1);
    assert_eq!(packed(&story.batch()), [[6]]);
}

/// In the KPL such a record can have expired before it is ever sent. Here it leaves half-way, or after the 50 ms
/// more of the second stage if that is still in time.
#[test]
fn ttl_shorter_than_the_buffer_time() {
    let mut story = Story::on(1, kpl().record_max_buffered_time(millis(5_000)));
    let short = Timing { ttl: Some(Some(millis(200))), ..Timing::default() };
    story.add_timed(0, 10, short);
    story.add(1, 10);
    story.later(149);
    assert!(story.drain().is_empty());
    story.later(1);
    let batch = story.batch();
    assert_eq!(packed(&batch), [[0, 1]]);
    story.later(50);
    story.throttle(&batch);
    assert_eq!(fates(&story.outcomes()), [(0, "not stored", 1)], "its time is over");
    let run = story.run(5_000);
    assert_eq!(fates(&run.outcomes), [(1, "stored", 2)], "the other's is not");
}

/// In the KPL a record of exactly 1 MiB of data gets in, and the service refuses it with all that is in its request.
#[test]
fn an_oversize_record_never_gets_into_a_batch() {
    const MIB: usize = 1024 * 1024;
    let mut story = Story::on(1, kpl());
    story.add(0, 10);
    assert_eq!(story.refused(MIB), RefusedReason::TooLarge { limit: MIB }, "with its key");
    story.add(1, MIB - 1);
    let run = story.run(120);
    assert_eq!(fates(&run.outcomes), all(0..2, "stored", 1));
    let sizes: Vec<_> = run.batches.iter().flat_map(|(_, batch)| &batch.entries).collect();
    assert!(sizes.iter().all(|entry| entry.size() <= MIB));
}

/// Where the service refuses a request for its size, it is not tried again as it is for 30 s: it goes in parts, and what is
/// refused alone comes back at once.
#[test]
fn a_request_that_is_too_large_is_not_repeated() {
    let mut story = Story::of(plain());
    (0..2).for_each(|token| story.add(token, 10));
    story.later(100);
    let batch = story.batch();
    story.fail(&batch, ErrorCode::RequestEntityTooLarge);
    for token in 0..2 {
        let Some(Action::SendBatch(alone)) = story.drain().pop() else { panic!("alone") };
        assert_eq!(packed(&alone), [[token]]);
        story.fail(&alone, ErrorCode::RequestEntityTooLarge);
    }
    assert_eq!(fates(&story.outcomes()), all(1..2, "not stored", 2));
    assert!(story.engine.is_empty());
}

/// One percent of what a shard takes, and no aggregates: 10 records may leave at once, and one each 100 ms.
fn slow(shards: u32) -> Story {
    let limit = RateLimit::Fixed { percent: 1 };
    Story::on(shards, kpl().aggregation_enabled(false).rate_limit(limit))
}

/// Spends what each shard may take at once, lets `reshard` happen, and has the engine notice it.
fn spend_and_reshard(story: &mut Story, records: u64, reshard: fn(&mut Story)) {
    (0..records + 2).for_each(|token| {
        let place = token as usize % story.stream.shards().len();
        story.add_at(token, story.stream.end(place), 10);
    });
    story.flush(0);
    let batch = story.batch();
    assert_eq!(batch.entries.len() as u64, records, "the limiters hold the others back");
    reshard(story);
    story.store(&batch);
    let request = match story.drain().pop() {
        Some(Action::ListShards(request)) => request,
        other => panic!("{other:?}"),
    };
    story.list(&request);
}

/// Both children of a split owe what the parent owed, so nothing bursts.
#[test]
fn resharding_by_a_split() {
    let mut story = slow(1);
    spend_and_reshard(&mut story, 10, |story| story.stream.split(0));
    let at_once = |story: &mut Story, token: u64| {
        (0..2).for_each(|place| {
            let place = place as usize;
            let record = record(token, 10).with_explicit_hash_key(story.stream.start(place).into());
            story.put(token + place as u64, record, buffered(millis(0)));
        });
    };
    at_once(&mut story, 12);
    assert!(story.drain().is_empty(), "nothing is left of what the parent had");
    assert_eq!(story.run(99).sent().len(), 0);
    let next = story.run(1).sent();
    assert_eq!(next.len(), 2, "then one of each half, twice as many as of the parent");
    let run = story.run(1_000);
    assert_eq!(next.len() + run.sent().len(), 4);
    assert_eq!(story.engine.stats().wrong_shard, 10, "none after the new list");
    assert!(story.engine.is_empty());
}

/// The child of a merge owes what both parents owed.
#[test]
fn resharding_by_a_merge() {
    let mut story = slow(2);
    spend_and_reshard(&mut story, 20, |story| story.stream.merge(0));
    assert!(story.drain().is_empty());
    assert!(story.run(1_099).sent().is_empty(), "it lacks ten, and one");
    assert_eq!(story.run(1).sent(), [20]);
    assert_eq!(story.run(100).sent(), [21]);
    assert_eq!(story.engine.stats().shards, 1);
    assert!(story.engine.is_empty());
}

/// A split and a merge under load: all is stored, nothing twice that the KCL would not drop, and each aggregate in
/// the end where its members belong.
#[test]
fn resharding_end_to_end() {
    let mut story = Story::on(4, kpl());
    let (mut outcomes, mut token) = (Vec::new(), 0);
    for round in 0..40 {
        for place in 0..40 {
            story.add_at(token, u128::MAX / 40 * place, 100);
            token += 1;
        }
        match round {
            10 => story.stream.split(1),
            20 => story.stream.merge(3),
            _ => {}
        }
        outcomes.extend(story.run(150).outcomes);
    }
    outcomes.extend(story.run(2_000).outcomes);
    let fates = fates(&outcomes);
    assert!(fates.iter().map(|fate| fate.0).eq(0..token), "each has one outcome");
    let twice = fates.iter().filter(|fate| fate.1 == "stored, maybe twice").count();
    assert_eq!(fates.iter().filter(|fate| fate.1 == "stored").count() + twice, token as usize);
    assert!((1..400).contains(&twice), "only what was stored between split and list: {twice}");
    assert_eq!(story.engine.stats().shards, 4);
    assert!(story.engine.stats().listings <= 4);
}

/// What happened to a record before it was packed anew counts as much as what happens after.
#[test]
fn resharding_forgets_no_attempt() {
    let mut story = Story::on(1, kpl());
    let end = story.stream.end(0);
    for (token, hash_key) in (0..).zip([0, 0, end, end]) {
        story.add_at(token, hash_key, 10);
    }
    story.later(120);
    let throttled = story.batch();
    (4..6).for_each(|token| story.add_at(token, 0, 10));
    story.later(120);
    let evidence = story.batch();
    story.stream.split(0);
    story.throttle(&throttled);
    story.store(&evidence);
    let actions = story.drain();
    let Some(Action::ListShards(request)) = actions.last() else { panic!("a listing") };
    story.list(request);
    assert_eq!(fates(&story.outcomes()), all(4..6, "stored", 1));
    story.later(100);
    let lost = story.batch();
    assert_eq!(packed(&lost), [[0, 1], [2, 3]], "each for its half");
    story.fail(&lost, ErrorCode::ConnectionLost);
    assert_eq!(names(&story.drain()), ["requeue"]);
    story.later(50);
    let stored = story.batch();
    story.store(&stored);
    let outcomes = story.outcomes();
    assert_eq!(fates(&outcomes), all(0..4, "stored, maybe twice", 3));
    let errors = outcomes[0].attempts.kept().iter().map(|attempt| attempt.error.as_ref());
    let codes: Vec<_> = errors.map(|error| error.map(|error| error.code.clone())).collect();
    let first = ErrorCode::ProvisionedThroughputExceededException;
    assert_eq!(codes, [Some(first), Some(ErrorCode::ConnectionLost), None]);
}

/// The KPL holds whatever it is given, and warns that it can crash of it.
#[test]
fn memory_bounds() {
    let bounds = Bounds { bytes: 1_200_000, records: 1_000 };
    let mut story = Story::on(2, kpl().bounds(bounds).max_user_record_size(100_000));
    let mut accepted = 0;
    for (bytes, full) in [(10, "records"), (10_000, "bytes")] {
        loop {
            let added = story.engine.add(
                headwaters_engine::Token(accepted),
                record(accepted, bytes),
                story.now,
            );
            let stats = story.engine.stats();
            assert!(stats.bytes_held <= bounds.bytes as u64, "{full}");
            assert!(stats.buffered <= bounds.records as u64, "{full}");
            match added {
                Ok(()) => accepted += 1,
                Err(refused) => {
                    assert_eq!(refused.reason, RefusedReason::Full);
                    assert_eq!(refused.record, record(accepted, bytes), "untouched");
                    break;
                }
            }
        }
        let run = story.run(2_000);
        assert_eq!(names(&run.others), ["room-available"], "{full}");
        assert_eq!(story.engine.stats().bytes_held, 0);
    }
    assert!((1_100..1_125).contains(&accepted), "1,000 small ones and a hundred large ones");
}

/// A close finds records in every place there is: open aggregates, a limiter's queue, a wait, a request, and among
/// those that wait for a list.
#[test]
fn shutdown_without_loss() {
    let limit = RateLimit::Fixed { percent: 1 };
    let mut story = Story::on(2, kpl().rate_limit(limit).aggregation_max_count(2));
    let mut token = 0;
    let mut two = |story: &mut Story, place: usize| {
        (0..2).for_each(|_| {
            story.add_to(token, place, 1_000);
            token += 1;
        });
    };
    let [waits, stray, flies] = [0, 0, 1].map(|place| {
        two(&mut story, place);
        story.later(100);
        story.batch()
    });
    (0..10).for_each(|_| two(&mut story, 1));
    story.later(100);
    let held_back = story.batches().pop().expect("what the limiter lets pass");
    story.throttle(&waits);
    story.store_in(&stray, 77);
    assert_eq!(names(&story.drain()), ["requeue", "list-shards"]);
    two(&mut story, 0);
    story.add_to(28, 0, 10);
    let stats = story.engine.stats();
    assert_eq!((stats.accepted, stats.lanes_held_back), (29, 1));

    story.close();
    assert_eq!(story.refused(10), RefusedReason::Closed);
    story.store(&flies);
    story.store(&held_back);
    let run = story.run(20_000);
    let fates = fates(&run.outcomes);
    assert!(fates.iter().map(|fate| fate.0).eq(0..29), "each has its outcome");
    assert!(fates.iter().all(|fate| fate.1.starts_with("stored")));
    let finished = run.others.iter().filter(|action| action.to_string().starts_with("close"));
    let finished: Vec<_> = finished.map(ToString::to_string).collect();
    assert_eq!(finished, ["close-finished undelivered=0"]);
    assert!(story.engine.is_empty());
}

/// And a deadline hands back what it finds, marked for what is known of it.
#[test]
fn shutdown_at_its_deadline_hands_everything_back() {
    let mut story = Story::on(2, kpl());
    story.add_to(0, 0, 10);
    story.later(120);
    let flies = story.batch();
    story.add_to(1, 1, 10);
    story.later(120);
    let waits = story.batch();
    story.throttle(&waits);
    story.drain();
    story.later(1);
    story.drain();
    story.handle(Event::CloseRequested { deadline: Some(story.now) });
    let actions = story.drain();
    let of_kind = |kind: &str| names(&actions).iter().filter(|name| *name == kind).count();
    assert_eq!(
        (of_kind("complete"), of_kind("cancel-batch"), of_kind("close-finished")),
        (2, 1, 1)
    );
    let outcomes: Vec<_> = actions
        .into_iter()
        .filter_map(|action| match action {
            Action::Complete(completion) => Some(completion),
            _ => None,
        })
        .collect();
    assert_eq!(fates(&outcomes), [(0, "maybe stored", 1), (1, "not stored", 1)]);
    story.store(&flies);
    assert!(story.drain().is_empty(), "too late");
}

/// The KPL's flush forgets what its limiter holds.
#[test]
fn flush_covers_what_the_limiter_holds() {
    let mut story = slow(1);
    (0..30).for_each(|token| story.add(token, 10));
    story.flush(7);
    let run = story.run(1_900);
    assert_eq!((run.sent().len(), run.others.len()), (29, 0), "one is missing");
    let run = story.run(100);
    assert_eq!(names(&run.others), ["flush-finished"]);
    assert_eq!((run.sent().len(), story.now), (1, at(4_000)));
}

/// The KPL's flush forgets what comes back.
#[test]
fn flush_covers_what_a_retry_brings_back() {
    let mut story = Story::on(1, kpl());
    (0..2).for_each(|token| story.add(token, 10));
    story.flush(7);
    for attempt in 1..5 {
        let batch = story.batch();
        story.throttle(&batch);
        assert_eq!(names(&story.drain()), ["requeue"], "attempt {attempt}");
        story.later(50);
    }
    let batch = story.batch();
    story.store(&batch);
    assert_eq!(names(&story.drain()), ["complete", "flush-finished"]);
}

/// The KPL loses the order at its intake and in its sort. Here what does not fail leaves in the order in which it
/// came, shard by shard.
#[test]
fn order_of_acceptance_is_kept() {
    for (aggregates, largest) in [(true, 1_000), (false, 10_000)] {
        let mut story = Story::on(3, kpl().aggregation_enabled(aggregates));
        let mut sent = Vec::new();
        for token in 0..3_000_u64 {
            story.add_to(token, token as usize % 3, 10 + token as usize * 7_919 % largest);
            if token % 100 == 0 {
                sent.extend(story.run(7).sent());
            }
        }
        sent.extend(story.run(10_000).sent());
        assert_eq!(sent.len(), 3_000);
        for place in 0..3 {
            let of_shard = sent.iter().filter(|token| *token % 3 == place);
            assert!(of_shard.is_sorted(), "shard {place}");
        }
    }
}

/// A time to live that is too long for the KPL's arithmetic lets its records expire at once.
#[test]
fn a_long_time_to_live_does_not_overflow() {
    let mut story = Story::of(plain());
    let long = Timing { ttl: Some(Some(core::time::Duration::MAX)), ..Timing::default() };
    story.add_timed(1, 10, long);
    let run = story.run(100);
    assert_eq!(fates(&run.outcomes), [(1, "stored", 1)]);
}

/// An attempt after the expiration is none: a record that waits for its retry expires there, and says so.
#[test]
fn a_retry_expires() {
    let mut story = Story::on(1, kpl().record_ttl(Some(millis(1_000))));
    story.add(1, 10);
    let start = story.now;
    let outcome = loop {
        story.now = story.engine.wakeup().at.expect("there is something to do");
        story.handle(Event::TimeAdvanced);
        for action in story.drain() {
            if let Action::SendBatch(batch) = action {
                story.throttle(&batch);
            }
        }
        if let Some(outcome) = story.outcomes().pop() {
            break outcome;
        }
    };
    let Outcome::NotStored { cause: Cause::Expired, .. } = outcome.outcome else {
        panic!("{outcome}")
    };
    assert!(outcome.attempts.count() > 15, "one each 50 ms and more towards the end");
    assert!(story.now <= start.after(millis(1_000)));
}

/// What `Config::kpl()` says it is.
#[test]
fn the_kpls_own_settings() {
    let config = Config::kpl();
    assert_eq!(config.rate_limit(), RateLimit::Fixed { percent: 150 });
    assert_eq!(config.retry(), RetryPolicy::Kpl);
    assert_eq!(config.outage(), OutagePolicy::Off);
    assert_eq!(config.retry_budget(), RetryBudget::Off);
    assert_eq!(config.shard_share(), ShardShare::Off);
}
