//! An engine, a model of the service, a way between them, and applications that do not wait for each other.

use core::num::NonZeroU32;
use core::time::Duration;
use std::collections::BTreeMap;

use headwaters_engine::wire::aggregate::{Decoded, decode};
use headwaters_engine::wire::{
    AttemptError, Entries, Entry, HashKey, HashKeyRange, PartitionKey, ShardPage, StreamName,
};
use headwaters_engine::{
    Action, Batch, BatchId, Config, Engine, Event, Instant, ListingId, Order, Outcome,
    PutRecordsResult, Sent, Stats, Token, UserRecord,
};
use headwaters_model::{
    EntryFault, EntryFaults, Handover, ListRequest, MaxRecordSize, Stream, StreamOptions,
};
use headwaters_sim::Rng;

/// From a request to its answer, if nobody is slow.
pub(crate) const ROUND_TRIP: Duration = Duration::from_millis(25);

/// An application that puts records of one size at its own pace, whatever becomes of those before.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    pub(crate) keys: Vec<PartitionKey>,
    pub(crate) pace: Pace,
    pub(crate) size: usize,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Pace {
    /// One in this time, at random moments; what there is no room for is dropped.
    Every(Duration),
    /// As many as there is room for.
    Full,
}

/// What is wrong with a shard.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Trouble {
    /// It stores nothing, with `InternalFailure`.
    Fails,
    /// It stores nothing, and says so only after this time; the answer to the whole request waits for it.
    FailsLate(Duration),
    /// It stores everything; the answer to the whole request waits for it.
    Slow(Duration),
    /// It throttles everything.
    Throttles,
}

/// What became of a record.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fate {
    pub(crate) accepted: Instant,
    /// When it had its outcome, and whether that was `Stored`.
    pub(crate) ended: Option<(Instant, bool)>,
    pub(crate) source: usize,
}

#[derive(Debug)]
enum Happening {
    Answer(BatchId, PutRecordsResult),
    Arrive(BatchId, Entries),
    Cancelled(BatchId),
    Listed(ListingId, Result<ShardPage, AttemptError>),
    Put(usize),
}

/// All of them, in virtual time.
pub(crate) struct Stage {
    engine: Engine,
    fates: Vec<Fate>,
    /// Entries for shards in trouble that were sent and not stored.
    pub(crate) in_vain: u64,
    /// Records that were refused for want of room, for each source.
    pub(crate) refused: Vec<u64>,
    stream: Stream,
    /// By the number of the shard.
    pub(crate) troubles: BTreeMap<u64, Trouble>,
    happenings: BTreeMap<(Instant, u64), Happening>,
    name: StreamName,
    next: u64,
    now: Instant,
    rng: Rng,
    sources: Vec<Source>,
    /// Whether the sources that are as fast as there is room wait for it.
    waits: bool,
}

impl Stage {
    pub(crate) fn new(config: Config, shards: u32, sources: Vec<Source>) -> Self {
        let name = StreamName::new("stage").expect("a valid name");
        let shards = NonZeroU32::new(shards).expect("a shard");
        let options = StreamOptions::new(name.clone(), shards);
        let options = options.max_record_size(MaxRecordSize::MAX);
        let mut stage = Self {
            engine: Engine::new(config, Instant::ZERO),
            fates: Vec::new(),
            happenings: BTreeMap::new(),
            in_vain: 0,
            name,
            next: 0,
            now: Instant::ZERO,
            refused: vec![0; sources.len()],
            rng: Rng::new(1, "stage"),
            sources,
            stream: Stream::new(options),
            troubles: BTreeMap::new(),
            waits: false,
        };
        for source in 0..stage.sources.len() {
            if let Pace::Every(pause) = stage.sources[source].pace {
                let first = stage.up_to_twice(pause);
                stage.at(first, Happening::Put(source));
            }
        }
        stage
    }

    /// Changes a source before it begins.
    pub(crate) fn set(&mut self, source: usize, pace: Pace, size: usize) {
        (self.sources[source].pace, self.sources[source].size) = (pace, size);
    }

    /// Lets time go by until then.
    pub(crate) fn live_until(&mut self, end: Duration) {
        let end = Instant::ZERO.after(end);
        loop {
            let wakeup = self.drain();
            let next = self.happenings.first_key_value().map(|(&(at, _), _)| at);
            let next = next.into_iter().chain(wakeup).min();
            let Some(next) = next.filter(|next| *next < end) else { break };
            self.now = next;
            self.engine.handle(Event::TimeAdvanced, self.now);
            while let Some(entry) = self.happenings.first_entry()
                && entry.key().0 <= self.now
            {
                let happening = entry.remove();
                self.happen(happening);
            }
        }
        self.now = end;
    }

    /// Puts no more, and lets everything come to its end.
    pub(crate) fn finish(&mut self) {
        self.sources.clear();
        let limit = self.now.since(Instant::ZERO) + Duration::from_secs(600);
        while !self.engine.is_empty() {
            let until = self.now.since(Instant::ZERO) + Duration::from_secs(1);
            assert!(until < limit, "it does not end: {:?}", self.engine.stats());
            self.live_until(until);
        }
    }

