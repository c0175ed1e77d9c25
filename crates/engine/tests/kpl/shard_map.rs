//! `core/test/shard_map_test.cc`. While there is no map records go out one by one; while a new one is fetched the old
//! one serves (the KPL has none meanwhile).

use headwaters_engine::wire::ErrorCode;
use headwaters_engine::{Action, Batch, Event, ListShards, MapStatus};

use crate::story::{Story, all, at, fates, kpl, millis, packed};

/// An engine that has asked for the shards, and has a record that never expires.
fn asked(shards: u32) -> (Story, ListShards) {
    let mut story = Story::unlisted(shards, kpl().record_ttl(None));
    let request = story.list_request();
    story.add(0, 10);
    (story, request)
}

/// Waits for the next request, and says how long that took.
fn next_request(story: &mut Story) -> (ListShards, u128) {
    let start = story.now;
    loop {
        story.now = story.engine.wakeup().at.expect("it asks again");
        story.handle(Event::TimeAdvanced);
        for action in story.drain() {
            match action {
                Action::ListShards(request) => {
                    return (request, story.now.since(start).as_millis());
                }
                Action::SendBatch(batch) => story.throttle(&batch),
                Action::Requeue(_) => {}
                other => panic!("{other}"),
            }
        }
    }
}

/// Both ends of each range belong to its shard.
#[test]
fn shard_map_basic() {
    let mut story = Story::on(7, kpl());
    for place in 0..7 {
        let (start, end) = (story.stream.start(place), story.stream.end(place));
        for (at, hash_key) in [start, start + 1, end - 1, end].into_iter().enumerate() {
            story.add_at((place * 4 + at) as u64, hash_key, 10);
        }
    }
    story.later(120);
    let batch = story.batch();
    let of_shard = |place: u64| (place * 4..place * 4 + 4).collect::<Vec<_>>();
    assert_eq!(packed(&batch), (0..7).map(of_shard).collect::<Vec<_>>());
    story.store(&batch);
    assert_eq!(story.outcomes().len(), 7);
    assert_eq!(story.engine.stats().wrong_shard, 0);
}

/// The KPL takes a list with a closed shard beside its children, and either of them. Here that is a list of two
/// moments, and the next one will be better.
#[test]
fn shard_map_closed_shards() {
    let (mut story, request) = asked(1);
    let parent = story.stream.shards()[0].clone();
    story.stream.split(0);
    let mut shards = story.stream.shards().to_vec();
    shards.push(parent);
    story.list_page(&request, shards, None);
    assert_eq!(story.engine.stats().listings_failed, 1);
    let (request, _) = next_request(&mut story);
    story.list(&request);
    assert_eq!(story.engine.stats().shard_map, MapStatus::Ready);
    assert_eq!(story.engine.stats().shards, 2);
}

#[test]
fn shard_map_paginated_results() {
    let (mut story, first) = asked(5);
    let shards = story.stream.shards().to_vec();
    assert!(first.next_token.is_none());
    story.list_page(&first, shards[..2].to_vec(), Some("to be continued"));
    let second = story.list_request();
    assert_eq!(second.next_token.as_ref().map(|token| token.as_str()), Some("to be continued"));
    story.list_page(&second, shards[2..4].to_vec(), Some("and again"));
    assert_eq!(story.engine.stats().shard_map, MapStatus::Loading);
    let third = story.list_request();
    story.list_page(&third, shards[4..].to_vec(), None);
    let stats = story.engine.stats();
    assert_eq!((stats.shard_map, stats.shards), (MapStatus::Ready, 5));
}

/// The KPL waits 1 s; here from half of that on, so that not all producers ask at once.
#[test]
fn shard_map_retry_after_initial_failure() {
    let (mut story, request) = asked(2);
    story.fail_list(&request, ErrorCode::ServiceUnavailable);
    let (request, waited) = next_request(&mut story);
    assert!((500..=1_000).contains(&waited), "{waited} ms");
    story.list(&request);
    assert_eq!(story.engine.stats().shard_map, MapStatus::Ready);
}

