use core::mem;
use core::task::{Poll, Waker};
use std::sync::Arc;

use headwaters_engine::Token;

use crate::ticket::{Account, Delivery};

/// A place for the outcome of each record that is held, and of each that has one that nobody has taken: what a
/// channel per record would be for, without one.
///
/// Eight bytes a record, for caller and driver hand them to and fro between their processors' caches. What takes more
/// lies beside them: outcomes, which records share, and wakers and tags, which few records have.
#[derive(Debug, Default)]
pub(crate) struct Slots {
    slots: Vec<Slot>,
    /// The first of those that are free, by its number and one more; 0 if there is none.
    free: u32,
    landings: Slab<Landing>,
    sides: Slab<Side>,
    done: usize,
}

/// Who wants to know what becomes of a record.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Want {
    /// The record of this number in a call of `put_all`. It needs no slot: the token says it all.
    Member { group: u32, index: u32 },
    /// The callback, with this tag.
    Tag(u64),
    /// A ticket.
    Ticket,
}

/// Who is to be told when a record has its outcome.
#[derive(Debug)]
pub(crate) enum Told {
    /// Nobody, or somebody who will ask.
    Nobody,
    /// The callback, with this tag.
    Tag(u64),
    /// Who waits for the ticket.
    Waiter(Waker),
}

/// What a ticket leaves when it is dropped: to be dropped without the lock, for that may run anything.
#[derive(Debug, Default)]
pub(crate) struct Remains {
    _accounts: Option<Arc<[Account]>>,
    _side: Option<Side>,
}

/// Outcomes that lie together, until all of their tickets have taken theirs.
#[derive(Debug)]
struct Landing {
    accounts: Arc<[Account]>,
    open: u32,
}

#[derive(Debug)]
enum Side {
    Tag(u64),
    Waker(Waker),
}

/// From the low end: a number of 32 bits, the place in a landing, the kind, the generation.
#[derive(Clone, Copy, Debug)]
struct Slot(u64);

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    /// The number is that of the next free slot, and one more.
    Free,
    /// Nobody wants to know.
    Nothing,
    /// A ticket that nobody waits for yet.
    Ticket,
    /// The number is that of a side.
    Side,
    /// The number is that of a landing.
    Done,
}

const OFFSET_SHIFT: u32 = 32;
const OFFSET_BITS: u32 = 6;
const KIND_SHIFT: u32 = OFFSET_SHIFT + OFFSET_BITS;
const KIND_BITS: u32 = 3;
const GENERATION_SHIFT: u32 = KIND_SHIFT + KIND_BITS;
const GENERATIONS: u32 = 1 << (u64::BITS - GENERATION_SHIFT);

/// Most outcomes that lie together: enough that their allocation does not count, few enough that one that is kept
/// does not keep much alive.
pub(crate) const LANDING_MAX: usize = 1 << OFFSET_BITS;

/// Marks a token that names a record of a call of `put_all`.
const MEMBER: u64 = 1 << 63;

/// The call of `put_all`, and the record of it, that a token names, if it is not a slot.
#[inline]
pub(crate) const fn member(Token(token): Token) -> Option<(u32, u32)> {
    if token & MEMBER == 0 {
        return None;
    }
    Some((((token & !MEMBER) >> 32) as u32, token as u32))
}

impl Slot {
    fn new(generation: u32, kind: Kind, number: u32) -> Self {
        let generation = u64::from(generation % GENERATIONS) << GENERATION_SHIFT;
        Self(generation | (kind as u64) << KIND_SHIFT | u64::from(number))
    }

    const fn generation(self) -> u32 {
        (self.0 >> GENERATION_SHIFT) as u32
    }

    const fn kind(self) -> Kind {
        match self.0 >> KIND_SHIFT & ((1 << KIND_BITS) - 1) {
            0 => Kind::Free,
            1 => Kind::Nothing,
            2 => Kind::Ticket,
            3 => Kind::Side,
            _ => Kind::Done,
        }
    }

    const fn number(self) -> u32 {
        self.0 as u32
    }

    const fn offset(self) -> u32 {
        (self.0 >> OFFSET_SHIFT) as u32 & ((1 << OFFSET_BITS) - 1)
    }
}

impl Slots {
    /// The token for the next [`fill`](Self::fill) with the same want.
    pub(crate) fn next(&self, want: Want) -> Token {
        if let Want::Member { group, index } = want {
            return Token(MEMBER | u64::from(group) << 32 | u64::from(index));
        }
        match self.free.checked_sub(1) {
            Some(index) => token(index, self.slots[index as usize].generation()),
            None => token(self.slots.len() as u32, 0),
        }
    }

