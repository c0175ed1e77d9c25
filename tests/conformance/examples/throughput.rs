//! How many records `serve`, ferrokinesis and kinesis-mock take in a second, side by side on this machine.
//!
//! ```sh
//! .ci/endpoints # kinesis-mock, with npm
//! cargo build --release -p headwaters-conformance --example throughput
//! unshare --net --map-root-user sh -c 'ip link set lo up && target/release/examples/throughput'
//! ```
//!
//! kinesis-mock listens on all interfaces, and so is started only where nobody else can reach it; without `unshare` it is
//! left out.
//!
//! Each server is a process of its own, as a user has it. They are asked in turns, so that whatever else the machine
//! does meets all; each turn has four connections that put 500 records a request, as fast as answers come. The client
//! makes its requests beforehand and reads of each connection's first answer that all was stored, of the others no more
//! than their ends, so that it is the servers that are measured, as far as they share the machine with a client.

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
use headwaters::http::Protocol;
use headwaters_conformance::{Arm, Client, Skipped, kinesis_mock};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

const CONNECTIONS: usize = 4;
const ENTRIES: usize = 500;
const SHARDS: u32 = 4;
const TURN: Duration = Duration::from_secs(3);
const TURNS: usize = 3;

fn main() {
    match env::args().nth(1).as_deref() {
        None => race(&runtime()),
        Some(name) => runtime().block_on(serve(name)),
    }
}

fn runtime() -> Runtime {
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
    name: &'static str,
    port: u16,
    _process: Process,
}

/// Ends with the value.
enum Process {
    Child(Child),
    /// Of another program.
    #[expect(dead_code, reason = "it ends when it is dropped")]
    Arm(Box<Arm>),
}

impl Server {
    /// This program, as a server of that name.
    fn start(name: &'static str) -> Self {
        let program = env::current_exe().expect("it is this one");
        let mut command = Command::new(program);
        let mut child = command.arg(name).stdout(Stdio::piped()).spawn().expect("it runs");
        let mut line = String::new();
        let output = child.stdout.take().expect("it is piped");
        BufReader::new(output).read_line(&mut line).expect("it says its port");
        let port = line.trim().parse().expect("a port");
        Self { name, port, _process: Process::Child(child) }.with_stream()
    }

    async fn kinesis_mock() -> Result<Self, Skipped> {
        let arm = kinesis_mock(Client::Http(Protocol::Json)).await?;
        let port = arm.port().expect("it is a server");
        Ok(Self { name: "kinesis-mock", port, _process: Process::Arm(Box::new(arm)) }.with_stream())
    }

    fn with_stream(self) -> Self {
        let mut connection = self.connect();
        let create = json!({ "StreamName": "orders", "ShardCount": SHARDS });
        assert_eq!(connection.ask(&request("CreateStream", &create)).0, 200);
        let describe = request("DescribeStreamSummary", &json!({ "StreamName": "orders" }));
        while !String::from_utf8_lossy(connection.ask(&describe).1).contains("ACTIVE") {
            std::thread::sleep(Duration::from_millis(50));
        }
        self
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
                    let (_, body) = connection.ask(&request);
                    let stored = String::from_utf8_lossy(body).matches("SequenceNumber").count();
                    assert_eq!(stored, ENTRIES, "{}", self.name);
                    let mut count = 1;
                    while start.elapsed() < TURN {
                        let (status, _) = connection.ask(&request);
                        assert_eq!(status, 200, "{}", self.name);
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

impl Drop for Process {
    fn drop(&mut self) {
        if let Self::Child(child) = self {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

struct Connection {
    buffer: Vec<u8>,
    socket: TcpStream,
}

/// The head of an answer.
struct Head {
    /// Where the body begins.
    body: usize,
    /// Of the body, unless it comes in chunks.
    length: Option<usize>,
    status: u16,
}

impl Connection {
    /// The status and the body of the answer; the latter in its chunks, if it has some.
    fn ask(&mut self, request: &[u8]) -> (u16, &[u8]) {
        self.socket.write_all(request).expect("it is read");
        let (mut read, mut head) = (0, None);
        loop {
            let count = self.socket.read(&mut self.buffer[read..]).expect("it answers");
            assert!(count > 0, "it closed the connection");
            read += count;
            head = head.or_else(|| Head::of(&self.buffer[..read]));
            let Some(&Head { body, length, status }) = head.as_ref() else { continue };
            let is_whole = match length {
                Some(length) => read == body + length,
                None => self.buffer[body..read].ends_with(b"0\r\n\r\n"),
            };
            if is_whole {
                return (status, &self.buffer[body..read]);
            }
        }
    }
}

impl Head {
    fn of(bytes: &[u8]) -> Option<Self> {
        let body = bytes.windows(4).position(|bytes| bytes == b"\r\n\r\n")? + 4;
        let head = String::from_utf8_lossy(&bytes[..body]).to_ascii_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let length = length.map(|text| text.parse().expect("a length"));
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        Some(Self { body, length, status: status.expect("a status") })
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

fn race(runtime: &Runtime) {
    for size in [100, 1_000] {
        let mut servers = vec![Server::start("serve"), Server::start("ferrokinesis")];
        match runtime.block_on(Server::kinesis_mock()) {
            Ok(server) => servers.push(server),
            Err(why) => println!("without kinesis-mock: {why:?}"),
        }
        let mut rates: Vec<Vec<f64>> = vec![Vec::new(); servers.len()];
        for turn in 1..=TURNS {
            print!("{ENTRIES} x {size} B, turn {turn}:");
            for (server, rates) in servers.iter().zip(&mut rates) {
                let rate = server.turn(size);
                print!(" {} {rate:.0}", server.name);
                rates.push(rate);
            }
            println!(" rec/s");
        }
        // Of each turn by itself: what else the machine did then met all.
        for (server, theirs) in servers.iter().zip(&rates).skip(1) {
            let mut ratios: Vec<f64> =
                rates[0].iter().zip(theirs).map(|(ours, theirs)| ours / theirs).collect();
            ratios.sort_by(f64::total_cmp);
            let (median, name) = (ratios[TURNS / 2], server.name);
            println!("{ENTRIES} x {size} B: {median:.1} times as many as {name} (the median)");
        }
    }
}
