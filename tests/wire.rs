//! The aggregated record format: round trips, exact sizes, and `prost` as an oracle.

use headwaters_engine::wire::aggregate::{self, Broken, Decoded, Encoder, OuterKey, decode};
use headwaters_engine::wire::{Entry, HashKey, PartitionKey};
use headwaters_tests::aggregates::{decode_anything, sealed};
use headwaters_tests::messages::{AggregatedRecord, Record};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;
use prost::Message;

/// Keys from a few, so that some repeat, and from many, so that tables grow.
fn key() -> impl Strategy<Value = PartitionKey> {
    let text = prop_oneof!["[a-c]", "[a-zA-Z0-9]{1,40}", "\\PC{1,256}"];
    text.prop_map(|text| PartitionKey::new(text).expect("1 to 256 characters"))
}

fn hash_key() -> impl Strategy<Value = HashKey> {
    prop_oneof![0..5_u128, any::<u128>(), Just(u128::MAX)].prop_map(HashKey::new)
}

fn entry() -> impl Strategy<Value = Entry> {
    let data = prop_oneof![vec(any::<u8>(), 0..20), vec(any::<u8>(), 120..140)];
    (key(), option::of(hash_key()), data).prop_map(|(partition_key, explicit_hash_key, data)| {
        Entry { data: data.into(), explicit_hash_key, partition_key }
    })
}

fn encode(entries: &[Entry], outer_key: OuterKey) -> Entry {
    let mut encoder = Encoder::new(1_000, outer_key);
    for entry in entries {
        let record = aggregate::Record::from(entry);
        let expected = encoder.size_with(record);
        encoder.append(record);
        assert_eq!(encoder.size(), expected, "known before and after");
    }
    let (size, outer_key_len) = (encoder.size(), encoder.outer_key_len());
    let sealed = encoder.finish().expect("records").seal();
    assert_eq!((sealed.data.len(), sealed.partition_key.len()), (size, outer_key_len));
    sealed
}

/// What the entries are as a message, made the simple way.
fn message(entries: &[Entry]) -> AggregatedRecord {
    fn index(table: &mut Vec<String>, text: String) -> u64 {
        let at = table.iter().position(|known| *known == text);
        let at = at.unwrap_or_else(|| {
            table.push(text);
            table.len() - 1
        });
        at as u64
    }
    let mut message = AggregatedRecord::default();
    for entry in entries {
        let key = entry.partition_key.as_str().to_owned();
        let record = Record {
            partition_key_index: index(&mut message.partition_key_table, key),
            explicit_hash_key_index: entry
                .explicit_hash_key
                .map(|key| index(&mut message.explicit_hash_key_table, key.to_string())),
            data: entry.data.to_vec(),
        };
        message.records.push(record);
    }
    message
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 500,
        failure_persistence: Some(Box::new(FileFailurePersistence::WithSource("regressions"))),
        ..ProptestConfig::default()
    })]

    #[test]
    fn what_is_written_is_read(entries in vec(entry(), 2..300), first in any::<bool>()) {
        let outer_key = if first { OuterKey::FirstRecord } else { OuterKey::Kpl };
        let sealed = encode(&entries, outer_key);
        prop_assert_eq!(sealed.explicit_hash_key, Some(entries[0].hash_key()));
        let Decoded::Aggregate(aggregate) = decode(sealed.data) else { panic!("an aggregate") };
        let read: Result<Vec<Entry>, Broken> =
            aggregate.members().map(|member| member?.to_entry()).collect();
        prop_assert_eq!(read, Ok(entries));
    }

    /// Byte for byte what prost makes of the same records: the same tables, order and fields.
    #[test]
    fn prost_writes_the_same_bytes(entries in vec(entry(), 2..300)) {
        let ours = encode(&entries, OuterKey::Kpl);
        prop_assert_eq!(ours.data, sealed(&message(&entries).encode_to_vec()));
    }

    /// Messages as others may write them: indexes out of range, tables unused, keys twice.
    #[test]
    fn what_prost_writes_is_read(
        keys in vec("[a-z]{0,5}", 0..5),
        hash_keys in vec("[+-]?[0-9]{0,3}|[0-9]{38,40}", 0..4),
        records in vec((0_u64..6, option::of(0_u64..5), vec(any::<u8>(), 0..9)), 0..9),
    ) {
        let message = AggregatedRecord {
            partition_key_table: keys.clone(),
            explicit_hash_key_table: hash_keys.clone(),
            records: records
                .iter()
                .cloned()
                .map(|(partition_key_index, explicit_hash_key_index, data)| Record {
                    partition_key_index, explicit_hash_key_index, data,
                })
                .collect(),
        };
        let body = message.encode_to_vec();
        let Decoded::Aggregate(aggregate) = decode(sealed(&body)) else {
            prop_assert!(body.is_empty(), "only an empty body is plain");
            return Ok(());
        };
        prop_assert_eq!(aggregate.len(), records.len());
        let mut read = aggregate.members();
        for (key, hash_key, data) in records {
            let member = read.next().expect("as many members as records");
            let expected_key = keys.get(usize::try_from(key).expect("small"));
            let Some(expected_key) = expected_key else {
                prop_assert_eq!(member, Err(Broken::KeyIndex { index: key }));
                continue;
            };
            let expected = match hash_key {
                None => None,
                Some(index) => match hash_keys.get(usize::try_from(index).expect("small")) {
                    Some(text) => Some(text),
                    None => {
                        prop_assert_eq!(member, Err(Broken::HashKeyIndex { index }));
                        continue;
                    }
                },
            };
            let member = member.expect("its keys are there");
            prop_assert_eq!(&member.partition_key[..], expected_key.as_bytes());
            let read = member.explicit_hash_key.as_deref();
            prop_assert_eq!(read, expected.map(|text| text.as_bytes()));
            prop_assert_eq!(&member.data[..], data);
        }
        prop_assert!(read.next().is_none());
        decode_anything(&body);
    }

    /// Never a panic, and everything that comes out lies in what went in.
    #[test]
    fn hostile_bytes_are_read_or_plain(body in vec(hostile_byte(), 0..80)) {
        decode_anything(&body);
    }
}

/// Bytes of which messages are made come often.
fn hostile_byte() -> impl Strategy<Value = u8> {
    prop_oneof![
        4 => prop::sample::select(vec![0x0A, 0x12, 0x1A, 0x08, 0x10, 0x22, 0x00, 0x01, 0x02, 0x03]),
        1 => any::<u8>(),
    ]
}
