use alloc::vec::Vec;
use core::iter;
use core::time::Duration;

use super::*;

const SECOND: u64 = 1_000_000_000;
const MILLI: u64 = 1_000_000;
const MIB: u64 = 1024 * 1024;
const FULL: RateLimit = RateLimit::Fixed { percent: 100 };
/// Percentages and numbers of shards that divide nothing evenly, and the usual ones.
const SIZES: [(u32, u32); 7] = [(1, 1), (33, 1), (99, 7), (100, 1), (150, 1), (150, 3), (777, 13)];

/// SplitMix64: enough to vary the tests, the same in every run.
struct Random(u64);

impl Random {
    /// A number from 0 up to and without `bound`.
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % bound
    }

    /// A size of a Kinesis record: mostly small, at times around what a second brings, at times
    /// 10 MiB.
    fn bytes(&mut self, per_second: u64) -> u64 {
        match self.below(20) {
            0 => 10 * MIB,
            1 | 2 => per_second - 10 + self.below(21),
            3..8 => self.below(1 + per_second / 4),
            _ => self.below(2_000),
        }
    }
}

fn at(nanos: u64) -> Instant {
    Instant::from_nanos(nanos)
}

fn millis(millis: u64) -> Instant {
    at(millis * MILLI)
}

fn spend_if_allowed(limiter: &mut Limiter, bytes: u64, now: Instant) -> bool {
    let allowed = limiter.allows(bytes, now);
    if allowed {
        limiter.spend(bytes, now);
    }
    allowed
}

/// What a second brings, in whole bytes.
fn bytes_per_second(percent: u32, shards: u32) -> u64 {
    MIB * u64::from(percent) * u64::from(shards) / 100
}

/// The KPL's `TokenBucket/Multiple`: all or nothing over two buckets.
#[test]
fn multiple() {
    let mut limiter = Limiter::new(FULL, 1);
    for _ in 0..1_000 {
        assert!(spend_if_allowed(&mut limiter, 1_048, at(0)));
    }
    assert!(!limiter.allows(0, at(0)), "576 bytes are left, but no record");

    // Then came 100 records and 104,857.6 bytes.
    assert!(!limiter.allows(105_434, millis(100)));
    assert!(spend_if_allowed(&mut limiter, 105_433, millis(100)), "refusals took nothing");
    assert!(!limiter.allows(1, millis(100)), "99 records are left, but no byte");
    for _ in 0..99 {
        assert!(spend_if_allowed(&mut limiter, 0, millis(100)));
    }
    assert!(!limiter.allows(0, millis(100)));

    assert!(spend_if_allowed(&mut limiter, MIB, millis(5_000)), "a second's worth is kept");
    assert!(!limiter.allows(1, millis(5_000)));
    assert_eq!(
        (0..2_000).filter(|_| spend_if_allowed(&mut limiter, 0, millis(5_000))).count(),
        999
    );
}

#[test]
fn the_kpls_rate() {
    let mut limiter = Limiter::new(RateLimit::Fixed { percent: 150 }, 1);
    let sent = |limiter: &mut Limiter, now| {
        iter::repeat(()).take_while(|()| spend_if_allowed(limiter, 1, now)).count()
    };
    assert_eq!(sent(&mut limiter, at(0)), 1_500);
    assert_eq!(sent(&mut limiter, millis(200)), 300);
    assert!(spend_if_allowed(&mut limiter, MIB * 3 / 2, millis(1_200)));
    assert_eq!(limiter.ready_at(MIB * 3 / 2, millis(1_200)), millis(2_200));
}

#[test]
fn a_record_of_10_mib_leaves_a_full_limiter_once() {
    let mut limiter = Limiter::new(FULL, 1);
    limiter.spend(1, at(0));
    let refilled = at(1).after(Duration::from_nanos(953));
    assert_eq!(limiter.ready_at(10 * MIB, at(0)), refilled, "one byte takes 953.7 ns");
    assert!(spend_if_allowed(&mut limiter, 10 * MIB, refilled));
    let paid = refilled.after(Duration::from_secs(9));
    assert_eq!(limiter.ready_at(0, refilled), paid, "9 MiB are owed");
    assert!(!limiter.allows(1, paid), "and after that it is empty");
    assert_eq!(limiter.ready_at(10 * MIB, paid), paid.after(Duration::from_secs(1)));
}

