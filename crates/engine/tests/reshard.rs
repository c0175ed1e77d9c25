//! Stories of reshards that are moved in pieces, and of what comes in between.

mod story;

use headwaters_engine::{
    Action, ConfigBuilder, Event, FlushId, Order, RateLimit, Timing, WakeupReason,
};
use story::run::Run;
use story::{Story, all, fates, kpl, millis, packed, tokens};

/// Members of a full aggregate.
const MEMBERS: u64 = 10;

/// Records that wait.
const WAITING: u64 = 64;

fn settings() -> ConfigBuilder {
    kpl().aggregation_max_count(MEMBERS).rate_limit(RateLimit::Off).record_ttl(None)
}

/// One of sixteen hash keys, all over the stream.
const fn spread(token: u64) -> u128 {
    (token as u128 % 16) << 124 | 5
}

/// Two shards have become four while records 1 to 64 waited for them, and the list that says so has come.
fn resharded(settings: ConfigBuilder) -> Story {
    let mut story = Story::on(2, settings);
    story.add_at(0, 7, 10);
    story.later(200);
    let first = story.batch();
    (1..=WAITING).for_each(|token| story.add_at(token, spread(token), 10));
    story.stream.split(0);
    story.stream.split(2);
    story.store(&first);
    let request = match story.drain().pop() {
        Some(Action::ListShards(request)) => request,
        other => panic!("it asks for the shards: {other:?}"),
    };
    story.list(&request);
    assert_eq!(story.engine.stats().buffered, WAITING);
    story
}

impl Story {
    /// Moves a piece; whether there are more.
    fn piece(&mut self) -> bool {
        let now = self.engine.wakeup();
        assert_eq!((now.at, now.reason), (Some(self.now), WakeupReason::Actions));
        match self.engine.poll_unsealed(1) {
            Action::Wait(wakeup) => {
                assert_eq!(wakeup, self.engine.wakeup(), "with and without draining");
                wakeup.reason == WakeupReason::Actions
            }
            action => panic!("nothing leaves before all has been moved: {action}"),
        }
    }

    /// The tokens of each entry that leaves in the next 200 ms, and nothing else happens.
    fn packed_later(&mut self) -> Vec<Vec<u64>> {
        let mut batches = self.batches();
        self.later(200);
        batches.extend(self.batches());
        batches.iter().flat_map(packed).collect()
    }
}

/// The tokens that were sent of each hash key, in their order.
fn by_key(run: &Run) -> Vec<Vec<u64>> {
    let sent = run.sent();
    let of_key = |key| sent.iter().copied().filter(|token| spread(*token) == key).collect();
    (0..16).map(|token| of_key(spread(token))).collect()
}

#[test]
fn in_pieces_it_is_packed_as_at_once() {
    let (mut story, mut other) = (resharded(settings()), resharded(settings()));
    let mut pieces = 1;
    while story.piece() {
        pieces += 1;
        let stats = story.engine.stats();
        assert_eq!((stats.buffered, stats.in_flight), (WAITING, 0));
    }
    // Eight aggregates are taken apart, and each record finds its lane; the last ones with nothing behind them.
    assert_eq!(pieces, 70);
    let packed = story.packed_later();
    assert_eq!(packed.iter().map(Vec::len).collect::<Vec<_>>(), [10, 6, 10, 6, 10, 6, 10, 2, 4]);
    assert_eq!(packed, other.packed_later());
    assert_eq!(story.engine.stats(), other.engine.stats());
}

/// As many records at once as are asked for; to take an aggregate apart counts as well.
#[test]
fn a_piece_is_as_large_as_is_asked_for() {
    for (at_once, pieces) in [(0, 70), (1, 70), (10, 13), (30, 5), (1_000, 1)] {
        let (mut story, mut moved) = (resharded(settings()), 1);
        while matches!(story.engine.poll_unsealed(at_once), Action::Wait(wakeup)
            if wakeup.reason == WakeupReason::Actions)
        {
            moved += 1;
        }
        assert_eq!(moved, pieces, "{at_once} at once");
    }
}

