use core::fmt;

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
        write!(f, "{figures}")?;
        if self.never.is_empty() {
            return Ok(());
        }
        writeln!(f, "\nhard situations never met")?;
        self.never.iter().try_for_each(|name| writeln!(f, "  {name}"))
    }
}
