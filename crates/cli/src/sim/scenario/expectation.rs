use core::fmt;

use serde::{Deserialize, Serialize};

use super::figure::Figure;

/// A figure, and what it must reach.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(super) struct Expectation {
    pub(super) figure: Figure,
    pub(super) goal: Goal,
}

/// What a figure must reach.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Goal {
    AtLeast(f64),
    AtMost(f64),
}

impl Goal {
    /// In a few signs.
    pub(super) fn short(self) -> String {
        match self {
            Self::AtLeast(least) => format!("≥ {least}"),
            Self::AtMost(most) => format!("≤ {most}"),
        }
    }

    /// A figure that cannot be told, for there was nothing to measure, reaches no goal.
    pub(super) fn is_met_by(self, value: f64) -> bool {
        match self {
            Self::AtLeast(least) => value >= least,
            Self::AtMost(most) => value <= most,
        }
    }
}

impl fmt::Display for Goal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtLeast(least) => write!(f, "at least {least}"),
            Self::AtMost(most) => write!(f, "at most {most}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_goal_is_met_or_missed() {
        for (goal, met, missed) in [
            (Goal::AtLeast(0.97), [0.97, 1.0], [0.969, f64::NAN]),
            (Goal::AtMost(1.1), [1.1, 0.0], [1.101, f64::NAN]),
        ] {
            assert!(met.iter().all(|value| goal.is_met_by(*value)), "{goal}");
            assert!(!missed.iter().any(|value| goal.is_met_by(*value)), "{goal}");
        }
    }
}
