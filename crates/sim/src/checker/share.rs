//! What may wait for one shard: no more than a part of what is free, and no less.

use alloc::format;

use headwaters_engine::wire::HashKey;
use headwaters_engine::{Bounds, ShardShare, ShardStats};

use super::{Checked, Checker, rule};

/// How often shards are looked at: once in so many waits.
const LOOKS: u32 = 16;

/// So many open records are gone through each time; where there are more, once for so many records that were accepted.
const OPEN_MAX: u64 = 1_000;

/// A record that could not wait for its shard.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted {
    /// The room that it takes.
    need: u64,
    slot: usize,
}

impl Checker {
    /// The engine has something to say, or to find out.
    pub(crate) const fn stirred(&mut self) {
        self.is_drained = false;
    }

    /// What the engine says of each shard adds up. It is looked at now and then, for there may be many.
    pub(crate) fn check_shards(
        &mut self,
        shards: impl Iterator<Item = ShardStats>,
        held: u64,
    ) -> Checked {
        self.looks = self.looks.wrapping_add(1);
        if !self.looks.is_multiple_of(LOOKS) {
            return Ok(());
        }
        let mut waiting = 0;
        for shard in shards {
            let answered = shard.stored + shard.throttled + shard.failed;
            rule(answered <= shard.entries, || format!("more was answered than sent: {shard:?}"))?;
            waiting += shard.bytes_waiting;
        }
        rule(waiting <= held, || format!("{waiting} bytes wait, of {held} that are held"))
    }

    /// Whether to go through all open records.
    const fn goes_through(&self) -> bool {
        self.open() <= OPEN_MAX || self.accepted.is_multiple_of(OPEN_MAX)
    }

    fn share_percent(&self) -> Option<u64> {
        match self.config.shard_share() {
            ShardShare::Percent(percent) => Some(percent.into()),
            _ => None,
        }
    }

    /// Where a record waits, if what waits there has a bound at all.
    fn shared_slot(&self, key: HashKey) -> Option<usize> {
        let is_one_of_many = self.map.exists() && !self.map.is_scattered() && self.map.len() > 1;
        is_one_of_many.then(|| self.map.slot(key))
    }

    fn free(&self, held: u64) -> u64 {
        (self.room.bounds.bytes as u64).saturating_sub(held)
    }

    /// Bytes that certainly wait for this shard: what never left.
    fn certainly_waits(&self, slot: usize) -> u64 {
        let open = self.records.open().filter(|record| record.sends == 0);
        let here = open.filter(|record| self.map.slot(record.hash_key) == slot);
        here.map(|record| record.size + Bounds::RECORD_OVERHEAD as u64).sum()
    }

    /// Bytes that may wait for this shard: all that is not on the way, and after a reshard also what is packed with
    /// something that belongs there.
    fn perhaps_waits(&self, slot: usize) -> u64 {
        let has_resharded = self.map.generation > 1;
        let open = self.records.open().filter(|record| match record.in_flight {
            // It may have come back, and nobody told.
            Some(_) => !self.is_drained,
            None => true,
        });
        let here = open.filter(|record| {
            self.map.slot(record.hash_key) == slot || has_resharded && record.sends > 0
        });
        here.map(|record| record.size + Bounds::RECORD_OVERHEAD as u64).sum()
    }

    /// A record was accepted, and now so much is held.
    pub(crate) fn accepted_share(&mut self, number: usize, held: u64) -> Checked {
        let record = &self.records[number];
        let need = record.size + Bounds::RECORD_OVERHEAD as u64;
        let free = self.free(held - record.size - self.overhead() as u64);
        let Some(percent) = self.share_percent() else { return Ok(()) };
        if held * 100 <= free * percent || !self.is_drained || !self.goes_through() {
            return Ok(());
        }
        let Some(slot) = self.shared_slot(record.hash_key) else { return Ok(()) };
        let waits = self.certainly_waits(slot);
        self.sometimes.share_left_to_others += u64::from(waits < held / 2);
        rule(waits == need || waits * 100 <= free * percent, || {
            format!("record {number} was accepted while {waits} bytes wait, and {free} are free")
        })
    }

    /// A record of so many bytes was refused because too much waits for its shard.
    pub(super) fn refused_share(&mut self, key: HashKey, size: usize, held: u64) -> Checked {
        self.sometimes.share_refused += 1;
        let need = (size + Bounds::RECORD_OVERHEAD) as u64;
        let free = self.free(held);
        let slot = self.shared_slot(key);
        if !self.goes_through() {
            self.wants_share = slot.map(|slot| Wanted { slot, need });
            return Ok(());
        }
        let waits = slot.map(|slot| self.perhaps_waits(slot));
        self.wants_share = slot.map(|slot| Wanted { slot, need });
        let percent = self.share_percent().unwrap_or(u64::MAX);
        rule(waits.is_some_and(|waits| waits > 0 && (waits + need) * 100 > free * percent), || {
            format!("{size} bytes were refused while {waits:?} wait, and {free} are free")
        })
    }

    /// Who was refused hears of it as soon as the record may wait.
    pub(super) fn check_share(&self, held: u64) -> Checked {
        let (Some(Wanted { slot, need }), Some(percent)) = (self.wants_share, self.share_percent())
        else {
            return Ok(());
        };
        if !self.goes_through() {
            return Ok(());
        }
        let (waits, free) = (self.perhaps_waits(slot), self.free(held));
        rule(!self.closes && waits > 0 && (waits + need) * 100 > free * percent, || {
            format!("who waits for room for a shard was not told: {waits} wait, {free} are free")
        })
    }
}
