use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use headwaters_engine::ConfigFault;
use headwaters_engine::wire::limits::SHARDS_PER_PAGE_MAX;

use crate::caller::Ending;
use crate::changes::Changes;
use crate::clock::ClockFaults;
use crate::plan::Plan;
use crate::settings::{KEY_BYTES_MAX, Retry, Settings};

/// A plan that no world can be made of.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PlanError {
    faults: Vec<PlanFault>,
}

impl PlanError {
    /// All that is wrong, not only the first.
    pub fn faults(&self) -> &[PlanFault] {
        &self.faults
    }
}

/// One field of a plan that is out of its bounds.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct PlanFault {
    /// The field, with the parts of the plan that it is in: `caller.keys`.
    pub field: String,
    /// The most it may be.
    pub max: u64,
    /// The least it may be.
    pub min: u64,
    /// What it is.
    pub value: u64,
}

impl fmt::Display for PlanFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { field, max, min, value } = self;
        match (min, max) {
            (_, &u64::MAX) => write!(f, "`{field}` is {value}; it must be at least {min}"),
            (0, _) => write!(f, "`{field}` is {value}; it must be at most {max}"),
            _ => write!(f, "`{field}` is {value}; it must be from {min} to {max}"),
        }
    }
}

impl fmt::Display for PlanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, fault) in self.faults.iter().enumerate() {
            write!(f, "{}{fault}", if at == 0 { "" } else { "; " })?;
        }
        Ok(())
    }
}

impl core::error::Error for PlanError {}

/// Most producers; most records and keys of all producers together: more would take more memory than time.
const PRODUCERS_MAX: u64 = 100;
const RECORDS_MAX: u64 = 1_000_000;
const KEYS_MAX: u64 = 1_000_000;
/// Most shards: the largest quota that an account has by default. Source: developer guide, quotas and limits.
const SHARDS_MAX: u64 = 20_000;
/// Most pages of their list: an engine takes a list that goes on after as many for broken.
const PAGES_MAX: u64 = 1_000;
/// Most changes of each kind, and most faults of each kind that a clock has.
const CHANGES_MAX: u64 = 10_000;
const CLOCK_FAULTS_MAX: u64 = 1_000;
/// Longest of all times, in milliseconds: an hour. A world that takes two days counts as one that never ends.
const TIME_MS_MAX: u64 = 3_600_000;
/// What a record begins with: whose it is, and its number.
const LABEL_BYTES: u64 = 8;

impl Plan {
    /// Looks whether a world can be made of it. What [`Plan::draw`] makes is always right; what somebody wrote may
    /// not be, and [`run`](crate::run) panics then.
    ///
    /// # Errors
    /// [`PlanError`] lists every field that is out of its bounds, not only the first.
    pub fn check(&self) -> Result<(), PlanError> {
        let mut check = Check::default();
        self.check_stream(&mut check);
        self.check_caller(&mut check);
        check_clock(&self.clock, &mut check);
        check_settings(&self.settings, &mut check);
        if check.faults.is_empty() { Ok(()) } else { Err(PlanError { faults: check.faults }) }
    }

    fn check_stream(&self, check: &mut Check) {
        let (shortest, longest) = self.latency_ms;
        // After some time nothing goes wrong any more: then answers must come before their requests time out.
        check.range("latency_ms[0]", shortest, 0, self.settings.request_timeout_ms / 2);
        check.range("latency_ms[1]", longest, shortest.min(TIME_MS_MAX), TIME_MS_MAX);
        let shards = u64::from(self.shards.get());
        let least = shards.min(SHARDS_MAX).div_ceil(PAGES_MAX);
        check.range("list_page", self.list_page.into(), least, SHARDS_PER_PAGE_MAX as u64);
        check.range("producers", self.producers.get().into(), 1, PRODUCERS_MAX);
        let Changes { distributions, doublings, handover_ms, pause_ms, reshards, sizes, .. } =
            self.changes;
        check.range("changes.distributions", distributions.into(), 0, CHANGES_MAX);
        let most = (SHARDS_MAX / u64::from(self.shards.get())).checked_ilog2().unwrap_or(0);
        check.range("changes.doublings", doublings.into(), 0, most.into());
        check.range("changes.reshards", reshards.into(), 0, CHANGES_MAX);
        check.range("changes.sizes", sizes.into(), 0, CHANGES_MAX);
        check.time("changes.handover_ms", handover_ms);
        check.time("changes.pause_ms", pause_ms);
        for shift in &self.shifts {
            check.time("shifts.from_ms", shift.from_ms);
            check.time("shifts.until_ms", shift.until_ms.unwrap_or(0));
        }
        let (from, to) = self.faults.outage_ms;
        check.time("faults.outage_ms[0]", from);
        check.range("faults.outage_ms[1]", to, from.min(TIME_MS_MAX), TIME_MS_MAX);
        check.range("shards", shards, 1, SHARDS_MAX);
    }

