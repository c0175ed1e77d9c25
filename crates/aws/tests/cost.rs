//! What a request costs over the SDK and over `headwaters-http`, the discarding server included, in time and in memory. Each in a
//! process of its own: `cargo test --release -p headwaters-aws --test cost -- --ignored --nocapture over_aws`, and `over_http`
#![allow(clippy::disallowed_methods, clippy::print_stdout, reason = "it measures")]

mod support;

use std::time::Instant;

use headwaters_hostile::{Setup, sized_request, stored};
use headwaters_http::{Credentials, Endpoint, HttpTransport, Region};
use headwaters_transport::Transport;
use support::connect;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;

/// Reads requests, keeps nothing, and says that all entries were stored.
async fn discard(listener: TcpListener, entries: usize) {
    let (socket, _) = listener.accept().await.expect("somebody comes");
    let mut socket = BufReader::with_capacity(256 * 1024, socket);
    let answer = stored(entries);
    let mut line = String::new();
    let mut length = 0;
    while socket.read_line(&mut line).await.is_ok_and(|bytes| bytes > 0) {
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().expect("a number");
        }
        if line == "\r\n" {
            let mut body = (&mut socket).take(length);
            tokio::io::copy_buf(&mut body, &mut tokio::io::sink()).await.expect("a body");
            socket.get_mut().write_all(&answer).await.expect("somebody reads");
        }
        line.clear();
    }
}

/// The most memory that the process held since this was last asked, in MiB.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux has it");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("it is there");
    let kib: u64 = line.trim().trim_end_matches(" kB").parse().expect("a number");
    std::fs::write("/proc/self/clear_refs", "5").expect("one's own may be reset");
    kib / 1_024
}

async fn measure<T: Transport>(name: &str, size: usize, transport: impl FnOnce(&str) -> T) {
    const REQUESTS: u32 = 50;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("there are free ports");
    let url = format!("http://{}", listener.local_addr().expect("it listens"));
    let request = sized_request(500, size);
    let server = tokio::spawn(discard(listener, request.entries.len()));
    let transport = transport(&url);
    let put = || async {
        let results = transport.put_records(request.clone()).await.expect("an answer");
        assert!(results.iter().all(Result::is_ok));
    };
    peak();
    let before = peak();
    put().await;
    let start = Instant::now();
    for _ in 0..REQUESTS {
        put().await;
    }
    let time = start.elapsed() / REQUESTS;
    println!("{name}, 500 x {size} B: {time:?} a request, {} MiB more", peak() - before);
    server.abort();
}

const SIZES: [usize; 3] = [100, 1_024, 10_240];

#[tokio::test]
#[ignore = "it measures"]
async fn over_aws() {
    for size in SIZES {
        measure("aws", size, |url| connect(Setup::new(url))).await;
    }
}

#[tokio::test]
#[ignore = "it measures"]
async fn over_http() {
    let transport = |url: &str| {
        HttpTransport::builder()
            .credentials(Credentials::new("AKID", "secret").expect("valid ones"))
            .endpoint(Endpoint::new(url).expect("a valid endpoint"))
            .region(Region::new("us-east-1").expect("a valid region"))
            .build()
            .expect("nothing is missing")
    };
    for size in SIZES {
        measure("http", size, transport).await;
    }
}
