//! Everything that can happen in a small world. Most mistakes show in some small case; here are all of them.

mod story;

use core::time::Duration;
use std::collections::BTreeMap;

use headwaters_engine::wire::aggregate::{Decoded, decode};
use headwaters_engine::wire::{AttemptError, Certainty, Entry, ErrorCode, Placement, ShardPage};
use headwaters_engine::{
    Action, Batch, BatchId, Completion, Config, ConfigBuilder, Engine, Event, FlushId, Instant,
    ListShards, Outcome, RateLimit, RetryPolicy, Sent, Token,
};
use story::{Story, Stream, fates, kpl, millis, packed, record, tokens};

/// Most entries in a request whose failures are all tried.
const ENTRIES_MAX: usize = 10;

/// Which entries fail, one bit for each.
fn failed(mask: usize, entries: usize) -> Vec<usize> {
    (0..entries).filter(|index| mask >> index & 1 == 1).collect()
}

/// Has some entries of a request fail, each of `members` records of a shard of its own: exactly these are sent
/// again, and each record has one outcome that says so.
fn fail_some(members: u64, indexes: &[usize], entries: usize, code: &ErrorCode) {
    let shards = u32::try_from(entries).expect("a few");
    let mut story = Story::on(shards, kpl());
    let records = entries as u64 * members;
    for token in 0..records {
        story.add_to(token, (token / members) as usize, 10);
    }
    story.later(120);
    let first = story.batch();
    assert_eq!(first.entries.len(), entries);
    story.fail_at(&first, indexes, code);
    let (mut outcomes, mut again) = (Vec::new(), Vec::new());
    for action in story.drain() {
        match action {
            Action::Complete(completion) => outcomes.push(completion),
            Action::Requeue(requeue) => again.extend(requeue.indexes.into_iter().map(usize::from)),
            other => panic!("{other}"),
        }
    }
    assert_eq!(again, indexes);
    story.later(50);
    if indexes.is_empty() {
        assert!(story.drain().is_empty());
    } else {
        let second = story.batch();
        let first = packed(&first);
        let expected: Vec<_> = indexes.iter().map(|&index| first[index].clone()).collect();
        assert_eq!(packed(&second), expected);
        story.store(&second);
        outcomes.extend(story.outcomes());
    }
    let twice =
        if code.certainty() == Certainty::NotStored { "stored" } else { "stored, maybe twice" };
    let fate = |token: u64| {
        let failed = indexes.contains(&((token / members) as usize));
        if failed { (token, twice, 2) } else { (token, "stored", 1) }
    };
    assert_eq!(fates(&outcomes), (0..records).map(fate).collect::<Vec<_>>());
    assert!(story.engine.is_empty());
    assert_eq!(story.engine.stats().bytes_held, 0);
}

#[test]
fn every_set_of_failures_is_sent_again_and_nothing_else() {
    let codes = [ErrorCode::ProvisionedThroughputExceededException, ErrorCode::InternalFailure];
    for entries in 1..=ENTRIES_MAX {
        for mask in 0..1 << entries {
            let indexes = failed(mask, entries);
            for code in &codes {
                fail_some(1, &indexes, entries, code);
                fail_some(2, &indexes, entries, code);
            }
        }
    }
}

/// What can happen next.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Step {
    /// A record comes for the lower or the upper half of the hash keys.
    Add {
        upper: bool,
    },
    /// The service answers the oldest request: it stores all of it.
    Store,
    /// The service answers the newest request: it stores all of it.
    StoreNewest,
    /// The service answers the oldest request: its first entry is throttled, the others are stored.
    Throttle,
    /// The oldest request fails on its way, or its cancel is answered.
    Lose,
    /// The shards are listed.
    List,
    /// They are not.
    FailList,
    /// The first shard is split, or the first two are merged: in turn.
    Reshard,
    /// Time goes on to the next wake-up.
    Wake,
    /// Time goes on past every timeout and expiration.
    Jump,
    Flush,
    Purge,
}

/// A request that the driver has not answered.
struct Open {
    batch: Batch,
    /// Since when the engine wants it cancelled.
    cancelled: Option<Instant>,
}

