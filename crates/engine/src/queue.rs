use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::iter::once_with;

/// A queue whose memory follows its length: it grows and shrinks piece by piece, so that there is neither room for twice as
/// many as are in it, nor any that it keeps after a burst. Queues share the pieces that are empty.
#[derive(Debug)]
pub(crate) struct Queue<T> {
    /// Only empty if all is.
    first: VecDeque<T>,
    /// The pieces behind it, none of them empty.
    rest: VecDeque<VecDeque<T>>,
    len: usize,
}

/// How many are in a piece: its cost is shared by so many, and there is room for fewer than two pieces that is not used.
const PIECE: usize = 32;

/// Pieces that are empty, and kept for what comes next: where records come and go all the time none is given back to be
/// taken again.
#[derive(Debug)]
pub(crate) struct Pieces<T>(Vec<VecDeque<T>>);

/// Most of them: 8 KiB if what lies in them is as large as a record.
const PIECES_MAX: usize = 2;

impl<T> Pieces<T> {
    pub(crate) const fn new() -> Self {
        Self(Vec::new())
    }

    fn take(&mut self) -> VecDeque<T> {
        self.0.pop().unwrap_or_else(|| VecDeque::with_capacity(PIECE))
    }

    fn keep(&mut self, piece: VecDeque<T>) {
        debug_assert!(piece.is_empty(), "only what is empty is kept");
        // The first piece of a queue can be one that has just begun to grow.
        if piece.capacity() >= PIECE && self.0.len() < PIECES_MAX {
            self.0.push(piece);
        }
    }

    /// Bytes of memory that they take.
    pub(crate) fn memory(&self) -> usize {
        let room = self.0.iter().map(VecDeque::capacity).sum::<usize>();
        room * size_of::<T>() + self.0.capacity() * size_of::<VecDeque<T>>()
    }
}

impl<T> Queue<T> {
    pub(crate) const fn new() -> Self {
        Self { first: VecDeque::new(), rest: VecDeque::new(), len: 0 }
    }

    /// Adds what `make` makes where it belongs. Room first, then the value: so it is built there, while `push_back` would
    /// have it built, kept for the case that there is no room, and copied.
    #[inline(always)]
    pub(crate) fn push_with(&mut self, pieces: &mut Pieces<T>, make: impl FnOnce() -> T) {
        let last = match self.rest.back_mut() {
            Some(last) if last.len() < PIECE => last,
            None if self.first.len() < PIECE => &mut self.first,
            _ => self.add_piece(pieces.take()),
        };
        last.extend(once_with(make));
        self.len += 1;
    }

    #[inline(never)]
    fn add_piece(&mut self, piece: VecDeque<T>) -> &mut VecDeque<T> {
        self.rest.push_back(piece);
        let last = self.rest.len() - 1;
        &mut self.rest[last]
    }

    #[inline(always)]
    pub(crate) fn pop_front(&mut self, pieces: &mut Pieces<T>) -> Option<T> {
        if self.first.len() == 1 {
            return self.pop_last_of_piece(pieces);
        }
        let value = self.first.pop_front()?;
        self.len -= 1;
        Some(value)
    }

    #[inline(never)]
    fn pop_last_of_piece(&mut self, pieces: &mut Pieces<T>) -> Option<T> {
        let value = self.first.pop_front()?;
        self.len -= 1;
        if let Some(next) = self.rest.pop_front() {
            pieces.keep(core::mem::replace(&mut self.first, next));
        }
        Some(value)
    }

    #[inline(always)]
    pub(crate) fn front(&self) -> Option<&T> {
        self.first.front()
    }

    #[inline(always)]
    pub(crate) fn back(&self) -> Option<&T> {
        self.rest.back().unwrap_or(&self.first).back()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> + Clone {
        self.first.iter().chain(self.rest.iter().flatten())
    }

    #[inline(always)]
    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    #[inline(always)]
    pub(crate) const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Gives back what memory it can, if it is empty.
    pub(crate) fn shrink(&mut self, pieces: &mut Pieces<T>) {
        if self.is_empty() {
            pieces.keep(core::mem::take(&mut self.first));
            self.rest = VecDeque::new();
        }
    }

    /// Bytes of memory that it takes, without what is behind its values.
    pub(crate) fn memory(&self) -> usize {
        let room = self.first.capacity() + self.rest.iter().map(VecDeque::capacity).sum::<usize>();
        room * size_of::<T>() + self.rest.capacity() * size_of::<VecDeque<T>>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    #[test]
    fn first_in_first_out_in_little_more_room_than_it_needs() {
        let (mut queue, mut pieces) = (Queue::new(), Pieces::new());
        let (mut put, mut taken) = (0_u64, 0);
        // Bursts that grow and shrink.
        for burst in (0..20).chain((0..20).rev()) {
            for _ in 0..burst * 17 {
                queue.push_with(&mut pieces, || put);
                put += 1;
            }
            assert_eq!(queue.len() as u64, put - taken);
            assert_eq!(queue.iter().copied().collect::<Vec<_>>(), (taken..put).collect::<Vec<_>>());
            assert!(queue.memory() <= (queue.len() + 2 * PIECE) * 8 + queue.rest.capacity() * 32);
            for _ in 0..burst * 16 {
                assert_eq!(queue.front(), Some(&taken));
                assert_eq!(queue.back(), Some(&(put - 1)));
                assert_eq!(queue.pop_front(&mut pieces), Some(taken));
                taken += 1;
            }
        }
        while let Some(value) = queue.pop_front(&mut pieces) {
            assert_eq!(value, taken);
            taken += 1;
        }
        assert!(queue.is_empty() && taken == put && queue.rest.is_empty());
    }
}
