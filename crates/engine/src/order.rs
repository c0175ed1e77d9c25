//! Keeps records of one hash key in the order of their acceptance.

use alloc::boxed::Box;
use alloc::collections::btree_map::Entry;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use headwaters_wire::HashKey;

use crate::completion::Cause;
use crate::engine::Engine;
use crate::held::{Held, Past, Stamp};
use crate::kinesis_record::KinesisRecord;
use crate::lanes::Lanes;
use crate::memory::{self, Memory};
use crate::record::UserRecord;
use crate::time::Instant;

/// In which order records are stored.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum Order {
    /// In the order of acceptance for each hash key, and so for each partition key that goes without explicit hash
    /// keys: of those records whose outcome is [`Outcome::Stored`](crate::Outcome::Stored) the first stored copies
    /// lie in that order, whatever is throttled, lost, tried again, resharded or given up meanwhile. Records of
    /// different hash keys overtake each other as ever, and so do those of different producers.
    ///
    /// A record is not sent before all older ones of its hash key have their outcomes, unless it is packed behind
    /// them in one aggregate. So without aggregation each key gets one record per round trip to the service,
    /// while with it everything that came meanwhile goes in one aggregate, which then may be larger than
    /// [`aggregation_max_size`](crate::Config::aggregation_max_size): what a shard takes in little more than the
    /// time of a request, up to
    /// [`collection_max_shard_size`](crate::Config::collection_max_shard_size). A record that fails for good holds nobody
    /// back any longer. One that is due earlier than older ones of its key hastens them.
    ///
    /// Not promised: the place of a record whose outcome is
    /// [`Outcome::MaybeStored`](crate::Outcome::MaybeStored), and that of further copies. A request that was given
    /// up may still arrive, long after its records were sent again and newer ones were stored: then consumers read
    /// an old record once more behind newer ones. Who cannot have that must remember, for each key, how far they
    /// are.
    ///
    /// The service must place records by their hash keys: so this cannot go together with
    /// [`ShardPrediction::Off`](crate::ShardPrediction::Off).
    PerPartitionKey,
    /// As it comes: what fails is overtaken. The default, and what the KPL does.
    #[default]
    Unordered,
}

/// Lets the records of a hash key pass one by one: the next when those before it have their outcomes, or when it can be
/// packed behind them. So among what has passed, in lanes, requests and waits, no order must be kept.
///
/// What has passed of one hash key is always in one Kinesis record, or in what becomes one, and is older than
/// what has not.
#[derive(Debug, Default)]
pub(crate) struct Turnstile {
    passed: BTreeMap<HashKey, Passed>,
    /// Those that wait, by their place in the order of acceptance. In boxes: a tree has much room that is not used.
    behind: BTreeMap<(HashKey, u64), Box<Held>>,
    /// Those of them that can expire.
    expirations: BTreeSet<(Instant, HashKey, u64)>,
}

/// What has passed of one hash key and has no outcome yet.
#[derive(Debug)]
struct Passed {
    /// How many records wait behind it.
    behind: u32,
    /// When the last of it was to leave.
    deadline: Instant,
    /// The place, in the order of acceptance, of the first record in the Kinesis record in which it is. Or was: but no
    /// aggregate that is open has this leader and is another one.
    leader: u64,
    records: u32,
}

impl Turnstile {
    /// Lets a record wait. None is to leave later than one behind it.
    fn wait(&mut self, mut held: Held) {
        let (key, sequence) = (held.record.hash_key(), held.claim.sequence);
        if let Some((_, next)) = self.behind.range((key, sequence)..=(key, u64::MAX)).next() {
            held.deadline = held.deadline.min(next.deadline);
        }
        if let Some(passed) = self.passed.get_mut(&key) {
            passed.behind += 1;
        }
        let before = self.behind.range_mut((key, 0)..(key, sequence));
        for (_, other) in before.rev().take_while(|(_, other)| other.deadline > held.deadline) {
            other.deadline = held.deadline;
        }
        if held.claim.expiration != Instant::NEVER {
            self.expirations.insert((held.claim.expiration, key, sequence));
        }
        let twin = self.behind.insert((key, sequence), Box::new(held));
        debug_assert!(twin.is_none(), "two records with one place in the order of acceptance");
    }