impl Open {
    /// Whether the engine waits for its answer no more.
    fn is_given_up(&self, now: Instant) -> bool {
        self.cancelled.is_some_and(|since| since.after(GRACE) <= now)
    }
}

/// How an attempt ended, as far as the engine was told.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum End {
    Open,
    /// With a word that it was not stored.
    Refused,
    Lost,
    Stored,
}

/// What became of one record.
#[derive(Default)]
struct Fate {
    attempts: Vec<(BatchId, End)>,
    /// How often consumers get it.
    delivered: usize,
    outcomes: usize,
}

/// An engine, a driver, a stream and whoever checks that they keep their word.
struct World {
    engine: Engine,
    now: Instant,
    stream: Stream,
    open: Vec<Open>,
    listing: Option<ListShards>,
    fates: BTreeMap<u64, Fate>,
    /// The flushes that are not done, and how many records came before each.
    flushes: Vec<(u64, u64)>,
    flushed: u64,
    reshards: usize,
    closes: usize,
}

/// Most records and reshards in a world.
const RECORDS_MAX: usize = 3;
const RESHARDS_MAX: usize = 2;

/// How long the service takes for an answer: nothing at all, where an engine is the likeliest to spin.
const LATENCY: Duration = Duration::ZERO;
const GRACE: Duration = Duration::from_millis(20);
/// Past every timeout and expiration.
const JUMP: Duration = Duration::from_millis(150);

/// Times so short that all of them matter within a few steps.
fn small() -> ConfigBuilder {
    kpl()
        .rate_limit(RateLimit::Off)
        .record_max_buffered_time(millis(10))
        .record_ttl(Some(millis(250)))
        .request_timeout(millis(100))
        .cancel_grace(GRACE)
        .max_requests_in_flight(2)
}

impl World {
    fn new(config: Config) -> Self {
        let mut world = Self {
            engine: Engine::new(config, Instant::ZERO),
            now: Instant::ZERO,
            stream: Stream::even(2),
            open: Vec::new(),
            listing: None,
            fates: BTreeMap::new(),
            flushes: Vec::new(),
            flushed: 0,
            reshards: 0,
            closes: 0,
        };
        world.drain();
        world
    }

    /// A world that has gone on for a while: the shards are listed, and may be listed again at any time.
    fn listed(config: Config) -> Self {
        let mut world = Self::new(config);
        world.list();
        world.pass(Duration::from_secs(2));
        world
    }

