use core::mem;
use core::task::{Poll, Waker};

use headwaters_engine::Token;

use crate::ticket::Delivery;

/// A place for the outcome of each record that is held, and of each that has one that nobody has taken: what a
/// channel per record would be for, without one.
#[derive(Debug, Default)]
pub(crate) struct Slots {
    slots: Vec<Slot>,
    /// The first of those that are free.
    free: Option<u32>,
    done: usize,
}

/// A token names a slot and its generation, so that it is good for one record only.
#[derive(Debug)]
struct Slot {
    generation: u32,
    content: Content,
}

/// What is in a slot.
#[derive(Debug)]
pub(crate) enum Content {
    Free {
        next: Option<u32>,
    },
    Open(Want),
    /// Somebody waits for it.
    Awaited(Waker),
    Done(Delivery),
}

// What a record costs beside what the engine holds of it (docs/guide.md).
#[cfg(target_pointer_width = "64")]
const _: () = assert!(size_of::<Slot>() <= 40);

/// Who wants to know what becomes of a record.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Want {
    /// The record of this number in a call of `put_all`.
    Member { group: u32, index: u32 },
    /// Nobody.
    Nothing,
    /// The callback, with this tag.
    Tag(u64),
    /// A ticket.
    Ticket,
}

/// Who is to be told when a record has its outcome.
#[derive(Debug)]
pub(crate) enum Told {
    /// A call of `put_all`.
    Member { group: u32, index: u32 },
    /// Nobody, or somebody who will ask.
    Nobody,
    /// The callback, with this tag.
    Tag(u64),
    /// Who waits for the ticket.
    Waiter(Waker),
}

impl Slots {
    /// The token that the next [`fill`](Self::fill) is for.
    pub(crate) fn next(&self) -> Token {
        match self.free {
            Some(index) => token(index, self.slots[index as usize].generation),
            None => token(self.slots.len() as u32, 0),
        }
    }

    /// Takes the slot that [`next`](Self::next) named.
    pub(crate) fn fill(&mut self, want: Want) {
        match self.free {
            Some(index) => {
                let slot = &mut self.slots[index as usize];
                if let Content::Free { next } = mem::replace(&mut slot.content, Content::Open(want))
                {
                    self.free = next;
                }
            }
            None => self.slots.push(Slot { generation: 0, content: Content::Open(want) }),
        }
    }

    /// Notes what became of a record; its delivery is made only if somebody wants it later.
    pub(crate) fn resolve(&mut self, token: Token, delivery: impl FnOnce() -> Delivery) -> Told {
        let Some(slot) = self.get(token) else { return Told::Nobody };
        let told = match &mut slot.content {
            Content::Open(Want::Ticket) => {
                slot.content = Content::Done(delivery());
                self.done += 1;
                return Told::Nobody;
            }
            Content::Awaited(_) => {
                let done = Content::Done(delivery());
                let before = mem::replace(&mut slot.content, done);
                self.done += 1;
                return match before {
                    Content::Awaited(waker) => Told::Waiter(waker),
                    _ => Told::Nobody,
                };
            }
            // It has its outcome: the engine gives each record one.
            Content::Free { .. } | Content::Done(_) => return Told::Nobody,
            Content::Open(Want::Member { group, index }) => {
                Told::Member { group: *group, index: *index }
            }
            Content::Open(Want::Nothing) => Told::Nobody,
            Content::Open(Want::Tag(tag)) => Told::Tag(*tag),
        };
        self.release(token);
        told
    }

    /// Takes the delivery of a ticket; `None` after that. A waker that is not needed any more is laid into `spare`: it
    /// is dropped without the lock, for that may run anything.
    pub(crate) fn take(
        &mut self,
        token: Token,
        waker: &Waker,
        spare: &mut Option<Waker>,
    ) -> Poll<Option<Delivery>> {
        let Some(slot) = self.get(token) else { return Poll::Ready(None) };
        match &mut slot.content {
            Content::Done(_) => match self.release(token) {
                Some(Content::Done(delivery)) => Poll::Ready(Some(delivery)),
                _ => Poll::Ready(None),
            },
            Content::Awaited(other) => {
                if !other.will_wake(waker) {
                    *spare = Some(mem::replace(other, waker.clone()));
                }
                Poll::Pending
            }
            content => {
                *content = Content::Awaited(waker.clone());
                Poll::Pending
            }
        }
    }

