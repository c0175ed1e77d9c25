use core::sync::atomic::{AtomicI64, Ordering};
use core::time::Duration;
use std::time::SystemTime;

use crate::date::{Date, unix_seconds};
use crate::time::WallClock;

/// The time of day as the server sees it: that of this machine, and how far it is off.
pub(crate) struct ServerTime {
    clock: WallClock,
    /// Seconds to add.
    offset: AtomicI64,
    /// Seconds by which the last answer's time was ahead of ours; [`UNSEEN`] before the first.
    seen: AtomicI64,
}

/// How far a clock may be off without being put right. The service takes five minutes. Source: the AWS SDKs.
const TOLERANCE: Duration = Duration::from_secs(240);

/// No answer has said what time it is.
const UNSEEN: i64 = i64::MIN;

impl ServerTime {
    pub(crate) const fn new(clock: WallClock) -> Self {
        Self { clock, offset: AtomicI64::new(0), seen: AtomicI64::new(UNSEEN) }
    }

    /// This machine's clock.
    pub(crate) const fn clock(&self) -> &WallClock {
        &self.clock
    }

    /// What this machine's clock says.
    fn local(&self) -> SystemTime {
        (self.clock)()
    }

    /// What a signature should say, and how many seconds were added for it.
    pub(crate) fn date(&self) -> (Date, i64) {
        let offset = self.offset.load(Ordering::Relaxed);
        (Date::from_unix(unix_seconds(self.local()) + offset), offset)
    }

    /// An answer said what time it is.
    pub(crate) fn see(&self, date: Option<&str>) {
        if let Some(server) = date.and_then(Date::parse_http) {
            self.seen.store(server - unix_seconds(self.local()), Ordering::Relaxed);
        }
    }

    /// By how many seconds the last answer's time was ahead of this machine's.
    pub(crate) fn seen(&self) -> Option<i64> {
        Some(self.seen.load(Ordering::Relaxed)).filter(|seen| *seen != UNSEEN)
    }

    /// The service refused a signature for which so many seconds were `added`, and said what time it is: from now on its time
    /// is taken, if what was signed was too far from it. Whether it was. Another request may have learned the same meanwhile.
    pub(crate) fn learn(&self, added: i64, date: Option<&str>) -> bool {
        let Some(server) = date.and_then(Date::parse_http) else { return false };
        let offset = server - unix_seconds(self.local());
        let is_off = offset.abs_diff(added) > TOLERANCE.as_secs();
        if is_off {
            self.offset.store(offset, Ordering::Relaxed);
        }
        is_off
    }
}

impl core::fmt::Debug for ServerTime {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let offset = self.offset.load(Ordering::Relaxed);
        f.debug_struct("ServerTime").field("offset", &offset).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn a_clock_that_is_off_is_put_right() {
        let start = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        let time = ServerTime::new(Arc::new(move || start));
        let learn = |date: &str| time.learn(time.date().1, Some(date));
        let signed = || time.date().0.to_string();
        assert_eq!(time.seen(), None);
        time.see(Some("Sun, 06 Nov 1994 08:49:27 GMT"));
        time.see(Some("nonsense"));
        assert_eq!(time.seen(), Some(-10));
        assert!(!learn("Sun, 06 Nov 1994 08:53:37 GMT"), "four minutes do no harm");
        assert_eq!(signed(), "19941106T084937Z");
        assert!(learn("Sun, 06 Nov 1994 09:49:37 GMT"));
        assert_eq!(signed(), "19941106T094937Z");
        assert!(!learn("Sun, 06 Nov 1994 09:49:38 GMT"), "it is right now");
        let late = time.learn(0, Some("Sun, 06 Nov 1994 09:49:38 GMT"));
        assert!(late, "another request was signed before it was put right");
        // This machine's clock was put right meanwhile.
        assert!(learn("Sun, 06 Nov 1994 08:49:37 GMT"));
        assert_eq!(signed(), "19941106T084937Z");
        assert!(!learn("nonsense"));
        assert!(!time.learn(0, None));
    }
}