/// Whatever is put between two pieces goes behind what is not moved yet.
#[test]
fn the_order_of_each_hash_key_is_kept() {
    for plain in [false, true] {
        let settings = settings().order(Order::PerPartitionKey).aggregation_enabled(!plain);
        let mut story = resharded(settings);
        let (mut next, mut more) = (WAITING + 1, true);
        while more {
            (0..7).for_each(|_| {
                story.add_at(next, spread(next), 10);
                next += 1;
            });
            more = story.piece();
        }
        let run = story.run(60_000);
        assert_eq!(fates(&run.outcomes), all(1..next, "stored", 1));
        for sent in by_key(&run) {
            assert!(sent.len() >= 4 && sent.is_sorted(), "{sent:?}");
        }
    }
}

#[test]
fn a_flush_covers_what_is_not_moved_yet() {
    let mut story = resharded(settings());
    assert!(story.piece());
    story.flush(1);
    assert!(story.piece());
    let run = story.run(10);
    let flushed =
        |action: &Action| matches!(action, Action::FlushFinished { flush: FlushId(1), pending: 0 });
    assert!(run.others.iter().any(flushed), "{:?}", run.others);
    assert_eq!(fates(&run.outcomes), all(1..=WAITING, "stored", 1));
}

#[test]
fn a_purge_and_a_close_hand_back_what_is_not_moved_yet() {
    let close = Event::CloseRequested { deadline: Some(story::at(2_250)) };
    for event in [Event::PurgeRequested, close] {
        for order in [Order::Unordered, Order::PerPartitionKey] {
            let mut story = resharded(settings().order(order));
            assert!(story.piece());
            story.handle(event.clone());
            story.later(50);
            let mut outcomes = Vec::new();
            while let action @ (Action::Complete(_) | Action::CloseFinished { .. }) =
                story.engine.poll_unsealed(1)
            {
                outcomes.extend(match action {
                    Action::Complete(completion) => Some(completion),
                    _ => None,
                });
            }
            assert_eq!(fates(&outcomes), all(1..=WAITING, "not stored", 0));
            assert!(story.engine.is_empty() && story.engine.wakeup().at.is_none());
        }
    }
}

#[test]
fn what_expires_meanwhile_is_not_sent() {
    let mut story = resharded(settings());
    let timing = Timing { ttl: Some(Some(millis(20))), ..Timing::default() };
    story.add_timed(99, 10, timing);
    story.later(30);
    match story.engine.poll_unsealed(1) {
        Action::Complete(completion) => {
            assert_eq!(fates(&[completion]), all([99], "not stored", 0), "it was in its lane");
        }
        action => panic!("{action}"),
    }
    let run = story.run(1_000);
    assert_eq!(fates(&run.outcomes), all(1..=WAITING, "stored", 1));
}

/// An answer that comes between two pieces proves that the stream distributes by itself: what is not moved yet is taken
/// apart like all else.
#[test]
fn a_stream_can_prove_to_be_scattered_meanwhile() {
    for order in [Order::Unordered, Order::PerPartitionKey] {
        let mut story = Story::on(2, settings().order(order));
        story.add_at(0, 7, 10);
        story.later(200);
        let first = story.batch();
        story.add_at(100, spread(15), 10);
        story.stream.split(0);
        story.stream.split(2);
        story.store(&first);
        let Some(Action::ListShards(request)) = story.drain().pop() else { panic!("a list") };
        story.later(200);
        let second = story.batch();
        (1..=WAITING).for_each(|token| story.add_at(token, spread(token), 10));
        story.list(&request);
        assert!(story.piece());
        story.stream.is_auto = true;
        // The new list has that shard, and its hash keys are others.
        story.store_in(&second, 2);
        assert!(matches!(story.engine.poll_unsealed(1), Action::Complete(_)), "it is stored");
        while story.piece() {}
        let run = story.run(60_000);
        assert_eq!(fates(&run.outcomes), all(1..=WAITING, "stored", 1));
        let mut entries = run.batches.iter().flat_map(|(_, batch)| &batch.entries);
        assert!(entries.all(|entry| tokens(entry).len() == 1), "each by itself");
    }
}
