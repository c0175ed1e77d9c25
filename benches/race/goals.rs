//! The goals that the race can measure.

use crate::course::SIZES;
use crate::figures::Results;

/// What is wanted, and what came out.
pub(crate) struct Goal {
    pub(crate) is_met: Option<bool>,
    pub(crate) measured: String,
    pub(crate) wanted: String,
    pub(crate) what: String,
}

const SMALL: usize = SIZES[0];
const LARGE: usize = SIZES[1];

/// At most so many times what the floor takes.
const FLOOR: [(usize, &str, f64); 4] =
    [(LARGE, "json", 1.15), (SMALL, "json", 1.3), (LARGE, "cbor", 1.15), (SMALL, "cbor", 1.3)];

/// At least so many times cheaper than others.
const OTHERS: [(&str, &str, &str, usize, f64); 6] = [
    ("sdk", "an aws-sdk loop", "http-json", SMALL, 3.3),
    ("sdk", "an aws-sdk loop", "http-json", LARGE, 1.5),
    ("sdk", "an aws-sdk loop", "http-cbor", SMALL, 4.0),
    ("sdk", "an aws-sdk loop", "http-cbor", LARGE, 1.9),
    ("boto3", "boto3", "http-json", SMALL, 38.0),
    ("boto3", "boto3", "http-json", LARGE, 12.0),
];

/// Records per second of CPU time, aggregated, over TLS, in JSON.
const AGGREGATED: [(usize, f64); 2] = [(SMALL, 3.1e6), (LARGE, 0.55e9 / LARGE as f64)];

pub(crate) fn goals(results: &Results) -> Vec<Goal> {
    let mut goals = Vec::new();
    for (size, protocol, most) in FLOOR {
        let (ours, floor) = (format!("http-{protocol}"), format!("floor-{protocol}"));
        let ratio = results.ratio(&ours, &floor, size);
        goals.push(Goal {
            is_met: ratio.map(|ratio| ratio <= most),
            measured: ratio.map_or_else(missing, |ratio| format!("{ratio:.2}")),
            wanted: format!("<= {most}"),
            what: format!(
                "a full PutRecords / (SHA-256 of the body + blocking TLS socket), 500 x {size} B, {}",
                protocol.to_uppercase()
            ),
        });
    }
    for (other, name, ours, size, least) in OTHERS {
        let ratio = results.ratio(other, ours, size);
        let protocol = ours.trim_start_matches("http-").to_uppercase();
        goals.push(Goal {
            is_met: ratio.map(|ratio| ratio >= least),
            measured: ratio.map_or_else(missing, |ratio| format!("{ratio:.2}x")),
            wanted: format!(">= {least}x"),
            what: format!("times less CPU than {name}, {protocol}, 500 x {size} B"),
        });
    }
    for (size, least) in AGGREGATED {
        let rate = results.median("aggregated-http-json", size).map(|nanos| 1e9 / nanos);
        let say =
            |rate: f64| format!("{:.2} M/s, {:.2} GB/s", rate / 1e6, rate * size as f64 / 1e9);
        goals.push(Goal {
            is_met: rate.map(|rate| rate >= least),
            measured: rate.map_or_else(missing, say),
            wanted: format!(">= {}", say(least)),
            what: format!("user records per core, aggregated, over TLS, JSON, {size} B"),
        });
    }
    goals
}

fn missing() -> String {
    String::from("-")
}
