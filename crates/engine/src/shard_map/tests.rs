use alloc::string::ToString;
use alloc::vec;

use headwaters_wire::HashKeyRange;

use super::*;
use crate::random::Random;

fn shard(number: u64, start: u128, end: u128) -> ListedShard {
    let hash_keys = HashKeyRange::new(HashKey::new(start), HashKey::new(end));
    ListedShard { hash_keys: hash_keys.expect("a range"), id: ShardId::numbered(number) }
}

/// The hash keys where the shards of the KPL's tests meet.
const QUARTER: u128 = 85_070_591_730_234_615_865_843_651_857_942_052_862;
const HALF: u128 = 170_141_183_460_469_231_731_687_303_715_884_105_727;

/// The list of the KPL's test Basic.
fn basic() -> Vec<ListedShard> {
    vec![shard(1, HALF + 1, u128::MAX), shard(2, 0, QUARTER), shard(3, QUARTER + 1, HALF)]
}

fn shuffle(shards: &mut [ListedShard], random: &mut Random) {
    for at in (1..shards.len()).rev() {
        shards.swap(at, usize::try_from(random.below(at as u64 + 1)).expect("an index"));
    }
}

/// Some number of shards, 1 to `most`, cut at random places, shuffled, with ids in no order.
fn random_shards(most: u64, random: &mut Random) -> Vec<ListedShard> {
    let mut ends: Vec<u128> = (0..random.below(most))
        .map(|_| {
            let end = u128::from(random.below(u64::MAX)) << 64 | u128::from(random.below(u64::MAX));
            // Every now and then a very small shard, at the edges of the halves of a hash key too.
            if random.below(4) == 0 { end >> random.below(128) } else { end }
        })
        .collect();
    ends.push(u128::MAX);
    ends.sort_unstable();
    ends.dedup();
    let mut start = 0;
    let mut shards = Vec::new();
    for (index, end) in ends.into_iter().enumerate() {
        shards.push(shard((index as u64 * 7_919) % 104_729, start, end));
        start = end.wrapping_add(1);
    }
    shuffle(&mut shards, random);
    shards
}

/// The KPL's test Basic, `shard_map_test.cc`.
#[test]
fn basic_both_ends_of_each_range_belong_to_its_shard() {
    let map = ShardMap::new(basic()).expect("a shard for each hash key");
    let rows = [(HALF + 1, 1), (u128::MAX, 1), (0, 2), (QUARTER, 2), (QUARTER + 1, 3), (HALF, 3)];
    for (key, number) in rows {
        let index = map.predict(HashKey::new(key));
        assert_eq!(map.shard(index).id, ShardId::numbered(number), "{key}");
    }
    assert_eq!(map.position(&ShardId::numbered(2)), Some(0), "indexes rise with the hash keys");
    assert_eq!(map.position(&ShardId::numbered(0)), None);
}

/// The KPL's test ClosedShards, where the KPL takes the list and predicts the closed parent or its child.
#[test]
fn closed_shards_beside_their_children_are_not_taken() {
    const CUT: u128 = 270_141_183_460_469_231_731_687_303_715_884_105_727;
    let mut shards = basic();
    shards.extend([shard(4, HALF + 1, CUT), shard(5, CUT + 1, u128::MAX)]);
    let [lower, upper] = [1, 4].map(ShardId::numbered);
    assert_eq!(ShardMap::new(shards.clone()), Err(MapFault::Overlap { lower, upper }));
    shards.remove(0);
    let map = ShardMap::new(shards).expect("without the parent there is a shard for each hash key");
    assert_eq!(map.shard(map.predict(HashKey::new(CUT))).id, ShardId::numbered(4));
    assert_eq!(map.shard(map.predict(HashKey::new(CUT + 1))).id, ShardId::numbered(5));
}

