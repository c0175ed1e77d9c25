//! `core/test/user_record_test.cc`.

use headwaters_engine::wire::{AttemptError, ErrorCode, HashKey, ShardId};
use headwaters_engine::{Cause, Outcome, RetryPolicy, Timing, UserRecord};

use crate::story::{Story, at, kpl, millis, names, plain, record};

#[test]
fn user_record_basic_conversion() {
    let record = UserRecord::new("my-key", "hello").expect("a valid record");
    assert_eq!((record.data().as_ref(), record.size()), (&b"hello"[..], 11));
    let mut story = Story::of(plain());
    story.put(1, record.clone(), Timing::default());
    story.later(100);
    let batch = story.batch();
    assert_eq!(batch.entries[..], [record.into_entry()]);
}

#[test]
fn user_record_hash_key_from_partition_key() {
    let record = UserRecord::new("abcd", "").expect("a valid record");
    let md5 = 301_716_283_811_389_038_011_477_436_469_853_762_335;
    assert_eq!((record.hash_key(), record.explicit_hash_key()), (HashKey::new(md5), None));
    let mut story = Story::on(10, kpl());
    story.put(1, record, Timing::default());
    story.later(120);
    let batch = story.batch();
    story.store(&batch);
    assert_eq!(story.outcomes().len(), 1);
    assert_eq!(story.engine.stats().wrong_shard, 0, "the engine and the service agree");
}

#[test]
fn user_record_explicit_hash_key() {
    let record = record(1, 10).with_explicit_hash_key(HashKey::new(123));
    assert_eq!(record.hash_key(), HashKey::new(123));
    let mut story = Story::of(plain());
    story.put(1, record, Timing::default());
    story.later(100);
    assert_eq!(story.batch().entries[0].explicit_hash_key, Some(HashKey::new(123)));
}

/// Two attempts, of 5 and 7 ms, 0 and 6 ms after what came before.
#[test]
fn user_record_put_record_result_fail() {
    let twice = RetryPolicy::Linear { max_attempts: 2, step: millis(6) };
    let at_once = plain().retry(twice).record_max_buffered_time(millis(0));
    let mut story = Story::of(at_once);
    story.add(1, 10);
    for (wait, duration) in [(0, 5), (6, 7)] {
        story.later(wait);
        let batch = story.batch();
        story.later(duration);
        story.throttle(&batch);
        if wait == 0 {
            assert_eq!(names(&story.drain()), ["requeue"]);
        }
    }
    let [failed] = &story.outcomes()[..] else { panic!("one outcome") };
    let Outcome::NotStored { cause: Cause::AttemptsExhausted, record: back } = &failed.outcome
    else {
        panic!("{failed}")
    };
    assert_eq!(*back, record(1, 10), "untouched");
    let attempts = failed.attempts.kept();
    let times: Vec<_> = attempts.iter().map(|attempt| (attempt.start, attempt.end)).collect();
    assert_eq!(times, [(at(0), at(5)), (at(11), at(18))]);
    let throttled = AttemptError::new(ErrorCode::ProvisionedThroughputExceededException);
    assert!(attempts.iter().all(|attempt| attempt.error.as_ref() == Some(&throttled)));
}

#[test]
fn user_record_put_record_result_success() {
    let mut story = Story::of(plain());
    story.add(1, 10);
    story.later(100);
    let batch = story.batch();
    story.later(5);
    let placement = story.place(&batch.entries[0]).expect("stored");
    story.answer(&batch, Ok(vec![Ok(placement.clone())]));
    let [outcome] = &story.outcomes()[..] else { panic!("one outcome") };
    let expected = Outcome::Stored {
        maybe_duplicate: false,
        sequence_number: placement.sequence_number,
        shard: ShardId::numbered(0),
    };
    assert_eq!((&outcome.outcome, outcome.attempts.count()), (&expected, 1));
    let attempt = outcome.attempts.last().expect("it is kept");
    assert_eq!((attempt.start, attempt.end, &attempt.error), (at(100), at(105), &None));
}