    /// Takes back a record that had passed.
    fn step_back(&mut self, held: Held) {
        if let Some(passed) = self.passed.get_mut(&held.record.hash_key()) {
            passed.records -= 1;
            self.wait(held);
        }
    }

    /// Takes out the oldest record that waits.
    fn take_first(&mut self, key: HashKey) -> Option<Held> {
        let (&(_, sequence), _) = self.behind.range((key, 0)..=(key, u64::MAX)).next()?;
        self.take(key, sequence)
    }

    fn take(&mut self, key: HashKey, sequence: u64) -> Option<Held> {
        let held = self.behind.remove(&(key, sequence))?;
        self.expirations.remove(&(held.claim.expiration, key, sequence));
        if let Some(passed) = self.passed.get_mut(&key) {
            passed.behind -= 1;
        }
        Some(*held)
    }

    /// Takes out a waiting record that has expired.
    fn take_expired(&mut self, now: Instant) -> Option<Held> {
        let &(expiration, key, sequence) = self.expirations.first()?;
        if expiration > now { None } else { self.take(key, sequence) }
    }

    /// All that wait.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Held> {
        self.behind.values().map(|held| &**held)
    }

    /// Takes out all waiting records, and forgets what has passed.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = Held> {
        core::mem::take(self).behind.into_values().map(|held| *held)
    }

    /// When the next waiting record expires.
    pub(crate) fn next_expiration(&self) -> Option<Instant> {
        self.expirations.first().map(|&(expiration, ..)| expiration)
    }

    /// Bytes of memory behind it.
    pub(crate) fn memory(&self) -> usize {
        memory::of_tree::<HashKey, Passed>(self.passed.len())
            + memory::of_tree::<(HashKey, u64), Box<Held>>(self.behind.len())
            + self.behind.len() * size_of::<Held>()
            + memory::of_tree::<(Instant, HashKey, u64), ()>(self.expirations.len())
            + self.behind.values().map(|held| held.behind()).sum::<usize>()
    }

    /// How many records wait.
    pub(crate) fn waiting(&self) -> usize {
        self.behind.len()
    }

    /// What must hold between calls; `held` records are held in all.
    #[cfg(debug_assertions)]
    pub(crate) fn invariants(&self, held: usize) {
        let count = |sum: fn(&Passed) -> u32| self.passed.values().map(sum).sum::<u32>() as usize;
        debug_assert_eq!(count(|passed| passed.behind), self.behind.len());
        debug_assert_eq!(count(|passed| passed.records) + self.behind.len(), held);
        debug_assert!(
            self.passed.values().all(|passed| passed.records > 0),
            "nobody waits in vain"
        );
        let expire = |held: &&Held| held.claim.expiration != Instant::NEVER;
        debug_assert_eq!(self.all().filter(expire).count(), self.expirations.len());
        for (one, other) in self.behind.iter().zip(self.behind.iter().skip(1)) {
            let same_key = one.0.0 == other.0.0;
            debug_assert!(!same_key || one.1.deadline <= other.1.deadline, "they hasten");
        }
    }
}

impl Lanes {
    /// Takes a record whose predecessors all have their outcomes. Returns the place of the record that leads what it
    /// is packed with: itself if it is not.
    pub(crate) fn lead(&mut self, held: Held, now: Instant) -> u64 {
        let (key, sequence) = (held.record.hash_key(), held.claim.sequence);
        self.add(held, now);
        let aggregator = &self.get(self.predict(key)).aggregator;
        let leader = if aggregator.last() == Some(sequence) { aggregator.leader() } else { None };
        leader.unwrap_or(sequence)
    }

    /// Packs a record behind its predecessor, which is where this leader is, if that is still open and has room; else
    /// gives it back.
    pub(crate) fn follow(
        &mut self,
        leader: u64,
        held: Held,
        more: bool,
        now: Instant,
    ) -> Option<Held> {
        let at = self.predict(held.record.hash_key());
        if self.get(at).aggregator.leader() != Some(leader) || !self.packs(at) {
            return Some(held);
        }
        let aggregator = &mut self.lanes[at as usize].aggregator;
        let rest = aggregator.follow(held, more, &mut self.spare);
        if rest.is_some() {
            return rest;
        }
        self.records += 1;
        if aggregator.is_full(more) {
            self.close_full(at, now);
        }
        self.note_packed(at);
        None
    }

