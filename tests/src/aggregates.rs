//! What must hold for any bytes that are taken for an aggregate, and for any records that are made one.

use bytes::Bytes;
use headwaters_engine::wire::aggregate::{
    Aggregate, Broken, Decoded, Encoder, MAGIC, OuterKey, Record, decode,
};
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
            Decoded::Aggregate(aggregate) => check(&aggregate, &data),
        }
    }
}

fn check(aggregate: &Aggregate, data: &Bytes) {
    let ends = data.as_ptr_range();
    let inside = |part: &Bytes| {
        part.is_empty() || (ends.contains(&part.as_ptr()) && part.as_ptr_range().end <= ends.end)
    };
    let middle = HashKey::new(u128::MAX / 2);
    let half = HashKeyRange::new(HashKey::MIN, middle).expect("a range");
    for range in [HashKeyRange::ALL, half] {
        let view = aggregate.as_kcl(range);
        let members = view.delivered.len() + view.dropped.len() + view.broken.len();
        assert_eq!(members, aggregate.len(), "nothing is lost");
        assert!(view.delivered.iter().chain(&view.dropped).all(|member| inside(&member.data)));
        let delivered: Vec<usize> = view.delivered.iter().map(|member| member.index).collect();
        assert_eq!(delivered, delivered_by_the_kcl(aggregate, range));
    }
}

/// The loop of the Kinesis Client Library, as plainly as it is written there: the members that it delivers.
fn delivered_by_the_kcl(aggregate: &Aggregate, range: HashKeyRange) -> Vec<usize> {
    let mut result = Vec::new();
    for member in aggregate.members() {
        let Ok(member) = member else { return result };
        let hash_key = match &member.explicit_hash_key {
            None => {
                let text = String::from_utf8_lossy(&member.partition_key).into_owned();
                Some(u128::from_be_bytes(Md5::digest(text.as_bytes()).into()))
            }
            Some(text) => match big_integer(text) {
                Ok(number) => number,
                Err(()) => return result,
            },
        };
        if !hash_key.is_some_and(|key| range.contains(HashKey::new(key))) {
            result.clear();
            break;
        }
        result.push(member.index);
    }
    result
}

/// A decimal number with or without a sign; none if it is negative, or 2^128 and more.
fn big_integer(text: &[u8]) -> Result<Option<u128>, ()> {
    let text = core::str::from_utf8(text).map_err(|_| ())?;
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(());
    }
    let number = digits.trim_start_matches('0');
    let number = if number.is_empty() { Ok(0) } else { number.parse::<u128>() };
    Ok(number.ok().filter(|&number| number == 0 || !text.starts_with('-')))
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
        let record = Record::from(&entry);
        let size = encoder.size_with(record);
        match encoder.try_append(record, size_max) {
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
