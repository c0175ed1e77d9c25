//! `core/test/retrier_test.cc`, with the KPL's way to retry: no wait, and the next attempt within 50 ms.
//!
//! The KPL unpacks an aggregate that failed and packs its members with newer records; here it is sent again as it
//! is, as long as it belongs to one shard.

use headwaters_engine::wire::{AttemptError, ErrorCode, Message, ShardId};
use headwaters_engine::{Action, Batch, Cause, Outcome};

use crate::story::{Story, all, at, fates, kpl, names, packed, plain, sent};

/// An aggregate of ten records of the first shard, on its way.
fn ten(story: &mut Story) -> Batch {
    (0..10).for_each(|token| story.add_to(token, 0, 10));
    story.later(120);
    let batch = story.batch();
    assert_eq!(packed(&batch), [(0..10).collect::<Vec<_>>()]);
    batch
}

#[test]
fn retrier_success() {
    let mut story = Story::on(1, kpl());
    let batch = ten(&mut story);
    story.later(5);
    let placement = story.place(&batch.entries[0]).expect("stored");
    story.answer(&batch, Ok(vec![Ok(placement.clone())]));
    let [outcome] = &story.outcomes()[..] else { panic!("one for all") };
    assert!(outcome.tokens.iter().map(|token| token.0).eq(0..10));
    let Outcome::Stored { sequence_number, shard, maybe_duplicate: false } = &outcome.outcome
    else {
        panic!("{outcome}")
    };
    assert_eq!((sequence_number, shard), (&placement.sequence_number, &placement.shard));
    let [attempt] = outcome.attempts.kept() else { panic!("one attempt") };
    assert_eq!((attempt.start, attempt.end, &attempt.error), (at(2_120), at(2_125), &None));
}

/// All of it is sent again, and the attempts tell the code, the words and the times.
///
/// The KPL does so whatever the code is; here one that no retry can mend ends it.
#[test]
fn retrier_request_failure() {
    let mut story = Story::on(1, kpl());
    let first = ten(&mut story);
    story.later(5);
    let message = Message::new("out of order");
    let error = AttemptError::with_message(ErrorCode::parse("SomeException"), message);
    story.answer(&first, Err(error.clone()));
    assert_eq!(names(&story.drain()), ["requeue"]);
    story.later(49);
    assert!(story.drain().is_empty());
    story.later(1);
    let second = story.batch();
    assert_eq!(second.entries, first.entries, "byte by byte");
    story.store(&second);
    let outcomes = story.outcomes();
    assert_eq!(fates(&outcomes), all(0..10, "stored, maybe twice", 2));
    let [failed, stored] = outcomes[0].attempts.kept() else { panic!("two attempts") };
    assert_eq!((failed.start, failed.end), (at(2_120), at(2_125)));
    assert_eq!(failed.error, Some(error));
    assert_eq!((stored.start, stored.end, &stored.error), (at(2_175), at(2_175), &None));
}

#[test]
fn retrier_request_failure_that_no_retry_mends() {
    let mut story = Story::on(1, kpl());
    let batch = ten(&mut story);
    story.fail(&batch, ErrorCode::AccessDeniedException);
    let outcomes = story.outcomes();
    assert_eq!(fates(&outcomes), all(0..10, "not stored", 1));
    let Outcome::NotStored { cause, .. } = &outcomes[0].outcome else { panic!("not stored") };
    assert_eq!(cause, &Cause::Permanent(ErrorCode::AccessDeniedException));
    assert!(story.engine.is_empty());
}

