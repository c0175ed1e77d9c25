use core::fmt;

use headwaters_sim::Pairs;
use indicatif::HumanCount;
use serde::Serialize;

use super::figures::Figures;
use super::story::Story;

/// What a run over many seeds showed: the text, and the object of `--json`, whose fields these are.
#[derive(Debug, Serialize)]
pub(super) struct Summary {
    /// As the command line has them.
    pub(super) seeds: String,
    pub(super) jobs: u16,
    #[serde(flatten)]
    pub(super) figures: Figures,
    /// Of those worlds: they were lived through a second time.
    pub(super) doublechecked: u64,
    /// `None` if the worlds have a plan, and so the faults of that, or if there was none.
    pub(super) fault_pairs: Option<FaultPairs>,
    pub(super) elapsed_seconds: f64,
    /// Of all threads together.
    pub(super) cpu_seconds: f64,
    pub(super) simulated_hours_per_cpu_minute: f64,
    /// Hard situations that no world met.
    pub(super) never: Vec<&'static str>,
    /// Why it did not come to its end.
    pub(super) stopped: Option<&'static str>,
    pub(super) broken: Option<Story>,
    pub(super) exit_code: u8,
}

/// Which two faults came together least often.
#[derive(Debug, Serialize)]
pub(super) struct FaultPairs {
    /// How many pairs there are.
    pairs: usize,
    rarest: [&'static str; 2],
    /// In how many worlds that pair was, and each other one in as many or more.
    worlds: u64,
}

impl FaultPairs {
    pub(super) fn of(pairs: &Pairs) -> Option<Self> {
        let ((one, other), worlds) = pairs.rarest()?;
        Some(Self { pairs: pairs.len(), rarest: [one, other], worlds })
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cpu_seconds, elapsed_seconds, figures, jobs, .. } = self;
        write!(f, "{:<16}{:>14}", "worlds", HumanCount(figures.worlds).to_string())?;
        if self.doublechecked > 0 {
            write!(f, "  ({} of them twice)", HumanCount(self.doublechecked))?;
        }
        let rate = self.simulated_hours_per_cpu_minute;
        writeln!(f)?;
        if let Some(stopped) = self.stopped {
            writeln!(f, "{:<16}{stopped}", "stopped")?;
        }
        writeln!(f, "{:<16}{elapsed_seconds:>12.3} s  ({jobs} at a time)", "elapsed")?;
        write!(f, "{:<16}{cpu_seconds:>12.3} s  ", "cpu")?;
        writeln!(f, "({rate:.3} simulated hours per CPU-minute)")?;
        if let Some(FaultPairs { pairs, rarest: [one, other], worlds }) = &self.fault_pairs {
            write!(f, "{:<16}{:>14}", "fault pairs", HumanCount(*pairs as u64).to_string())?;
            writeln!(f, "  (each in {} worlds or more; {one} with {other})", HumanCount(*worlds))?;
        }
        write!(f, "{figures}")?;
        if self.never.is_empty() {
            return Ok(());
        }
        writeln!(f, "\nhard situations never met")?;
        self.never.iter().try_for_each(|name| writeln!(f, "  {name}"))
    }
}
