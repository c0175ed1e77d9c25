use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

use headwaters::{Instant, Outcome};
use headwaters_sim::{Step, What};

/// The lives of some records, those that say most: the hardest, and a few from all the time.
#[derive(Debug)]
pub(super) struct Lives {
    /// Of records that have no outcome yet.
    open: BTreeMap<(u32, u64), Life>,
    /// Those that are kept, the hardest last.
    kept: BTreeSet<(Hardness, u32, u64)>,
    lives: BTreeMap<(u32, u64), Life>,
    /// Every so many of all that ended one, with its number among them.
    ordinary: Vec<(u64, (u32, u64), Life)>,
    every: u64,
    ended: u64,
}

/// How hard it was: whether it was not stored, how often it was sent, and for how long it was open, in nanoseconds.
type Hardness = (bool, usize, u64);

/// What happened to one record.
#[derive(Clone, Debug, Default)]
pub(super) struct Life {
    pub(super) steps: Vec<(Instant, Became)>,
}

/// What became of it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Became {
    Buffered,
    /// In which request.
    Sent(String),
    /// Why it went back.
    Failed(String),
    Stored {
        maybe_duplicate: bool,
    },
    /// Why it is not stored for certain.
    Undelivered(String),
}

impl Life {
    /// How often it was sent.
    pub(super) fn sent(&self) -> usize {
        self.steps.iter().filter(|(_, became)| matches!(became, Became::Sent(_))).count()
    }

    /// When it was put.
    pub(super) fn start(&self) -> Instant {
        self.steps.first().map_or(Instant::ZERO, |(at, _)| *at)
    }

    /// From then on until what happened last.
    pub(super) fn time(&self) -> Duration {
        self.steps.last().map_or(Duration::ZERO, |(at, _)| at.since(self.start()))
    }

    /// Whether both were sent in the same requests.
    fn went_with(&self, other: &Self) -> bool {
        let sent = |life: &Self| -> Vec<String> {
            let sent = life.steps.iter().filter_map(|(_, became)| match became {
                Became::Sent(batch) => Some(batch.clone()),
                _ => None,
            });
            sent.collect()
        };
        sent(self) == sent(other)
    }
}

/// How many of the hardest lives are kept, and at most how many others beside them.
const HARDEST: usize = 8;
const ORDINARY: usize = 8;
/// Every so many records one is kept, at first.
const EVERY: u64 = 101;
/// Records that are open beyond so many are not followed.
const OPEN_MAX: usize = 200_000;

impl Default for Lives {
    fn default() -> Self {
        Self {
            open: BTreeMap::new(),
            kept: BTreeSet::new(),
            lives: BTreeMap::new(),
            ordinary: Vec::new(),
            every: EVERY,
            ended: 0,
        }
    }
}

impl Lives {
    /// Tells how long each record took that ends.
    pub(super) fn follow(
        &mut self,
        Step { at, producer, what, .. }: Step<'_>,
        took: &mut dyn FnMut(Duration),
    ) {
        match what {
            What::Accepted(record) if self.open.len() < OPEN_MAX => {
                let life = Life { steps: vec![(at, Became::Buffered)] };
                self.open.insert((producer, record), life);
            }
            What::Sent { batch, records } => {
                self.note(at, producer, records, || Became::Sent(batch.to_string()));
            }
            What::Requeued { code, records } => {
                self.note(at, producer, records, || Became::Failed(code.to_string()));
            }
            What::Completed(completion) => {
                for token in &completion.tokens {
                    let became = match &completion.outcome {
                        Outcome::Stored { maybe_duplicate, .. } => {
                            Became::Stored { maybe_duplicate: *maybe_duplicate }
                        }
                        Outcome::NotStored { cause, .. } => {
                            Became::Undelivered(format!("not stored: {cause:?}"))
                        }
                        Outcome::MaybeStored { cause, .. } => {
                            Became::Undelivered(format!("maybe stored: {cause:?}"))
                        }
                    };
                    if let Some(time) = self.end(at, (producer, token.0), became) {
                        took(time);
                    }
                }
            }
            _ => {}
        }
    }

    /// Those that are kept, the hardest first, each with its producer and its number.
    pub(super) fn hardest(&self) -> Vec<((u32, u64), &Life)> {
        let hardest = self.kept.iter().rev().map(|&(_, producer, number)| (producer, number));
        hardest.filter_map(|of| Some((of, self.lives.get(&of)?))).collect()
    }

    /// Some from all the time, in the order in which they ended.
    pub(super) fn ordinary(&self) -> Vec<((u32, u64), &Life)> {
        self.ordinary.iter().map(|(_, of, life)| (*of, life)).collect()
    }

    fn note(
        &mut self,
        at: Instant,
        producer: u32,
        records: &mut dyn Iterator<Item = u64>,
        became: impl Fn() -> Became,
    ) {
        for record in records {
            if let Some(life) = self.open.get_mut(&(producer, record)) {
                life.steps.push((at, became()));
            }
        }
    }

    /// How long the record took; `None` if it was not followed.
    fn end(&mut self, at: Instant, of: (u32, u64), became: Became) -> Option<Duration> {
        let mut life = self.open.remove(&of)?;
        let is_lost = matches!(became, Became::Undelivered(_));
        life.steps.push((at, became));
        let (sent, time) = (life.sent(), life.time());
        self.pick(of, &life);
        let hardness = (is_lost, sent, u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
        // Of those that went the same way, in the same requests, one is enough.
        let is_new = sent == 0
            || self.kept.iter().all(|(_, producer, number)| {
                self.lives.get(&(*producer, *number)).is_none_or(|other| !life.went_with(other))
            });
        let is_harder = is_new
            && (self.kept.len() < HARDEST
                || self.kept.first().is_some_and(|(least, ..)| hardness > *least));
        if is_harder {
            self.kept.insert((hardness, of.0, of.1));
            self.lives.insert(of, life);
            if self.kept.len() > HARDEST
                && let Some((_, producer, number)) = self.kept.pop_first()
            {
                self.lives.remove(&(producer, number));
            }
        }
        Some(time)
    }

    /// Keeps every so many; when there are too many, every second of them.
    fn pick(&mut self, of: (u32, u64), life: &Life) {
        let number = self.ended;
        self.ended += 1;
        if !number.is_multiple_of(self.every) {
            return;
        }
        self.ordinary.push((number, of, life.clone()));
        if self.ordinary.len() > ORDINARY {
            self.every *= 2;
            self.ordinary.retain(|(number, ..)| number.is_multiple_of(self.every));
        }
    }
}
