use core::fmt;

use serde::Serialize;

use super::expectation::{Expectation, Goal};
use super::figure::Figure;

/// What became of a scenario. These are fields of the JSON, too.
#[derive(Debug, Serialize)]
pub(super) struct Verdict {
    pub(super) name: String,
    pub(super) about: String,
    pub(super) ours: Lived,
    pub(super) kpl: Lived,
    pub(super) figures: Vec<Judged>,
}

/// How a world went.
#[derive(Debug, Default, Serialize)]
pub(super) struct Lived {
    /// The rule that was broken, if one was.
    pub(super) broken: Option<String>,
    pub(super) simulated_seconds: f64,
    /// What it took of a processor's time.
    pub(super) cpu_seconds: f64,
}

/// A figure, with and without the KPL's strategy, and whether ours reaches its goal. What cannot be told is null.
#[derive(Debug, Serialize)]
pub(super) struct Judged {
    figure: Figure,
    goal: Goal,
    ours: Option<f64>,
    kpl: Option<f64>,
    is_met: bool,
}

impl Judged {
    pub(super) fn new(
        Expectation { figure, goal }: Expectation,
        ours: Option<f64>,
        kpl: Option<f64>,
    ) -> Self {
        let is_met = ours.is_some_and(|ours| goal.is_met_by(ours));
        let told = |value: Option<f64>| value.filter(|value| value.is_finite());
        Self { figure, goal, ours: told(ours), kpl: told(kpl), is_met }
    }
}

/// Four digits, or all before the point.
fn number(value: Option<f64>) -> String {
    let Some(value) = value else { return String::from("-") };
    let digits = [1_000.0, 100.0, 10.0].iter().take_while(|least| value < **least).count();
    format!("{value:.digits$}")
}

impl Verdict {
    /// What is not as it must be, a line each.
    pub(super) fn misses(&self) -> Vec<String> {
        let Self { name, ours, kpl, figures, .. } = self;
        let broken = [("", ours), (", as the KPL does it", kpl)];
        let broken = broken.into_iter().filter_map(|(how, lived)| {
            lived.broken.as_ref().map(|rule| format!("{name}{how}: {rule}"))
        });
        let missed = figures.iter().filter(|judged| !judged.is_met && judged.ours.is_some());
        let missed = missed.map(|Judged { figure, goal, ours, .. }| {
            // With all digits that may be what is missing.
            let ours = ours.map_or(f64::NAN, |ours| (ours * 1e6).round() / 1e6);
            format!("{name}: {} is {ours}, and must be {goal}", figure.name())
        });
        let untold = figures.iter().filter(|judged| judged.ours.is_none() && ours.broken.is_none());
        let untold = untold.map(|judged| format!("{name}: nothing says {}", judged.figure.name()));
        broken.chain(missed).chain(untold).collect()
    }
}

impl Verdict {
    /// The figures as a table of HTML.
    pub(super) fn html(&self) -> String {
        let row = |Judged { figure, goal, ours, kpl, is_met }: &Judged| {
            let (ours, kpl) = (number(*ours), number(*kpl));
            let class = if *is_met { "good" } else { "bad" };
            let is_met = if *is_met { "met" } else { "missed" };
            let (name, about, goal) = (figure.name(), figure.about(), goal.short());
            format!(
                "<tr class=\"first\"><td>{name}</td><td class=\"number\">{ours}</td>\
                 <td class=\"number\">{kpl}</td><td class=\"whole\">{goal}</td></tr>\n\
                 <tr><td colspan=\"3\" class=\"soft\">{about}</td><td class=\"{class}\">{is_met}</td></tr>\n"
            )
        };
        let rows: String = self.figures.iter().map(row).collect();
        format!(
            "<h2>What it must reach</h2>\n<div class=\"scroll\"><table><tr><th></th>\
             <th class=\"number\">ours</th><th class=\"number\">the KPL's</th><th>goal</th></tr>\n\
             {rows}</table></div>"
        )
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, about, ours, kpl, figures } = self;
        writeln!(f, "{name}: {about}")?;
        writeln!(f, "  {:<16}{:>10}{:>12}   goal", "", "ours", "the KPL's")?;
        for Judged { figure, goal, ours, kpl, is_met } in figures {
            let (ours, kpl) = (number(*ours), number(*kpl));
            let missed = if *is_met { "" } else { "  MISSED" };
            writeln!(f, "  {:<16}{ours:>10}{kpl:>12}   {goal}{missed}", figure.name())?;
        }
        let time =
            |lived: &Lived| [lived.simulated_seconds, lived.cpu_seconds].map(Some).map(number);
        for (what, at) in [("simulated s", 0), ("cpu s", 1)] {
            writeln!(f, "  {what:<16}{:>10}{:>12}", time(ours)[at], time(kpl)[at])?;
        }
        for lived in [ours, kpl] {
            lived.broken.iter().try_for_each(|rule| writeln!(f, "  a rule is broken: {rule}"))?;
        }
        writeln!(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(ours: f64, broken: Option<&str>) -> Verdict {
        let goal = Expectation { figure: Figure::CaughtUpS, goal: Goal::AtMost(9.0) };
        let untold = broken.is_some();
        Verdict {
            name: String::from("outage"),
            about: String::from("a minute"),
            ours: Lived { broken: broken.map(String::from), ..Lived::default() },
            kpl: Lived { simulated_seconds: 12.5, ..Lived::default() },
            figures: vec![Judged::new(goal, (!untold).then_some(ours), Some(12_345.6))],
        }
    }

    #[test]
    fn a_miss_names_the_figure_the_value_and_the_goal() {
        assert_eq!(verdict(9.0, None).misses(), [""; 0]);
        let missed = verdict(9.5, None);
        assert_eq!(missed.misses(), ["outage: caught_up_s is 9.5, and must be at most 9"]);
        let text = missed.to_string();
        let row = "  caught_up_s          9.500       12346   at most 9  MISSED\n";
        assert!(text.starts_with("outage: a minute\n") && text.contains(row), "{text}");
        assert_eq!(verdict(f64::NAN, None).misses(), ["outage: nothing says caught_up_s"]);
        assert_eq!(verdict(0.0, Some("lost")).misses(), ["outage: lost"]);
    }

    #[test]
    fn what_cannot_be_told_is_null() {
        let json = serde_json::to_value(verdict(f64::NAN, None)).expect("all names are strings");
        let figure = &json["figures"][0];
        assert_eq!((&figure["ours"], &figure["is_met"]), (&serde_json::Value::Null, &false.into()));
        assert_eq!(figure["goal"], serde_json::json!({ "at_most": 9.0 }));
    }
}
