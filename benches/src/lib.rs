//! What the benches share: work for the engine, and a service that answers at once, in process or over TLS.

mod cpu;
mod floor;
mod null;

pub use cpu::{process_cpu, thread_cpu};
pub use floor::{Floor, aggregates};
pub use null::{NullServer, Stored};

use core::num::NonZeroU32;
use core::time::Duration;

use headwaters_engine::wire::{
    AttemptError, Entry, ErrorCode, HashKey, HashKeyRange, ListedShard, PartitionKey, Placement,
    SequenceNumber, ShardId, ShardPage,
};
use headwaters_engine::{
    Action, Batch, Bounds, Config, ConfigBuilder, Engine, Event, Instant, PutRecordsResult,
    RateLimit, Token, UserRecord,
};

/// How many shards the stream has: a power of two, so that the first bits of a hash key name its shard.
pub const SHARDS: u32 = 16;

/// Settings with room for `records` records, nothing that expires, and limiters that are asked and always agree.
pub fn settings(records: usize) -> ConfigBuilder {
    let bounds = Bounds { bytes: usize::MAX / 2, records };
    let rate_limit = RateLimit::Fixed { percent: u32::MAX };
    // The records share one payload, so that it costs nothing.
    Config::builder().bounds(bounds).copy_shared_up_to(0).record_ttl(None).rate_limit(rate_limit)
}

/// `count` records of `size` bytes that share one payload, so that the payload costs nothing. Each has an explicit
/// hash key, so that the service need not hash.
///
/// # Panics
/// If `size` is beyond 4 KiB.
pub fn records(count: usize, size: usize) -> Vec<UserRecord> {
    let scatter = |number: usize| (number as u128).wrapping_mul(0x9E37_79B9_7F4A_7C15 << 64 | 1);
    let record = |(number, record): (usize, UserRecord)| {
        record.with_explicit_hash_key(HashKey::new(scatter(number)))
    };
    hashed_records(count, size).into_iter().enumerate().map(record).collect()
}

static PAYLOAD: [u8; 4_096] = [0; 4_096];

/// `count` records of `size` bytes that share one payload, and go where their partition keys belong.
///
/// # Panics
/// If `size` is beyond 4 KiB.
pub fn hashed_records(count: usize, size: usize) -> Vec<UserRecord> {
    // Without a count of references, which all records would have in common.
    assert!(size <= PAYLOAD.len(), "a small record");
    let data = bytes::Bytes::from_static(&PAYLOAD[..size]);
    let entry = |number| Entry {
        data: data.clone(),
        explicit_hash_key: None,
        partition_key: PartitionKey::new(format!("key-{number:012}")).expect("a valid key"),
    };
    UserRecord::from_entries((0..count).map(entry).collect()).expect("small records")
}

/// Answers: of `failing` entries the last is throttled, the others are stored.
#[derive(Debug)]
pub struct Service {
    /// Where it stores what belongs to each shard.
    placements: Vec<Placement>,
    failing: Option<usize>,
}

impl Service {
    /// A service of [`SHARDS`] that fails every `failing`th entry of a request, or none. A request of fewer entries
    /// succeeds, so that there is an end.
    pub fn new(failing: Option<usize>) -> Self {
        Self::of_shards(SHARDS, failing)
    }

    /// The same with so many shards.
    ///
    /// # Panics
    /// If that is no power of two.
    pub fn of_shards(shards: u32, failing: Option<usize>) -> Self {
        assert!(shards.is_power_of_two(), "the first bits of a hash key name its shard");
        let digits = b"49590338271490256608559692538361571095921575989136588898";
        let number = SequenceNumber::from_bytes(bytes::Bytes::from_static(digits));
        let sequence_number = number.expect("digits");
        let placement = |shard: u32| Placement {
            sequence_number: sequence_number.clone(),
            shard: ShardId::numbered(shard.into()),
        };
        Self { placements: (0..shards).map(placement).collect(), failing }
    }

    /// What it says to a batch.
    pub fn answer(&self, batch: &Batch) -> PutRecordsResult {
        self.answer_entries(&batch.entries)
    }

    /// What it says to these entries.
    pub fn answer_entries(&self, entries: &[Entry]) -> PutRecordsResult {
        let answer = |(index, entry): (usize, &Entry)| match self.failing {
            Some(failing) if index % failing == failing - 1 => {
                let code = ErrorCode::ProvisionedThroughputExceededException;
                Err(AttemptError::new(code))
            }
            _ => {
                let shard = entry.hash_key().value() >> (128 - self.placements.len().ilog2());
                Ok(self.placements[shard as usize].clone())
            }
        };
        Ok(entries.iter().enumerate().map(answer).collect())
    }
}

/// An engine that knows the shards.
pub fn engine(config: Config) -> Engine {
    engine_of_shards(config, SHARDS)
}

/// An engine that knows so many shards.
///
/// # Panics
/// If it does not ask for them.
pub fn engine_of_shards(config: Config, shards: u32) -> Engine {
    let mut engine = Engine::new(config, Instant::ZERO);
    let Action::ListShards(request) = engine.poll() else { panic!("it asks for the shards") };
    let event = Event::ShardsListed { request: request.id, result: Ok(even_shards(shards, 0)) };
    engine.handle(event, Instant::ZERO);
    engine
}

/// The list of the shards.
pub fn shards() -> ShardPage {
    even_shards(SHARDS, 0)
}

/// The list of so many shards of equal size, of which the first has this number.
///
/// # Panics
/// If there are none.
pub fn even_shards(shards: u32, first: u64) -> ShardPage {
    let count = NonZeroU32::new(shards).expect("there are some");
    let shard = |index: u32| ListedShard {
        hash_keys: HashKeyRange::of_even_shard(index, count).expect("one of them"),
        id: ShardId::numbered(first + u64::from(index)),
    };
    ShardPage { next_token: None, shards: (0..shards).map(shard).collect() }
}

/// Puts all records, then drives the engine until each has its outcome; returns how many got one.
pub fn drive(engine: &mut Engine, records: Vec<UserRecord>, service: &Service) -> usize {
    drive_with(engine, records, |batch| service.answer(batch))
}

/// [`drive`] with whatever gives the answers.
pub fn drive_with(
    engine: &mut Engine,
    records: Vec<UserRecord>,
    mut answer: impl FnMut(&Batch) -> PutRecordsResult,
) -> usize {
    let mut now = Instant::ZERO;
    for (number, record) in (0..).zip(records) {
        let _ = engine.add(Token(number), record, now);
    }
    let mut completed = 0;
    loop {
        // By reference: what is moved out of an action is copied.
        let action = engine.poll();
        match &action {
            Action::SendBatch(batch) => {
                let result = answer(batch);
                engine.handle(Event::PutRecordsFinished { batch: batch.id, result }, now);
            }
            Action::Stored(stored) => completed += stored.len(),
            Action::Complete(completion) => completed += completion.tokens.len(),
            Action::Wait(wakeup) => match wakeup.at {
                Some(at) => {
                    now = at.after(Duration::from_micros(1));
                    engine.handle(Event::TimeAdvanced, now);
                }
                None => return completed,
            },
            _ => {}
        }
    }
}
