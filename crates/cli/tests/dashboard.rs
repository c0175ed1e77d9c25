//! `put --dashboard`, on a terminal of the test's own.
#![cfg(target_os = "linux")]

mod common;

use core::time::Duration;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::process::Child;
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use common::{Folder, put, signal};
use rustix::fs::{Mode, OFlags, open};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};

/// A load on a terminal.
struct Looked {
    child: Child,
    /// Our end of the terminal.
    keyboard: File,
    /// The command's end of it, which keeps its modes.
    line: OwnedFd,
    seen: Receiver<Vec<u8>>,
    text: String,
}

/// Our end of the terminal stays open when the command has ended: then nothing more comes.
const PATIENCE: Duration = Duration::from_secs(20);

const ALTERNATE_SCREEN: &str = "\u{1b}[?1049h";
const USUAL_SCREEN: &str = "\u{1b}[?1049l";
const SHOW_CURSOR: &str = "\u{1b}[?25h";

impl Looked {
    fn start(words: &[&str]) -> Self {
        let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("there are terminals");
        grantpt(&ours).expect("it is ours");
        unlockpt(&ours).expect("it is ours");
        let name = ptsname(&ours, Vec::new()).expect("it has a name");
        let line = open(&name, OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).expect("it is there");
        let size = Winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&line, size).expect("it is a terminal");
        let end = || line.try_clone().expect("there are free descriptors");
        let mut command =
            common::command(&[&["orders", "--dashboard", "--key-field=.k"], words].concat());
        command.stdin(end()).stdout(end()).stderr(end());
        let child = command.spawn().expect("cargo built it");
        let keyboard = File::from(ours);
        let (mut screen, (sender, seen)) =
            (keyboard.try_clone().expect("there are free descriptors"), channel());
        thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(length @ 1..) = screen.read(&mut bytes) {
                if sender.send(bytes[..length].to_vec()).is_err() {
                    return;
                }
            }
        });
        Self { child, keyboard, line, seen, text: String::new() }
    }

    fn modes(&self) -> LocalModes {
        tcgetattr(&self.line).expect("it is a terminal").local_modes
    }

    /// Looks until this is seen.
    fn wait_for(&mut self, what: &str) {
        while !self.text.contains(what) {
            let bytes = self.seen.recv_timeout(PATIENCE);
            let bytes = bytes.unwrap_or_else(|_| panic!("no {what}: {}", self.text));
            self.text.push_str(&String::from_utf8_lossy(&bytes));
        }
    }

    /// The exit code, and all that was seen.
    fn end(mut self) -> (Option<i32>, String) {
        let code = self.child.wait().expect("it was started").code();
        let usual = LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG;
        assert!(self.modes().contains(usual), "the terminal is as it was");
        self.wait_for("stopped  ");
        (code, self.text)
    }
}

/// An input that takes its time, with a key that would set the title of a terminal.
fn slow(test: &str) -> String {
    let line = "{\"k\":\"\\u001b]0;evil\\u0007\"}\n";
    Folder::of(test).file("input", line.repeat(50_000))
}

fn check(text: &str) {
    assert!(text.contains(ALTERNATE_SCREEN), "{text}");
    let (_, after) = text.rsplit_once(USUAL_SCREEN).expect("the usual screen comes back");
    assert!(text.contains(SHOW_CURSOR), "{text}");
    // What was said meanwhile, and the summary, are where they stay.
    assert!(after.contains("headwaters: stopping: no more is read"), "{after}");
    assert!(after.contains("stored") && after.contains("interrupted"), "{after}");
    assert!(!text.contains("\u{1b}]0;") && !text.contains('\u{7}'), "{text}");
}

#[test]
fn a_key_ends_the_load_and_gives_the_terminal_back() {
    let input = slow("dashboard_key");
    for key in [b"q", b"\x03"] {
        let mut looked = Looked::start(&["--local=2", "--rate=2000", &input]);
        looked.wait_for("]0;evil");
        assert!(!looked.modes().contains(LocalModes::ICANON), "keys come one by one");
        looked.keyboard.write_all(key).expect("it reads");
        let (code, text) = looked.end();
        assert_eq!(code, Some(130), "{text}");
        check(&text);
        assert!(text.contains("LAST MINUTE") && text.contains("TOP KEYS"), "{text}");
    }
}

#[test]
fn a_signal_ends_the_load_and_gives_the_terminal_back() {
    let input = slow("dashboard_signal");
    let mut looked = Looked::start(&["--local=2", "--rate=2000", &input]);
    looked.wait_for("LAST MINUTE");
    signal(&looked.child, "INT");
    let (code, text) = looked.end();
    assert_eq!(code, Some(130), "{text}");
    check(&text);
}

#[test]
fn without_a_terminal_there_is_none() {
    let run = put(&["orders", "--local", "--dashboard"], "x\n");
    assert_eq!((run.code, run.stdout.as_str()), (2, ""));
    assert!(run.stderr.contains("--dashboard needs a terminal"), "{}", run.stderr);
}
