//! An engine, its time and its stream, so that a test reads as a story.
#![allow(dead_code, reason = "each test target tells other stories")]

pub(crate) mod run;
mod stream;

use core::time::Duration;

use headwaters_engine::wire::aggregate::{Decoded, decode};
use headwaters_engine::wire::{
    AttemptError, Entry, ErrorCode, HashKey, ListedShard, NextToken, Placement, ShardPage,
};
use headwaters_engine::{
    Action, Batch, Completion, Config, ConfigBuilder, Engine, Event, FlushId, Instant, ListShards,
    Outcome, PutRecordsResult, RateLimit, RefusedReason, ShardPrediction, Timing, Token,
    UserRecord,
};

pub(crate) use stream::Stream;

/// Settings for an engine that neither packs nor limits nor asks for shards.
pub(crate) fn plain() -> ConfigBuilder {
    Config::builder()
        .aggregation_enabled(false)
        .rate_limit(RateLimit::Off)
        .shard_prediction(ShardPrediction::Off)
}

/// The KPL's settings and its timing: 100 ms for the aggregate, 20 ms more for the request, 50 ms for a retry.
pub(crate) fn kpl() -> ConfigBuilder {
    Config::kpl().into_builder()
}

/// So many milliseconds after the beginning.
pub(crate) fn at(millis: u64) -> Instant {
    Instant::ZERO.after(Duration::from_millis(millis))
}

pub(crate) const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Buffered for this time instead of the setting's.
pub(crate) fn buffered(max_buffered_time: Duration) -> Timing {
    Timing { max_buffered_time: Some(max_buffered_time), ..Timing::default() }
}

pub(crate) struct Story {
    pub(crate) engine: Engine,
    pub(crate) now: Instant,
    pub(crate) stream: Stream,
}

/// The beginning.
impl Story {
    /// Of an engine that has not asked for the one shard of its stream yet.
    pub(crate) fn of(settings: ConfigBuilder) -> Self {
        Self::unlisted(1, settings)
    }

    /// Of an engine that has not asked for the shards of its stream yet.
    pub(crate) fn unlisted(shards: u32, settings: ConfigBuilder) -> Self {
        let config = settings.build().expect("valid settings");
        let engine = Engine::new(config, Instant::ZERO);
        Self { engine, now: Instant::ZERO, stream: Stream::even(shards) }
    }

    /// Of an engine that knows the shards of its stream, which divide the hash keys evenly, for two seconds: long
    /// enough that it asks again as soon as it has a reason.
    pub(crate) fn on(shards: u32, settings: ConfigBuilder) -> Self {
        let mut story = Self::unlisted(shards, settings);
        let request = story.list_request();
        story.list(&request);
        story.later(2_000);
        assert!(story.drain().is_empty(), "it has nothing to do");
        story
    }
}

/// What the application does.
impl Story {
    pub(crate) fn add(&mut self, token: u64, bytes: usize) {
        self.put(token, record(token, bytes), Timing::default());
    }

    pub(crate) fn add_timed(&mut self, token: u64, bytes: usize, timing: Timing) {
        self.put(token, record(token, bytes), timing);
    }

    /// A record for this hash key.
    pub(crate) fn add_at(&mut self, token: u64, hash_key: u128, bytes: usize) {
        let record = record(token, bytes).with_explicit_hash_key(HashKey::new(hash_key));
        self.put(token, record, Timing::default());
    }

    /// A record for the shard that is at this place in the order of the hash keys.
    pub(crate) fn add_to(&mut self, token: u64, place: usize, bytes: usize) {
        self.add_at(token, self.stream.start(place), bytes);
    }

    pub(crate) fn put(&mut self, token: u64, record: UserRecord, timing: Timing) {
        self.engine.add_timed(Token(token), record, timing, self.now).expect("room");
    }

    pub(crate) fn refused(&mut self, bytes: usize) -> RefusedReason {
        self.engine.add(Token(0), record(0, bytes), self.now).expect_err("refused").reason
    }

    pub(crate) fn flush(&mut self, flush: u64) {
        self.handle(Event::FlushRequested { flush: FlushId(flush), deadline: None });
    }

    pub(crate) fn close(&mut self) {
        self.handle(Event::CloseRequested { deadline: None });
    }
}

/// What the driver does.
impl Story {
    pub(crate) fn handle(&mut self, event: Event) {
        self.engine.handle(event, self.now);
    }

    pub(crate) fn later(&mut self, millis: u64) {
        self.now = self.now.after(Duration::from_millis(millis));
        self.handle(Event::TimeAdvanced);
    }

    /// All actions until the engine waits, which is not among them.
    pub(crate) fn drain(&mut self) -> Vec<Action> {
        let poll = || Some(self.engine.poll());
        core::iter::from_fn(poll)
            .take_while(|action| !matches!(action, Action::Wait(_)))
            .flat_map(Action::one_by_one)
            .collect()
    }

    /// The batches that leave now, and nothing else happens.
    pub(crate) fn batches(&mut self) -> Vec<Batch> {
        let batch = |action| match action {
            Action::SendBatch(batch) => batch,
            other => panic!("{other}"),
        };
        self.drain().into_iter().map(batch).collect()
    }

    /// The one batch that leaves now.
    pub(crate) fn batch(&mut self) -> Batch {
        let [batch] = &self.batches()[..] else { panic!("one batch") };
        batch.clone()
    }

    /// The one request for the shards that leaves now.
    pub(crate) fn list_request(&mut self) -> ListShards {
        let [Action::ListShards(request)] = &self.drain()[..] else { panic!("one listing") };
        request.clone()
    }

