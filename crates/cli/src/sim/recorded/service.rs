use core::num::NonZeroU32;
use core::time::Duration;

use headwaters::mock::{EntryFault, EntryFaults, MaxRecordSize};
use headwaters::trace::StandIns;
use headwaters::wire::{
    AttemptError, Entry, HashKey, HashKeyRange, ListedShard, Placement, ShardId, ShardPage,
    StreamName,
};
use headwaters::{Instant, PutRecordsResult};
use headwaters_model::{Stream, StreamOptions};

use super::tape::{Fate, Listing, Request, Tape};

/// The service, as far as a trace tells of it: the shards that were listed take what the service promises for each; how long a
/// request takes and whether it fails as a whole is as it was for the one that was sent last before.
#[derive(Debug)]
pub(super) struct Service<'a> {
    tape: &'a Tape,
    stand_ins: &'a StandIns,
    name: StreamName,
    /// The shards, by their hash keys, and the model's in the same order.
    map: Vec<ListedShard>,
    stream: Stream,
    /// How many of the listings were looked at.
    listings: usize,
    /// What is due of entries that fail.
    failing: f64,
}

/// What becomes of a request.
pub(super) struct Met {
    /// How long it takes; what is silent takes for ever.
    pub(super) took: Duration,
    pub(super) fate: Fate,
}

/// How many shards there are if neither a list nor an answer says it.
const SHARDS_ASSUMED: u32 = 4;

impl<'a> Service<'a> {
    pub(super) fn new(tape: &'a Tape, stand_ins: &'a StandIns) -> Self {
        let name = StreamName::new("trace").expect("a valid name");
        let first = tape.listings.iter().find_map(|listing| listing.result.as_ref().ok());
        let map = first.cloned().unwrap_or_else(|| even(tape));
        let stream = stream(&name, map.len());
        let mut service =
            Self { tape, stand_ins, name, map: Vec::new(), stream, listings: 0, failing: 0.0 };
        service.take(map);
        service
    }

    fn take(&mut self, mut map: Vec<ListedShard>) {
        map.sort_by_key(|shard| shard.hash_keys.start());
        if map != self.map && !map.is_empty() {
            self.stream = stream(&self.name, map.len());
            self.map = map;
        }
    }

    /// Comes to have the shards that were listed last before.
    fn advance(&mut self, now: Instant) {
        let due = |listing: &&Listing| listing.at.after(listing.took) <= now;
        while let Some(listing) = self.tape.listings.get(self.listings).filter(due) {
            self.listings += 1;
            if let Ok(map) = &listing.result {
                self.take(map.clone());
            }
        }
    }

    /// What a request meets that is sent now.
    pub(super) fn meet(&self, now: Instant) -> Met {
        let requests = &self.tape.requests;
        let before = requests.partition_point(|request| request.at <= now).saturating_sub(1);
        match requests.get(before) {
            Some(Request { fate, took, .. }) => Met { took: *took, fate: fate.clone() },
            None => Met { took: LATENCY, fate: Fate::Answered { failing: 0.0 } },
        }
    }

    /// What it does with entries that arrive now.
    pub(super) fn put(
        &mut self,
        entries: &[Entry],
        failing: f64,
        now: Instant,
    ) -> PutRecordsResult {
        self.advance(now);
        let count = self.count();
        let mut faults = Vec::new();
        let placed = entries.iter().enumerate().map(|(at, entry)| {
            self.failing += failing;
            if self.failing >= 1.0 {
                self.failing -= 1.0;
                faults.push((at, EntryFault::InternalFailure { stored: false }));
            }
            // Into the shard of the model that has the place of its own.
            let place = u32::try_from(self.place(entry)).unwrap_or(0);
            let range = HashKeyRange::of_even_shard(place, count);
            Entry { explicit_hash_key: range.map(|range| range.start()), ..entry.clone() }
        });
        let placed: Vec<Entry> = placed.collect();
        let since = now.since(Instant::ZERO);
        let faults = EntryFaults::from_iter(faults);
        let result = self.stream.put_records(&self.name, &placed, &faults, since);
        drop(self.stream.drain_ledger());
        let back = |placement: Placement| {
            let place = placement.shard.number().and_then(|at| usize::try_from(at).ok());
            let shard = place.and_then(|at| self.map.get(at));
            let shard = shard.map_or_else(|| placement.shard.clone(), |shard| shard.id.clone());
            Placement { shard, ..placement }
        };
        result.map(|results| results.into_iter().map(|result| result.map(back)).collect())
    }

    /// All shards in one page, or as it went the last time before; and how long it takes.
    pub(super) fn list(&mut self, now: Instant) -> (Duration, Result<ShardPage, AttemptError>) {
        self.advance(now);
        let listings = &self.tape.listings;
        let before = listings.partition_point(|listing| listing.at <= now).saturating_sub(1);
        let page = ShardPage { next_token: None, shards: self.map.clone() };
        match listings.get(before) {
            Some(Listing { result: Err(error), took, .. }) => (*took, Err(error.clone())),
            Some(Listing { took, .. }) => (*took, Ok(page)),
            None => (LATENCY, Ok(page)),
        }
    }

    fn place(&self, entry: &Entry) -> usize {
        let hash_key =
            entry.explicit_hash_key.or_else(|| self.stand_ins.hash_key(&entry.partition_key));
        let hash_key = hash_key.unwrap_or(HashKey::MIN);
        self.map.partition_point(|shard| shard.hash_keys.start() <= hash_key).saturating_sub(1)
    }

    fn count(&self) -> NonZeroU32 {
        count(self.map.len())
    }
}

/// Where nothing was recorded.
const LATENCY: Duration = Duration::from_millis(50);

fn count(shards: usize) -> NonZeroU32 {
    u32::try_from(shards).ok().and_then(NonZeroU32::new).unwrap_or(NonZeroU32::MIN)
}

fn stream(name: &StreamName, shards: usize) -> Stream {
    let options = StreamOptions::new(name.clone(), count(shards));
    Stream::new(options.max_record_size(MaxRecordSize::MAX))
}

/// Shards of one size, as many as answers named.
fn even(tape: &Tape) -> Vec<ListedShard> {
    let named: Vec<ShardId> = if tape.shards.is_empty() {
        (0..SHARDS_ASSUMED).map(|number| ShardId::numbered(number.into())).collect()
    } else {
        tape.shards.iter().cloned().collect()
    };
    let all = count(named.len());
    let listed = |(index, id)| {
        HashKeyRange::of_even_shard(index, all).map(|hash_keys| ListedShard { hash_keys, id })
    };
    (0..).zip(named).filter_map(listed).collect()
}
