//! Streams that distribute records over their shards by themselves: how an engine finds out, what it does, and how it
//! finds back.

mod story;

use std::collections::BTreeMap;

use headwaters_engine::wire::ErrorCode;
use headwaters_engine::{Action, Batch, Config, Instant, ListShards, MapStatus, RateLimit};
use story::run::Run;
use story::{Story, Stream, all, fates, kpl, millis, names, packed, sent};

/// How many records in a row must be where they belong.
const IN_ROW: u64 = 64;

/// Puts so many records in as many bursts of ten as it takes, from one end of the hash keys to the other and again,
/// and lives on until all have their outcomes.
fn busy(story: &mut Story, tokens: core::ops::Range<u64>) -> Run {
    let mut run = Run::default();
    for token in tokens.clone() {
        story.add_at(token, u128::from(token * 37 % 100) * (u128::MAX / 100), 100);
        if token % 10 == 9 {
            run.append(story.run(10));
        }
    }
    run.append(story.run(3_000));
    let outcomes: usize = run.outcomes.iter().map(|completion| completion.tokens.len()).sum();
    assert_eq!(outcomes as u64, tokens.end - tokens.start);
    assert!(story.engine.is_empty());
    run
}

/// How often each record was sent.
fn copies(run: &Run) -> BTreeMap<u64, u32> {
    let mut copies = BTreeMap::new();
    run.sent().into_iter().for_each(|token| *copies.entry(token).or_default() += 1);
    copies
}

fn aggregates(run: &Run) -> usize {
    let entries = run.batches.iter().flat_map(|(_, batch)| packed(batch));
    entries.filter(|tokens| tokens.len() > 1).count()
}

fn status(story: &Story) -> MapStatus {
    story.engine.stats().shard_map
}

/// Two records for one shard of a stream that does not store them there: the engine knows it for what it is.
fn scattered(shards: u32, token: u64) -> Story {
    let mut story = Story::on(shards, kpl());
    let batch = aggregate(&mut story, token, 0);
    let request = prove(&mut story, &batch);
    story.list(&request);
    story.later(50);
    let batch = story.batch();
    assert_eq!(packed(&batch), [[token], [token + 1]], "each by itself");
    story.store_in(&batch, 1);
    assert_eq!(fates(&story.outcomes()), all(token..token + 2, "stored, maybe twice", 2));
    story.later(2_000);
    story
}

/// Stores an aggregate for shard 0 in shard 1: its members go again, and the shards are listed to make sure.
fn prove(story: &mut Story, batch: &Batch) -> ListShards {
    story.store_in(batch, 1);
    let actions = story.drain();
    assert_eq!(status(story), MapStatus::Scattered);
    let [Action::Requeue(_), Action::ListShards(request)] = &actions[..] else {
        panic!("{:?}", names(&actions))
    };
    request.clone()
}

/// Two records for the shard at this place, on their way.
fn aggregate(story: &mut Story, token: u64, place: usize) -> Batch {
    (token..token + 2).for_each(|token| story.add_to(token, place, 10));
    story.later(120);
    story.batch()
}

#[test]
fn it_is_recognised_by_its_first_answer() {
    let mut story = Story::unlisted(4, Config::default().into_builder());
    story.stream.is_auto = true;
    let run = busy(&mut story, 0..2_000);
    let stats = story.engine.stats();
    assert_eq!(stats.shard_map, MapStatus::Scattered);
    assert_eq!(stats.listings, 2, "the first one, and one to make sure");
    assert_eq!(stats.wrong_shard, 1);
    let first = run.batches[0].1.entries.len();
    assert_eq!((first, aggregates(&run)), (4, 4), "one for each shard, before anything is known");
    let again: Vec<u64> =
        copies(&run).into_iter().filter(|&(_, count)| count > 1).map(|(token, _)| token).collect();
    let in_first = sent(&run.batches[0].1);
    assert!(again.iter().all(|token| in_first.contains(token)), "and nothing but those");
    assert!(copies(&run).values().all(|&count| count <= 2));
    assert_eq!(stats.entries, 2_000 + first as u64 - (in_first.len() - again.len()) as u64);
}

#[test]
fn it_is_recognised_in_mid_life_and_so_is_the_way_back() {
    let mut story = Story::on(4, kpl());
    let run = busy(&mut story, 0..1_000);
    assert!(aggregates(&run) > 20 && copies(&run).values().all(|&count| count == 1));
    story.stream.is_auto = true;
    let run = busy(&mut story, 1_000..2_000);
    assert_eq!((status(&story), aggregates(&run)), (MapStatus::Scattered, 4));
    let listings = story.engine.stats().listings;
    story.stream.is_auto = false;
    let run = busy(&mut story, 2_000..3_000);
    assert_eq!(status(&story), MapStatus::Ready);
    assert!(aggregates(&run) > 20 && copies(&run).values().all(|&count| count == 1));
    let plain = run.batches.iter().flat_map(|(_, batch)| packed(batch)).filter(|e| e.len() == 1);
    assert!(plain.count() < 3 * IN_ROW as usize, "64, and what was there by then");
    let stats = story.engine.stats();
    assert_eq!((stats.wrong_shard, stats.listings), (1, listings), "nobody asked for the shards");
}

