//! The two seams of Headwaters: [`Transport`], how requests reach Kinesis, and [`Clock`], where time
//! comes from.
//!
//! An adapter translates, sends, classifies and returns; it holds no policy. In particular it does not
//! retry: the engine does, entry by entry, and a second layer of retries would only multiply the first.
#![no_std]
#![forbid(unsafe_code)]
extern crate alloc;

mod clock;
mod departure;
mod list_shards;
mod put_records;
mod transport;

pub use clock::Clock;
pub use departure::Departure;
pub use headwaters_engine::{Instant, PutRecordsResult, Sent};
pub use list_shards::{ListShards, ListShardsResult};
pub use put_records::PutRecords;
pub use transport::Transport;
