use alloc::collections::BTreeMap;

use crate::plan::Plan;
use crate::rng::Chance;

/// In how many worlds each two faults came together: a fault that is handled well by itself can meet another one while it is
/// handled, and with each pair in many worlds both orders of that are lived through.
///
/// Faults are those that [`Plan::draw`] draws; a fault is counted if it was on, whatever came of it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Pairs {
    worlds: BTreeMap<Pair, u64>,
}

/// The names of two faults, in alphabetical order.
pub type Pair = (&'static str, &'static str);

impl Pairs {
    /// Counts a world.
    pub fn add(&mut self, plan: &Plan) {
        let faults = faults(plan);
        for (index, &(one, first)) in faults.iter().enumerate() {
            for &(other, second) in &faults[index + 1..] {
                *self.worlds.entry((one, other)).or_default() += u64::from(first && second);
            }
        }
    }

    /// How many pairs there are.
    pub fn len(&self) -> usize {
        self.worlds.len()
    }

    /// Whether no world was counted.
    pub fn is_empty(&self) -> bool {
        self.worlds.is_empty()
    }

    /// The pair that came together least often, and in how many worlds it did; `None` if there was no world.
    pub fn rarest(&self) -> Option<(Pair, u64)> {
        self.worlds.iter().min_by_key(|(_, worlds)| **worlds).map(|(pair, worlds)| (*pair, *worlds))
    }
}

/// All faults that can be drawn, in alphabetical order, and which of them are on.
fn faults(plan: &Plan) -> [(&'static str, bool); 39] {
    let Plan { caller, changes, clock, faults, .. } = plan;
    let on = |chance: Chance| chance != Chance::NEVER;
    [
        ("backward_clocks", clock.backward > 0),
        ("black_hole", on(faults.black_hole)),
        ("coarse_clocks", clock.resolution_ms > 1),
        ("connect_failed", on(faults.connect_failed)),
        ("credentials", on(faults.credentials)),
        ("distributions", changes.distributions > 0),
        ("ends_early", on(caller.ends_early)),
        ("entry_failure", on(faults.entry_failure)),
        ("entry_failure_stored", on(faults.entry_failure_stored)),
        ("freezes", clock.freezes > 0),
        ("garbled_answer", on(faults.garbled_answer)),
        ("jumps", clock.jumps > 0),
        ("late_answer", on(faults.late_answer)),
        ("list_denied", on(faults.list_denied)),
        ("list_failure", on(faults.list_failure)),
        ("list_late", on(faults.list_late)),
        ("list_lost", on(faults.list_lost)),
        ("list_repeated", on(faults.list_repeated)),
        ("list_throttled", on(faults.list_throttled)),
        ("lost_answer", on(faults.lost_answer)),
        ("lost_request", on(faults.lost_request)),
        ("map_denied", plan.map_denied),
        ("outage", faults.outage_ms.1 > 0),
        ("poison", on(faults.poison)),
        ("purges", on(caller.purges)),
        ("record_sizes", changes.sizes > 0),
        ("repeated_answer", on(faults.repeated_answer)),
        ("request_failure", on(faults.request_failure)),
        ("request_failure_stored", on(faults.request_failure_stored)),
        ("request_refused", on(faults.request_refused)),
        ("reshards", changes.reshards > 0),
        ("resizes", caller.resizes > 0),
        ("silent_cancel", on(faults.silent_cancel)),
        ("slow_outcomes", caller.outcomes.1 > 0),
        ("slow_shards", on(faults.slow_shards)),
        ("stalls", clock.stalls > 0),
        ("throttling", plan.throttling),
        ("transport_ready", on(faults.transport_ready)),
        ("wrong_count", on(faults.wrong_count)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_in_order_and_every_fault_is_drawn() {
        let plan = |seed| faults(&Plan::draw(seed));
        assert!(plan(0).is_sorted_by(|(one, _), (other, _)| one < other));
        for index in 0..plan(0).len() {
            let drawn = (0..200).filter(|&seed| plan(seed)[index].1).count();
            assert!((1..200).contains(&drawn), "{}: {drawn}", plan(0)[index].0);
        }
    }

    #[test]
    fn each_pair_is_counted_once_a_world() {
        let mut pairs = Pairs::default();
        assert_eq!((pairs.rarest(), pairs.is_empty()), (None, true));
        let mut plan = Plan::default();
        plan.faults.lost_answer = Chance::percent(1);
        plan.caller.resizes = 1;
        pairs.add(&plan);
        pairs.add(&plan);
        let count = |pair: Pair| pairs.worlds[&pair];
        assert_eq!(pairs.len(), 39 * 38 / 2);
        assert_eq!(count(("lost_answer", "resizes")), 2);
        assert_eq!(count(("lost_answer", "throttling")), 2, "it is on by default");
        assert_eq!(count(("lost_answer", "poison")), 0);
        assert_eq!(pairs.rarest(), Some((("backward_clocks", "black_hole"), 0)));
    }

    /// In the ordinary run.
    #[test]
    fn three_thousand_seeds_have_each_pair() {
        let mut pairs = Pairs::default();
        (0..3_000).for_each(|seed| pairs.add(&Plan::draw(seed)));
        let (pair, worlds) = pairs.rarest().expect("there are worlds");
        assert!(worlds >= 10, "{pair:?}: {worlds}");
    }
}
