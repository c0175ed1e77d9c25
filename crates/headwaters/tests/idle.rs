//! A producer that has nothing to do takes no processor time: counted by the system, for all threads but this one.
#![cfg(target_os = "linux")]

mod common;

use core::time::Duration;
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use common::{STREAM, builder, is_stored, record};
use headwaters::{Producer, ThreadClock, TokioClock, blocking};

/// How long each other thread has run, in ns, and how often.
fn threads() -> BTreeMap<PathBuf, String> {
    let mine = fs::read_link("/proc/thread-self").expect("Linux");
    let tasks = fs::read_dir("/proc/self/task").expect("Linux").filter_map(Result::ok);
    let others = tasks.map(|task| task.path()).filter(|path| path.file_name() != mine.file_name());
    let run =
        |path: PathBuf| Some((path.clone(), fs::read_to_string(path.join("schedstat")).ok()?));
    others.filter_map(run).collect()
}

#[expect(clippy::disallowed_methods, reason = "nothing is to happen for a while")]
fn pass(time: Duration) {
    std::thread::sleep(time);
}

#[test]
fn an_idle_producer_takes_no_processor_time() {
    let mock = builder(4).build(ThreadClock::new());
    let threaded = blocking::Producer::builder().stream(STREAM).transport(mock);
    let threaded = blocking::Producer::start(threaded).expect("a thread");
    assert!(is_stored(&threaded.put(record("a")).expect("room").wait()));

    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.worker_threads(1).enable_time().build().expect("a runtime");
    let spawned = runtime.block_on(async {
        let mock = builder(4).build(TokioClock::new());
        let producer = Producer::builder().stream(STREAM).transport(mock).start();
        let producer = producer.expect("a runtime and a valid name");
        assert!(is_stored(&producer.put(record("a")).await.expect("room").await));
        producer
    });

    pass(Duration::from_millis(200));
    let wakeups = || (threaded.stats().wakeups, spawned.stats().wakeups);
    let (before, woken) = (threads(), wakeups());
    assert!(before.len() >= 2, "the driver's thread and the runtime's: {before:?}");
    pass(Duration::from_millis(500));
    assert_eq!((threads(), wakeups()), (before, woken));
}
