//! Secret keys are gone from the memory of the process with the transport that had them, wherever they came from.
//!
//! Looks through all of its memory, as a debugger would. A key is only ever written backwards here.
#![cfg(target_os = "linux")]
#![allow(clippy::disallowed_methods, reason = "sockets live in real time")]

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use std::process::Command;

use headwaters_hostile::{Server, put};
use headwaters_http::{AwsSettings, Credentials, Endpoint, HttpTransport, Region};
use headwaters_wire::ErrorCode;

/// `Kz-secret-of-the-canary-4cb1f6e0a97d`, backwards.
const BACKWARDS: &str = "d79a0e6f1bc4-yranac-eht-fo-terces-zK";

/// How often the key is in the memory that this process can write to.
fn copies() -> usize {
    let maps = fs::read_to_string("/proc/self/maps").expect("Linux has it");
    let mut memory = File::open("/proc/self/mem").expect("one's own may be read");
    let needle = BACKWARDS.as_bytes();
    let mut page = vec![0; 64 * 1024];
    let mut found = 0;
    for line in maps.lines().filter(|line| line.contains(" rw")) {
        let (start, end) =
            line.split(' ').next().and_then(|range| range.split_once('-')).expect("a range");
        let [mut at, end] =
            [start, end].map(|hex| u64::from_str_radix(hex, 16).expect("an address"));
        // Ranges overlap by less than the key, so that none is missed or counted twice.
        while at + (needle.len() as u64) <= end {
            let bytes = page.len().min(usize::try_from(end - at).expect("it fits"));
            if memory.seek(SeekFrom::Start(at)).is_err()
                || memory.read_exact(&mut page[..bytes]).is_err()
            {
                break;
            }
            let is_key = |window: &[u8]| window.iter().rev().eq(needle);
            let here = page[..bytes].windows(needle.len()).filter(|window| is_key(window)).count();
            // Nor is it left in here.
            page.fill(0);
            found += here;
            at += (bytes - needle.len() + 1) as u64;
        }
    }
    found
}

fn key() -> String {
    let mut bytes = BACKWARDS.as_bytes().to_vec();
    bytes.reverse();
    String::from_utf8(bytes).expect("ASCII")
}

/// A transport with credentials from there puts a record, is there, and is gone.
async fn check(transport: impl FnOnce(Endpoint) -> HttpTransport) {
    assert_eq!(copies(), 0, "nobody has asked for it yet");
    let server = Server::start([]).await;
    let transport = transport(Endpoint::new(&server.url()).expect("an endpoint"));
    for expected in [Ok(()), Ok(())] {
        assert_eq!(put(&transport).await.0, expected);
    }
    assert!(copies() > 0, "the key that signs is there");
    server.stop().await;
    assert_eq!(put(&transport).await.0, Err(ErrorCode::ConnectFailed));
    drop(transport);
    assert_eq!(copies(), 0, "copies of the key are left");
}

fn of_a_program(endpoint: Endpoint) -> HttpTransport {
    HttpTransport::builder()
        .credentials(Credentials::new("AKID", key()).expect("valid ones"))
        .endpoint(endpoint)
        .region(Region::new("us-east-1").expect("a region"))
        .build()
        .expect("nothing is missing")
}

fn of_a_profile(endpoint: Endpoint) -> HttpTransport {
    let settings = AwsSettings::load(Some("canary")).expect("they can be read");
    settings.transport().endpoint(endpoint).build().expect("nothing is missing")
}

/// What runs in a process of its own: the others have the key.
#[tokio::test]
#[ignore = "run by another test"]
async fn child() {
    match std::env::var_os("AWS_CONFIG_FILE") {
        None => check(of_a_program).await,
        Some(_) => check(of_a_profile).await,
    }
}

fn run_child(variables: &[(&str, &Path)]) {
    let mut command = Command::new(std::env::current_exe().expect("it runs"));
    command.args(["--exact", "child", "--ignored"]).env_remove("AWS_CONFIG_FILE");
    let output = command.envs(variables.iter().copied()).output().expect("it is this program");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{variables:?} {said}");
}

#[test]
fn keys_of_a_program() {
    run_child(&[]);
}

#[test]
fn keys_of_a_profile() {
    let folder = std::env::temp_dir().join(format!("headwaters-zeroized-{}", std::process::id()));
    fs::create_dir_all(&folder).expect("the folder is ours");
    let file = |name: &str, text: String| {
        fs::write(folder.join(name), text).expect("the folder is ours");
        folder.join(name)
    };
    let own =
        format!("aws_access_key_id = AKID\naws_secret_access_key = {} # not for you\n", key());
    let printed =
        file("printed", format!("{{\"AccessKeyId\":\"AKID\",\"SecretAccessKey\":\"{}\"}}", key()));
    let process = format!("credential_process = cat {}\n", printed.display());
    for (config, credentials) in [("", own.as_str()), (own.as_str(), ""), (process.as_str(), "")] {
        let config = file("config", format!("[profile canary]\nregion = us-east-1\n{config}"));
        let credentials = file("credentials", format!("[canary]\n{credentials}"));
        run_child(&[("AWS_CONFIG_FILE", &config), ("AWS_SHARED_CREDENTIALS_FILE", &credentials)]);
    }
    fs::remove_dir_all(&folder).expect("the folder is ours");
}
