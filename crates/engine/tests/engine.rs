//! Short stories of one engine, told event by event.

use core::time::Duration;

use headwaters_engine::wire::{AttemptError, ErrorCode, Placement, ShardId};
use headwaters_engine::{
    Action, Batch, Bounds, Config, ConfigBuilder, Engine, Event, FlushId, Instant, Outcome,
    RateLimit, RefusedReason, RetryPolicy, Sent, ShardPrediction, Token, UserRecord,
};

/// Settings for an engine that neither packs nor limits nor asks for shards.
fn plain() -> ConfigBuilder {
    Config::builder()
        .aggregation_enabled(false)
        .rate_limit(RateLimit::Off)
        .shard_prediction(ShardPrediction::Off)
}

/// An engine and its time.
struct Story {
    engine: Engine,
    now: Instant,
}

impl Story {
    fn of(settings: ConfigBuilder) -> Self {
        let config = settings.build().expect("valid settings");
        Self { engine: Engine::new(config, Instant::ZERO), now: Instant::ZERO }
    }

    fn add(&mut self, token: u64, bytes: usize) {
        let record = UserRecord::new("k", vec![0; bytes]).expect("a valid record");
        self.engine.add(Token(token), record, self.now).expect("room");
    }

    fn refused(&mut self, bytes: usize) -> RefusedReason {
        let record = UserRecord::new("k", vec![0; bytes]).expect("a valid record");
        self.engine.add(Token(0), record, self.now).expect_err("refused").reason
    }

    fn handle(&mut self, event: Event) {
        self.engine.handle(event, self.now);
    }

    /// All actions until the engine waits, which is not among them.
    fn drain(&mut self) -> Vec<Action> {
        let poll = || Some(self.engine.poll());
        core::iter::from_fn(poll).take_while(|action| !matches!(action, Action::Wait(_))).collect()
    }

    /// The batches that leave now, and nothing else happens.
    fn batches(&mut self) -> Vec<Batch> {
        let batch = |action| match action {
            Action::SendBatch(batch) => batch,
            other => panic!("{other}"),
        };
        self.drain().into_iter().map(batch).collect()
    }

    fn batch(&mut self) -> Batch {
        let [batch] = &self.batches()[..] else { panic!("one batch") };
        batch.clone()
    }

    fn later(&mut self, millis: u64) {
        self.now = self.now.after(Duration::from_millis(millis));
        self.handle(Event::TimeAdvanced);
    }

    fn throttle(&mut self, batch: &Batch) {
        let error = AttemptError::new(ErrorCode::ProvisionedThroughputExceededException);
        let result = Ok(vec![Err(error); batch.entries.len()]);
        self.handle(Event::PutRecordsFinished { batch: batch.id, result });
    }

    fn store(&mut self, batch: &Batch) {
        let digits = "49590338271490256608559692538361571095921575989136588898";
        let sequence_number = digits.parse().expect("digits");
        let placement = Placement { sequence_number, shard: ShardId::numbered(0) };
        let result = Ok(vec![Ok(placement); batch.entries.len()]);
        self.handle(Event::PutRecordsFinished { batch: batch.id, result });
    }
}

fn names(actions: &[Action]) -> Vec<String> {
    let name = |action: &Action| action.to_string().split(' ').next().unwrap_or("").to_owned();
    actions.iter().map(name).collect()
}

#[test]
fn a_request_leaves_when_its_entries_or_its_bytes_are_full() {
    let mut story = Story::of(plain().collection_max_count(3).collection_max_size(100));
    (0..2).for_each(|token| story.add(token, 10));
    assert!(story.batches().is_empty(), "neither is");
    story.add(2, 10);
    assert_eq!(story.batch().entries.len(), 3, "the entries are");
    story.add(3, 60);
    assert!(story.batches().is_empty());
    story.add(4, 60);
    assert_eq!(story.batch().entries.len(), 1, "the bytes are, and the second does not fit");
    story.later(100);
    assert_eq!(story.batch().entries.len(), 1);
}

#[test]
fn a_flush_hurries_what_is_new_and_leaves_retries_their_deadlines() {
    let mut story = Story::of(plain().retry(RetryPolicy::Kpl));
    story.add(1, 10);
    story.later(100);
    let first = story.batch();
    story.throttle(&first);
    story.handle(Event::FlushRequested { flush: FlushId(1), deadline: None });
    story.add(2, 10);
    assert_eq!(names(&story.drain()), ["requeue"], "the new one came after the flush");
    story.handle(Event::FlushRequested { flush: FlushId(2), deadline: None });
    assert_eq!(story.batch().entries.len(), 1, "the new one; the retry has its pause");
    story.later(49);
    assert!(story.batches().is_empty(), "and its deadline, half of the buffered time");
    story.later(1);
    let second = story.batch();
    story.store(&second);
    assert_eq!(names(&story.drain()), ["complete", "flush-finished"], "the first flush");
}

