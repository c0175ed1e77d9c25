//! For how long the driver keeps callers out: the CPU time of the longest turns of an engine that is driven as
//! `headwaters` drives it, an answer and 256 outcomes or a request at a time.
//!
//! `cargo bench -p headwaters-benches --bench hold`. That is what `Stats::longest_hold` is of a producer, but for what a
//! scheduler adds. The goal is 250 us. SIMD makes no difference: check sums are computed without the lock.
//!
//! - load: 16 shards, full aggregates of records of 100 bytes, or plain records, in requests as large as they come.
//! - reshard: 4 shards become 64 while 200,000 packed records wait, each to be packed anew, 128 at a time (ADR 0063).
#![expect(clippy::print_stdout, reason = "it reports")]

use core::time::Duration;

use headwaters_benches::{Service, engine, even_shards, hashed_records, settings, thread_cpu};
use headwaters_engine::wire::{AttemptError, Entry, Placement, ShardPage};
use headwaters_engine::{
    Action, BatchId, Config, Engine, Event, FlushId, Instant, PutRecordsResult, Token, UserRecord,
    Wakeup, WakeupReason,
};

/// What the driver takes at a time.
const OUTCOMES: usize = 256;

/// How many records find other lanes at a time.
const MOVED_AT_ONCE: usize = 128;

/// Records that `put_all` puts under one lock.
const CHUNK: usize = 64;

/// How long the lock was held, each time.
#[derive(Default)]
struct Holds(Vec<Duration>);

impl Holds {
    fn time<T>(&mut self, work: impl FnOnce() -> T) -> T {
        let begin = thread_cpu();
        let done = work();
        self.0.push(thread_cpu() - begin);
        done
    }

    fn print(mut self, what: &str) {
        self.0.sort_unstable();
        let at = |part: f64| self.0[((self.0.len() - 1) as f64 * part) as usize];
        let (middle, most, longest) = (at(0.5), at(0.999), at(1.0));
        let count = self.0.len();
        println!(
            "{what:32} {count:6} holds: 50 % {middle:?}, 99.9 % {most:?}, longest {longest:?}"
        );
    }
}

/// What came of a turn.
enum Turn {
    Answer(BatchId, PutRecordsResult),
    More,
    Waits,
}

/// A turn of the driver.
fn turn(
    engine: &mut Engine,
    event: Event,
    now: Instant,
    holds: &mut Holds,
    service: &Service,
) -> Turn {
    let (mut kept, mut stored) = (Vec::with_capacity(OUTCOMES), Vec::with_capacity(1));
    let mut batch = None;
    let waits = holds.time(|| {
        engine.handle(event, now);
        loop {
            match engine.poll_unsealed(MOVED_AT_ONCE) {
                Action::Complete(completion) => {
                    kept.push(completion);
                    let outcomes: usize = kept.iter().map(|one| one.tokens.len()).sum();
                    if outcomes >= OUTCOMES {
                        return false;
                    }
                }
                Action::Stored(all) => {
                    stored.push(all);
                    return false;
                }
                Action::SendBatch(one) => {
                    batch = Some(one);
                    return false;
                }
                Action::Wait(_) => return true,
                _ => {}
            }
        }
    });
    let Some(mut batch) = batch else { return if waits { Turn::Waits } else { Turn::More } };
    if let Some(unsealed) = batch.unsealed.take() {
        let check_sums = unsealed.compute();
        drop(unsealed);
        batch = holds.time(|| engine.seal(batch.id, &check_sums)).expect("nobody purges");
    }
    Turn::Answer(batch.id, service.answer(&batch))
}

