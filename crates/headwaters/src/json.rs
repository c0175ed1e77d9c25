use core::fmt::{self, Write};

use headwaters_engine::{Cuts, MapStatus, Times};

use crate::stats::Stats;

impl Stats {
    /// The version of the form that [`to_json`](Self::to_json) has. It counts up when a name goes or changes its meaning;
    /// names that are added do not count.
    pub const JSON_VERSION: u32 = 1;

    /// The figures as one JSON object on one line, names as here; times in nanoseconds.
    ///
    /// Numbers, booleans and the names of states only: no payload, key or stream.
    pub fn to_json(&self) -> String {
        let mut json = String::with_capacity(2_048);
        self.write(&mut json).expect("a string takes everything");
        json
    }

    fn write(&self, to: &mut String) -> fmt::Result {
        let Self { engine, longest_hold, outcomes_kept, puts_waiting, wakeups } = self;
        write!(
            to,
            "{{\"version\":{},\"longest_hold\":{}",
            Self::JSON_VERSION,
            longest_hold.as_nanos()
        )?;
        write!(to, ",\"outcomes_kept\":{outcomes_kept},\"puts_waiting\":{puts_waiting}")?;
        write!(to, ",\"wakeups\":{wakeups},\"engine\":{{")?;
        for (name, value) in [
            ("accepted", engine.accepted),
            ("behind", engine.behind),
            ("bisected", engine.bisected),
            ("buffered", engine.buffered),
            ("bytes_held", engine.bytes_held),
            ("bytes_stored", engine.bytes_stored),
            ("entries", engine.entries),
            ("handed_back", engine.handed_back),
            ("ignored_answers", engine.ignored_answers),
            ("in_flight", engine.in_flight),
            ("lanes_apart", engine.lanes_apart),
            ("lanes_held_back", engine.lanes_held_back),
            ("listings", engine.listings),
            ("listings_failed", engine.listings_failed),
            ("maybe_stored", engine.maybe_stored),
            ("not_stored", engine.not_stored),
            ("refused", engine.refused),
            ("repacked", engine.repacked),
            ("requests", engine.requests),
            ("requests_allowed", engine.requests_allowed),
            ("requests_failed_in_a_row", engine.requests_failed_in_a_row),
            ("requests_in_flight", engine.requests_in_flight),
            ("requeued", engine.requeued),
            ("retries_put_off", engine.retries_put_off),
            ("shards", engine.shards),
            ("stored", engine.stored),
            ("throttled", engine.throttled),
            ("timeouts", engine.timeouts),
            ("unusable_answers", engine.unusable_answers),
            ("wrong_shard", engine.wrong_shard),
        ] {
            write!(to, "\"{name}\":{value},")?;
        }
        cuts(to, "aggregates_cut", &engine.aggregates_cut)?;
        cuts(to, "requests_cut", &engine.requests_cut)?;
        times(to, "dwell", &engine.dwell)?;
        times(to, "request_time", &engine.request_time)?;
        let map = map_status(&engine.shard_map);
        write!(to, "\"probing\":{},\"shard_map\":\"{map}\"}}}}", engine.probing)
    }
}

fn cuts(to: &mut String, name: &str, cuts: &Cuts) -> fmt::Result {
    let Cuts { by_count, by_flush, by_shard, by_size, by_time, .. } = cuts;
    write!(to, "\"{name}\":{{\"by_count\":{by_count},\"by_flush\":{by_flush},")?;
    write!(to, "\"by_shard\":{by_shard},\"by_size\":{by_size},\"by_time\":{by_time}}},")
}

fn times(to: &mut String, name: &str, times: &Times) -> fmt::Result {
    let Times { count, longest, total, .. } = times;
    let (longest, total) = (longest.as_nanos(), total.as_nanos());
    write!(to, "\"{name}\":{{\"count\":{count},\"longest\":{longest},\"total\":{total}}},")
}

const fn map_status(status: &MapStatus) -> &'static str {
    match status {
        MapStatus::Loading => "loading",
        MapStatus::Off => "off",
        MapStatus::Outdated { .. } => "outdated",
        MapStatus::Ready => "ready",
        MapStatus::Reloading => "reloading",
        MapStatus::Scattered => "scattered",
        MapStatus::Unavailable { .. } => "unavailable",
        _ => "other",
    }
}
