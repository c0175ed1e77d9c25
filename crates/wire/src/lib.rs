//! The vocabulary of Amazon Kinesis Data Streams.
//!
//! Every type here is valid when it exists: it is parsed once, at the edge, and trusted from then on.
//! The crate knows the names, limits and error codes of the service and nothing of producers, time or
//! input and output; it is `no_std` and needs `alloc`.
//!
//! For consumers: [`aggregate`] takes the aggregated records of the KPL apart (deaggregation), and makes them.
//!
//! ```
//! use headwaters_wire::{HashKey, PartitionKey};
//!
//! let key = PartitionKey::new("customer-17")?;
//! // The service decides the shard by this number unless a record has an explicit hash key.
//! println!("{}", HashKey::of(&key));
//! # Ok::<(), headwaters_wire::PartitionKeyError>(())
//! ```
#![no_std]
#![forbid(unsafe_code)]
extern crate alloc;

pub mod aggregate;
mod digits;
mod entries;
mod entry;
mod error_code;
mod hash_key;
pub mod limits;
mod message;
mod partition_key;
mod sequence_number;
mod shard_id;
mod shard_page;
mod stream_arn;
mod stream_name;

pub use entries::Entries;
pub use entry::{AttemptError, Entry, Placement};
pub use error_code::{Certainty, Class, ErrorCode};
pub use hash_key::{HashKey, HashKeyError, HashKeyRange};
pub use message::Message;
pub use partition_key::{PartitionKey, PartitionKeyError};
pub use sequence_number::{SequenceNumber, SequenceNumberError};
pub use shard_id::{ShardId, ShardIdError};
pub use shard_page::{ListedShard, NextToken, NextTokenError, ShardPage};
pub use stream_arn::{StreamArn, StreamArnError};
pub use stream_name::{StreamName, StreamNameError};
