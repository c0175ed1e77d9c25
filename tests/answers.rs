//! Answers of servers in all the forms that they may have, and requests as others read them.

use bytes::Bytes;
use headwaters_engine::wire::{Entry, ErrorCode, HashKey, PartitionKey, StreamName};
use headwaters_http::__internals::{parse_results, put_records, read_results};
use headwaters_http::Protocol;
use headwaters_tests::answers;
use headwaters_tests::documents::Document;
use proptest::prelude::*;
use serde_json::{Value, json};

fn cbor(value: &Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    ciborium::into_writer(value, &mut bytes).expect("a vector takes everything");
    bytes
}

fn json_bytes(value: &Value) -> Bytes {
    Bytes::from(value.to_string())
}

const NUMBER: &str = "49543463076548007577105092703039560359975228518395012686";

fn all_stored(entries: usize) -> Value {
    let entry = json!({ "SequenceNumber": NUMBER, "ShardId": "shardId-000000000003" });
    json!({ "FailedRecordCount": 0, "Records": vec![entry; entries], "EncryptionType": "KMS" })
}

#[test]
fn the_usual_answer_is_read() {
    for entries in [1, 2, 500] {
        let answer = all_stored(entries);
        let pretty = Bytes::from(serde_json::to_string_pretty(&answer).expect("it can be written"));
        let cbor = (Protocol::Cbor, Bytes::from(cbor(&answer)));
        for (protocol, body) in
            [(Protocol::Json, json_bytes(&answer)), (Protocol::Json, pretty), cbor]
        {
            let read = read_results(protocol, &body, entries).expect("one for each");
            assert!(read.len() == entries && read.iter().all(Result::is_ok));
            for wrong in [entries - 1, entries + 1] {
                assert!(read_results(protocol, &body, wrong).is_err());
            }
        }
    }
}

/// Entries that look like those before are read in another way than the first one of their kind. What differs in places where they
/// mostly do not, and what is damaged anywhere, is found all the same: other readers find no more and no less.
#[test]
fn entries_that_are_nearly_alike_are_told_apart() {
    const SHARDS: [&str; 4] =
        ["shardId-000000000003", "shardId-000000000014", "blue.1", "shardId-000000000003x"];
    let entry = (0..7_u8, 0..4_usize, 1..4_usize, proptest::bool::weighted(0.1));
    let entry = entry.prop_map(|(kind, shard, digits, odd)| {
        let number = format!("{NUMBER}{}", "7".repeat(digits / 3));
        let number = if odd { number.replace("46", "4x") } else { number };
        let message = format!("Rate exceeded for shard {}", SHARDS[shard]);
        match kind {
            0..3 => json!({ "SequenceNumber": number, "ShardId": SHARDS[shard] }),
            3 => json!({ "SequenceNumber": number, "ShardId": SHARDS[shard], "ErrorCode": null }),
            4 => json!({ "ErrorCode": "InternalFailure", "ErrorMessage": message }),
            5 => json!({ "ErrorCode": "ProvisionedThroughputExceededException", "ErrorMessage": message }),
            _ => json!({ "SequenceNumber": number, "ShardId": "shard\u{e9}" }),
        }
    });
    let damage = (0..10_000_usize, proptest::sample::select(&b"\"\\,:{}[]0xa\xff\x00 "[..]));
    let given = (prop::collection::vec(entry, 1..12), proptest::option::of(damage));
    proptest!(|((entries, damage) in given)| {
        let answer = json!({ "FailedRecordCount": 1, "Records": entries });
        let pretty = serde_json::to_vec_pretty(&answer).expect("it can be written");
        let damaged = |mut bytes: Vec<u8>| {
            if let Some((at, byte)) = damage {
                let at = at % bytes.len();
                bytes[at] = byte;
            }
            bytes
        };
        answers::put_records_json(&damaged(answer.to_string().into_bytes()));
        answers::put_records_json(&damaged(pretty));
        answers::put_records_cbor(&damaged(cbor(&answer)));
    });
}

/// Every entry that an answer can have, and what it means.
#[test]
fn an_entry_that_contradicts_itself_is_maybe_stored() {
    let texts = |present: bool, text: &str| if present { json!(text) } else { Value::Null };
    for mask in 0..8_u8 {
        let (number, shard, code) = (mask & 1 != 0, mask & 2 != 0, mask & 4 != 0);
        let answer = json!({ "FailedRecordCount": mask, "Records": [{
            "SequenceNumber": texts(number, "42"),
            "ShardId": texts(shard, "shardId-000000000000"),
            "ErrorCode": texts(code, "ProvisionedThroughputExceededException"),
            "ErrorMessage": "Rate exceeded",
        }]});
        let expected = match (number, shard, code) {
            (true, true, false) => None,
            (false, _, true) => Some(ErrorCode::ProvisionedThroughputExceededException),
            _ => Some(ErrorCode::UnusableAnswer),
        };
        for (protocol, bytes) in
            [(Protocol::Json, json_bytes(&answer)), (Protocol::Cbor, cbor(&answer).into())]
        {
            let results = read_results(protocol, &bytes, 1).expect("one result for one entry");
            assert_eq!(
                results[0].as_ref().err().map(|error| error.code.clone()),
                expected,
                "{mask}"
            );
        }
    }
}

