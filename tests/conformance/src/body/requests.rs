//! Requests by themselves, without a producer.

use headwaters::wire::{Entry, ErrorCode, HashKey, Placement, StreamName};
use headwaters::{PutRecords, Transport};

use super::Verdict;
use super::refusals::refused;
use crate::arm::Arm;
use crate::stand::{Stand, before, entry};

fn stored(result: &headwaters::PutRecordsResult) -> Vec<Placement> {
    let results = result.as_ref().expect("the request is answered");
    results.iter().map(|result| result.clone().expect("the entry is stored")).collect()
}

/// Each placement is where the stream holds the entry.
async fn check(stand: &Stand<'_>, entries: &[Entry], placements: &[Placement]) {
    let held = stand.kinesis_records().await;
    assert_eq!(held.len(), entries.len());
    for (entry, placement) in entries.iter().zip(placements) {
        let number = placement.sequence_number.to_string();
        let found = held.iter().find(|(held, _)| held.sequence_number == number);
        let (found, range) = found.expect("the sequence number is there");
        assert_eq!((&found.data, &found.shard), (&entry.data, &placement.shard));
        assert_eq!(found.key, entry.partition_key.as_bytes());
        assert!(range.contains(entry.hash_key()), "it is in another shard");
    }
}

pub(super) async fn one_record_is_stored_as_it_is(arm: &Arm) -> Verdict {
    let stand = arm.stream(1).await;
    let entries = vec![entry("customer-17", "two apples")];
    let placements = stored(&stand.put(entries.clone()).await);
    check(&stand, &entries, &placements).await;
    Verdict::Held
}

pub(super) async fn results_come_in_the_order_of_the_entries(arm: &Arm) -> Verdict {
    let stand = arm.stream(4).await;
    let entries: Vec<Entry> =
        (0..100).map(|number| entry(&format!("key-{number}"), format!("data {number}"))).collect();
    let placements = stored(&stand.put(entries.clone()).await);
    check(&stand, &entries, &placements).await;
    Verdict::Held
}

pub(super) async fn sequence_numbers_grow_within_a_shard(arm: &Arm) -> Verdict {
    let stand = arm.stream(1).await;
    let mut last = None;
    for _ in 0..5 {
        for placement in stored(&stand.put(vec![entry("k", "x"), entry("k", "y")]).await) {
            let number = placement.sequence_number;
            assert!(last.is_none_or(|last| before(&last, &number)));
            last = Some(number);
        }
    }
    Verdict::Held
}

pub(super) async fn keys_are_hashed_to_their_shards(arm: &Arm) -> Verdict {
    let stand = arm.stream(5).await;
    let shards = stand.shards().await;
    let entries: Vec<Entry> = (0..200).map(|number| entry(&format!("{number:x}"), "x")).collect();
    for (entry, placement) in entries.iter().zip(stored(&stand.put(entries.clone()).await)) {
        let foretold = shards.iter().find(|shard| shard.hash_keys.contains(entry.hash_key()));
        assert_eq!(foretold.map(|shard| &shard.id), Some(&placement.shard));
    }
    Verdict::Held
}

pub(super) async fn explicit_hash_keys_reach_both_ends_of_each_shard(arm: &Arm) -> Verdict {
    let stand = arm.stream(3).await;
    let at = |hash_key: HashKey| Entry { explicit_hash_key: Some(hash_key), ..entry("k", "x") };
    for shard in stand.shards().await {
        let ends = vec![at(shard.hash_keys.start()), at(shard.hash_keys.end())];
        for placement in stored(&stand.put(ends).await) {
            assert_eq!(placement.shard, shard.id);
        }
    }
    Verdict::Held
}

pub(super) async fn data_of_any_bytes_and_no_bytes(arm: &Arm) -> Verdict {
    let stand = arm.stream(1).await;
    let all: Vec<u8> = (0..=255).collect();
    let mut entries: Vec<Entry> = (0..6).map(|cut| entry("k", all[cut..].to_vec())).collect();
    entries.push(entry("k", ""));
    let placements = stored(&stand.put(entries.clone()).await);
    check(&stand, &entries, &placements).await;
    Verdict::Held
}