    /// Takes the slot that [`next`](Self::next) named.
    pub(crate) fn fill(&mut self, want: Want) {
        let (kind, number) = match want {
            Want::Member { .. } => return,
            Want::Tag(tag) => (Kind::Side, self.sides.add(Side::Tag(tag))),
            Want::Ticket => (Kind::Ticket, 0),
        };
        match self.free.checked_sub(1) {
            Some(index) => {
                let slot = &mut self.slots[index as usize];
                self.free = slot.number();
                *slot = Slot::new(slot.generation(), kind, number);
            }
            None => self.slots.push(Slot::new(0, kind, number)),
        }
    }

    /// Lays outcomes down, for [`resolve`](Self::resolve).
    pub(crate) fn land(&mut self, accounts: Arc<[Account]>) -> u32 {
        // Open as long as records are resolved with it.
        self.landings.add(Landing { accounts, open: 1 })
    }

    /// No more records are resolved with these outcomes; returns them if nobody will ask for them.
    pub(crate) fn landed(&mut self, landing: u32) -> Option<Arc<[Account]>> {
        let landed = self.landings.get(landing)?;
        landed.open -= 1;
        if landed.open > 0 {
            return None;
        }
        self.landings.remove(landing).map(|landing| landing.accounts)
    }

    /// Notes what became of a record: what lies at this place of a landing.
    #[inline]
    pub(crate) fn resolve(&mut self, token: Token, landing: u32, offset: u32) -> Told {
        let Some(slot) = self.get(token) else { return Told::Nobody };
        match slot.kind() {
            Kind::Nothing => {
                self.release(token);
                Told::Nobody
            }
            Kind::Ticket => {
                self.settle(token, landing, offset);
                Told::Nobody
            }
            Kind::Side => match self.sides.remove(slot.number()) {
                Some(Side::Tag(tag)) => {
                    self.release(token);
                    Told::Tag(tag)
                }
                Some(Side::Waker(waker)) => {
                    self.settle(token, landing, offset);
                    Told::Waiter(waker)
                }
                None => Told::Nobody,
            },
            // It has its outcome: the engine gives each record one.
            Kind::Free | Kind::Done => Told::Nobody,
        }
    }

    fn settle(&mut self, Token(token): Token, landing: u32, offset: u32) {
        let slot = &mut self.slots[token as u32 as usize];
        *slot = Slot::new(slot.generation(), Kind::Done, landing);
        slot.0 |= u64::from(offset) << OFFSET_SHIFT;
        self.done += 1;
        if let Some(landing) = self.landings.get(landing) {
            landing.open += 1;
        }
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
        match slot.kind() {
            Kind::Done => {
                self.release(token);
                self.done -= 1;
                let accounts = match self.landings.get(slot.number()) {
                    Some(landing) if landing.open > 1 => {
                        landing.open -= 1;
                        Some(Arc::clone(&landing.accounts))
                    }
                    _ => self.landings.remove(slot.number()).map(|landing| landing.accounts),
                };
                Poll::Ready(accounts.map(|accounts| Delivery::new(accounts, slot.offset())))
            }
            Kind::Side => {
                if let Some(Side::Waker(other)) = self.sides.get(slot.number())
                    && !other.will_wake(waker)
                {
                    *spare = Some(mem::replace(other, waker.clone()));
                }
                Poll::Pending
            }
            Kind::Free | Kind::Nothing | Kind::Ticket => {
                let side = self.sides.add(Side::Waker(waker.clone()));
                self.slots[token.0 as u32 as usize] =
                    Slot::new(slot.generation(), Kind::Side, side);
                Poll::Pending
            }
        }
    }

    /// The ticket is gone.
    #[must_use = "it is to be dropped without the lock: that may run anything"]
    pub(crate) fn forget(&mut self, token: Token) -> Remains {
        let Some(slot) = self.get(token) else { return Remains::default() };
        if slot.kind() == Kind::Done {
            self.release(token);
            self.done -= 1;
            return Remains { _accounts: self.landed(slot.number()), _side: None };
        }
        let side = match slot.kind() {
            Kind::Side => self.sides.remove(slot.number()),
            _ => None,
        };
        self.slots[token.0 as u32 as usize] = Slot::new(slot.generation(), Kind::Nothing, 0);
        Remains { _accounts: None, _side: side }
    }

    /// How many have an outcome that its ticket has not taken.
    pub(crate) const fn done(&self) -> usize {
        self.done
    }

    fn get(&self, Token(token): Token) -> Option<Slot> {
        let slot = *self.slots.get(token as u32 as usize)?;
        (u64::from(slot.generation()) == token >> 32).then_some(slot)
    }

    fn release(&mut self, Token(token): Token) {
        let index = token as u32;
        let slot = &mut self.slots[index as usize];
        *slot = Slot::new(slot.generation().wrapping_add(1), Kind::Free, self.free);
        self.free = index + 1;
    }
}

