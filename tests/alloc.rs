//! What must not allocate, counted.

use std::alloc::System;

use headwaters_engine::wire::aggregate::{Encoder, OuterKey, Record};
use headwaters_engine::wire::{Entry, HashKey, PartitionKey};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

fn entries() -> Vec<Entry> {
    let entry = |number: u32| Entry {
        data: vec![0; 100].into(),
        explicit_hash_key: number.is_multiple_of(5).then(|| HashKey::new(u128::from(number) << 90)),
        partition_key: PartitionKey::new(format!("partition-key-{}", number % 300)).expect("valid"),
    };
    (0..400).map(entry).collect()
}

/// The buffer of an aggregate is allocated when its second record comes, and handed out with it; the tables
/// keep their memory. Appending a record allocates nothing.
#[test]
fn appending_a_record_allocates_nothing() {
    let entries = entries();
    let mut encoder = Encoder::new(64_000, OuterKey::Kpl);
    entries.iter().for_each(|entry| encoder.append(Record::from(entry)));
    drop(encoder.finish());

    entries[..2].iter().for_each(|entry| encoder.append(Record::from(entry)));
    let region = Region::new(ALLOCATOR);
    for entry in &entries[2..] {
        encoder.try_append(Record::from(entry), 64_000).expect("it fits");
    }
    let change = region.change();
    assert_eq!((change.allocations, change.reallocations), (0, 0), "{change:?}");
    assert_eq!(encoder.len(), entries.len());
}
