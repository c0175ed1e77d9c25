//! What it costs to hand records from callers to the engine and outcomes back, beside what the engine itself costs:
//! the front door against a channel with a oneshot per record, both around the same engine, and the engine alone, in
//! turns within one run.
//!
//! `cargo bench -p headwaters-benches --bench handover`. CPU is that of all threads, as Linux counts it. Goals: 15 times less
//! CPU than channel and oneshots, and at most 60 ns for a put from one task, its record made beforehand.
//!
//! Neither is shown to be reached. Beside the engine a whole input (`put_all`) costs a seventh to a twelfth of channel and oneshots where
//! records are packed, and half where they go plain; a put with a ticket that is awaited two thirds where they are packed, and
//! where they go plain it is no gain, for what an outcome of 200 bytes costs by itself is most of it. What a ticket takes: the clock
//! (20 ns), the lock twice, the counts of references of the ticket and of its outcome. On a machine with other work, or a host
//! with other guests, the wall times mean little.
//!
//! Giving way is in it. As often as tokio's channels do it (each 128th time) it made a put 300 ns dearer, a whole input 80.
#![expect(clippy::print_stdout, reason = "it reports")]

use core::time::Duration;
use std::collections::VecDeque;
use std::fs;
use std::sync::Arc;
use std::time::Instant;

use headwaters::trace::Trace;
use headwaters::{
    Config, ListShards, ListShardsResult, Producer, PutRecords, PutRecordsResult, Ticket,
    Transport, UserRecord,
};
use headwaters_benches::{Service, drive, engine, hashed_records, settings, shards};
use headwaters_engine::{Action, Engine, Event, Token};
use tokio::runtime::Runtime;
use tokio::sync::{mpsc, oneshot};

/// Outcomes that a caller waits for at a time: enough for full aggregates in all shards.
const WINDOW: usize = 64 * CHUNK;

/// Records that are made at a time, and put while they are in the cache, as records are that were made just now.
const CHUNK: usize = 1_024;

/// The service, in no time.
struct AtOnce(Service);

impl Transport for AtOnce {
    async fn list_shards(&self, _: ListShards) -> ListShardsResult {
        Ok(shards())
    }

    async fn put_records(&self, request: PutRecords) -> PutRecordsResult {
        self.0.answer_entries(&request.entries)
    }
}

/// What one way cost, in ns per record.
#[derive(Clone, Copy, Debug, Default)]
struct Cost {
    cpu: f64,
    /// The calls alone.
    put: f64,
    wall: f64,
}

/// CPU time of all threads of this process that are alive.
fn cpu() -> Duration {
    let tasks = fs::read_dir("/proc/self/task").expect("Linux");
    let nanos = tasks.filter_map(|task| {
        let schedstat = fs::read_to_string(task.ok()?.path().join("schedstat")).ok()?;
        schedstat.split(' ').next()?.parse::<u64>().ok()
    });
    Duration::from_nanos(nanos.sum())
}