#[test]
fn shard_map_retry_with_failure_in_the_middle() {
    let (mut story, first) = asked(4);
    let shards = story.stream.shards().to_vec();
    story.list_page(&first, shards[..2].to_vec(), Some("page 2"));
    let second = story.list_request();
    story.fail_list(&second, ErrorCode::LimitExceededException);
    let (again, _) = next_request(&mut story);
    assert!(again.next_token.is_none(), "from the first page on");
    story.list_page(&again, shards[..2].to_vec(), Some("page 2"));
    let second = story.list_request();
    story.list_page(&second, shards[2..].to_vec(), None);
    assert_eq!(story.engine.stats().shards, 4);
}

/// Each wait is half as long again as the one before, up to 30 s.
#[test]
fn shard_map_backoff() {
    let (mut story, mut request) = asked(2);
    let mut longest = 1_000.0;
    for failure in 1..15 {
        story.fail_list(&request, ErrorCode::ServiceUnavailable);
        let waited;
        (request, waited) = next_request(&mut story);
        let waited = waited as f64;
        assert!((longest / 2.0 - 1.0..=longest).contains(&waited), "{failure}: {waited} ms");
        longest = (longest * 1.5_f64).min(30_000.0);
        assert_eq!(story.engine.stats().listings_failed, failure);
    }
    assert_eq!(longest, 30_000.0);
    story.list(&request);
    assert_eq!(story.engine.stats().shard_map, MapStatus::Ready);
}

/// An aggregate of two records of the first shard, on its way.
fn aggregate(story: &mut Story, first: u64) -> Batch {
    (first..first + 2).for_each(|token| story.add_to(token, 0, 10));
    story.later(120);
    story.batch()
}

/// What was seen before the map was made says nothing about it; while a new one is fetched nothing makes another
/// request, and the old one serves.
#[test]
fn shard_map_invalidate() {
    let mut story = Story::on(2, kpl());
    let batches = [0, 2, 4].map(|first| aggregate(&mut story, first));
    story.stream.split(0);
    story.store(&batches[0]);
    let request = story.list_request();
    story.store(&batches[1]);
    assert!(story.drain().is_empty(), "it is being fetched already");
    let meanwhile = aggregate(&mut story, 6);
    assert_eq!(packed(&meanwhile), [[6, 7]], "by the old one");
    story.list(&request);
    assert_eq!(fates(&story.outcomes()), all(0..4, "stored", 1));
    story.store(&batches[2]);
    story.store(&meanwhile);
    assert_eq!(fates(&story.outcomes()), all(4..8, "stored", 1));
    story.later(2_000);
    story.add(8, 10);
    assert!(story.drain().is_empty(), "those were sent before the new one was made");
    assert_eq!(story.engine.stats().listings, 2);
}

/// What was sent by an older map says nothing about this one.
#[test]
fn shard_map_invalidate_with_shard() {
    let mut story = Story::on(1, kpl());
    let [first, late] = [0, 2].map(|first| aggregate(&mut story, first));
    story.stream.split(0);
    story.store(&first);
    let request = story.list_request();
    story.list(&request);
    assert_eq!(fates(&story.outcomes()), all(0..2, "stored", 1));
    story.later(2_000);
    story.store(&late);
    assert_eq!(fates(&story.outcomes()), all(2..4, "stored", 1), "it can be judged");
    story.add(4, 10);
    assert!(story.drain().is_empty(), "shard 0 is known to be closed");
    assert_eq!(story.engine.stats().wrong_shard, 1);
}

/// The KPL remembers the ranges of closed shards for a minute, to judge late answers. Here each aggregate knows where
/// it was sent, however many maps ago: stored there it is right.
#[test]
fn shard_map_closed_parent_shards_are_removed_after_some_time() {
    let mut story = Story::on(1, kpl().request_timeout(millis(600_000)).record_ttl(None));
    let late = [0, 2].map(|first| aggregate(&mut story, first));
    let reshard = |story: &mut Story, token: u64| {
        story.stream.split(0);
        let batch = aggregate(story, token);
        story.store(&batch);
        let request = story.list_request();
        story.list(&request);
        assert_eq!(fates(&story.outcomes()), all(token..token + 2, "stored", 1));
        story.later(100_000);
    };
    reshard(&mut story, 4);
    story.store_in(&late[0], 0);
    assert_eq!(fates(&story.outcomes()), all(0..2, "stored", 1), "shard 0 had all hash keys");
    reshard(&mut story, 6);
    story.store_in(&late[1], 0);
    assert_eq!(fates(&story.outcomes()), all(2..4, "stored", 1), "two maps ago");
    assert!(story.now > at(200_000));
}
