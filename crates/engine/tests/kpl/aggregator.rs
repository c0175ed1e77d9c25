//! `core/test/aggregator_test.cc`.

use headwaters_engine::wire::ErrorCode;
use headwaters_engine::{Action, MapStatus, RateLimit};

use crate::story::{Story, all, fates, kpl, packed, sent};

/// The KPL hands a full aggregate to the next stage at once; so does this engine, and there it waits for the
/// aggregates of other shards, as it does in the KPL's.
#[test]
fn aggregator_basic() {
    let mut story = Story::on(3, kpl().aggregation_max_count(4));
    for token in 0..12 {
        story.add_to(token, token as usize % 3, 10);
    }
    assert!(story.drain().is_empty(), "each shard's aggregate is full, and the request is not");
    story.later(100);
    let batch = story.batch();
    assert_eq!(packed(&batch), [[0, 3, 6, 9], [1, 4, 7, 10], [2, 5, 8, 11]]);
    for (place, entry) in batch.entries.iter().enumerate() {
        assert_eq!(entry.hash_key().value(), story.stream.start(place), "as it was predicted");
    }
    story.store(&batch);
    assert_eq!(fates(&story.outcomes()), all(0..12, "stored", 1));
    assert_eq!(story.engine.stats().wrong_shard, 0);
}

#[test]
fn aggregator_shard_map_down() {
    let mut story = Story::unlisted(2, kpl());
    let request = story.list_request();
    story.fail_list(&request, ErrorCode::ServiceUnavailable);
    (0..4).for_each(|token| story.add_to(token, token as usize % 2, 10));
    assert!(story.drain().is_empty());
    story.later(100);
    let batch = story.batch();
    assert_eq!(packed(&batch), [[0], [1], [2], [3]], "each by itself");
    assert!(matches!(story.engine.stats().shard_map, MapStatus::Unavailable { .. }));
    story.store(&batch);
    assert_eq!(fates(&story.outcomes()), all(0..4, "stored", 1));
}

/// The KPL has no map while it fetches a new one, and aggregates nothing meanwhile. Here the old one serves.
#[test]
fn aggregator_goes_on_while_the_map_is_fetched_again() {
    let mut story = Story::on(1, kpl());
    story.stream.split(0);
    (0..2).for_each(|token| story.add_at(token, 0, 10));
    story.later(120);
    let first = story.batch();
    story.store(&first);
    let request = story.list_request();
    assert_eq!(story.engine.stats().shard_map, MapStatus::Reloading);
    (2..4).for_each(|token| story.add_at(token, 0, 10));
    story.later(120);
    let second = story.batch();
    assert_eq!(packed(&second), [[2, 3]]);
    story.list(&request);
    story.store(&second);
    assert_eq!(fates(&story.outcomes()), all(0..4, "stored", 1));
}

/// The KPL foretells no shards then, and so neither limits nor notices a reshard. Here it is only the aggregates
/// that are missing.
#[test]
fn aggregator_aggregation_disabled() {
    let limit = RateLimit::Fixed { percent: 1 };
    let mut story = Story::on(1, kpl().aggregation_enabled(false).rate_limit(limit));
    (0..11).for_each(|token| story.add_at(token, 0, 10));
    story.later(100);
    let batch = story.batch();
    let ten: Vec<_> = (0..10).map(|token| [token]).collect();
    assert_eq!(packed(&batch), ten, "one percent of 1,000 records, each by itself, after 100 ms");
    story.stream.split(0);
    story.store(&batch);
    let actions = story.drain();
    assert!(matches!(actions.last(), Some(Action::ListShards(_))), "the stream was resharded");
}

/// In the KPL's case 16 threads put records of one shard. An engine has no threads: 16 sources take turns, with
/// records of their own sizes, and time goes by between them.
#[test]
fn aggregator_concurrency() {
    const RECORDS: u64 = 16_000;
    let settings = kpl().aggregation_max_count(7).rate_limit(RateLimit::Off);
    let mut story = Story::on(1, settings);
    let mut tokens = Vec::new();
    for token in 0..RECORDS {
        let source = token % 16;
        story.add_at(token, u128::from(source), 8 + source as usize);
        if token % 1_000 == 999 {
            let run = story.run(3);
            tokens.extend(run.sent());
            assert_eq!(run.outcomes.len(), run.batches.iter().map(|(_, b)| b.entries.len()).sum());
        }
    }
    let run = story.run(120);
    tokens.extend(run.batches.iter().flat_map(|(_, batch)| sent(batch)));
    assert!(tokens.iter().copied().eq(0..RECORDS), "each once, in their order");
    assert!(story.engine.is_empty());
}
