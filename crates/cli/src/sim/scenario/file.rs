use core::ops::Range;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use headwaters_sim::Plan;
use serde::Deserialize;
use toml::{Table, Value};

use super::expectation::{Expectation, Goal};
use super::figure::Figure;
use crate::exit::Abort;

macro_rules! scenarios {
    ($( $name:literal, )*) => {
        /// All scenarios, in the order of the faults that they are about; the large ones last.
        pub(crate) const NAMES: &[&str] = &[$( $name, )*];

        /// The file of a scenario.
        fn text(name: &str) -> Option<&'static str> {
            match name {
                $( $name => {
                    Some(include_str!(concat!("../../../scenarios/", $name, ".toml")))
                } )*
                _ => None,
            }
        }
    };
}

scenarios! {
    "outage",
    "outage-lost",
    "outage-silent",
    "kms-throttling",
    "credential-rotation",
    "poison",
    "sharing",
    "hot-shard",
    "dead-shard",
    "reshard-storm",
    "on-demand-growth",
    "lambda-freeze",
    "producers-100-shards-1000",
    "shards-10000",
}

/// A world with a name, and the figures that it must reach.
#[derive(Clone, Debug)]
pub(super) struct Scenario {
    pub(super) name: String,
    /// What it is about, in a line.
    pub(super) about: String,
    pub(super) expectations: Vec<Expectation>,
    pub(super) plan: Plan,
    /// The same as the KPL would do it.
    pub(super) kpl: Plan,
    /// The seconds of the world that count, where a figure is one of some seconds; otherwise none.
    pub(super) seconds: Range<u64>,
}

/// How much of it is lived through.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Length {
    Full,
    /// As much as takes a moment: the file says what is less than in the full one.
    Short,
}

/// A file of a scenario.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    about: String,
    expect: BTreeMap<Figure, Goal>,
    plan: Plan,
    #[serde(default)]
    seconds: (u64, u64),
}

impl Scenario {
    /// The scenario of this name, which is one of [`NAMES`].
    pub(super) fn named(name: &'static str, length: Length) -> Self {
        let text = text(name).expect("it is one of the names");
        Self::parse(name, text, length).expect("the files are tested")
    }

    /// The scenario in a file of somebody's own.
    pub(super) fn read(path: &Path, length: Length) -> Result<Self, Abort> {
        let name = path.display().to_string();
        let text = fs::read_to_string(path)
            .map_err(|error| Abort::usage(format_args!("cannot read {name}: {error}")))?;
        Self::parse(&name, &text, length)
            .map_err(|wrong| Abort::usage(format_args!("{name}: {}", wrong.replace('\n', " "))))
    }

    fn parse(name: &str, text: &str, length: Length) -> Result<Self, String> {
        let mut table: Table = toml::from_str(text).map_err(|error| error.to_string())?;
        let short = table.remove("short");
        if let (Length::Short, Some(Value::Table(short))) = (length, short) {
            lay_over(&mut table, short);
        }
        let file: File = table.try_into().map_err(|error| error.to_string())?;
        let File { about, expect, plan, seconds } = file;
        plan.check().map_err(|error| error.to_string())?;
        let mut kpl = plan.clone();
        kpl.settings = kpl.settings.as_the_kpl();
        let expectations = expect.into_iter().map(|(figure, goal)| Expectation { figure, goal });
        let (expectations, seconds) = (expectations.collect(), seconds.0..seconds.1);
        Ok(Self { name: String::from(name), about, expectations, plan, kpl, seconds })
    }
}

/// What `over` says counts; what it does not say stays.
fn lay_over(table: &mut Table, over: Table) {
    for (name, value) in over {
        match (table.get_mut(&name), value) {
            (Some(Value::Table(under)), Value::Table(over)) => lay_over(under, over),
            (_, value) => {
                table.insert(name, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_is_a_scenario_and_every_scenario_has_one() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
        let files = fs::read_dir(folder).expect("it is there");
        let files = files.map(|file| file.expect("a readable directory").file_name());
        let mut files: Vec<_> = files.map(|file| file.to_string_lossy().into_owned()).collect();
        let mut names: Vec<_> = NAMES.iter().map(|name| format!("{name}.toml")).collect();
        files.sort();
        names.sort();
        assert_eq!(files, names);
        for name in NAMES {
            let [full, short] =
                [Length::Full, Length::Short].map(|length| Scenario::named(name, length));
            assert!(
                text(name).is_some_and(|text| text.starts_with("# ")),
                "{name} tells its story"
            );
            assert!(!full.expectations.is_empty() && full.plan != full.kpl, "{name}");
            assert_eq!(full.about, short.about);
            assert!(!full.about.contains('\n') && full.about.len() <= 72, "{name}: {}", full.about);
            let is_judged_by = |one: &Scenario| -> Vec<Figure> {
                one.expectations.iter().map(|expectation| expectation.figure).collect()
            };
            assert_eq!(is_judged_by(&full), is_judged_by(&short), "{name}");
        }
    }

    const TEXT: &str = "about = \"a\"\nseconds = [1, 9]\n[expect]\nstored = { at_least = 1 }\n\
        [plan]\nshards = 3\n[plan.caller]\nkeys = 5\nrecords = 70\n[short]\nseconds = [1, 3]\n\
        [short.plan.caller]\nrecords = 7\n";

    #[test]
    fn the_short_form_is_laid_over_the_full_one() {
        let parse = |length| Scenario::parse("a", TEXT, length).expect("it is right");
        let [full, short] = [parse(Length::Full), parse(Length::Short)];
        assert_eq!((full.plan.caller.records, full.seconds), (70, 1..9));
        assert_eq!((short.plan.caller.records, short.seconds.clone()), (7, 1..3));
        assert_eq!((short.plan.caller.keys, short.plan.shards.get()), (5, 3));
        assert_eq!(short.expectations[0].goal, Goal::AtLeast(1.0));
        assert_eq!(short.kpl.settings, short.plan.settings.as_the_kpl());
    }

    #[test]
    fn what_is_wrong_in_a_file_is_said() {
        for (from, to, said) in [
            ("stored", "store", "unknown variant `store`"),
            ("at_least", "about", "unknown variant `about`"),
            ("keys = 5", "keys = 0", "`caller.keys` is 0"),
            ("about = \"a\"", "", "missing field `about`"),
            ("shards = 3", "shard = 3", "unknown field `shard`"),
        ] {
            let text = TEXT.replace(from, to);
            let error = Scenario::parse("a", &text, Length::Full).expect_err(to);
            assert!(error.contains(said), "{error}");
        }
    }
}
