//! A deterministic model of one Amazon Kinesis stream: what the service stores, throttles and
//! refuses.
//!
//! Tests and simulations put records into a [`Stream`] and then compare what a producer reports
//! with what the [ledger](Stream::ledger) says. The same calls give the same answers, down to the
//! sequence numbers. Time comes in as a parameter: a [`Duration`](core::time::Duration) since an
//! origin that the caller chooses, so it may stand still or jump. What must fail is said
//! beforehand: entry by entry in [`EntryFaults`], request by request as a [`RequestFault`], and
//! listing by listing as a [`ListFault`].
//!
//! The shards of a stream change by [`split`](Stream::split), [`merge`](Stream::merge) and
//! [`update_shard_count`](Stream::update_shard_count), and a [`Handover`] says when the children
//! take over. [`list_shards`](Stream::list_shards) shows what is open when each page is asked for,
//! so that a change between two pages makes them overlap, as it can happen to a producer.
//!
//! The crate shares no code with the engine that it judges, only the vocabulary of
//! [`headwaters_wire`]. It is `no_std` and needs `alloc`.
//!
//! ```
//! use core::num::NonZeroU32;
//! use core::time::Duration;
//!
//! use headwaters_model::{EntryFault, EntryFaults, Stream, StreamOptions};
//! use headwaters_wire::{Entry, ErrorCode, PartitionKey, StreamName};
//!
//! let name = StreamName::new("orders")?;
//! let shards = NonZeroU32::new(2).expect("2 is not 0");
//! let mut stream = Stream::new(StreamOptions::new(name.clone(), shards));
//!
//! let entries = ["customer-1", "customer-2", "customer-3"].map(|key| Entry {
//!     data: "one parcel".into(),
//!     explicit_hash_key: None,
//!     partition_key: PartitionKey::new(key).expect("a valid key"),
//! });
//! // The shard of the second entry is busy; the third is stored, but the answer denies it.
//! let faults = EntryFaults::from_iter([
//!     (1, EntryFault::Throttled),
//!     (2, EntryFault::InternalFailure { stored: true }),
//! ]);
//!
//! let results = stream.put_records(&name, &entries, &faults, Duration::ZERO)?;
//! assert!(results[0].is_ok());
//! let codes = [1, 2].map(|index| results[index].as_ref().map_err(|error| &error.code));
//! assert_eq!(codes[0], Err(&ErrorCode::ProvisionedThroughputExceededException));
//! assert_eq!(codes[1], Err(&ErrorCode::InternalFailure));
//!
//! let stored: Vec<usize> = stream.ledger().iter().map(|stored| stored.index).collect();
//! assert_eq!(stored, [0, 2]);
//! # Ok::<(), Box<dyn core::error::Error>>(())
//! ```
#![no_std]
#![forbid(unsafe_code)]
extern crate alloc;

mod checks;
mod distribution;
mod errors;
mod faults;
mod generations;
mod handover;
mod list_fault;
mod list_request;
mod max_record_size;
mod page_token;
mod ranges;
mod request_fault;
mod reshard;
mod sequence_numbers;
mod shard;
mod shard_limits;
mod stored;
mod stream;
mod stream_options;
#[cfg(test)]
mod testing;
mod throttle;
mod token_bucket;

pub use distribution::Distribution;
pub use errors::ACCOUNT;
pub use faults::{EntryFault, EntryFaults};
pub use handover::Handover;
pub use list_fault::ListFault;
pub use list_request::ListRequest;
pub use max_record_size::{MaxRecordSize, MaxRecordSizeError};
pub use request_fault::RequestFault;
pub use shard::Shard;
pub use shard_limits::{Metering, ShardLimits};
pub use stored::Stored;
pub use stream::Stream;
pub use stream_options::StreamOptions;
