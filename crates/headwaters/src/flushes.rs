use core::task::{Poll, Waker};

use headwaters_engine::FlushId;

/// The flushes that somebody waits for. There are few.
#[derive(Debug, Default)]
pub(crate) struct Flushes {
    flushes: Vec<Flush>,
    next: u64,
}

#[derive(Debug)]
struct Flush {
    id: FlushId,
    /// How many records it left, once it is over.
    left: Option<u64>,
    waker: Option<Waker>,
}

impl Flushes {
    pub(crate) fn start(&mut self) -> FlushId {
        let id = self.unheard();
        self.flushes.push(Flush { id, left: None, waker: None });
        id
    }

    /// A name for a flush that nobody waits for.
    pub(crate) fn unheard(&mut self) -> FlushId {
        let id = FlushId(self.next);
        self.next += 1;
        id
    }

    /// Notes that a flush is over; who waits for it.
    pub(crate) fn finish(&mut self, id: FlushId, left: u64) -> Option<Waker> {
        let flush = self.flushes.iter_mut().find(|flush| flush.id == id)?;
        flush.left = Some(left);
        flush.waker.take()
    }

    /// Notes that all are over, for nothing is left.
    pub(crate) fn finish_all(&mut self) -> impl Iterator<Item = Waker> {
        self.flushes.iter_mut().filter_map(|flush| {
            flush.left.get_or_insert(0);
            flush.waker.take()
        })
    }

    /// How many records a flush left, once it is over; else keeps the waker, and lays an older one into `spare`, to
    /// be dropped without the lock.
    pub(crate) fn poll(
        &mut self,
        id: FlushId,
        waker: &Waker,
        spare: &mut Option<Waker>,
    ) -> Poll<u64> {
        match self.flushes.iter_mut().find(|flush| flush.id == id) {
            Some(flush) => match flush.left {
                Some(left) => Poll::Ready(left),
                None => {
                    *spare = flush.waker.replace(waker.clone());
                    Poll::Pending
                }
            },
            None => Poll::Ready(0),
        }
    }

    /// Nobody waits for it any more.
    #[must_use = "a waker is dropped without the lock: that may run anything"]
    pub(crate) fn forget(&mut self, id: FlushId) -> Option<Waker> {
        let at = self.flushes.iter().position(|flush| flush.id == id)?;
        self.flushes.swap_remove(at).waker
    }
}
