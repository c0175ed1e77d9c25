//! Shards that answer late or not at all, and those that share requests with them.

mod story;

use std::collections::VecDeque;

use headwaters_engine::wire::ErrorCode;
use headwaters_engine::{
    Action, Batch, Config, ConfigBuilder, Event, OutagePolicy, RateLimit, Sent, WakeupReason,
};

use story::{Story, names, sent};

/// Each record is an entry, and nothing is limited.
fn open() -> ConfigBuilder {
    Config::builder().aggregation_enabled(false).rate_limit(RateLimit::Off).record_ttl(None)
}

/// Puts a record for each of these shards, and returns what leaves when it is due: tokens are the places, and ten for each
/// time.
fn round(story: &mut Story, time: u64, places: &[usize]) -> Vec<Batch> {
    places.iter().for_each(|&place| story.add_to(10 * time + place as u64, place, 10));
    story.later(100);
    story.batches()
}

fn tokens(batches: &[Batch]) -> Vec<Vec<u64>> {
    batches.iter().map(sent).collect()
}

fn apart(story: &Story) -> u64 {
    story.engine.stats().lanes_apart
}

/// An engine with three shards, whose first request is late: each shard is doubted.
fn in_doubt(settings: ConfigBuilder) -> (Story, Batch) {
    let mut story = Story::on(3, settings);
    let batches = round(&mut story, 0, &[0, 1, 2]);
    let [first] = &batches[..] else { panic!("one request") };
    story.later(499);
    assert!(story.drain().is_empty());
    assert_eq!(apart(&story), 0, "it is not late yet");
    story.later(1);
    assert!(story.drain().is_empty());
    (story, first.clone())
}

#[test]
fn who_is_doubted_leaves_apart_until_a_request_is_answered_in_time() {
    let (mut story, _) = in_doubt(open());
    assert_eq!(apart(&story), 3);
    let batches = round(&mut story, 1, &[0, 1, 2]);
    assert_eq!(tokens(&batches), [[10], [11], [12]]);
    batches[1..].iter().for_each(|batch| story.store(batch));
    assert_eq!((apart(&story), story.outcomes().len()), (1, 2));
    let batches = round(&mut story, 2, &[0, 1, 2]);
    assert_eq!(tokens(&batches[..]), [[21, 22]], "of the silent one there is a request in flight");
    let shards: Vec<bool> = story.engine.shard_stats().map(|shard| shard.is_apart).collect();
    assert_eq!(shards, [true, false, false, false]);
}

#[test]
fn an_answer_that_comes_late_ends_no_doubt_and_allows_for_more_requests() {
    let (mut story, first) = in_doubt(open());
    story.store(&first);
    assert_eq!((apart(&story), story.outcomes().len()), (3, 3));
    let mut silent = round(&mut story, 1, &[0]);
    assert_eq!(round(&mut story, 2, &[0]).len(), 0);
    story.later(600);
    story.store(&silent.remove(0));
    assert_eq!(apart(&story), 3, "it was late");
    story.drain();
    let more: Vec<Batch> = (3..8).flat_map(|time| round(&mut story, time, &[0])).collect();
    assert_eq!(tokens(&more), [[30], [40], [50]], "four in all");
    story.store(&more[2]);
    assert_eq!(apart(&story), 2, "this one was in time");
}

#[test]
fn who_was_answered_since_a_late_request_left_is_not_doubted() {
    let mut story = Story::on(3, open());
    assert_eq!(tokens(&round(&mut story, 0, &[0, 1, 2])), [[0, 1, 2]]);
    let second = round(&mut story, 1, &[1, 2]);
    story.later(1);
    story.store(&second[0]);
    story.later(499);
    story.drain();
    assert_eq!(apart(&story), 1);
    assert_eq!(tokens(&round(&mut story, 2, &[0, 1, 2])), [vec![20], vec![21, 22]]);
}

#[test]
fn a_failure_ends_no_doubt() {
    let (mut story, _) = in_doubt(open());
    let batches = round(&mut story, 1, &[0]);
    story.fail(&batches[0], ErrorCode::ServiceUnavailable);
    assert_eq!((names(&story.drain()), apart(&story)), (vec!["requeue".into()], 3));
    assert_eq!(tokens(&round(&mut story, 2, &[0]))[0].len(), 2, "the next one may leave");
}

#[test]
fn half_of_the_requests_are_for_the_others() {
    let (mut story, _) = in_doubt(open().max_requests_in_flight(5));
    let batches = round(&mut story, 1, &[0, 1, 2]);
    assert_eq!(tokens(&batches), [[10], [11]], "two of five leave apart");
    assert_eq!(story.engine.wakeup().reason, WakeupReason::RequestTimeout);
    story.store(&batches[1]);
    let [Action::Complete(_), Action::SendBatch(next)] = &story.drain()[..] else { panic!() };
    assert_eq!(sent(next), [12], "then the next one has a place");
    assert_eq!(tokens(&round(&mut story, 2, &[1])), [[21]]);
}

#[test]
fn who_is_in_a_hurry_leaves_apart_too() {
    let (mut story, _) = in_doubt(open());
    (0..3).for_each(|place| story.add_to(10 + place as u64, place, 10));
    story.flush(1);
    let batches = story.batches();
    assert_eq!(tokens(&batches), [[10], [11], [12]]);
    story.add_to(20, 0, 10);
    story.flush(2);
    assert!(story.batches().is_empty(), "one at a time");
    story.store(&batches[0]);
    assert_eq!(names(&story.drain()), ["complete", "send-batch"]);
}

