//! What the race ran on.

use std::fs;
use std::process::Command;

use crate::course::interpreter;

/// A line for each thing that is known of this machine and of who took part.
pub(crate) fn describe() -> Vec<(&'static str, String)> {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let line = |name: &str| {
        let line = cpu.lines().find(|line| line.starts_with(name))?;
        line.split_once(": ").map(|(_, value)| value.to_owned())
    };
    let flags = line("flags").unwrap_or_default();
    let has = |flag: &str| flags.split(' ').any(|one| one == flag);
    let sha = if has("sha_ni") { "with SHA extensions" } else { "without SHA extensions" };
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let mut lines = vec![
        ("CPU", line("model name").unwrap_or_else(|| String::from("unknown"))),
        ("cores", cores.to_string()),
        ("MD5 runs in", format!("{} lanes; {sha}", headwaters_md5::level())),
        ("kernel", kernel.trim().to_owned()),
        ("built", build()),
    ];
    lines.extend(python().map(|versions| ("Python", versions)));
    lines
}

fn build() -> String {
    let sdk = include_str!("../../Cargo.lock").split("[[package]]").find_map(|package| {
        let version = package.split_once("name = \"aws-sdk-kinesis\"\nversion = \"")?.1;
        version.split('"').next()
    });
    let profile = if cfg!(debug_assertions) { "for debugging" } else { "for release" };
    format!("{profile}; aws-sdk-kinesis {}", sdk.unwrap_or("unknown"))
}

/// The versions of what the contestants in Python use.
fn python() -> Option<String> {
    let script = "import sys, importlib.metadata as m\n\
        print(sys.version.split()[0] + ''.join(f', {p} {m.version(p)}' for p in \
        ('boto3', 'botocore', 'aiobotocore', 'async-kinesis', 'aws-kinesis-agg')))";
    let output = Command::new(interpreter()).args(["-c", script]).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    (!text.trim().is_empty()).then(|| text.trim().to_owned())
}
