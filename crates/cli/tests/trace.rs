//! `put --trace`, `put --report` and `sim trace`: what a load was told and did, replayed.

mod common;

use std::fs;

use common::serve::Serve;
use common::{Folder, run};
use serde_json::Value;

const SECRET: &str = "CANARY";

fn lines(count: u32) -> String {
    let line =
        |number| format!("{{\"key\":\"{SECRET}{}\",\"data\":\"{SECRET}{number}\"}}\n", number % 50);
    (0..count).map(line).collect()
}

/// Over HTTP, with credentials, into a server on which things go wrong.
#[test]
fn a_trace_tells_no_secret_and_replays() {
    let folder = Folder::of("a_trace_tells_no_secret_and_replays");
    let server = Serve::start(&["--stream=orders:3"]);
    server.faults("seed = 1\n[[fault]]\noperations = [\"PutRecords\"]\nrate = 0.3\nfail_entries = { rate = 0.5 }\n");
    let [trace, page] = ["load.trace", "load.html"].map(|name| folder.path(name));
    let words =
        ["--key-field=.key", "--aggregation-max-size=1000", "--trace", &trace, "--report", &page];
    let put = server.put(&words, &lines(2_000));
    assert_eq!(put.code, 0, "{}", put.stderr);
    let [recorded, html] = [&trace, &page].map(|path| fs::read_to_string(path).expect("text"));
    assert!(recorded.ends_with("end closed\n"), "{recorded}");
    for secret in [SECRET, "AKID", "secret", "orders", "127.0.0.1"] {
        assert!(!recorded.contains(secret), "{secret}");
    }
    assert!(html.contains("A load of the stream orders") && html.ends_with("</body></html>\n"));
    assert!(html.contains("What was sent to which shard") && !html.contains(SECRET));

    let replayed = run(&["sim", "trace", &trace], "");
    assert_eq!((replayed.code, replayed.stderr.as_str()), (0, ""));
    assert!(replayed.stdout.starts_with("all "), "{}", replayed.stdout);
    let what_if = ["sim", "trace", &trace, "--set=aggregation_enabled=false", "--output=json"];
    let what_if = run(&what_if, "");
    let figures: Value = serde_json::from_str(&what_if.stdout).expect("an object");
    let stored = |column: &str| figures[column]["stored"].as_u64();
    assert_eq!(["recorded", "modelled", "with_set"].map(stored), [Some(2_000); 3]);
    let entries = |column: &str| figures[column]["entries"].as_u64();
    assert!(entries("with_set") >= Some(2_000) && entries("recorded") < Some(2_000), "{figures}");
}

#[test]
fn what_differs_is_named_by_its_line() {
    let folder = Folder::of("what_differs_is_named_by_its_line");
    let trace = folder.path("load.trace");
    let put = ["put", "orders", "--local=2", "--key-field=.key", "--trace", &trace];
    assert_eq!(run(&put, lines(100)).code, 0);
    let recorded = fs::read_to_string(&trace).expect("text");
    let line = recorded.lines().position(|line| line.starts_with("< send")).expect("one") + 1;
    let other = folder.file("other.trace", recorded.replacen("< send 0.0", "< send 0.1", 1));
    let replayed = run(&["sim", "trace", &other], "");
    assert_eq!((replayed.code, replayed.stdout.as_str()), (1, ""));
    let said = format!("other.trace: line {line}: the engine differs: recorded is `< send 0.1");
    assert!(replayed.stderr.contains(&said), "{}", replayed.stderr);
    for (words, code, said) in [
        (&["sim", "trace", &folder.file("no.trace", "{}\n")][..], 2, "line 1: it is no trace"),
        (&["sim", "trace", "/none.trace"], 2, "/none.trace: No such file"),
        (&["sim", "trace", &trace, "--set=sed=1"], 253, "`sed` is no setting, but `seed` is"),
    ] {
        let run = run(words, "");
        assert!(run.code == code && run.stderr.contains(said), "{words:?}: {}", run.stderr);
    }
}

/// Neither is made on a full disk, and the load is none the worse for it.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_told() {
    let folder = Folder::of("trace_full_disk");
    let nowhere = folder.path("no/load.html");
    for (words, code, said) in [
        (["--trace", "/dev/full"], 255, "the trace of the load, /dev/full, is not whole"),
        (["--report", "/dev/full"], 255, "/dev/full: No space left on device"),
        (["--report", &nowhere], 2, "no/load.html: No such file or directory"),
    ] {
        let all =
            [&["put", "orders", "--local", "--key-field=.key", "-q", "--output=json"], &words[..]];
        let put = run(&all.concat(), lines(10));
        assert!(put.code == code && put.stderr.contains(said), "{words:?}: {put:?}");
        assert!(code == 2 || put.summary()["stored"] == 10, "{words:?}: {put:?}");
    }
}

/// A page without a trace leaves nothing else; a trace that ends early is told, and the page is of what there is.
#[test]
fn a_page_is_made_of_what_was_recorded() {
    let folder = Folder::of("a_page_is_made_of_what_was_recorded");
    let page = folder.path("load.html");
    let words = ["put", "orders", "--local=2", "--key-field=.key", "--report", &page];
    let put = run(&[&words[..], &["--trace-limit=20KiB"]].concat(), lines(2_000));
    assert_eq!(put.code, 0, "{}", put.stderr);
    assert!(put.stderr.contains("not whole: it has reached its limit"), "{}", put.stderr);
    let html = fs::read_to_string(&page).expect("text");
    assert!(
        html.contains("The trace is not whole") && html.contains("What the limiters allow"),
        "{html}"
    );
    let left = fs::read_dir(folder.path("")).expect("the folder").count();
    assert_eq!(left, 1, "nothing but the page");
}
