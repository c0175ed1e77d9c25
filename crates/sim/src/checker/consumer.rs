//! What consumers get: everything that is in the service's ledger, read as the Kinesis Client Library does.

use alloc::format;

use headwaters_engine::wire::aggregate::{Decoded, decode};
use headwaters_engine::wire::{Entry, Placement};
use headwaters_model::{Stored, Stream};

use super::{Checked, Checker, label, rule};

/// A consumer of the stream: gives each copy of a record that it gets to `note`, with the number of its producer, its own,
/// the place where it is stored, and whether applications see it.
///
/// # Errors
/// What `note` says, or that there is something in the ledger that nobody has put there.
pub(crate) fn consume(
    ledger: &[Stored],
    service: &Stream,
    mut note: impl FnMut(u32, usize, u64, bool) -> Checked,
) -> Checked {
    for Stored { entry, placement, .. } in ledger {
        let place = place(placement);
        let mut note = |entry: Option<&Entry>, is_visible| {
            let label = entry.and_then(label);
            let (producer, number) = label.ok_or("the ledger has a record of nobody")?;
            note(producer, number, place, is_visible)
        };
        match decode(entry.data.clone()) {
            Decoded::Plain(_) => note(Some(entry), true)?,
            Decoded::Aggregate(aggregate) => {
                let shard = service.shard(&placement.shard);
                let shard = shard.ok_or("the ledger has a shard of nobody")?;
                let view = aggregate.as_kcl(shard.range());
                rule(view.broken.is_empty(), || "the ledger has a broken aggregate".into())?;
                for (members, is_visible) in [(&view.delivered, true), (&view.dropped, false)] {
                    for member in members {
                        note(member.to_entry().ok().as_ref(), is_visible)?;
                    }
                }
            }
        }
    }
    Ok(())
}

/// A short name of a place: shards have few numbers, and sequence numbers end in those that count.
pub(super) fn place(placement: &Placement) -> u64 {
    let digits = placement.sequence_number.as_str().bytes();
    let number = digits
        .fold(0_u64, |number, digit| number.wrapping_mul(10).wrapping_add(u64::from(digit - b'0')));
    number ^ placement.shard.number().unwrap_or(0) << 40
}

impl Checker {
    /// A consumer has got a copy of a record.
    pub(crate) fn consumed(&mut self, number: usize, place: u64, is_visible: bool) -> Checked {
        rule(number < self.records.len(), || format!("a consumer got record {number}"))?;
        self.records.consumed(number, place, is_visible)
    }
}