    /// What can happen now.
    fn steps(&self) -> Vec<Step> {
        let mut steps = vec![Step::Flush, Step::Jump];
        let mut can = |possible: bool, more: &[Step]| {
            if possible {
                steps.extend_from_slice(more);
            }
        };
        let holds = !self.engine.is_empty();
        let adds = [false, true].map(|upper| Step::Add { upper });
        can(self.fates.len() < RECORDS_MAX, &adds);
        can(!self.open.is_empty(), &[Step::Store, Step::Throttle, Step::Lose]);
        can(self.open.len() > 1, &[Step::StoreNewest]);
        can(self.listing.is_some(), &[Step::List, Step::FailList]);
        can(self.reshards < RESHARDS_MAX, &[Step::Reshard]);
        can(self.engine.wakeup().at.is_some(), &[Step::Wake]);
        can(holds, &[Step::Purge]);
        steps
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Add { upper } => self.add(upper),
            Step::Store => self.answer(0, false),
            Step::StoreNewest => self.answer(self.open.len() - 1, false),
            Step::Throttle => self.answer(0, true),
            Step::Lose => self.lose(),
            Step::List => self.list(),
            Step::FailList => {
                self.pass(LATENCY);
                let request = self.listing.take().expect("there is a request");
                let result = Err(AttemptError::new(ErrorCode::ServiceUnavailable));
                self.handle(Event::ShardsListed { request: request.id, result });
            }
            Step::Reshard => {
                if self.reshards.is_multiple_of(2) {
                    self.stream.split(0);
                } else {
                    self.stream.merge(0);
                }
                self.reshards += 1;
            }
            Step::Wake => self.wake(),
            Step::Jump => self.pass(JUMP),
            Step::Flush => {
                self.flushed += 1;
                self.flushes.push((self.flushed, self.fates.len() as u64));
                self.handle(Event::FlushRequested { flush: FlushId(self.flushed), deadline: None });
            }
            Step::Purge => {
                self.handle(Event::PurgeRequested);
                assert!(self.engine.is_empty());
            }
        }
    }

    /// The second record of each half belongs to the second half of it.
    fn add(&mut self, upper: bool) {
        let token = self.fates.len() as u64;
        let quarter = u128::MAX / 4;
        let hash_key = u128::from(upper) * 2 * quarter + u128::from(token % 2) * quarter + 7;
        let record = record(token, 10).with_explicit_hash_key(hash_key.into());
        self.engine.add(Token(token), record, self.now).expect("room");
        self.fates.insert(token, Fate::default());
        self.drain();
    }

    fn pass(&mut self, time: Duration) {
        self.now = self.now.after(time);
        self.handle(Event::TimeAdvanced);
    }

    fn wake(&mut self) {
        self.now = self.engine.wakeup().at.expect("it waits for a time");
        self.handle(Event::TimeAdvanced);
    }

    fn list(&mut self) {
        self.pass(LATENCY);
        let request = self.listing.take().expect("there is a request");
        let result = Ok(ShardPage { next_token: None, shards: self.stream.shards().to_vec() });
        self.handle(Event::ShardsListed { request: request.id, result });
    }

    fn answer(&mut self, at: usize, throttle_first: bool) {
        self.pass(LATENCY);
        let open = self.open.remove(at);
        let mut results = Vec::new();
        for (index, entry) in open.batch.entries.iter().enumerate() {
            if throttle_first && index == 0 {
                self.end(&open, entry, End::Refused);
                let code = ErrorCode::ProvisionedThroughputExceededException;
                results.push(Err(AttemptError::new(code)));
            } else {
                self.end(&open, entry, End::Stored);
                results.push(Ok(self.store(entry)));
            }
        }
        self.handle(Event::PutRecordsFinished { batch: open.batch.id, result: Ok(results) });
    }

    /// The service has stored it all, but nobody hears of it.
    fn lose(&mut self) {
        self.pass(LATENCY);
        let open = self.open.remove(0);
        for entry in &open.batch.entries {
            self.end(&open, entry, End::Lost);
            self.store(entry);
        }
        let batch = open.batch.id;
        let event = if open.cancelled.is_some() {
            Event::BatchCancelled { batch, sent: Sent::Unknown }
        } else {
            let result = Err(AttemptError::new(ErrorCode::ConnectionLost));
            Event::PutRecordsFinished { batch, result }
        };
        self.handle(event);
    }

    fn end(&mut self, open: &Open, entry: &Entry, end: End) {
        for token in tokens(entry) {
            let fate = self.fates.get_mut(&token).expect("it was put");
            let mut attempts = fate.attempts.iter_mut();
            let attempt = attempts.find(|attempt| attempt.0 == open.batch.id);
            let end = if open.is_given_up(self.now) { End::Lost } else { end };
            attempt.expect("it was sent in that request").1 = end;
        }
    }

    /// Stores an entry, of which the consumers of its shard get all or nothing.
    fn store(&mut self, entry: &Entry) -> Placement {
        let placement = self.stream.store(entry);
        let range = self.stream.range_of(&placement.shard);
        let all_of_it = match decode(entry.data.clone()) {
            Decoded::Plain(_) => true,
            Decoded::Aggregate(aggregate) => aggregate.as_kcl(range).dropped.is_empty(),
        };
        if all_of_it {
            for token in tokens(entry) {
                self.fates.get_mut(&token).expect("it was put").delivered += 1;
            }
        }
        placement
    }

    fn handle(&mut self, event: Event) {
        self.engine.handle(event, self.now);
        self.drain();
    }

    fn drain(&mut self) {
        loop {
            match self.engine.poll() {
                Action::CancelBatch(id) => {
                    let open = self.open.iter_mut().find(|open| open.batch.id == id);
                    let open = open.expect("only what is open is cancelled");
                    assert!(open.cancelled.replace(self.now).is_none(), "and only once");
                }
                Action::CloseFinished { undelivered } => {
                    assert_eq!(undelivered, 0);
                    self.closes += 1;
                }
                Action::Complete(completion) => self.complete(&completion),
                Action::Stored(all) => all.into_completions().for_each(|one| self.complete(&one)),
                Action::FlushFinished { flush, pending } => {
                    assert_eq!(pending, 0);
                    let at = self.flushes.iter().position(|going_on| going_on.0 == flush.0);
                    let (_, records) = self.flushes.remove(at.expect("a flush ends once"));
                    let mut covered = self.fates.range(..records);
                    assert!(covered.all(|(_, fate)| fate.outcomes == 1), "and not too early");
                }
                Action::ListShards(request) => self.listing = Some(request),
                Action::Requeue(_) => {}
                Action::RoomAvailable => panic!("nobody was refused"),
                Action::SendBatch(batch) => self.send(batch),
                Action::Wait(wakeup) => {
                    assert!(wakeup.at.is_none_or(|at| at > self.now), "an engine never spins");
                    assert!(self.engine.is_empty() || wakeup.at.is_some(), "nor does it forget");
                    return;
                }
            }
        }
    }

    fn send(&mut self, batch: Batch) {
        for token in batch.entries.iter().flat_map(tokens) {
            let fate = self.fates.get_mut(&token).expect("it was put");
            assert_eq!(fate.outcomes, 0, "{token} was sent after its outcome");
            let is_going_on = |attempt: &(BatchId, End)| attempt.1 == End::Open;
            for attempt in fate.attempts.iter_mut().filter(|attempt| is_going_on(attempt)) {
                // The engine waits no more for an answer to its cancel.
                let open = self.open.iter().find(|open| open.batch.id == attempt.0);
                let is_given_up = open.is_some_and(|open| open.is_given_up(self.now));
                assert!(is_given_up, "{token} is sent twice at a time");
                attempt.1 = End::Lost;
            }
            fate.attempts.push((batch.id, End::Open));
        }
        self.open.push(Open { batch, cancelled: None });
    }

    fn complete(&mut self, completion: &Completion) {
        for token in &completion.tokens {
            let fate = self.fates.get_mut(&token.0).expect("it was put");
            fate.outcomes += 1;
            assert_eq!(fate.outcomes, 1, "{completion}");
            assert_eq!(completion.attempts.count() as usize, fate.attempts.len(), "{completion}");
            let ends: Vec<End> = fate.attempts.iter().map(|attempt| attempt.1).collect();
            let is_doubtful = |ends: &[End]| ends.iter().any(|end| *end != End::Refused);
            match &completion.outcome {
                Outcome::Stored { maybe_duplicate, .. } => {
                    let (last, earlier) = ends.split_last().expect("it was sent");
                    assert_eq!(*last, End::Stored, "{completion}");
                    assert_eq!(*maybe_duplicate, is_doubtful(earlier), "{completion}: {ends:?}");
                    assert!(fate.delivered > 0, "{completion}: its consumers drop it");
                    assert!(*maybe_duplicate || fate.delivered == 1, "{completion}: a duplicate");
                }
                Outcome::NotStored { .. } => {
                    assert!(!is_doubtful(&ends), "{completion}: {ends:?}");
                    assert_eq!(fate.delivered, 0);
                }
                Outcome::MaybeStored { .. } => assert!(is_doubtful(&ends), "{ends:?}"),
            }
        }
    }

    /// Closes, while the service does what it can.
    fn end_well(&mut self) {
        self.handle(Event::CloseRequested { deadline: None });
        for _ in 0..100 {
            if self.engine.is_empty() {
                break;
            }
            if self.listing.is_some() {
                self.list();
            } else if self.open.is_empty() {
                self.wake();
            } else {
                self.answer(0, false);
            }
        }
        assert!(self.engine.is_empty(), "a close comes to its end");
        assert_eq!((self.closes, self.flushes.len()), (1, 0));
        assert!(self.fates.values().all(|fate| fate.outcomes == 1), "each record has its outcome");
        let stats = self.engine.stats();
        let ended = stats.stored + stats.not_stored + stats.maybe_stored + stats.handed_back;
        assert_eq!((stats.accepted, ended), (self.fates.len() as u64, self.fates.len() as u64));
        let levels = [stats.buffered, stats.in_flight, stats.bytes_held, stats.lanes_held_back];
        assert_eq!(levels, [0; 4]);
    }
}

