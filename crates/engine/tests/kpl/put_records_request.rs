//! `core/test/put_records_request_test.cc`.

use headwaters_engine::wire::Entry;

use crate::story::{Story, keyed, kpl, packed, plain};

/// Data and partition key count, of plain records and of aggregates.
#[test]
fn put_records_request_size_prediction() {
    const SIZE: usize = 10_000;
    let mut story = Story::of(plain().collection_max_size(SIZE));
    for token in 0..1_000 {
        let key = "k".repeat(1 + token as usize % 200);
        story.put(token, keyed(&key, token, 10 + token as usize * 31 % 900), Default::default());
    }
    let run = story.run(100);
    assert!(run.sent().into_iter().eq(0..1_000), "each once, in their order");
    let size = |entries: &[Entry]| entries.iter().map(Entry::size).sum::<usize>();
    for pair in run.batches.windows(2) {
        let (this, next) = (&pair[0].1.entries, &pair[1].1.entries);
        assert!(size(this) <= SIZE);
        assert!(size(this) + next[0].size() > SIZE, "the next record would have fitted");
    }
}

#[test]
fn put_records_request_size_prediction_at_its_bound() {
    for (second, entries) in [(49, 2), (50, 1)] {
        let mut story = Story::of(plain().collection_max_size(100));
        story.add(0, 49);
        story.add(1, second);
        assert_eq!(story.batch().entries.len(), entries, "with a byte of key each");
    }
}

/// The partition key of an aggregate counts, too.
#[test]
fn put_records_request_size_prediction_of_aggregates() {
    let two = |story: &mut Story, first: u64, place: usize| {
        (first..first + 2).for_each(|token| story.add_to(token, place, 100));
    };
    let mut story = Story::on(2, kpl());
    (0..2).for_each(|place| two(&mut story, place as u64 * 2, place));
    story.later(120);
    let size = story.batch().entries.iter().map(Entry::size).sum::<usize>();
    for (room, batches) in [(size, 1), (size - 1, 2)] {
        let mut story = Story::on(2, kpl().collection_max_size(room));
        (0..2).for_each(|place| two(&mut story, place as u64 * 2, place));
        story.later(120);
        let packed: Vec<_> = story.batches().iter().flat_map(packed).collect();
        assert_eq!(packed, [[0, 1], [2, 3]]);
        assert_eq!(story.engine.stats().requests, batches, "{room} bytes");
    }
}
