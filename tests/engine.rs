//! The engine under arbitrary operations: arbitrary results for arbitrary index sets, in any order.

use headwaters_engine::RetryPolicy;
use headwaters_tests::operations::{
    Code, EntryResult, ListAnswer, Operation, config, packing, perform,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::FileFailurePersistence;

fn code() -> impl Strategy<Value = Code> {
    select(Code::ALL.to_vec())
}

fn entry_result() -> impl Strategy<Value = EntryResult> {
    prop_oneof![Just(EntryResult::Stored), code().prop_map(EntryResult::Failed)]
}

fn operation() -> impl Strategy<Value = Operation> {
    let which = any::<u8>;
    let within = || option::of(0_u16..400);
    prop_oneof![
        30 => (0_u16..3_100, any::<bool>())
            .prop_map(|(bytes, by_event)| Operation::Add { bytes, by_event }),
        5 => (0_u16..600, option::of(any::<u8>()), option::of(any::<u8>())).prop_map(
            |(bytes, buffered_millis, ttl_millis)| Operation::AddTimed { bytes, buffered_millis, ttl_millis },
        ),
        20 => (0_u32..30_000).prop_map(|micros| Operation::Advance { micros }),
        25 => (which(), vec(entry_result(), 0..5))
            .prop_map(|(which, results)| Operation::Answer { which, results }),
        1 => (0_u8..60).prop_map(|records| Operation::Bounds { records }),
        5 => (which(), any::<bool>())
            .prop_map(|(which, nothing_sent)| Operation::Cancelled { which, nothing_sent }),
        1 => within().prop_map(|within_millis| Operation::Close { within_millis }),
        8 => (which(), code()).prop_map(|(which, code)| Operation::Fail { which, code }),
        3 => within().prop_map(|within_millis| Operation::Flush { within_millis }),
        4 => (which(), 0_u8..6).prop_map(|(which, results)| Operation::Miscount { which, results }),
        10 => select(vec![
            ListAnswer::Shards, ListAnswer::Shards, ListAnswer::Shards, ListAnswer::Denied,
            ListAnswer::Failed, ListAnswer::WithGap,
        ])
        .prop_map(|answer| Operation::List { answer }),
        1 => Just(Operation::Ready),
        4 => any::<u8>().prop_map(|shards| Operation::Reshard { shards }),
        40 => (1_u8..30).prop_map(|actions| Operation::Poll { actions }),
        1 => Just(Operation::Purge),
        2 => which().prop_map(|which| Operation::Repeat { which }),
        2 => any::<u32>().prop_map(|micros| Operation::TurnBack { micros }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 10_000, failure_persistence: Some(Box::new(FileFailurePersistence::WithSource("regressions"))), ..ProptestConfig::default() })]

    /// Every accepted record has exactly one outcome, no stored index is sent again, no request breaks a limit,
    /// after a drain the next wake-up lies in the future, and the same inputs give the same trace.
    #[test]
    fn whatever_happens(
        operations in vec(operation(), 0..120),
        kpl in any::<bool>(),
        packs in any::<bool>(),
    ) {
        let settings = || {
            let config = if packs { packing() } else { config() };
            let retry = if kpl { RetryPolicy::Kpl } else { config.retry() };
            config.into_builder().retry(retry).build().expect("valid settings")
        };
        prop_assert_eq!(perform(settings(), &operations), perform(settings(), &operations));
    }
}
