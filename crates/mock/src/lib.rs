//! A Kinesis stream in process, for tests: a [`Transport`](headwaters_transport::Transport) over
//! the model of the service, with faults on command.
//!
//! A [`Mock`] stores, throttles and refuses as the service does, and remembers what it stored.
//! Tests say beforehand what goes wrong, one [`Fault`] per request, and afterwards compare what a
//! producer reports with [`Mock::user_records`], or with the Kinesis records that they came in
//! ([`Mock::records`]). In between they may split and merge shards, and make listings fail.
//!
//! All waiting goes through the [`Clock`](headwaters_transport::Clock) that the mock is built with.
//! Under a virtual clock it runs in virtual time: throttled shards refill and late answers arrive,
//! and no test sleeps for it. It needs no async runtime of its own.
//!
//! ```
//! use core::num::NonZeroU32;
//! use core::sync::atomic::{AtomicU64, Ordering};
//! use core::time::Duration;
//!
//! use headwaters_mock::{Fault, Mock};
//! use headwaters_transport::{Clock, Instant, PutRecords, Transport};
//! use headwaters_wire::{Certainty, Entry, PartitionKey, StreamName};
//!
//! /// Jumps to whatever is waited for.
//! #[derive(Default)]
//! struct Jumping(AtomicU64);
//!
//! impl Clock for Jumping {
//!     fn now(&self) -> Instant {
//!         Instant::from_nanos(self.0.load(Ordering::Relaxed))
//!     }
//!
//!     async fn sleep_until(&self, at: Instant) {
//!         self.0.fetch_max(at.as_nanos(), Ordering::Relaxed);
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn core::error::Error>> {
//! let name = StreamName::new("orders")?;
//! let shards = NonZeroU32::new(2).expect("2 is not 0");
//! let mock = Mock::builder(name.clone(), shards)
//!     .latency(Duration::from_millis(20))
//!     .build(Jumping::default());
//! // The first answer gets lost on its way back; after that nothing goes wrong.
//! mock.script([Fault::LoseAnswer]);
//!
//! let entry = Entry {
//!     data: "one parcel".into(),
//!     explicit_hash_key: None,
//!     partition_key: PartitionKey::new("customer-17")?,
//! };
//! let request = || PutRecords::new(name.clone(), vec![entry.clone()]);
//! let lost = mock.put_records(request()).await.expect_err("the script says so");
//! assert_eq!(lost.code.certainty(), Certainty::MaybeStored);
//! let results = mock.put_records(request()).await?;
//! assert!(results[0].is_ok());
//!
//! // So the record is there twice.
//! let records = mock.records();
//! assert_eq!((records.len(), mock.requests()), (2, 2));
//! assert_eq!(records[0].entry, records[1].entry);
//! assert_eq!(records[1].at, Duration::from_millis(30), "half of the latency after 20 ms");
//! # Ok(())
//! # }
//! ```
#![forbid(unsafe_code)]
extern crate alloc;

mod fault;
mod mock;
mod mock_builder;
mod service;
mod shard_report;
#[cfg(test)]
mod testing;
mod user_records;

pub use fault::Fault;
pub use headwaters_model::{
    EntryFault, EntryFaults, Handover, ListFault, MaxRecordSize, MaxRecordSizeError, Metering,
    ShardLimits, Stored,
};
pub use mock::Mock;
pub use mock_builder::MockBuilder;
pub use shard_report::ShardReport;