    fn check_caller(&self, check: &mut Check) {
        let Self { caller, settings, .. } = self;
        let producers = u64::from(self.producers.get()).min(PRODUCERS_MAX);
        check.range("caller.burst", caller.burst.into(), 1, u64::MAX);
        if let Ending::CloseWithin(within) = caller.ending {
            check.time("caller.ending.close-within", within);
        }
        check.range("caller.keys", caller.keys.into(), 1, KEYS_MAX / producers);
        check.time("caller.outcomes[1]", caller.outcomes.1);
        check.time("caller.pause_ms", caller.pause_ms);
        check.range("caller.records", caller.records.into(), 0, RECORDS_MAX / producers);
        let (smallest, largest) = (caller.sizes.0.into(), caller.sizes.1.into());
        let room = u64::from(settings.max_user_record_size.saturating_sub(KEY_BYTES_MAX));
        let room = room.max(LABEL_BYTES);
        check.range("caller.sizes[0]", smallest, LABEL_BYTES, room);
        check.range("caller.sizes[1]", largest, smallest.clamp(LABEL_BYTES, room), room);
    }
}

fn check_clock(clock: &ClockFaults, check: &mut Check) {
    let ClockFaults { backward, freeze_ms, freezes, jumps, stalls, longest_ms, .. } = clock;
    let ClockFaults { pause_ms, resolution_ms, .. } = clock;
    check.time("clock.freeze_ms[0]", freeze_ms.0);
    check.range("clock.freeze_ms[1]", freeze_ms.1, freeze_ms.0, freeze_ms.0 + TIME_MS_MAX);
    check.range("clock.backward", (*backward).into(), 0, CLOCK_FAULTS_MAX);
    check.range("clock.freezes", (*freezes).into(), 0, CLOCK_FAULTS_MAX);
    check.range("clock.jumps", (*jumps).into(), 0, CLOCK_FAULTS_MAX);
    check.range("clock.stalls", (*stalls).into(), 0, CLOCK_FAULTS_MAX);
    check.time("clock.longest_ms", *longest_ms);
    check.time("clock.pause_ms", *pause_ms);
    check.time("clock.resolution_ms", *resolution_ms);
}

fn check_settings(settings: &Settings, check: &mut Check) {
    if let Err(error) = settings.to_config(0) {
        check.faults.extend(error.faults().iter().map(PlanFault::from));
    }
    check.time("settings.cancel_grace_ms", settings.cancel_grace_ms);
    check.time("settings.record_max_buffered_time_ms", settings.record_max_buffered_time_ms);
    check.time("settings.ttl_ms", settings.ttl_ms.unwrap_or(0));
    match settings.retry {
        Retry::Exponential { base_ms, cap_ms } => {
            check.time("settings.retry.exponential.base_ms", base_ms);
            check.time("settings.retry.exponential.cap_ms", cap_ms);
        }
        Retry::Kpl => {}
        Retry::Linear { step_ms, .. } => check.time("settings.retry.linear.step_ms", step_ms),
    }
}

#[derive(Default)]
struct Check {
    faults: Vec<PlanFault>,
}

impl Check {
    fn range(&mut self, field: &str, value: u64, min: u64, max: u64) {
        let is_known = self.faults.iter().any(|fault| fault.field == field);
        if !is_known && !(min..=max).contains(&value) {
            self.faults.push(PlanFault { field: field.to_owned(), max, min, value });
        }
    }

    fn time(&mut self, field: &str, millis: u64) {
        self.range(field, millis, 0, TIME_MS_MAX);
    }
}

