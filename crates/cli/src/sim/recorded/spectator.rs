use std::collections::{BTreeMap, BTreeSet, HashMap};

use headwaters::trace::{Action, BatchId, Completion, Engine, Event, Token, Witness};
use headwaters::wire::{Class, ErrorCode, ShardId, ShardPage};
use headwaters::{Instant, RefusedReason, Timing, UserRecord};
use headwaters_sim::{Step, Watch, What};

use super::figures::{Figures, Tally};
use crate::sim::report::Recorder;

/// Sees a replay, and keeps what a page shows.
#[derive(Debug)]
pub(in crate::sim) struct Spectator {
    pub(in crate::sim) recorder: Recorder,
    /// Which records were in which entry of the last requests.
    batches: BTreeMap<BatchId, Vec<(usize, u64)>>,
    /// The order of requests, the oldest first.
    order: std::collections::VecDeque<BatchId>,
    /// Records without an outcome, by their tokens, as numbers in the order in which they were put.
    numbers: HashMap<u64, u64>,
    next: u64,
    /// The shards of the last list, and those of the pages that came of the next one.
    shards: [BTreeSet<ShardId>; 2],
    /// The record that was put last, if nothing has happened since: it may be refused.
    put: Option<(Instant, Token)>,
    start: Instant,
    tally: Tally,
}

/// Requests whose records are known: more than can be in flight, twice.
const BATCHES_KEPT: usize = 1_000;

impl Spectator {
    pub(super) fn new(start: Instant) -> Self {
        Self {
            recorder: Recorder::default(),
            batches: BTreeMap::new(),
            order: std::collections::VecDeque::new(),
            numbers: HashMap::new(),
            next: 0,
            shards: Default::default(),
            put: None,
            start,
            tally: Tally::default(),
        }
    }

    pub(in crate::sim) fn figures(&self, stats: &headwaters::EngineStats) -> Figures {
        self.tally.figures(stats)
    }

    /// As the page says it: since the producer began.
    fn since(&self, at: Instant) -> Instant {
        Instant::ZERO.after(at.since(self.start))
    }

    /// The record that was put last is accepted.
    fn settle(&mut self) {
        if let Some((at, Token(token))) = self.put.take() {
            self.numbers.insert(token, self.next);
            self.follow(at, What::Accepted(self.next));
            self.next += 1;
            self.tally.put(at, Token(token));
        }
    }

    fn follow(&mut self, at: Instant, what: What<'_>) {
        let step = Step::new(self.since(at), 0, what);
        self.recorder.reach(step.at);
        self.recorder.follow(step);
    }

    fn sent(&mut self, at: Instant, batch: BatchId, engine: &Engine) {
        let number = |(entry, Token(token))| Some((entry, *self.numbers.get(&token)?));
        let records: Vec<(usize, u64)> = engine.tokens(batch).filter_map(number).collect();
        let mut named = records.iter().map(|(_, number)| *number);
        self.follow(at, What::Sent { batch, records: &mut named });
        self.batches.insert(batch, records);
        self.order.push_back(batch);
        if self.order.len() > BATCHES_KEPT
            && let Some(oldest) = self.order.pop_front()
        {
            self.batches.remove(&oldest);
        }
    }

    fn requeued(&mut self, at: Instant, batch: BatchId, code: &ErrorCode, entries: &[u16]) {
        let records = self.batches.get(&batch).cloned().unwrap_or_default();
        let failed = |(entry, _): &&(usize, u64)| {
            u16::try_from(*entry).is_ok_and(|entry| entries.binary_search(&entry).is_ok())
        };
        let mut named = records.iter().filter(failed).map(|(_, number)| *number);
        self.follow(at, What::Requeued { code, records: &mut named });
    }

    /// Whether there are other shards than before.
    fn listed(&mut self, at: Instant, page: &ShardPage) {
        let [known, listed] = &mut self.shards;
        listed.extend(page.shards.iter().map(|shard| shard.id.clone()));
        if page.next_token.is_none() {
            if !known.is_empty() && known != listed {
                self.recorder.count(at, "other shards");
            }
            *known = core::mem::take(listed);
        }
    }

    fn completed(&mut self, at: Instant, mut named: Completion) {
        named.tokens.retain(|token| match self.numbers.remove(&token.0) {
            Some(number) => {
                *token = Token(number);
                true
            }
            None => false,
        });
        self.follow(at, What::Completed(&named));
    }
}

impl Witness for Spectator {
    fn put(&mut self, at: Instant, token: Token, _: &UserRecord, _: Timing) {
        self.settle();
        self.put = Some((at, token));
    }

    fn refused(&mut self, reason: &RefusedReason) {
        let Some((at, _)) = self.put.take() else { return };
        let name = match reason {
            RefusedReason::Full => "no room for a record",
            RefusedReason::ShardFull => "no room for a shard's record",
            _ => "a record refused",
        };
        self.recorder.count(self.since(at), name);
    }

    fn told(&mut self, at: Instant, event: &Event) {
        self.settle();
        let at = self.since(at);
        match event {
            Event::BatchCancelled { .. } => self.recorder.count(at, "no answer"),
            Event::PutRecordsFinished { result: Err(error), .. } => {
                self.recorder.count(at, error.code.as_str());
            }
            Event::PutRecordsFinished { result: Ok(results), .. } => {
                // What was throttled has a picture of its own.
                let failed = results.iter().filter_map(|result| result.as_ref().err());
                for error in failed.filter(|error| error.code.class() != Class::Throttled) {
                    self.recorder.count(at, &format!("entries: {}", error.code.as_str()));
                }
            }
            Event::ShardsListed { result: Err(_), .. } => {
                self.shards[1].clear();
                self.recorder.count(at, "no list of shards");
            }
            Event::ShardsListed { result: Ok(page), .. } => self.listed(at, page),
            _ => {}
        }
    }

    fn said(&mut self, at: Instant, action: &Action, engine: &Engine) {
        self.settle();
        self.tally.said(at, action, engine);
        match action {
            Action::Complete(completion) => self.completed(at, completion.clone()),
            Action::Stored(stored) => {
                stored.clone().into_completions().for_each(|of| self.completed(at, of));
            }
            Action::Requeue(requeue) => {
                self.requeued(at, requeue.batch, &requeue.cause.code, &requeue.indexes);
            }
            Action::SendBatch(batch) => self.sent(at, batch.id, engine),
            Action::Wait(_) => self.recorder.look(self.since(at), 0, engine),
            _ => {}
        }
    }
}
