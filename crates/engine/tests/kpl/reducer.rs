//! `core/test/reducer_test.cc`. The KPL batches twice with the same code, user records into aggregates and these
//! into requests; here these are the lanes' aggregators and the collector.

use headwaters_engine::{Event, RateLimit};

use crate::story::{Story, all, at, buffered, fates, kpl, millis, names, packed, plain, sent};

#[test]
fn reducer_count_limit() {
    let mut story = Story::on(1, kpl().aggregation_max_count(5).collection_max_count(2));
    (0..9).for_each(|token| story.add_at(token, 0, 10));
    assert!(story.drain().is_empty(), "one aggregate is full, the other and the request are not");
    story.add_at(9, 0, 10);
    assert_eq!(packed(&story.batch()), [[0, 1, 2, 3, 4], [5, 6, 7, 8, 9]], "now all are");
}

/// The KPL estimates sizes, packs until the estimate is too large, and then takes out what is too much. Here sizes
/// are exact, and what does not fit begins the next aggregate.
#[test]
fn reducer_size_limit() {
    let mut story = Story::on(1, kpl().aggregation_max_size(1_000).rate_limit(RateLimit::Off));
    (0..1_000).for_each(|token| story.add_at(token, 0, 8 + token as usize * 7_919 % 300));
    let run = story.run(120);
    assert!(run.sent().into_iter().eq(0..1_000), "each once, in their order");
    let entries: Vec<_> = run.batches.iter().flat_map(|(_, batch)| &batch.entries).collect();
    for pair in entries.windows(2) {
        let sizes = [pair[0].data.len(), pair[1].data.len()];
        assert!(sizes[0] <= 1_000, "{sizes:?}");
        assert!(sizes.iter().sum::<usize>() > 1_000, "{sizes:?}: both would have fitted in one");
    }
}

/// The nearest deadline flushes all that is there. The KPL then sorts by deadline; in an aggregate of this engine
/// the order is that of acceptance, in a request it is that of the deadlines.
#[test]
fn reducer_deadline() {
    let mut story = Story::on(1, kpl());
    story.add(0, 10);
    story.add_timed(1, 10, buffered(millis(10)));
    story.add(2, 10);
    story.later(29);
    assert!(story.drain().is_empty());
    story.later(1);
    assert_eq!(packed(&story.batch()), [[0, 1, 2]], "10 ms and the 20 ms of the second stage");

    let mut story = Story::of(plain());
    story.add(0, 10);
    story.add_timed(1, 10, buffered(millis(10)));
    story.add(2, 10);
    story.later(9);
    assert!(story.drain().is_empty());
    story.later(1);
    assert_eq!(packed(&story.batch()), [[1], [0], [2]], "the urgent one first");
}

#[test]
fn reducer_reset_timeout() {
    let mut story = Story::on(1, kpl().aggregation_max_count(2));
    story.add_timed(0, 10, buffered(millis(10)));
    story.add(1, 10);
    story.add(2, 10);
    story.later(20);
    assert_eq!(packed(&story.batch()), [[0, 1]], "full at once, and 20 ms in the second stage");
    story.later(99);
    assert!(story.drain().is_empty(), "the deadline of the first is not that of the third");
    story.later(1);
    assert_eq!(packed(&story.batch()), [[2]]);
}

/// The KPL lets a giant wait behind small records that are there already; here it never waits for them.
#[test]
fn reducer_giant_record() {
    let mut story = Story::on(1, kpl());
    story.add(0, 10);
    story.later(50);
    story.add_timed(1, 60_000, buffered(millis(10)));
    story.add(2, 10);
    story.later(10);
    let batch = story.batch();
    assert_eq!(packed(&batch), [[1]], "it goes alone, plain");
    assert_eq!(batch.entries[0].data.len(), 60_000);
    story.later(60);
    assert_eq!(packed(&story.batch()), [[0, 2]], "these have their own deadline");
}

#[test]
fn reducer_non_empty() {
    let mut story = Story::on(2, kpl());
    story.flush(1);
    assert_eq!(names(&story.drain()), ["flush-finished"], "and no empty request");
    story.later(1_000);
    story.handle(Event::PurgeRequested);
    story.close();
    assert_eq!(names(&story.drain()), ["close-finished"]);
}

/// In the KPL's case 16 threads add, one flushes. Here 16 sources take turns, with flushes in between.
#[test]
fn reducer_concurrency() {
    const RECORDS: u64 = 8_000;
    let mut story = Story::on(4, kpl().rate_limit(RateLimit::Off));
    let (mut tokens, mut outcomes, mut flushes) = (Vec::new(), Vec::new(), 0);
    for token in 0..RECORDS {
        story.add_to(token, token as usize % 4, 10 + token as usize % 16);
        if token % 100 == 99 {
            story.flush(token);
            let run = story.run(1);
            flushes += run.others.len();
            tokens.extend(run.batches.iter().flat_map(|(_, batch)| sent(batch)));
            outcomes.extend(run.outcomes);
            assert!(story.engine.is_empty(), "a flush leaves nothing behind");
        }
    }
    assert_eq!(flushes, 80);
    tokens.sort_unstable();
    assert!(tokens.into_iter().eq(0..RECORDS), "each was sent once");
    assert_eq!(fates(&outcomes), all(0..RECORDS, "stored", 1));
    assert!(story.now > at(2_000));
}
