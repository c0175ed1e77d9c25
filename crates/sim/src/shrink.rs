use alloc::string::String;
use core::num::NonZeroU32;

use crate::caller::Caller;
use crate::changes::Changes;
use crate::clock::ClockFaults;
use crate::faults::Faults;
use crate::plan::Plan;
use crate::settings::Settings;

/// The simplest plan found in which the same rule is broken as in `plan`; `plan` itself if none is broken in it.
///
/// `fails` lives through a plan and says what broke a rule, as [`Failure::broken`](crate::Failure::broken) does. It is
/// the same rule if the words are the same but for numbers and for what is in brackets. One thing after the other is
/// made as in [`Plan::default`], or nearer to that: each fault off, each setting its default, fewer producers, shards,
/// records and keys; again and again, until nothing can be made simpler by itself. That takes some hundred worlds, none
/// of which breaks [`Plan::check`]. The seed stays: it is what the failure was found by.
pub fn shrink(plan: &Plan, mut fails: impl FnMut(&Plan) -> Option<String>) -> Plan {
    let Some(broken) = fails(plan) else { return plan.clone() };
    let rule = words(&broken);
    let mut fails = |plan: &Plan| {
        plan.check().is_ok() && fails(plan).is_some_and(|broken| words(&broken) == rule)
    };
    let simplest = simplest(plan.seed);
    let mut best = plan.clone();
    loop {
        let next = within_plan(&best, &simplest, &mut fails);
        if next == best {
            return best;
        }
        best = next;
    }
}

/// What the others are measured by.
fn simplest(seed: u64) -> Plan {
    let caller = Caller { keys: 1, records: 0, ..Caller::default() };
    Plan { caller, seed, ..Plan::default() }
}

/// What says which rule it is: without digits, and without brackets and what is in them, where the states of records
/// and requests are written out.
fn words(broken: &str) -> String {
    let mut depth = 0_u32;
    let outside = broken.chars().filter(|char| {
        match char {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth = depth.saturating_sub(1),
            _ => return depth == 0 && !char.is_ascii_digit(),
        }
        false
    });
    outside.collect()
}

/// Whether a rule is broken in the same way if a part is this.
type Fails<'a, T> = &'a mut dyn FnMut(&T) -> bool;

/// How a part is made simpler: as a whole, and then field by field.
macro_rules! part {
    ($name:ident: $type:ident { $( $how:ident $field:ident, )* }) => {
        fn $name(from: &$type, to: &$type, fails: Fails<'_, $type>) -> $type {
            // Here the compiler says which new field is missing.
            let $type { $( $field: _, )* } = from;
            let mut best = reset(from, to, fails);
            $(
                let field = $how(&best.$field, &to.$field, &mut |field| {
                    let mut changed = best.clone();
                    changed.$field.clone_from(field);
                    fails(&changed)
                });
                best.$field = field;
            )*
            best
        }
    };
}

// What goes wrong comes before how much there is: with many records a rule is broken more easily, and what it does not
// take can be told from what it does.
part!(within_plan: Plan {
    within_faults faults,
    within_clock clock,
    within_changes changes,
    within_settings settings,
    reset latency_ms,
    reset list_page,
    reset map_denied,
    reset windows,
    reset throttling,
    within_caller caller,
    fewer producers,
    fewer shards,
    reset shifts,
    keep seed,
});

part!(within_caller: Caller {
    reset ending,
    reset ends_early,
    reset explicit_hash_keys,
    reset flushes,
    reset hot,
    reset outcomes,
    reset pause_ms,
    reset purges,
    reset sizes,
    reset timings,
    fewer burst,
    fewer keys,
    fewer records,
    fewer resizes,
});

part!(within_clock: ClockFaults {
    fewer backward,
    reset freeze_ms,
    fewer freezes,
    fewer jumps,
    fewer stalls,
    fewer longest_ms,
    fewer pause_ms,
    fewer resolution_ms,
});

part!(within_faults: Faults {
    reset black_hole,
    reset connect_failed,
    reset credentials,
    fewer dead_shards,
    reset entry_failure,
    reset entry_failure_stored,
    reset garbled_answer,
    reset late_answer,
    reset list_denied,
    reset list_failure,
    reset list_late,
    reset list_lost,
    reset list_repeated,
    reset list_throttled,
    reset lost_answer,
    reset lost_request,
    reset outage,
    reset outage_ms,
    reset outage_spares,
    reset poison,
    reset repeated_answer,
    reset request_failure,
    reset request_failure_stored,
    reset request_refused,
    reset silent_cancel,
    reset slow_shards,
    reset transport_ready,
    reset wrong_count,
});

part!(within_changes: Changes {
    reset auto,
    fewer distributions,
    fewer doublings,
    fewer handover_ms,
    fewer pause_ms,
    fewer reshards,
    fewer sizes,
});

part!(within_settings: Settings {
    reset aggregation,
    reset aggregation_max_count,
    reset aggregation_max_size,
    reset bounds_bytes,
    reset bounds_records,
    reset cancel_grace_ms,
    reset collection_max_count,
    reset collection_max_shard_size,
    reset collection_max_size,
    reset fail_if_throttled,
    reset max_requests_in_flight,
    reset max_user_record_size,
    reset ordered,
    reset outage_probes,
    reset outer_key_of_first,
    reset rate_limit,
    reset record_max_buffered_time_ms,
    reset request_timeout_ms,
    reset retry,
    reset retry_budget_percent,
    reset shard_share_percent,
    reset shard_prediction,
    reset ttl_ms,
});

/// As it is.
const fn keep<T: Copy>(from: &T, _: &T, _: Fails<'_, T>) -> T {
    *from
}

