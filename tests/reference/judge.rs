//! Runs the engine beside the reference, and judges what it says and what it sends.

use core::fmt::Debug;

use headwaters_engine::wire::aggregate::{Decoded, decode};
use headwaters_engine::wire::{
    AttemptError, Entry, ErrorCode, HashKeyRange, ListedShard, ShardId, ShardPage,
};
use headwaters_engine::{
    Action, Attempts, Batch, BatchId, Cause, Completion, Config, Engine, Event, Instant,
    ListShards, Outcome, Refused, RefusedReason, Requeue, Wakeup, WakeupReason,
};

use super::state::{Naive, Owed, Place, Record, SHARDS};
use super::transition::{Command, Pace, Put, Transition, What};

/// More than any drain, and any end, takes here.
const STEPS_MAX: usize = 10_000;

pub(crate) struct Judge {
    engine: Engine,
    naive: Naive<BatchId>,
    /// Everything that the engine has said.
    pub(crate) said: Vec<Action>,
}

impl Judge {
    pub(crate) fn new(config: Config) -> Self {
        let engine = Engine::new(config.clone(), Instant::ZERO);
        let mut judge = Self { engine, naive: Naive::new(config), said: Vec::new() };
        judge.perform(&Transition { pace: Pace::NOW, what: What::Nothing });
        judge
    }

    /// Lets something happen to the engine and to the reference, and compares them.
    pub(crate) fn perform(&mut self, transition: &Transition) {
        let (command, now) = transition.resolve(&self.naive);
        let refusals = self.tell(&command, now);
        let (actions, wakeup) = self.drain(now);
        self.naive.draws = actions.iter().flat_map(draws).collect();
        self.naive.apply(command, now);
        self.count_outcomes();
        refusals.into_iter().for_each(|(put, refused)| self.check_refusal(put, &refused));
        actions.into_iter().for_each(|action| self.hear(action));
        let Naive { now, owed, .. } = &self.naive;
        assert!(owed.is_empty(), "at {now} there was no word of {owed:?}");
        assert!(!self.naive.must_send(), "at {now} something should have left");
        self.check_wakeup(wakeup);
        self.check_stats();
    }

    /// Closes, answers everything and waits for everything.
    pub(crate) fn end(&mut self) {
        let close = What::Close { within_millis: None };
        self.perform(&Transition { pace: Pace::NOW, what: close });
        for _ in 0..STEPS_MAX {
            let (pace, what) = if !self.naive.requests.is_empty() {
                (Pace::NOW, What::Answer { results: Vec::new(), which: 0 })
            } else if self.naive.held(usize::MAX) > 0 {
                (Pace::Next { nanos: 0 }, What::Nothing)
            } else {
                break;
            };
            self.perform(&Transition { pace, what });
        }
        assert!(self.naive.records.iter().all(|record| record.place == Place::Ended));
        assert!(self.engine.is_empty(), "the engine holds what has ended");
        assert_eq!(self.engine.wakeup().at, None, "an engine that holds nothing has no timers");
        assert_eq!(self.engine.stats().bytes_held, 0);
    }

    /// Tells the engine. Returns what it refuses at once.
    fn tell(&mut self, command: &Command<BatchId>, now: Instant) -> Vec<(Put, Refused)> {
        let Command::Add { by_event, puts } = command else {
            self.engine.handle(command.event().expect("all others are events"), now);
            return Vec::new();
        };
        let mut refusals = Vec::new();
        for put in puts {
            let Put { record, timing, token } = put.clone();
            if *by_event {
                self.engine.handle(Event::RecordAdded { token, record, timing }, now);
            } else if let Err(refused) = self.engine.add_timed(token, record, timing, now) {
                refusals.push((put.clone(), refused));
            }
        }
        refusals
    }

    /// What the engine says until it waits. The list of the shards is answered at once.
    fn drain(&mut self, now: Instant) -> (Vec<Action>, Wakeup) {
        let mut actions = Vec::new();
        for _ in 0..STEPS_MAX {
            for action in self.engine.poll().one_by_one() {
                self.said.push(action.clone());
                match action {
                    Action::ListShards(ListShards { id: request, .. }) => {
                        self.naive.stats.listings += 1;
                        let result = Ok(shards());
                        self.engine.handle(Event::ShardsListed { request, result }, now);
                    }
                    Action::Wait(wakeup) => {
                        assert_eq!(wakeup, self.engine.wakeup(), "with and without draining");
                        return (actions, wakeup);
                    }
                    action => actions.push(action),
                }
            }
        }
        panic!("the engine never waits");
    }