/// Some entries are stored, others fail, each with a code of its own: exactly these are sent again.
#[test]
fn retrier_partial() {
    let mut story = Story::on(6, kpl());
    (0..12).for_each(|token| story.add_to(token, token as usize % 6, 10));
    story.later(120);
    let batch = story.batch();
    let codes = ["", "xx", "InternalFailure", "ServiceUnavailable", "ThrottlingException", ""];
    let results = batch.entries.iter().zip(codes).map(|(entry, code)| match code {
        "" => story.place(entry),
        code => Err(AttemptError::new(ErrorCode::parse(code))),
    });
    let results = results.collect();
    story.answer(&batch, Ok(results));
    let actions = story.drain();
    let notices = ["requeue", "requeue", "requeue", "requeue"];
    assert_eq!(names(&actions), [&["complete", "complete"][..], &notices].concat());
    for (action, index) in actions[2..].iter().zip(1..) {
        let Action::Requeue(requeue) = action else { panic!("{action}") };
        assert_eq!(
            (&requeue.indexes[..], requeue.cause.code.as_str()),
            (&[index][..], codes[usize::from(index)])
        );
    }
    story.later(50);
    let again = story.batch();
    assert_eq!(packed(&again), [[1, 7], [2, 8], [3, 9], [4, 10]]);
    story.store(&again);
    let outcomes = fates(&story.outcomes());
    let of = |token| outcomes.iter().find(|fate| fate.0 == token).copied();
    assert_eq!(of(1), Some((1, "stored, maybe twice", 2)), "nobody knows that code");
    assert_eq!(of(8), Some((8, "stored, maybe twice", 2)));
    assert_eq!(of(10), Some((10, "stored", 2)), "a throttle is a clear word");
}

/// An entry that is throttled, and a whole request that is.
#[test]
fn retrier_fail_if_throttled() {
    let throttled = ErrorCode::ProvisionedThroughputExceededException;
    for whole in [false, true] {
        let mut story = Story::on(1, kpl().fail_if_throttled(true));
        let batch = ten(&mut story);
        if whole {
            story.fail(&batch, throttled.clone());
        } else {
            story.throttle(&batch);
        }
        let outcomes = story.outcomes();
        assert_eq!(fates(&outcomes), all(0..10, "not stored", 1));
        let Outcome::NotStored { cause: Cause::Throttled, .. } = outcomes[0].outcome else {
            panic!("{}", outcomes[0])
        };
        let last = outcomes[0].attempts.last().and_then(|attempt| attempt.error.as_ref());
        assert_eq!(last.map(|error| &error.code), Some(&throttled));
    }
}

/// An aggregate lands in a shard of which nobody knows what belongs there.
///
/// The KPL sends its members again at once. Here they wait for the next list of the shards, which may clear it up:
/// this one does not.
#[test]
fn retrier_wrong_shard() {
    let mut story = Story::on(1, kpl());
    let batch = ten(&mut story);
    story.store_in(&batch, 77);
    let request = story.list_request();
    assert_eq!(story.engine.stats().in_flight, 10, "nothing is decided yet");
    story.list(&request);
    let actions = story.drain();
    let [Action::Requeue(requeue)] = &actions[..] else { panic!("{:?}", names(&actions)) };
    assert_eq!(requeue.cause.code, ErrorCode::WrongShard);
    story.later(70);
    let again = story.batch();
    assert_eq!(packed(&again), [(0..10).collect::<Vec<_>>()]);
    story.store(&again);
    let outcomes = story.outcomes();
    assert_eq!(fates(&outcomes), all(0..10, "stored, maybe twice", 2));
    let first = outcomes[0].attempts.kept()[0].error.as_ref().expect("it counts as failed");
    assert_eq!(first.code, ErrorCode::WrongShard);
}

/// A record that goes plain is right wherever it is stored, for consumers take it from any shard. The KPL sends it
/// again, which makes a duplicate.
#[test]
fn retrier_wrong_shard_of_a_plain_record() {
    let mut story = Story::on(1, kpl());
    story.add(1, 10);
    story.later(120);
    let batch = story.batch();
    story.store_in(&batch, 77);
    let outcomes = story.outcomes();
    assert_eq!(fates(&outcomes), [(1, "stored", 1)]);
    let Outcome::Stored { shard, .. } = &outcomes[0].outcome else { panic!("stored") };
    assert_eq!(*shard, ShardId::numbered(77));
    story.add(2, 10);
    assert_eq!(names(&story.drain()), ["list-shards"], "but the map is old");
}

