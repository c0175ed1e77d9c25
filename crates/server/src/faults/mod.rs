//! What goes wrong on command.

mod events;
mod fault;
mod plan;
mod random;

use core::fmt;
use std::sync::Mutex;

pub(crate) use events::{Event, Events, seconds};
use fault::Fault;
pub(crate) use fault::{
    Cut, Delay, Effects, EntryChoice, EntryFailure, Lost, Refusal, Reset, Reshard,
};
use headwaters_wire::StreamName;
pub(crate) use random::Random;
use serde_json::{Value, json};

use crate::kinesis::lock;
use crate::operations::Operation;

/// What goes wrong with which requests: read from TOML or JSON, and valid from then on.
///
/// ```
/// use headwaters_server::FaultPlan;
///
/// let plan = FaultPlan::from_toml(
///     r#"
///     seed = 7
///
///     [[fault]]
///     name = "the answer to the third request is lost"
///     operations = ["PutRecords"]
///     requests = [3]
///     reset = "after"
///
///     [[fault]]
///     operations = ["PutRecords"]
///     rate = 0.1
///     fail_entries = { every = 7 }
///     "#,
/// )?;
/// assert_eq!(plan.len(), 2);
/// # Ok::<(), headwaters_server::PlanError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FaultPlan {
    faults: Vec<Fault>,
    seed: u64,
}

impl FaultPlan {
    /// Reads a plan as it is written in a file.
    ///
    /// # Errors
    /// [`PlanError`] names the fault, the field, what is wrong with it and what it can be.
    pub fn from_toml(text: &str) -> Result<Self, PlanError> {
        plan::of_toml(text).map(|(seed, faults)| Self { faults, seed })
    }

    /// Reads a plan with the same fields in JSON.
    ///
    /// # Errors
    /// As in [`from_toml`](Self::from_toml).
    pub fn from_json(text: &str) -> Result<Self, PlanError> {
        plan::of_json(text).map(|(seed, faults)| Self { faults, seed })
    }

    /// Whether nothing goes wrong.
    pub const fn is_empty(&self) -> bool {
        self.faults.is_empty()
    }

    /// How many faults there are.
    pub const fn len(&self) -> usize {
        self.faults.len()
    }
}

/// Why a text is no fault plan.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PlanError {
    text: String,
}

impl PlanError {
    fn new(text: String) -> Self {
        Self { text }
    }
}

impl fmt::Display for PlanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the fault plan is wrong: {}", self.text.trim_end())
    }
}

impl core::error::Error for PlanError {}

/// The plan that is in force, and how far it is.
#[derive(Debug, Default)]
pub(crate) struct Faults(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    counts: Vec<Count>,
    plan: FaultPlan,
}

#[derive(Clone, Copy, Debug, Default)]
struct Count {
    applied: u64,
    matched: u64,
}

/// What is decided about one request.
#[derive(Clone, Debug)]
pub(crate) struct Decision {
    pub(crate) effects: Effects,
    /// The names of the faults.
    pub(crate) names: Vec<String>,
    /// For what is left to chance within the request.
    pub(crate) random: Random,
}

/// What is known of a request when something is decided about it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Phase<'a> {
    /// Its body; its stream, if it names one.
    Body(Option<&'a StreamName>),
    /// No more than its operation.
    Head,
}

impl Faults {
    /// Puts a plan into force; all counts begin anew.
    pub(crate) fn set(&self, plan: FaultPlan) {
        let counts = vec![Count::default(); plan.len()];
        *lock(&self.0) = State { counts, plan };
    }

    /// Decides about a request; `None` if nothing happens to it.
    pub(crate) fn decide(&self, operation: Operation, phase: Phase<'_>) -> Option<Decision> {
        let mut state = lock(&self.0);
        let State { counts, plan } = &mut *state;
        let mut decision: Option<Decision> = None;
        for (number, (fault, count)) in (1..).zip(plan.faults.iter().zip(&mut *counts)) {
            let is_of_head = fault.effects.reset == Some(Reset::During);
            let stream = match phase {
                Phase::Body(stream) if !is_of_head => stream,
                Phase::Head if is_of_head => None,
                _ => continue,
            };
            let Some(random) = count.next(fault, operation, stream, Random::new(plan.seed, number))
            else {
                continue;
            };
            let decision = decision.get_or_insert_with(|| Decision {
                effects: Effects::default(),
                names: Vec::new(),
                random,
            });
            decision.effects.add(&fault.effects);
            decision.names.push(fault.name.clone());
        }
        if phase == Phase::Head && decision.is_some() {
            // Nobody will look into this request, but it is one all the same.
            for (fault, count) in plan.faults.iter().zip(counts) {
                let counts_later = fault.effects.reset != Some(Reset::During);
                count.matched += u64::from(counts_later && fault.matcher.is_for(operation, None));
            }
        }
        decision
    }

    /// What is in force, and how often it was.
    pub(crate) fn report(&self) -> Value {
        let state = lock(&self.0);
        let fault = |(fault, count): (&Fault, &Count)| json!({ "name": fault.name, "matched": count.matched, "applied": count.applied });
        let faults: Vec<Value> = state.plan.faults.iter().zip(&state.counts).map(fault).collect();
        json!({ "seed": state.plan.seed, "faults": faults })
    }
}

impl Count {
    /// Counts a request if it is one of the fault's; what is left to chance in it, if the fault applies.
    fn next(
        &mut self,
        fault: &Fault,
        operation: Operation,
        stream: Option<&StreamName>,
        mut random: Random,
    ) -> Option<Random> {
        let matcher = &fault.matcher;
        if !matcher.is_for(operation, stream) {
            return None;
        }
        self.matched += 1;
        let number = self.matched;
        random.jump(number);
        let is_chosen = number >= matcher.from
            && (matcher.requests.is_empty() || matcher.requests.contains(&number))
            && matcher.every.is_none_or(|every| (number - matcher.from + 1).is_multiple_of(every))
            && matcher.rate.is_none_or(|rate| random.share() < rate)
            && matcher.times.is_none_or(|times| self.applied < times);
        self.applied += u64::from(is_chosen);
        is_chosen.then_some(random)
    }
}