    /// Lets what is packed with this leader, or whatever waits in the lane of its hash key, leave no later than at
    /// `deadline`.
    pub(crate) fn hasten(&mut self, key: HashKey, leader: u64, deadline: Instant) {
        let at = self.predict(key);
        let lane = &mut self.lanes[at as usize];
        if lane.aggregator.leader() == Some(leader) {
            lane.aggregator.hasten(deadline);
        } else {
            lane.hasten(deadline);
        }
        self.mark(at);
        // It may be on its way to that lane.
        self.gone.iter_mut().for_each(|lane| lane.hasten(deadline));
    }
}

impl Engine {
    /// Takes a new record: it passes, or waits behind those of its hash key.
    #[inline(never)]
    pub(crate) fn line_up(&mut self, record: UserRecord, stamp: Stamp) {
        let Some(turnstile) = &mut self.turnstile else { return };
        let (key, deadline) = (record.hash_key(), stamp.deadline);
        let passed = match turnstile.passed.entry(key) {
            Entry::Occupied(passed) => passed.into_mut(),
            Entry::Vacant(place) => {
                let leader = self.lanes.lead(stamp.on(record), self.now);
                place.insert(Passed { behind: 0, deadline, leader, records: 1 });
                return;
            }
        };
        let mut held = stamp.on(record);
        if passed.behind == 0 {
            match self.lanes.follow(passed.leader, held, false, self.now) {
                None => {
                    passed.records += 1;
                    passed.deadline = passed.deadline.max(deadline);
                    return;
                }
                Some(same) => held = same,
            }
        }
        if deadline < passed.deadline {
            passed.deadline = deadline;
            self.lanes.hasten(key, passed.leader, deadline);
        }
        self.lanes.settings.own(&mut held.record);
        self.lanes.wait_elsewhere(key, held.room());
        turnstile.wait(held);
    }

    /// Lets those records of a hash key pass of which none has: the oldest, and with it what can be packed behind it.
    /// Unless the shard map is fresh, one that went astray goes by itself.
    fn let_pass(&mut self, key: HashKey, map_is_fresh: bool) {
        let Some(turnstile) = &mut self.turnstile else { return };
        let Some(first) = turnstile.take_first(key) else {
            turnstile.passed.remove(&key);
            return;
        };
        self.lanes.wait_here(key, first.room());
        let packs = |held: &Held| map_is_fresh || !Past::has_strayed(held.claim.past.as_ref());
        let (mut deadline, mut records) = (first.deadline, 1);
        let leader = if packs(&first) {
            self.lanes.lead(first, self.now)
        } else {
            let sequence = first.claim.sequence;
            self.lanes.place(self.lanes.predict(key), KinesisRecord::Plain(first));
            sequence
        };
        while let Some(next) = turnstile.take_first(key) {
            let (next_deadline, room) = (next.deadline, next.room());
            let rest = if packs(&next) {
                self.lanes.follow(leader, next, true, self.now)
            } else {
                Some(next)
            };
            if let Some(next) = rest {
                turnstile.wait(next);
                break;
            }
            self.lanes.wait_here(key, room);
            deadline = deadline.max(next_deadline);
            records += 1;
        }
        if let Some(passed) = turnstile.passed.get_mut(&key) {
            *passed = Passed { behind: passed.behind, deadline, leader, records };
        }
    }

    /// Lets records that were packed together and have to be packed anew find their places again: they are older than
    /// all that waits of their hash keys.
    pub(crate) fn line_up_again(&mut self, members: Vec<Held>, map_is_fresh: bool) {
        let Some(turnstile) = &mut self.turnstile else { return };
        let keys: Vec<HashKey> = members.iter().map(|held| held.record.hash_key()).collect();
        for held in members {
            self.lanes.wait_elsewhere(held.record.hash_key(), held.room());
            turnstile.step_back(held);
        }
        for key in keys {
            let passed = self.turnstile.as_ref().and_then(|turnstile| turnstile.passed.get(&key));
            if passed.is_some_and(|passed| passed.records == 0) {
                self.let_pass(key, map_is_fresh);
            }
        }
    }