/// The reference walks millisecond by millisecond and counts in hundred-thousandths, with a
/// sign.
/// Miri is some hundred times slower.
const STEPS: u32 = if cfg!(miri) { 150 } else { 6_000 };

#[test]
fn decisions_equal_those_of_a_brute_force_reference() {
    let mut random = Random(1);
    for (percent, mut shards) in SIZES {
        let mut limiter = Limiter::new(RateLimit::Fixed { percent }, shards);
        let flow = |shards: u32| {
            [1_000, 1_048_576].map(|limit| limit * i64::from(percent) * i64::from(shards))
        };
        let mut levels = flow(shards).map(|flow| flow * 1_000);
        let (mut now, mut counts) = (0, [0; 2]);
        for step in 0..STEPS {
            let elapsed = if random.below(8) == 0 { random.below(3_000) } else { random.below(3) };
            now += elapsed;
            for _ in 0..elapsed {
                for (level, flow) in levels.iter_mut().zip(flow(shards)) {
                    *level = (flow * 1_000).min(*level + flow);
                }
            }
            if step % (STEPS / 3) == STEPS / 3 - 1 {
                shards += 2;
                limiter.set_shards(shards, millis(now));
            }
            let bytes = random.bytes(bytes_per_second(percent, shards));
            let burst = if random.below(10) == 0 { 1 + random.below(400) } else { 1 };
            for _ in 0..burst {
                let costs = [1, i64::try_from(bytes).expect("at most 10 MiB")].map(|n| n * 100_000);
                let expected =
                    (0..2).all(|i| levels[i] >= costs[i] || levels[i] == flow(shards)[i] * 1_000);
                let actual = spend_if_allowed(&mut limiter, bytes, millis(now));
                assert_eq!(
                    actual, expected,
                    "{percent} %, {shards} shards, {now} ms, {bytes} bytes"
                );
                if expected {
                    levels = [levels[0] - costs[0], levels[1] - costs[1]];
                }
                counts[usize::from(expected)] += 1;
            }
        }
        assert!(counts.iter().all(|&count| count > 500), "{percent} %: {counts:?} is one-sided");
    }
}

/// A record that left: when, and its bytes.
type Sent = (Instant, u64);

/// Sends records of random sizes at random times for a while; the time stands still and goes
/// back, too.
fn send_at_random(percent: u32, shards: u32, random: &mut Random) -> Vec<Sent> {
    let mut limiter = Limiter::new(RateLimit::Fixed { percent }, shards);
    let (mut clock, mut latest, mut sent) = (at(0), at(0), Vec::new());
    let eager = random.below(2) == 0;
    // So small that only the records count, or of all sizes.
    let small = random.below(3) == 0;
    for _ in 0..(if cfg!(miri) { 100 } else { 1_000 }) {
        let bytes =
            if small { random.below(100) } else { random.bytes(bytes_per_second(percent, shards)) };
        clock = match random.below(40) {
            0 => at(clock.as_nanos().saturating_sub(random.below(2 * SECOND))),
            1 => clock.after(Duration::from_nanos(random.below(3 * SECOND))),
            _ if eager => limiter.ready_at(bytes, clock),
            _ => clock.after(Duration::from_nanos(random.below(2 * MILLI))),
        };
        latest = latest.max(clock);
        if spend_if_allowed(&mut limiter, bytes, clock) {
            sent.push((latest, bytes));
        }
    }
    sent
}

/// What may leave in `elapsed` at `rate` hundredths per second if `largest` is the largest that
/// did, in grains of 10^-11.
fn bound(rate: u64, elapsed: Duration, largest: u64) -> u128 {
    let depth = u128::from(rate) * 1_000_000_000;
    u128::from(rate) * elapsed.as_nanos() + depth.max(u128::from(largest) * 100_000_000_000)
}

