use std::collections::{BTreeMap, BTreeSet};

use headwaters::{Instant, Outcome};
use headwaters_sim::{Step, What};

/// The lives of some records, those that say most: the hardest and a few that are like all others.
#[derive(Debug, Default)]
pub(super) struct Lives {
    /// Of records that have no outcome yet.
    open: BTreeMap<(u32, u64), Life>,
    /// Those that are kept, the hardest last.
    kept: BTreeSet<(Hardness, u32, u64)>,
    lives: BTreeMap<(u32, u64), Life>,
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

/// How many of the hardest lives are kept, and how many others beside them.
const HARDEST: usize = 8;
const ORDINARY: u64 = 4;
/// Every so many records one is ordinary enough to be kept.
const EVERY: u64 = 1_009;
/// Records that are open beyond so many are not followed.
const OPEN_MAX: usize = 200_000;

impl Lives {
    pub(super) fn follow(&mut self, Step { at, producer, what, .. }: Step<'_>) {
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
                    self.end(at, (producer, token.0), became);
                }
            }
            _ => {}
        }
    }

    /// Those that are kept: the hardest first, each with its producer and its number.
    pub(super) fn kept(&self) -> impl Iterator<Item = ((u32, u64), &Life)> {
        let hardest = self.kept.iter().rev().map(|&(_, producer, number)| (producer, number));
        let is_kept = |of: &&(u32, u64)| hardest.clone().any(|one| one == **of);
        let others: Vec<_> = self.lives.keys().filter(|of| !is_kept(of)).copied().collect();
        let all: Vec<_> = hardest.chain(others).collect();
        all.into_iter().filter_map(|of| Some((of, self.lives.get(&of)?)))
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

    fn end(&mut self, at: Instant, of: (u32, u64), became: Became) {
        let Some(mut life) = self.open.remove(&of) else { return };
        let is_lost = matches!(became, Became::Undelivered(_));
        let sent = life.steps.iter().filter(|(_, became)| matches!(became, Became::Sent(_)));
        let sent = sent.count();
        let start = life.steps.first().map_or(at, |(start, _)| *start);
        let open = at.since(start).as_nanos();
        life.steps.push((at, became));
        let is_ordinary = self.ended.is_multiple_of(EVERY) && self.ended / EVERY < ORDINARY;
        self.ended += 1;
        let hardness = (is_lost, sent, u64::try_from(open).unwrap_or(u64::MAX));
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
        } else if is_ordinary {
            self.lives.insert(of, life);
        }
    }
}
