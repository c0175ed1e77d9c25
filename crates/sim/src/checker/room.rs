//! How much is held, against what may be.

use alloc::format;

use headwaters_engine::{Bounds, Order, Refused, RefusedReason, Stats};

use super::figures::ended;
use super::{Checked, Checker, rule};

/// What may be held, and who waits for room.
#[derive(Debug)]
pub(super) struct Room {
    pub(super) bounds: Bounds,
    /// Bytes and records that were held at the last wait, if that was more than there may be: what was accepted stays.
    over: (u64, u64),
    /// Somebody was refused for want of room, and was not told since that there is some.
    refused: Option<Waiter>,
}

#[derive(Debug)]
struct Waiter {
    /// How many records the engine had ended.
    ended: u64,
    /// Whether there may be more room since.
    is_resized: bool,
}

impl Room {
    pub(super) const fn new(bounds: Bounds) -> Self {
        Self { bounds, over: (0, 0), refused: None }
    }
}

impl Checker {
    /// A record was refused.
    pub(crate) fn refused(&mut self, refused: &Refused, stats: &Stats) -> Checked {
        let Refused { reason, record, .. } = refused;
        let size = record.size();
        self.was_refused = true;
        self.figures.refused += 1;
        if *reason == RefusedReason::ShardFull {
            return self.refused_share(record.hash_key(), size, stats.bytes_held);
        }
        if *reason != RefusedReason::Full {
            return Ok(());
        }
        self.room.refused = Some(Waiter { ended: ended(stats), is_resized: false });
        let needed = stats.bytes_held + (size + self.overhead()) as u64;
        let Bounds { bytes, records } = self.room.bounds;
        rule(self.open() >= records as u64 || needed > bytes as u64, || {
            format!("{size} bytes were refused, and there is room: {stats:?}")
        })
    }

    /// What each record takes beside its bytes.
    pub(super) fn overhead(&self) -> usize {
        let is_ordered = self.config.order() == Order::PerPartitionKey;
        Bounds::RECORD_OVERHEAD + if is_ordered { Bounds::ORDER_OVERHEAD } else { 0 }
    }

    /// Who was refused hears that there is room.
    pub(crate) fn room_available(&mut self) {
        self.wants_share = None;
        let told = self.room.refused.take();
        self.sometimes.resized_for_refused += u64::from(told.is_some_and(|told| told.is_resized));
    }

    /// More or less may be held from now on.
    pub(crate) fn resized(&mut self, bounds: Bounds, stats: &Stats) {
        self.room.bounds = bounds;
        self.room.over = (stats.bytes_held, self.open());
        let is_over = self.open() > bounds.records as u64 || stats.bytes_held > bounds.bytes as u64;
        self.sometimes.resized_below_held += u64::from(is_over);
        if let Some(refused) = &mut self.room.refused {
            refused.is_resized = true;
        }
        self.note_memory();
    }

    /// Who was refused hears of room as soon as there is some, or that there will be none.
    pub(super) fn check_room(&mut self, stats: &Stats) -> Checked {
        let Bounds { bytes, records } = self.room.bounds;
        let most = (self.room.over.0.max(bytes as u64), self.room.over.1.max(records as u64));
        let held = stats.buffered + stats.in_flight;
        self.room.over = (stats.bytes_held, held);
        rule(stats.bytes_held <= most.0, || format!("{} bytes are held", stats.bytes_held))?;
        rule(held <= most.1, || format!("{held} records are held"))?;
        let Some(Waiter { ended: before, is_resized }) = self.room.refused else { return Ok(()) };
        let has_room = self.open() < records as u64 && stats.bytes_held < bytes as u64;
        let is_news = is_resized || ended(stats) > before;
        rule(!(self.closes || has_room && is_news), || "who waits for room was not told".into())
    }
}