fn token(index: u32, generation: u32) -> Token {
    Token(u64::from(generation) << 32 | u64::from(index))
}

/// Things by number.
#[derive(Debug)]
struct Slab<T> {
    things: Vec<Option<T>>,
    free: Vec<u32>,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self { things: Vec::new(), free: Vec::new() }
    }
}

impl<T> Slab<T> {
    fn add(&mut self, thing: T) -> u32 {
        match self.free.pop() {
            Some(number) => {
                self.things[number as usize] = Some(thing);
                number
            }
            None => {
                self.things.push(Some(thing));
                (self.things.len() - 1) as u32
            }
        }
    }

    fn get(&mut self, number: u32) -> Option<&mut T> {
        self.things.get_mut(number as usize)?.as_mut()
    }

    fn remove(&mut self, number: u32) -> Option<T> {
        let thing = self.things.get_mut(number as usize)?.take()?;
        self.free.push(number);
        Some(thing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ticket::tests::stored;

    fn filled(slots: &mut Slots, want: Want) -> Token {
        let token = slots.next(want);
        slots.fill(want);
        token
    }

    fn resolve(slots: &mut Slots, tokens: &[Token]) -> Vec<Told> {
        let landing = slots.land([stored()].into());
        let told = tokens.iter().map(|token| slots.resolve(*token, landing, 0)).collect();
        drop(slots.landed(landing));
        told
    }

    fn take(slots: &mut Slots, token: Token) -> Poll<Option<Delivery>> {
        slots.take(token, Waker::noop(), &mut None)
    }

    #[test]
    fn a_token_is_good_for_one_outcome() {
        let mut slots = Slots::default();
        let first = filled(&mut slots, Want::Ticket);
        assert!(take(&mut slots, first).is_pending());
        assert!(matches!(resolve(&mut slots, &[first])[..], [Told::Waiter(_)]));
        assert!(matches!(resolve(&mut slots, &[first])[..], [Told::Nobody]), "it has one");
        assert!(matches!(take(&mut slots, first), Poll::Ready(Some(_))));
        assert!(matches!(take(&mut slots, first), Poll::Ready(None)));

        let second = filled(&mut slots, Want::Ticket);
        assert_ne!(first, second, "the slot is used again, the name is not");
        assert!(matches!(resolve(&mut slots, &[first])[..], [Told::Nobody]), "a stale name");
        assert!(take(&mut slots, second).is_pending());
        assert_eq!((slots.slots.len(), slots.done()), (1, 0));
    }

    #[test]
    fn outcomes_are_kept_until_the_last_ticket_has_its_own() {
        let mut slots = Slots::default();
        let tokens = [(); 3].map(|()| filled(&mut slots, Want::Ticket));
        resolve(&mut slots, &tokens);
        assert_eq!(slots.done(), 3);
        assert!(matches!(take(&mut slots, tokens[1]), Poll::Ready(Some(_))));
        assert!(slots.forget(tokens[0])._accounts.is_none());
        assert!(slots.forget(tokens[2])._accounts.is_some(), "the last one");
        assert_eq!((slots.done(), slots.landings.free.len()), (0, 1));
    }

    #[test]
    fn what_nobody_wants_is_not_kept() {
        let mut slots = Slots::default();
        let tagged = filled(&mut slots, Want::Tag(7));
        let want = Want::Member { group: 1, index: 2 };
        let [named, none] = [filled(&mut slots, want), tagged].map(member);
        assert_eq!((named, none), (Some((1, 2)), None), "the token says it all");
        let [silent, awaited] = [(); 2].map(|()| filled(&mut slots, Want::Ticket));
        assert!(take(&mut slots, awaited).is_pending());
        assert!(slots.forget(silent)._side.is_none());
        assert!(slots.forget(awaited)._side.is_some(), "the waker is dropped without the lock");
        let told = resolve(&mut slots, &[tagged, silent, awaited]);
        let [Told::Tag(7), Told::Nobody, Told::Nobody] = told[..] else { panic!("{told:?}") };
        assert_eq!((slots.done(), slots.landings.free.len(), slots.sides.free.len()), (0, 1, 2));
    }

    #[test]
    fn a_slot_has_room_for_all_it_says() {
        let slot = Slot::new(GENERATIONS - 1, Kind::Done, u32::MAX);
        assert_eq!(
            (slot.generation(), slot.kind(), slot.number(), slot.offset()),
            (GENERATIONS - 1, Kind::Done, u32::MAX, 0)
        );
        assert_eq!(Slot::new(GENERATIONS, Kind::Free, 1).generation(), 0, "it begins anew");
    }
}
