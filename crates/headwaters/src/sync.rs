//! The one lock there is: the standard library's, or in tests of the hand-over one whose threads shuttle
//! interleaves.

#[cfg(shuttle)]
pub(crate) use shuttle::sync::{Mutex, MutexGuard};
use std::sync::PoisonError;
#[cfg(not(shuttle))]
pub(crate) use std::sync::{Mutex, MutexGuard};

/// Locks. A panic while it was locked leaves what it guards consistent enough to go on: an engine is never left
/// in the middle of a call by anything but its own bug.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
