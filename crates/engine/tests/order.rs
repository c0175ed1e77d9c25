//! Stories of records whose order is kept.

mod story;

use core::time::Duration;

use headwaters_engine::wire::ErrorCode;
use headwaters_engine::{
    Action, Cause, Config, ConfigBuilder, Event, Order, Outcome, RateLimit, Sent, ShardPrediction,
    Timing,
};
use story::{Story, all, buffered, fates, kpl, millis, packed, sent};

/// The lowest hash key of the upper half.
const UPPER: u128 = 1 << 127;

fn ordered() -> ConfigBuilder {
    kpl().order(Order::PerPartitionKey).rate_limit(RateLimit::Off)
}

fn plain() -> ConfigBuilder {
    ordered().aggregation_enabled(false)
}

fn aged(millis: u64) -> Timing {
    Timing { ttl: Some(Some(Duration::from_millis(millis))), ..Timing::default() }
}

/// What a shard takes in little more than the time of a request, but no less than usual and no more than is enough for a
/// request.
#[test]
fn what_waits_behind_a_predecessor_goes_together_by_the_round_trip() {
    for (round_trip, most) in [(10, 51_200), (25, 65_536), (1_000, 262_144)] {
        let mut story = Story::on(1, ordered());
        story.add_at(0, 7, 1_000);
        story.later(200);
        let first = story.batch();
        (1..1_000).for_each(|token| story.add_at(token, 7, 1_000));
        story.later(round_trip);
        story.store(&first);
        let mut actions = story.drain();
        story.later(200);
        actions.extend(story.drain());
        let batch = actions.iter().find_map(|action| match action {
            Action::SendBatch(batch) => Some(batch),
            _ => None,
        });
        let [second] = &batch.expect("a batch").entries[..] else { panic!("an aggregate") };
        let second = second.data.len();
        assert!((most - 1_100..=most).contains(&second), "{second} bytes after {round_trip} ms");
    }
}

#[test]
fn order_needs_shards_that_go_by_the_hash_key() {
    let settings = Config::builder()
        .order(Order::PerPartitionKey)
        .shard_prediction(ShardPrediction::Off)
        .collection_max_count(0);
    let error = settings.build().expect_err("two faults");
    let [count, order] = error.faults() else { panic!("two faults") };
    assert_eq!((count.field, count.conflict), ("collection_max_count", None));
    let conflict = order.conflict.expect("two settings that do not go together");
    assert_eq!((order.field, conflict.other), ("order", "shard_prediction"));
    let text = "`order` is PerPartitionKey; for that `shard_prediction` must be On";
    assert_eq!(order.to_string(), text);
}

#[test]
fn a_key_has_one_record_in_flight_and_others_go_on() {
    let mut story = Story::on(1, plain());
    (1..=3).for_each(|token| story.add_at(token, 7, 10));
    story.add_at(4, 8, 10);
    story.later(100);
    let first = story.batch();
    assert_eq!(sent(&first), [1, 4]);
    assert_eq!(story.engine.stats().behind, 2);
    story.fail_at(&first, &[0], &ErrorCode::ProvisionedThroughputExceededException);
    assert_eq!(story.outcomes().len(), 1);
    story.add_at(5, 8, 10);
    story.later(50);
    let second = story.batch();
    assert_eq!(sent(&second), [1, 5], "the failed one again, and nothing overtakes it");
    story.store(&second);
    let actions = story.drain();
    let [Action::Complete(_), Action::Complete(_), Action::SendBatch(third)] = &actions[..] else {
        panic!("two outcomes, and the next leaves at once: {actions:?}")
    };
    assert_eq!(sent(third), [2], "it was due long ago");
    story.fail_at(third, &[0], &ErrorCode::ValidationException);
    let actions = story.drain();
    let [Action::Complete(lost), Action::SendBatch(fourth)] = &actions[..] else {
        panic!("an outcome and a batch: {actions:?}")
    };
    assert!(matches!(lost.outcome, Outcome::NotStored { .. }));
    assert_eq!(sent(fourth), [3], "who fails for good holds nobody back");
    story.store(fourth);
    assert_eq!(story.outcomes().len(), 1);
    assert!(story.engine.is_empty());
}

#[test]
fn what_comes_meanwhile_goes_in_one_aggregate_however_large() {
    let mut story = Story::on(1, ordered().aggregation_max_size(1_000));
    (1..=3).for_each(|token| story.add_at(token, 7, 100));
    story.later(120);
    let first = story.batch();
    assert_eq!(packed(&first), [[1, 2, 3]], "in one, so they need not wait");
    (4..=40).for_each(|token| story.add_at(token, 7, 100));
    story.add_at(41, 8, 100);
    story.add_at(42, 7, 100);
    story.later(150);
    let other = story.batch();
    assert_eq!(packed(&other), [[41]], "another key");
    story.store(&first);
    let actions = story.drain();
    let Some(Action::SendBatch(second)) = actions.last() else { panic!("a batch: {actions:?}") };
    let behind = (4..=40).chain([42]).collect::<Vec<u64>>();
    assert_eq!(packed(second), [behind], "3,800 bytes, or it would take five round trips");
    story.store(&other);
    story.store(second);
    let stored = fates(&story.outcomes());
    assert_eq!(stored, all((4..=42).collect::<Vec<u64>>(), "stored", 1));
}