#[test]
fn no_window_sees_more_than_its_flow_and_one_burst() {
    let mut random = Random(2);
    // How near to its bound a window of a second or more came: records, bytes; in thousandths.
    let mut nearest = [0; 2];
    for round in 0..(if cfg!(miri) { 2 } else { 56 }) {
        let (percent, shards) = SIZES[round % SIZES.len()];
        let rates = [1_000, MIB].map(|limit| limit * u64::from(percent) * u64::from(shards));
        let sent = send_at_random(percent, shards, &mut random);
        for (first, &(start, _)) in sent.iter().enumerate() {
            let (mut sums, mut largest) = ([0, 0], 0);
            for &(end, bytes) in &sent[first..] {
                let elapsed = end.since(start);
                sums = [sums[0] + 1, sums[1] + u128::from(bytes)];
                largest = largest.max(bytes);
                for (i, largest) in [1, largest].into_iter().enumerate() {
                    let left = sums[i] * 100_000_000_000;
                    let bound = bound(rates[i], elapsed, largest);
                    assert!(left <= bound, "{percent} %, {shards} shards: {start} to {end}");
                    if elapsed >= Duration::from_secs(1) {
                        nearest[i] = nearest[i].max(left * 1_000 / bound);
                    }
                }
            }
        }
    }
    let is_near = nearest.iter().all(|&thousandths| thousandths > 990);
    assert!(is_near || cfg!(miri), "{nearest:?} proves nothing");
}

#[test]
fn ready_at_is_exact() {
    let mut random = Random(3);
    for (percent, shards) in SIZES {
        let mut limiter = Limiter::new(RateLimit::Fixed { percent }, shards);
        let (mut now, mut waits) = (at(0), [0; 2]);
        for _ in 0..(if cfg!(miri) { 500 } else { 4_000 }) {
            now = now.after(Duration::from_nanos(random.below(2 * MILLI) * random.below(200)));
            let bytes = random.bytes(bytes_per_second(percent, shards));
            let ready = limiter.ready_at(bytes, now);
            assert_eq!(limiter.clone().allows(bytes, now), ready == now);
            waits[usize::from(ready > now)] += 1;
            if ready > now {
                let before = at(ready.as_nanos() - 1);
                assert!(!limiter.clone().allows(bytes, before), "{percent} %: {before} is early");
                // Whoever asks in between changes nothing.
                let mut asked = limiter.clone();
                let half = now.after(ready.since(now) / 2);
                asked.allows(random.below(MIB), half);
                assert_eq!(asked.ready_at(bytes, half), ready);
                assert_eq!(asked.ready_at(bytes, now), ready, "nor does a clock that goes back");
            }
            assert!(limiter.clone().allows(bytes, ready), "{percent} %: {ready} is too early");
            if random.below(3) == 0 {
                now = ready;
                limiter.spend(bytes, now);
            }
        }
        assert!(waits.iter().all(|&count| count > 100), "{percent} %: {waits:?} is one-sided");
    }
}

#[test]
fn time_that_stands_still_or_goes_back_brings_nothing() {
    let mut limiter = Limiter::new(FULL, 1);
    assert!(spend_if_allowed(&mut limiter, MIB, millis(5_000)));
    for past in [4_000, 0, 5_000, 4_999, 5_000] {
        assert!(!limiter.allows(1, millis(past)));
        assert_eq!(limiter.ready_at(MIB, millis(past)), millis(6_000));
    }
    assert!(spend_if_allowed(&mut limiter, MIB, millis(6_000)));
    assert!(!limiter.allows(1, millis(6_000)), "the second that came twice was paid once");
    limiter.spend(MIB, millis(9_000));
    assert_eq!(limiter.ready_at(1, millis(9_000)), at(9 * SECOND + 954), "unasked, but refilled");
}

#[test]
fn more_shards_bring_more_but_not_at_once() {
    let mut limiter = Limiter::new(FULL, 1);
    limiter.spend(3 * MIB, at(0));
    limiter.set_shards(4, millis(1_000));
    assert_eq!(
        limiter.ready_at(0, millis(1_000)),
        millis(1_250),
        "2 - 1 MiB owed, 4 come a second"
    );
    assert_eq!(limiter.ready_at(4 * MIB, millis(1_000)), millis(2_250));
    let mut idle = Limiter::new(FULL, 0);
    idle.set_shards(4, at(0));
    assert!(!idle.allows(MIB + 1, at(0)), "what one shard takes, as none counts as one");
    assert!(idle.allows(4 * MIB, millis(750)));
}