    fn hear(&mut self, action: Action) {
        match action {
            Action::CancelBatch(batch) => self.strike(&Owed::Cancel(batch)),
            Action::CloseFinished { undelivered } => {
                self.strike(&Owed::CloseFinished { undelivered });
                assert!(!self.owes_outcome(usize::MAX), "closed before the last outcome");
            }
            Action::Complete(completion) => self.check_completion(&completion),
            Action::Stored(stored) => {
                stored.into_completions().for_each(|one| self.check_completion(&one));
            }
            Action::FlushFinished { flush: id, pending: open } => {
                let owed = self.take(&action, |owed| {
                    matches!(owed, Owed::FlushFinished { flush, pending, .. }
                        if (*flush, *pending) == (id, open))
                });
                let Owed::FlushFinished { barrier, .. } = owed else { return };
                assert!(open > 0 || !self.owes_outcome(barrier), "flushed before an outcome");
            }
            Action::Requeue(requeue) => self.check_requeue(&requeue),
            Action::RoomAvailable => self.strike(&Owed::RoomAvailable),
            Action::SendBatch(batch) => self.check_send(&batch),
            Action::ListShards(_) | Action::Wait(_) => unreachable!("a drain keeps them"),
        }
    }

    /// Takes something out of what the engine has to say.
    fn take(&mut self, said: &dyn Debug, is: impl Fn(&Owed<BatchId>) -> bool) -> Owed<BatchId> {
        let at = self.naive.owed.iter().position(is);
        let at = at.unwrap_or_else(|| panic!("{said:?}, but owed is {:?}", self.naive.owed));
        self.naive.owed.remove(at)
    }

    fn strike(&mut self, said: &Owed<BatchId>) {
        self.take(said, |owed| owed == said);
    }

    /// Whether the outcome of a record below this number is still to come.
    fn owes_outcome(&self, barrier: usize) -> bool {
        let is = |owed: &Owed<_>| matches!(owed, Owed::Outcome { number, .. } if *number < barrier);
        self.naive.owed.iter().any(is)
    }

    fn check_refusal(&mut self, put: Put, refused: &Refused) {
        assert_eq!(refused.record, put.record, "a refused record comes back as it was");
        self.strike(&Owed::Refusal { put, reason: refused.reason });
    }

    fn check_completion(&mut self, completion: &Completion) {
        for token in &completion.tokens {
            let accepted = self.naive.records.iter().position(|record| record.token == *token);
            let owed = self.take(completion, |owed| match owed {
                Owed::Outcome { number, .. } => Some(*number) == accepted,
                Owed::Refusal { put, .. } => put.token == *token,
                _ => false,
            });
            match owed {
                Owed::Outcome { number, outcome } => {
                    assert_eq!(completion.outcome, outcome);
                    check_attempts(&completion.attempts, &self.naive.records[number]);
                }
                Owed::Refusal { put, reason } => {
                    let outcome = Outcome::NotStored { cause: cause(reason), record: put.record };
                    assert_eq!(completion.outcome, outcome);
                    assert_eq!(completion.attempts, Attempts::default());
                }
                _ => unreachable!("an outcome or a refusal was looked for"),
            }
        }
    }

    /// Each entry has one notice, and those that go on alike have the same.
    fn check_requeue(&mut self, requeue: &Requeue) {
        let Requeue { batch: id, deadline, not_before, .. } = *requeue;
        let owed = |index| {
            let error = known(&requeue.cause);
            Owed::Requeue { deadline, error, id, index, not_before }
        };
        assert!(requeue.indexes.is_sorted_by(|one, next| one < next), "{requeue:?}");
        requeue.indexes.iter().for_each(|&index| self.strike(&owed(usize::from(index))));
        let other = self.naive.owed.iter().find(|other| match other {
            Owed::Requeue { index, .. } => **other == owed(*index),
            _ => false,
        });
        assert!(other.is_none(), "{requeue:?} leaves {other:?} out");
    }

