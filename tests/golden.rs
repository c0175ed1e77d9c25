//! Golden traces: what the engine does, pinned down in files that read like documentation.
//!
//! The traces are `golden/*.trace`; `src/golden.rs` says how they are written. Each is performed and compared with
//! itself line by line. To write them anew after a change of behaviour that is meant:
//!
//! ```text
//! HEADWATERS_BLESS=1 cargo test -p headwaters-tests --test golden
//! ```
//!
//! Then read every line that changed: a golden trace of a defect is worse than none. To write a new trace, write
//! its events, with a lone `<` wherever the engine is to be asked before the next event of the same moment.

use std::path::{Path, PathBuf};

use headwaters_tests::golden::{NO_EVENT, perform};

/// All traces, by name.
fn traces() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden");
    let entries = std::fs::read_dir(folder).expect("the folder of the traces");
    let paths = entries.map(|entry| entry.expect("a readable folder").path());
    let mut traces: Vec<PathBuf> = paths
        .filter(|path| path.extension().is_some_and(|extension| extension == "trace"))
        .collect();
    traces.sort();
    traces
}

/// The lines that differ, with their neighbours: `-` is in the file, `+` is what came.
fn diff(expected: &str, actual: &str) -> String {
    let (old, new): (Vec<&str>, Vec<&str>) = (expected.lines().collect(), actual.lines().collect());
    // How many lines the rests from here on have in common.
    let mut common = vec![vec![0_usize; new.len() + 1]; old.len() + 1];
    for (at, line) in old.iter().enumerate().rev() {
        for (to, other) in new.iter().enumerate().rev() {
            common[at][to] = if line == other {
                common[at + 1][to + 1] + 1
            } else {
                common[at + 1][to].max(common[at][to + 1])
            };
        }
    }
    let (mut at, mut to, mut out) = (0, 0, String::new());
    while at < old.len() || to < new.len() {
        let (mark, line) = if at < old.len() && to < new.len() && old[at] == new[to] {
            (at, to) = (at + 1, to + 1);
            (' ', old[at - 1])
        } else if to == new.len() || (at < old.len() && common[at + 1][to] >= common[at][to + 1]) {
            at += 1;
            ('-', old[at - 1])
        } else {
            to += 1;
            ('+', new[to - 1])
        };
        out.extend([&mark.to_string(), " ", line, "\n"]);
    }
    out
}

#[test]
fn every_trace_is_what_the_engine_does() {
    let bless = std::env::var_os("HEADWATERS_BLESS").is_some_and(|value| value == "1");
    let traces = traces();
    assert!(!traces.is_empty(), "there are no traces");
    let mut differences = String::new();
    for path in traces {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let expected = std::fs::read_to_string(&path).expect("a readable trace");
        match perform(&expected) {
            Err(why) => differences += &format!("{name}: {why}\n\n"),
            Ok(actual) if actual == expected => {}
            Ok(actual) if bless && !actual.contains(NO_EVENT) => {
                std::fs::write(&path, actual).expect("a writable folder")
            }
            Ok(actual) => differences += &format!("{name}:\n{}\n", diff(&expected, &actual)),
        }
    }
    assert!(differences.is_empty(), "{differences}");
}

#[test]
fn a_trace_that_the_engine_does_not_follow_differs() {
    let trace = "config default\nat 0ms\n  > add 1 k 10\n  < complete 1 stored\n";
    let actual = perform(trace).expect("a trace");
    assert!(actual.contains("  < list-shards 0 first page\n"), "{actual}");
    let diff = diff(trace, &actual);
    assert!(diff.contains("-   < complete 1 stored\n"), "{diff}");
    assert!(diff.contains("+   < list-shards 0 first page\n"), "{diff}");
}

#[test]
fn a_line_that_makes_no_sense_is_named() {
    assert_eq!(
        perform("config default\ncolour red\n"),
        Err("line 2: there is no such setting: [\"colour\", \"red\"]".to_owned())
    );
    let trace = "config default\nat 0ms\n  > dance\n";
    let actual = perform(trace).expect("a trace");
    assert!(actual.contains("  > dance\n  ! there is no such event: [\"dance\"]\n"), "{actual}");
}
