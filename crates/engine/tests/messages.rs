//! What errors and outcomes say, and what is printed of records.

mod story;

use core::fmt::{Debug, Display};
use core::time::Duration;

use bytes::Bytes;
use headwaters_engine::wire::{
    AttemptError, ErrorCode, HashKeyRange, ListedShard, NextToken, PartitionKey, PartitionKeyError,
    ShardId, ShardPage,
};
use headwaters_engine::{
    Action, Bounds, Cause, ConfigBuilder, Engine, Event, FlushId, Instant, RecordError, Refused,
    RefusedReason, RetryPolicy, Sent, ShardPrediction, Timing, Token, UserRecord,
};
use story::{Story, Stream, plain, record};

/// Settings for an engine that asks for shards and does not pack.
fn listing() -> ConfigBuilder {
    plain().shard_prediction(ShardPrediction::default())
}

/// The only shard of a stream.
fn shard() -> ListedShard {
    ListedShard { hash_keys: HashKeyRange::ALL, id: ShardId::numbered(0) }
}

/// The message of each has these words.
fn all_say<T: Debug + Display>(cases: &[(T, &str)]) {
    for (said, words) in cases {
        assert!(said.to_string().contains(words), "{said:?}: {said}");
    }
}

/// Whoever reads the line knows which setting to look at.
#[test]
fn a_cause_names_the_setting_that_decides() {
    let cases = [
        (Cause::AttemptsExhausted, "`retry`"),
        (Cause::Closed, "closed"),
        (Cause::Expired, "`record_ttl`"),
        (Cause::Permanent(ErrorCode::ResourceNotFoundException), "ResourceNotFoundException"),
        (Cause::Purged, "purged"),
        (Cause::RefusedFull, "`bounds`"),
        (Cause::RefusedShardFull, "`shard_share`"),
        (Cause::RefusedTooLarge { limit: 1_048_576 }, "1048576 bytes of `max_user_record_size`"),
        (Cause::Throttled, "`fail_if_throttled`"),
    ];
    all_say(&cases);
}

#[test]
fn a_refusal_says_what_to_do() {
    let cases = [
        (RefusedReason::Closed, "the producer is closed"),
        (RefusedReason::Full, "wait for room, or raise `bounds`"),
        (RefusedReason::ShardFull, "raise `bounds` or `shard_share`"),
        (RefusedReason::TooLarge { limit: 77 }, "larger than 77 bytes"),
    ];
    all_say(&cases);
    let record = UserRecord::new("key", vec![0; 10]).expect("a small record");
    let refused = Refused::new(RefusedReason::Full, record);
    assert_eq!(refused.to_string(), RefusedReason::Full.to_string());
}

#[test]
fn a_record_that_cannot_be_names_its_size_or_its_key() {
    let error = UserRecord::new("", vec![]).expect_err("it has no key");
    assert_eq!(error, RecordError::PartitionKey(PartitionKeyError::Empty));
    assert!(error.to_string().starts_with("the partition key is empty"));
    let error = UserRecord::new("key", vec![0; 10 << 20]).expect_err("it is too large");
    let message = "data and partition key have 10485763 bytes; no stream takes more than 10485760";
    assert_eq!(error.to_string(), message);
}

/// A record in a log tells its size, and nothing of what is in it.
#[test]
fn no_payload_and_no_key_is_printed() {
    let key = PartitionKey::new("swordfish").expect("a key");
    let record = UserRecord::new("swordfish", Bytes::from_static(b"swordfish-data"))
        .expect("a small record")
        .with_explicit_hash_key(31_415_926_535.into());
    let added = Event::RecordAdded {
        token: Token(1),
        record: record.clone(),
        timing: Timing { max_buffered_time: None, ttl: Some(None) },
    };
    let printed = format!("{record:?} {added:?} {added} {:?}", record.to_entry());
    assert!(printed.contains("14 bytes"), "sizes are: {printed}");
    assert!(!printed.contains("swordfish") && !printed.contains("31415"), "{printed}");
    assert_eq!(record.partition_key(), &key);
    assert_eq!(record.detached(), record, "in buffers of its own");
}

