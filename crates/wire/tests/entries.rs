//! The entries of a request, and what the service counts of them.

use bytes::Bytes;
use headwaters_wire::{AttemptError, Entries, Entry, ErrorCode, HashKey, Message, PartitionKey};

fn entry(data: &'static [u8], key: &str) -> Entry {
    let partition_key = PartitionKey::new(key).expect("a key");
    Entry { data: Bytes::from_static(data), explicit_hash_key: None, partition_key }
}

#[test]
fn data_and_key_count() {
    assert_eq!(entry(b"12345", "key").size(), 8);
    assert_eq!(entry(b"", "k\u{e9}").size(), 3, "in bytes, not in characters");
}

#[test]
fn who_has_the_entries_alone_may_change_them() {
    let mut entries: Entries = [entry(b"1", "a"), entry(b"2", "b")].into_iter().collect();
    entries.get_mut().expect("nobody else has them")[0] = entry(b"3", "c");
    let other = entries.clone();
    assert!(entries.get_mut().is_none(), "they are shared");
    let data: Vec<&[u8]> = other.into_iter().map(|entry| &*entry.data).collect();
    assert_eq!(data, [b"3", b"2"]);
    assert_eq!(entries.len(), 2);
}

#[test]
fn an_error_is_its_code_and_what_the_server_said() {
    let code = ErrorCode::InternalFailure;
    assert_eq!(AttemptError::new(code.clone()).to_string(), "InternalFailure");
    let error = AttemptError::with_message(code, Message::new("try again"));
    assert_eq!(error.to_string(), "InternalFailure: try again");
}

#[test]
fn a_hash_key_prints_its_value() {
    assert_eq!(format!("{0} {0:?}", HashKey::new(7)), "7 HashKey(7)");
}
