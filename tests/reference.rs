//! The engine against a reference: a producer so slow and plain that it is easily seen to be right.
//!
//! The reference foretells, for each thing that happens, which records get which outcomes, what goes
//! back and until when, what is refused, what must have left, when the next thing is due, and every
//! figure. Where the engine may choose, the reference checks the choice and goes on from there. Not
//! here: a stream that is resharded, a limit on the rate, requests that are refused for one of their
//! entries, and actions that are left for later; those are for the simulator and for `engine.rs`.

mod reference {
    pub(crate) mod choice;
    pub(crate) mod judge;
    pub(crate) mod naive;
    pub(crate) mod state;
    pub(crate) mod transition;
}

use core::time::Duration;

use headwaters_engine::wire::ErrorCode;
use headwaters_engine::{
    Action, Bounds, Config, OutagePolicy, RateLimit, RetryBudget, RetryPolicy, Sent,
    ShardPrediction, ShardShare, Timing,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::ValueTree;
use proptest::test_runner::{FileFailurePersistence, RngAlgorithm, TestRng, TestRunner};
use proptest_state_machine::{ReferenceStateMachine, StateMachineTest, prop_state_machine};

use reference::judge::Judge;
use reference::state::Naive;
use reference::transition::{Draft, EntryResult, Pace, Transition, What};

struct Reference;

impl ReferenceStateMachine for Reference {
    type State = Naive<u64>;
    type Transition = Transition;

    fn init_state() -> BoxedStrategy<Self::State> {
        config().prop_map(Naive::new).boxed()
    }

    fn transitions(state: &Self::State) -> BoxedStrategy<Transition> {
        let requests = u32::from(!state.requests.is_empty());
        let adds = if state.is_closing { 2 } else { 30 };
        let which = || 0_usize..3;
        let within_millis = || option::of(0_u16..400);
        let happens = prop_oneof![
            adds => (any::<bool>(), vec(draft(), 1..4))
                .prop_map(|(by_event, drafts)| What::Add { by_event, drafts }),
            1 + 30 * requests => (which(), vec(entry_result(), 0..5))
                .prop_map(|(which, results)| What::Answer { results, which }),
            2 => bounds(state.packs()),
            1 + 4 * requests => (which(), select(vec![Sent::No, Sent::Unknown]))
                .prop_map(|(which, sent)| What::Cancelled { sent, which }),
            1 => within_millis().prop_map(|within_millis| What::Close { within_millis }),
            1 + 9 * requests => (which(), whole_code()).prop_map(|(which, code)| What::Fail { code, which }),
            4 => within_millis().prop_map(|within_millis| What::Flush { within_millis }),
            1 + 3 * requests => (which(), 0_usize..6)
                .prop_map(|(which, results)| What::Miscount { results, which }),
            1 => Just(What::Purge),
            2 => Just(What::Ready),
            2 => (any::<bool>(), which())
                .prop_map(|(as_cancelled, which)| What::Repeat { as_cancelled, which }),
        ];
        let mostly_now = prop_oneof![8 => Just(Pace::NOW), 1 => pace()];
        let happens = (mostly_now, happens).prop_map(|(pace, what)| Transition { pace, what });
        let time = pace().prop_map(|pace| Transition { pace, what: What::Nothing });
        prop_oneof![3 => happens, 1 => time].boxed()
    }

    fn apply(mut state: Self::State, transition: &Transition) -> Self::State {
        let (command, now) = transition.resolve(&state);
        state.apply(command, now);
        state.owed.clear();
        state.send_own();
        state
    }
}

/// Settings that make many things happen in few transitions.
fn config() -> impl Strategy<Value = Config> {
    let millis = Duration::from_millis;
    let retries = vec![
        RetryPolicy::Kpl,
        RetryPolicy::Linear { max_attempts: 4, step: millis(5) },
        RetryPolicy::Linear { max_attempts: 2, step: millis(30) },
        RetryPolicy::Exponential { base: millis(4), cap: millis(20) },
    ];
    let predictions = vec![ShardPrediction::Off, ShardPrediction::On];
    let graces = vec![millis(20), Duration::ZERO];
    let ttls = vec![Some(millis(300)), None];
    let lists = (any::<bool>(), select(predictions), select(retries));
    (lists, any::<bool>(), select(graces), select(ttls)).prop_map(
        move |((packs, prediction, retry), fails, grace, ttl)| {
            Config::builder()
                .aggregation_enabled(packs)
                .aggregation_max_count(3)
                .aggregation_max_size(1_000)
                .bounds(Bounds { bytes: 200_000, records: 40 })
                .cancel_grace(grace)
                .collection_max_count(4)
                .collection_max_shard_size(1_200)
                .collection_max_size(2_000)
                .fail_if_throttled(fails)
                .max_requests_in_flight(3)
                // The reference does not know them.
                .outage(OutagePolicy::Off)
                .retry_budget(RetryBudget::Off)
                .shard_share(ShardShare::Off)
                .max_user_record_size(3_000)
                .rate_limit(RateLimit::Off)
                .record_max_buffered_time(millis(10))
                .record_ttl(ttl)
                .request_timeout(millis(100))
                .retry(retry)
                .shard_prediction(prediction)
                .build()
                .expect("valid settings")
        },
    )
}

/// Some sizes add up to a bound exactly: with the key there are five bytes more.
fn draft() -> impl Strategy<Value = Draft> {
    let bytes = prop_oneof![
        10 => 8_usize..300,
        3 => select(vec![195, 495, 595, 995, 1_195, 1_995, 2_995, 2_996]),
        3 => 300_usize..2_100,
    ];
    (bytes, option::weighted(0.1, any::<u8>()), 0_u8..7, timing()).prop_map(
        |(bytes, explicit_hash_key, key, timing)| Draft { bytes, explicit_hash_key, key, timing },
    )
}

/// Mostly that of the settings.
fn timing() -> impl Strategy<Value = Timing> {
    let millis = |most: u64| (0..most).prop_map(Duration::from_millis);
    let time = || prop_oneof![3 => millis(30), 2 => millis(400), 1 => Just(Duration::MAX)];
    let own = (option::of(time()), option::of(option::weighted(0.9, time())))
        .prop_map(|(max_buffered_time, ttl)| Timing { max_buffered_time, ttl });
    prop_oneof![4 => Just(Timing::default()), 1 => own]
}

/// Where records are packed the bytes have no bound that matters: what neighbours take together
/// the reference does not know.
fn bounds(packs: bool) -> impl Strategy<Value = What> {
    (option::of(0_usize..12_000), 0_usize..60).prop_map(move |(bytes, records)| {
        let bytes = bytes.filter(|_| !packs);
        What::Bounds { bytes, records }
    })
}

/// One of each class and certainty.
fn code() -> impl Strategy<Value = ErrorCode> {
    select(vec![
        ErrorCode::ProvisionedThroughputExceededException,
        ErrorCode::InternalFailure,
        ErrorCode::ConnectFailed,
        ErrorCode::ExpiredTokenException,
        ErrorCode::AccessDeniedException,
        ErrorCode::RequestEntityTooLarge,
        ErrorCode::parse("NeverHeardOf"),
    ])
}

/// For which a request fails as a whole. The reference does not bisect: what may be owed to one entry is for the simulator.
fn whole_code() -> impl Strategy<Value = ErrorCode> {
    code().prop_filter("about the whole request", |code| !code.may_blame_entry())
}

fn entry_result() -> impl Strategy<Value = EntryResult> {
    prop_oneof![
        4 => Just(EntryResult::Stored),
        1 => Just(EntryResult::Elsewhere),
        6 => code().prop_map(EntryResult::Failed),
    ]
}

/// Mostly in whole milliseconds, as the settings are, so that things happen at once that may.
fn pace() -> impl Strategy<Value = Pace> {
    prop_oneof![
        10 => (0_u32..12).prop_map(|millis| Pace::Later { micros: millis * 1_000 }),
        10 => (-1_i8..=1).prop_map(|nanos| Pace::Next { nanos }),
        2 => (0_u32..200_000).prop_map(|micros| Pace::Later { micros }),
        1 => (1_u32..10_000).prop_map(|seconds| Pace::Far { seconds }),
        1 => (0_u32..100_000).prop_map(|micros| Pace::Back { micros }),
    ]
}

struct Test;

impl StateMachineTest for Test {
    type SystemUnderTest = Judge;
    type Reference = Reference;

    fn init_test(state: &Naive<u64>) -> Judge {
        Judge::new(state.config.clone())
    }

    /// The state of the generator is of no use here: it chose for itself where the engine may choose.
    /// The judge has a reference that goes on from what the engine chose.
    fn apply(mut judge: Judge, _: &Naive<u64>, transition: Transition) -> Judge {
        judge.perform(&transition);
        judge
    }

    fn teardown(mut judge: Judge, _: Naive<u64>) {
        judge.end();
    }
}

fn settings() -> ProptestConfig {
    let persistence = FileFailurePersistence::WithSource("regressions");
    ProptestConfig {
        cases: 5_000,
        failure_persistence: Some(Box::new(persistence)),
        ..ProptestConfig::default()
    }
}

prop_state_machine! {
    #![proptest_config(settings())]

    /// Whatever happens, the engine does what the reference foretells.
    #[test]
    fn the_engine_does_as_the_reference(sequential 1..=100 => Test);
}

/// What a seed makes happen, and what the engine says of it.
fn story(seed: u8) -> (String, Vec<Action>) {
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[seed; 32]);
    let mut runner = TestRunner::new_with_rng(ProptestConfig::default(), rng);
    let tree = Reference::sequential_strategy(100).new_tree(&mut runner);
    let (state, transitions, _) = tree.expect("no transition is refused").current();
    let mut judge = Judge::new(state.config.clone());
    transitions.iter().for_each(|transition| judge.perform(transition));
    judge.end();
    (format!("{state:?} {transitions:?}"), judge.said)
}