pub(super) async fn keys_of_any_characters(arm: &Arm) -> Verdict {
    let stand = arm.stream(2).await;
    // 256 characters is the limit; some servers count bytes.
    let long = "k".repeat(256);
    let keys =
        ["\"quoted\" \\ and / more", "\u{1}\t\n\r\u{7f}", "\u{e9}\u{4e2d}\u{1f980}", &long, " "];
    let entries: Vec<Entry> = keys.iter().map(|key| entry(key, key.as_bytes().to_vec())).collect();
    let placements = stored(&stand.put(entries.clone()).await);
    check(&stand, &entries, &placements).await;
    Verdict::Held
}

pub(super) async fn five_hundred_entries(arm: &Arm) -> Verdict {
    let stand = arm.stream(2).await;
    let entries: Vec<Entry> =
        (0..500).map(|number| entry(&number.to_string(), vec![1; 200])).collect();
    let placements = stored(&stand.put(entries.clone()).await);
    check(&stand, &entries, &placements).await;
    Verdict::Held
}

pub(super) async fn a_record_of_a_megabyte(arm: &Arm) -> Verdict {
    let stand = arm.stream(1).await;
    let size = if arm.quirks.slow { 300 * 1024 } else { 1024 * 1024 - 1 };
    let entries = vec![entry("k", vec![7; size])];
    let placements = stored(&stand.put(entries.clone()).await);
    check(&stand, &entries, &placements).await;
    Verdict::Held
}

/// As large as UpdateMaxRecordSize allows; or, to spare a slow server, larger than without it.
pub(super) async fn a_record_of_ten_megabytes(arm: &Arm) -> Verdict {
    const MEGABYTE: usize = 1024 * 1024;
    let size = if arm.quirks.slow { MEGABYTE * 5 / 4 } else { 10 * MEGABYTE };
    let stand = arm.stream_of_large_records(1).await;
    let entries = vec![entry("k", vec![7; size - 1])];
    let result = stand.put(entries.clone()).await;
    if arm.quirks.no_large_records {
        refused(&stand, &result).await;
        return Verdict::Lacks("records beyond a megabyte, and refuses them");
    }
    check(&stand, &entries, &stored(&result)).await;
    if arm.quirks.slow {
        return Verdict::Lacks("the speed for it; one of a megabyte and a quarter is ok");
    }
    // The partition key counts.
    let result = stand.put(vec![entry("k2", vec![7; size - 1])]).await;
    assert!(result.is_err());
    Verdict::Held
}

/// The service's limit is one of characters.
pub(super) async fn keys_of_256_characters_in_512_bytes(arm: &Arm) -> Verdict {
    let stand = arm.stream(2).await;
    let entries = vec![entry(&"\u{e9}".repeat(256), "x")];
    let result = stand.put(entries.clone()).await;
    if arm.quirks.counts_key_bytes {
        refused(&stand, &result).await;
        return Verdict::Lacks("keys of so many bytes, and refuses them");
    }
    check(&stand, &entries, &stored(&result)).await;
    Verdict::Held
}

pub(super) async fn a_stream_that_is_not_there(arm: &Arm) -> Verdict {
    let stand = arm.stream(1).await;
    let nowhere = StreamName::new("nowhere").expect("a valid name");
    let result = stand.way.put_records(PutRecords::new(nowhere, vec![entry("k", "x")])).await;
    let error = result.expect_err("there is none");
    assert_eq!(error.code, ErrorCode::ResourceNotFoundException, "{error}");
    assert!(!error.message.is_empty(), "it says which");
    Verdict::Held
}

pub(super) async fn what_is_throttled_is_told_entry_by_entry(arm: &Arm) -> Verdict {
    if arm.quirks.no_throttling {
        return Verdict::Lacks("limits of its shards");
    }
    let stand = arm.stream(1).await;
    let entries: Vec<Entry> = (0..500).map(|number| entry(&number.to_string(), "x")).collect();
    let (mut stored, mut throttled) = (0, 0);
    for _ in 0..6 {
        for result in stand.put(entries.clone()).await.expect("the request is answered") {
            match result {
                Ok(_) => stored += 1,
                Err(error) => {
                    assert_eq!(error.code, ErrorCode::ProvisionedThroughputExceededException);
                    throttled += 1;
                }
            }
        }
    }
    assert!(stored >= 1_000 && throttled > 0, "{stored} stored, {throttled} throttled");
    assert_eq!(stand.kinesis_records().await.len(), stored, "what is throttled is not stored");
    Verdict::Held
}
