//! How many records `serve` and ferrokinesis take in a second, side by side on this machine.
//!
//! ```sh
//! cargo run --release -p headwaters-conformance --example throughput
//! ```
//!
//! Each server is a process of its own, as a user has it. They are asked in turns, so that whatever else the machine
//! does meets both; each turn has four connections that put 500 records a request, as fast as answers come. The client
//! makes its requests beforehand and does not read answers but for their length, so that it is the servers that are
//! measured, as far as they share the machine with a client.

#![allow(clippy::print_stdout, reason = "it tells how fast they are")]
#![expect(clippy::disallowed_methods, reason = "it measures real time")]

use core::time::Duration;
use std::env;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use axum::extract::DefaultBodyLimit;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use ferrokinesis::store::StoreOptions;
use serde_json::{Value, json};

const CONNECTIONS: usize = 4;
const ENTRIES: usize = 500;
const SHARDS: u32 = 4;
const TURN: Duration = Duration::from_secs(3);
const TURNS: usize = 3;

fn main() {
    match env::args().nth(1).as_deref() {
        None => race(),
        Some(name) => runtime().block_on(serve(name)),
    }
}

fn runtime() -> tokio::runtime::Runtime {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.expect("there are threads")
}

/// Serves until it is killed.
async fn serve(name: &str) {
    if name == "serve" {
        let builder = headwaters_server::Server::builder().unlimited();
        let server = builder.start().await.expect("there are free ports");
        println!("{}", server.address().port());
        return core::future::pending().await;
    }
    let options = StoreOptions {
        create_stream_ms: 0,
        delete_stream_ms: 0,
        shard_limit: 1_000,
        update_stream_ms: 0,
        ..StoreOptions::default()
    };
    let (router, _store) = ferrokinesis::create_app(options);
    let router = router.layer(DefaultBodyLimit::max(64 << 20));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await;
    let listener = listener.expect("there are free ports");
    println!("{}", listener.local_addr().expect("it listens").port());
    axum::serve(listener, router).await.expect("it serves until it is killed");
}

struct Server {
    child: Child,
    name: &'static str,
    port: u16,
}

impl Server {
    fn start(name: &'static str) -> Self {
        let program = env::current_exe().expect("it is this one");
        let mut command = Command::new(program);
        let mut child = command.arg(name).stdout(Stdio::piped()).spawn().expect("it runs");
        let mut line = String::new();
        let output = child.stdout.take().expect("it is piped");
        BufReader::new(output).read_line(&mut line).expect("it says its port");
        let server = Self { child, name, port: line.trim().parse().expect("a port") };
        let create = json!({ "StreamName": "orders", "ShardCount": SHARDS });
        let (status, _) = server.connect().ask(&request("CreateStream", &create));
        assert_eq!(status, 200);
        server
    }

    fn connect(&self) -> Connection {
        let socket = TcpStream::connect(("127.0.0.1", self.port)).expect("it listens");
        socket.set_nodelay(true).expect("it can be set");
        Connection { socket, buffer: vec![0; 1 << 20] }
    }

    /// Records a second in one turn.
    fn turn(&self, size: usize) -> f64 {
        let start = Instant::now();
        let requests: usize = std::thread::scope(|scope| {
            let connection = |number: usize| {
                scope.spawn(move || {
                    let (mut connection, request) = (self.connect(), put(number, size));
                    let mut count = 0;
                    while start.elapsed() < TURN {
                        let (status, _) = connection.ask(&request);
                        assert_eq!(status, 200);
                        count += 1;
                    }
                    count
                })
            };
            let threads: Vec<_> = (0..CONNECTIONS).map(connection).collect();
            threads.into_iter().map(|thread| thread.join().expect("no panic")).sum()
        });
        (requests * ENTRIES) as f64 / start.elapsed().as_secs_f64()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

struct Connection {
    buffer: Vec<u8>,
    socket: TcpStream,
}

impl Connection {
    /// The status of the answer, and how many bytes its body has.
    fn ask(&mut self, request: &[u8]) -> (u16, usize) {
        self.socket.write_all(request).expect("it is read");
        let (mut read, mut end) = (0, None);
        loop {
            let count = self.socket.read(&mut self.buffer[read..]).expect("it answers");
            assert!(count > 0, "it closed the connection");
            read += count;
            let bytes = &self.buffer[..read];
            if end.is_none() {
                end = bytes.windows(4).position(|bytes| bytes == b"\r\n\r\n").map(|at| at + 4);
            }
            let Some(end) = end else { continue };
            let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            let length: usize = length.and_then(|text| text.parse().ok()).expect("a length");
            if read == end + length {
                let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
                return (status.expect("a status"), length);
            }
        }
    }
}

fn request(operation: &str, members: &Value) -> Vec<u8> {
    let body = members.to_string();
    let head = format!(
        "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-amz-json-1.1\r\n\
         X-Amz-Target: Kinesis_20131202.{operation}\r\nX-Amz-Date: 20260101T000000Z\r\n\
         Authorization: AWS4-HMAC-SHA256 Credential=x/20260101/us-east-1/kinesis/aws4_request, \
         SignedHeaders=host;x-amz-date, Signature=x\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    [head, body].concat().into_bytes()
}

fn put(connection: usize, size: usize) -> Vec<u8> {
    let record = |number: usize| {
        let data: Vec<u8> = (0..size).map(|byte| (byte * 7 + number * 13) as u8).collect();
        json!({
            "Data": BASE64_STANDARD.encode(data),
            "PartitionKey": format!("customer-{connection}-{number}"),
        })
    };
    let records: Vec<Value> = (0..ENTRIES).map(record).collect();
    request("PutRecords", &json!({ "StreamName": "orders", "Records": records }))
}

fn race() {
    for size in [100, 1_000] {
        let servers = [Server::start("serve"), Server::start("ferrokinesis")];
        let mut ratios = Vec::new();
        for turn in 1..=TURNS {
            let [ours, theirs] = [&servers[0], &servers[1]].map(|server| server.turn(size));
            ratios.push(ours / theirs);
            println!(
                "{ENTRIES} x {size} B, turn {turn}: {} {ours:.0} rec/s, {} {theirs:.0} rec/s, {:.1} times as many",
                servers[0].name,
                servers[1].name,
                ours / theirs
            );
        }
        ratios.sort_by(f64::total_cmp);
        println!("{ENTRIES} x {size} B: {:.1} times as many (the median)", ratios[TURNS / 2]);
    }
}
