use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::input::Position;

/// What of the input is stored: all records up to a mark, but for those in gaps.
///
/// Records are settled in the order of the input, so what is not stored lies in few gaps: one where a load was stopped,
/// others where records failed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ledger {
    /// Whether the next record follows the last gap of `gaps` with nothing between them.
    adjacent: bool,
    /// Gaps of this load.
    gaps: Vec<Gap>,
    /// Gaps of earlier loads, from where this one is.
    old: VecDeque<Gap>,
    /// How many records were stored, by all loads.
    stored: u64,
    /// Stored since the last gap.
    stored_since: u64,
    /// The last record that was settled, by all loads.
    through: Option<Position>,
}

/// Records of one file that follow each other and are not stored, or not for certain.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct Gap {
    file: usize,
    /// Where a record begins at which the file can be read on: the first of the gap, or the one before it.
    offset: u64,
    number: u64,
    /// The gap has the records that begin here,
    first: u64,
    /// and up to here.
    last: u64,
    /// How many they are.
    pub(super) records: u64,
    /// How many of them may be stored.
    pub(super) maybe: u64,
}

/// What became of a record.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Fate {
    /// Perhaps it is stored.
    Maybe,
    /// It is not.
    Not,
    /// It is stored.
    Stored,
}

/// Up to so many gaps are told apart: with more, what is stored between two of them is forgotten, and put again. It is a
/// bound on memory and on the size of the state.
const GAPS_MAX: usize = 10_000;

/// Where a record is, as far as it counts here.
type Place = (usize, u64);

const fn place(position: Position) -> Place {
    (position.file, position.offset)
}

impl Gap {
    pub(super) const fn begin(&self) -> Place {
        (self.file, self.first)
    }

    pub(super) const fn end(&self) -> Place {
        (self.file, self.last)
    }

    /// Whether its numbers fit together.
    pub(super) const fn is_sound(&self) -> bool {
        self.offset <= self.first && self.first <= self.last && self.maybe <= self.records
    }
}

impl Ledger {
    /// What earlier loads left.
    pub(crate) fn new(stored: u64, through: Option<Position>, gaps: Vec<Gap>) -> Self {
        Self { old: gaps.into(), stored, through, ..Self::default() }
    }

    /// Takes note of the next record that has its outcome.
    pub(crate) fn settle(&mut self, at: Position, fate: Fate) {
        let ends_gap = self.pass(at);
        match fate {
            Fate::Stored => {
                self.stored += 1;
                self.stored_since += 1;
                self.adjacent = false;
            }
            Fate::Maybe | Fate::Not => self.open(at, fate == Fate::Maybe),
        }
        if ends_gap && self.through.is_some_and(|through| place(through) > place(at)) {
            // What follows was stored by an earlier load.
            self.adjacent = false;
        }
        self.through = self.through.max(Some(at));
    }

    /// The gaps of earlier loads have this record, and what is before it, no more. Says whether it was the last of one.
    fn pass(&mut self, at: Position) -> bool {
        while let Some(gap) = self.old.front_mut() {
            if gap.end() == place(at) {
                self.old.pop_front();
                return true;
            } else if gap.end() < place(at) {
                self.adjacent = false;
                self.old.pop_front();
            } else {
                if gap.begin() <= place(at) {
                    (gap.offset, gap.number, gap.first) = (at.offset, at.number, at.offset + 1);
                    gap.records = gap.records.saturating_sub(1);
                    gap.maybe = gap.maybe.min(gap.records);
                }
                return false;
            }
        }
        false
    }

    /// Adds a record that is not stored for certain.
    fn open(&mut self, at: Position, maybe: bool) {
        let full = self.gaps.len() >= GAPS_MAX;
        match self.gaps.last_mut() {
            Some(gap) if gap.file == at.file && (self.adjacent || full) => {
                let between = if self.adjacent { 0 } else { self.stored_since };
                gap.last = at.offset;
                gap.records += between + 1;
                gap.maybe += between + u64::from(maybe);
                self.stored -= between;
            }
            _ => self.gaps.push(Gap {
                file: at.file,
                offset: at.offset,
                number: at.number,
                first: at.offset,
                last: at.offset,
                records: 1,
                maybe: maybe.into(),
            }),
        }
        self.adjacent = true;
        self.stored_since = 0;
    }

    /// How many records were stored, by all loads.
    pub(super) const fn stored(&self) -> u64 {
        self.stored
    }

    /// The last record that was settled.
    pub(super) const fn through(&self) -> Option<Position> {
        self.through
    }

    /// All gaps, in order.
    pub(super) fn gaps(&self) -> Vec<Gap> {
        self.gaps.iter().chain(&self.old).copied().collect()
    }
}

/// What of the input need not be put again.
#[derive(Debug, Default)]
pub(crate) struct Passed {
    gaps: Vec<Gap>,
    through: Option<Position>,
}

/// Where the reading of a file begins.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Begin {
    /// At the record there: all before it is stored.
    At(Position),
    /// Nowhere: all of it is stored.
    Nowhere,
    /// At its start.
    Start,
}

impl Passed {
    pub(crate) const fn new(gaps: Vec<Gap>, through: Option<Position>) -> Self {
        Self { gaps, through }
    }

    /// Whether the record there is stored.
    pub(crate) fn has(&self, position: Position) -> bool {
        let at = place(position);
        if self.through.is_none_or(|through| at > place(through)) {
            return false;
        }
        let next = self.gaps.partition_point(|gap| gap.end() < at);
        self.gaps.get(next).is_none_or(|gap| at < gap.begin())
    }

