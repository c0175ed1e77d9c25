//! The results in words.

use core::fmt::Write;
use std::fs;
use std::path::Path;

use crate::Failure;
use crate::arms::{ARMS, Arm, Heat};
use crate::course::SIZES;
use crate::figures::{Results, quantile};
use crate::{goals, machine, plots};

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/benchmarks.md");
const PICTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/benchmarks");

/// What stands between these is the race's to write, and all else of the page is not.
const BEGIN: &str = "<!-- written by the race: begin -->";
const END: &str = "<!-- written by the race: end -->";

/// Writes the part of the page that is the race's, and the pictures.
pub(crate) fn write(results: &Results) -> Result<(), Failure> {
    let page = fs::read_to_string(PAGE)?;
    let (before, rest) = page.split_once(BEGIN).ok_or("the page has no place for the results")?;
    let (_, after) = rest.split_once(END).ok_or("the place for the results has no end")?;
    let mut text = format!("{before}{BEGIN}\n\n");
    for (what, value) in machine::describe() {
        writeln!(text, "- {what}: {value}")?;
    }
    text.push_str(&tables(results));
    fs::create_dir_all(PICTURES)?;
    text.push('\n');
    for heat in Heat::ALL {
        for size in SIZES {
            let name = format!("{}-{size}.svg", heat.name());
            fs::write(Path::new(PICTURES).join(&name), plots::bars(results, heat, size)?)?;
            writeln!(
                text,
                "![{}]({name})",
                plots::title(heat, size),
                name = format_args!("benchmarks/{name}")
            )?;
        }
    }
    write!(text, "\n{END}{after}")?;
    fs::write(PAGE, text)?;
    println!("wrote docs/benchmarks.md");
    Ok(())
}

/// All tables.
pub(crate) fn tables(results: &Results) -> String {
    let mut text = String::from("\n### Goals\n\n| what | goal | measured | |\n|---|---|---|---|\n");
    for goal in goals::goals(results) {
        let met = match goal.is_met {
            Some(true) => "met",
            Some(false) => "missed",
            None => "not measured",
        };
        let _ = writeln!(text, "| {} | {} | {} | {met} |", goal.what, goal.wanted, goal.measured);
    }
    for heat in Heat::ALL {
        for size in SIZES {
            let _ = write!(text, "\n### {}\n\n", plots::title(heat, size));
            text.push_str("| | CPU ns per record (10 % to 90 %) | M records/s per core | times the CPU |\n|---|---|---|---|\n");
            for arm in ARMS.iter().filter(|arm| arm.heat == heat) {
                text.push_str(&row(results, arm, size));
            }
        }
    }
    text
}

fn row(results: &Results, arm: &Arm, size: usize) -> String {
    let Some(turns) = results.sorted(arm.id, size) else {
        let why = results.missing.get(arm.id).map_or("not asked for", String::as_str);
        return format!("| {} | was not there: {why} | | |\n", arm.name);
    };
    let [low, middle, high] = [0.1, 0.5, 0.9].map(|part| quantile(&turns, part));
    let ratio = results.ratio(arm.id, arm.heat.base(), size);
    let ratio = ratio.map_or_else(String::new, |ratio| format!("{ratio:.2}"));
    let rate = 1e3 / middle;
    format!("| {} | {middle:.0} ({low:.0} to {high:.0}) | {rate:.3} | {ratio} |\n", arm.name)
}
