//! `put --prometheus`, scraped.
#![cfg(unix)]

mod common;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};

use common::{Run, put, start};

/// Asks for a path, and gives the head and the body of the answer.
fn ask(url: &str, method: &str, path: &str) -> (String, String) {
    let host = url.trim_start_matches("http://").trim_end_matches("/metrics");
    let mut socket = TcpStream::connect(host).expect("it listens");
    let request = format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    socket.write_all(request.as_bytes()).expect("it reads");
    let mut answer = String::new();
    socket.read_to_string(&mut answer).expect("it answers");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    (head.to_owned(), body.to_owned())
}

/// The value of a figure, with its labels.
fn value(text: &str, name: &str) -> Option<f64> {
    let line =
        text.lines().find(|line| line.rsplit_once(' ').is_some_and(|(left, _)| left == name));
    line.and_then(|line| line.rsplit_once(' ')?.1.parse().ok())
}

#[test]
fn figures_can_be_scraped_while_it_lasts() {
    let words = ["orders", "--local=2", "--key-field=.id", "--prometheus=0", "--acks=-"];
    let mut child = start(&words);
    let mut stderr = BufReader::new(child.stderr.take().expect("it is piped"));
    let mut line = String::new();
    stderr.read_line(&mut line).expect("it writes");
    let url = line.trim_end().rsplit_once(' ').expect("it says where").1.to_owned();
    assert!(url.starts_with("http://127.0.0.1:") && url.ends_with("/metrics"), "{line}");

    let mut stdin = child.stdin.take().expect("it is piped");
    let lines: String = (0..500).map(|number| format!("{{\"id\":{number}}}\n")).collect();
    stdin.write_all(lines.as_bytes()).expect("it reads");
    let mut acks = BufReader::new(child.stdout.take().expect("it is piped"));
    for _ in 0..500 {
        acks.read_line(&mut String::new()).expect("it writes");
    }

    let (head, text) = ask(&url, "GET", "/metrics");
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    assert!(
        head.to_ascii_lowercase().contains("content-type: text/plain; version=0.0.4"),
        "{head}"
    );
    let stream = "stream=\"orders\"";
    for (name, expected) in [
        (format!("kinesis_producer_records_accepted_total{{{stream}}}"), 500.0),
        (format!("kinesis_producer_records_total{{{stream},outcome=\"stored\"}}"), 500.0),
        (format!("kinesis_producer_records_pending{{{stream},state=\"in_flight\"}}"), 0.0),
    ] {
        assert_eq!(value(&text, &name), Some(expected), "{name}: {text}");
    }
    let requests = value(&text, &format!("kinesis_producer_requests_total{{{stream}}}"));
    let timed =
        format!("messaging_client_operation_duration_seconds_bucket{{{stream},le=\"+Inf\"}}");
    assert!(requests >= Some(1.0) && value(&text, &timed) == requests, "{text}");
    for shard in 0..2 {
        let name = format!("{{{stream},shard=\"shardId-00000000000{shard}\"}}");
        assert!(text.contains(&name), "{text}");
    }
    assert!(
        text.contains("# HELP kinesis_producer_requests_total PutRecords requests.\n"),
        "{text}"
    );
    assert!(text.contains("# TYPE kinesis_producer_requests_total counter\n"), "{text}");

    assert!(ask(&url, "GET", "/").0.starts_with("HTTP/1.1 404 "));
    assert!(ask(&url, "POST", "/metrics").0.starts_with("HTTP/1.1 405 "));
    let (head, body) = ask(&url, "HEAD", "/metrics");
    assert!(head.starts_with("HTTP/1.1 200 ") && body.is_empty(), "{head}");

    // Who connects and says nothing holds nothing up.
    let silent = TcpStream::connect(url.trim_start_matches("http://").trim_end_matches("/metrics"));
    drop(stdin);
    assert_eq!(Run::end(child).code, 0);
    drop(silent);
}

#[test]
fn a_port_that_is_taken_stops_it_before_anything_is_sent() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("there are free ports");
    let address = taken.local_addr().expect("it listens").to_string();
    let run = put(&["orders", "--local", "--prometheus", &address], "x\n");
    assert_eq!((run.code, run.stdout.as_str()), (2, ""));
    let said = format!("cannot listen at {address} for --prometheus: ");
    assert!(run.stderr.contains(&said), "{}", run.stderr);
}