/// The lines of a trace: what it was, and the numbers, on one line.
#[test]
fn an_event_is_one_line() {
    let mut story = Story::unlisted(1, listing().collection_max_count(2));
    let listed = story.list_request();
    let request = listed.id;
    story.list(&listed);
    story.add(1, 10);
    story.add(2, 10);
    let id = story.batch().id;
    let at = Instant::ZERO.after(Duration::from_secs(1));
    let code = ErrorCode::ProvisionedThroughputExceededException;
    let throttled = || AttemptError::new(code.clone());
    let next_token = Some(NextToken::new("next").expect("a token"));
    let timing = Timing { max_buffered_time: Some(Duration::from_millis(5)), ttl: Some(None) };
    let events = [
        (
            Event::BatchCancelled { batch: id, sent: Sent::No },
            format!("batch-cancelled {id} sent=No"),
        ),
        (
            Event::BoundsChanged(Bounds { bytes: 5, records: 6 }),
            String::from("bounds-changed bytes=5 records=6"),
        ),
        (Event::CloseRequested { deadline: None }, String::from("close-requested until=never")),
        (
            Event::FlushRequested { flush: FlushId(3), deadline: Some(at) },
            format!("flush-requested 3 until={at}"),
        ),
        (Event::PurgeRequested, String::from("purge-requested")),
        (
            Event::PutRecordsFinished { batch: id, result: Ok(vec![Err(throttled()); 2]) },
            format!("put-records-finished {id} results=2 0={code} 1={code}"),
        ),
        (
            Event::PutRecordsFinished { batch: id, result: Err(throttled()) },
            format!("put-records-finished {id} error={code}"),
        ),
        (
            Event::RecordAdded { token: Token(7), record: record(7, 10), timing },
            String::from("record-added 7 size=11 max-buffered-time=5ms ttl=never"),
        ),
        (
            Event::ShardsListed { request, result: Err(throttled()) },
            format!("shards-listed {request} error={code}"),
        ),
        (
            Event::ShardsListed {
                request,
                result: Ok(ShardPage { next_token, shards: vec![shard()] }),
            },
            format!("shards-listed {request} shards=1 and more"),
        ),
        (Event::TimeAdvanced, String::from("time-advanced")),
        (Event::TransportReady, String::from("transport-ready")),
    ];
    for (event, line) in events {
        assert_eq!(event.to_string(), line);
    }
}

#[test]
fn an_action_is_one_line() {
    let mut story = Story::unlisted(1, listing().collection_max_count(2));
    let request = story.list_request();
    let line = format!("list-shards {} first page", request.id);
    assert_eq!(Action::ListShards(request.clone()).to_string(), line);
    story.list(&request);
    story.add(1, 10);
    story.add(2, 10);
    let batch = story.batch();
    let line = format!("send-batch {} entries=2 bytes=22", batch.id);
    assert_eq!(Action::SendBatch(batch).to_string(), line);
    assert_eq!(Action::RoomAvailable.to_string(), "room-available");
}

/// What was stored at the first attempt is told for a whole request, or one by one.
#[test]
fn what_was_stored_reads_alike_for_all_and_one_by_one() {
    let config = listing().collection_max_count(2).build().expect("valid settings");
    let mut engine = Engine::new(config, Instant::ZERO);
    let Action::ListShards(request) = engine.poll() else { panic!("it asks for shards") };
    let page = ShardPage { next_token: None, shards: vec![shard()] };
    engine.handle(Event::ShardsListed { request: request.id, result: Ok(page) }, Instant::ZERO);
    for token in [1, 2] {
        engine.add(Token(token), record(token, 10), Instant::ZERO).expect("room");
    }
    let Action::SendBatch(batch) = engine.poll() else { panic!("a request") };
    let mut stream = Stream::even(1);
    let result = Ok(batch.entries.iter().map(|entry| Ok(stream.store(entry))).collect());
    engine.handle(Event::PutRecordsFinished { batch: batch.id, result }, Instant::ZERO);
    let action = engine.poll();
    let Action::Stored(stored) = &action else { panic!("all of them: {action}") };
    assert_eq!(action.to_string(), format!("stored {} records=2", batch.id));
    assert_eq!((stored.len(), stored.tokens()), (2, &[Token(1), Token(2)][..]));
    assert!(stored.iter().map(|(token, _)| token).eq([Token(1), Token(2)]));
    for (completion, token) in stored.clone().into_completions().zip(1..) {
        let line = completion.to_string();
        let words = format!("complete {token} stored shardId-000000000000 ");
        assert!(line.starts_with(&words) && line.ends_with(" attempts=1"), "{line}");
    }
}

#[test]
fn a_completion_says_what_is_not_stored_and_what_may_be() {
    let mut story = Story::of(
        plain()
            .collection_max_count(1)
            .retry(RetryPolicy::Linear { step: Duration::ZERO, max_attempts: 1 }),
    );
    story.add(1, 10);
    let batch = story.batch();
    story.fail_at(&batch, &[0], &ErrorCode::InternalFailure);
    let mut completions = story.outcomes();
    story.add(2, 10);
    let batch = story.batch();
    story.throttle(&batch);
    completions.extend(story.outcomes());
    let lines: Vec<String> = completions.iter().map(ToString::to_string).collect();
    assert_eq!(
        lines,
        [
            "complete 1 maybe-stored cause=AttemptsExhausted attempts=1",
            "complete 2 not-stored cause=AttemptsExhausted attempts=1",
        ]
    );
}

#[test]
fn names_and_times_print_what_they_are() {
    let time = Instant::ZERO.after(Duration::from_nanos(12_000_000_345));
    assert_eq!(time.to_string(), "12.000000345s");
    let mut story = Story::unlisted(1, plain().shard_prediction(ShardPrediction::On));
    let request = story.list_request();
    let number: u64 = request.id.to_string().parse().expect("a number");
    story.fail_list(&request, ErrorCode::InternalFailure);
    story.add(0, 10);
    story.later(10_000);
    let later = story.drain().into_iter().find_map(|action| match action {
        Action::ListShards(request) => Some(request.id.to_string()),
        _ => None,
    });
    assert_ne!(later, Some(number.to_string()), "each has its own");
    assert!(later.is_some());
}
