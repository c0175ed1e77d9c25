//! The KPL's aggregated record format: many user records in one Kinesis record, both ways.
//!
//! ```text
//! F3 89 9A C2 | AggregatedRecord as protobuf | MD5 of the protobuf, 16 bytes
//!
//! AggregatedRecord { 1: repeated string partition_key_table
//!                    2: repeated string explicit_hash_key_table
//!                    3: repeated Record }
//! Record           { 1: required uint64 partition_key_index
//!                    2: optional uint64 explicit_hash_key_index
//!                    3: required bytes data
//!                    4: repeated Tag { 1: required string key, 2: optional string value } }
//! ```
//!
//! Source: `aggregation-format.md` of the KPL. Tags are read over: nobody writes them.
//!
//! ```
//! use headwaters_wire::aggregate::{Decoded, Encoder, Record, decode};
//! use headwaters_wire::{Entry, PartitionKey};
//!
//! let entry = |key: &str, data: &'static str| {
//!     let partition_key = PartitionKey::new(key)?;
//!     Ok::<_, headwaters_wire::PartitionKeyError>(Entry {
//!         data: data.into(),
//!         explicit_hash_key: None,
//!         partition_key,
//!     })
//! };
//! let mut encoder = Encoder::default();
//! for record in [entry("a", "hello")?, entry("b", "world")?] {
//!     encoder.append(Record::from(&record));
//! }
//! let size = encoder.size();
//! let aggregate = encoder.finish().ok_or("there are two records")?.seal();
//! assert_eq!(aggregate.data.len(), size);
//!
//! let Decoded::Aggregate(aggregate) = decode(aggregate.data) else { return Err("plain".into()) };
//! let members = aggregate.members().collect::<Result<Vec<_>, _>>()?;
//! assert_eq!(members[1].data, "world");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod decode;
mod encode;
mod head;
mod kcl;
mod key_table;
mod member;
mod protobuf;
mod record;
#[cfg(test)]
mod testing;
mod unsealed;

pub use decode::{Aggregate, Decoded, Members, decode, decode_all};
pub use encode::{Encoder, Full, OuterKey};
pub use kcl::{BrokenMember, KclView};
pub use member::{Broken, Member};
pub use record::Record;
pub use unsealed::Unsealed;

/// The first bytes of an aggregate.
pub const MAGIC: [u8; 4] = [0xF3, 0x89, 0x9A, 0xC2];

/// Bytes of the MD5 at the end of an aggregate.
pub const TRAILER_BYTES: usize = 16;

/// The partition key that the KPL gives to every aggregate.
pub const KPL_OUTER_KEY: &str = "a";

/// The fields of the protobuf messages.
mod field {
    pub(super) const PARTITION_KEY_TABLE: u32 = 1;
    pub(super) const EXPLICIT_HASH_KEY_TABLE: u32 = 2;
    pub(super) const RECORDS: u32 = 3;

    pub(super) const PARTITION_KEY_INDEX: u32 = 1;
    pub(super) const EXPLICIT_HASH_KEY_INDEX: u32 = 2;
    pub(super) const DATA: u32 = 3;
    pub(super) const TAGS: u32 = 4;

    pub(super) const TAG_KEY: u32 = 1;
}
