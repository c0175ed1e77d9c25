//! The list of the shards.

use headwaters::wire::{ErrorCode, HashKey, ListedShard, NextToken, StreamName};
use headwaters::{ListShards, Transport};
use serde_json::json;

use super::Verdict;
use crate::arm::Arm;

fn check(shards: &[ListedShard]) {
    let mut next = Some(0);
    for shard in shards {
        assert_eq!(Some(shard.hash_keys.start().value()), next, "a hole or an overlap");
        next = shard.hash_keys.end().value().checked_add(1);
    }
    assert_eq!(next, None, "they do not reach {}", HashKey::MAX);
}

pub(super) async fn the_shards_divide_all_hash_keys(arm: &Arm) -> Verdict {
    for count in [1, 3, 8] {
        let shards = arm.stream(count).await.shards().await;
        assert_eq!(shards.len(), count as usize);
        check(&shards);
    }
    Verdict::Held
}

pub(super) async fn closed_shards_are_not_listed(arm: &Arm) -> Verdict {
    let stand = arm.stream(2).await;
    let before = stand.shards().await;
    stand.split(&before[0]).await;
    let split = stand.shards().await;
    check(&split);
    assert_eq!(split.len(), 3);
    assert!(split.iter().all(|shard| shard.id != before[0].id));
    stand.merge(&split[1], &split[2]).await;
    let merged = stand.shards().await;
    check(&merged);
    assert_eq!((merged.len(), &merged[0]), (2, &split[0]));
    Verdict::Held
}

pub(super) async fn pages_follow_each_other(arm: &Arm) -> Verdict {
    let Some(admin) = arm.admin().filter(|_| !arm.quirks.no_paging) else {
        return Verdict::Skipped;
    };
    let stand = arm.stream(5).await;
    // The transport asks for a thousand at once: the first page is asked for by somebody else.
    let request = json!({ "StreamName": stand.name.as_str(), "MaxResults": 2 });
    let first = admin.ask("ListShards", &request).await;
    let token = NextToken::new(first["NextToken"].as_str().expect("there is more")).expect("valid");
    let second = stand.way.list_shards(ListShards::new(stand.name.clone(), Some(token))).await;
    let second = second.expect("the token is valid");
    let listed = first["Shards"].as_array().expect("a list").len() + second.shards.len();
    assert!(listed == 5 || second.next_token.is_some(), "{listed} shards");
    Verdict::Held
}

pub(super) async fn a_stream_that_is_not_there_has_no_shards(arm: &Arm) -> Verdict {
    let stand = arm.stream(1).await;
    let nowhere = StreamName::new("nowhere").expect("a valid name");
    let error = stand.way.list_shards(ListShards::new(nowhere, None)).await;
    let error = error.expect_err("there is none");
    assert_eq!(error.code, ErrorCode::ResourceNotFoundException, "{error}");
    Verdict::Held
}
