use core::time::Duration;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Mutex;

use serde::Serialize;
use serde_json::{Value, json};

use crate::kinesis::lock;
use crate::operations::Operation;

/// What the server did to requests, to be read back.
#[derive(Debug, Default)]
pub(crate) struct Events(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    events: VecDeque<Numbered>,
    next: u64,
    requests: BTreeMap<Operation, u64>,
}

#[derive(Debug, Serialize)]
struct Numbered {
    number: u64,
    #[serde(flatten)]
    event: Event,
}

/// What happened to one request that a fault met.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Event {
    /// Seconds since the beginning of 1970.
    pub(crate) at: f64,
    /// How many of the entries that were put were faulted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) entries_failed: Option<usize>,
    /// The names of the faults.
    pub(crate) faults: Vec<String>,
    pub(crate) operation: &'static str,
    /// The number of the request among those of its operation, from 1.
    pub(crate) request: u64,
    /// What a fault did beside the answer, such as a reshard that failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) note: Option<String>,
    /// The status of the answer, if there was one.
    pub(crate) status: Option<u16>,
    pub(crate) stream: Option<String>,
    /// What the client got: `answer`, `truncated`, `malformed`, `reset`, `closed`, `silence`.
    pub(crate) outcome: &'static str,
}

/// How many events are kept: the oldest give way.
const EVENTS_MAX: usize = 10_000;

impl Events {
    /// Counts a request; its number among those of its operation, from 1.
    pub(crate) fn count(&self, operation: Operation) -> u64 {
        let mut state = lock(&self.0);
        let count = state.requests.entry(operation).or_default();
        *count += 1;
        *count
    }

    pub(crate) fn add(&self, event: Event) {
        let mut state = lock(&self.0);
        if state.events.len() == EVENTS_MAX {
            state.events.pop_front();
        }
        let number = state.next;
        state.next += 1;
        state.events.push_back(Numbered { number, event });
    }

    /// The events from this number on, and how many requests came.
    pub(crate) fn report(&self, from: u64) -> Value {
        let state = lock(&self.0);
        let events: Vec<&Numbered> =
            state.events.iter().filter(|event| event.number >= from).collect();
        let requests: BTreeMap<&str, u64> =
            state.requests.iter().map(|(operation, count)| (operation.name(), *count)).collect();
        json!({ "requests": requests, "events": events, "next": state.next })
    }
}

/// A time as it is written in events.
pub(crate) fn seconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1_000.0).round() / 1_000.0
}
