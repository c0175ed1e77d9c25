//! What nobody is told of, and what shows all the same.

mod story;

use bytes::Bytes;
use headwaters_engine::wire::ErrorCode;
use headwaters_engine::{
    Action, Config, Event, RateLimit, RetryPolicy, ShardPrediction, Timing, UserRecord,
    WakeupReason,
};

use story::{Story, at, buffered, fates, millis, plain, sent};

fn put_data(story: &mut Story, token: u64, data: Bytes) {
    let record = UserRecord::new("key", data).expect("a valid record");
    story.put(token, record, Timing::default());
}

/// What is cut out of a larger buffer would keep all of it in memory.
#[test]
fn a_payload_that_shares_its_buffer_is_copied_and_no_other() {
    let mut story = Story::of(plain().copy_shared_up_to(100).collection_max_count(3));
    let whole = Bytes::from(vec![7; 10_000]);
    let own = Bytes::from(vec![8; 50]);
    let place = own.as_ptr();
    put_data(&mut story, 0, whole.slice(..100));
    assert!(whole.is_unique(), "the engine has a copy");
    put_data(&mut story, 1, own);
    put_data(&mut story, 2, whole.slice(..101));
    assert!(!whole.is_unique(), "too large to be copied");
    let batch = story.batch();
    assert_eq!(batch.entries[1].data.as_ptr(), place, "it had a buffer of its own");
    assert_eq!(batch.entries[0].data, whole.slice(..100));
}

/// Without a list of the shards the stream is taken to have as many as have been seen, and four at least.
#[test]
fn each_shard_that_is_seen_raises_what_the_stream_is_sent() {
    let settings = plain().rate_limit(RateLimit::Fixed { percent: 100 }).record_ttl(None);
    let mut story = Story::unlisted(8, settings.shard_prediction(ShardPrediction::Off));
    let level = |story: &Story| story.engine.shard_stats().last().and_then(|all| all.record_level);
    for place in 0..6 {
        story.add_to(place as u64, place, 10);
    }
    story.later(100);
    let batch = story.batch();
    assert_eq!(level(&story), Some(4_000 - 6), "four are assumed");
    story.store(&batch);
    story.drain();
    story.later(60_000);
    story.add(6, 10);
    assert_eq!(level(&story), Some(6_000), "six have been seen");
}

/// Its time is over when it is over, not a moment later: in the queue, and out of it as the second here, which was to leave
/// before the first.
#[test]
fn what_finds_no_request_expires_on_the_dot() {
    let settings = plain().max_requests_in_flight(1).record_ttl(Some(millis(1_000)));
    let mut story = Story::of(settings);
    story.add_timed(9, 10, buffered(millis(0)));
    assert_eq!(sent(&story.batch()), [9], "on its way for longer than the others live");
    story.add_timed(0, 10, buffered(millis(500)));
    story.add_timed(1, 10, buffered(millis(100)));
    story.later(999);
    assert!(story.outcomes().is_empty(), "a millisecond is left");
    story.later(1);
    assert_eq!(fates(&story.outcomes()).len(), 2);
}

/// Packed with one that lives for ever it has its own time all the same.
#[test]
fn what_is_packed_expires_on_the_dot() {
    let settings = Config::builder().max_requests_in_flight(1).record_ttl(None);
    let mut story = Story::on(1, settings);
    story.add_timed(9, 10, buffered(millis(0)));
    story.later(20);
    assert_eq!(sent(&story.batch()), [9], "on its way for longer than the others live");
    story.add_timed(0, 10, buffered(millis(100)));
    let brief = Timing { ttl: Some(Some(millis(1_000))), ..buffered(millis(5_000)) };
    story.add_timed(1, 10, brief);
    story.later(999);
    assert!(story.outcomes().is_empty(), "a millisecond is left");
    story.later(1);
    assert_eq!(fates(&story.outcomes()), [(1, "not stored", 0)]);
}