/// Goes through all sequences of choices, like the hand of a clock: the last one turns first.
#[derive(Default)]
struct Choices {
    /// Which was taken, and of how many.
    taken: Vec<(usize, usize)>,
    next: usize,
}

impl Choices {
    /// One of so many.
    fn pick(&mut self, of: usize) -> usize {
        if self.next == self.taken.len() {
            self.taken.push((0, of));
        }
        let (choice, before) = self.taken[self.next];
        assert_eq!(before, of, "the same steps lead to the same place");
        self.next += 1;
        choice
    }

    /// Turns to the next sequence; false if there is none.
    fn turn(&mut self) -> bool {
        self.next = 0;
        while let Some((choice, of)) = self.taken.pop() {
            if choice + 1 < of {
                self.taken.push((choice + 1, of));
                return true;
            }
        }
        false
    }
}

/// What happened in a world: told when it ends in a panic.
struct Told(Vec<Step>);

impl Drop for Told {
    #[expect(clippy::print_stderr, reason = "the panic itself does not tell")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("after {:?}", self.0);
        }
    }
}

/// What the engines of all worlds have done, one number for each kind of thing.
#[derive(Default)]
struct Seen([u64; 9]);

impl Seen {
    fn note(&mut self, engine: &Engine) {
        let stats = engine.stats();
        let more = [
            stats.handed_back,
            stats.ignored_answers,
            stats.maybe_stored,
            stats.not_stored,
            stats.repacked,
            stats.requeued,
            stats.stored,
            stats.timeouts,
            stats.wrong_shard,
        ];
        self.0.iter_mut().zip(more).for_each(|(sum, more)| *sum += more);
    }
}

