use alloc::collections::VecDeque;
use alloc::collections::vec_deque::Drain;
use alloc::vec::Vec;
use core::iter::once_with;

/// A queue whose memory follows its length: it grows and shrinks piece by piece, so that there is neither room for twice as
/// many as are in it, nor any that it keeps after a burst. Queues share the pieces that are empty.
#[derive(Debug)]
pub(crate) struct Queue<T> {
    /// Where it is taken from. Only empty if all is.
    first: VecDeque<T>,
    /// The pieces behind it, all of them full.
    rest: VecDeque<Vec<T>>,
    /// The piece behind those, to which it is added.
    last: Vec<T>,
    len: usize,
}

/// How many are in a piece: its cost is shared by so many, and there is room for fewer than two pieces that is not used.
const PIECE: usize = 32;

/// Pieces that are empty, and kept for what comes next: where records come and go all the time none is given back to be
/// taken again.
#[derive(Debug)]
pub(crate) struct Pieces<T>(Vec<Vec<T>>);

/// Most of them: 8 KiB if what lies in them is as large as a record.
const PIECES_MAX: usize = 2;

impl<T> Pieces<T> {
    pub(crate) const fn new() -> Self {
        Self(Vec::new())
    }

    fn take(&mut self) -> Vec<T> {
        self.0.pop().unwrap_or_else(|| Vec::with_capacity(PIECE))
    }

    fn keep(&mut self, piece: VecDeque<T>) {
        debug_assert!(piece.is_empty(), "only what is empty is kept");
        // The first piece of a queue can be one that has just begun to grow.
        if piece.capacity() < PIECE {
            return;
        }
        // The last ones: what was taken last mostly lies last in the heap, and as long as it is kept the allocator does not
        // give the end of the heap back, page by page, to take it again with the next burst.
        if self.0.len() == PIECES_MAX {
            self.0.remove(0);
        }
        self.0.push(piece.into());
    }

    /// Bytes of memory that they take.
    pub(crate) fn memory(&self) -> usize {
        let room = self.0.iter().map(Vec::capacity).sum::<usize>();
        room * size_of::<T>() + self.0.capacity() * size_of::<Vec<T>>()
    }
}

impl<T> Queue<T> {
    pub(crate) const fn new() -> Self {
        Self { first: VecDeque::new(), rest: VecDeque::new(), last: Vec::new(), len: 0 }
    }

    /// Adds what `make` makes, where it belongs.
    #[inline(always)]
    pub(crate) fn push_with(&mut self, pieces: &mut Pieces<T>, make: impl FnOnce() -> T) {
        self.len += 1;
        if self.len == 1 {
            return self.first.extend(once_with(make));
        }
        if self.last.len() == self.last.capacity() {
            self.begin_piece(pieces.take());
        }
        push_with(&mut self.last, make);
    }

    #[inline(never)]
    fn begin_piece(&mut self, piece: Vec<T>) {
        let full = core::mem::replace(&mut self.last, piece);
        if !full.is_empty() {
            self.rest.push_back(full);
        }
    }

    pub(crate) fn pop_front(&mut self, pieces: &mut Pieces<T>) -> Option<T> {
        let value = self.first.pop_front()?;
        self.len -= 1;
        self.next_piece(pieces);
        Some(value)
    }

    /// What is taken next, as far as it lies in one piece; something, unless all is empty.
    #[inline(always)]
    pub(crate) fn run(&self) -> &[T] {
        self.first.as_slices().0
    }

    /// Takes the first `count` values of a [`run`](Self::run): lets `take` have them.
    #[inline(always)]
    pub(crate) fn take_run(
        &mut self,
        count: usize,
        pieces: &mut Pieces<T>,
        take: impl FnOnce(Drain<'_, T>),
    ) {
        self.len -= count;
        take(self.first.drain(..count));
        self.next_piece(pieces);
    }

    /// Goes on with the next piece, if one was used up.
    fn next_piece(&mut self, pieces: &mut Pieces<T>) {
        if self.first.is_empty() && self.len > 0 {
            let next = self.rest.pop_front().unwrap_or_else(|| core::mem::take(&mut self.last));
            pieces.keep(core::mem::replace(&mut self.first, next.into()));
        }
    }

    #[inline(always)]
    pub(crate) fn front(&self) -> Option<&T> {
        self.first.front()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> + Clone {
        self.first.iter().chain(self.rest.iter().flatten()).chain(&self.last)
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
        let behind = self.rest.iter().map(Vec::capacity).sum::<usize>();
        let room = self.first.capacity() + behind + self.last.capacity();
        room * size_of::<T>() + self.rest.capacity() * size_of::<Vec<T>>()
    }
}

/// Pushes what `make` makes. The room is made first, so that nothing can fail once there is a value: so it is built
/// where it belongs, while [`Vec::push`] would have it built, kept for the case of failure, and copied.
#[inline(always)]
pub(crate) fn push_with<T>(to: &mut Vec<T>, make: impl FnOnce() -> T) {
    to.extend(once_with(make));
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
            assert!(queue.memory() <= (queue.len() + 2 * PIECE) * 8 + queue.rest.capacity() * 24);
            for _ in 0..burst * 16 {
                assert_eq!(queue.front(), Some(&taken));
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