    /// A request breaks no rule, and leaves nothing behind that had to come along or go first.
    fn check_send(&mut self, Batch { id, entries, .. }: &Batch) {
        let naive = &self.naive;
        assert!(naive.may_send(), "{id} leaves, and nothing is due");
        let most = (naive.config.collection_max_count(), naive.config.collection_max_size());
        let size = entries.iter().map(Entry::size).sum::<usize>();
        assert!((1..=most.0).contains(&entries.len()), "{} entries", entries.len());
        assert!(entries.len() == 1 || size <= most.1, "{size} bytes");
        let packs: Vec<Vec<usize>> = entries.iter().map(|entry| self.open(entry)).collect();
        let sent: Vec<usize> = packs.iter().flatten().copied().collect();
        for (at, number) in sent.iter().enumerate() {
            assert!(!sent[..at].contains(number), "record {number} is sent twice");
        }
        if !naive.packs() {
            sent.iter().enumerate().for_each(|(at, &number)| self.check_turn(number, &sent[..at]));
            let left = || naive.buffered().filter(|(number, _)| !sent.contains(number));
            let fits = |record: &Record| size + record.record.size() <= most.1;
            let is_full = entries.len() == most.0 || left().any(|(_, record)| !fits(record));
            assert!(is_full || left().next().is_none(), "more could have come along");
        }
        self.naive.send(*id, packs);
    }

    /// The numbers of the records of an entry, which may share it and be sent now.
    fn open(&self, entry: &Entry) -> Vec<usize> {
        let Naive { config, now, records, .. } = &self.naive;
        let (data, aggregate) = match decode(entry.data.clone()) {
            Decoded::Plain(data) => (vec![Entry { data, ..entry.clone() }], None),
            Decoded::Aggregate(aggregate) => {
                let members = aggregate.members().map(|member| member?.to_entry());
                let members: Result<Vec<Entry>, _> = members.collect();
                (members.expect("good members"), Some(entry.data.len()))
            }
        };
        let pack: Vec<usize> = data.iter().map(|entry| number(records, entry)).collect();
        let first = &records[pack[0]];
        for &number in &pack {
            let Record { expiration, pack, place, .. } = &records[number];
            assert_eq!(*place, Place::Buffered, "record {number} is sent");
            assert!(expiration.is_none_or(|at| at > *now), "record {number} is sent too late");
            assert_eq!(*pack, first.pack, "record {number} has other neighbours");
        }
        if let Some(together) = first.pack {
            let is =
                |record: &Record| record.pack == Some(together) && record.place != Place::Ended;
            let all: Vec<usize> = (0..records.len()).filter(|&at| is(&records[at])).collect();
            assert_eq!(pack, all, "a Kinesis record is sent again as a whole");
        } else if let Some(size) = aggregate {
            assert!(self.naive.packs() && pack.len() > 1);
            assert!(pack.len() as u64 <= config.aggregation_max_count(), "{pack:?}");
            assert!(size <= config.aggregation_max_size(), "{size} bytes");
            let lane = |&number: &usize| self.naive.lane(number);
            assert!(pack.iter().all(|number| lane(number) == lane(&pack[0])), "of two shards");
        }
        pack
    }

    /// Whoever is not in a hurry lets those of its shard go first that have an earlier deadline.
    fn check_turn(&self, number: usize, before: &[usize]) {
        if self.naive.hurries(number) {
            return;
        }
        let key = |number: usize| (self.naive.records[number].deadline, number);
        for (other, _) in self.naive.buffered() {
            let waits =
                self.naive.lane(other) == self.naive.lane(number) && !before.contains(&other);
            assert!(!waits || key(number) <= key(other), "{number} leaves before {other}");
        }
    }

    /// The engine wakes for what is next, not later, and not without a reason.
    fn check_wakeup(&self, Wakeup { at, reason, .. }: Wakeup) {
        let naive = &self.naive;
        let (next, expiration) = (naive.timers().min(), naive.expirations().min());
        assert!(at.is_none_or(|at| at > naive.now), "wakes at {at:?} for {reason:?}");
        let latest = next.into_iter().chain(expiration).min();
        let in_time = |latest| at.is_some_and(|at| at <= latest);
        assert!(latest.is_none_or(in_time), "wakes at {at:?} for {reason:?}, not at {latest:?}");
        match reason {
            WakeupReason::Listing => assert_ne!(naive.stats.listings, 0),
            // It stays noted when its record has left, and then comes too early.
            WakeupReason::Expiration => assert!(expiration.is_some()),
            // When what is being packed is due, is the packer's affair, within the bound above.
            WakeupReason::Deadline if naive.packs() => assert!(latest.is_some()),
            _ => assert_eq!(at, next, "{reason:?}"),
        }
    }

