//! What clients that others wrote make of the server: all operations by boto3, each answer compared with botocore's own
//! model of the service, and by the AWS command line.
//!
//! `.ci/interop` installs them under `target/interop`. Without them the tests say loudly that they are skipped, and fail where
//! `CI` is set.

use std::io::Write;
use std::path::Path;
use std::process::Command;

use headwaters_server::{Credentials, Server};

#[tokio::test(flavor = "multi_thread")]
async fn boto3_understands_every_answer() {
    ask("boto3", "ask_by_boto3.py").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_aws_command_line_understands_every_answer() {
    ask("awscli", "ask_by_aws_cli.py").await;
}

/// Lets a script ask a server by this package.
async fn ask(package: &str, script: &str) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let packages = root.join("../../target/interop/python");
    if !packages.join(package).exists() {
        assert!(std::env::var_os("CI").is_none(), "{package} is not in {}", packages.display());
        // Not by `eprintln`, which a test that passes keeps to itself.
        let _ = writeln!(
            std::io::stderr(),
            "SKIPPED: run `.ci/interop` to ask the server by {package}"
        );
        return;
    }
    let keys = Credentials::new("AKIDEXAMPLE", "secret").expect("valid ones");
    let server = Server::builder().unlimited().check_signatures(keys).start().await;
    let server = server.expect("it starts");
    let mut command = Command::new("python3");
    command.arg(root.join("tests").join(script)).arg(server.url()).env("PYTHONPATH", packages);
    let run = tokio::task::spawn_blocking(move || command.output());
    let output = run.await.expect("no panic").expect("there is a python3");
    let (said, complained) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && said.starts_with("ok "), "{said}\n{complained}");
}