    /// The ticket is gone. What is left of it is to be dropped without the lock.
    #[must_use = "it is to be dropped without the lock: that may run anything"]
    pub(crate) fn forget(&mut self, token: Token) -> Option<Content> {
        let slot = self.get(token)?;
        if matches!(slot.content, Content::Done(_)) {
            return self.release(token);
        }
        Some(mem::replace(&mut slot.content, Content::Open(Want::Nothing)))
    }

    /// How many have an outcome that its ticket has not taken.
    pub(crate) fn done(&self) -> usize {
        self.done
    }

    fn get(&mut self, Token(token): Token) -> Option<&mut Slot> {
        let (index, generation) = (token as u32, (token >> 32) as u32);
        let slot = self.slots.get_mut(index as usize)?;
        (slot.generation == generation).then_some(slot)
    }

    fn release(&mut self, token: Token) -> Option<Content> {
        let next = self.free;
        let slot = self.get(token)?;
        slot.generation = slot.generation.wrapping_add(1);
        let content = mem::replace(&mut slot.content, Content::Free { next });
        self.free = Some(token.0 as u32);
        self.done -= usize::from(matches!(content, Content::Done(_)));
        Some(content)
    }
}

fn token(index: u32, generation: u32) -> Token {
    Token(u64::from(generation) << 32 | u64::from(index))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ticket::tests::stored;

    fn filled(slots: &mut Slots, want: Want) -> Token {
        let token = slots.next();
        slots.fill(want);
        token
    }

    #[test]
    fn a_token_is_good_for_one_outcome() {
        let mut slots = Slots::default();
        let first = filled(&mut slots, Want::Ticket);
        assert!(slots.take(first, Waker::noop(), &mut None).is_pending());
        assert!(matches!(slots.resolve(first, stored), Told::Waiter(_)));
        assert!(matches!(slots.resolve(first, stored), Told::Nobody), "it has one");
        assert!(matches!(slots.take(first, Waker::noop(), &mut None), Poll::Ready(Some(_))));
        assert!(matches!(slots.take(first, Waker::noop(), &mut None), Poll::Ready(None)));

        let second = filled(&mut slots, Want::Ticket);
        assert_ne!(first, second, "the slot is used again, the name is not");
        assert!(matches!(slots.resolve(first, stored), Told::Nobody), "a stale name");
        assert!(slots.take(second, Waker::noop(), &mut None).is_pending());
        assert_eq!((slots.slots.len(), slots.done()), (1, 0));
    }

    #[test]
    fn what_nobody_wants_is_not_kept() {
        let mut slots = Slots::default();
        let silent = filled(&mut slots, Want::Nothing);
        let tagged = filled(&mut slots, Want::Tag(7));
        let member = filled(&mut slots, Want::Member { group: 1, index: 2 });
        let [before, after] = [(); 2].map(|()| filled(&mut slots, Want::Ticket));
        assert!(matches!(slots.forget(before), Some(Content::Open(Want::Ticket))));
        assert!(matches!(slots.resolve(before, || panic!("nobody wants it")), Told::Nobody));
        assert!(matches!(slots.resolve(after, stored), Told::Nobody));
        assert!(matches!(slots.forget(after), Some(Content::Done(_))));
        let unwanted = || panic!("nobody wants it");
        assert!(matches!(slots.resolve(silent, unwanted), Told::Nobody));
        assert!(matches!(slots.resolve(tagged, unwanted), Told::Tag(7)));
        assert!(matches!(slots.resolve(member, unwanted), Told::Member { group: 1, index: 2 }));
        assert_eq!(slots.done(), 0);
    }
}