fn load(records: &[UserRecord], aggregated: bool, what: &str) {
    let config = settings(4 * records.len()).aggregation_enabled(aggregated);
    let mut engine = engine(config.build().expect("valid settings"));
    let (service, now) = (Service::new(None), Instant::ZERO);
    let (mut puts, mut turns) = (Holds::default(), Holds::default());
    for chunk in records.chunks(CHUNK) {
        let chunk = chunk.to_vec();
        puts.time(|| {
            for record in chunk {
                engine.add(Token(0), record, now).expect("room");
            }
        });
    }
    engine.handle(Event::FlushRequested { flush: FlushId(0), deadline: None }, now);
    let mut event = Event::TimeAdvanced;
    loop {
        event = match turn(&mut engine, event, now, &mut turns, &service) {
            Turn::Answer(batch, result) => Event::PutRecordsFinished { batch, result },
            Turn::More => Event::TimeAdvanced,
            Turn::Waits => break,
        };
    }
    assert_eq!(engine.stats().stored, records.len() as u64);
    puts.print(&format!("{what}: puts of {CHUNK}"));
    turns.print(&format!("{what}: turns"));
}

const BEFORE: u32 = 4;
const AFTER: u32 = 64;

/// Stores whatever is sent in the first of 64 shards, each with a name that the four have not.
fn in_a_new_shard(entries: &[Entry]) -> PutRecordsResult {
    let shard = even_shards(AFTER, BEFORE.into()).shards[0].id.clone();
    let sequence_number = "1".parse().expect("a digit");
    let placement = Placement { sequence_number, shard };
    Ok(entries.iter().map(|_| Ok::<_, AttemptError>(placement.clone())).collect())
}

fn waiting(records: usize) -> Config {
    // One request at a time, so that what is put waits in the lanes.
    let settings = settings(2 * records).max_requests_in_flight(1);
    settings.record_max_buffered_time(Duration::from_secs(3_600)).build().expect("valid settings")
}

fn reshard(records: &[UserRecord]) {
    let (mut now, mut engine) = (Instant::ZERO, Engine::new(waiting(records.len()), Instant::ZERO));
    let mut holds = Holds::default();
    let list = |engine: &mut Engine, page: ShardPage, now, holds: &mut Holds| {
        let Action::ListShards(request) = engine.poll_unsealed(MOVED_AT_ONCE) else {
            panic!("it asks for the shards")
        };
        let event = Event::ShardsListed { request: request.id, result: Ok(page) };
        holds.time(|| engine.handle(event, now));
    };
    list(&mut engine, even_shards(BEFORE, 0), now, &mut holds);
    now = now.after(Duration::from_secs(2));
    engine.add(Token(0), records[0].clone(), now).expect("room");
    engine.handle(Event::FlushRequested { flush: FlushId(0), deadline: None }, now);
    let Action::SendBatch(first) = engine.poll_unsealed(MOVED_AT_ONCE) else { panic!("a batch") };
    for (token, record) in (1..).zip(records) {
        engine.add(Token(token), record.clone(), now).expect("room");
    }
    let result = in_a_new_shard(&first.entries);
    engine.handle(Event::PutRecordsFinished { batch: first.id, result }, now);
    while !matches!(engine.poll_unsealed(MOVED_AT_ONCE), Action::FlushFinished { .. }) {}
    list(&mut engine, even_shards(AFTER, BEFORE.into()), now, &mut holds);
    let waits = |wakeup: Wakeup| wakeup.reason != WakeupReason::Actions;
    let mut turn = || {
        engine.handle(Event::TimeAdvanced, now);
        matches!(engine.poll_unsealed(MOVED_AT_ONCE), Action::Wait(wakeup) if waits(wakeup))
    };
    while !holds.time(&mut turn) {}
    assert_eq!(engine.stats().repacked, records.len() as u64, "all were packed anew");
    holds.print("reshard");
}

fn main() {
    let is_test = std::env::args().any(|argument| argument == "--test");
    let records = hashed_records(if is_test { 10_000 } else { 200_000 }, 100);
    load(&records, true, "load, aggregated");
    load(&records, false, "load, plain");
    reshard(&records);
}
