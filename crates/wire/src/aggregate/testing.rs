//! What the tests of the format share.

use bytes::Bytes;
use md5::{Digest, Md5};

use super::MAGIC;
use crate::{Entry, HashKey, PartitionKey};

/// An aggregate of this body, with the trailer it needs.
pub(super) fn sealed(body: &[u8]) -> Bytes {
    let mut data = MAGIC.to_vec();
    data.extend_from_slice(body);
    data.extend_from_slice(&Md5::digest(body));
    data.into()
}

/// A record of four bytes.
pub(super) fn entry(key: &'static str, hash_key: Option<u128>) -> Entry {
    Entry {
        data: Bytes::from_static(b"data"),
        explicit_hash_key: hash_key.map(HashKey::new),
        partition_key: PartitionKey::new(key).expect("a valid key"),
    }
}
