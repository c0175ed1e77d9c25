use alloc::collections::VecDeque;
use core::iter::once_with;

/// A queue whose memory follows its length: it grows and shrinks piece by piece, so that there is neither room for twice as
/// many as are in it, nor any that is kept after a burst.
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

impl<T> Queue<T> {
    pub(crate) const fn new() -> Self {
        Self { first: VecDeque::new(), rest: VecDeque::new(), len: 0 }
    }

    /// Adds what `make` makes where it belongs. Room first, then the value: so it is built there, while `push_back` would
    /// have it built, kept for the case that there is no room, and copied.
    #[inline(always)]
    pub(crate) fn push_with(&mut self, make: impl FnOnce() -> T) {
        let last = match self.rest.back_mut() {
            Some(last) if last.len() < PIECE => last,
            None if self.first.len() < PIECE => &mut self.first,
            _ => self.add_piece(),
        };
        last.extend(once_with(make));
        self.len += 1;
    }

    #[inline(never)]
    fn add_piece(&mut self) -> &mut VecDeque<T> {
        self.rest.push_back(VecDeque::with_capacity(PIECE));
        let last = self.rest.len() - 1;
        &mut self.rest[last]
    }

    #[inline(always)]
    pub(crate) fn pop_front(&mut self) -> Option<T> {
        if self.first.len() == 1 {
            return self.pop_last_of_piece();
        }
        let value = self.first.pop_front()?;
        self.len -= 1;
        Some(value)
    }

    #[inline(never)]
    fn pop_last_of_piece(&mut self) -> Option<T> {
        let value = self.first.pop_front()?;
        self.len -= 1;
        if let Some(next) = self.rest.pop_front() {
            self.first = next;
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
    pub(crate) fn shrink(&mut self) {
        if self.is_empty() {
            *self = Self::new();
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
        let mut queue = Queue::new();
        let (mut put, mut taken) = (0_u64, 0);
        // Bursts that grow and shrink.
        for burst in (0..20).chain((0..20).rev()) {
            for _ in 0..burst * 17 {
                queue.push_with(|| put);
                put += 1;
            }
            assert_eq!(queue.len() as u64, put - taken);
            assert_eq!(queue.iter().copied().collect::<Vec<_>>(), (taken..put).collect::<Vec<_>>());
            assert!(queue.memory() <= (queue.len() + 2 * PIECE) * 8 + queue.rest.capacity() * 32);
            for _ in 0..burst * 16 {
                assert_eq!(queue.front(), Some(&taken));
                assert_eq!(queue.back(), Some(&(put - 1)));
                assert_eq!(queue.pop_front(), Some(taken));
                taken += 1;
            }
        }
        while let Some(value) = queue.pop_front() {
            assert_eq!(value, taken);
            taken += 1;
        }
        assert!(queue.is_empty() && taken == put && queue.rest.is_empty());
    }
}