    /// A record that had passed has its outcome.
    pub(crate) fn depart(&mut self, key: HashKey) {
        let Some(turnstile) = &mut self.turnstile else { return };
        // It is none of them when everything is handed back.
        let Entry::Occupied(mut passed) = turnstile.passed.entry(key) else { return };
        passed.get_mut().records -= 1;
        match passed.get() {
            Passed { records: 0, behind: 0, .. } => drop(passed.remove()),
            Passed { records: 0, .. } => self.let_pass(key, false),
            Passed { .. } => {}
        }
    }

    /// Gives those up that expire before it is their turn.
    pub(crate) fn expire_waiting(&mut self) {
        while let Some(turnstile) = &mut self.turnstile
            && let Some(held) = turnstile.take_expired(self.now)
        {
            self.lanes.wait_here(held.record.hash_key(), held.room());
            self.end(held, Cause::Expired);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Token;
    use core::time::Duration;

    fn at(millis: u64) -> Instant {
        Instant::ZERO.after(Duration::from_millis(millis))
    }

    fn held(key: u128, sequence: u64, deadline: Instant, expiration: Instant) -> Held {
        let record = UserRecord::new("k", "data").expect("a valid record");
        let record = record.with_explicit_hash_key(HashKey::new(key));
        Stamp { token: Token(sequence), sequence, expiration, deadline }.on(record)
    }

    /// One record of each of two hash keys has passed.
    fn turnstile() -> Turnstile {
        let passed = |leader| Passed { behind: 0, deadline: at(9), leader, records: 1 };
        let passed = [(HashKey::new(1), passed(0)), (HashKey::new(2), passed(1))].into();
        Turnstile { passed, ..Turnstile::default() }
    }

    #[test]
    fn each_key_has_a_line_of_its_own_and_the_oldest_comes_first() {
        let mut turnstile = turnstile();
        for (key, sequence) in [(1, 2), (2, 3), (1, 4), (2, 5)] {
            turnstile.wait(held(key, sequence, at(9), Instant::NEVER));
        }
        turnstile.step_back(held(1, 0, at(9), Instant::NEVER));
        assert_eq!((turnstile.waiting(), turnstile.next_expiration()), (5, None));
        let mut first = || turnstile.take_first(HashKey::new(1)).map(|held| held.claim.sequence);
        assert_eq!([first(), first(), first(), first()], [Some(0), Some(2), Some(4), None]);
        assert_eq!(turnstile.passed[&HashKey::new(2)].behind, 2);
        assert_eq!(turnstile.drain().count(), 2);
        assert!(turnstile.passed.is_empty());
    }

    #[test]
    fn nobody_leaves_later_than_those_behind() {
        let mut turnstile = turnstile();
        for (sequence, deadline) in [(2, 5), (3, 7), (4, 3), (5, 8), (6, 6)] {
            turnstile.wait(held(1, sequence, at(deadline), Instant::NEVER));
            turnstile.wait(held(2, sequence, at(9), Instant::NEVER));
        }
        turnstile.step_back(held(1, 0, at(9), Instant::NEVER));
        let key = HashKey::new(1);
        let first = core::iter::from_fn(|| turnstile.take_first(key).map(|held| held.deadline));
        assert_eq!(first.collect::<Vec<_>>(), [3, 3, 3, 3, 6, 6].map(at));
    }

    #[test]
    fn those_that_expire_are_taken_out_of_the_middle() {
        let mut turnstile = turnstile();
        for (sequence, expiration) in [(2, 30), (3, 10), (4, 20)] {
            turnstile.wait(held(1, sequence, at(9), at(expiration)));
        }
        turnstile.wait(held(1, 5, at(9), Instant::NEVER));
        assert_eq!(turnstile.next_expiration(), Some(at(10)));
        assert!(turnstile.take_expired(at(9)).is_none());
        let mut expired = |now| turnstile.take_expired(at(now)).map(|held| held.claim.sequence);
        assert_eq!([expired(25), expired(25), expired(25)], [Some(3), Some(4), None]);
        assert_eq!(turnstile.take_first(HashKey::new(1)).map(|held| held.claim.sequence), Some(2));
        assert_eq!((turnstile.waiting(), turnstile.next_expiration()), (1, None));
    }
}
