//! What boto3 makes of the server: all operations, each answer compared with botocore's own model of the service.
//!
//! `.ci/interop` installs it under `target/interop`. Without it the test says loudly that it is skipped, and fails where
//! `CI` is set.

use std::io::Write;
use std::path::Path;
use std::process::Command;

use headwaters_server::{Credentials, Server};

#[tokio::test(flavor = "multi_thread")]
async fn boto3_understands_every_answer() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let packages = root.join("../../target/interop/python");
    if !packages.join("boto3").exists() {
        assert!(std::env::var_os("CI").is_none(), "boto3 is not in {}", packages.display());
        // Not by `eprintln`, which a test that passes keeps to itself.
        let _ =
            writeln!(std::io::stderr(), "SKIPPED: run `.ci/interop` to ask the server by boto3");
        return;
    }
    let keys = Credentials::new("AKIDEXAMPLE", "secret").expect("valid ones");
    let server = Server::builder().unlimited().check_signatures(keys).start().await;
    let server = server.expect("it starts");
    let mut command = Command::new("python3");
    command.arg(root.join("tests/ask_by_boto3.py")).arg(server.url()).env("PYTHONPATH", packages);
    let run = tokio::task::spawn_blocking(move || command.output());
    let output = run.await.expect("no panic").expect("there is a python3");
    let (said, complained) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && said.starts_with("ok "), "{said}\n{complained}");
}