    /// Divides the stream evenly among so many shards, at once.
    pub(crate) fn reshard(&mut self, shards: u32) {
        let shards = NonZeroU32::new(shards).expect("a shard");
        let now = self.now.since(Instant::ZERO);
        let done = self.stream.update_shard_count(shards, Handover::ChildrenAtOnce, now);
        done.expect("no other change is under way");
    }

    pub(crate) fn stats(&self) -> Stats {
        self.engine.stats()
    }

    fn end(&mut self, tokens: &[Token], is_stored: bool) {
        for token in tokens {
            let fate = &mut self.fates[token.0 as usize];
            assert!(fate.ended.is_none(), "two outcomes");
            fate.ended = Some((self.now, is_stored));
        }
    }

    /// Does what the engine wants until it waits, and puts as long as there is room; says until when it waits.
    fn drain(&mut self) -> Option<Instant> {
        loop {
            match self.engine.poll() {
                Action::CancelBatch(batch) => self.at(ROUND_TRIP, Happening::Cancelled(batch)),
                Action::Complete(completion) => {
                    let is_stored = matches!(completion.outcome, Outcome::Stored { .. });
                    self.end(&completion.tokens, is_stored);
                }
                Action::Stored(stored) => self.end(stored.tokens(), true),
                Action::ListShards(request) => {
                    let ask = match request.next_token {
                        Some(token) => ListRequest::next(token),
                        None => ListRequest::first(self.name.clone()),
                    };
                    let now = self.now.since(Instant::ZERO);
                    let page = self.stream.list_shards(&ask, None, now);
                    self.at(ROUND_TRIP, Happening::Listed(request.id, page));
                }
                Action::RoomAvailable => self.waits = false,
                Action::SendBatch(Batch { id, entries, .. }) => {
                    self.at(ROUND_TRIP / 2, Happening::Arrive(id, entries));
                }
                Action::Wait(wakeup) => {
                    if !self.fill() {
                        return wakeup.at;
                    }
                }
                Action::CloseFinished { .. }
                | Action::FlushFinished { .. }
                | Action::Requeue(_) => {}
            }
        }
    }

    /// Puts records of each source that is as fast as there is room, in turns; false if none was put.
    fn fill(&mut self) -> bool {
        const AT_ONCE: usize = 100;
        for turn in 0..AT_ONCE {
            let mut put = false;
            for source in 0..self.sources.len() {
                if matches!(self.sources[source].pace, Pace::Full) && !self.waits {
                    self.waits = !self.put(source);
                    put |= !self.waits;
                }
            }
            if !put {
                return turn > 0;
            }
        }
        true
    }