#[test]
fn an_aggregate_that_is_full_is_followed_by_the_next_only_when_stored() {
    let mut story = Story::on(1, ordered().aggregation_max_count(2));
    (1..=3).for_each(|token| story.add_at(token, 7, 100));
    story.later(120);
    let first = story.batch();
    assert_eq!(packed(&first), [[1, 2]]);
    story.later(6_000);
    let [Action::CancelBatch(batch)] = story.drain()[..] else { panic!("it took too long") };
    assert!(story.batches().is_empty(), "nobody knows what became of it");
    story.handle(Event::BatchCancelled { batch, sent: Sent::Unknown });
    assert!(story.outcomes().is_empty());
    story.later(50);
    let again = story.batch();
    assert_eq!(packed(&again), [[1, 2]]);
    story.store(&again);
    let Some(Action::SendBatch(last)) = story.drain().pop() else { panic!("a batch") };
    assert_eq!(packed(&last), [[3]]);
}

#[test]
fn members_that_a_reshard_parts_keep_their_order() {
    let mut story = Story::on(1, ordered());
    story.add_at(1, 7, 10);
    story.add_at(2, UPPER, 10);
    (3..=4).for_each(|token| story.add_at(token, 7, 10));
    story.later(120);
    let first = story.batch();
    story.add_at(5, 7, 10);
    story.stream.split(0);
    story.store_in(&first, 1);
    let actions = story.drain();
    let [Action::ListShards(request)] = &actions[..] else { panic!("a listing: {actions:?}") };
    story.list(request);
    assert!(story.outcomes().is_empty(), "consumers see nothing of it");
    story.later(50);
    let second = story.batch();
    assert_eq!(packed(&second), [vec![1, 3, 4, 5], vec![2]], "and what waited comes along");
    story.store(&second);
    let fates = fates(&story.outcomes());
    let mut expected = all(1..=4, "stored, maybe twice", 2);
    expected.extend(all([5], "stored", 1));
    assert_eq!(fates, expected);
}

#[test]
fn members_that_go_by_themselves_go_one_after_the_other() {
    let mut story = Story::on(1, ordered());
    [(1, 7), (2, 7), (3, UPPER)].into_iter().for_each(|(token, at)| story.add_at(token, at, 10));
    story.later(120);
    let first = story.batch();
    story.stream.split(0);
    story.store_in(&first, 1);
    let actions = story.drain();
    let [Action::ListShards(request)] = &actions[..] else { panic!("a listing: {actions:?}") };
    story.fail_list(request, ErrorCode::AccessDeniedException);
    assert!(story.outcomes().is_empty());
    story.later(50);
    let second = story.batch();
    assert_eq!(packed(&second), [[1], [3]]);
    story.store(&second);
    let Some(Action::SendBatch(third)) = story.drain().pop() else { panic!("a batch") };
    assert_eq!(packed(&third), [[2]]);
}

#[test]
fn who_waits_expires_in_time() {
    let mut story = Story::on(1, plain().request_timeout(millis(60_000)));
    story.add_at(1, 7, 10);
    story.put(2, story::record(2, 10).with_explicit_hash_key(7.into()), aged(500));
    story.add_at(3, 7, 10);
    story.later(100);
    let first = story.batch();
    story.later(399);
    assert!(story.drain().is_empty());
    story.later(1);
    let actions = story.drain();
    let [Action::Complete(lost)] = &actions[..] else { panic!("an outcome: {actions:?}") };
    assert!(matches!(lost.outcome, Outcome::NotStored { cause: Cause::Expired, .. }));
    story.store(&first);
    let Some(Action::SendBatch(second)) = story.drain().pop() else { panic!("a batch") };
    assert_eq!(sent(&second), [3]);
}

#[test]
fn who_is_in_a_hurry_hastens_those_before() {
    // What is packed lingers, here for 50 ms.
    let worlds = [(plain(), 10, vec![vec![1], vec![9]]), (ordered(), 60, vec![vec![1, 9, 2]])];
    for (settings, due, expected) in worlds {
        let mut story = Story::on(1, settings.record_max_buffered_time(millis(1_000)));
        story.add_at(1, 7, 10);
        story.add_at(9, 9, 10);
        let record = story::record(2, 10).with_explicit_hash_key(7.into());
        story.put(2, record, buffered(millis(10)));
        story.later(due - 1);
        assert!(story.batches().is_empty());
        story.later(1);
        assert_eq!(packed(&story.batch()), expected);
    }
}