fn config(aggregated: bool) -> Config {
    let settings = settings(4 * WINDOW).aggregation_enabled(aggregated);
    settings.record_max_buffered_time(Duration::from_millis(5)).build().expect("valid settings")
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures the time that passes")]
fn now() -> Instant {
    Instant::now()
}

/// The engine alone, on one thread.
fn alone(records: &[UserRecord], windows: usize, aggregated: bool) -> Cost {
    let service = Service::new(None);
    let mut engine = engine(config(aggregated));
    let (begin, before) = (now(), cpu());
    for _ in 0..windows {
        for _ in 0..WINDOW / CHUNK {
            feed(&mut engine, records.to_vec());
            drain(&mut engine, &service);
        }
        drive(&mut engine, Vec::new(), &service);
    }
    cost(windows * WINDOW, begin, before, Duration::ZERO)
}

fn feed(engine: &mut Engine, records: Vec<UserRecord>) {
    for record in records {
        engine.add(Token(0), record, headwaters::Instant::ZERO).expect("room");
    }
}

/// Sends what is full.
fn drain(engine: &mut Engine, service: &Service) {
    loop {
        match &engine.poll() {
            Action::SendBatch(batch) => {
                let event =
                    Event::PutRecordsFinished { batch: batch.id, result: service.answer(batch) };
                engine.handle(event, headwaters::Instant::ZERO);
            }
            Action::Wait(_) => return,
            _ => {}
        }
    }
}

fn cost(records: usize, begin: Instant, before: Duration, put: Duration) -> Cost {
    let per = |time: Duration| time.as_nanos() as f64 / records as f64;
    Cost { cpu: per(cpu() - before), put: per(put), wall: per(begin.elapsed()) }
}

/// A producer that has stored one record, and so knows its shards.
async fn producer(first: &UserRecord, aggregated: bool, trace: Option<Trace>) -> Producer {
    let builder = Producer::builder().stream("orders").transport(AtOnce(Service::new(None)));
    let builder = builder.config(config(aggregated));
    let builder = match trace {
        Some(trace) => builder.trace(trace),
        None => builder,
    };
    let producer = builder.start().expect("a runtime");
    drop(producer.put(first.clone()).await.expect("room").await);
    producer
}

/// The front door: each record with a ticket, and each ticket awaited.
async fn front_door(
    records: Arc<Vec<UserRecord>>,
    windows: usize,
    aggregated: bool,
    trace: Option<Trace>,
) -> Cost {
    let producer = producer(&records[0], aggregated, trace).await;
    let mut tickets: VecDeque<Ticket> = VecDeque::with_capacity(WINDOW);
    let (begin, before, mut put) = (now(), cpu(), Duration::ZERO);
    for _ in 0..windows {
        for _ in 0..WINDOW / CHUNK {
            let chunk = records.to_vec();
            let start = now();
            for record in chunk {
                tickets.push_back(producer.put(record).await.expect("room"));
            }
            put += start.elapsed();
        }
        for ticket in tickets.drain(..) {
            drop(ticket.await);
        }
    }
    let cost = cost(windows * WINDOW, begin, before, put);
    producer.close(None).await;
    cost
}

/// The same with a trace, and how many bytes of it there are for each record.
async fn traced(records: Arc<Vec<UserRecord>>, windows: usize, aggregated: bool) -> (Cost, f64) {
    let path = std::env::temp_dir().join(format!("headwaters-bench-{}", std::process::id()));
    let trace = Trace::create(&path).expect("a folder that can be written");
    let watch = trace.watch();
    let cost = front_door(records, windows, aggregated, Some(trace)).await;
    watch.wait(Duration::from_secs(60)).expect("it is written in a minute");
    fs::remove_file(path).expect("it was made here");
    (cost, watch.bytes() as f64 / (windows * WINDOW) as f64)
}

/// A whole input in one call.
async fn put_all(records: Arc<Vec<UserRecord>>, windows: usize, aggregated: bool) -> Cost {
    let producer = producer(&records[0], aggregated, None).await;
    let chunks = 0..windows * WINDOW / CHUNK;
    let input = chunks.flat_map(|_| records.to_vec());
    let (begin, before) = (now(), cpu());
    let report = producer.put_all(input, Duration::from_secs(60)).await;
    let cost = cost(windows * WINDOW, begin, before, Duration::ZERO);
    assert!(report.is_complete());
    producer.close(None).await;
    cost
}

type Sent = (UserRecord, oneshot::Sender<u64>);

/// A channel to a task with the engine, and a oneshot per record back.
async fn channel(records: Arc<Vec<UserRecord>>, windows: usize, aggregated: bool) -> Cost {
    let (sender, receiver) = mpsc::channel::<Sent>(4_096);
    let task = tokio::spawn(serve(receiver, engine(config(aggregated))));
    let mut pending = VecDeque::with_capacity(WINDOW);
    let (begin, before, mut put) = (now(), cpu(), Duration::ZERO);
    for _ in 0..windows {
        for _ in 0..WINDOW / CHUNK {
            let chunk = records.to_vec();
            let start = now();
            for record in chunk {
                let (outcome, promise) = oneshot::channel();
                assert!(sender.send((record, outcome)).await.is_ok(), "it listens");
                pending.push_back(promise);
            }
            put += start.elapsed();
        }
        for promise in pending.drain(..) {
            promise.await.expect("an outcome");
        }
    }
    let cost = cost(windows * WINDOW, begin, before, put);
    drop(sender);
    task.await.expect("no panic");
    cost
}

async fn serve(mut receiver: mpsc::Receiver<Sent>, mut engine: Engine) {
    let origin = now();
    let service = Service::new(None);
    let (mut slots, mut free, mut buffer) = (Vec::new(), Vec::new(), Vec::with_capacity(512));
    let mut wakeup = None;
    loop {
        let sleep = async {
            match wakeup {
                Some(at) => {
                    let at: headwaters::Instant = at;
                    let at = origin + at.since(headwaters::Instant::ZERO);
                    sleep_until(at).await;
                }
                None => core::future::pending().await,
            }
        };
        tokio::select! {
            count = receiver.recv_many(&mut buffer, 512) => if count == 0 { return },
            () = sleep => {}
        }
        let time = headwaters::Instant::ZERO.after(origin.elapsed());
        engine.handle(Event::TimeAdvanced, time);
        for (record, outcome) in buffer.drain(..) {
            let slot = free.pop().unwrap_or(slots.len());
            if slot == slots.len() {
                slots.push(None);
            }
            slots[slot] = Some(outcome);
            engine.add(Token(slot as u64), record, time).expect("room");
        }
        let mut tell = |Token(slot)| {
            let outcome: Option<oneshot::Sender<u64>> = slots[slot as usize].take();
            let _ = outcome.expect("one for each").send(slot);
            free.push(slot as usize);
        };
        wakeup = loop {
            match engine.poll() {
                Action::SendBatch(batch) => {
                    let result = service.answer(&batch);
                    engine.handle(Event::PutRecordsFinished { batch: batch.id, result }, time);
                }
                Action::Complete(completion) => completion.tokens.into_iter().for_each(&mut tell),
                Action::Stored(stored) => stored.tokens().iter().copied().for_each(&mut tell),
                Action::Wait(wakeup) => break wakeup.at,
                _ => {}
            }
        };
    }
}

#[expect(clippy::disallowed_methods, reason = "the other way has no clock of ours")]
async fn sleep_until(at: Instant) {
    tokio::time::sleep_until(at.into()).await;
}

/// How long single puts take while the driver works, in ns: median, 99 % and 99.9 %.
async fn latencies(records: Arc<Vec<UserRecord>>, windows: usize) -> [u128; 4] {
    let builder = Producer::builder().stream("orders").transport(AtOnce(Service::new(None)));
    let producer = builder.config(config(true)).start().expect("a runtime");
    let mut times = Vec::with_capacity(windows * WINDOW);
    for _ in 0..windows * WINDOW / CHUNK {
        for record in records.iter().cloned() {
            let start = now();
            let ticket = producer.put(record).await.expect("room");
            times.push(start.elapsed().as_nanos());
            drop(ticket);
        }
    }
    producer.close(None).await;
    times.sort_unstable();
    let at = |part: f64| times[((times.len() - 1) as f64 * part) as usize];
    [at(0.5), at(0.99), at(0.999), at(1.0)]
}

fn median(mut costs: Vec<Cost>) -> Cost {
    let mut middle = |of: fn(&Cost) -> f64| {
        costs.sort_by(|one, other| of(one).total_cmp(&of(other)));
        of(&costs[costs.len() / 2])
    };
    Cost { cpu: middle(|c| c.cpu), put: middle(|c| c.put), wall: middle(|c| c.wall) }
}

/// Runs it as a task, as callers are.
fn run<T: Send + 'static>(runtime: &Runtime, way: impl Future<Output = T> + Send + 'static) -> T {
    runtime.block_on(runtime.spawn(way)).expect("no panic")
}

