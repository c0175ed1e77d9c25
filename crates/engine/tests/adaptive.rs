//! What an engine learns from throttles.

mod story;

use headwaters_engine::wire::ErrorCode;
use headwaters_engine::{Action, Batch, Config, ConfigBuilder, RateLimit, RetryPolicy};

use story::{Story, buffered, millis};

/// Records that leave at once, each by itself.
fn adaptive() -> ConfigBuilder {
    Config::builder()
        .aggregation_enabled(false)
        .rate_limit(RateLimit::Adaptive { ceiling_percent: 150 })
        .record_max_buffered_time(millis(0))
        .record_ttl(None)
}

/// The rates in records, in the order of the map; the last is that of records whose shard is not known.
fn rates(story: &Story) -> Vec<u64> {
    story.engine.shard_stats().filter_map(|shard| shard.record_rate_ppm).collect()
}

/// Sends so many records to the shard at this place, in one request.
fn send(story: &mut Story, place: usize, count: u64) -> Batch {
    (0..count).for_each(|token| story.add_to(token, place, 100));
    story.batch()
}

/// Has the first shard throttle all of a request of 40 records.
fn throttled(mut story: Story) -> Story {
    let batch = send(&mut story, 0, 40);
    story.later(50);
    story.throttle(&batch);
    story.drain();
    story
}

#[test]
fn a_hot_shard_does_not_slow_its_neighbours() {
    let mut story = Story::on(3, adaptive());
    for _ in 0..10 {
        let hot = send(&mut story, 1, 40);
        let cold = send(&mut story, 0, 40);
        story.later(50);
        story.throttle(&hot);
        story.store(&cold);
        story.drain();
        story.later(2_000);
        // What the hot one throttled is sent again, and stored.
        let again = story.batches();
        again.iter().for_each(|batch| story.store(batch));
        story.drain();
    }
    let rates = rates(&story);
    assert!(rates[0] > 1_000_000, "it could have learned only that there is room: {rates:?}");
    assert!(rates[1] < 300_000, "{rates:?}");
    assert_eq!(rates[2], 1_000_000, "it was sent nothing");
}

#[test]
fn a_request_that_is_throttled_as_a_whole_says_nothing_of_its_shards() {
    let retry = RetryPolicy::Linear { max_attempts: 9, step: millis(700) };
    let mut story = Story::on(1, adaptive().retry(retry));
    let batch = send(&mut story, 0, 40);
    story.later(50);
    story.fail(&batch, ErrorCode::ThrottlingException);
    story.drain();
    assert_eq!(rates(&story)[0], 1_000_000);
    assert_eq!(story.engine.wakeup().at, Some(story.now.after(millis(700))), "the policy's wait");
}

#[test]
fn what_a_shard_throttles_waits_for_its_limiter_alone() {
    let retry = RetryPolicy::Linear { max_attempts: 9, step: millis(700) };
    let mut story = Story::on(1, adaptive().retry(retry));
    let batch = send(&mut story, 0, 1_000 / 2);
    story.later(50);
    story.throttle(&batch);
    let requeue = story.drain().into_iter().find_map(|action| match action {
        Action::Requeue(requeue) => Some(requeue),
        _ => None,
    });
    assert_eq!(requeue.map(|requeue| requeue.not_before), Some(story.now.after(millis(1))));
    story.later(1);
    let again: usize = story.batches().iter().map(|batch| batch.entries.len()).sum();
    assert_eq!(again, 482, "seven eighths of what was left, as of the rate");
}

#[test]
fn children_of_a_split_start_with_the_rate_of_their_parent() {
    let mut story = throttled(Story::on(2, adaptive()));
    let learned = rates(&story)[0];
    assert!(learned < 1_000_000);
    // Its children are listed when a record turns up in one of them.
    story.stream.split(0);
    story.later(2_000);
    let again = story.batch();
    // Who holds nothing asks for no list.
    story.add_timed(1_000, 100, buffered(millis(20_000)));
    story.store(&again);
    let listing = story.drain().into_iter().find_map(|action| match action {
        Action::ListShards(request) => Some(request),
        _ => None,
    });
    let request = listing.expect("a listing");
    story.list(&request);
    assert_eq!(rates(&story)[..2], [learned; 2]);
    assert!(rates(&story)[2] >= 1_000_000);
}

#[test]
fn without_a_map_the_whole_stream_learns() {
    let story =
        throttled(Story::of(adaptive().shard_prediction(headwaters_engine::ShardPrediction::Off)));
    assert!(rates(&story)[0] < 1_000_000, "{:?}", rates(&story));
}

/// In millionths of what a shard promises, of records and of bytes.
#[test]
fn a_fixed_rate_is_told_as_it_is() {
    let settings = adaptive().rate_limit(RateLimit::Fixed { percent: 70 });
    let story = Story::on(1, settings);
    let shard = story.engine.shard_stats().next().expect("one shard");
    assert_eq!((shard.record_rate_ppm, shard.byte_rate_ppm), (Some(700_000), Some(700_000)));
}

/// What is stored beside something that fails raises the rate as well.
#[test]
fn an_answer_that_is_mixed_teaches_too() {
    let mut story = throttled(Story::on(2, adaptive()));
    let learned = rates(&story)[0];
    story.later(2_000);
    let again = story.batch();
    story.fail_at(&again, &[0], &ErrorCode::InternalFailure);
    story.drain();
    assert!(rates(&story)[0] > learned, "{:?}", rates(&story));
}

/// It takes both, time and entries, until a shard that has calmed down is trusted faster.
#[test]
fn a_long_silence_alone_doubles_no_step() {
    let rises = [2_000, 60_000].map(|pause| {
        let mut story = throttled(Story::on(1, adaptive()));
        story.later(pause);
        let again = story.batch();
        let learned = rates(&story)[0];
        let one = [again.entries.len() - 1];
        let others: Vec<usize> = (0..one[0]).collect();
        story.fail_at(&again, &others, &ErrorCode::InternalFailure);
        story.drain();
        rates(&story)[0] - learned
    });
    assert!(rises[0] > 0, "one entry was stored");
    assert_eq!(rises[0], rises[1]);
}