#[test]
fn what_is_no_answer_is_of_no_use() {
    let deep = format!("{{\"x\":{}1{},\"Records\":[]}}", "[".repeat(200), "]".repeat(200));
    let fitting = format!("{{\"x\":{}1{},\"Records\":[]}}", "[".repeat(126), "]".repeat(126));
    for text in [
        "",
        "{}",
        "[]",
        "null",
        "{\"Records\":null}",
        "{\"Records\":[]}x",
        "{\"Records\":[],}",
        "{\"Records\":[]",
        "{\"Records\":[],\"Records\":[]}",
        "{\"Records\":[{\"ShardId\":\"a\",\"ShardId\":\"a\"}]}",
        "{\"Records\":[{\"ShardId\":7}]}",
        "{\"Records\":[7]}",
        "{\"x\":\"\\ud800\",\"Records\":[]}",
        "{\"x\":\"\\ud800\\u0020\",\"Records\":[]}",
        "{\"x\":01,\"Records\":[]}",
        "{\"x\":tru,\"Records\":[]}",
        "{\"x\":\"\u{1}\",\"Records\":[]}",
        &deep,
    ] {
        let body = Bytes::copy_from_slice(text.as_bytes());
        assert_eq!(parse_results(Protocol::Json, &body, 500), None, "{text}");
        answers::put_records_json(text.as_bytes());
    }
    for text in [
        "{\"x\":{\"y\":[1,-2.5e+3,true,null,{}]},\"Records\":[]}",
        "{\"x\":99999999999999999999999,\"Records\":[]}",
        "{\"x\":\"\\ud83d\\ude00\\u00e9\\n\\/\",\"Records\":[]}",
        "{\"\\u0052ecords\":[]}",
        &fitting,
    ] {
        let body = Bytes::copy_from_slice(text.as_bytes());
        assert_eq!(parse_results(Protocol::Json, &body, 500), Some(vec![]), "{text}");
        answers::put_records_json(text.as_bytes());
    }
}

#[test]
fn cbor_comes_in_many_forms() {
    // Open lengths, texts in pieces, tags, lengths in longer forms than needed.
    let body = [
        b"\xbf\x67Records\x9f\xbf\x7f\x68Sequence\x66Number\xff\xc1\x78\x0242\x67ShardId\x7f\x68shardId-\x6c000000000000\xff".as_slice(),
        b"\x69ErrorCode\xf7\xff\xff\x61x\x5f\x41a\x40\xff\x61y\xfb\x00\x00\x00\x00\x00\x00\x00\x00\x61z\xf8\x20\xff",
    ]
    .concat();
    let body = Bytes::from(body);
    let results = read_results(Protocol::Cbor, &body, 1).expect("one result");
    assert!(results[0].is_ok(), "{results:?}");
    for cut in 0..body.len() {
        assert_eq!(parse_results(Protocol::Cbor, &body.slice(..cut), 1), None, "{cut}");
    }
    let wrong: [&[u8]; 6] = [
        b"",
        b"\xa1\x67Records\x9b\xff\xff\xff\xff\xff\xff\xff\xff",
        b"\xa1\x67Records\xa0",
        b"\xa2\x67Records\x80",
        b"\xa1\x67Records\x80\x00",
        b"\xa2\x67Records\x80\x61x\xff",
    ];
    for wrong in wrong {
        assert_eq!(parse_results(Protocol::Cbor, &Bytes::from_static(wrong), 1), None, "{wrong:?}");
    }
}