#[test]
fn of_fewer_shards_as_much_is_owed_as_of_all() {
    let mut limiter = Limiter::new(FULL, 4);
    limiter.spend(3 * MIB, at(0));
    limiter.set_shards(2, at(0));
    assert_eq!(limiter.ready_at(0, at(0)), millis(500), "3 of 2 MiB are spent");
    assert_eq!(limiter.ready_at(MIB, at(0)), millis(1_000));
}

#[test]
fn the_child_of_a_split_owes_what_its_parent_owes() {
    let mut parent = Limiter::new(FULL, 1);
    parent.spend(3 * MIB, at(0));
    let mut child = Limiter::new(FULL, 1);
    child.inherit(iter::once(&parent), millis(500));
    for bytes in [0, 1, 1_000, MIB, 10 * MIB] {
        let ready = parent.clone().ready_at(bytes, millis(500));
        assert!(ready >= millis(2_000));
        assert_eq!(child.ready_at(bytes, millis(500)), ready);
    }
    let mut whole_stream = Limiter::new(FULL, 4);
    whole_stream.spend(MIB, at(0));
    let mut first = Limiter::new(FULL, 1);
    first.inherit(iter::once(&whole_stream), at(0));
    assert_eq!(first.ready_at(MIB, at(0)), millis(1_000), "what lacks, not what is there");
    let mut orphan = Limiter::new(FULL, 1);
    orphan.inherit(iter::empty(), millis(500));
    assert!(orphan.allows(MIB, millis(500)), "no parent, no debt");
}

#[test]
fn the_child_of_a_merge_owes_what_both_parents_owe() {
    let mut bytes_spent = Limiter::new(FULL, 1);
    bytes_spent.spend(MIB, at(0));
    let mut records_spent = Limiter::new(FULL, 1);
    for _ in 0..1_000 {
        records_spent.spend(MIB / 1_000, at(0));
    }
    // Each lacks half a second's worth; 576 bytes of the second parent were never spent.
    let now = millis(500);
    let mut child = Limiter::new(FULL, 1);
    child.inherit([&bytes_spent, &records_spent].into_iter(), now);
    assert!(child.allows(576, now) && !child.allows(577, now));
    assert_eq!(child.ready_at(MIB, now), at(1_500 * MILLI - 576 * SECOND / MIB));
    assert_eq!((0..1_000).filter(|_| spend_if_allowed(&mut child, 0, now)).count(), 500);

    let mut grandchild = Limiter::new(FULL, 1);
    grandchild.inherit([&child, &child].into_iter(), now);
    assert_eq!(grandchild.ready_at(0, now), millis(1_501), "1,000 records owed twice, 1,000 there");
    let mut rested = Limiter::new(FULL, 1);
    rested.inherit([&child, &child].into_iter(), millis(1_500));
    assert!(rested.allows(MIB, millis(1_500)), "whole parents leave no debt");
}

/// What may leave at once, in records.
fn at_once(limiter: &mut Limiter, now: Instant) -> usize {
    iter::repeat(()).take_while(|()| spend_if_allowed(limiter, 0, now)).count()
}

#[test]
fn a_learned_rate_sets_the_flow_and_the_depth() {
    let mut limiter = Limiter::new(RateLimit::Adaptive { ceiling_percent: 150 }, 1);
    assert_eq!(limiter.rates_ppm(at(0)), Some([1_000_000; 2]), "what a shard promises");
    assert_eq!(at_once(&mut limiter, at(0)), 1_000);
    limiter.throttled(500, at(0), millis(100));
    assert_eq!(limiter.rates_ppm(at(0)), Some([970_022, 1_000_000]));
    assert_eq!(at_once(&mut limiter, millis(100)), 97, "what flowed in before, and 3 % less");
    assert_eq!(at_once(&mut limiter, millis(1_100)), 970);
    assert_eq!(at_once(&mut limiter, millis(9_000)), 970, "a second's worth at that rate");
    (0..900).for_each(|_| limiter.stored(500, Instant::ZERO));
    assert!(limiter.rates_ppm(millis(9_000)) > Some([1_000_000; 2]));
    assert_eq!(at_once(&mut limiter, millis(9_500)), 485, "the flow until then was the old one");
    assert!(at_once(&mut limiter, millis(10_500)) > 1_050);
}

