//! A service over HTTP: a server of the tests' own, and what the environment and the options say.

mod common;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use common::{Folder, Run, command};
use serde_json::{Value, json};

/// A server with one shard that stores everything, or answers every request with this error.
struct Server {
    url: String,
    requests: Arc<Mutex<Vec<(String, Value)>>>,
}

impl Server {
    fn start(error: Option<&'static str>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("there are free ports");
        let url = format!("http://{}", listener.local_addr().expect("it listens"));
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&requests);
        thread::spawn(move || {
            for socket in listener.incoming().map_while(Result::ok) {
                let seen = Arc::clone(&seen);
                thread::spawn(move || serve(socket, error, &seen));
            }
        });
        Self { url, requests }
    }

    fn requests(&self, operation: &str) -> Vec<(String, Value)> {
        let requests = self.requests.lock().expect("nobody panics").clone();
        requests.into_iter().filter(|(head, _)| head.contains(&format!(".{operation}\r"))).collect()
    }
}

fn serve(mut socket: TcpStream, error: Option<&str>, seen: &Mutex<Vec<(String, Value)>>) {
    let mut reader = BufReader::new(socket.try_clone().expect("a socket"));
    loop {
        let (mut head, mut length) = (String::new(), 0);
        while !head.ends_with("\r\n\r\n") {
            let start = head.len();
            if reader.read_line(&mut head).unwrap_or(0) == 0 {
                return;
            }
            let line = head[start..].to_ascii_lowercase();
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse().expect("a number");
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).expect("a whole body");
        let body: Value = serde_json::from_slice(&body).expect("JSON");
        let answer = match (error, body["Records"].as_array()) {
            (Some(code), _) => json!({ "__type": code, "message": "so it is" }),
            (None, Some(records)) => {
                let entry = json!({ "SequenceNumber": "42", "ShardId": "shardId-000000000000" });
                json!({ "FailedRecordCount": 0, "Records": vec![entry; records.len()] })
            }
            (None, None) => json!({ "Shards": [{
                "ShardId": "shardId-000000000000",
                "HashKeyRange": { "StartingHashKey": "0", "EndingHashKey": u128::MAX.to_string() },
                "SequenceNumberRange": { "StartingSequenceNumber": "1" },
            }]}),
        };
        seen.lock().expect("nobody panics").push((head, body));
        let status = if error.is_some() { "400 Bad Request" } else { "200 OK" };
        let answer = answer.to_string();
        let answer =
            format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{answer}", answer.len());
        if socket.write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

/// Runs `headwaters put` with these words, this input, and no more of an environment than these variables.
fn put(words: &[&str], variables: &[(&str, &str)], input: &str) -> Run {
    let mut command = command(words);
    let mut child =
        command.env_clear().envs(variables.iter().copied()).spawn().expect("cargo built it");
    let mut stdin = child.stdin.take().expect("it is piped");
    // It may end before it has read all.
    let _ = stdin.write_all(input.as_bytes());
    drop(stdin);
    Run::end(child)
}

const KEYS: [(&str, &str); 2] =
    [("AWS_ACCESS_KEY_ID", "AKID"), ("AWS_SECRET_ACCESS_KEY", "secret")];

#[test]
fn records_go_to_a_service() {
    let server = Server::start(None);
    let words = [
        "orders",
        "--endpoint-url",
        &server.url,
        "--region=eu-west-1",
        "--output=json",
        "--linger=50ms",
    ];
    let run = put(&words, &KEYS, "one\ntwo\nthree\n");
    let summary = run.summary();
    assert_eq!((run.code, &summary["stored"]), (0, &json!(3)), "{}", run.stderr);
    assert_eq!((&summary["shards"], &summary["read_back"]), (&Value::Null, &Value::Null));
    let puts = server.requests("PutRecords");
    let (head, body) = puts.first().expect("a request");
    assert!(head.contains("Credential=AKID/") && head.contains("/eu-west-1/kinesis/"), "{head}");
    assert_eq!(body["StreamName"], "orders");
    assert_eq!(body["Records"].as_array().map(Vec::len), Some(1), "three records in one");
    assert_eq!(server.requests("ListShards").len(), 1);
}

#[test]
fn a_profile_says_where_to_go() {
    let server = Server::start(None);
    let folder = Folder::of("service_profile");
    let config = format!("[profile tests]\nregion = ap-south-1\nendpoint_url = {}\n", server.url);
    let config = folder.file("config", config);
    let keys = "[tests]\naws_access_key_id = PROFILE\naws_secret_access_key = s\n";
    let keys = folder.file("credentials", keys);
    let variables = [("AWS_CONFIG_FILE", &*config), ("AWS_SHARED_CREDENTIALS_FILE", &keys)];
    let arn = "arn:aws:kinesis:ap-south-1:123456789012:stream/orders";
    let run = put(&[arn, "--profile", "tests"], &[&variables[..], &KEYS].concat(), "one\n");
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert!(run.stdout.contains("stored                     1") && !run.stdout.contains("shard "));
    let puts = server.requests("PutRecords");
    assert!(puts[0].0.contains("Credential=PROFILE/"), "{}", puts[0].0);
    assert_eq!(puts[0].1["StreamARN"], arn);
}

#[test]
fn what_is_missing_is_named() {
    let folder = Folder::of("service_missing");
    let home = folder.path(".");
    let nowhere = [("HOME", &*home)];
    for (words, variables, code, said) in [
        (vec!["orders"], nowhere.to_vec(), 253, "there is no region"),
        (
            vec!["orders", "--region=eu-west-1"],
            nowhere.to_vec(),
            253,
            "AWS_ACCESS_KEY_ID is not set",
        ),
        (vec!["orders", "--profile=x"], nowhere.to_vec(), 253, "no AWS profile \"x\""),
        (
            vec!["orders", "--ca-bundle=/nowhere", "--region=eu-west-1"],
            KEYS.to_vec(),
            2,
            "cannot read /nowhere",
        ),
        (
            vec!["orders", "--endpoint-url=http://10.0.0.1", "--region=r"],
            KEYS.to_vec(),
            253,
            "--allow-plain-http",
        ),
    ] {
        let run = put(&words, &variables, "one\n");
        assert_eq!((run.code, run.stdout.as_str()), (code, ""), "{words:?} {}", run.stderr);
        assert!(run.stderr.contains(said), "{words:?}: {}", run.stderr);
    }
}

#[test]
fn a_refusal_is_told() {
    let server = Server::start(Some("ResourceNotFoundException"));
    let words = ["orders", "--endpoint-url", &server.url, "--region=eu-west-1"];
    let run = put(&words, &KEYS, "one\n");
    assert_eq!(run.code, 254, "{}", run.stderr);
    assert!(
        run.stderr.contains("the service refused: ResourceNotFoundException: so it is (is the")
    );
    assert!(run.stderr.contains("see --region and --profile"));
}

/// A region of the environment is for other streams.
#[test]
fn an_arn_says_where_its_stream_is() {
    let server = Server::start(None);
    let arn = "arn:aws:kinesis:ap-south-1:123456789012:stream/orders";
    let words = [arn, "--endpoint-url", &server.url];
    let run = put(&words, &[KEYS[0], KEYS[1], ("AWS_REGION", "us-east-1")], "one\n");
    assert_eq!(run.code, 0, "{}", run.stderr);
    let head = &server.requests("PutRecords")[0].0;
    assert!(head.contains("/ap-south-1/kinesis/"), "{head}");
    let run = put(&[&words[..], &["--region=us-east-1"]].concat(), &KEYS, "one\n");
    assert_eq!(run.code, 253, "{}", run.stderr);
    assert!(run.stderr.contains("--region can be left out"), "{}", run.stderr);
}

/// It says so at once, goes on, and ends in time.
#[test]
fn nobody_listens() {
    let free = TcpListener::bind("127.0.0.1:0").expect("there are free ports");
    let url = format!("http://{}", free.local_addr().expect("it listens"));
    drop(free);
    let words = ["orders", "--endpoint-url", &url, "--region=eu-west-1", "--ttl=2s"];
    let run = put(&words, &KEYS, "one\n");
    assert_eq!(run.code, 1, "{}", run.stderr);
    assert!(run.stderr.contains("requests fail, and are sent again until --ttl"), "{}", run.stderr);
    assert!(run.stderr.contains("look at --region, --endpoint-url"), "{}", run.stderr);
}

#[test]
fn refused_credentials_end_it() {
    let server = Server::start(Some("UnrecognizedClientException"));
    let words = ["orders", "--endpoint-url", &server.url, "--region=eu-west-1"];
    let run = put(&words, &KEYS, "one\n");
    assert_eq!(run.code, 253, "{}", run.stderr);
    assert!(run.stderr.contains("UnrecognizedClientException: so it is"), "{}", run.stderr);
    assert!(!run.stderr.contains("secret"));
}
