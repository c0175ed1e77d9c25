//! What the service must not be given: what a producer does not send, and what becomes of a server's refusal.

use core::str::FromStr;

use bytes::Bytes;
use headwaters::wire::{Certainty, Class, ErrorCode, HashKey, PartitionKey, StreamArn, StreamName};
use headwaters::{Cause, Outcome, PutRecordsResult, RefusedReason, UserRecord};

use super::Verdict;
use super::loads::{config, plain, put_all, record, start};
use crate::arm::Arm;
use crate::stand::{Stand, entry};

const MEGABYTE: usize = 1024 * 1024;

/// Refused for good, all of it, and certainly not stored; the error.
pub(super) async fn refused(stand: &Stand<'_>, result: &PutRecordsResult) -> ErrorCode {
    let error = match result {
        Ok(results) => {
            assert!(results.iter().all(Result::is_err), "a part of it is stored");
            results.iter().find_map(|result| result.as_ref().err()).expect("there are entries")
        }
        Err(error) => error,
    };
    assert!(matches!(error.code.class(), Class::Permanent | Class::TooLarge), "{error}");
    assert_eq!(error.code.certainty(), Certainty::NotStored, "{error}");
    assert!(stand.kinesis_records().await.is_empty(), "something of it is stored");
    error.code.clone()
}

pub(super) async fn a_record_beyond_the_limit_is_refused(arm: &Arm) -> Verdict {
    let stand = arm.stream(1).await;
    let result = stand.put(vec![entry("k", "fine"), entry("k", vec![7; MEGABYTE + 1])]).await;
    if arm.quirks.refuses_by_entry {
        let results = result.as_ref().expect("the request is answered");
        assert!(results[0].is_ok());
        let error = results[1].as_ref().expect_err("it is too large");
        assert_eq!(error.code.class(), Class::Permanent, "{error}");
        assert_eq!(stand.kinesis_records().await.len(), 1);
        return Verdict::Lacks("refusals of whole requests, and refuses the entry");
    }
    refused(&stand, &result).await;
    Verdict::Held
}

pub(super) async fn five_hundred_and_one_entries_are_refused(arm: &Arm) -> Verdict {
    let stand = arm.stream(1).await;
    let result = stand.put((0..501).map(|number| entry(&number.to_string(), "x")).collect()).await;
    if arm.quirks.no_entry_limit {
        assert_eq!(result.expect("the request is answered").len(), 501);
        return Verdict::Lacks("a limit of entries");
    }
    refused(&stand, &result).await;
    Verdict::Held
}

pub(super) async fn no_entries_are_refused(arm: &Arm) -> Verdict {
    let stand = arm.stream(1).await;
    let result = stand.put(Vec::new()).await;
    if arm.quirks.no_entry_limit {
        assert!(result.expect("the request is answered").is_empty());
        return Verdict::Lacks("a limit of entries");
    }
    refused(&stand, &result).await;
    Verdict::Held
}

/// What has a bad key, name or ARN cannot be made; what is too large is given back.
pub(super) async fn what_a_producer_refuses_is_never_sent(arm: &Arm) -> Verdict {
    let long = "k".repeat(257);
    for key in ["", &long, &"\u{1f980}".repeat(257)] {
        assert!(PartitionKey::new(key).is_err() && UserRecord::new(key, "x").is_err());
    }
    for hash_key in ["", "-1", "x", "340282366920938463463374607431768211456"] {
        assert!(HashKey::from_str(hash_key).is_err(), "{hash_key}");
    }
    for name in ["", "a b", "a/b", "a\r\nb", &"n".repeat(129)] {
        assert!(StreamName::new(name).is_err(), "{name}");
        let arn = format!("arn:aws:kinesis:us-east-1:123456789012:stream/{name}");
        assert!(StreamArn::new(&arn).is_err(), "{arn}");
    }

    let stand = arm.stream(1).await;
    let producer = start(&stand, config());
    let data = Bytes::from(vec![7; MEGABYTE]);
    let large = UserRecord::new("k", data.clone()).expect("a stream may take it");
    let refused = producer.put(large).await.expect_err("this one does not");
    assert_eq!(refused.reason, RefusedReason::TooLarge { limit: MEGABYTE });
    assert_eq!(*refused.record.data(), data, "it is given back");
    let report = producer.close(None).await;
    assert_eq!(report.stats.engine.requests, 0);
    assert!(stand.kinesis_records().await.is_empty());
    Verdict::Held
}

/// A producer that takes its stream for one of large records: the large one is found, and its neighbours are stored.
pub(super) async fn a_record_that_is_refused_fails_alone(arm: &Arm) -> Verdict {
    for config in [plain(), config()] {
        let stand = arm.stream(1).await;
        let producer = start(&stand, config.max_user_record_size(2 * MEGABYTE));
        let large = UserRecord::new("k", vec![7; MEGABYTE + 10]).expect("a stream may take it");
        let records = (0..5).map(record).chain([large]).chain((5..10).map(record));
        let deliveries = put_all(&producer, records).await;
        producer.close(None).await;
        for (index, delivery) in deliveries.iter().enumerate() {
            match &delivery.outcome {
                Outcome::Stored { maybe_duplicate: false, .. } => assert_ne!(index, 5),
                Outcome::NotStored { cause: Cause::Permanent(_), .. } => assert_eq!(index, 5),
                other => panic!("{index}: {other:?}"),
            }
        }
        assert_eq!(stand.user_records().await.len(), 10);
    }
    Verdict::Held
}
