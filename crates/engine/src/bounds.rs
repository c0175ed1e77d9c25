use headwaters_wire::Entry;

use crate::held::Held;
use crate::in_flight::Flight;
use crate::order::Order;

/// How much the engine may hold, from acceptance to outcome: buffered, waiting for a retry, in flight.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "the two measures there are")]
pub struct Bounds {
    /// Bytes: data, partition key and [`Bounds::RECORD_OVERHEAD`] of each record, and the attempts that are
    /// kept of those that failed. A payload that is a slice of a larger buffer counts for itself only, and small ones are
    /// copied ([`Config::copy_shared_up_to`](crate::Config::copy_shared_up_to)).
    pub bytes: usize,
    /// Records.
    pub records: usize,
}

impl Bounds {
    /// What the engine's own bookkeeping takes per record, in bytes: the record as it is held or, in a request,
    /// its entry and what is kept beside it. (A member of an aggregate takes less; it counts as much.)
    pub const RECORD_OVERHEAD: usize =
        larger(size_of::<Held>(), size_of::<Entry>() + size_of::<Flight>());

    /// What a record takes on top of it where order is kept
    /// ([`Order::PerPartitionKey`]), in bytes: in the trees of those that wait for their
    /// turn, or in that of the hash keys.
    pub const ORDER_OVERHEAD: usize = 96;

    /// What a record takes that was not tried yet, of `size` bytes of data and partition key together, in this order.
    pub const fn of_record(size: usize, order: Order) -> Self {
        Self { bytes: size + Self::RECORD_OVERHEAD + Self::overhead_of(order), records: 1 }
    }

    /// What each record takes beside [`RECORD_OVERHEAD`](Self::RECORD_OVERHEAD).
    pub(crate) const fn overhead_of(order: Order) -> usize {
        match order {
            Order::PerPartitionKey => Self::ORDER_OVERHEAD,
            Order::Unordered => 0,
        }
    }
}

const fn larger(one: usize, other: usize) -> usize {
    if one > other { one } else { other }
}

/// What is held, against what may be.
#[derive(Debug)]
pub(crate) struct Room {
    bounds: Bounds,
    bytes: usize,
    records: usize,
    /// Whether somebody was refused since room was last announced.
    wanted: bool,
    /// What each record takes beside what is said of it.
    overhead: usize,
}

/// Why there is no room.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum NoRoom {
    /// There will be some when records complete.
    Full,
    /// The record alone is larger than all the room there is.
    Never,
}

impl Room {
    pub(crate) const fn new(bounds: Bounds, overhead: usize) -> Self {
        Self { bounds, bytes: 0, records: 0, wanted: false, overhead }
    }

    /// Takes room for a record that needs so many bytes, all told.
    pub(crate) fn take(&mut self, bytes: usize) -> Result<(), NoRoom> {
        let bytes = bytes + self.overhead;
        if bytes > self.bounds.bytes {
            return Err(NoRoom::Never);
        }
        if self.records >= self.bounds.records || self.bytes + bytes > self.bounds.bytes {
            self.wanted = true;
            return Err(NoRoom::Full);
        }
        self.bytes += bytes;
        self.records += 1;
        Ok(())
    }

    /// Takes more room for a record that is held; false if there is none.
    pub(crate) const fn take_more(&mut self, bytes: usize) -> bool {
        let fits = self.bytes + bytes <= self.bounds.bytes;
        if fits {
            self.bytes += bytes;
        }
        fits
    }

    /// Gives room back.
    pub(crate) fn give_back(&mut self, bytes: usize) {
        debug_assert!(self.bytes >= bytes, "more room given back than taken");
        self.bytes -= bytes;
    }

    /// Gives back the room of records that have their outcomes.
    pub(crate) fn forget(&mut self, records: usize, bytes: usize) {
        debug_assert!(self.records >= records, "more records given back than taken");
        self.records -= records;
        self.give_back(bytes + records * self.overhead);
    }

    pub(crate) const fn set(&mut self, bounds: Bounds) {
        self.bounds = bounds;
    }

    /// Whether to announce room: once after each refusal, as soon as there is any.
    pub(crate) fn announce(&mut self) -> bool {
        let room = self.records < self.bounds.records && self.bytes < self.bounds.bytes;
        room && core::mem::take(&mut self.wanted)
    }

    /// Whether somebody waits for room, who must learn that there will be none.
    pub(crate) fn forget_wanted(&mut self) -> bool {
        core::mem::take(&mut self.wanted)
    }

    /// The largest record that fits when nothing else is held.
    pub(crate) const fn largest(&self) -> usize {
        self.bounds.bytes.saturating_sub(Bounds::RECORD_OVERHEAD + self.overhead)
    }

    /// The bytes that may be taken.
    pub(crate) const fn free(&self) -> usize {
        self.bounds.bytes.saturating_sub(self.bytes)
    }

    /// What each record takes beside what is said of it.
    pub(crate) const fn overhead(&self) -> usize {
        self.overhead
    }

    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) const fn records(&self) -> usize {
        self.records
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_measures_bound_and_room_is_announced_once_per_refusal() {
        let mut room = Room::new(Bounds { bytes: 20, records: 2 }, 0);
        assert_eq!(room.take(10), Ok(()));
        assert_eq!(room.take(11), Err(NoRoom::Full), "bytes");
        assert_eq!(room.take(9), Ok(()));
        assert_eq!(room.take(0), Err(NoRoom::Full), "records");
        assert!(!room.announce(), "there is none yet");
        assert!(room.take_more(1) && !room.take_more(1));
        room.forget(1, 11);
        assert!(room.announce());
        assert!(!room.announce(), "nobody was refused since");
    }

    #[test]
    fn what_can_never_fit_is_told_apart() {
        let mut room = Room::new(Bounds { bytes: 10, records: 1 }, 0);
        assert_eq!(room.take(11), Err(NoRoom::Never));
        assert!(!room.announce(), "waiting would not help");
    }

    /// What fits to the byte is taken, with what the order of records needs beside them.
    #[test]
    fn the_last_byte_is_there_to_be_taken() {
        let overhead = Bounds::overhead_of(Order::PerPartitionKey);
        assert_eq!((overhead, Bounds::overhead_of(Order::Unordered)), (96, 0));
        let mut room = Room::new(Bounds { bytes: 1_000, records: 9 }, overhead);
        assert_eq!(room.overhead(), 96);
        assert_eq!(room.largest(), 1_000 - 96 - Bounds::RECORD_OVERHEAD);
        assert_eq!(room.take(905), Err(NoRoom::Never));
        assert_eq!(room.take(904), Ok(()));
        assert_eq!((room.bytes(), room.records(), room.free()), (1_000, 1, 0));
        assert_eq!(room.take(0), Err(NoRoom::Full));
        assert!(!room.announce(), "bytes are lacking");
        room.forget(1, 904);
        assert_eq!((room.bytes(), room.records(), room.free()), (0, 0, 1_000));
        assert!(room.announce());
    }

    #[test]
    fn a_record_takes_what_it_takes_in_the_larger_of_its_two_states() {
        assert_eq!([larger(3, 2), larger(2, 3), larger(2, 2)], [3, 3, 2]);
        assert!(Bounds::RECORD_OVERHEAD >= size_of::<Held>());
        assert!(Bounds::RECORD_OVERHEAD >= size_of::<Entry>() + size_of::<Flight>());
    }
}