#[test]
fn a_child_starts_with_the_lower_rate_and_waits_as_long_as_its_parents_would() {
    let adaptive = || Limiter::new(RateLimit::Adaptive { ceiling_percent: 100 }, 1);
    let (mut slow, mut fast) = (adaptive(), adaptive());
    (0..100).for_each(|_| slow.throttled(500, millis(1), millis(1)));
    let slow_rates = slow.rates_ppm(millis(2)).expect("a rate");
    assert_eq!(slow_rates, [875_000, 1_000_000]);
    let now = millis(2_000);
    assert_eq!(at_once(&mut fast, now), 1_000);
    let mut child = adaptive();
    child.inherit([&slow, &fast].into_iter(), now);
    assert_eq!(child.rates_ppm(now), Some(slow_rates));
    assert!(!child.allows(0, now), "one of them is empty");
    assert_eq!(at_once(&mut child, millis(2_500)), 437);
    assert_eq!(at_once(&mut child, millis(3_500)), 875);
    let mut first = Limiter::new(RateLimit::Adaptive { ceiling_percent: 100 }, 4);
    first.throttled(500, now, now);
    let learned = first.rates_ppm(now).expect("a rate");
    assert!((970_000..1_000_000).contains(&learned[0]), "one record is less of four shards");
    let mut child = adaptive();
    child.inherit_share(&first, 4, now);
    assert_eq!(child.rates_ppm(now), Some(learned));
}

/// What was sent while the stream was taken for four shards was sent to the one that it has, as far as anybody knows.
#[test]
fn a_throttle_makes_nobody_forget_what_was_sent_before_the_list() {
    let adaptive = |shards| Limiter::new(RateLimit::Adaptive { ceiling_percent: 100 }, shards);
    for throttles in [0, 1, 100] {
        let mut first = adaptive(4);
        for _ in 0..2_000 {
            first.spend(100, at(0));
        }
        (0..throttles).for_each(|_| first.throttled(100, at(0), at(0)));
        let mut only = adaptive(1);
        only.inherit_share(&first, 1, at(0));
        let ready = only.ready_at(100, at(0));
        assert!(ready >= millis(1_001), "{throttles}: two seconds' worth was sent: {ready}");
        assert!(ready <= millis(1_002), "{throttles}: and it is to wait no longer: {ready}");
    }
}

#[test]
fn off_allows_everything() {
    let mut limiter = Limiter::new(RateLimit::Off, 1);
    for _ in 0..5_000 {
        assert!(spend_if_allowed(&mut limiter, u64::MAX, at(3)));
    }
    assert_eq!(limiter.ready_at(u64::MAX, at(2)), at(2));
    let mut child = Limiter::new(RateLimit::Off, 1);
    child.inherit(iter::once(&limiter), at(3));
    child.set_shards(9, at(3));
    assert!(child.allows(u64::MAX, at(0)));
    let mut fixed = Limiter::new(FULL, 1);
    fixed.inherit(iter::once(&limiter), at(3));
    assert!(fixed.allows(MIB, at(3)), "what was free is not owed");
}

#[test]
fn extreme_values_are_harmless() {
    let far = at(u64::MAX);
    for percent in [0, 1, u32::MAX] {
        for shards in [0, 1, u32::MAX] {
            let limit = RateLimit::Fixed { percent };
            let mut limiter = Limiter::new(limit, shards);
            assert!(
                spend_if_allowed(&mut limiter, u64::MAX, at(0)),
                "a full limiter gives anything"
            );
            assert!(!limiter.allows(u64::MAX, at(0)), "once");
            for _ in 0..100 {
                limiter.spend(u64::MAX, at(0));
            }
            let ready = limiter.ready_at(u64::MAX, at(0));
            assert!(ready > at(0));
            assert_eq!(
                limiter.allows(u64::MAX, ready),
                ready < far,
                "{percent} %, {shards} shards"
            );
            limiter.set_shards(u32::MAX, far);
            let mut child = Limiter::new(limit, 0);
            child.inherit([&limiter; 9].into_iter(), at(0));
            child.inherit([&limiter; 9].into_iter(), far);
            assert_eq!(child.ready_at(u64::MAX, far), far);
        }
    }
    let mut slowest = Limiter::new(RateLimit::Fixed { percent: 1 }, 1);
    slowest.spend(u64::MAX, at(0));
    assert_eq!(slowest.ready_at(0, at(0)), far, "never, as far as time goes");
}
