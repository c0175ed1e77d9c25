//! `headwaters sim`: worlds that are lived through, replayed, planned and made simpler.

mod common;

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::process::Child;

use common::{Folder, Run, headwaters, json_lines, run};
use serde_json::{Value, json};

/// A plan that breaks a rule: it takes longer than two days, which counts as a world that never ends.
const ENDLESS: &str = "seed = 3\n[caller]\npause_ms = 3600000\nrecords = 200\n";

fn sim(words: &[&str], input: impl AsRef<[u8]>) -> Run {
    run(&[&["sim"], words].concat(), input)
}

fn json(run: &Run) -> Value {
    let summary: Value = serde_json::from_str(&run.stdout).expect("one object");
    assert_eq!(summary["exit_code"], run.code, "{}", run.stderr);
    summary
}

#[test]
fn many_worlds_and_their_figures() {
    let text = sim(&["run", "--seeds=0..40"], "");
    assert_eq!((text.code, text.stderr.as_str()), (0, ""));
    let pairs = "fault pairs                741  (each in ";
    let rows =
        ["worlds                      40", "records", "duplicates", "simulated hours per", pairs];
    for row in rows {
        assert!(text.stdout.contains(row), "{row}: {}", text.stdout);
    }
    let figures = |words: &[&str]| {
        let run = sim(&[&["run", "--json"], words].concat(), "");
        assert_eq!((run.code, run.stderr.as_str()), (0, ""));
        json(&run)
    };
    let [mut one, mut other] =
        [["--jobs=1"], ["--jobs=5"]].map(|jobs| figures(&[&["--seeds=0..40"], &jobs[..]].concat()));
    assert_eq!((&one["worlds"], &one["broken"]), (&json!(40), &Value::Null));
    assert!(one["cpu_seconds"].as_f64() > Some(0.0) && one["simulated_hours"].as_f64() > Some(0.0));
    let never = one["never"].as_array().expect("a list").iter();
    let met = one["sometimes"].as_object().expect("an object");
    assert!(met.iter().filter(|(_, count)| **count == json!(0)).map(|(name, _)| name).eq(never));
    for name in met.iter().filter(|(_, count)| **count != json!(0)).map(|(name, _)| name) {
        assert!(text.stdout.contains(&format!("  {name} ")), "{name}");
    }
    for summary in [&mut one, &mut other] {
        for own in ["cpu_seconds", "elapsed_seconds", "jobs", "simulated_hours_per_cpu_minute"] {
            assert!(summary.as_object_mut().is_some_and(|fields| fields.remove(own).is_some()));
        }
    }
    assert_eq!(one, other, "the order does not matter");
    let twice = figures(&["--seeds=0..40", "--doublecheck"]);
    assert_eq!((&twice["doublechecked"], &twice["stored"]), (&json!(40), &one["stored"]));
}

#[test]
fn a_broken_rule_is_told_so_that_it_can_be_seen_again() {
    let folder = Folder::of("sim_broken");
    let plan = folder.file("a plan.toml", ENDLESS);
    let words = ["run", "--seeds=5..9", "--jobs=3", "--plan", &plan];
    let told = sim(&words, "");
    assert_eq!(told.code, 1);
    // The lowest seed, not the first that was found.
    assert!(told.stderr.contains("error: seed 5: it does not end"), "{}", told.stderr);
    let again = format!("headwaters sim replay 5 --plan '{plan}'");
    assert!(told.stderr.ends_with(&format!("again: {again}\n")), "{}", told.stderr);
    for said in ["seed = 5\n", "# A rule is broken: it does not end", "send-batch", &again] {
        assert!(told.stdout.contains(said), "{said}: {}", told.stdout);
    }
    // What is printed is a plan.
    let replayed = sim(&["replay", "--plan=-"], &told.stdout);
    assert_eq!(replayed.code, 1);
    assert!(replayed.stderr.starts_with("headwaters: error: seed 5: it does not end"));
    let trace = |text: &str| -> Vec<String> {
        let lines: Vec<_> = text.lines().map(|line| line.trim_start_matches("# ").trim()).collect();
        lines[lines.len() - 60..].iter().map(ToString::to_string).collect()
    };
    assert_eq!(trace(&told.stdout), trace(&replayed.stdout));
    assert_eq!(sim(&["replay", "5", "--trace=none", "--plan", &plan], "").code, 1);

    let object = sim(&[&words[..], &["--json"]].concat(), "");
    let broken = &json(&object)["broken"];
    assert_eq!((&broken["seed"], &broken["again"]), (&json!(5), &json!(again)));
    assert!(told.stdout.contains(broken["plan"].as_str().expect("a text")));
    assert_eq!(broken["trace"].as_array().map(Vec::len), Some(60));
}

