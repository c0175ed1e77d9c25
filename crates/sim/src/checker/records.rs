use alloc::collections::{BTreeMap, VecDeque};
use alloc::format;
use alloc::vec::Vec;
use core::ops::{Index, IndexMut};

use headwaters_engine::wire::HashKey;

use super::record::{Ended, Record};
use super::{Checked, rule};
use crate::sometimes::Sometimes;

/// All records of the application, by their numbers.
///
/// Of those that have their outcomes only what the service's ledger is compared with is kept, once no record before them is
/// open: a long world would fill the memory.
#[derive(Debug)]
pub(super) struct Records {
    ends: Vec<End>,
    /// As many, where order is kept.
    firsts: Vec<First>,
    is_ordered: bool,
    window: VecDeque<Record>,
    /// Copies that consumers have seen.
    seen: u64,
    /// Stands for each of those that are forgotten.
    forgotten: Record,
}

/// What is left of a record.
#[derive(Clone, Copy, Debug)]
struct End {
    copies: u32,
    visible: u32,
    ambiguous: u32,
    kind: Kind,
    /// Whether a consumer has seen it where its outcome says that it is.
    is_found: bool,
    /// A name of that place.
    place: u64,
}

/// What is left of a record whose order counts.
#[derive(Clone, Copy, Debug)]
struct First {
    /// The first copy that consumers have seen, counted over all records; 0 if there is none.
    copy: u64,
    hash_key: HashKey,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    MaybeStored,
    NotAccepted,
    NotStored,
    Stored { maybe_duplicate: bool },
}

/// How often records were stored beyond the first copy of each.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Copies {
    /// Copies that consumers see.
    pub(crate) duplicates: u64,
    /// Copies that consumers do not see: the Kinesis Client Library drops an aggregate as a whole when one of its
    /// members does not belong to the shard.
    pub(crate) hidden: u64,
}

impl Records {
    pub(super) fn new(is_ordered: bool) -> Self {
        let forgotten = Record { outcome: Some(Ended::Forgotten), ..Record::default() };
        Self {
            ends: Vec::new(),
            firsts: Vec::new(),
            is_ordered,
            window: VecDeque::new(),
            seen: 0,
            forgotten,
        }
    }

    /// How many records there are.
    pub(super) fn len(&self) -> usize {
        self.ends.len() + self.window.len()
    }

    /// The next record.
    pub(super) fn push(&mut self, record: Record) {
        self.window.push_back(record);
    }

    /// Those that are not forgotten.
    pub(super) fn known(&mut self) -> impl Iterator<Item = &mut Record> {
        self.window.iter_mut()
    }

    /// How many of the records before number `barrier` have no outcome.
    pub(super) fn open_before(&self, barrier: usize) -> usize {
        let known = self.window.iter().take(barrier.saturating_sub(self.ends.len()));
        known.filter(|record| record.outcome.is_none()).count()
    }

    /// The number of the first record without an outcome.
    pub(super) fn first_open(&self) -> usize {
        let is_open = |record: &Record| record.outcome.is_none();
        self.ends.len() + self.window.iter().position(is_open).unwrap_or(self.window.len())
    }

    /// The records without outcomes.
    pub(super) fn open(&self) -> impl Iterator<Item = &Record> {
        self.window.iter().filter(|record| record.accepted.is_some() && record.outcome.is_none())
    }

    /// Forgets what need not be known any more.
    pub(super) fn forget(&mut self) {
        while let Some(record) = self.window.front().filter(|record| record.outcome.is_some()) {
            self.ends.push(End::of(record));
            if self.is_ordered {
                self.firsts.push(First { copy: record.first, hash_key: record.hash_key });
            }
            self.window.pop_front();
        }
    }