/// The same fault, under the name that a plan has for the setting.
impl From<&ConfigFault> for PlanFault {
    fn from(fault: &ConfigFault) -> Self {
        let field = match fault.field {
            "bounds.bytes" => "bounds_bytes",
            "bounds.records" => "bounds_records",
            "cancel_grace" => "cancel_grace_ms",
            "rate_limit.ceiling_percent" => "rate_limit.adaptive.ceiling_percent",
            "rate_limit.percent" => "rate_limit.fixed.percent",
            "record_max_buffered_time" => "record_max_buffered_time_ms",
            "record_ttl" => "ttl_ms",
            "request_timeout" => "request_timeout_ms",
            "retry.base" => "retry.exponential.base_ms",
            "retry.cap" => "retry.exponential.cap_ms",
            "retry.max_attempts" => "retry.linear.max_attempts",
            "retry.step" => "retry.linear.step_ms",
            "retry_budget.percent" => "retry_budget_percent",
            same => same,
        };
        let field = format!("settings.{field}");
        Self { field, max: fault.max, min: fault.min, value: fault.value }
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;
    use core::num::NonZeroU32;

    use super::*;
    use crate::caller::Caller;
    use crate::run;

    fn fields(change: impl FnOnce(&mut Plan)) -> Vec<String> {
        let mut plan = Plan::default();
        change(&mut plan);
        let faults = plan.check().err().map(|error| error.faults().to_vec()).unwrap_or_default();
        faults.into_iter().map(|fault| fault.field).collect()
    }

    #[test]
    fn whatever_is_drawn_and_the_default_can_be() {
        assert_eq!(Plan::default().check(), Ok(()));
        for seed in 0..5_000 {
            assert_eq!(Plan::draw(seed).check(), Ok(()));
        }
    }

    #[test]
    fn each_field_has_its_bounds() {
        type Change = fn(&mut Plan);
        const SHARDS: NonZeroU32 = NonZeroU32::new(1_001).expect("not zero");
        const PRODUCERS: NonZeroU32 = NonZeroU32::new(100).expect("not zero");
        let cases: [(Change, &str); 16] = [
            (|plan| plan.caller.burst = 0, "caller.burst"),
            (
                |plan| plan.caller.ending = Ending::CloseWithin(u64::MAX),
                "caller.ending.close-within",
            ),
            (|plan| plan.caller.keys = 0, "caller.keys"),
            (|plan| plan.caller.records = u32::MAX, "caller.records"),
            (|plan| plan.caller.sizes = (7, 100), "caller.sizes[0]"),
            (|plan| plan.caller.sizes = (200, 100), "caller.sizes[1]"),
            (|plan| plan.caller.sizes.1 = 1 << 20, "caller.sizes[1]"),
            (|plan| plan.clock.jumps = u32::MAX, "clock.jumps"),
            (|plan| plan.latency_ms = (5, 4), "latency_ms[1]"),
            (|plan| plan.latency_ms = (3_001, 4_000), "latency_ms[0]"),
            (|plan| plan.list_page = 0, "list_page"),
            (|plan| (plan.list_page, plan.shards) = (1, SHARDS), "list_page"),
            (|plan| (plan.caller.keys, plan.producers) = (10_001, PRODUCERS), "caller.keys"),
            (|plan| (plan.caller.records, plan.producers) = (9, NonZeroU32::MAX), "producers"),
            (|plan| plan.changes.pause_ms = u64::MAX, "changes.pause_ms"),
            (|plan| plan.shards = NonZeroU32::MAX, "shards"),
        ];
        for (change, field) in cases {
            assert_eq!(fields(change), [field]);
        }
    }

    #[test]
    fn settings_are_checked_as_by_the_engine_and_for_worlds_that_never_end() {
        let faults = fields(|plan| {
            plan.settings.collection_max_count = 501;
            plan.settings.cancel_grace_ms = u64::MAX;
            plan.settings.record_max_buffered_time_ms = 3_600_001;
            plan.settings.retry = Retry::Linear { max_attempts: 0, step_ms: 0 };
        });
        let settings = ["cancel_grace_ms", "collection_max_count", "retry.linear.max_attempts"];
        let settings = settings.into_iter().chain(["record_max_buffered_time_ms"]);
        assert!(faults.into_iter().eq(settings.map(|setting| format!("settings.{setting}"))));
    }

    #[test]
    fn all_that_is_wrong_is_said() {
        let mut plan = Plan::default();
        plan.caller.sizes = (0, u32::MAX);
        plan.caller.keys = 0;
        plan.list_page = u32::MAX;
        let error = plan.check().expect_err("four faults").to_string();
        assert_eq!(
            error,
            "`list_page` is 4294967295; it must be from 1 to 10000; \
             `caller.keys` is 0; it must be from 1 to 1000000; \
             `caller.sizes[0]` is 0; it must be from 8 to 1048556; \
             `caller.sizes[1]` is 4294967295; it must be from 8 to 1048556"
        );
    }

    #[test]
    fn worlds_at_the_bounds_can_be_lived_through() {
        let mut plan = Plan::default();
        plan.caller = Caller { burst: u32::MAX, keys: 1, records: 0, sizes: (8, 8), ..plan.caller };
        plan.latency_ms = (0, 0);
        plan.list_page = 1;
        for records in [0, 1, 300] {
            plan.caller.records = records;
            let report = run(&plan).expect("no rule is broken");
            assert_eq!(report.stats[0].stored, u64::from(records));
        }
        plan.caller.sizes = (1_048_556, 1_048_556);
        plan.caller.records = 3;
        plan.settings.bounds_bytes = 1 << 21;
        assert_eq!(plan.check(), Ok(()));
        assert_eq!(run(&plan).expect("no rule is broken").stats[0].stored, 3);
    }
}