    /// Where the file at this index is to be read from.
    pub(crate) fn begin(&self, file: usize) -> Begin {
        let Some(through) = self.through.filter(|through| through.file >= file) else {
            return Begin::Start;
        };
        let gap = self.gaps.iter().find(|gap| gap.file == file);
        match gap {
            Some(&Gap { offset, number, .. }) => Begin::At(Position { file, offset, number }),
            None if through.file == file => Begin::At(through),
            None => Begin::Nowhere,
        }
    }
}

#[cfg(test)]
mod tests {
    use fastrand::Rng;

    use super::*;

    /// Records of three bytes each, in files of ten.
    fn at(index: u64) -> Position {
        let (file, number) = (index / 10, index % 10);
        Position {
            file: usize::try_from(file).expect("few"),
            offset: 3 * number,
            number: number + 1,
        }
    }

    fn passed(ledger: &Ledger) -> Passed {
        Passed::new(ledger.gaps(), ledger.through())
    }

    fn records(ledger: &Ledger) -> (u64, u64) {
        let sum = |(records, maybe), gap: &Gap| (records + gap.records, maybe + gap.maybe);
        ledger.gaps().iter().fold((0, 0), sum)
    }

    #[test]
    fn what_follows_each_other_is_one_gap() {
        let mut ledger = Ledger::default();
        for index in 0..20 {
            let fate = match index {
                3..6 => Fate::Not,
                6 | 12 => Fate::Maybe,
                _ => Fate::Stored,
            };
            ledger.settle(at(index), fate);
        }
        assert_eq!((ledger.gaps().len(), records(&ledger), ledger.stored()), (2, (5, 2), 15));
        let passed = passed(&ledger);
        let open: Vec<_> = (0..25).filter(|&index| !passed.has(at(index))).collect();
        assert_eq!(open, [3, 4, 5, 6, 12, 20, 21, 22, 23, 24]);
        assert_eq!(passed.begin(0), Begin::At(at(3)));
        assert_eq!(passed.begin(1), Begin::At(at(12)));
        assert_eq!(passed.begin(2), Begin::Start);
    }

    #[test]
    fn a_file_that_is_stored_is_not_read_again() {
        let mut ledger = Ledger::default();
        (0..12).for_each(|index| ledger.settle(at(index), Fate::Stored));
        let passed = passed(&ledger);
        assert_eq!(
            [0, 1, 2].map(|file| passed.begin(file)),
            [Begin::Nowhere, Begin::At(at(11)), Begin::Start]
        );
        assert_eq!(Passed::default().begin(0), Begin::Start);
        assert!(!Passed::default().has(at(0)));
    }

    #[test]
    fn with_too_many_gaps_it_forgets_what_is_stored_and_never_what_is_not() {
        let far = |index: u64| Position { file: 0, offset: index, number: index + 1 };
        let mut ledger = Ledger::default();
        let all = 3 * GAPS_MAX as u64;
        let fate = |index: u64| if index.is_multiple_of(2) { Fate::Not } else { Fate::Stored };
        (0..all).for_each(|index| ledger.settle(far(index), fate(index)));
        let (gaps, passed) = (ledger.gaps(), passed(&ledger));
        assert_eq!(gaps.len(), GAPS_MAX);
        let has = (0..all).filter(|&index| passed.has(far(index)));
        let wrong = has.clone().filter(|&index| fate(index) != Fate::Stored).count();
        assert_eq!((wrong, has.count() as u64), (0, ledger.stored()));
        let (records, maybe) = records(&ledger);
        assert_eq!((records + ledger.stored(), records - maybe), (all, all / 2));
    }

    /// Loads that stop anywhere, with records that fail anywhere: what the ledger has is exactly what is stored.
    #[test]
    fn any_row_of_loads_ends_with_all_stored_and_none_forgotten() {
        for seed in 0..300 {
            let mut random = Rng::with_seed(seed);
            let all = random.u64(1..60);
            let mut stored = vec![false; usize::try_from(all).expect("few")];
            let mut ledger = Ledger::default();
            for load in 0..20 {
                let before = passed(&ledger);
                // As it is after a state was written and read.
                ledger = Ledger::new(ledger.stored(), ledger.through(), ledger.gaps());
                let stop = if load == 19 { all } else { random.u64(0..=all) };
                for index in (0..stop).filter(|&index| !before.has(at(index))) {
                    let fate = match random.u8(0..4) {
                        0 if load < 19 => Fate::Not,
                        1 if load < 19 => Fate::Maybe,
                        _ => Fate::Stored,
                    };
                    ledger.settle(at(index), fate);
                    assert!(!stored[index as usize], "seed {seed}: it is not put again");
                    stored[index as usize] = fate == Fate::Stored;
                    let now = passed(&ledger);
                    for (index, &stored) in (0..).zip(&stored) {
                        assert_eq!(now.has(at(index)), stored, "seed {seed}, record {index}");
                    }
                    for file in 0..7 {
                        if let Begin::At(position) = now.begin(file) {
                            let first = (0..all)
                                .find(|&index| at(index).file == file && !stored[index as usize]);
                            assert!(first.is_none_or(|first| position <= at(first)), "seed {seed}");
                        }
                    }
                }
                assert_eq!(ledger.stored(), stored.iter().filter(|&&stored| stored).count() as u64);
                let open = stored
                    .iter()
                    .zip(0..)
                    .filter(|&(&stored, index)| !stored && Some(at(index)) <= ledger.through());
                assert_eq!(records(&ledger).0, open.count() as u64, "seed {seed}");
            }
            assert!(stored.iter().all(|&stored| stored), "seed {seed}");
        }
    }
}
