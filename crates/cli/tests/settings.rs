//! Where the settings of `put` come from: the command line, the environment, a file.

mod common;

use std::io::Write;

use common::{Folder, Run, command};

/// Puts two records of one key, with these variables.
fn put(words: &[&str], variables: &[(&str, &str)]) -> Run {
    let words = [&["orders", "--local", "--key", "k", "--output", "json"], words].concat();
    let mut child = command(&words).envs(variables.to_vec()).spawn().expect("cargo built it");
    // It may end before it has read anything.
    drop(child.stdin.take().expect("it is piped").write_all(b"a\nb\n"));
    Run::end(child)
}

#[test]
fn flags_are_over_the_environment_and_that_is_over_the_file() {
    let folder = Folder::of("settings-layers");
    let file = folder.file("settings.toml", "aggregation_enabled = false\nseed = 7\n");
    let packed = [("HEADWATERS_AGGREGATION_ENABLED", "true")];
    let records = |words: &[&str], variables: &[(&str, &str)]| {
        let run = put(words, variables);
        assert_eq!(run.code, 0, "{}", run.stderr);
        run.summary()["kinesis_records"].as_u64().expect("a count")
    };
    assert_eq!(records(&[], &[]), 1, "by default they are packed");
    assert_eq!(records(&["--config", &file], &[]), 2);
    assert_eq!(records(&["--config", &file], &packed), 1);
    assert_eq!(records(&["--config", &file, "--aggregate=false"], &packed), 2);
}

#[test]
fn all_that_is_wrong_is_named_before_anything_is_sent() {
    let folder = Folder::of("settings-wrong");
    let file = folder.file("settings.toml", "agregation_enabled = false\n");
    let variables = [("HEADWATERS_RECORDTTL", "30 s"), ("HEADWATERS_REQUEST_TIMEOUT", "hunter2")];
    let run = put(&["--config", &file], &variables);
    assert_eq!((run.code, run.stdout.as_str()), (253, ""), "{}", run.stderr);
    for said in [
        "`agregation_enabled` is no setting, but `aggregation_enabled` is",
        "`HEADWATERS_RECORDTTL` is no setting, but `HEADWATERS_RECORD_TTL` is",
        "`HEADWATERS_REQUEST_TIMEOUT` takes a time such as",
    ] {
        assert!(run.stderr.contains(said), "{}", run.stderr);
    }
    assert!(!run.stderr.contains("hunter2"), "{}", run.stderr);
    let missing = put(&["--config", &folder.path("missing.toml")], &[]);
    assert_eq!(missing.code, 2, "{}", missing.stderr);
    assert!(missing.stderr.contains("cannot read"), "{}", missing.stderr);
}