    /// Each outcome that is owed counts in one figure.
    fn count_outcomes(&mut self) {
        let Naive { owed, stats, .. } = &mut self.naive;
        for owed in owed {
            let Owed::Outcome { outcome, .. } = owed else { continue };
            *match outcome {
                Outcome::Stored { .. } => &mut stats.stored,
                Outcome::MaybeStored { cause, .. } | Outcome::NotStored { cause, .. }
                    if matches!(cause, Cause::Closed | Cause::Purged) =>
                {
                    &mut stats.handed_back
                }
                Outcome::MaybeStored { .. } => &mut stats.maybe_stored,
                Outcome::NotStored { .. } => &mut stats.not_stored,
            } += 1;
        }
    }

    fn check_stats(&self) {
        let (naive, told) = (&self.naive, self.engine.stats());
        let count = |is: fn(&Place) -> bool| {
            naive.records.iter().filter(|record| is(&record.place)).count() as u64
        };
        let mut stats = naive.stats;
        stats.buffered = count(|place| matches!(place, Place::Buffered | Place::Waiting { .. }));
        stats.in_flight = count(|place| *place == Place::InFlight);
        stats.requests_in_flight = naive.requests.len() as u64;
        stats.bytes_held = naive.bytes() as u64;
        (stats.shard_map, stats.shards) = (told.shard_map, told.shards);
        // What the window counts, which is off; the simulator's checker knows it.
        stats.requests_allowed = told.requests_allowed;
        stats.requests_failed_in_a_row = told.requests_failed_in_a_row;
        // Times and reasons, which the checker knows too.
        (stats.aggregates_cut, stats.requests_cut) = (told.aggregates_cut, told.requests_cut);
        (stats.dwell, stats.request_time) = (told.dwell, told.request_time);
        if naive.packs() {
            // Neighbours share their attempts, and who they are is not known before they leave.
            assert!(told.bytes_held <= stats.bytes_held);
            (stats.bytes_held, stats.repacked) = (told.bytes_held, told.repacked);
        }
        assert_eq!(told, stats);
    }
}

fn draws(action: &Action) -> Vec<(BatchId, usize, Instant)> {
    let Action::Requeue(Requeue { batch, indexes, not_before, .. }) = action else {
        return Vec::new();
    };
    indexes.iter().map(|&index| (*batch, usize::from(index), *not_before)).collect()
}

/// An error without what the engine itself says of it.
fn known(error: &AttemptError) -> AttemptError {
    match error.code {
        ErrorCode::UnusableAnswer => AttemptError::new(ErrorCode::UnusableAnswer),
        _ => error.clone(),
    }
}

fn check_attempts(told: &Attempts, record: &Record) {
    let all = &record.attempts;
    assert_eq!(told.count() as usize, all.len());
    let kept: Vec<_> = told
        .kept()
        .iter()
        .map(|attempt| (attempt.start, attempt.end, attempt.error.as_ref().map(known)))
        .collect();
    // The first and the last three; without room for those that failed, only the one that did not.
    let is_kept = |at: usize| at == 0 || at + Attempts::KEPT_MAX > all.len();
    let expected = (0..all.len()).filter(|&at| match all[at].2 {
        Some(_) => record.keeps_attempts && is_kept(at),
        None => true,
    });
    assert_eq!(kept, expected.map(|at| all[at].clone()).collect::<Vec<_>>());
}

fn cause(reason: RefusedReason) -> Cause {
    match reason {
        RefusedReason::Closed => Cause::Closed,
        RefusedReason::Full => Cause::RefusedFull,
        RefusedReason::ShardFull => Cause::RefusedShardFull,
        RefusedReason::TooLarge { limit } => Cause::RefusedTooLarge { limit },
        other => panic!("the reference does not know {other:?}"),
    }
}

/// The number of the record that is this entry.
fn number(records: &[Record], entry: &Entry) -> usize {
    let is = |record: &Record| entry.data[..8] == record.token.0.to_be_bytes();
    let number = records.iter().position(is).expect("only accepted records are sent");
    assert_eq!(*entry, records[number].record.to_entry(), "record {number} is sent as it was put");
    number
}

fn shards() -> ShardPage {
    let shard = |index| ListedShard {
        hash_keys: HashKeyRange::of_even_shard(index, SHARDS).expect("one of them"),
        id: ShardId::numbered(index.into()),
    };
    ShardPage { next_token: None, shards: (0..SHARDS.get()).map(shard).collect() }
}
