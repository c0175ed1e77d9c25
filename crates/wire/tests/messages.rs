//! What errors say, and what is printed of values that may be secret.

use bytes::Bytes;
use headwaters_wire::aggregate::{Broken, Encoder, OuterKey, Record};
use headwaters_wire::{
    Entry, HashKey, HashKeyError, Message, NextToken, PartitionKey, PartitionKeyError,
    SequenceNumber, SequenceNumberError, ShardId, StreamArn, StreamName,
};

/// Every error names what is wrong, where or how much, and the rule.
#[test]
fn errors_name_the_field_the_value_and_the_bound() {
    let name = |text: &str| StreamName::new(text).expect_err("no name").to_string();
    assert_eq!(name("a b"), "the stream name has a character outside [a-zA-Z0-9_.-] at byte 1");
    assert!(name(&"n".repeat(129)).starts_with("the stream name has 129 bytes"));
    assert!(name("").contains("1 to 128"));

    let id = |text: &str| text.parse::<ShardId>().expect_err("no id").to_string();
    assert_eq!(id("shard/0"), "the shard id has a character outside [a-zA-Z0-9_.-] at byte 5");
    assert_eq!(id(""), "the shard id has 0 bytes; it must have 1 to 128");

    let number = |text: &str| text.parse::<SequenceNumber>().expect_err("no number");
    assert_eq!(number("12x"), SequenceNumberError::NotDecimal { offset: 2 });
    assert!(number("12x").to_string().ends_with("no digit at byte 2"));
    assert_eq!(number("").to_string(), "the sequence number has 0 bytes; it must have 1 to 129");

    let key = |text: &str| PartitionKey::new(text).expect_err("no key").to_string();
    assert_eq!(key(""), "the partition key is empty; it must have 1 to 256 characters");
    let long = key(&"k".repeat(257));
    assert_eq!(long, "the partition key has 257 characters; it may have 1 to 256");
    let longer = key(&"k".repeat(5_000));
    assert_eq!(longer, "the partition key has far more than 256 characters");
    let bytes = PartitionKey::from_utf8(Bytes::from_static(b"ab\xff")).expect_err("no key");
    assert_eq!(bytes.to_string(), "the partition key is not UTF-8 from byte 2 on");

    let hash_key = |text: &str| text.parse::<HashKey>().expect_err("no hash key").to_string();
    let rule = "an explicit hash key is a decimal number from 0 to 2^128 - 1";
    assert_eq!(hash_key(""), format!("the hash key is empty; {rule}"));
    assert!(hash_key("1 ").contains("no digit at byte 1"));
    let beyond = "340282366920938463463374607431768211456";
    assert_eq!(hash_key(beyond), format!("the hash key is 2^128 or more; {rule}"));

    let token = NextToken::new("").expect_err("no token").to_string();
    assert_eq!(token, "the page token has 0 bytes; it must have 1 to 1048576");
}

#[test]
fn a_wrong_arn_is_told_which_part_and_the_form() {
    let cases = [
        ("arn:aws:sqs:eu-west-1:123456789012:stream/orders", "no ARN of the service `kinesis`"),
        ("arn:cn:kinesis:eu-west-1:123456789012:stream/orders", "the partition is not"),
        ("arn:aws:kinesis:EU:123456789012:stream/orders", "the region has other characters"),
        ("arn:aws:kinesis:eu-west-1:1234:stream/orders", "the account is not 12 digits"),
        ("arn:aws:kinesis:eu-west-1:123456789012:orders", "does not start with `stream/`"),
    ];
    for (arn, wrong) in cases {
        let error = arn.parse::<StreamArn>().expect_err(arn).to_string();
        assert!(error.contains(wrong), "{arn}: {error}");
        assert!(error.ends_with("arn:PARTITION:kinesis:REGION:ACCOUNT:stream/NAME"), "{error}");
    }
    let arn = "arn:aws:kinesis:eu-west-1:123456789012:stream/a b";
    let error = arn.parse::<StreamArn>().expect_err("a wrong name").to_string();
    assert!(error.contains("the stream name has a character outside"), "{error}");
}

#[test]
fn a_member_says_why_nobody_can_store_it_again() {
    let cases = [
        (Broken::HashKey(HashKeyError::TooLarge), "the hash key is 2^128 or more"),
        (Broken::HashKeyIndex { index: 7 }, "the aggregate has no explicit hash key number 7"),
        (Broken::KeyIndex { index: 9 }, "the aggregate has no partition key number 9"),
        (Broken::PartitionKey(PartitionKeyError::Empty), "the partition key is empty"),
    ];
    for (broken, message) in cases {
        assert!(broken.to_string().starts_with(message), "{broken}");
    }
}

#[test]
fn an_aggregate_that_is_full_says_what_it_would_come_to() {
    let key = PartitionKey::new("key").expect("a key");
    let hash_key = HashKey::of(&key);
    let data = Bytes::from_static(&[7; 100]);
    let record = Record { data: &data, hash_key, is_explicit: false, partition_key: &key };
    let mut encoder = Encoder::new(1_000, OuterKey::Kpl);
    assert!(encoder.is_empty());
    assert_eq!(encoder.outer_key_len(), 0, "there is none");
    encoder.try_append(record, 150).expect("there is room for one");
    let full = encoder.try_append(record, 150).expect_err("no room for two");
    assert_eq!(full.size, encoder.size_with(record));
    let message = format!("with this record the aggregate would have {} bytes", full.size);
    assert_eq!(full.to_string(), message);
    assert_eq!((encoder.len(), encoder.outer_key_len()), (1, 3), "what did not fit is not in it");
    encoder.append(record);
    assert_eq!((encoder.len(), encoder.size()), (2, full.size));
    assert!(encoder.memory() >= full.size, "what is encoded counts");
}

#[test]
fn names_print_as_they_are_and_read_back() {
    let arn = "arn:aws-cn:kinesis:cn-north-1:123456789012:stream/orders";
    let read: StreamArn = arn.parse().expect("an ARN");
    assert_eq!((read.to_string().as_str(), read.as_str()), (arn, arn));
    assert_eq!(read.stream_name().to_string(), "orders");
    assert_eq!((read.account(), read.partition()), ("123456789012", "aws-cn"));
    assert_eq!(StreamName::try_from("orders"), StreamName::try_from(String::from("orders")));
    assert_eq!("orders".parse::<StreamName>().as_ref(), Ok(read.stream_name()));
    let number: SequenceNumber = "0123".parse().expect("digits");
    assert_eq!(format!("{number} {number:?}"), "0123 SequenceNumber(0123)");
    assert_eq!((number.as_str(), number.as_bytes()), ("0123", &b"0123"[..]));
}

/// Payloads, keys and page tokens may be secret; messages of the service may have them within.
#[test]
fn what_may_be_secret_is_not_printed() {
    let secret = "swordfish";
    let partition_key = PartitionKey::new(secret).expect("a key");
    let explicit_hash_key = Some(HashKey::new(31_415_926_535));
    let entry = Entry { data: Bytes::from(secret), explicit_hash_key, partition_key };
    let token = NextToken::new(secret).expect("a token");
    let printed = format!("{entry:?} {:?} {token:?}", entry.partition_key);
    assert!(printed.contains("9 bytes"), "sizes are: {printed}");
    assert!(!printed.contains(secret) && !printed.contains("31415"), "{printed}");
    assert_eq!(token.as_str(), secret);
    assert_eq!(entry.hash_key(), HashKey::new(31_415_926_535));
    assert_eq!(Message::new("Rate exceeded").as_str(), "Rate exceeded");
}