#[test]
fn a_world_is_the_same_each_time_and_in_each_form() {
    let columns = sim(&["replay", "7"], "");
    assert_eq!((columns.code, columns.stderr.as_str()), (0, ""));
    assert_eq!(sim(&["replay", "7"], "").stdout, columns.stdout);
    let (trace, report) = columns.stdout.split_once("\n\nseed  ").expect("a report");
    let report = format!("seed  {report}");
    assert_eq!(sim(&["replay", "7", "--trace=none"], "").stdout, report);

    let lines = json_lines(&sim(&["replay", "7", "--trace=jsonl"], "").stdout);
    let (last, events) = lines.split_last().expect("there is a report");
    assert_eq!(events.len(), trace.lines().count());
    assert_eq!(last["report"]["worlds"], 1);
    assert!(events.iter().all(|event| event.as_object().is_some_and(|fields| fields.len() == 5)));

    let folder = Folder::of("sim_trace");
    let to = folder.path("trace");
    let split = sim(&["replay", "7", "--to", &to], "");
    assert_eq!((split.code, &split.stdout), (0, &report));
    assert_eq!(fs::read_to_string(&to).expect("it is there"), format!("{trace}\n"));
    let split = sim(&["replay", "7", "--trace=jsonl", "--to", &to], "");
    assert_eq!((&split.stdout, folder.lines("trace")), (&report, lines));
}

#[test]
fn a_plan_stands_for_its_seed() {
    let plan = sim(&["plan", "18446744073709551615"], "");
    assert_eq!((plan.code, plan.stderr.as_str()), (0, ""));
    assert!(plan.stdout.contains("\nseed = 18446744073709551615\n"), "{}", plan.stdout);
    assert!(plan.stdout.contains("\n[caller]\nburst = "), "{}", plan.stdout);
    let drawn = sim(&["replay", "18446744073709551615"], "").stdout;
    assert_eq!(sim(&["replay", "--plan=-"], &plan.stdout).stdout, drawn);
    // Another seed lives by the same plan.
    let other = sim(&["replay", "4", "--plan=-"], &plan.stdout).stdout;
    assert!(other.contains("seed                         4\n") && other != drawn);
}

#[test]
fn what_is_left_of_a_plan_is_simpler_and_breaks_the_same_rule() {
    let folder = Folder::of("sim_shrink");
    let more = "outcomes = [3, 50]\n[faults]\nlost_answer = 5000\n[settings]\nttl_ms = \"never\"\n";
    let plan = folder.file("plan.toml", format!("shards = 7\nproducers = 2\n{ENDLESS}{more}"));
    let shrunk = sim(&["shrink", "--plan", &plan], "");
    assert_eq!(shrunk.code, 0, "{}", shrunk.stderr);
    assert!(shrunk.stderr.contains("worlds; again: "), "{}", shrunk.stderr);
    let (fields, comments): (Vec<_>, Vec<_>) = shrunk
        .stdout
        .lines()
        .filter(|line| !line.is_empty())
        .partition(|line| !line.starts_with('#'));
    let names: Vec<_> = fields.iter().map(|line| line.split(" = ").next()).collect();
    let left = ["seed", "[caller]", "keys", "pause_ms", "records"].map(Some);
    assert_eq!(names, left, "{}", shrunk.stdout);
    assert_eq!(comments.len(), 3 + 30);

    // The file holds the same, and it is named.
    let to = folder.path("small.toml");
    let written = sim(&["shrink", "--plan", &plan, "--to", &to], "");
    assert_eq!((written.code, written.stdout.as_str()), (0, ""));
    assert!(written.stderr.ends_with(&format!("headwaters sim replay 3 --plan {to}\n")));
    let replayed = sim(&["replay", "--plan", &to], "");
    assert!(replayed.code == 1 && replayed.stderr.contains("it does not end"));

    let nothing = sim(&["shrink", "7"], "");
    assert_eq!((nothing.code, nothing.stdout.as_str()), (2, ""));
    assert!(nothing.stderr.contains("no rule is broken in the world of seed 7"));
}

