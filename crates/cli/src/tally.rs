use core::cell::Cell;

/// What became of the records so far. Every record is counted once:
/// `input = stored + not_stored + maybe_stored + handed_back + rejected +` what has no outcome yet.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Tally {
    /// Records that were read and taken on, good or bad.
    pub(crate) input: u64,
    /// Bytes of the good ones, data and partition keys together.
    pub(crate) input_bytes: u64,
    /// Empty lines that were passed over.
    pub(crate) skipped: u64,
    /// Stored, and said so by the service.
    pub(crate) stored: u64,
    /// Of those stored: they may be there twice.
    pub(crate) maybe_duplicate: u64,
    /// Not stored.
    pub(crate) not_stored: u64,
    /// Nobody knows.
    pub(crate) maybe_stored: u64,
    /// Given back unfinished because the time was up.
    pub(crate) handed_back: u64,
    /// Of those handed back: they may be stored.
    pub(crate) handed_back_maybe: u64,
    /// Bad input, never put.
    pub(crate) rejected: u64,
    /// Of those not stored or maybe stored: the service refused them for good.
    pub(crate) refused: u64,
}

impl Tally {
    /// Records that have their outcome.
    pub(crate) const fn settled(&self) -> u64 {
        self.stored + self.undelivered()
    }

    /// Records that have an outcome other than stored.
    pub(crate) const fn undelivered(&self) -> u64 {
        self.not_stored + self.maybe_stored + self.handed_back + self.rejected
    }
}

/// A tally that several parts of one task count in.
pub(crate) type SharedTally = Cell<Tally>;

/// Counts.
pub(crate) fn count(tally: &SharedTally, change: impl FnOnce(&mut Tally)) {
    let mut now = tally.get();
    change(&mut now);
    tally.set(now);
}