#[test]
fn a_close_hurries_what_is_new_and_wakes_those_who_wait() {
    let mut story = Story::of(plain().bounds(Bounds { bytes: 4_000_000, records: 1 }));
    story.add(1, 10);
    assert_eq!(story.refused(10), RefusedReason::Full);
    story.handle(Event::CloseRequested { deadline: None });
    let actions = story.drain();
    assert_eq!(names(&actions), ["room-available", "send-batch"]);
    assert_eq!(story.refused(10), RefusedReason::Closed);
    let Action::SendBatch(batch) = &actions[1] else { panic!("a batch") };
    story.store(batch);
    assert_eq!(names(&story.drain()), ["complete", "close-finished"]);
    story.handle(Event::CloseRequested { deadline: None });
    assert_eq!(names(&story.drain()), ["close-finished"], "each close is answered");
}

#[test]
fn more_room_is_announced() {
    let mut story = Story::of(plain().bounds(Bounds { bytes: 4_000_000, records: 1 }));
    story.add(1, 10);
    assert_eq!(story.refused(10), RefusedReason::Full);
    story.handle(Event::BoundsChanged(Bounds { bytes: 4_000_000, records: 2 }));
    assert_eq!(names(&story.drain()), ["room-available"]);
    story.add(2, 10);
    story.handle(Event::BoundsChanged(Bounds { bytes: 1_000, records: 2 }));
    assert!(matches!(story.refused(900), RefusedReason::TooLarge { limit: ..900 }));
}

#[test]
fn a_cancel_that_held_everything_back_leaves_no_doubt() {
    for (sent, maybe_duplicate) in [(Sent::No, false), (Sent::Unknown, true)] {
        let mut story = Story::of(plain());
        story.add(1, 10);
        story.later(100);
        let batch = story.batch();
        story.later(6_000);
        assert_eq!(names(&story.drain()), ["cancel-batch"]);
        story.handle(Event::BatchCancelled { batch: batch.id, sent });
        assert_eq!(names(&story.drain()), ["requeue"]);
        story.later(100);
        let again = story.batch();
        story.store(&again);
        let [Action::Complete(completion)] = &story.drain()[..] else { panic!("an outcome") };
        let Outcome::Stored { maybe_duplicate: told, .. } = completion.outcome else {
            panic!("stored")
        };
        assert_eq!((told, completion.attempts.count()), (maybe_duplicate, 2), "{sent:?}");
    }
}

#[test]
fn a_silent_transport_is_waited_for_and_then_not() {
    let mut story = Story::of(plain().max_requests_in_flight(1));
    story.add(1, 10);
    story.later(100);
    let batch = story.batch();
    story.later(6_000);
    assert_eq!(names(&story.drain()), ["cancel-batch"]);
    story.add(2, 10);
    story.later(999);
    assert!(story.drain().is_empty(), "the cancelled request keeps its place");
    story.later(1);
    let actions = story.drain();
    assert_eq!(names(&actions), ["requeue", "send-batch"]);
    story.store(&batch);
    assert!(story.drain().is_empty(), "too late");
    assert_eq!(story.engine.stats().ignored_answers, 1);
}

#[test]
fn attempts_are_kept_while_there_is_room_for_them() {
    let record_bytes = Bounds::RECORD_OVERHEAD + 11;
    let bounds = Bounds { bytes: record_bytes * 5, records: 10 };
    let mut story = Story::of(plain().max_user_record_size(11).bounds(bounds));
    (0..5).for_each(|token| story.add(token, 10));
    let held = story.engine.stats().bytes_held;
    assert_eq!(held, bounds.bytes as u64, "not a byte is left");
    story.later(100);
    let batch = story.batch();
    story.throttle(&batch);
    assert_eq!(story.engine.stats().bytes_held, held);
    assert_eq!(names(&story.drain()), ["requeue"]);
    story.later(100);
    let again = story.batch();
    story.store(&again);
    for action in story.drain() {
        let Action::Complete(completion) = action else { panic!("an outcome: {action}") };
        assert_eq!((completion.attempts.count(), completion.attempts.kept().len()), (2, 1));
    }
    assert_eq!(story.engine.stats().bytes_held, 0);
}
