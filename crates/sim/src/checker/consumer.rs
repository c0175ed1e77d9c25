//! What consumers get: everything that is in the service's ledger, read as the Kinesis Client Library does.

use alloc::format;
use alloc::vec::Vec;

use headwaters_engine::wire::aggregate::{Decoded, decode};
use headwaters_engine::wire::{SequenceNumber, ShardId};
use headwaters_model::{Stored, Stream};

use super::{Checked, Checker, label, rule};

/// A consumer of the stream: gives each copy of a record that it gets to `note`, with the number of its producer, its own,
/// the place where it is stored, and whether applications see it.
///
/// # Errors
/// What `note` says, or that there is something in the ledger that nobody has put there.
pub(crate) fn consume(
    ledger: Vec<Stored>,
    service: &Stream,
    mut note: impl FnMut(u32, usize, u64, bool) -> Checked,
) -> Checked {
    for Stored { entry, placement, .. } in ledger {
        let place = place(&placement.shard, &placement.sequence_number);
        let mut note = |data: Option<&[u8]>, is_visible| {
            let label = data.and_then(label);
            let (producer, number) = label.ok_or("the ledger has a record of nobody")?;
            note(producer, number, place, is_visible)
        };
        match decode(entry.data) {
            Decoded::Plain(data) => note(Some(&data), true)?,
            Decoded::Aggregate(aggregate) => {
                let shard = service.shard(&placement.shard);
                let shard = shard.ok_or("the ledger has a shard of nobody")?;
                let view = aggregate.as_kcl(shard.range());
                rule(view.broken.is_empty(), || "the ledger has a broken aggregate".into())?;
                for (members, is_visible) in [(&view.delivered, true), (&view.dropped, false)] {
                    for member in members {
                        let member = member.to_entry().ok();
                        note(member.as_ref().map(|entry| &*entry.data), is_visible)?;
                    }
                }
            }
        }
    }
    Ok(())
}

/// Of the 56 digits of a sequence number the last 16 tell those of one world apart.
const DIGITS_SKIPPED: usize = 40;

/// A short name of a place: shards have few numbers, and sequence numbers end in those that count.
pub(super) fn place(shard: &ShardId, number: &SequenceNumber) -> u64 {
    let digits = number.as_str().bytes();
    let last = digits.skip(DIGITS_SKIPPED);
    let number = last.fold(0, |number: u64, digit| number * 10 + u64::from(digit - b'0'));
    number ^ shard.number().unwrap_or(0) << 40
}

impl Checker {
    /// A consumer has got a copy of a record.
    pub(crate) fn consumed(&mut self, number: usize, place: u64, is_visible: bool) -> Checked {
        rule(number < self.records.len(), || format!("a consumer got record {number}"))?;
        self.records.consumed(number, place, is_visible)
    }
}
