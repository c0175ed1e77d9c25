//! The end: what the service stored and consumers see is what the outcomes say.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use headwaters_engine::wire::aggregate::{Decoded, decode};
use headwaters_engine::wire::{Entry, Placement};
use headwaters_model::Stream;

use super::record::{Ended, Record};
use super::{Checked, Checker, label, rule};

/// How often records were stored beyond the first copy of each.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Copies {
    /// Copies that consumers see.
    pub(crate) duplicates: u64,
    /// Copies that consumers do not see: the Kinesis Client Library drops an aggregate as a whole when one of its
    /// members does not belong to the shard.
    pub(crate) hidden: u64,
}

/// Where a record is.
#[derive(Debug, Default)]
struct Places<'a> {
    /// All copies, the hidden ones included.
    copies: u64,
    /// The copies that consumers see.
    visible: Vec<&'a Placement>,
}

/// What consumers see of all producers' records.
#[derive(Debug)]
pub(crate) struct Consumed<'a> {
    /// For each producer, for each of its records.
    producers: Vec<Vec<Places<'a>>>,
}

impl<'a> Consumed<'a> {
    /// Reads the service's ledger. Each of the producers has put so many records at most.
    pub(crate) fn read(
        service: &'a Stream,
        producers: usize,
        records: usize,
    ) -> Result<Self, String> {
        let none = || (0..records).map(|_| Places::default()).collect();
        let mut consumed = Self { producers: (0..producers).map(|_| none()).collect() };
        for stored in service.ledger() {
            let Placement { shard, .. } = &stored.placement;
            match decode(stored.entry.data.clone()) {
                Decoded::Plain(_) => consumed.note(Some(&stored.entry), &stored.placement, true)?,
                Decoded::Aggregate(aggregate) => {
                    let shard = service.shard(shard).ok_or("the ledger has a shard of nobody")?;
                    let view = aggregate.as_kcl(shard.range());
                    rule(view.broken.is_empty(), || "the ledger has a broken aggregate".into())?;
                    for (members, is_visible) in [(&view.delivered, true), (&view.dropped, false)] {
                        for member in members {
                            let entry = member.to_entry();
                            consumed.note(entry.ok().as_ref(), &stored.placement, is_visible)?;
                        }
                    }
                }
            }
        }
        Ok(consumed)
    }

    fn note(
        &mut self,
        entry: Option<&Entry>,
        placement: &'a Placement,
        is_visible: bool,
    ) -> Checked {
        let label = entry.and_then(label);
        let records = label.and_then(|(producer, _)| self.producers.get_mut(producer as usize));
        let places = records.zip(label).and_then(|(records, (_, number))| records.get_mut(number));
        let places = places.ok_or("the ledger has a record of nobody")?;
        places.copies += 1;
        if is_visible {
            places.visible.push(placement);
        }
        Ok(())
    }
}

impl Checker {
    /// All is over.
    pub(crate) fn ended(&self, producer: usize, consumed: &Consumed<'_>) -> Result<Copies, String> {
        let mut sum = Copies::default();
        let records = self.records.iter().zip(&consumed.producers[producer]).enumerate();
        for (number, (record, places)) in records {
            rule(agrees(record, places), || {
                format!("record {number} is {record:?} and {places:?}")
            })?;
            let visible = places.visible.len() as u64;
            sum.duplicates += visible.saturating_sub(1);
            sum.hidden += places.copies - visible;
        }
        Ok(sum)
    }
}

fn agrees(record: &Record, places: &Places<'_>) -> bool {
    let copies = places.copies;
    match (&record.accepted, &record.outcome) {
        (None, None) => copies == 0,
        (Some(_), Some(Ended::NotStored(_))) => copies == 0 && record.ambiguous == 0,
        (Some(_), Some(Ended::MaybeStored(_))) => {
            record.ambiguous > 0 && copies <= record.ambiguous
        }
        (Some(_), Some(Ended::Stored { maybe_duplicate, placement })) => {
            places.visible.contains(&placement)
                && copies <= 1 + record.ambiguous
                && *maybe_duplicate == (record.ambiguous > 0)
        }
        (None, Some(_)) | (Some(_), None) => false,
    }
}
