use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

use headwaters::trace::{Action, BatchId, Engine, Event, Token, Witness};
use headwaters::wire::{AttemptError, Class, ListedShard, Placement, ShardId, ShardPage};
use headwaters::{EngineStats, Instant, RefusedReason, Timing, UserRecord};

use super::figures::{Figures, Tally};

/// What happened to a producer, for somebody who lives through it again with other settings: what the application did, and
/// how the service answered.
#[derive(Debug)]
pub(super) struct Tape {
    /// What the application asked for beside puts.
    pub(super) asked: Vec<(Instant, Event)>,
    pub(super) listings: Vec<Listing>,
    pub(super) puts: Vec<Put>,
    pub(super) requests: Vec<Request>,
    pub(super) start: Instant,
    /// Shards that answers named.
    pub(super) shards: BTreeSet<ShardId>,
    is_kept: bool,
    open: BTreeMap<BatchId, usize>,
    /// The list that is being asked for: since when, and what has come.
    pages: (Instant, Vec<ListedShard>),
    tally: Tally,
    /// The record that was put last, which may be refused.
    last: Option<Token>,
}

/// A record that was accepted.
#[derive(Debug)]
pub(super) struct Put {
    pub(super) at: Instant,
    /// Without its data.
    pub(super) record: UserRecord,
    pub(super) size: usize,
    pub(super) timing: Timing,
}

/// A request for the shards.
#[derive(Debug)]
pub(super) struct Listing {
    pub(super) at: Instant,
    pub(super) result: Result<Vec<ListedShard>, AttemptError>,
    pub(super) took: Duration,
}

/// A request, and what it met.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) at: Instant,
    pub(super) fate: Fate,
    pub(super) took: Duration,
}

#[derive(Clone, Debug)]
pub(super) enum Fate {
    /// It was answered; of its entries this part failed, and not because there were too many.
    Answered { failing: f64 },
    /// It failed as a whole.
    Failed(AttemptError),
    /// No answer came.
    Silent,
}

impl Tape {
    /// What happened is kept only if somebody wants to live through it again.
    pub(super) fn new(start: Instant, is_kept: bool) -> Self {
        Self {
            asked: Vec::new(),
            listings: Vec::new(),
            puts: Vec::new(),
            requests: Vec::new(),
            start,
            shards: BTreeSet::new(),
            is_kept,
            open: BTreeMap::new(),
            pages: (start, Vec::new()),
            tally: Tally::default(),
            last: None,
        }
    }

    pub(super) fn figures(&self, stats: &EngineStats) -> Figures {
        self.tally.figures(stats)
    }

    fn answered(&mut self, at: Instant, batch: BatchId, fate: Fate) {
        // One that comes late, or again, is none.
        let Some(request) = self.open.remove(&batch) else { return };
        let request = &mut self.requests[request];
        (request.fate, request.took) = (fate, at.since(request.at));
    }

    fn listed(&mut self, at: Instant, result: &Result<ShardPage, AttemptError>) {
        let (since, shards) = &mut self.pages;
        let (since, took) = (*since, at.since(*since));
        let result = match result {
            Ok(page) => {
                shards.extend(page.shards.iter().cloned());
                if page.next_token.is_some() {
                    return;
                }
                Ok(core::mem::take(shards))
            }
            Err(error) => Err(error.clone()),
        };
        self.listings.push(Listing { at: since, result, took });
    }
}

impl Witness for Tape {
    fn put(&mut self, at: Instant, token: Token, record: &UserRecord, timing: Timing) {
        self.tally.put(at, token);
        self.last = Some(token);
        if self.is_kept {
            let size = record.data().len();
            if let Ok(record) = record.clone().with_data("") {
                self.puts.push(Put { at, record, size, timing });
            }
        }
    }

    fn refused(&mut self, _: &RefusedReason) {
        if let Some(token) = self.last.take() {
            self.tally.refused(token);
        }
        // It comes again when there is room, if the application wants it to.
        self.puts.pop();
    }

    fn told(&mut self, at: Instant, event: &Event) {
        if !self.is_kept {
            return;
        }
        match event {
            Event::BatchCancelled { batch, .. } => self.answered(at, *batch, Fate::Silent),
            Event::PutRecordsFinished { batch, result: Err(error) } => {
                self.answered(at, *batch, Fate::Failed(error.clone()));
            }
            Event::PutRecordsFinished { batch, result: Ok(results) } => {
                let named = |Placement { shard, .. }: &Placement| shard.clone();
                self.shards.extend(results.iter().flatten().map(named));
                let fails = |error: &AttemptError| error.code.class() != Class::Throttled;
                let failing = results.iter().filter(|result| result.as_ref().is_err_and(fails));
                let failing = failing.count() as f64 / results.len().max(1) as f64;
                self.answered(at, *batch, Fate::Answered { failing });
            }
            Event::ShardsListed { result, .. } => self.listed(at, result),
            Event::TimeAdvanced | Event::RecordAdded { .. } => {}
            Event::BoundsChanged(_)
            | Event::CloseRequested { .. }
            | Event::FlushRequested { .. }
            | Event::PurgeRequested
            | Event::TransportReady => self.asked.push((at, event.clone())),
        }
    }

    fn said(&mut self, at: Instant, action: &Action, engine: &Engine) {
        self.tally.said(at, action, engine);
        if !self.is_kept {
            return;
        }
        match action {
            Action::SendBatch(batch) => {
                self.open.insert(batch.id, self.requests.len());
                let (fate, took) = (Fate::Silent, Duration::ZERO);
                self.requests.push(Request { at, fate, took });
            }
            Action::ListShards(request) if request.next_token.is_none() => {
                self.pages = (at, Vec::new());
            }
            _ => {}
        }
    }
}