/// Who only asks when to come again is told of what is there to be taken now.
#[test]
fn what_waits_to_be_told_is_due_now() {
    let mut story = Story::of(plain());
    story.add(0, 10);
    assert_eq!(story.engine.wakeup().at, Some(at(100)));
    story.handle(Event::PurgeRequested);
    let wakeup = story.engine.wakeup();
    assert_eq!((wakeup.at, wakeup.reason), (Some(story.now), WakeupReason::Actions));
    story.drain();
    assert_eq!(story.engine.wakeup().at, None);
}

/// Somebody waits for room: is something held that will make some? Each by itself.
#[test]
fn what_makes_room_is_known() {
    let retry = RetryPolicy::Linear { max_attempts: 3, step: millis(1_000) };
    let settings = plain().record_ttl(None).retry(retry);
    let mut story = Story::of(settings.clone());
    let makes_room = |story: &Story| story.engine.makes_room();
    story.add(0, 10);
    assert!(!makes_room(&story), "it waits for company");
    story.later(100);
    let batch = story.batch();
    assert_eq!(story.engine.stats().requests_in_flight, 1);
    assert!(makes_room(&story), "it is on its way");
    story.fail(&batch, ErrorCode::InternalFailure);
    story.drain();
    assert!(makes_room(&story), "it waits for its retry");
    story.later(2_000);
    let batch = story.batch();
    story.store(&batch);
    story.drain();
    story.add(1, 10);
    assert!(!makes_room(&story) && !story.engine.is_probing() && !story.engine.is_closing());
    story.flush(1);
    assert!(makes_room(&story), "it was told to leave");
    story.close();
    assert!(story.engine.is_closing());

    let mut limited = Story::on(
        1,
        settings
            .clone()
            .shard_prediction(ShardPrediction::On)
            .rate_limit(RateLimit::Fixed { percent: 100 }),
    );
    (0..2).for_each(|token| limited.add(token, 600_000));
    limited.later(100);
    let batch = limited.batch();
    limited.store(&batch);
    limited.drain();
    assert!(makes_room(&limited), "its limiter lets it leave");

    let mut unlisted = Story::unlisted(1, settings.shard_prediction(ShardPrediction::On));
    unlisted.list_request();
    unlisted.add(0, 10);
    assert!(makes_room(&unlisted), "the first list lets it leave");
}

/// What was told of a shard goes on beside a reshard of another.
#[test]
fn a_shard_that_stays_keeps_its_figures() {
    let mut story = Story::on(2, plain().shard_prediction(ShardPrediction::On).record_ttl(None));
    story.add_to(0, 0, 10);
    story.add_to(1, 1, 10);
    story.later(100);
    let batch = story.batch();
    story.stream.split(1);
    // Who holds nothing asks for no list.
    story.add_timed(2, 10, buffered(millis(20_000)));
    story.store(&batch);
    let request = story.drain().into_iter().find_map(|action| match action {
        Action::ListShards(request) => Some(request),
        _ => None,
    });
    story.list(&request.expect("a listing"));
    let stored: Vec<u64> = story.engine.shard_stats().map(|shard| shard.stored).collect();
    assert_eq!(stored[..3], [1, 0, 0], "and its children begin anew");
}

/// Where requests are full, those that always have enough take turns, and what is due has its own.
#[test]
fn who_always_has_enough_keeps_nobody_else_waiting() {
    let settings = plain().shard_prediction(ShardPrediction::On).collection_max_count(2);
    let settings = settings.collection_max_shard_size(20).max_requests_in_flight(1);
    let mut story = Story::on(3, settings.record_ttl(None));
    let mut seen = Vec::new();
    story.add_to(200, 2, 10);
    for token in 0..8 {
        for place in [0, 1] {
            (0..2)
                .for_each(|more| story.add_to(100 * place + 2 * token + more, place as usize, 10));
        }
        story.later(200);
        for action in story.drain() {
            if let Action::SendBatch(batch) = action {
                seen.extend(sent(&batch).into_iter().map(|token| token / 100));
                story.store(&batch);
            }
        }
    }
    for shard in 0..3 {
        assert!(seen[..8].contains(&shard), "{seen:?}");
    }
}