/// All or nothing.
fn reset<T: Clone + PartialEq>(from: &T, to: &T, fails: Fails<'_, T>) -> T {
    if from != to && fails(to) { to.clone() } else { from.clone() }
}

/// As near to `to` as can be: all of the way, or half of it, a quarter, and so on as long as that goes well.
fn fewer<T: Count>(from: &T, to: &T, fails: Fails<'_, T>) -> T {
    let (mut best, to) = (from.to_u64(), to.to_u64());
    let mut step = best.saturating_sub(to);
    while step > 0 {
        let less = best - step;
        if T::from_u64(less).is_some_and(|less| fails(&less)) {
            best = less;
            step = step.min(best - to);
        } else {
            step /= 2;
        }
    }
    T::from_u64(best).unwrap_or(*from)
}

/// What there can be fewer of.
trait Count: Copy {
    fn from_u64(count: u64) -> Option<Self>;
    fn to_u64(self) -> u64;
}

impl Count for u32 {
    fn from_u64(count: u64) -> Option<Self> {
        count.try_into().ok()
    }

    fn to_u64(self) -> u64 {
        self.into()
    }
}

impl Count for u64 {
    fn from_u64(count: u64) -> Option<Self> {
        Some(count)
    }

    fn to_u64(self) -> u64 {
        self
    }
}

impl Count for NonZeroU32 {
    fn from_u64(count: u64) -> Option<Self> {
        u32::from_u64(count).and_then(Self::new)
    }

    fn to_u64(self) -> u64 {
        self.get().into()
    }
}

#[cfg(test)]
mod tests {
    use alloc::borrow::ToOwned;
    use alloc::format;

    use super::*;
    use crate::rng::Chance;

    /// Fails with this text where `condition` holds.
    fn planted<'a>(
        text: &'a str,
        condition: impl Fn(&Plan) -> bool + 'a,
    ) -> impl Fn(&Plan) -> Option<String> + 'a {
        move |plan| condition(plan).then(|| text.to_owned())
    }

    #[test]
    fn what_is_left_is_what_it_takes() {
        let fails = planted("record 3 is lost", |plan| {
            plan.faults.lost_answer != Chance::NEVER && plan.caller.records >= 7
        });
        let mut met = 0;
        for seed in 0..2_000 {
            let plan = Plan::draw(seed);
            if fails(&plan).is_none() {
                continue;
            }
            met += 1;
            let mut worlds = 0;
            let shrunk = shrink(&plan, |plan| {
                worlds += 1;
                fails(plan)
            });
            let mut expected = simplest(seed);
            expected.caller.records = 7;
            expected.faults.lost_answer = plan.faults.lost_answer;
            assert_eq!(shrunk, expected);
            assert!(worlds < 300, "{worlds} worlds");
        }
        assert!(met > 100, "{met} plans failed");
    }

    #[test]
    fn what_fails_always_becomes_the_simplest_and_a_setting_its_default() {
        for seed in 0..200 {
            let plan = Plan::draw(seed);
            assert_eq!(shrink(&plan, planted("ever", |_| true)), simplest(seed));
            // Each by itself, where not all can go at once.
            let settings = plan.settings;
            let needed = planted("one", |plan| {
                plan.settings.collection_max_size == settings.collection_max_size
            });
            let mut expected = simplest(seed);
            expected.settings.collection_max_size = settings.collection_max_size;
            assert_eq!(shrink(&plan, needed), expected);
        }
    }

    #[test]
    fn what_depends_on_each_other_goes_together_in_the_end() {
        let mut plan = Plan::draw(1);
        plan.producers = NonZeroU32::new(3).expect("not zero");
        plan.caller.records = 100;
        plan.shards = NonZeroU32::new(50).expect("not zero");
        // Fewer records only with fewer shards: the second round finds it.
        let fails = planted("both", |plan| plan.caller.records > plan.shards.get() + 10);
        let shrunk = shrink(&plan, fails);
        assert_eq!(
            (shrunk.caller.records, shrunk.shards.get(), shrunk.producers.get()),
            (12, 1, 1)
        );
    }

    #[test]
    fn another_rule_does_not_count() {
        let mut plan = Plan::default();
        plan.caller.records = 1_000;
        let fails = |plan: &Plan| match plan.caller.records {
            500.. => Some(format!("record {} is lost: Some({plan:?})", plan.caller.records)),
            records => Some(format!("record {records} is there twice")),
        };
        assert_eq!(shrink(&plan, fails).caller.records, 500);
    }

    #[test]
    fn a_plan_in_which_no_rule_is_broken_stays() {
        let plan = Plan::draw(3);
        assert_eq!(shrink(&plan, |_| None), plan);
    }

    #[test]
    fn no_plan_is_tried_that_cannot_be() {
        // Its records are larger than what a stream takes by default.
        let plan = (0..).map(Plan::draw).find(|plan| plan.caller.sizes.1 > 2_000_000);
        let plan = plan.expect("some are large");
        let shrunk = shrink(&plan, |plan| {
            assert_eq!(plan.check(), Ok(()));
            (plan.caller.sizes.1 > 2_000_000).then(String::new)
        });
        assert_eq!(shrunk.settings.max_user_record_size, plan.settings.max_user_record_size);
    }

    #[test]
    fn numbers_and_states_do_not_tell_rules_apart() {
        let one = "producer 0: record 17 is Record { sends: [1, (2)] } and Some(Instant(5))";
        let other = "producer 2: record 4 is Record { sends: [] } and Some(Instant(77))";
        assert_eq!(words(one), words(other));
        assert_ne!(words(one), words("producer 0: record 17 is lost"));
        assert_eq!(words(")a}"), "a");
    }
}