#[test]
fn retrier_invalidate_for_first_user_record_only() {
    let mut story = Story::on(1, kpl());
    let batch = ten(&mut story);
    let before = story.engine.stats().listings;
    story.store_in(&batch, 77);
    let request = story.list_request();
    assert_eq!(story.engine.stats().listings, before + 1, "one for all ten");
    assert_eq!(story.engine.stats().wrong_shard, 1);
    story.list(&request);
    let run = story.run(1_000);
    assert_eq!(fates(&run.outcomes), all(0..10, "stored, maybe twice", 2));
    assert_eq!(story.engine.stats().listings, before + 1, "and no other");
}

/// A shard is split, and all members belong to the half where the aggregate lands, at both of its ends.
///
/// The KPL knows that at once, if it has seen that half before, and asks for the shards only if the number of the
/// shard rises. Here the next list says it.
#[test]
fn retrier_wrong_shard_but_correct_hashrange() {
    let mut story = Story::on(2, kpl());
    let half = story.stream.end(0) / 2;
    let ends = [0, 1, half - 1, half];
    for (token, hash_key) in (0..).zip(ends) {
        story.add_at(token, hash_key, 10);
    }
    story.later(120);
    let batch = story.batch();
    assert_eq!(packed(&batch), [[0, 1, 2, 3]]);
    story.stream.split(0);
    story.store(&batch);
    let request = story.list_request();
    story.list(&request);
    let outcomes = story.outcomes();
    assert_eq!(fates(&outcomes), all(0..4, "stored", 1), "nothing is sent twice");
    assert_eq!(story.engine.stats().wrong_shard, 1);
    assert_eq!(story.engine.stats().shards, 3);
    assert!(story.engine.is_empty());
}

/// A shard is split between the members. The KPL sends those again that are outside; but the KCL drops the whole
/// aggregate (ADR 0014), so here all of them go again, each to its own half.
#[test]
fn retrier_wrong_shard_and_wrong_hashrange() {
    let mut story = Story::on(2, kpl());
    let half = story.stream.end(0) / 2;
    for (token, hash_key) in (0..).zip([0, half, half + 1]) {
        story.add_at(token, hash_key, 10);
    }
    story.later(120);
    let batch = story.batch();
    story.stream.split(0);
    story.store(&batch);
    let request = story.list_request();
    story.list(&request);
    assert_eq!(names(&story.drain()), ["requeue"]);
    story.later(70);
    let again = story.batch();
    assert_eq!(packed(&again), [vec![0, 1], vec![2]]);
    story.store(&again);
    assert_eq!(fates(&story.outcomes()), all(0..3, "stored, maybe twice", 2));
    assert_eq!(story.engine.stats().wrong_shard, 1, "the second time it is right");
}

/// A case that the KPL has commented out: it asks for the shards again only if the number of the shard is higher
/// than predicted. Numbers say nothing of a stream that was deleted and made anew, so here any other shard will do.
#[test]
fn retrier_invalidate_for_predicted_shard_ids_lower_than_actual() {
    for (place, stored_in) in [(0, 1), (1, 0)] {
        let mut story = Story::on(2, kpl());
        story.add_to(1, place, 10);
        story.later(120);
        let batch = story.batch();
        story.store_in(&batch, stored_in);
        story.add_to(2, place, 10);
        let actions = story.drain();
        assert_eq!(names(&actions), ["complete", "list-shards"]);
    }
}

/// The KPL gives all records up. Here nobody knows what became of them, and they are sent again.
#[test]
fn retrier_record_count_mismatch() {
    let mut story = Story::of(plain());
    (0..3).for_each(|token| story.add(token, 10));
    story.later(100);
    let batch = story.batch();
    let placement = story.place(&batch.entries[0]);
    story.answer(&batch, Ok(vec![placement; 2]));
    assert_eq!(story.engine.stats().unusable_answers, 1);
    let run = story.run(1_000);
    assert!(sent(&run.batches[0].1).into_iter().eq(0..3));
    assert_eq!(fates(&run.outcomes), all(0..3, "stored, maybe twice", 2));
}
