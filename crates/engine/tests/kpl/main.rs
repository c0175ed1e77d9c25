//! The cases of the KPL's own tests, told of this engine: one file for each of theirs, one test for each case, of
//! its name. Where the engine does something else on purpose the test says so, and what the KPL does.
//!
//! Cases without a counterpart here:
//! - `put_records_request_test` StreamName, `shard_map_test` ListShards_WithStreamId and `stream_id_cache_test`:
//!   an engine serves one stream and does not know its name, which is the transport's business;
//! - `kinesis_record_test` AddAndEstimateThroughput and `user_record_test` HashKeyThroughput: see `benches`;
//! - what tests threads only (`concurrent_*`, `spin_lock`): an engine has none. Where the KPL tests that nothing is
//!   lost between threads, the test here is that nothing is lost between as many sources in turn.

#[path = "../story/mod.rs"]
mod story;

mod aggregator;
mod kinesis_record;
mod limiter;
mod put_records_request;
mod reducer;
mod retrier;
mod shard_map;
mod token_bucket;
mod untested;
mod user_record;
