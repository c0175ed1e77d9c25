use core::mem;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use headwaters::TokioClock;
use headwaters_sim::{Plan, Report};

use super::expectation::Expectation;
use super::figure::Life;
use super::file::Scenario;
use super::verdict::{Judged, Lived, Verdict};
use crate::progress::Far;
use crate::sim::cpu;
use crate::sim::task::Task;
use crate::sim::world::live;

/// Scenarios to be lived through.
#[derive(Debug)]
pub(super) struct Work {
    clock: TokioClock,
    pub(super) scenarios: Vec<Scenario>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    is_stopped: bool,
    /// How many were begun.
    begun: usize,
    /// In the order of the scenarios.
    verdicts: BTreeMap<usize, Verdict>,
}

impl Work {
    pub(super) fn new(scenarios: Vec<Scenario>, clock: TokioClock) -> Self {
        Self { clock, scenarios, state: Mutex::default() }
    }

    /// What became of those that were lived through.
    pub(super) fn verdicts(&self) -> Vec<Verdict> {
        mem::take(&mut self.state().verdicts).into_values().collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(&self) -> Option<usize> {
        let mut state = self.state();
        let next = state.begun;
        if state.is_stopped || next == self.scenarios.len() {
            return None;
        }
        state.begun += 1;
        Some(next)
    }

    fn live(&self, plan: &Plan) -> (Lived, Option<Report>) {
        let start = cpu::of_this_thread(self.clock);
        let lived = live(plan, &mut ());
        let cpu_seconds = cpu::of_this_thread(self.clock).saturating_sub(start).as_secs_f64();
        match lived {
            Ok(report) => {
                let simulated_seconds = report.time.as_secs_f64();
                (Lived { broken: None, simulated_seconds, cpu_seconds }, Some(report))
            }
            Err(broken) => {
                let broken = Some(broken.rule);
                (Lived { broken, cpu_seconds, ..Lived::default() }, None)
            }
        }
    }

    fn judge(&self, scenario: &Scenario) -> Verdict {
        let (ours, report) = self.live(&scenario.plan);
        let (kpl, kpl_report) = self.live(&scenario.kpl);
        let measure = |plan, report: &Option<Report>, Expectation { figure, .. }: Expectation| {
            let (report, seconds) = (report.as_ref()?, scenario.seconds.clone());
            Some(Life { plan, report, seconds }.measure(figure))
        };
        let judged = |&expectation: &Expectation| {
            let ours = measure(&scenario.plan, &report, expectation);
            Judged::new(expectation, ours, measure(&scenario.kpl, &kpl_report, expectation))
        };
        Verdict {
            name: scenario.name.clone(),
            about: scenario.about.clone(),
            ours,
            kpl,
            figures: scenario.expectations.iter().map(judged).collect(),
        }
    }
}

impl Task for Work {
    fn work(&self) {
        while let Some(at) = self.begin() {
            let verdict = self.judge(&self.scenarios[at]);
            self.state().verdicts.insert(at, verdict);
        }
    }

    fn stop(&self) {
        self.state().is_stopped = true;
    }

    fn far(&self) -> Far {
        let [done, all] = [self.state().verdicts.len(), self.scenarios.len()];
        let text = format!("{done} of {all} scenarios");
        Far { part: Some((done as u64, all as u64)), text }
    }

    fn under_way(&self) -> String {
        let state = self.state();
        let running = (0..state.begun).filter(|at| !state.verdicts.contains_key(at));
        let names: Vec<_> = running.map(|at| self.scenarios[at].name.as_str()).collect();
        format!("scenarios that had begun: {}", names.join(", "))
    }
}
