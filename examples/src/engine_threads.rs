//! The engine alone, in a plain loop over threads: no runtime, no front door.
//!
//! Callers send records into a channel, requests run on threads of their own and send their answers into the same
//! channel, and the loop does what the engine says.

#![expect(clippy::print_stdout, reason = "an example says what it does")]
#![expect(clippy::disallowed_methods, reason = "this loop is its own clock")]

use core::time::Duration;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread;
use std::time::Instant as Clock;

use headwaters_engine::wire::{
    AttemptError, Entry, ErrorCode, HashKeyRange, ListedShard, Placement, ShardId, ShardPage,
};
use headwaters_engine::{
    Action, Config, Engine, Event, Instant, Outcome, PutRecordsResult, Timing, Token, UserRecord,
};

const CALLERS: u64 = 4;
const RECORDS: u64 = 2_500;

/// What would be HTTP: a service of one shard that throttles every other entry of its first request.
fn put_records(entries: &[Entry], is_first: bool) -> PutRecordsResult {
    let store = |at: usize| {
        if is_first && at % 2 == 1 {
            return Err(AttemptError::new(ErrorCode::ProvisionedThroughputExceededException));
        }
        let sequence_number = at.to_string().parse().expect("digits");
        Ok(Placement { sequence_number, shard: ShardId::numbered(0) })
    };
    Ok((0..entries.len()).map(store).collect())
}

/// Puts records under tokens that no other caller uses.
fn call(caller: u64, events: Sender<Event>) {
    for number in 0..RECORDS {
        let record = UserRecord::new(format!("caller-{caller}"), format!("record {number}"));
        let record = record.expect("a valid record");
        let token = Token(caller * RECORDS + number);
        let event = Event::RecordAdded { token, record, timing: Timing::default() };
        events.send(event).expect("the loop goes on until all is stored");
    }
}

fn main() {
    let (sender, events) = mpsc::channel();
    for caller in 0..CALLERS {
        let events = sender.clone();
        thread::spawn(move || call(caller, events));
    }
    let origin = Clock::now();
    let now = || Instant::ZERO.after(origin.elapsed());
    let mut engine = Engine::new(Config::default(), now());
    let (mut stored, mut requests) = (0, 0);
    loop {
        let wakeup = loop {
            match engine.poll() {
                Action::SendBatch(batch) => {
                    let (events, is_first) = (sender.clone(), requests == 0);
                    requests += 1;
                    thread::spawn(move || {
                        let result = put_records(&batch.entries, is_first);
                        // At the end nobody may be listening any more.
                        let _ = events.send(Event::PutRecordsFinished { batch: batch.id, result });
                    });
                }
                Action::ListShards(request) => {
                    let all =
                        ListedShard { hash_keys: HashKeyRange::ALL, id: ShardId::numbered(0) };
                    let page = ShardPage { next_token: None, shards: vec![all] };
                    let event = Event::ShardsListed { request: request.id, result: Ok(page) };
                    sender.send(event).expect("the loop listens");
                }
                Action::Complete(completion) => match completion.outcome {
                    Outcome::Stored { .. } => stored += completion.tokens.len() as u64,
                    outcome => panic!("the service stores everything in the end: {outcome:?}"),
                },
                Action::Stored(all) => stored += all.len() as u64,
                Action::Wait(wakeup) => break wakeup.at,
                // Nobody cancels, flushes, closes or waits for room here.
                _ => {}
            }
        };
        if stored == CALLERS * RECORDS {
            break;
        }
        let wait = wakeup.map_or(Duration::MAX, |at| at.since(now()));
        let event = match events.recv_timeout(wait) {
            Ok(event) => event,
            Err(RecvTimeoutError::Timeout) => Event::TimeAdvanced,
            Err(RecvTimeoutError::Disconnected) => panic!("this loop has a sender itself"),
        };
        engine.handle(event, now());
        // Whatever else has come, before the engine is asked again.
        for event in events.try_iter() {
            engine.handle(event, now());
        }
    }
    println!("{stored} records stored with {requests} requests, none lost, none twice");
}
