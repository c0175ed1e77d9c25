//! Input that is packed, and several files as one input.

mod common;

use common::{Folder, gzip, outcomes, put, run};
use serde_json::json;

#[test]
fn what_is_packed_is_unpacked_by_whatever_name_and_way_it_comes() {
    let folder = Folder::of("gzip");
    let lines = "{\"id\":1}\n{\"id\":2}\n";
    let packed = [gzip(lines), gzip("{\"id\":3}")].concat();
    let named = folder.file("a.jsonl.gz", &packed);
    let unnamed = folder.file("b", &packed);
    let plain = folder.file("c.gz", lines);
    let words = ["orders", "--local", "--key-field=.id", "--output=json"];
    let all = put(&[&words[..], &[&named, &unnamed, &plain, "-"]].concat(), &packed);
    assert_eq!((all.code, outcomes(&all.summary())), (0, [11, 0, 0, 0, 0]), "{}", all.stderr);

    // The name within decides what it is.
    let folder = Folder::of("gzip_csv");
    let csv = folder.file("orders.csv.gz", gzip("id,n\na,1\nb,2\n"));
    let rows = put(&["orders", "--local", "--output=json", &csv], "");
    assert_eq!(rows.summary()["stored"], 2);

    let records = folder.file("records.gz", gzip("{\"partition_key\":\"a\",\"data\":\"b25l\"}\n"));
    let made = run(&["aggregate", &records], "");
    assert_eq!((made.code, made.stdout.lines().count()), (0, 1), "{}", made.stderr);
}

#[test]
fn what_is_cut_off_is_named_and_the_rest_is_not_begun() {
    let folder = Folder::of("gzip_cut");
    let lines: String = (0..50_000).map(|number| format!("line {number}\n")).collect();
    let packed = gzip(&lines);
    let cut = folder.file("cut.gz", &packed[..packed.len() / 2]);
    let other = folder.file("other", "x\n");
    let run = put(
        &[
            "orders",
            "--local=64",
            "--output=json",
            "--key=k",
            "--acks",
            &folder.path("acks"),
            &cut,
            &other,
        ],
        "",
    );
    let summary = run.summary();
    let [stored, ..] = outcomes(&summary);
    assert!(run.code == 1 && stored > 0 && stored < 50_000, "{summary}");
    // No half of a line is put.
    let place = format!(
        "cut.gz, line {}: the input cannot be read on: the gzip data end too soon",
        stored + 1
    );
    assert!(run.stderr.contains(&place), "{}", run.stderr);
    assert_eq!(
        (&summary["unread"]["file"], &summary["unread"]["line"]),
        (&json!(cut), &json!(stored + 1))
    );
    // Where a record lies is counted in what is unpacked.
    let acks = folder.lines("acks");
    assert_eq!(acks[10]["offset"], 70);
}

#[test]
fn several_files_have_one_progress() {
    let folder = Folder::of("several_files");
    let lines = "x\n".repeat(1_500);
    let files = [folder.file("a", &lines), folder.file("b.gz", gzip(&lines)), folder.file("c", "")];
    let files = files.each_ref().map(String::as_str);
    let words = ["orders", "--local=64", "--key=k", "--rate=1000", "--progress=always"];
    let run = put(&[&words[..], &files].concat(), "");
    assert_eq!(run.code, 0, "{}", run.stderr);
    let lines: Vec<_> = run.stderr.lines().filter(|line| line.contains("/s, ")).collect();
    assert!(
        lines[0].contains(" of 2.9") && lines[0].contains(" KiB, file 1 of 3, "),
        "{}",
        run.stderr
    );
    assert!(lines[1].contains(", file 2 of 3, "), "{}", run.stderr);
}