#[test]
fn the_way_back_takes_64_records_in_a_row_that_were_sent_on_it() {
    let mut story = scattered(2, 0);
    let store = |story: &mut Story, tokens: core::ops::Range<u64>| {
        tokens.clone().for_each(|token| story.add_to(token, (token % 2) as usize, 10));
        story.later(100);
        let batch = story.batch();
        assert_eq!(batch.entries.len() as u64, tokens.end - tokens.start);
        batch
    };
    let row = store(&mut story, 10..10 + IN_ROW - 1);
    story.store(&row);
    story.outcomes();
    assert_eq!(status(&story), MapStatus::Scattered);
    let wrong = store(&mut story, 200..201);
    story.store_in(&wrong, 1);
    story.outcomes();
    let row = store(&mut story, 300..300 + IN_ROW);
    story.fail_at(&row, &[63], &ErrorCode::InternalFailure);
    story.outcomes();
    assert_eq!(status(&story), MapStatus::Scattered, "63 in a row, and 63 before");
    story.later(50);
    let last = story.batch();
    story.store(&last);
    story.outcomes();
    assert_eq!(status(&story), MapStatus::Ready);
    let batch = aggregate(&mut story, 500, 1);
    assert_eq!(packed(&batch), [[500, 501]]);
}

/// What was stored before the stream changed says nothing about it, even if its answer comes late.
#[test]
fn what_was_sent_before_does_not_lead_back() {
    let mut story = Story::on(2, kpl().aggregation_enabled(false));
    (0..2 * IN_ROW).for_each(|token| story.add_to(token, (token % 2) as usize, 10));
    story.later(100);
    let early = story.batch();
    story.add_to(500, 0, 10);
    story.later(100);
    let proof = story.batch();
    story.store_in(&proof, 1);
    story.drain();
    story.store(&early);
    assert_eq!(fates(&story.outcomes()), all(0..2 * IN_ROW, "stored", 1));
    assert_eq!(status(&story), MapStatus::Scattered);
}

#[test]
fn all_that_is_on_its_way_goes_again_once_at_most() {
    let mut story = Story::on(2, kpl());
    let batches = [0, 2, 4, 6].map(|token| aggregate(&mut story, token, 0));
    let request = prove(&mut story, &batches[0]);
    story.list(&request);
    story.store_in(&batches[1], 1);
    story.store_in(&batches[2], 0);
    assert_eq!(fates(&story.outcomes()), all(4..6, "stored", 1), "where they belong, by chance");
    story.throttle(&batches[3]);
    let run = story.run(1_000);
    assert_eq!(aggregates(&run), 0, "what is tried again goes plain, too");
    assert_eq!(copies(&run), [0, 1, 2, 3, 6, 7].map(|token| (token, 1)).into());
}

/// A stray waits for the list of shards that its own answer has set off, when another answer gives the proof.
#[test]
fn strays_that_wait_go_at_once() {
    let mut story = Story::on(2, kpl());
    let [stray, proof] = [0, 2].map(|token| aggregate(&mut story, token, 0));
    story.store_in(&stray, 77);
    story.list_request();
    assert_eq!(status(&story), MapStatus::Reloading);
    story.store_in(&proof, 1);
    assert_eq!(names(&story.drain()), ["requeue", "requeue"]);
    story.later(50);
    let batch = story.batch();
    assert_eq!(packed(&batch), [[0], [1], [2], [3]]);
}

/// What is packed and not sent: being packed, lingering, and held back by its limiter.
#[test]
fn what_is_packed_is_taken_apart() {
    let mut story = Story::on(2, kpl().aggregation_max_count(2));
    let proof = aggregate(&mut story, 0, 0);
    (2..5).for_each(|token| story.add_to(token, 0, 10));
    story.later(50);
    (5..9).for_each(|token| story.add_to(token, 1, 10));
    let request = prove(&mut story, &proof);
    story.list(&request);
    assert!(story.drain().is_empty(), "nothing leaves before its deadline");
    let run = story.run(1_000);
    assert_eq!(aggregates(&run), 0);
    assert_eq!(copies(&run), (0..9).map(|token| (token, 1)).collect());
    assert_eq!(story.engine.stats().repacked, 2 + 2 + 4);
}

