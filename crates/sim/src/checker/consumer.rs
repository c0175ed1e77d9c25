//! The end: what the service stored and consumers see is what the outcomes say.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use headwaters_engine::wire::Placement;
use headwaters_engine::wire::aggregate::{Decoded, decode};
use headwaters_model::Stream;

use super::record::{Ended, Record};
use super::{Checker, number, rule};

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

impl Checker {
    /// All is over.
    pub(crate) fn ended(&self, service: &Stream) -> Result<Copies, String> {
        let mut places = BTreeMap::new();
        for stored in service.ledger() {
            let Placement { shard, .. } = &stored.placement;
            let range = service.shard(shard).ok_or("the ledger has a shard of nobody")?.range();
            let mut note = |number: Option<usize>, is_visible| {
                let number = number.ok_or("the ledger has a record of nobody")?;
                let places: &mut Places<'_> = places.entry(number).or_default();
                places.copies += 1;
                if is_visible {
                    places.visible.push(&stored.placement);
                }
                Ok::<_, String>(())
            };
            match decode(stored.entry.data.clone()) {
                Decoded::Plain(_) => note(number(&stored.entry), true)?,
                Decoded::Aggregate(aggregate) => {
                    let view = aggregate.as_kcl(range);
                    rule(view.broken.is_empty(), || "the ledger has a broken aggregate".into())?;
                    for (members, is_visible) in [(&view.delivered, true), (&view.dropped, false)] {
                        for member in members {
                            let entry = member.to_entry();
                            note(entry.ok().as_ref().and_then(number), is_visible)?;
                        }
                    }
                }
            }
        }
        let mut sum = Copies::default();
        for (number, record) in self.records.iter().enumerate() {
            let places = places.remove(&number).unwrap_or_default();
            rule(agrees(record, &places), || {
                format!("record {number} is {record:?} and {places:?}")
            })?;
            let visible = places.visible.len() as u64;
            sum.duplicates += visible.saturating_sub(1);
            sum.hidden += places.copies - visible;
        }
        rule(places.is_empty(), || "the ledger has records of nobody".into())?;
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