#[test]
fn a_seed_makes_one_story() {
    let told = |seed| {
        let (happened, said) = story(seed);
        (happened, format!("{said:?}"))
    };
    (0..20).for_each(|seed| assert_eq!(told(seed), told(seed)));
    assert_ne!(told(0), told(1));
}

/// A generator that does not get somewhere finds nothing there.
#[test]
fn the_stories_get_everywhere() {
    let said: Vec<Action> = (0..100).flat_map(|seed| story(seed).1).collect();
    let lines: Vec<String> = said.iter().map(Action::to_string).collect();
    let words = [
        "cancel-batch",
        "close-finished undelivered=0",
        "entries=4",
        "flush-finished",
        "indexes=0,1,2",
        "list-shards",
        "maybe-duplicate",
        "maybe-stored cause=AttemptsExhausted",
        "maybe-stored cause=Expired",
        "maybe-stored cause=Permanent",
        "maybe-stored cause=Purged",
        "not-stored cause=AttemptsExhausted",
        "not-stored cause=Closed",
        "not-stored cause=Expired",
        "not-stored cause=Permanent",
        "not-stored cause=Purged",
        "not-stored cause=RefusedFull",
        "not-stored cause=RefusedTooLarge",
        "not-stored cause=Throttled",
        "pending=2",
        "requeue 0.0 cause=Cancelled",
        "requeue 0.0 cause=NotSent",
        "requeue 0.0 cause=RequestTimeout",
        "requeue 0.0 cause=UnusableAnswer",
        "room-available",
    ];
    for words in words {
        assert!(lines.iter().any(|line| line.contains(words)), "nowhere is {words}");
    }
    let is_shared =
        |action: &Action| matches!(action, Action::Complete(all) if all.tokens.len() > 1);
    assert!(said.iter().any(is_shared), "nothing is packed");
}