    /// Puts a record; false if there is no room for it.
    fn put(&mut self, source: usize) -> bool {
        let Source { keys, size, .. } = &self.sources[source];
        let mut data = vec![0; *size];
        data[..8].copy_from_slice(&(self.fates.len() as u64).to_be_bytes());
        let record = UserRecord::new(self.rng.pick(keys.as_slice()), data).expect("valid");
        let is_accepted = self.engine.add(Token(self.fates.len() as u64), record, self.now).is_ok();
        if is_accepted {
            self.fates.push(Fate { accepted: self.now, ended: None, source });
        } else {
            self.refused[source] += 1;
        }
        is_accepted
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Answer(batch, result) => {
                self.engine.handle(Event::PutRecordsFinished { batch, result }, self.now);
            }
            Happening::Arrive(batch, entries) => self.arrive(batch, &entries),
            Happening::Cancelled(batch) => {
                let event = Event::BatchCancelled { batch, sent: Sent::Unknown };
                self.engine.handle(event, self.now);
            }
            Happening::Listed(request, result) => {
                self.engine.handle(Event::ShardsListed { request, result }, self.now);
            }
            Happening::Put(source) => {
                let Some(&Source { pace: Pace::Every(pause), .. }) = self.sources.get(source)
                else {
                    return;
                };
                let pause = self.up_to_twice(pause);
                self.at(pause, Happening::Put(source));
                self.put(source);
            }
        }
    }

    fn up_to_twice(&mut self, mean: Duration) -> Duration {
        Duration::from_nanos(self.rng.range(1, 2 * mean.as_nanos() as u64))
    }

    fn arrive(&mut self, batch: BatchId, entries: &[Entry]) {
        let mut late = Duration::ZERO;
        let mut faults = Vec::new();
        for (at, entry) in entries.iter().enumerate() {
            let fault = match self.trouble(entry) {
                None => continue,
                Some(Trouble::Slow(by)) => {
                    late = by;
                    continue;
                }
                Some(Trouble::Throttles) => EntryFault::Throttled,
                Some(Trouble::Fails) => EntryFault::InternalFailure { stored: false },
                Some(Trouble::FailsLate(by)) => {
                    late = by;
                    EntryFault::InternalFailure { stored: false }
                }
            };
            faults.push((at, fault));
        }
        self.in_vain += faults.len() as u64;
        let faults: EntryFaults = faults.into_iter().collect();
        let now = self.now.since(Instant::ZERO);
        let result = self.stream.put_records(&self.name, entries, &faults, now);
        self.at(ROUND_TRIP / 2 + late, Happening::Answer(batch, result));
    }

    fn trouble(&self, entry: &Entry) -> Option<Trouble> {
        if self.troubles.is_empty() {
            return None;
        }
        let shard = self.stream.shard_of(entry.hash_key()).id().number()?;
        self.troubles.get(&shard).copied()
    }

    fn at(&mut self, after: Duration, happening: Happening) {
        self.next += 1;
        self.happenings.insert((self.now.after(after), self.next), happening);
    }

    /// How long records took that these sources put in this time, the shortest first, in milliseconds. One without an
    /// outcome took until now.
    pub(crate) fn latencies(
        &self,
        sources: impl Fn(usize) -> bool,
        from: Duration,
        until: Duration,
    ) -> Vec<f64> {
        let time = Instant::ZERO.after(from)..Instant::ZERO.after(until);
        let of = |fate: &&Fate| time.contains(&fate.accepted) && sources(fate.source);
        let latency = |fate: &Fate| {
            let ended = fate.ended.map_or(self.now, |(ended, _)| ended);
            ended.since(fate.accepted).as_secs_f64() * 1_000.0
        };
        let mut all: Vec<f64> = self.fates.iter().filter(of).map(latency).collect();
        all.sort_by(f64::total_cmp);
        all
    }

    /// How many MiB of payload were stored in each second of this time, if all have one size.
    pub(crate) fn throughput(&self, size: usize, from: Duration, until: Duration) -> f64 {
        let time = Instant::ZERO.after(from)..Instant::ZERO.after(until);
        let stored = |fate: &&Fate| matches!(fate.ended, Some((at, true)) if time.contains(&at));
        let bytes = self.fates.iter().filter(stored).count() * size;
        bytes as f64 / (until - from).as_secs_f64() / f64::from(1 << 20)
    }

    /// Reads what was stored as consumers do, and holds that nothing is missing and, if order is kept, that of each key
    /// the first copies lie in the order of acceptance. Returns how many of them do not.
    pub(crate) fn check_ledger(&mut self) -> u64 {
        let mut last: BTreeMap<Vec<u8>, u64> = BTreeMap::new();
        let mut seen = vec![false; self.fates.len()];
        let mut overtaken = 0;
        for stored in self.stream.take_ledger() {
            let shard = self.stream.shard(&stored.placement.shard).expect("it stored something");
            let mut see = |key: &[u8], data: &[u8]| {
                let number = u64::from_be_bytes(data[..8].try_into().expect("eight bytes"));
                if !core::mem::replace(&mut seen[number as usize], true) {
                    let before = last.insert(key.to_vec(), number);
                    overtaken += u64::from(before.is_some_and(|before| before > number));
                }
            };
            match decode(stored.entry.data) {
                Decoded::Plain(data) => see(stored.entry.partition_key.as_str().as_bytes(), &data),
                Decoded::Aggregate(aggregate) => {
                    for member in aggregate.as_kcl(shard.range()).delivered {
                        see(&member.partition_key, &member.data);
                    }
                }
            }
        }
        for (number, (fate, seen)) in self.fates.iter().zip(seen).enumerate() {
            assert!(matches!(fate.ended, Some((_, true))) && seen, "{number}: {fate:?}");
        }
        let is_ordered = self.engine.config().order() == Order::PerPartitionKey;
        assert!(!is_ordered || overtaken == 0, "{overtaken} were overtaken");
        overtaken
    }
}

/// So many keys for each of so many shards of equal size.
pub(crate) fn keys(shards: u32, each: usize) -> Vec<Vec<PartitionKey>> {
    let count = NonZeroU32::new(shards).expect("a shard");
    let ranges: Vec<HashKeyRange> =
        (0..shards).filter_map(|shard| HashKeyRange::of_even_shard(shard, count)).collect();
    let mut keys = vec![Vec::new(); ranges.len()];
    let names = (0..).map(|n| PartitionKey::new(format!("key-{n:06}")).expect("valid"));
    for key in names {
        let hash_key = HashKey::of(&key);
        let shard = ranges.iter().position(|range| range.contains(hash_key)).expect("a shard");
        if keys[shard].len() < each {
            keys[shard].push(key);
        }
        if keys.iter().all(|keys| keys.len() == each) {
            break;
        }
    }
    keys
}

/// The value that so much of all of them do not exceed.
pub(crate) fn quantile(sorted: &[f64], part: f64) -> f64 {
    let last = sorted.len().checked_sub(1).expect("some values");
    sorted[((sorted.len() as f64 * part) as usize).min(last)]
}
