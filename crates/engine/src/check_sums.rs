use alloc::sync::Arc;
use alloc::vec::Vec;

use headwaters_wire::aggregate::Unsealed;

use crate::memory;

/// The check sums (MD5) that the aggregates of a batch lack. They are most of the work that a batch takes, and can be
/// done by whoever has borrowed them, while the engine does something else:
/// [`Engine::poll_unsealed`](crate::Engine::poll_unsealed).
#[derive(Clone, Debug)]
pub struct CheckSums {
    /// With their places among the entries.
    aggregates: Arc<Vec<(usize, Unsealed)>>,
}

/// One check sum.
pub(crate) type Digest = [u8; 16];

impl CheckSums {
    pub(crate) fn new(aggregates: Vec<(usize, Unsealed)>) -> Self {
        Self { aggregates: Arc::new(aggregates) }
    }

    /// Computes them side by side, for [`Engine::seal`](crate::Engine::seal). Drop this before sealing, or the
    /// aggregates are copied.
    pub fn compute(&self) -> Vec<[u8; 16]> {
        Unsealed::digest_all(self.aggregates.iter().map(|(_, aggregate)| aggregate))
    }

    /// How many there are to be.
    #[expect(clippy::len_without_is_empty, reason = "never 0: what lacks none is sealed")]
    pub fn len(&self) -> usize {
        self.aggregates.len()
    }

    /// What the aggregates take.
    pub(crate) fn memory(&self) -> usize {
        self.aggregates.iter().map(|(_, aggregate)| aggregate.memory()).sum::<usize>()
            + memory::of_vec(&self.aggregates)
    }

    pub(crate) fn into_aggregates(self) -> Vec<(usize, Unsealed)> {
        Arc::unwrap_or_clone(self.aggregates)
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use headwaters_wire::{
        Entry, HashKeyRange, ListedShard, Placement, ShardId, ShardPage, aggregate,
    };

    use crate::{Action, Batch, Config, Engine, Event, Instant, Outcome, Sent, Token, UserRecord};

    /// An engine with two records, about to be sent as one aggregate.
    fn engine() -> Engine {
        let config = Config::builder().record_max_buffered_time(core::time::Duration::ZERO);
        let mut engine = Engine::new(config.build().expect("valid"), Instant::ZERO);
        let Action::ListShards(request) = engine.poll() else { panic!("it asks for the shards") };
        let shard = ListedShard { hash_keys: HashKeyRange::ALL, id: ShardId::numbered(0) };
        let page = ShardPage { next_token: None, shards: [shard].into() };
        let event = Event::ShardsListed { request: request.id, result: Ok(page) };
        engine.handle(event, Instant::ZERO);
        for (token, data) in [(1, "one"), (2, "two")] {
            let record = UserRecord::new("key", data).expect("valid");
            engine.add(Token(token), record, Instant::ZERO).expect("room");
        }
        engine
    }

    fn unsealed(engine: &mut Engine) -> Batch {
        match engine.poll_unsealed(usize::MAX) {
            Action::SendBatch(batch) => batch,
            other => panic!("{other}"),
        }
    }

    fn outcomes(engine: &mut Engine) -> Vec<Outcome> {
        let mut outcomes = Vec::new();
        loop {
            match engine.poll() {
                Action::Complete(completion) => outcomes.push(completion.outcome),
                Action::Wait(_) => return outcomes,
                _ => {}
            }
        }
    }

    fn members(entry: &Entry) -> usize {
        match aggregate::decode(entry.data.clone()) {
            aggregate::Decoded::Aggregate(aggregate) => aggregate.members().count(),
            aggregate::Decoded::Plain(_) => 0,
        }
    }

    #[test]
    fn a_batch_is_sealed_apart_and_once() {
        let mut engine = engine();
        let Batch { id, entries, unsealed, .. } = unsealed(&mut engine);
        assert!(entries.is_empty(), "what cannot be sent is not shown");
        let check_sums = unsealed.expect("an aggregate").compute();
        assert!(engine.seal(id, &[]).is_none(), "another number");
        let sealed = engine.seal(id, &check_sums).expect("it waits for that");
        assert_eq!(sealed.entries.iter().map(members).collect::<Vec<_>>(), [2]);
        assert!(engine.seal(id, &check_sums).is_none(), "it lacks nothing");

        let number = "1".parse().expect("a digit");
        let placement = Placement { sequence_number: number, shard: ShardId::numbered(0) };
        let result = Ok([Ok(placement)].into());
        engine.handle(Event::PutRecordsFinished { batch: id, result }, Instant::ZERO);
        assert!(matches!(outcomes(&mut engine)[..], [Outcome::Stored { .. }]));
    }

    #[test]
    fn a_batch_that_is_never_sealed_loses_nothing() {
        let mut first = engine();
        let Batch { id, unsealed: kept, .. } = unsealed(&mut first);
        first.handle(Event::PurgeRequested, Instant::ZERO);
        assert_eq!(outcomes(&mut first).len(), 2, "even while somebody has its aggregates");
        let check_sums = kept.expect("an aggregate").compute();
        assert!(first.seal(id, &check_sums).is_none(), "it was purged");

        let mut second = engine();
        let Batch { id, .. } = unsealed(&mut second);
        second.handle(Event::BatchCancelled { batch: id, sent: Sent::No }, Instant::ZERO);
        second.handle(Event::PurgeRequested, Instant::ZERO);
        let outcomes = outcomes(&mut second);
        let is_back = |outcome: &Outcome| match outcome {
            Outcome::NotStored { record, .. } => record.data().len() == 3,
            _ => false,
        };
        assert!(outcomes.len() == 2 && outcomes.iter().all(is_back), "{outcomes:?}");
    }
}
