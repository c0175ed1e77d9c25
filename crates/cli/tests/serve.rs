//! `headwaters serve`, and `headwaters put` into it.
#![cfg(unix)]

mod common;

use std::fs;

use common::serve::Serve;
use common::{Folder, Run, headwaters, run};

#[test]
fn it_says_how_to_use_it_and_ends_in_order() {
    for name in ["INT", "TERM"] {
        let server = Serve::start(&["--stream", "orders:4"]);
        let url = &server.url;
        let hint = format!("headwaters put orders --endpoint-url {url} --region us-east-1 FILE\n");
        assert!(
            url.starts_with("http://127.0.0.1:") && server.line.ends_with(&hint),
            "{}",
            server.line
        );
        let ended = server.end(name);
        assert_eq!((ended.code, &*ended.stderr), (0, ""), "{name}");
    }
}

#[test]
fn what_a_plan_breaks_put_mends() {
    let folder = Folder::of("serve_plan");
    let plan = folder.file(
        "plan.toml",
        "[[fault]]\nname = 'busy'\noperations = ['PutRecords']\nevery = 2\nfail_entries = { rate = 0.3 }\n\
         [[fault]]\nname = 'lost'\noperations = ['PutRecords']\nrequests = [2]\nreset = 'after'\n",
    );
    let server = Serve::start(&["--stream=orders:4", "--limits=off", "--faults", &plan]);
    let lines: String = (0..3_000).map(|number| format!("line {number}\n")).collect();
    let run = server.put(&["--aggregate=false"], &lines);
    let summary = run.summary();
    assert_eq!((run.code, &summary["stored"]), (0, &3_000.into()), "{}", run.stderr);
    let held = server.control("streams")["streams"][0]["records"].as_u64().expect("a count");
    assert!(held >= 3_000, "{held}: none is lost, and some are there twice");
    let events = server.control("events");
    let names = events["events"].to_string();
    assert!(names.contains("busy") && names.contains("lost"), "{events}");
}

#[test]
fn a_state_goes_from_one_run_to_the_next() {
    let folder = Folder::of("serve_state");
    let state = folder.path("kinesis.json");
    let server = Serve::start(&["--stream=orders:2", "--limits=off", "--state", &state]);
    assert_eq!(server.put(&[], "one\ntwo\n").code, 0);
    let before = server.control("streams");
    assert_eq!(server.end("TERM").code, 0);
    let server = Serve::start(&["--state", &state]);
    assert_eq!(server.control("streams")["streams"][0]["records"], before["streams"][0]["records"]);
    drop(server);
    // The place is gone when it ends.
    let gone = folder.path("gone");
    fs::create_dir(&gone).expect("a new folder");
    let state = folder.path("gone/kinesis.json");
    let server = Serve::start(&["--state", &state]);
    fs::remove_dir(&gone).expect("it is empty");
    let ended = server.end("INT");
    assert_eq!(ended.code, 255);
    assert!(ended.stderr.contains(&format!("cannot write {state}")), "{}", ended.stderr);
}

#[test]
fn tls_and_signatures_go_together_with_put() {
    let folder = Folder::of("serve_tls");
    let pem = folder.path("cert.pem");
    let server = Serve::start(&["--stream=orders:1", "--tls", &pem, "--check-signatures"]);
    assert!(server.url.starts_with("https://localhost:"), "{}", server.line);
    assert!(server.line.contains(&format!("--ca-bundle {pem}")), "{}", server.line);
    let run = server.put(&["--ca-bundle", &pem], "one\n");
    assert_eq!((run.code, &run.summary()["stored"]), (0, &1.into()), "{}", run.stderr);
    assert!(fs::read_to_string(&pem).expect("it is there").contains("BEGIN CERTIFICATE"));
}

#[test]
fn wrong_arguments_are_told_with_what_would_be_right() {
    let folder = Folder::of("serve_wrong");
    let plan = folder.file("plan.toml", "[[fault]]\nlatency = '1s'\n");
    let busy = Serve::start(&[]);
    let port = busy.url.rsplit(':').next().expect("a port").to_owned();
    let cases: [(&[&str], i32, &str); 8] = [
        (&["--stream", "no way:4"], 2, "such as orders:4"),
        (&["--stream", "orders:many"], 2, "\"many\" is no number of shards from 1 to 10000"),
        (&["--faults", &plan], 2, "unknown field `latency`, expected one of"),
        (&["--faults", "nowhere.toml"], 2, "cannot read nowhere.toml"),
        (&["--listen", "0.0.0.0"], 2, "(--allow-remote)"),
        (&["--port", &port], 2, "(--port 0 takes a free one)"),
        (&["--state", &plan], 2, "cannot read the state"),
        (&["--state", "no/folder.json"], 2, "cannot write the state to no/folder.json"),
    ];
    for (words, code, text) in cases {
        let ended = run(&[&["serve"], words].concat(), "");
        assert!(ended.code == code && ended.stderr.contains(text), "{words:?}: {ended:?}");
    }
    let mut command = headwaters(&["serve", "--port=0", "--check-signatures"]);
    let ended = Run::end(command.env_clear().spawn().expect("cargo built it"));
    assert_eq!(ended.code, 253, "{ended:?}");
    assert!(ended.stderr.contains("set AWS_ACCESS_KEY_ID"), "{}", ended.stderr);
}

#[test]
fn the_help_fits_a_screen() {
    let help = run(&["serve", "-h"], "").stdout;
    assert!(help.lines().all(|line| line.len() <= 100), "{help}");
    assert!(
        help.starts_with("Serve a Kinesis on this machine that fails on command\n\nExamples:"),
        "{help}"
    );
    assert!(help.lines().count() <= 45, "{} lines", help.lines().count());
}