#[test]
fn a_reshard_does_not_make_who_is_hastened_late() {
    let mut story = Story::on(1, plain().record_max_buffered_time(millis(1_000)));
    let at =
        |token, hash_key: u128| story::record(token, 10).with_explicit_hash_key(hash_key.into());
    story.put(9, at(9, UPPER), buffered(millis(0)));
    let first = story.batch();
    story.put(1, at(1, 7), Timing::default());
    story.put(2, at(2, 7), buffered(millis(200)));
    story.stream.split(0);
    story.store(&first);
    let Some(Action::ListShards(request)) = story.drain().pop() else { panic!("a listing") };
    story.list(&request);
    story.later(199);
    assert!(story.batches().is_empty());
    story.later(1);
    assert_eq!(sent(&story.batch()), [1]);
}

#[test]
fn a_purge_hands_back_who_waits_and_forgets_the_order() {
    let mut story = Story::on(1, plain());
    (1..=3).for_each(|token| story.add_at(token, 7, 10));
    story.later(100);
    let first = story.batch();
    story.handle(Event::PurgeRequested);
    let actions = story.drain();
    let tokens = actions.iter().filter_map(|action| match action {
        Action::Complete(completion) => Some(completion.tokens[0].0),
        _ => None,
    });
    assert_eq!(tokens.collect::<Vec<_>>(), [2, 3, 1], "first what was not sent");
    story.add_at(4, 7, 10);
    story.later(100);
    assert_eq!(sent(&story.batch()), [4]);
    story.store(&first);
    assert!(story.outcomes().is_empty());
}

/// Before the first list, in the degraded mode, and when the list comes.
#[test]
fn a_map_that_comes_late_finds_all_in_their_order() {
    let mut story = Story::unlisted(2, ordered());
    let request = story.list_request();
    (1..=3).for_each(|token| story.add_at(token, 7, 10));
    story.fail_list(&request, ErrorCode::InternalFailure);
    story.later(100);
    let first = story.batch();
    assert_eq!(packed(&first), [[1]]);
    story.add_at(4, 8, 10);
    (5..=6).for_each(|token| story.add_at(token, 8, 10));
    story.later(1_000);
    let mut actions = story.drain();
    let Some(Action::SendBatch(second)) = actions.pop() else { panic!("a batch: {actions:?}") };
    assert_eq!(packed(&second), [[4]]);
    let Some(Action::ListShards(request)) = actions.pop() else { panic!("a listing: {actions:?}") };
    story.add_at(7, 9, 10);
    (8..=9).for_each(|token| story.add_at(token, 9, 10));
    story.list(&request);
    story.store(&first);
    story.store(&second);
    let Some(Action::SendBatch(third)) = story.drain().pop() else { panic!("a batch") };
    assert_eq!(packed(&third), [[2, 3, 5, 6, 7, 8, 9]]);
}

/// A service that puts aggregates where no list of the shards knows a shard gets each of them twice, and then records.
#[test]
fn strays_that_go_astray_again_go_one_by_one() {
    let mut story = Story::on(1, ordered().record_ttl(None));
    (1..=4).for_each(|token| story.add_at(token, 7, 10));
    let (mut sent, mut stored) = (Vec::new(), Vec::new());
    while stored.len() < 4 {
        match story.engine.poll() {
            Action::SendBatch(batch) => {
                sent.extend(packed(&batch));
                story.store_in(&batch, 77);
            }
            Action::ListShards(request) => story.list(&request),
            Action::Complete(completion) => stored.push(completion.tokens[0].0),
            Action::Stored(all) => stored.extend(all.tokens().iter().map(|token| token.0)),
            Action::Wait(wakeup) => {
                story.now = wakeup.at.expect("it has something to do");
                story.handle(Event::TimeAdvanced);
            }
            _ => {}
        }
    }
    let packed: [Vec<u64>; 2] = [[1, 2, 3, 4].into(), [1, 2, 3, 4].into()];
    assert_eq!(sent[..2], packed);
    assert_eq!(sent[2..], [[1], [2], [3], [4]]);
    assert_eq!(stored, [1, 2, 3, 4]);
}

/// Between two pieces of a reshard that is being moved: the aggregate stays whole, and is where nobody else has come yet.
#[test]
fn who_is_in_a_hurry_hastens_what_is_being_moved() {
    let settings = ordered().record_max_buffered_time(millis(60_000)).record_ttl(None);
    let mut story = Story::on(1, settings);
    let at = |token, key: u128| story::record(token, 10).with_explicit_hash_key(key.into());
    story.put(9, at(9, UPPER), buffered(millis(0)));
    story.later(50);
    let first = story.batch();
    story.put(1, at(1, 7), Timing::default());
    story.put(2, at(2, 8), Timing::default());
    story.stream.split(0);
    story.store(&first);
    let Some(Action::ListShards(request)) = story.drain().pop() else { panic!("a listing") };
    story.list(&request);
    story.put(3, at(3, 7), buffered(millis(10)));
    story.later(60);
    assert_eq!(packed(&story.batch()), [[1, 2]]);
}
