//! How a broken rule is told: as a plan in TOML, with the rest in comments, so that it can be kept and lived through
//! again.

use core::fmt;
use std::path::Path;

use headwaters_sim::Plan;
use serde::Serialize;

use super::plans;
use super::world::Broken;

/// A broken rule, as people and programs are told of it.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Story {
    pub(super) seed: u64,
    pub(super) rule: String,
    /// The command that lives through the world again.
    pub(super) again: String,
    /// In TOML.
    plan: String,
    /// The last lines of the trace.
    trace: Vec<String>,
}

impl Story {
    /// At most `lines` lines of the trace are told.
    pub(super) fn new(broken: &Broken, again: String, lines: usize) -> Self {
        let trace = &broken.lines[broken.lines.len().saturating_sub(lines)..];
        Self {
            seed: broken.plan.seed,
            rule: broken.rule.clone(),
            again,
            plan: plans::differences(&broken.plan),
            trace: trace.to_vec(),
        }
    }
}

impl fmt::Display for Story {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rule, again, plan, trace, .. } = self;
        writeln!(f, "# A rule is broken: {rule}")?;
        writeln!(f, "# Again: {again}")?;
        write!(f, "{plan}")?;
        if !trace.is_empty() {
            writeln!(f, "\n# The last of what happened:")?;
        }
        trace.iter().try_for_each(|line| writeln!(f, "# {line}"))
    }
}

/// The command that lives through the world of this plan again: the seed alone says it, or the file does.
pub(super) fn again(plan: &Plan, file: Option<&Path>) -> String {
    let seed = plan.seed;
    match file {
        _ if *plan == Plan::draw(seed) => format!("headwaters sim replay {seed}"),
        Some(file) => format!("headwaters sim replay {seed} --plan {}", word(file)),
        None => String::from("headwaters sim replay --plan FILE, where FILE holds this"),
    }
}

/// As one word for a shell.
pub(super) fn word(path: &Path) -> String {
    let path = path.display().to_string();
    let is_plain = |char: char| char.is_alphanumeric() || "-_./".contains(char);
    if path.chars().all(is_plain) { path } else { format!("'{}'", path.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broken() -> Box<Broken> {
        let mut plan = Plan::default();
        plan.seed = 4;
        Broken::new(&plan, "record 5 is lost", ["one", "two", "three"].map(String::from).into())
    }

    #[test]
    fn a_story_is_a_plan() {
        let broken = broken();
        let story = Story::new(&broken, again(&broken.plan, None), 2).to_string();
        assert_eq!(
            story,
            "# A rule is broken: record 5 is lost\n\
             # Again: headwaters sim replay --plan FILE, where FILE holds this\n\
             seed = 4\n\n\
             # The last of what happened:\n# two\n# three\n"
        );
        assert_eq!(toml::from_str::<Plan>(&story).expect("the rest are comments"), broken.plan);
        let all = Story::new(&broken, String::new(), 9);
        assert_eq!(all.trace, broken.lines);
    }

    #[test]
    fn what_a_seed_says_needs_no_file() {
        let file = |name| Some(Path::new(name));
        assert_eq!(again(&Plan::draw(4), file("a.toml")), "headwaters sim replay 4");
        let plan = broken().plan;
        let command = "headwaters sim replay 4 --plan";
        assert_eq!(again(&plan, file("b/a-1.toml")), format!("{command} b/a-1.toml"));
        assert_eq!(again(&plan, file("it's")), format!(r"{command} 'it'\''s'"));
    }
}
