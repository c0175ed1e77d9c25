//! What may wait for one shard: no more than a part of what is free, and no less.

use alloc::format;
use alloc::vec::Vec;

use headwaters_engine::wire::HashKey;
use headwaters_engine::{Bounds, ShardShare, ShardStats};

use super::record::Record;
use super::{Checked, Checker, rule};

/// How often shards are looked at: once in so many waits.
const LOOKS: u32 = 16;

/// How much room the open records of each shard take, by its place in the map.
#[derive(Debug, Default)]
pub(super) struct Shards(Vec<Weights>);

/// What takes it.
#[derive(Clone, Copy, Debug, Default)]
struct Weights {
    /// What never left.
    new: u64,
    in_flight: u64,
    /// What came back, or is packed with something that did.
    back: u64,
}

impl Shards {
    /// A record is open, and is where it says.
    pub(super) fn add(&mut self, slot: usize, record: &Record) {
        if self.0.len() <= slot {
            self.0.resize(slot + 1, Weights::default());
        }
        *self.0[slot].of(record) += room(record);
    }

    /// A record is about to be elsewhere.
    pub(super) fn remove(&mut self, slot: usize, record: &Record) {
        *self.0[slot].of(record) -= room(record);
    }

    /// A record comes back.
    pub(super) fn land(&mut self, slot: usize, record: &mut Record) {
        self.remove(slot, record);
        record.in_flight = None;
        self.add(slot, record);
    }
}

impl Weights {
    const fn of(&mut self, record: &Record) -> &mut u64 {
        match (record.in_flight, record.sends) {
            (Some(_), _) => &mut self.in_flight,
            (None, 0) => &mut self.new,
            (None, _) => &mut self.back,
        }
    }
}

const fn room(record: &Record) -> u64 {
    record.size + Bounds::RECORD_OVERHEAD as u64
}

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

    /// Bytes that may wait for this shard: all that is not on the way, and after a reshard also what is packed with
    /// something that belongs there.
    fn perhaps_waits(&self, slot: usize) -> u64 {
        let has_resharded = self.map.generation > 1;
        let sum = |of: &Weights| {
            // What is in flight may have come back, and nobody told.
            of.back + if self.is_drained { 0 } else { of.in_flight }
        };
        let sent = match self.shards.0.get(slot) {
            _ if has_resharded => self.shards.0.iter().map(sum).sum(),
            of => of.map_or(0, sum),
        };
        self.certainly_waits(slot) + sent
    }

    /// Bytes that certainly wait for this shard: what never left.
    fn certainly_waits(&self, slot: usize) -> u64 {
        self.shards.0.get(slot).map_or(0, |of| of.new)
    }

    /// Shards have other places: all open records are weighed again.
    pub(super) fn weigh_again(&mut self) {
        self.shards.0.clear();
        for record in self.records.open() {
            self.shards.add(self.map.slot(record.hash_key), record);
        }
    }

    /// A record was accepted, and now so much is held.
    pub(crate) fn accepted_share(&mut self, number: usize, held: u64) -> Checked {
        let record = &self.records[number];
        let need = room(record);
        let free = self.free(held - record.size - self.overhead() as u64);
        let Some(percent) = self.share_percent() else { return Ok(()) };
        if held * 100 <= free * percent || !self.is_drained {
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
        let waits = slot.map(|slot| self.perhaps_waits(slot));
        self.wants_share = slot.map(|slot| Wanted { slot, need });
        let percent = self.share_percent().unwrap_or(u64::MAX);
        if waits.is_none() && !self.is_drained {
            // An answer shows that the stream distributes by itself, and the engine has not read it yet.
            return Ok(());
        }
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
        let (waits, free) = (self.perhaps_waits(slot), self.free(held));
        rule(!self.closes && waits > 0 && (waits + need) * 100 > free * percent, || {
            format!("who waits for room for a shard was not told: {waits} wait, {free} are free")
        })
    }
}
