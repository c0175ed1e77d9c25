//! For replays of a trace, which names no keys and no data: others stand in for them.

use headwaters_wire::{Entry, HashKey};

use crate::action::BatchId;
use crate::aggregator::Aggregator;
use crate::config::Config;
use crate::engine::Engine;
use crate::held::Claim;
use crate::in_flight::Cargo;
use crate::record::{RecordError, Token, UserRecord, check_size};
use crate::time::Instant;

impl UserRecord {
    /// A record that stands in for another one: of its sizes, and with its hash key, which is not that of the partition
    /// key. Only an engine [of stand-ins](Engine::of_stand_ins) treats it as it would the other.
    ///
    /// # Errors
    /// As [`UserRecord::from_entry`].
    pub fn stand_in(entry: Entry, hash_key: HashKey) -> Result<Self, RecordError> {
        check_size(entry.size())?;
        Ok(Self::hashed(entry, hash_key))
    }
}

impl Engine {
    /// An engine for records that [stand in](UserRecord::stand_in) for others: it keeps the hash keys of what it packs, 16
    /// bytes for each record, where another one would compute them again. All that it does is the same.
    pub fn of_stand_ins(config: Config, now: Instant) -> Self {
        let mut engine = Self::new(config, now);
        let lanes = &mut engine.lanes;
        lanes.settings.limits.keeps_keys = true;
        for lane in &mut lanes.lanes {
            lane.aggregator = Aggregator::new(lanes.settings.limits);
        }
        engine
    }

    /// The records of a batch, each with the index of the entry that it is in, until the batch is answered, purged or given
    /// up.
    pub fn tokens(&self, batch: BatchId) -> impl Iterator<Item = (usize, Token)> {
        let flights = self.in_flight.get(batch).into_iter().flat_map(|of| &of.load.flights);
        let entries = flights.map(|flight| claims(&flight.cargo)).enumerate();
        entries.flat_map(|(at, claims)| claims.iter().map(move |claim| (at, claim.token)))
    }
}

fn claims(cargo: &Cargo) -> &[Claim] {
    match cargo {
        Cargo::Aggregate(aggregate) => &aggregate.claims,
        Cargo::Plain { claim, .. } => core::slice::from_ref(claim),
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;
    use core::num::NonZeroU32;

    use headwaters_wire::{HashKeyRange, ListedShard, PartitionKey, ShardId, ShardPage};

    use super::*;
    use crate::{Action, Event};

    /// Tells the engine that there are so many shards.
    fn list(engine: &mut Engine, shards: u32, now: Instant) {
        let Action::ListShards(request) = engine.poll() else { panic!("it lists the shards") };
        let count = NonZeroU32::new(shards).expect("some");
        let shard = |index| ListedShard {
            hash_keys: HashKeyRange::of_even_shard(index, count).expect("below the count"),
            id: ShardId::numbered((shards + index).into()),
        };
        let page = ShardPage { next_token: None, shards: (0..shards).map(shard).collect() };
        engine.handle(Event::ShardsListed { request: request.id, result: Ok(page) }, now);
    }

    /// Whatever takes an aggregate apart finds the hash keys that its members came with.
    #[test]
    fn hash_keys_outlive_an_aggregate() {
        let mut engine = Engine::of_stand_ins(Config::default(), Instant::ZERO);
        list(&mut engine, 1, Instant::ZERO);
        // The same partition key for all, which a hash of it would send to one shard.
        let partition_key = PartitionKey::new("key").expect("valid");
        for token in 0..8 {
            let entry = Entry {
                data: alloc::vec![0; 10].into(),
                explicit_hash_key: None,
                partition_key: partition_key.clone(),
            };
            let hash_key = HashKey::new(u128::MAX / 8 * u128::from(token));
            let record = UserRecord::stand_in(entry, hash_key).expect("small");
            engine.add(Token(token), record, Instant::ZERO).expect("room");
        }
        let late = Instant::from_nanos(1_000_000_000);
        engine.handle(Event::TimeAdvanced, late);
        let Action::SendBatch(batch) = engine.poll() else { panic!("it is due") };
        assert_eq!(batch.entries.len(), 1, "one aggregate");
        assert_eq!(
            engine.tokens(batch.id).map(|(_, token)| token.0).collect::<Vec<_>>(),
            [0, 1, 2, 3, 4, 5, 6, 7]
        );
        // It is stored in a shard that is not known, and the new list has four.
        let placement = headwaters_wire::Placement {
            sequence_number: "1".parse().expect("digits"),
            shard: ShardId::numbered(9),
        };
        let result = Ok([Ok(placement)].into());
        engine.handle(Event::PutRecordsFinished { batch: batch.id, result }, late);
        let later = Instant::from_nanos(9_000_000_000);
        engine.handle(Event::TimeAdvanced, later);
        list(&mut engine, 4, later);
        let end = Instant::from_nanos(10_000_000_000);
        engine.handle(Event::TimeAdvanced, end);
        let mut entries = 0;
        loop {
            match engine.poll() {
                Action::SendBatch(batch) => entries += batch.entries.len(),
                Action::Wait(_) => break,
                _ => {}
            }
        }
        assert_eq!(entries, 4, "an aggregate for each shard");
    }
}
