use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use crate::kinesis_record::KinesisRecord;
use crate::memory::{self, Memory};
use crate::time::Instant;

/// Kinesis records that may not be sent again yet.
#[derive(Debug, Default)]
pub(crate) struct Waits {
    /// By the time at which their wait ends. What failed together mostly waits together.
    waiting: BTreeMap<Instant, Vec<KinesisRecord>>,
    /// Likewise, but these wait for credentials: if the transport has new ones, it is over.
    for_credentials: BTreeMap<Instant, Vec<KinesisRecord>>,
    records: usize,
}

impl Waits {
    /// Lets a Kinesis record wait.
    pub(crate) fn add(&mut self, record: KinesisRecord, until: Instant, for_credentials: bool) {
        self.records += record.records();
        let waiting = if for_credentials { &mut self.for_credentials } else { &mut self.waiting };
        waiting.entry(until).or_default().push(record);
    }

    /// Takes out some whose wait has ended.
    pub(crate) fn take_due(&mut self, now: Instant) -> Option<Vec<KinesisRecord>> {
        for waiting in [&mut self.waiting, &mut self.for_credentials] {
            if let Some(entry) = waiting.first_entry()
                && *entry.key() <= now
            {
                let due = entry.remove();
                self.records -= due.iter().map(KinesisRecord::records).sum::<usize>();
                return Some(due);
            }
        }
        None
    }

    /// The transport has new credentials: what waited for them leaves now.
    pub(crate) fn end_for_credentials(&mut self, now: Instant) {
        for (_, mut records) in core::mem::take(&mut self.for_credentials) {
            records.iter_mut().for_each(|record| record.set_deadline(now));
            self.waiting.entry(now).or_default().extend(records);
        }
    }

    /// Takes out everything.
    pub(crate) fn drain(&mut self) -> Vec<KinesisRecord> {
        self.records = 0;
        let waiting = core::mem::take(&mut self.waiting).into_values();
        waiting.chain(core::mem::take(&mut self.for_credentials).into_values()).flatten().collect()
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &KinesisRecord> {
        self.waiting.values().chain(self.for_credentials.values()).flatten()
    }

    /// When the next wait ends.
    pub(crate) fn next(&self) -> Option<Instant> {
        let maps = [&self.waiting, &self.for_credentials];
        maps.into_iter().filter_map(|map| map.first_key_value().map(|(&until, _)| until)).min()
    }

    /// How many user records wait.
    pub(crate) const fn records(&self) -> usize {
        self.records
    }

    /// Bytes of memory behind it.
    pub(crate) fn memory(&self) -> usize {
        let all = self.waiting.values().chain(self.for_credentials.values());
        let of = |records: &Vec<KinesisRecord>| {
            memory::of_vec(records) + records.iter().map(Memory::behind).sum::<usize>()
        };
        all.map(of).sum()
    }

    /// What must hold between calls.
    #[cfg(debug_assertions)]
    pub(crate) fn invariants(&self) {
        debug_assert_eq!(self.records, self.all().map(KinesisRecord::records).sum::<usize>());
    }
}
