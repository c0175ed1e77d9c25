//! The list of the shards.

use headwaters::wire::{ErrorCode, HashKey, ListedShard, NextToken, StreamName};
use headwaters::{ListShards, Transport};
use serde_json::json;

use super::Verdict;
use crate::arm::{Arm, Way};

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
    if arm.quirks.no_paging {
        return Verdict::Lacks("page tokens that stand alone");
    }
    let Some(admin) = arm.admin() else {
        let stand = arm.mock(5, |mock| mock.page_size(2));
        check(&stand.shards().await);
        let Way::Mock(mock) = &stand.way else { unreachable!("it was made so") };
        assert_eq!(mock.listings(), 3);
        return Verdict::Held;
    };
    let stand = arm.stream(5).await;
    // The transport asks for a thousand at once: the first page is asked for by somebody else.
    let request = json!({ "StreamName": stand.name.as_str(), "MaxResults": 2 });
    let first = admin.ask("ListShards", &request).await;
    let token = NextToken::new(first["NextToken"].as_str().expect("there is more")).expect("valid");
    let rest = stand.shards_from(Some(token)).await;
    let listed = first["Shards"].as_array().expect("a list").iter();
    let mut listed: Vec<String> =
        listed.map(|shard| shard["ShardId"].as_str().expect("it has an id").to_owned()).collect();
    assert_eq!(listed.len(), 2);
    listed.extend(rest.iter().map(|shard| shard.id.to_string()));
    listed.sort();
    let all: Vec<String> = stand.shards().await.iter().map(|shard| shard.id.to_string()).collect();
    assert_eq!(listed, all, "each of them once");
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
