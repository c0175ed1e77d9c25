//! `headwaters serve`, started for a test.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command};

use serde_json::Value;

use super::{Run, command, headwaters, signal};

/// What requests are signed with.
pub(crate) const KEYS: [(&str, &str); 2] =
    [("AWS_ACCESS_KEY_ID", "AKID"), ("AWS_SECRET_ACCESS_KEY", "secret")];

/// A server that is killed with its test.
#[derive(Debug)]
pub(crate) struct Serve {
    child: Option<Child>,
    /// What it says when it listens.
    pub(crate) line: String,
    /// Where it is.
    pub(crate) url: String,
}

impl Serve {
    /// Starts it with these words.
    pub(crate) fn start(words: &[&str]) -> Self {
        let mut command = headwaters(&[&["serve", "--port=0"], words].concat());
        let mut child = command.envs(KEYS).spawn().expect("cargo built it");
        let mut line = String::new();
        let output = child.stdout.as_mut().expect("it is piped");
        BufReader::new(output).read_line(&mut line).expect("it says where it is");
        let url = line.split(' ').find(|word| word.starts_with("http")).unwrap_or_default();
        Self { child: Some(child), url: url.to_owned(), line }
    }

    /// Puts these lines into the stream `orders`.
    pub(crate) fn put(&self, words: &[&str], lines: &str) -> Run {
        let to = ["orders", "--endpoint-url", &self.url, "--region=us-east-1", "--output=json"];
        let mut command = command(&[&to, words].concat());
        let mut child = command.env_clear().envs(KEYS).spawn().expect("cargo built it");
        child.stdin.take().expect("it is piped").write_all(lines.as_bytes()).expect("it reads");
        Run::end(child)
    }

    /// A command about a stream of it: its name, the stream and what else it has.
    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let to = ["--endpoint-url", &self.url, "--region=us-east-1"];
        let mut command = headwaters(&[words, &to].concat());
        command.env_clear().envs(KEYS);
        command
    }

    /// Runs such a command.
    pub(crate) fn run(&self, words: &[&str]) -> Run {
        Run::end(self.command(words).spawn().expect("cargo built it"))
    }

    /// Lets these things go wrong from now on.
    pub(crate) fn faults(&self, plan: &str) {
        let mut socket = self.socket();
        let request = format!(
            "POST /_headwaters/faults HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{plan}",
            plan.len()
        );
        socket.write_all(request.as_bytes()).expect("it reads");
        let mut answer = String::new();
        socket.read_to_string(&mut answer).expect("it answers");
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }

    fn socket(&self) -> TcpStream {
        TcpStream::connect(self.url.trim_start_matches("http://")).expect("it listens")
    }

    /// What the control path says.
    pub(crate) fn control(&self, path: &str) -> Value {
        let mut socket = self.socket();
        let request =
            format!("GET /_headwaters/{path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        socket.write_all(request.as_bytes()).expect("it reads");
        let mut answer = String::new();
        socket.read_to_string(&mut answer).expect("it answers");
        let (_, body) = answer.split_once("\r\n\r\n").expect("a head");
        serde_json::from_str(body).expect("JSON")
    }

    /// Ends it by a signal.
    pub(crate) fn end(mut self, name: &str) -> Run {
        let child = self.child.take().expect("it is not over");
        signal(&child, name);
        Run::end(child)
    }
}

impl Drop for Serve {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
