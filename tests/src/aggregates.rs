//! What must hold for any bytes that are taken for an aggregate, and for any records that are made one.

use bytes::Bytes;
use headwaters_engine::wire::aggregate::{Broken, Decoded, Encoder, MAGIC, OuterKey, decode};
use headwaters_engine::wire::{Entry, HashKey, HashKeyRange, PartitionKey};
use md5::{Digest, Md5};

/// The data of a Kinesis record with this body and the trailer that it needs.
pub fn sealed(body: &[u8]) -> Bytes {
    [&MAGIC[..], body, &Md5::digest(body)].concat().into()
}

/// Reads the bytes as they are, and as the body of an aggregate with a right trailer.
///
/// # Panics
/// When a rule is broken.
pub fn decode_anything(bytes: &[u8]) {
    for data in [Bytes::copy_from_slice(bytes), sealed(bytes)] {
        match decode(data.clone()) {
            Decoded::Plain(plain) => assert_eq!(plain, data, "plain data is left as it is"),
            Decoded::Aggregate(aggregate) => {
                let everything = HashKeyRange::new(HashKey::MIN, HashKey::MAX).expect("a range");
                let view = aggregate.as_kcl(everything);
                assert!(view.dropped.is_empty(), "no hash key lies outside of everything");
                let broken = usize::from(view.broken.is_some());
                assert!(view.delivered.len() + broken <= aggregate.len());
                assert!(aggregate.members().count() >= view.delivered.len());
                let bytes: usize = view.delivered.iter().map(|member| member.data.len()).sum();
                assert!(bytes <= data.len(), "payloads lie in the data");
            }
        }
    }
}

/// A record in few bytes: the key's length and first letter, the explicit hash key, the payload's length.
pub type Recipe = (u8, u8, Option<u128>, u16);

/// Packs the records, checks every size, and unpacks them again.
///
/// # Panics
/// When a rule is broken.
pub fn round_trip(recipes: &[Recipe], first_key: bool, size_max: usize) {
    let outer_key = if first_key { OuterKey::FirstRecord } else { OuterKey::Kpl };
    let mut encoder = Encoder::new(size_max.min(1_000), outer_key);
    let mut packed = Vec::new();
    for recipe in recipes {
        let entry = record(*recipe);
        let size = encoder.size_with(&entry);
        match encoder.try_append(&entry, size_max) {
            Ok(()) => packed.push(entry),
            Err(full) => assert!(full.size == size && size > size_max),
        }
        assert!(packed.len() == encoder.len() && (packed.len() == 1 || encoder.size() <= size_max));
    }
    let size = encoder.size();
    let Some(unsealed) = encoder.finish() else {
        assert!(packed.is_empty());
        return;
    };
    let sealed = unsealed.seal();
    assert_eq!(sealed.data.len(), size);
    if let [alone] = &packed[..] {
        assert_eq!(&sealed, alone);
        return;
    }
    let Decoded::Aggregate(aggregate) = decode(sealed.data) else { panic!("an aggregate") };
    let members = aggregate.members().map(|member| member?.to_entry());
    assert_eq!(members.collect::<Result<Vec<Entry>, Broken>>(), Ok(packed));
}

fn record((length, letter, hash_key, size): Recipe) -> Entry {
    let letter = char::from(b'a' + letter % 26);
    let key: String = core::iter::repeat_n(letter, usize::from(length).max(1)).collect();
    Entry {
        data: vec![letter as u8; usize::from(size)].into(),
        explicit_hash_key: hash_key.map(HashKey::new),
        partition_key: PartitionKey::new(key).expect("1 to 255 characters"),
    }
}
