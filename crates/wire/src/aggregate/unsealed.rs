use alloc::vec;
use alloc::vec::Vec;

use bytes::Bytes;

use super::{MAGIC, TRAILER_BYTES};
use crate::{Entry, HashKey, PartitionKey};

/// A Kinesis record that lacks nothing but its trailer, the MD5 of its body.
///
/// Most of the time that an aggregate takes goes into this check sum, so it can be computed apart: outside a lock,
/// or for many aggregates side by side.
///
/// `Debug` prints sizes only. Cloning copies the bytes.
#[derive(Clone)]
pub struct Unsealed(Repr);

#[derive(Clone)]
enum Repr {
    Aggregate { data: Vec<u8>, start: usize, hash_key: HashKey, partition_key: PartitionKey },
    Plain(Entry),
}

impl core::fmt::Debug for Unsealed {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match &self.0 {
            Repr::Aggregate { data, start, .. } => {
                write!(f, "Unsealed(aggregate of {} bytes)", data.len() - start)
            }
            Repr::Plain(entry) => write!(f, "Unsealed({entry:?})"),
        }
    }
}

impl Unsealed {
    pub(super) const fn plain(entry: Entry) -> Self {
        Self(Repr::Plain(entry))
    }

    /// From `start` on, `data` has the magic, the body, and room for the trailer.
    pub(super) const fn aggregate(
        data: Vec<u8>,
        start: usize,
        hash_key: HashKey,
        partition_key: PartitionKey,
    ) -> Self {
        Self(Repr::Aggregate { data, start, hash_key, partition_key })
    }

    /// The hash key that decides on the shard.
    pub fn hash_key(&self) -> HashKey {
        match &self.0 {
            Repr::Aggregate { hash_key, .. } => *hash_key,
            Repr::Plain(entry) => entry.hash_key(),
        }
    }

    /// What the trailer is the MD5 of; `None` if the record goes plain and has none.
    pub fn body(&self) -> Option<&[u8]> {
        match &self.0 {
            Repr::Aggregate { data, start, .. } => {
                data.get(start + MAGIC.len()..data.len() - TRAILER_BYTES)
            }
            Repr::Plain(_) => None,
        }
    }

    /// Bytes of memory behind it.
    pub fn memory(&self) -> usize {
        match &self.0 {
            Repr::Aggregate { data, .. } => data.capacity(),
            Repr::Plain(entry) => entry.size(),
        }
    }

    /// Computes the trailer.
    #[must_use]
    pub fn seal(self) -> Entry {
        let digest = self.body().map(headwaters_md5::digest).unwrap_or_default();
        self.seal_with(digest)
    }

    /// Computes the trailers of many records side by side in SIMD lanes: from two on faster than one after the
    /// other, with dozens many times so. The entries come in the order of the records.
    pub fn seal_all(records: Vec<Self>) -> Vec<Entry> {
        let digests = Self::digest_all(&records);
        records.into_iter().zip(digests).map(|(one, digest)| one.seal_with(digest)).collect()
    }

    /// The trailers of many records, for [`seal_with`](Self::seal_with): as [`seal_all`](Self::seal_all) computes them,
    /// for whoever only borrows the records. Those of records that go plain mean nothing.
    pub fn digest_all<'a>(records: impl IntoIterator<Item = &'a Self>) -> Vec<[u8; TRAILER_BYTES]> {
        let records: Vec<&Self> = records.into_iter().collect();
        let mut digests = vec![[0; TRAILER_BYTES]; records.len()];
        let bodies = records.iter().zip(&mut digests);
        headwaters_md5::digest_many(bodies.flat_map(|(one, digest)| Some((one.body()?, digest))));
        digests
    }

    /// Takes the trailer as it is: `digest` must be the MD5 of [`body`](Self::body), or consumers will read
    /// the aggregate as one plain record. A record that goes plain ignores it.
    #[must_use]
    pub fn seal_with(self, digest: [u8; TRAILER_BYTES]) -> Entry {
        match self.0 {
            Repr::Aggregate { mut data, start, hash_key, partition_key } => {
                let trailer = data.len() - TRAILER_BYTES;
                data[trailer..].copy_from_slice(&digest);
                // One that was finished early must not keep the room for a full one, and none much of it.
                if data.capacity() - data.len() > data.len() / 16 {
                    data.shrink_to_fit();
                }
                let data = Bytes::from(data).slice(start..);
                let explicit_hash_key = Some(hash_key);
                Entry { data, explicit_hash_key, partition_key }
            }
            Repr::Plain(entry) => entry,
        }
    }
}
