use alloc::sync::Arc;
use core::sync::atomic::{AtomicU8, Ordering};

use headwaters_engine::Sent;

/// How far a request got, shared between the adapter that sends it and whoever may cancel it.
///
/// As long as an adapter says nothing, everything may have been sent: silence is never taken for "not
/// sent". An adapter that can tell says [`hold`](Self::hold) when it takes the request on, and
/// [`leave`](Self::leave) *before* it hands over the first byte.
#[derive(Clone, Debug, Default)]
pub struct Departure(Arc<AtomicU8>);

const UNKNOWN: u8 = 0;
const HELD: u8 = 1;
const LEFT: u8 = 2;

impl Departure {
    /// Nothing has been sent yet, and [`leave`](Self::leave) will be called before anything is. Has no
    /// effect once that has happened.
    pub fn hold(&self) {
        let _ = self.0.compare_exchange(UNKNOWN, HELD, Ordering::AcqRel, Ordering::Acquire);
    }

    /// From now on something may have been sent.
    pub fn leave(&self) {
        self.0.store(LEFT, Ordering::Release);
    }

    /// What is known, to be asked once the request's future is gone.
    pub fn sent(&self) -> Sent {
        if self.0.load(Ordering::Acquire) == HELD { Sent::No } else { Sent::Unknown }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_is_not_taken_for_not_sent() {
        let departure = Departure::default();
        assert_eq!(departure.sent(), Sent::Unknown);
        departure.clone().hold();
        assert_eq!(departure.sent(), Sent::No);
        departure.leave();
        assert_eq!(departure.sent(), Sent::Unknown);
        departure.hold();
        assert_eq!(departure.sent(), Sent::Unknown, "what has left has left");
    }
}
