//! What was wrong once, each as the story that showed it.

mod story;

use core::time::Duration;

use headwaters_engine::{Action, Config, Event, ListShards, Outcome, RateLimit};
use story::{Story, all, at, buffered, fates, kpl, names, packed, plain, sent};

const MINUTE: Duration = Duration::from_secs(60);

/// Lets the engine live until `end`, answering each batch and each request for the shards; returns how many entries were
/// sent, and all outcomes.
fn live(
    story: &mut Story,
    end: u64,
    mut answer: impl FnMut(&mut Story, &Action),
) -> (usize, Vec<Outcome>) {
    let (mut entries, mut outcomes) = (0, Vec::new());
    loop {
        let action = story.engine.poll();
        match &action {
            Action::SendBatch(batch) => entries += batch.entries.len(),
            Action::Complete(completion) => {
                let outcome = completion.outcome.clone();
                outcomes.extend(core::iter::repeat_n(outcome, completion.tokens.len()));
            }
            Action::Stored(stored) => {
                outcomes.extend(stored.clone().into_completions().map(|one| one.outcome));
            }
            _ => {}
        }
        answer(story, &action);
        if matches!(action, Action::Wait(_)) {
            let Some(next) = story.engine.wakeup().at.filter(|&next| next <= at(end)) else {
                break;
            };
            story.now = next;
            story.handle(Event::TimeAdvanced);
        }
    }
    (entries, outcomes)
}

/// A service that puts aggregates where no list of the shards knows a shard got them again and again.
#[test]
fn strays_in_a_shard_of_no_list_end() {
    let mut story = Story::on(1, kpl().record_ttl(None));
    (1..=2).for_each(|token| story.add(token, 100));
    let (entries, outcomes) = live(&mut story, 600_000, |story, action| match action {
        Action::SendBatch(batch) => story.store_in(batch, 77),
        Action::ListShards(request) => story.list(request),
        _ => {}
    });
    assert_eq!((entries, outcomes.len()), (4, 2), "packed twice, and then each by itself");
    let twice =
        |outcome: &Outcome| matches!(outcome, Outcome::Stored { maybe_duplicate: true, .. });
    assert!(outcomes.iter().all(twice));
}

/// As long as a closed shard could not be replaced in the map, each of its records was sent twice.
#[test]
fn a_lane_whose_aggregates_go_astray_stops_packing() {
    let mut story = Story::on(1, kpl());
    story.stream.split(0);
    let mut next = 2;
    (0..2).for_each(|token| story.add(token, 100));
    let (entries, outcomes) = live(&mut story, 60_000, |story, action| match action {
        Action::SendBatch(batch) => story.store(batch),
        Action::ListShards(request) => {
            story.fail_list(request, headwaters_engine::wire::ErrorCode::AccessDeniedException);
        }
        Action::Wait(_) if next < 400 => {
            (next..next + 2).for_each(|token| story.add(token, 100));
            next += 2;
        }
        _ => {}
    });
    assert_eq!(outcomes.len(), 400);
    assert!(entries <= 410, "{entries} entries for 400 records");
}

/// An answer that came two maps late was taken for one from the wrong shard.
#[test]
fn stored_where_it_was_sent_is_right_two_maps_later() {
    let mut story = Story::on(2, kpl().request_timeout(MINUTE));
    [1, 2].into_iter().for_each(|token| story.add_to(token, 0, 100));
    story.later(120);
    let slow = story.batch();
    let results: Vec<_> = slow.entries.iter().map(|entry| story.place(entry)).collect();
    for token in [20, 21] {
        story.stream.split(0);
        story.later(3_000);
        story.add_to(token, 0, 10);
        story.later(120);
        let batch = story.batch();
        story.store(&batch);
        story.drain().iter().for_each(|action| {
            if let Action::ListShards(request) = action {
                story.list(request);
            }
        });
        story.drain();
    }
    story.answer(&slow, Ok(results));
    assert_eq!(fates(&story.outcomes()), all(1..3, "stored", 1));
}

/// An answer to a listing that nobody asked for made an engine without shard prediction wait for the list.
#[test]
fn an_unasked_list_changes_nothing() {
    let request = Story::unlisted(1, kpl()).list_request();
    let mut story = Story::of(plain().record_max_buffered_time(MINUTE));
    story.list(&request);
    story.add(1, 100);
    story.flush(1);
    assert_eq!(sent(&story.batch()), [1]);
    assert_eq!(story.engine.stats().ignored_answers, 1);
}

/// A record that a flush covers lay behind a newer one that was in no hurry, when the first map came.
#[test]
fn a_flush_is_not_held_up_by_a_newer_record() {
    let settings = kpl().aggregation_enabled(false).record_ttl(None);
    let mut story = Story::unlisted(1, settings.record_max_buffered_time(MINUTE));
    let request = story.list_request();
    story.add(1, 100);
    story.flush(1);
    story.add_timed(2, 100, buffered(MINUTE / 2));
    assert!(story.drain().is_empty(), "the list may come in time");
    story.list(&request);
    assert!(sent(&story.batch()).contains(&1));
}

/// The bytes of all shards together were taken for those of one.
#[test]
fn without_a_map_the_size_for_one_shard_means_nothing() {
    let mut story = Story::of(plain());
    (0..30).for_each(|token| story.add(token, 10_000));
    assert!(story.drain().is_empty(), "300 KB wait for company");
}

/// Between two pages of its first list an engine that held nothing forgot to ask for the second.
#[test]
fn the_first_list_is_completed_even_if_nothing_is_held() {
    let mut story = Story::unlisted(2, kpl());
    let request = story.list_request();
    let shards = story.stream.shards().to_vec();
    story.list_page(&request, shards[..1].to_vec(), Some("next"));
    let request = story.list_request();
    assert!(request.next_token.is_some());
    story.list_page(&request, shards[1..].to_vec(), None);
    assert!(story.drain().is_empty() && story.engine.wakeup().at.is_none(), "now it may sleep");
}

/// Where aggregates went astray twice the records of their shard go by themselves until there is a new list of the shards.
/// Nobody asked for one where those records are stored as foretold.
#[test]
fn a_shard_whose_records_go_by_themselves_gets_a_new_list() {
    let settings = Config::builder().rate_limit(RateLimit::Off).record_ttl(None);
    let mut story = Story::on(1, settings);
    (1..3).for_each(|token| story.add(token, 10));
    story.later(200);
    for _ in 0..2 {
        let batch = story.batch();
        assert_eq!(packed(&batch), [[1, 2]]);
        story.store_in(&batch, 7);
        let request = next_list(&mut story);
        story.list(&request);
        assert_eq!(names(&story.drain()), ["requeue"]);
        story.later(200);
    }
    let batch = story.batch();
    assert_eq!(packed(&batch), [[1], [2]], "each by itself");
    story.store(&batch);
    assert_eq!(story.outcomes().len(), 2);
    (3..5).for_each(|token| story.add(token, 10));
    story.later(200);
    let batch = story.batch();
    assert_eq!(packed(&batch), [[3], [4]]);
    let request = next_list(&mut story);
    story.list(&request);
    (5..7).for_each(|token| story.add(token, 10));
    story.later(200);
    assert_eq!(packed(&story.batch()), [[5, 6]]);
}

/// Waits for the next request for the shards, beside which nothing happens.
fn next_list(story: &mut Story) -> ListShards {
    for _ in 0..30 {
        if let [Action::ListShards(request)] = &story.drain()[..] {
            return request.clone();
        }
        story.later(100);
    }
    panic!("nobody asks for the shards")
}