fn main() {
    let is_test = std::env::args().any(|argument| argument == "--test");
    let (windows, repetitions) = if is_test { (1, 1) } else { (10, 9) };
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_time().build();
    let runtime = runtime.expect("threads");

    let records = Arc::new(hashed_records(CHUNK, 100));
    for aggregated in [true, false] {
        let mut costs = [const { Vec::new() }; 5];
        let mut bytes = 0.0;
        for _ in 0..repetitions {
            let door = front_door(Arc::clone(&records), windows, aggregated, None);
            costs[0].push(run(&runtime, door));
            costs[1].push(run(&runtime, put_all(Arc::clone(&records), windows, aggregated)));
            costs[2].push(run(&runtime, channel(Arc::clone(&records), windows, aggregated)));
            costs[3].push(alone(&records, windows, aggregated));
            let traced = run(&runtime, traced(Arc::clone(&records), windows, aggregated));
            costs[4].push(traced.0);
            bytes = traced.1;
        }
        let [door, all, channel, engine, traced] = costs.map(median);
        println!("{}, ns a record:", if aggregated { "aggregated" } else { "plain" });
        for (name, cost) in [
            ("engine alone", engine),
            ("put and ticket", door),
            ("the same, traced", traced),
            ("put_all", all),
            ("channel and oneshot", channel),
        ] {
            let Cost { cpu, put, wall } = cost;
            println!(
                "  {name:20} cpu {cpu:6.0}  beside the engine {:6.0}  wall {wall:6.0}  of it putting {put:6.0}",
                cpu - engine.cpu
            );
        }
        let ratio = |cost: Cost| (channel.cpu - engine.cpu) / (cost.cpu - engine.cpu);
        println!("  a trace has {bytes:.0} bytes a record");
        println!("  times cheaper: tickets {:.1}, put_all {:.1}", ratio(door), ratio(all));
    }
    let times = run(&runtime, latencies(Arc::clone(&records), windows));
    println!("one put, ns: 50 %, 99 %, 99.9 %, longest: {times:?}");
}