    /// A consumer has got a copy of a record, and sees it or not.
    pub(super) fn consumed(&mut self, number: usize, place: u64, is_visible: bool) -> Checked {
        self.seen += u64::from(is_visible);
        if let Some(end) = self.ends.get_mut(number) {
            if is_visible
                && end.visible == 0
                && let Some(first) = self.firsts.get_mut(number)
            {
                first.copy = self.seen;
            }
            end.copies += 1;
            end.visible += u32::from(is_visible);
            end.is_found |= is_visible && place == end.place;
            return end.check(number);
        }
        let record = self.window.get_mut(number - self.ends.len());
        let record = record.ok_or_else(|| format!("a consumer got record {number}"))?;
        record.copies += 1;
        if is_visible {
            if record.visible.is_empty() {
                record.first = self.seen;
            }
            record.visible.push(place);
        }
        Ok(())
    }

    /// All is over: what consumers have got is what the outcomes say.
    pub(super) fn ended(
        &mut self,
        sometimes: &mut Sometimes,
    ) -> Result<Copies, alloc::string::String> {
        self.forget();
        rule(self.window.is_empty(), || format!("{} records are open", self.window.len()))?;
        let mut sum = Copies::default();
        for (number, end) in self.ends.iter().enumerate() {
            end.check(number)?;
            let is_lost = matches!(end.kind, Kind::Stored { .. }) && !end.is_found;
            rule(!is_lost, || {
                format!("record {number} is stored, and no consumer sees it: {end:?}")
            })?;
            if end.kind == Kind::MaybeStored {
                *match end.copies {
                    0 => &mut sometimes.maybe_stored_was_not,
                    _ => &mut sometimes.maybe_stored_was_stored,
                } += 1;
            }
            sum.duplicates += u64::from(end.visible.saturating_sub(1));
            sum.hidden += u64::from(end.copies - end.visible);
        }
        self.check_order()?;
        Ok(sum)
    }

    /// Where order is kept, of each hash key the first copies of what is stored lie in the order of acceptance.
    fn check_order(&self) -> Checked {
        let mut last: BTreeMap<HashKey, (u64, usize)> = BTreeMap::new();
        let ends = self.ends.iter().zip(&self.firsts).enumerate();
        for (number, (end, &First { copy, hash_key })) in ends {
            if !matches!(end.kind, Kind::Stored { .. }) {
                continue;
            }
            let before = last.insert(hash_key, (copy, number));
            rule(before.is_none_or(|(first, _)| first < copy), || {
                format!("record {number} was stored before {before:?}, which has its hash key")
            })?;
        }
        Ok(())
    }
}

impl End {
    fn of(record: &Record) -> Self {
        let mut end = Self {
            copies: record.copies,
            visible: record.visible.len() as u32,
            ambiguous: record.ambiguous,
            kind: Kind::NotAccepted,
            is_found: false,
            place: 0,
        };
        match &record.outcome {
            Some(Ended::MaybeStored(_)) => end.kind = Kind::MaybeStored,
            Some(Ended::NotStored(_)) => end.kind = Kind::NotStored,
            Some(Ended::Stored { maybe_duplicate, place }) => {
                end.kind = Kind::Stored { maybe_duplicate: *maybe_duplicate };
                end.place = *place;
                end.is_found = record.visible.contains(place);
            }
            Some(Ended::Forgotten) | None => {}
        }
        end
    }

    /// There are no more copies than attempts that may have made them, and none of what is not stored.
    fn check(&self, number: usize) -> Checked {
        let Self { copies, ambiguous, .. } = *self;
        let holds = match self.kind {
            Kind::NotAccepted => copies == 0,
            Kind::NotStored => copies == 0 && ambiguous == 0,
            Kind::MaybeStored => ambiguous > 0 && copies <= ambiguous,
            Kind::Stored { maybe_duplicate } => {
                copies <= 1 + ambiguous && maybe_duplicate == (ambiguous > 0)
            }
        };
        rule(holds, || format!("record {number} is {self:?}"))
    }
}

impl Index<usize> for Records {
    type Output = Record;

    fn index(&self, number: usize) -> &Record {
        let known = number.checked_sub(self.ends.len());
        known.and_then(|at| self.window.get(at)).unwrap_or(&self.forgotten)
    }
}

impl IndexMut<usize> for Records {
    fn index_mut(&mut self, number: usize) -> &mut Record {
        let known = number.checked_sub(self.ends.len());
        known.and_then(|at| self.window.get_mut(at)).unwrap_or(&mut self.forgotten)
    }
}
