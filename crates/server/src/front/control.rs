//! The way to the faults while the server runs.

use bytes::Bytes;
use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::Front;
use crate::faults::FaultPlan;

/// What all paths of the control begin with.
pub(super) const PREFIX: &str = "/_headwaters/";

/// What is asked of the control.
#[derive(Clone, Copy)]
pub(super) struct Ask<'a> {
    pub(super) body: &'a Bytes,
    pub(super) is_json: bool,
    pub(super) method: &'a Method,
    /// Behind the prefix.
    pub(super) path: &'a str,
    pub(super) query: &'a str,
}

const PATHS: &str = "there are GET, PUT, POST and DELETE /_headwaters/faults, GET /_headwaters/events?from=N and \
                     GET /_headwaters/streams";

impl Front {
    /// Answers the control.
    pub(super) fn control(&self, ask: Ask<'_>) -> (StatusCode, Value) {
        match (ask.method, ask.path) {
            (&Method::GET, "faults") => (StatusCode::OK, self.faults.report()),
            (&Method::POST | &Method::PUT, "faults") => match plan(ask) {
                Ok(plan) => {
                    self.faults.set(plan);
                    (StatusCode::OK, self.faults.report())
                }
                Err(error) => (StatusCode::BAD_REQUEST, json!({ "error": error })),
            },
            (&Method::DELETE, "faults") => {
                self.faults.set(FaultPlan::default());
                (StatusCode::OK, self.faults.report())
            }
            (&Method::GET, "events") => match from(ask.query) {
                Some(from) => (StatusCode::OK, self.events.report(from)),
                None => {
                    let error = "the query is from=N, with the number of an event";
                    (StatusCode::BAD_REQUEST, json!({ "error": error }))
                }
            },
            (&Method::GET, "streams") => (StatusCode::OK, self.streams()),
            _ => (StatusCode::NOT_FOUND, json!({ "error": PATHS })),
        }
    }

    fn streams(&self) -> Value {
        let all = self.kinesis.all(self.clock.now());
        let stream = |stream: &std::sync::Arc<std::sync::Mutex<crate::kinesis::Hosted>>| {
            let stream = crate::kinesis::lock(stream);
            json!({
                "name": stream.name().as_str(),
                "open_shards": stream.open_count(),
                "shards": stream.shards().len(),
                "records": stream.shards().iter().map(|shard| shard.records.len()).sum::<usize>(),
                "bytes": stream.bytes(),
            })
        };
        json!({ "streams": all.iter().map(stream).collect::<Vec<_>>() })
    }
}

fn plan(ask: Ask<'_>) -> Result<FaultPlan, String> {
    let text = core::str::from_utf8(ask.body).map_err(|_| String::from("the plan is not UTF-8"))?;
    let plan = if ask.is_json { FaultPlan::from_json(text) } else { FaultPlan::from_toml(text) };
    plan.map_err(|error| error.to_string())
}

/// The number of the first event that is wanted.
fn from(query: &str) -> Option<u64> {
    if query.is_empty() { Some(0) } else { query.strip_prefix("from=")?.parse().ok() }
}
