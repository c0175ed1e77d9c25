use core::mem;
use core::task::Waker;

use headwaters_engine::Instant;

/// Who wants to be woken at a time: calls with a deadline that the engine does not keep for them. There are few.
#[derive(Debug, Default)]
pub(crate) struct Alarms {
    alarms: Vec<(AlarmId, Instant, Waker)>,
    next: u64,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct AlarmId(u64);

impl Alarms {
    /// Sets an alarm, or sets it anew; returns the waker that is not needed any more.
    #[must_use = "a waker is dropped without the lock: that may run anything"]
    pub(crate) fn set(
        &mut self,
        id: &mut Option<AlarmId>,
        at: Instant,
        waker: &Waker,
    ) -> Option<Waker> {
        let mine = |(other, ..): &&mut (AlarmId, Instant, Waker)| Some(*other) == *id;
        match self.alarms.iter_mut().find(mine) {
            Some((_, _, same)) if same.will_wake(waker) => None,
            Some((_, _, other)) => Some(mem::replace(other, waker.clone())),
            None => {
                let new = AlarmId(self.next);
                self.next += 1;
                *id = Some(new);
                self.alarms.push((new, at, waker.clone()));
                None
            }
        }
    }

    /// Takes an alarm back.
    #[must_use = "a waker is dropped without the lock: that may run anything"]
    pub(crate) fn unset(&mut self, id: Option<AlarmId>) -> Option<Waker> {
        let at = self.alarms.iter().position(|(other, ..)| Some(*other) == id)?;
        Some(self.alarms.swap_remove(at).2)
    }

    /// Takes those whose time has come.
    pub(crate) fn ring(&mut self, now: Instant) -> impl Iterator<Item = Waker> {
        self.alarms.extract_if(.., move |(_, at, _)| *at <= now).map(|(_, _, waker)| waker)
    }

    /// When the next one rings.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.alarms.iter().map(|(_, at, _)| *at).min()
    }
}