    /// The outcomes that come now, beside which only notices do.
    pub(crate) fn outcomes(&mut self) -> Vec<Completion> {
        let mut outcomes = Vec::new();
        for action in self.drain() {
            match action {
                Action::Complete(completion) => outcomes.push(completion),
                Action::Requeue(_) | Action::RoomAvailable => {}
                other => panic!("{other}"),
            }
        }
        outcomes
    }
}

/// What the service does.
impl Story {
    /// Lists the shards that are open now.
    pub(crate) fn list(&mut self, request: &ListShards) {
        let shards = self.stream.shards().to_vec();
        self.list_page(request, shards, None);
    }

    pub(crate) fn list_page(
        &mut self,
        request: &ListShards,
        shards: Vec<ListedShard>,
        next: Option<&str>,
    ) {
        let next_token = next.map(|token| NextToken::new(token).expect("a short token"));
        let result = Ok(ShardPage { next_token, shards });
        self.handle(Event::ShardsListed { request: request.id, result });
    }

    pub(crate) fn fail_list(&mut self, request: &ListShards, code: ErrorCode) {
        let result = Err(AttemptError::new(code));
        self.handle(Event::ShardsListed { request: request.id, result });
    }

    /// Stores every entry in the shard where it belongs by now.
    pub(crate) fn store(&mut self, batch: &Batch) {
        self.fail_at(batch, &[], &ErrorCode::InternalFailure);
    }

    /// Stores every entry in the shard with this number, right or wrong.
    pub(crate) fn store_in(&mut self, batch: &Batch, shard: u64) {
        let place = |_| Ok(self.stream.store_in(shard));
        let results = batch.entries.iter().map(place).collect();
        self.answer(batch, Ok(results));
    }

    /// Fails the entries at these indexes, and stores the others where they belong.
    pub(crate) fn fail_at(&mut self, batch: &Batch, indexes: &[usize], code: &ErrorCode) {
        let results = (0..).zip(&batch.entries).map(|(index, entry)| {
            if indexes.contains(&index) {
                return Err(AttemptError::new(code.clone()));
            }
            Ok(self.stream.store(entry))
        });
        let results = results.collect();
        self.answer(batch, Ok(results));
    }

    pub(crate) fn throttle(&mut self, batch: &Batch) {
        let all: Vec<usize> = (0..batch.entries.len()).collect();
        self.fail_at(batch, &all, &ErrorCode::ProvisionedThroughputExceededException);
    }

    /// Fails the request as a whole.
    pub(crate) fn fail(&mut self, batch: &Batch, code: ErrorCode) {
        self.answer(batch, Err(AttemptError::new(code)));
    }

    pub(crate) fn answer(&mut self, batch: &Batch, result: PutRecordsResult) {
        self.handle(Event::PutRecordsFinished { batch: batch.id, result });
    }

    /// A place in the shard where this entry belongs.
    pub(crate) fn place(&mut self, entry: &Entry) -> Result<Placement, AttemptError> {
        Ok(self.stream.store(entry))
    }
}

/// A record that carries its token, as far as there is room for it.
pub(crate) fn record(token: u64, bytes: usize) -> UserRecord {
    keyed("k", token, bytes)
}

pub(crate) fn keyed(key: &str, token: u64, bytes: usize) -> UserRecord {
    let mut data = token.to_le_bytes().to_vec();
    data.resize(bytes, 0);
    UserRecord::new(key, data).expect("a valid record")
}

fn token_of(data: &[u8]) -> u64 {
    let mut token = [0; 8];
    let carried = data.len().min(token.len());
    token[..carried].copy_from_slice(&data[..carried]);
    u64::from_le_bytes(token)
}

/// The tokens that an entry carries, in their order: more than one if it is an aggregate.
pub(crate) fn tokens(entry: &Entry) -> Vec<u64> {
    match decode(entry.data.clone()) {
        Decoded::Plain(data) => vec![token_of(&data)],
        Decoded::Aggregate(aggregate) => aggregate
            .members()
            .map(|member| token_of(&member.expect("the engine writes whole members").data))
            .collect(),
    }
}

/// The tokens of each entry.
pub(crate) fn packed(batch: &Batch) -> Vec<Vec<u64>> {
    batch.entries.iter().map(tokens).collect()
}

/// The tokens of a request, in their order.
pub(crate) fn sent(batch: &Batch) -> Vec<u64> {
    batch.entries.iter().flat_map(tokens).collect()
}

/// How the outcome is called that a record got.
pub(crate) const fn fate(completion: &Completion) -> &'static str {
    match completion.outcome {
        Outcome::MaybeStored { .. } => "maybe stored",
        Outcome::NotStored { .. } => "not stored",
        Outcome::Stored { maybe_duplicate: true, .. } => "stored, maybe twice",
        Outcome::Stored { .. } => "stored",
    }
}

/// Token, outcome and attempts of each record, by token.
pub(crate) fn fates(completions: &[Completion]) -> Vec<(u64, &'static str, u32)> {
    let each = |completion: &Completion| {
        let (fate, attempts) = (fate(completion), completion.attempts.count());
        completion.tokens.iter().map(move |token| (token.0, fate, attempts)).collect::<Vec<_>>()
    };
    let mut fates: Vec<_> = completions.iter().flat_map(each).collect();
    fates.sort_unstable();
    fates
}

/// The same outcome for all of these tokens.
pub(crate) fn all(
    tokens: impl IntoIterator<Item = u64>,
    fate: &'static str,
    attempts: u32,
) -> Vec<(u64, &'static str, u32)> {
    tokens.into_iter().map(|token| (token, fate, attempts)).collect()
}

/// What kinds of actions these are.
pub(crate) fn names(actions: &[Action]) -> Vec<String> {
    let name = |action: &Action| action.to_string().split(' ').next().unwrap_or("").to_owned();
    actions.iter().map(name).collect()
}
