//! Runs the command.

#![allow(dead_code, reason = "not every test file uses all of it")]

#[cfg(unix)]
pub(crate) mod serve;

use std::io::Write;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::{env, fs, thread};

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;

/// A folder of a test, empty at its start.
#[derive(Debug)]
pub(crate) struct Folder(PathBuf);

impl Folder {
    /// The folder of the test of this name.
    pub(crate) fn of(test: &str) -> Self {
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(test);
        if path.exists() {
            fs::remove_dir_all(&path).expect("it is ours");
        }
        fs::create_dir_all(&path).expect("the folder of the target is ours");
        Self(path)
    }

    /// A name in the folder.
    pub(crate) fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().expect("our names are UTF-8").to_owned()
    }

    /// Writes a file, and says where.
    pub(crate) fn file(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        fs::write(self.0.join(name), content).expect("the folder is ours");
        self.path(name)
    }

    /// The objects in a file of JSON lines.
    pub(crate) fn lines(&self, name: &str) -> Vec<Value> {
        json_lines(&fs::read_to_string(self.0.join(name)).expect("the command wrote it"))
    }
}

/// The text, packed.
pub(crate) fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text.as_bytes()).expect("a vector takes everything");
    encoder.finish().expect("a vector takes everything")
}

/// The objects in JSON lines.
pub(crate) fn json_lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).expect("each line is JSON")).collect()
}

/// How a run ended.
#[derive(Debug)]
pub(crate) struct Run {
    /// The exit code.
    pub(crate) code: i32,
    /// What it said.
    pub(crate) stderr: String,
    /// What it printed.
    pub(crate) stdout: String,
}

impl Run {
    /// Waits for the end of a child.
    pub(crate) fn end(child: Child) -> Self {
        Self::of(child.wait_with_output().expect("it was started"))
    }

    fn of(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).expect("it writes UTF-8");
        let code = output.status.code().expect("no signal kills it");
        Self { code, stderr: text(output.stderr), stdout: text(output.stdout) }
    }

    /// The summary of `--output json`.
    pub(crate) fn summary(&self) -> Value {
        let summary: Value = serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("{error}: {} {}", self.stdout, self.stderr));
        assert_eq!(summary["exit_code"], self.code);
        summary
    }
}

/// Starts `headwaters put` with these words.
pub(crate) fn start(words: &[&str]) -> Child {
    command(words).spawn().expect("cargo built it")
}

/// `headwaters put` with these words, all ends piped.
pub(crate) fn command(words: &[&str]) -> Command {
    headwaters(&[&["put"], words].concat())
}

/// `headwaters` with these words, all ends piped.
pub(crate) fn headwaters(words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_headwaters"));
    command.args(words);
    // Variables of ours are settings; those of whoever runs the tests are not meant.
    let ours = env::vars_os().map(|(name, _)| name);
    ours.filter(|name| name.to_string_lossy().starts_with("HEADWATERS_")).for_each(|name| {
        command.env_remove(name);
    });
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs `headwaters put` with these words and this input.
pub(crate) fn put(words: &[&str], input: impl AsRef<[u8]>) -> Run {
    run(&[&["put"], words].concat(), input)
}

/// Runs `headwaters` with these words and this input.
pub(crate) fn run(words: &[&str], input: impl AsRef<[u8]>) -> Run {
    Run::of(output(words, input))
}

/// The same, with whatever bytes it prints.
pub(crate) fn output(words: &[&str], input: impl AsRef<[u8]>) -> Output {
    let mut child = headwaters(words).spawn().expect("cargo built it");
    let mut stdin = child.stdin.take().expect("it is piped");
    let input = input.as_ref();
    thread::scope(|scope| {
        // It may end before it has read all: that is for the test to judge.
        scope.spawn(move || drop(stdin.write_all(input)));
        child.wait_with_output().expect("it was started")
    })
}

/// Sends a signal, such as `INT`.
#[cfg(unix)]
pub(crate) fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill").args([format!("-{name}"), child.id().to_string()]).status();
    assert!(sent.expect("there is kill").success());
}

/// How many records have each outcome: they must add up to the input.
pub(crate) fn outcomes(summary: &Value) -> [u64; 5] {
    let outcomes = ["stored", "not_stored", "maybe_stored", "handed_back", "rejected"]
        .map(|name| summary[name].as_u64().expect("a count"));
    assert_eq!(outcomes.iter().sum::<u64>(), summary["input"]["records"], "{summary}");
    outcomes
}