#[test]
fn a_list_of_two_moments_is_not_taken() {
    assert_eq!(ShardMap::new(vec![]), Err(MapFault::Empty));
    let rows = [
        (vec![shard(0, 1, u128::MAX)], 0),
        (vec![shard(0, 0, u128::MAX - 1)], u128::MAX),
        (vec![shard(0, 0, 9), shard(1, 11, u128::MAX)], 10),
        (vec![shard(0, 0, HALF), shard(1, HALF + 2, u128::MAX)], HALF + 1),
        (vec![shard(0, 0, 9), shard(1, 10, 19)], 20),
    ];
    for (shards, from) in rows {
        assert_eq!(ShardMap::new(shards), Err(MapFault::Gap { from: HashKey::new(from) }));
    }
    let whole_beside_whole = vec![shard(1, 0, u128::MAX), shard(0, 0, u128::MAX)];
    let [lower, upper] = [0, 1].map(ShardId::numbered);
    assert_eq!(ShardMap::new(whole_beside_whole), Err(MapFault::Overlap { lower, upper }));
    let touching = vec![shard(0, 0, 10), shard(1, 10, u128::MAX)];
    let [lower, upper] = [0, 1].map(ShardId::numbered);
    assert_eq!(ShardMap::new(touching), Err(MapFault::Overlap { lower, upper }));
}

#[test]
fn a_shard_listed_twice_is_harmless_in_the_same_words_only() {
    let once = ShardMap::new(basic());
    let mut twice = basic();
    twice.extend(basic());
    assert!(once.is_ok());
    assert_eq!(ShardMap::new(twice), once);
    let id = ShardId::numbered(7);
    let grown = vec![shard(7, 0, 9), shard(7, 10, u128::MAX), shard(7, 0, 9)];
    assert_eq!(ShardMap::new(grown), Err(MapFault::Twice { id }));
}

#[test]
fn a_fault_says_what_is_wrong_with_the_list() {
    let fault = ShardMap::new(vec![shard(0, 0, 9), shard(1, 11, u128::MAX)]);
    assert_eq!(
        fault.expect_err("10 is missing").to_string(),
        "no listed shard has the hash key 10"
    );
    let fault = ShardMap::new(vec![shard(0, 0, 9), shard(1, 9, u128::MAX)]);
    assert_eq!(
        fault.expect_err("9 is there twice").to_string(),
        "the listed shards shardId-000000000000 and shardId-000000000001 have hash keys in common"
    );
}

#[test]
fn one_shard_has_everything() {
    let map = ShardMap::new(vec![shard(0, 0, u128::MAX)]).expect("a shard for each hash key");
    assert_eq!([0, HALF, u128::MAX].map(|key| map.predict(HashKey::new(key))), [0; 3]);
    assert_eq!(map.len(), 1);
}

#[test]
fn prediction_is_a_linear_scan_made_faster() {
    let mut random = Random::new(17);
    let (rounds, many, keys) = if cfg!(miri) { (4, 50, 50) } else { (60, 1_000, 200) };
    for round in 0..rounds {
        let most = if round % 2 == 0 { 8 } else { many };
        let shards = random_shards(most, &mut random);
        let map = ShardMap::new(shards.clone()).expect("a shard for each hash key");
        assert_eq!(map.len(), shards.len());
        let scan = |key| {
            let mut found = shards.iter().filter(|shard| shard.hash_keys.contains(key));
            let shard = found.next().expect("every hash key has a shard");
            assert!(found.next().is_none(), "and only one");
            shard
        };
        for shard in &shards {
            let index = map.position(&shard.id).expect("a listed shard");
            assert_eq!(map.shard(index), shard);
            assert_eq!(map.predict(shard.hash_keys.start()), index);
            assert_eq!(map.predict(shard.hash_keys.end()), index);
        }
        for _ in 0..keys {
            let key = u128::from(random.below(u64::MAX)) << 64 | u128::from(random.below(u64::MAX));
            let key = HashKey::new(key >> random.below(128));
            assert_eq!(map.shard(map.predict(key)), scan(key));
        }
    }
}

#[test]
fn the_order_of_the_pages_makes_no_difference() {
    let mut random = Random::new(18);
    for _ in 0..100 {
        let mut shards = random_shards(30, &mut random);
        // Half of the time something is wrong with the list, and that must not depend on the order either.
        match random.below(6) {
            0 => drop(shards.pop()),
            1 => shards.push(shard(200_000, 5, 5)),
            2 => shards.push(ListedShard { id: shards[0].id.clone(), ..shard(0, 5, 5) }),
            _ => {}
        }
        let before = ShardMap::new(shards.clone());
        shuffle(&mut shards, &mut random);
        assert_eq!(ShardMap::new(shards), before);
    }
}
