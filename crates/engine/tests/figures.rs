//! What the engine says of itself.

mod story;

use core::time::Duration;

use headwaters_engine::wire::{Entry, ErrorCode};
use headwaters_engine::{
    Bounds, Config, ConfigBuilder, Cuts, Event, RateLimit, RetryPolicy, Sent, ShardStats, Times,
};

use story::{Story, millis};

fn settings() -> ConfigBuilder {
    Config::builder()
        .aggregation_max_count(4)
        .aggregation_max_size(1_000)
        .collection_max_shard_size(5_000)
        .rate_limit(RateLimit::Fixed { percent: 100 })
        .record_max_buffered_time(millis(100))
}

fn times(times: Times) -> (u64, Duration, Duration) {
    (times.count, times.longest, times.total)
}

fn cuts(cuts: Cuts) -> [u64; 5] {
    [cuts.by_count, cuts.by_flush, cuts.by_shard, cuts.by_size, cuts.by_time]
}

fn shards(story: &Story) -> Vec<ShardStats> {
    story.engine.shard_stats().collect()
}

#[test]
fn each_shard_has_figures_of_its_own() {
    let mut story = Story::on(2, settings().aggregation_enabled(false));
    (0..3).for_each(|token| story.add_to(token, 0, 100));
    story.later(40);
    story.add_to(3, 1, 100);
    assert!(shards(&story)[0].bytes_waiting > shards(&story)[1].bytes_waiting);
    story.later(60);
    let batch = story.batch();
    let [first, second] = &shards(&story)[..2] else { panic!("two shards") };
    assert_eq!((first.entries, second.entries), (3, 1));
    assert_eq!((first.bytes_waiting, second.bytes_waiting), (0, 0));
    assert_eq!((first.record_level, second.record_level), (Some(997), Some(999)));
    assert_eq!(times(first.dwell), (1, millis(100), millis(100)));
    assert_eq!(times(second.dwell), (1, millis(60), millis(60)));
    story.later(30);
    story.fail_at(&batch, &[0], &ErrorCode::ProvisionedThroughputExceededException);
    story.drain();
    let [first, second] = &shards(&story)[..2] else { panic!("two shards") };
    assert_eq!((first.stored, first.throttled, first.failed), (2, 1, 0));
    assert_eq!((second.stored, second.throttled, second.failed), (1, 0, 0));
    let entry = batch.entries[0].size() as u64;
    assert_eq!((first.bytes_sent, second.bytes_sent), (3 * entry, entry));
    assert_eq!(times(first.request_time), (1, millis(30), millis(30)));
    assert!(first.bytes_waiting > 0, "it waits for its retry");
    let stats = story.engine.stats();
    assert_eq!(stats.throttled, 1);
    assert_eq!(times(stats.request_time), (1, millis(30), millis(30)));
    assert_eq!(times(stats.dwell), (2, millis(100), millis(160)));
    assert_eq!(stats.dwell.mean(), millis(80));
}

/// What is being packed waits as well.
#[test]
fn what_waits_for_a_shard_takes_its_room() {
    let mut story = Story::on(1, settings());
    let record = (100 + "k".len() + Bounds::RECORD_OVERHEAD) as u64;
    story.add(0, 100);
    assert_eq!(shards(&story)[0].bytes_waiting, record);
    story.add(1, 100);
    assert_eq!(shards(&story)[0].bytes_waiting, 2 * record);
}

/// They go on from where they were.
#[test]
fn a_purge_keeps_the_figures_of_its_shards() {
    let mut story = Story::on(1, settings());
    story.add(0, 100);
    story.later(200);
    let batch = story.batch();
    story.store(&batch);
    story.drain();
    let before = shards(&story);
    story.handle(Event::PurgeRequested);
    story.drain();
    assert_eq!((before[0].stored, before == shards(&story)), (1, true));
}

#[test]
fn a_retry_has_dwelt_since_it_was_accepted() {
    let mut story = Story::on(1, settings());
    story.add(0, 100);
    story.later(200);
    let batch = story.batch();
    story.later(100);
    story.fail(&batch, ErrorCode::InternalFailure);
    story.drain();
    story.later(5_000);
    story.batch();
    assert_eq!(times(story.engine.stats().dwell), (2, millis(5_300), millis(5_500)));
}

#[test]
fn aggregates_say_why_they_were_ended() {
    let mut story = Story::on(1, settings());
    (0..4).for_each(|token| story.add(token, 10));
    assert_eq!(cuts(story.engine.stats().aggregates_cut), [1, 0, 0, 0, 0]);
    (4..7).for_each(|token| story.add(token, 400));
    assert_eq!(cuts(story.engine.stats().aggregates_cut), [1, 0, 0, 1, 0]);
    story.add(7, 10);
    story.flush(1);
    story.drain();
    assert_eq!(cuts(story.engine.stats().aggregates_cut), [1, 1, 0, 1, 0]);
    (8..10).for_each(|token| story.add(token, 10));
    story.later(200);
    story.drain();
    assert_eq!(cuts(story.engine.stats().aggregates_cut), [1, 1, 0, 1, 1]);
}

/// Two are enough: the second is packed in another way than those after it.
#[test]
fn an_aggregate_of_two_is_ended_by_its_count() {
    let mut story = Story::on(1, settings().aggregation_max_count(2));
    (0..4).for_each(|token| story.add(token, 10));
    assert_eq!(cuts(story.engine.stats().aggregates_cut), [2, 0, 0, 0, 0]);
}

#[test]
fn requests_say_why_they_were_made() {
    let settings = settings().aggregation_enabled(false).collection_max_count(10);
    let mut story = Story::on(1, settings.collection_max_size(20_000));
    (0..10).for_each(|token| story.add(token, 10));
    story.batch();
    assert_eq!(cuts(story.engine.stats().requests_cut), [1, 0, 0, 0, 0]);
    story.add(10, 10);
    story.flush(1);
    story.batch();
    assert_eq!(cuts(story.engine.stats().requests_cut), [1, 1, 0, 0, 0]);
    story.add(11, 6_000);
    story.batch();
    assert_eq!(cuts(story.engine.stats().requests_cut), [1, 1, 1, 0, 0]);
    story.add(12, 30_000);
    story.batch();
    assert_eq!(cuts(story.engine.stats().requests_cut), [1, 1, 1, 1, 0]);
    story.add(13, 10);
    story.later(200);
    story.batch();
    assert_eq!(cuts(story.engine.stats().requests_cut), [1, 1, 1, 1, 1]);
}

/// Several failures are several, an answer that comes too late is told, and what was tried again counts by its size.
#[test]
fn what_goes_wrong_is_counted_each_time() {
    let retry = RetryPolicy::Linear { max_attempts: 9, step: millis(10) };
    let settings = settings().aggregation_enabled(false).retry(retry);
    let mut story = Story::on(1, settings);
    (0..3).for_each(|token| story.add_to(token, 0, 100));
    story.later(100);
    let batch = story.batch();
    let size: usize = batch.entries.iter().map(Entry::size).sum();
    story.fail_at(&batch, &[0, 1, 2], &ErrorCode::InternalFailure);
    for _ in 0..2 {
        story.handle(Event::BatchCancelled { batch: batch.id, sent: Sent::No });
    }
    story.drain();
    assert_eq!((shards(&story)[0].failed, shards(&story)[0].throttled), (3, 0));
    assert_eq!(story.engine.stats().ignored_answers, 2);
    story.later(100);
    story.batches().iter().for_each(|batch| story.store(batch));
    story.drain();
    let stats = story.engine.stats();
    assert_eq!((stats.stored, stats.bytes_stored), (3, size as u64));
}