#[test]
fn closed_shards_are_left_out() {
    let shard = |id: u64, end: Value| {
        json!({ "ShardId": format!("shardId-{id:012}"),
                "HashKeyRange": { "StartingHashKey": "0", "EndingHashKey": "340282366920938463463374607431768211455" },
                "SequenceNumberRange": { "StartingSequenceNumber": "1", "EndingSequenceNumber": end } })
    };
    let answer =
        json!({ "Shards": [shard(1, json!("2")), shard(2, Value::Null)], "NextToken": "more" });
    for (protocol, bytes) in
        [(Protocol::Json, answer.to_string().into_bytes()), (Protocol::Cbor, cbor(&answer))]
    {
        let page = headwaters_http::__internals::read_shard_page(protocol, &bytes).expect("a page");
        let ids: Vec<Option<u64>> = page.shards.iter().map(|shard| shard.id.number()).collect();
        assert_eq!(ids, [Some(2)]);
        assert_eq!(page.next_token.as_ref().map(|token| token.as_str()), Some("more"));
        answers::list_shards(&bytes);
    }
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("Records".to_owned()),
        Just("SequenceNumber".to_owned()),
        Just("ShardId".to_owned()),
        Just("ErrorCode".to_owned()),
        Just("ErrorMessage".to_owned()),
        Just("FailedRecordCount".to_owned()),
        Just("Shards".to_owned()),
        Just("NextToken".to_owned()),
        Just("HashKeyRange".to_owned()),
        Just("StartingHashKey".to_owned()),
        Just("EndingHashKey".to_owned()),
        Just("SequenceNumberRange".to_owned()),
        Just("EndingSequenceNumber".to_owned()),
        any::<String>(),
    ]
}

fn leaf() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        "[0-9]{1,40}".prop_map(Value::from),
        "shardId-[0-9]{12}".prop_map(Value::from),
        Just(Value::from("InternalFailure")),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    leaf().prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec((name(), inner), 0..6)
                .prop_map(|members| members.into_iter().collect::<serde_json::Map<_, _>>().into()),
        ]
    })
}

proptest! {
    #[test]
    fn readers_agree_on_documents(value in value(), cut in any::<prop::sample::Index>()) {
        let text = value.to_string();
        answers::put_records_json(text.as_bytes());
        answers::list_shards(text.as_bytes());
        answers::put_records_json(&text.as_bytes()[..cut.index(text.len())]);
        let bytes = cbor(&value);
        answers::put_records_cbor(&bytes);
        answers::list_shards(&bytes);
    }

    #[test]
    fn readers_agree_on_bytes(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        answers::put_records_json(&bytes);
        answers::put_records_cbor(&bytes);
        answers::list_shards(&bytes);
        answers::endpoint_and_arn(&bytes);
    }

    #[test]
    fn others_read_what_is_written(
        recipes in prop::collection::vec(
            (prop::collection::vec(any::<u8>(), 0..600), any::<String>(), any::<Option<u128>>()), 1..20,
        ),
    ) {
        let entries: Vec<Entry> = recipes.iter().filter_map(|(data, key, hash_key)| Some(Entry {
            data: data.clone().into(),
            explicit_hash_key: hash_key.map(HashKey::new),
            partition_key: PartitionKey::new(key.as_str()).ok()?,
        })).collect();
        let stream = StreamName::new("orders").expect("a valid name");
        let mut body = Vec::new();
        put_records(Protocol::Json, &mut body, &stream, &entries);
        let document: Value = serde_json::from_slice(&body).expect("it is JSON");
        prop_assert_eq!(&document["StreamName"], "orders");
        let records = document["Records"].as_array().expect("an array");
        prop_assert_eq!(records.len(), entries.len());
        for (record, entry) in records.iter().zip(&entries) {
            use base64::Engine;
            let data = base64::prelude::BASE64_STANDARD.decode(record["Data"].as_str().expect("a text"));
            prop_assert_eq!(data.as_deref(), Ok(&entry.data[..]));
            prop_assert_eq!(record["PartitionKey"].as_str(), Some(entry.partition_key.as_str()));
            let hash_key = entry.explicit_hash_key.map(|key| key.to_string());
            prop_assert_eq!(record["ExplicitHashKey"].as_str(), hash_key.as_deref());
        }
        let mut body = Vec::new();
        put_records(Protocol::Cbor, &mut body, &stream, &entries);
        let value: ciborium::Value = ciborium::from_reader(&body[..]).expect("it is CBOR");
        let document = Document::from(value.clone());
        prop_assert_eq!(document.text("StreamName"), Some(Some("orders")));
        let records = document.array("Records").expect("an array");
        prop_assert_eq!(records.len(), entries.len());
        for (record, entry) in records.iter().zip(&entries) {
            prop_assert_eq!(record.text("PartitionKey"), Some(Some(entry.partition_key.as_str())));
            let hash_key = entry.explicit_hash_key.map(|key| key.to_string());
            prop_assert_eq!(record.text("ExplicitHashKey"), Some(hash_key.as_deref()));
        }
        let datas = value.into_map().expect("a map").into_iter().find(|(name, _)| name.as_text() == Some("Records"));
        let datas = datas.expect("the records").1.into_array().expect("an array");
        for (record, entry) in datas.into_iter().zip(&entries) {
            let members = record.into_map().expect("a map");
            let data = members.into_iter().find(|(name, _)| name.as_text() == Some("Data"));
            let data = data.expect("data").1.into_bytes().expect("bytes");
            prop_assert_eq!(&data[..], &entry.data[..]);
        }
    }
}