/// Has everything happen that can in so many steps.
fn explore(begin: impl Fn() -> World, depth: usize) -> Seen {
    let (mut choices, mut seen) = (Choices::default(), Seen::default());
    loop {
        let (mut world, mut told) = (begin(), Told(Vec::new()));
        for _ in 0..depth {
            let steps = world.steps();
            let step = steps[choices.pick(steps.len())];
            told.0.push(step);
            world.take(step);
        }
        world.end_well();
        seen.note(&world.engine);
        if !choices.turn() {
            return seen;
        }
    }
}

fn valid(settings: ConfigBuilder) -> Config {
    settings.build().expect("valid settings")
}

/// Fewer steps than six are in here as well, for a flush or a jump can come last.
#[test]
fn every_six_steps_of_an_engine_that_knows_the_shards() {
    (1..=6).for_each(|depth| {
        explore(|| World::listed(valid(small())), depth);
    });
}

#[test]
fn every_six_steps_of_a_new_engine() {
    explore(|| World::new(valid(small())), 6);
}

/// Two records in one aggregate, a third to come; keys decide, or chance does.
fn on_its_way(is_auto: bool) -> World {
    let mut world = World::listed(valid(small()));
    let add = Step::Add { upper: false };
    [add, add, Step::Flush].into_iter().for_each(|step| world.take(step));
    assert_eq!(world.open.len(), 1, "it is on its way");
    world.stream.is_auto = is_auto;
    world
}

#[test]
fn every_six_steps_of_an_aggregate_on_its_way() {
    let Seen(seen) = explore(|| on_its_way(false), 6);
    assert!(seen.iter().all(|&times| times > 100), "{seen:?}: some things hardly happen");
}

#[test]
fn every_six_steps_of_a_stream_that_distributes_by_itself() {
    explore(|| on_its_way(true), 6);
}

#[test]
fn every_six_steps_without_aggregates() {
    explore(|| World::listed(valid(small().aggregation_enabled(false))), 6);
}

/// One record a request, one request at a time, and few attempts.
#[test]
fn every_six_steps_of_small_requests() {
    let twice = RetryPolicy::Linear { max_attempts: 2, step: millis(3) };
    let config = small().collection_max_count(1).max_requests_in_flight(1).retry(twice);
    explore(|| World::listed(valid(config.clone())), 6);
}

#[test]
fn every_six_steps_where_a_throttle_is_final() {
    let config = small().fail_if_throttled(true).aggregation_max_count(2);
    explore(|| World::listed(valid(config.clone())), 6);
}