#[test]
fn a_plan_that_cannot_be_is_refused_before_anything_runs() {
    let folder = Folder::of("sim_plans");
    for (text, code, said) in [
        ("[caller]\nrecords = many\n", 2, ", line 2, `records = many`: "),
        ("[caller]\n\nrecord = 5\n", 2, ", line 3, `record = 5`: unknown field `record`"),
        ("[faults]\nlost_answer = 1000001\n", 2, ", line 2, `lost_answer = 1000001`: "),
        ("\u{0}", 2, ", line 1, "),
        (
            "[caller]\nkeys = 0\nburst = 0\nsizes = [9, 8]\n[settings]\ncollection_max_count = 501\n",
            253,
            ": `caller.burst` is 0; it must be at least 1; `caller.keys` is 0; it must be from 1 to \
             1000000; `caller.sizes[1]` is 8; it must be from 9 to 1048556; \
             `settings.collection_max_count` is 501; it must be from 1 to 500\n",
        ),
    ] {
        let plan = folder.file("plan.toml", text);
        for words in [&["run", "--seeds=0..9"][..], &["replay"], &["replay", "4"], &["shrink"]] {
            let run = sim(&[words, &["--plan", &plan]].concat(), "");
            assert_eq!((run.code, run.stdout.as_str()), (code, ""), "{text}");
            let said = format!("headwaters: error: {plan}{said}");
            assert!(run.stderr.starts_with(&said), "{}", run.stderr);
            assert_eq!(run.stderr.lines().count(), 1, "{}", run.stderr);
        }
    }
    let missing = folder.path("missing");
    let run = sim(&["replay", "--plan", &missing], "");
    assert_eq!(run.code, 2);
    assert!(run.stderr.contains(&format!("cannot read {missing}: ")), "{}", run.stderr);
    // It is read, and must not be lost.
    let plan = folder.file("plan.toml", ENDLESS);
    for word in ["replay", "shrink"] {
        let run = sim(&[word, "--plan", &plan, "--to", &plan], "");
        assert!(run.code == 2 && run.stderr.contains("is named for two things"), "{}", run.stderr);
    }
    assert_eq!(fs::read_to_string(&plan).expect("it is there"), ENDLESS);
}

/// Every figure that a scenario must reach is in its file, and the KPL's stands beside it.
#[test]
fn scenarios_reach_their_figures_in_short() {
    let run = sim(&["scenario", "--all", "--short", "--jobs=2", "--output=json"], "");
    assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{}", run.stdout);
    let scenarios = json(&run)["scenarios"].as_array().expect("a list").clone();
    let listed = sim(&["scenario", "--list"], "").stdout;
    assert_eq!(scenarios.len(), listed.lines().count());
    for (scenario, line) in scenarios.iter().zip(listed.lines()) {
        let [name, about] = ["name", "about"].map(|of| scenario[of].as_str().expect("a text"));
        assert_eq!(line, format!("{name:<26}{about}"));
        for figure in scenario["figures"].as_array().expect("a list") {
            assert!(figure["is_met"] == true && figure["kpl"].is_number(), "{name}: {figure}");
        }
    }
}

#[test]
fn a_scenario_that_misses_a_figure_says_which() {
    let folder = Folder::of("sim_scenario");
    let text = |goal: &str| {
        format!("about = \"a\"\n[expect]\nstored = {goal}\n[plan.caller]\nrecords = 9\n")
    };
    let file = folder.file("own.toml", text("{ at_most = 0.5 }"));
    let missed = sim(&["scenario", "--file", &file], "");
    let said = format!("headwaters: error: {file}: stored is 1, and must be at most 0.5\n");
    assert_eq!((missed.code, missed.stderr), (1, said));
    assert!(missed.stdout.contains("at most 0.5  MISSED\n"), "{}", missed.stdout);
    let file = folder.file("own.toml", text("{ at_least = 1 }"));
    assert_eq!(sim(&["scenario", "--file", &file], "").code, 0);
    let file = folder.file("own.toml", text("1"));
    let wrong = sim(&["scenario", "--file", &file], "");
    assert_eq!((wrong.code, wrong.stderr.lines().count()), (2, 1), "{}", wrong.stderr);
}

#[test]
fn a_page_is_written_about_a_world() {
    let folder = Folder::of("sim_page");
    let page = folder.path("page.html");
    let read = || fs::read_to_string(&page).expect("it is there");
    let run = sim(&["replay", "7", "--trace=none", "--report", &page], "");
    assert_eq!((run.code, run.stderr.as_str()), (0, ""));
    assert!(run.stdout.starts_with("seed  ") && read().starts_with("<!doctype html>"));
    assert!(read().contains(&format!("headwaters sim replay 7 --report {page}")));
    let scenario = sim(&["scenario", "dead-shard", "--short", "--report", &page], "");
    assert_eq!(scenario.code, 0, "{}", scenario.stderr);
    let html = read();
    for said in ["<h1>Scenario dead-shard</h1>", "shard 0 is dead", "p99_beside_ms", "≤ 0.2<"] {
        assert!(html.contains(said), "{said}");
    }
    // A broken rule is what one most wants to see.
    let plan = folder.file("plan.toml", ENDLESS);
    assert_eq!(sim(&["replay", "--trace=none", "--plan", &plan, "--report", &page], "").code, 1);
    assert!(read().contains("A rule is broken: it does not end") && read().contains("send-batch"));
    let two = sim(&["scenario", "outage", "sharing", "--report", &page], "");
    assert!(two.code == 2 && two.stderr.contains("--report is about one scenario"));
    let lost = sim(&["replay", "7", "--plan", &plan, "--report", &plan], "");
    assert!(lost.code == 2 && lost.stderr.contains("is named for two things"), "{}", lost.stderr);
}