#[test]
fn a_service_that_is_slow_as_a_whole_divides_nobody() {
    let mut story = Story::on(3, open());
    for time in 0..10 {
        let batches = round(&mut story, time, &[0, 1, 2]);
        story.later(1_200);
        story.drain();
        batches.iter().for_each(|batch| story.store(batch));
        story.drain();
    }
    assert_eq!(apart(&story), 0);
    assert_eq!(tokens(&round(&mut story, 10, &[0, 1, 2])), [[100, 101, 102]]);
    story.later(1_200);
    assert!(story.drain().is_empty());
    assert_eq!(apart(&story), 0, "that is usual by now");
}

#[test]
fn what_is_given_up_while_others_are_answered_says_nothing_of_the_service() {
    let (mut story, first) = in_doubt(open());
    let batches = round(&mut story, 1, &[0, 1]);
    story.later(10);
    story.store(&batches[1]);
    story.later(5_400);
    assert_eq!(names(&story.drain()), ["complete", "cancel-batch"]);
    story.later(600);
    assert_eq!(names(&story.drain()), ["cancel-batch"]);
    for batch in [first.id, batches[0].id] {
        story.handle(Event::BatchCancelled { batch, sent: Sent::Unknown });
    }
    let stats = story.engine.stats();
    assert_eq!((stats.requests_allowed, stats.requests_failed_in_a_row), (24, 0));
}

#[test]
fn nobody_is_doubted_where_there_is_nobody_to_delay_or_it_is_not_wanted() {
    for (shards, settings) in
        [(1, open()), (3, open().outage(OutagePolicy::Off)), (3, Config::kpl().into_builder())]
    {
        let mut story = Story::on(shards, settings);
        (0..shards as usize).for_each(|place| story.add_to(place as u64, place, 10));
        story.later(200);
        assert_eq!(story.batches().len(), 1);
        story.later(5_000);
        story.drain();
        assert_eq!(apart(&story), 0);
    }
}

/// Beside one that always has enough to fill its requests.
#[test]
fn who_is_doubted_has_its_turn_where_places_are_short() {
    let settings = Config::builder().aggregation_enabled(false).rate_limit(RateLimit::Off);
    let settings = settings.collection_max_shard_size(1_000).max_requests_in_flight(2);
    let mut story = Story::on(3, settings);
    let late = round(&mut story, 0, &[2]);
    story.later(500);
    assert!(story.drain().is_empty());
    story.store(&late[0]);
    assert_eq!((story.outcomes().len(), apart(&story)), (1, 1), "what is late ends no doubt");
    story.add_to(3, 2, 10);
    let mut flying = VecDeque::new();
    for token in 10..12 {
        story.add_to(token, 0, 1_000);
        flying.push_back(story.batch());
    }
    for token in 12.. {
        assert!(token < 20, "it leaves within some requests of the others");
        story.add_to(token, 0, 1_000);
        story.later(50);
        let first = flying.pop_front().expect("two are out");
        story.store(&first);
        let batches = story.drain().into_iter().filter_map(|action| match action {
            Action::SendBatch(batch) => Some(batch),
            _ => None,
        });
        flying.extend(batches);
        if flying.iter().any(|batch| sent(batch) == [3]) {
            break;
        }
    }
}

/// Two that are in doubt, of which the first always has enough at once.
#[test]
fn those_in_doubt_take_turns() {
    let settings = open().collection_max_shard_size(1_000).max_requests_in_flight(2);
    let (mut story, late) = in_doubt(settings);
    story.store(&late);
    assert_eq!((story.outcomes().len(), apart(&story)), (3, 3));
    let mut seen = Vec::new();
    for token in 0..8 {
        story.add_to(100 + token, 0, 1_000);
        story.add_to(200 + token, 1, 10);
        // Late again, each time.
        story.later(2_000);
        for action in story.drain() {
            if let Action::SendBatch(batch) = action {
                seen.push(sent(&batch)[0] / 100);
                story.later(2_000);
                story.store(&batch);
            }
        }
    }
    assert!(seen.starts_with(&[1, 2, 1]) || seen.starts_with(&[2, 1, 2]), "{seen:?}");
}

/// There is no place for a request apart beside the others.
#[test]
fn with_one_place_nobody_is_in_doubt() {
    let mut story = Story::on(3, open().max_requests_in_flight(1));
    let late = round(&mut story, 0, &[0, 1, 2]);
    story.later(2_000);
    assert_eq!(apart(&story), 0);
    story.store(&late[0]);
    assert_eq!(story.outcomes().len(), 3);
}

/// What is being packed for it leaves when it is ripe, as from any other.
#[test]
fn who_is_doubted_leaves_with_what_is_packed() {
    let settings = Config::builder().rate_limit(RateLimit::Off).record_ttl(None);
    let mut story = Story::on(3, settings);
    (0..3).for_each(|place| story.add_to(place as u64, place, 10));
    story.later(120);
    assert_eq!(tokens(&story.batches()), [[0, 1, 2]]);
    story.later(500);
    assert!(story.drain().is_empty());
    assert_eq!(apart(&story), 3);
    story.add_to(10, 0, 10);
    story.add_to(11, 0, 10);
    story.later(120);
    assert_eq!(tokens(&story.batches()), [[10, 11]]);
}
