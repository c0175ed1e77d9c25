use super::*;
use crate::random::Random;

/// The lists that the service gives one after the other, and goes back to now and then.
const LISTS: [&[u64]; 4] = [&[1, 2], &[3, 4, 2], &[3, 4, 5, 6], &[7, 5, 6]];

/// A listing, a service and a network that do what chance says.
struct World {
    listing: Listing,
    random: Random,
    now: Instant,
    /// What the listing waits for, and until when.
    in_flight: Option<(ListingId, Instant)>,
    timeout: Duration,
    /// All names ever given.
    names: u64,
    lists: usize,
}

impl World {
    fn new(seed: u64) -> Self {
        let random = Random::new(seed);
        let timeout = Duration::from_millis(100 + seed * 20);
        let listing = Listing::new(seed, timeout);
        Self { listing, random, now: at(0), in_flight: None, timeout, names: 0, lists: 0 }
    }

    fn below(&mut self, n: u64) -> u64 {
        self.random.below(n)
    }

    /// What an engine does before it waits.
    fn drain(&mut self) {
        let failures = self.listing.failures();
        self.listing.elapse(self.now);
        let timed_out = self.in_flight.take_if(|(_, timeout)| *timeout <= self.now).is_some();
        assert_eq!(self.listing.failures() - failures, u64::from(timed_out));
        if let Some(request) = self.listing.take_request(self.now) {
            assert!(self.in_flight.is_none(), "two requests in flight");
            assert_eq!(request.id, ListingId(self.names), "names rise");
            self.names += 1;
            self.in_flight = Some((request.id, self.now.after(self.timeout)));
        }
        assert!(self.listing.take_request(self.now).is_none(), "two requests in flight");
        let wake_at = self.listing.wake_at();
        assert!(wake_at.is_none_or(|at| at > self.now), "a wake-up in the past after draining");
    }

    fn answer(&mut self) {
        let kinds = self.below(8);
        let list = shards(LISTS[self.lists]);
        let tokens = ["a", "b", "c"];
        let token = tokens[usize::try_from(self.below(3)).expect("an index")];
        let result = match kinds {
            0 => down(),
            1 => error(ErrorCode::AccessDeniedException),
            2 => page(&list[..1], Some(token)),
            3 => page(&list[1..], None),
            4 => page(&[], Some(token)),
            _ => page(&list, None),
        };
        let asked = self.in_flight.map(|(id, _)| id);
        let known = asked.filter(|_| self.below(4) > 0);
        let id = known.unwrap_or(ListingId(self.random.below(self.names + 2)));
        let before = self.listing.map().cloned();
        let listed = self.listing.listed(id, result, self.now);
        assert_eq!(matches!(listed, Listed::Ignored), asked != Some(id));
        if matches!(listed, Listed::Changed) {
            assert_ne!(self.listing.map(), before.as_ref());
        } else {
            assert_eq!(self.listing.map(), before.as_ref(), "only a changed list changes the map");
        }
        self.in_flight.take_if(|(asked, _)| *asked == id);
    }

    fn step(&mut self) {
        match self.below(10) {
            0..=2 => self.answer(),
            3..=4 => {
                let shard = self.below(9);
                let ago = Duration::from_millis(self.below(3_000));
                let seen_at = Instant::ZERO.after(self.now.since(Instant::ZERO.after(ago)));
                evidence(&mut self.listing, shard, seen_at, self.now);
            }
            5 => self.lists = usize::try_from(self.below(4)).expect("an index"),
            6..=7 => self.now = self.now.after(Duration::from_millis(self.random.below(2_000))),
            // A driver that wakes up when it was asked to, and one that comes late.
            _ => {
                let late = Duration::from_millis(self.below(2) * self.random.below(500));
                let wake_at = self.listing.wake_at().unwrap_or(self.now);
                self.now = self.now.max(wake_at.after(late));
            }
        }
        self.drain();
    }
}

/// Miri is some hundred times slower.
const SEEDS: u64 = if cfg!(miri) { 4 } else { 300 };

#[test]
fn whatever_happens_there_is_one_request_at_a_time_and_no_wake_up_in_the_past() {
    let mut maps = 0;
    for seed in 0..SEEDS {
        let mut world = World::new(seed);
        world.drain();
        (0..400).for_each(|_| world.step());
        maps += u64::from(world.listing.map().is_some());
    }
    assert!(maps > SEEDS * 5 / 6, "the chaos lets a map through: {maps}");
}

/// However it stands, when the faults are over evidence brings the map that the service has.
#[test]
fn after_the_faults_the_map_comes() {
    for seed in 0..SEEDS {
        let mut world = World::new(seed);
        world.drain();
        (0..seed).for_each(|_| world.step());
        world.lists = 2;
        let end = world.now.after(PERMANENT_WAIT + TIMEOUT + BACKOFF_MAX + BACKOFF_MAX);
        while world.now < end && world.listing.status() != MapStatus::Ready {
            if let Some((id, _)) = world.in_flight.take() {
                world.listing.listed(id, list(LISTS[2]), world.now);
            }
            world.now = world.now.max(world.listing.wake_at().unwrap_or(world.now));
            world.drain();
        }
        assert_eq!(world.listing.status(), MapStatus::Ready, "seed {seed}");
        for shard in 0..9 {
            let seen_at = world.now.after(BACKOFF_MAX);
            evidence(&mut world.listing, shard, seen_at, seen_at);
        }
        let (_, listed) = answer_next(&mut world.listing, list(LISTS[2]));
        assert!(matches!(listed, Listed::Changed | Listed::Unchanged), "seed {seed}");
        assert_eq!(ids(&world.listing), LISTS[2], "seed {seed}");
        assert_eq!(world.listing.wake_at(), None, "seed {seed}");
    }
}

/// A record that lands elsewhere every 10 ms, and a service that never shows why.
#[test]
fn evidence_without_end_makes_no_storm() {
    let mut listing = ready(&[1, 2]);
    let hour = if cfg!(miri) { 30_000 } else { 3_600_000 };
    for millis in (0..hour).step_by(10) {
        evidence(&mut listing, 1, at(millis), at(millis));
        if let Some(request) = listing.take_request(at(millis)) {
            listing.listed(request.id, list(&[1, 2]), at(millis));
        }
    }
    let rests_at_least = hour / 30_000;
    assert!((rests_at_least..2 * rests_at_least + 20).contains(&listing.requests()));
}

/// Nothing panics at the end of time.
#[test]
fn time_saturates() {
    let end = Instant::from_nanos(u64::MAX);
    let mut listing = Listing::new(0, Duration::MAX);
    answer(&mut listing, down(), end);
    answer(&mut listing, error(ErrorCode::AccessDeniedException), end);
    answer(&mut listing, list(&[1]), end);
    evidence(&mut listing, 1, end, end);
    assert_eq!(listing.status(), MapStatus::Reloading);
    assert!(listing.take_request(at(0)).is_none());
}
