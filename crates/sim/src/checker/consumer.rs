//! What consumers get: everything that is in the service's ledger, read as the Kinesis Client Library does.

use alloc::format;
use alloc::vec::Vec;

use headwaters_engine::wire::aggregate::{Decoded, decode};
use headwaters_engine::wire::{SequenceNumber, ShardId};
use headwaters_model::{Stored, Stream};

use super::{Checked, Checker, rule};
use crate::application::whose;

/// A consumer of the stream: tells the checker of each producer which copies of its records there are, where, and whether
/// applications see them.
///
/// # Errors
/// What a checker says, or that there is something in the ledger that nobody has put there.
pub(crate) fn consume(
    ledger: Vec<Stored>,
    service: &Stream,
    checkers: &mut [&mut Checker],
) -> Checked {
    for Stored { entry, placement, .. } in ledger {
        let place = place(&placement.shard, &placement.sequence_number);
        let shard = service.shard(&placement.shard).ok_or("the ledger has a shard of nobody")?;
        let mut known = checkers.iter_mut().enumerate();
        let known = known.find_map(|(at, checker)| Some((at, checker.opened.take(&entry.data)?)));
        if let Some((producer, contents)) = known {
            let is_visible = contents.is_visible(shard.range());
            for number in contents.numbers {
                consumed(checkers, (producer, number), place, is_visible)?;
            }
            continue;
        }
        let mut note = |data: Option<&[u8]>, is_visible| {
            let label = data.and_then(whose);
            let (producer, number) = label.ok_or("the ledger has a record of nobody")?;
            consumed(checkers, (producer as usize, number), place, is_visible)
        };
        match decode(entry.data) {
            Decoded::Plain(data) => note(Some(&data), true)?,
            Decoded::Aggregate(aggregate) => {
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

/// A consumer has got a copy of a record of a producer.
fn consumed(
    checkers: &mut [&mut Checker],
    (producer, number): (usize, usize),
    place: u64,
    is_visible: bool,
) -> Checked {
    let checker = checkers.get_mut(producer).ok_or("the ledger has a record of no producer")?;
    rule(number < checker.records.len(), || format!("a consumer got record {number}"))
        .and_then(|()| checker.records.consumed(number, place, is_visible))
        .map_err(|broken| format!("producer {producer}: {broken}"))
}

/// Of the 56 digits of a sequence number the last 16 tell those of one world apart.
const DIGITS: usize = 16;

/// A short name of a place: shards have few numbers, and sequence numbers end in those that count.
pub(super) fn place(shard: &ShardId, number: &SequenceNumber) -> u64 {
    let digits = number.as_bytes().last_chunk().map_or(0, |last: &[u8; DIGITS]| {
        // A digit is in the lower half of its byte: two of them fill one.
        let halves = u128::from_be_bytes(*last) & (u128::MAX / 0x11);
        (halves >> 60) as u64 | halves as u64
    });
    digits ^ shard.number().unwrap_or(0) << 40
}
