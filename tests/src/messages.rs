//! The two messages of the aggregated record format as `prost` makes them: an oracle for our own bytes.

/// `AggregatedRecord`.
#[derive(Clone, PartialEq, prost::Message)]
#[expect(clippy::exhaustive_structs, reason = "the fields of the message")]
pub struct AggregatedRecord {
    /// Field 1.
    #[prost(string, repeated, tag = "1")]
    pub partition_key_table: Vec<String>,
    /// Field 2.
    #[prost(string, repeated, tag = "2")]
    pub explicit_hash_key_table: Vec<String>,
    /// Field 3.
    #[prost(message, repeated, tag = "3")]
    pub records: Vec<Record>,
}

/// `Record`.
#[derive(Clone, PartialEq, prost::Message)]
#[expect(clippy::exhaustive_structs, reason = "the fields of the message")]
pub struct Record {
    /// Field 1.
    #[prost(uint64, required, tag = "1")]
    pub partition_key_index: u64,
    /// Field 2.
    #[prost(uint64, optional, tag = "2")]
    pub explicit_hash_key_index: Option<u64>,
    /// Field 3.
    #[prost(bytes = "vec", required, tag = "3")]
    pub data: Vec<u8>,
}
