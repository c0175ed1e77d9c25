//! What a trace begins with: what is needed to make the engine again, and a legend.

use core::fmt::Write as _;

use headwaters_engine::{Config, Instant};

use crate::settings::values;

/// The first line. A reader of another version says so, and does not guess.
pub(super) const MAGIC: &str = "headwaters-trace 1";

const LEGEND: &str = "\
# What a producer's engine was told and what it said: docs/traces.md. Each line is at the time of the one before,
# unless it begins with one (seconds on the producer's clock).
# +  a record: its token, bytes of data, bytes of the partition key, first half of the key's hash key;
#    x= explicit hash key, b= longest time in the buffer, t= time to live (ns); ! why it was refused
# >  the engine was told something; an answer has a word for each entry: its shard, or ! and a code (# other words
#    beside it); * so many in a row
# <  it said something; n= attempts, then the records
# =  a batch as it is sent: its name, entries, bytes
";

/// The head of the trace of an engine that was made with these settings, at this time.
pub(super) fn header(config: &Config, now: Instant) -> String {
    let mut head = format!("{MAGIC}\n{LEGEND}by {}\n", env!("CARGO_PKG_VERSION"));
    for (name, value) in values(config) {
        // Writing into a text cannot fail.
        let _ = writeln!(head, "set {name} {value}");
    }
    let _ = writeln!(head, "start {}", now.as_nanos());
    head
}