/// What was spent on the shards counts for all of them together, and the other way round: nobody can burst.
#[test]
fn what_was_spent_is_not_forgotten() {
    let limit = RateLimit::Fixed { percent: 100 };
    let settings = kpl().aggregation_enabled(false).rate_limit(limit).record_ttl(None);
    let mut story = Story::on(2, settings);
    let bytes = 1024 * 1024 / 2 - 100;
    (0..2).for_each(|token| story.add_to(token, 0, bytes));
    story.add_to(2, 1, bytes);
    story.later(100);
    let proof = story.batch();
    assert_eq!(proof.entries.len(), 3);
    story.store_in(&proof, 0);
    assert_eq!(fates(&story.outcomes()), all(0..3, "stored", 1));
    assert_eq!(status(&story), MapStatus::Scattered);
    (10..20).for_each(|token| story.add_to(token, 0, bytes));
    let start = story.now;
    let run = story.run(3_000);
    let bytes_by = |run: &Run, time: Instant| run.entries_before(time) * bytes;
    let half = start.after(millis(100));
    assert!(
        bytes_by(&run, half) <= 1024 * 1024,
        "a half of what two shards take in a second is left"
    );
    let second = start.after(millis(1_100));
    assert!(
        (2 << 20..=3 << 20).contains(&(bytes_by(&run, second) + bytes)),
        "and two shards' rate"
    );

    // All of it is in the wrong shard or in the right one; now it is right.
    story.later(10_000);
    (100..100 + IN_ROW).for_each(|token| story.add_to(token, (token % 2) as usize, 30_000));
    story.later(100);
    let row = story.batch();
    assert_eq!(row.entries.len() as u64, IN_ROW);
    story.store(&row);
    story.outcomes();
    assert_eq!(status(&story), MapStatus::Ready);
    (300..304).for_each(|token| story.add_to(token, (token % 2) as usize, bytes));
    story.later(100);
    let rest = 2 * 1024 * 1024 + 2 * 1024 * 1024 / 10 - IN_ROW as usize * 30_000;
    assert!(rest < bytes && story.drain().is_empty(), "each shard has got a half of what was sent");
}

#[test]
fn shards_that_come_meanwhile_are_listed_once() {
    let mut story = scattered(2, 0);
    let listings = story.engine.stats().listings;
    story.stream.is_auto = true;
    story.stream.split(0);
    let run = busy(&mut story, 10..500);
    assert_eq!((status(&story), aggregates(&run)), (MapStatus::Scattered, 0));
    let stats = story.engine.stats();
    assert_eq!((stats.listings, stats.shards), (listings + 1, 3));
    story.stream.is_auto = false;
    story.stream.merge(1);
    busy(&mut story, 500..1_000);
    assert_eq!(status(&story), MapStatus::Ready);
    let stats = story.engine.stats();
    assert_eq!((stats.listings, stats.shards), (listings + 2, 2));
    assert_eq!(stats.wrong_shard, 1);
}

/// One shard is right for every record, and for every aggregate.
#[test]
fn with_one_shard_left_records_are_packed_again() {
    let mut story = scattered(2, 0);
    story.stream.is_auto = true;
    story.stream.merge(0);
    let run = busy(&mut story, 10..500);
    assert_eq!(status(&story), MapStatus::Ready);
    assert!(aggregates(&run) > 1 && copies(&run).values().all(|&count| count == 1));
}

/// A stream that was deleted and made anew has shards of the same names with other hash keys. It is taken for one that
/// distributes by itself until its shards are listed.
#[test]
fn a_stream_of_the_same_name_is_found_out() {
    let mut story = Story::on(4, kpl());
    busy(&mut story, 0..500);
    story.stream = Stream::even(2);
    let run = busy(&mut story, 500..1_500);
    let stats = story.engine.stats();
    assert_eq!((stats.shard_map, stats.shards, stats.listings), (MapStatus::Ready, 2, 2));
    assert!(aggregates(&run) > 20 && copies(&run).values().all(|&count| count <= 2));
}

/// Nothing of a stream that is split and merged again and again looks like that: its children are in no list yet.
#[test]
fn no_reshard_is_taken_for_it() {
    let mut story = Story::on(3, kpl());
    for round in 0..40 {
        match round % 4 {
            0 | 2 => story.stream.split(round as usize % 3),
            1 => story.stream.merge(round as usize % 2),
            _ => {}
        }
        let run = busy(&mut story, round * 200..(round + 1) * 200);
        assert!(aggregates(&run) > 4, "{round}");
        assert_eq!(status(&story), MapStatus::Ready, "{round}");
    }
    assert!(story.engine.stats().wrong_shard >= 30);
}

/// As long as the shards cannot be listed nothing else is lost: the state is what it is, and the error is told.
#[test]
fn it_is_recognised_without_the_permission_to_list() {
    let mut story = Story::on(2, kpl());
    let proof = aggregate(&mut story, 0, 0);
    let request = prove(&mut story, &proof);
    story.fail_list(&request, ErrorCode::AccessDeniedException);
    assert_eq!(status(&story), MapStatus::Scattered);
    assert!(story.engine.listing_error().is_some());
    story.stream.is_auto = true;
    story.run(1_000);
    let run = busy(&mut story, 2..500);
    assert_eq!((status(&story), aggregates(&run)), (MapStatus::Scattered, 0));
    assert_eq!(story.engine.stats().listings, 2, "for minutes nobody asks again");
}