#[test]
fn wrong_usage() {
    for (words, said) in [
        (&["run"][..], "--seeds"),
        (&["run", "--seeds=9..9"], "the second one larger"),
        (&["replay"], "<SEED|--plan <FILE>>"),
        (&["plan"], "<SEED>"),
        (&[], "Usage: headwaters sim <COMMAND>"),
    ] {
        let run = sim(words, "");
        assert_eq!((run.code, run.stdout.as_str()), (2, ""), "{words:?}");
        assert!(run.stderr.contains(said), "{words:?}: {}", run.stderr);
    }
}

/// The first line on standard error that has this.
fn await_line(stderr: &mut impl BufRead, what: &str) {
    let mut line = String::new();
    while !line.contains(what) {
        line.clear();
        assert!(stderr.read_line(&mut line).expect("it writes UTF-8") > 0, "it says {what}");
    }
}

fn start(words: &[&str]) -> (Child, BufReader<std::process::ChildStderr>) {
    let mut child = headwaters(&[&["sim"], words].concat()).spawn().expect("cargo built it");
    let stderr = BufReader::new(child.stderr.take().expect("it is piped"));
    (child, stderr)
}

#[cfg(unix)]
#[test]
fn a_signal_stops_it_in_order() {
    let words = ["run", "--seeds=0..18446744073709551615", "--progress=always", "--json"];
    for (signal, code, reason) in [("INT", 130, "interrupted"), ("TERM", 143, "terminated")] {
        let (child, mut stderr) = start(&words);
        await_line(&mut stderr, " worlds, ");
        common::signal(&child, signal);
        await_line(&mut stderr, "stopping: ");
        let summary = json(&Run::end(child));
        assert_eq!((&summary["exit_code"], &summary["stopped"]), (&json!(code), &json!(reason)));
        assert!(summary["worlds"].as_u64() > Some(0), "{summary}");
    }
}

#[cfg(unix)]
#[test]
fn a_second_signal_stops_it_at_once() {
    let folder = Folder::of("sim_signals");
    // A world that takes minutes.
    let records = "burst = 1000\npause_ms = 0\nrecords = 1000000";
    let plan =
        folder.file("plan.toml", format!("[caller]\n{records}\n[settings]\nttl_ms = \"never\"\n"));
    let (child, mut stderr) =
        start(&["run", "--seeds=8..9", "--plan", &plan, "--doublecheck", "--progress=always"]);
    await_line(&mut stderr, "0 of 1 worlds");
    common::signal(&child, "INT");
    await_line(&mut stderr, "stopping: ");
    common::signal(&child, "INT");
    let run = Run::end(child);
    assert_eq!((run.code, run.stdout.as_str()), (130, ""));
    let mut rest = String::new();
    stderr.read_to_string(&mut rest).expect("it writes UTF-8");
    assert!(rest.contains("stopped at once: 0 worlds, and seeds that had begun: 8"), "{rest}");
}

#[cfg(unix)]
#[test]
fn a_closed_standard_output_ends_it_quietly() {
    for words in [&["replay", "11"][..], &["replay", "11", "--trace=jsonl"]] {
        let (mut child, mut stderr) = start(words);
        let mut stdout = BufReader::new(child.stdout.take().expect("it is piped"));
        let mut line = String::new();
        stdout.read_line(&mut line).expect("it writes");
        drop(stdout);
        let run = Run::end(child);
        let mut said = String::new();
        stderr.read_to_string(&mut said).expect("it writes UTF-8");
        assert_eq!((run.code, said.as_str()), (0, ""));
    }
    for words in [&["plan", "1"][..], &["run", "--seeds=0..1"]] {
        let (mut child, mut stderr) = start(words);
        drop(child.stdout.take());
        assert_eq!(Run::end(child).code, 0);
        let mut said = String::new();
        stderr.read_to_string(&mut said).expect("it writes UTF-8");
        assert_eq!(said, "");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_told() {
    for words in [&["replay", "11"][..], &["replay", "1"]] {
        let run = sim(&[words, &["--to=/dev/full"]].concat(), "");
        assert_eq!((run.code, run.stdout.as_str()), (255, ""));
        assert!(run.stderr.contains("cannot write /dev/full: No space left"), "{}", run.stderr);
    }
}
