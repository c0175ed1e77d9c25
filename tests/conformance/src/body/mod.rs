//! What holds over every transport, against every server.

mod listing;
mod loads;
mod refusals;
mod requests;
mod ways;

use core::pin::Pin;
use core::time::Duration;

use crate::arm::{Arm, Skipped};

type Case<'a> = Pin<Box<dyn Future<Output = Verdict> + 'a>>;

/// Runs the body over an arm; of its cases those whose name has the text `HEADWATERS_CASE`, if that is set.
///
/// # Panics
/// Something does not hold: which, was printed before.
pub async fn run(arm: Arm) {
    let wanted = std::env::var("HEADWATERS_CASE").unwrap_or_default();
    let mut failed = Vec::new();
    for (name, case) in cases(&arm).into_iter().filter(|(name, _)| name.contains(&wanted)) {
        let start = now();
        let verdict = match caught(case).await {
            Ok(Verdict::Held) => String::from("ok"),
            Ok(Verdict::Lacks(what)) => format!("not for this one: {what}"),
            Err(Failed) => {
                failed.push(name);
                String::from("FAILED")
            }
        };
        println!("{}: {name}: {verdict} ({} ms)", arm.name, start.elapsed().as_millis());
    }
    assert!(failed.is_empty(), "{}: {failed:?}", arm.name);
}

/// Runs the body over an arm that may not be able to run here. Then that is said, and fails where CI is set.
///
/// # Panics
/// As in [`run`].
pub async fn run_or_skip(arm: Result<Arm, Skipped>) {
    match arm {
        Ok(arm) => run(arm).await,
        Err(Skipped(why)) => {
            println!("SKIPPED: {why}");
            assert!(std::env::var_os("CI").is_none(), "no arm may be skipped here: {why}");
        }
    }
}

/// Where requests fail, only what producers make of it can hold.
fn cases(arm: &Arm) -> Vec<(&'static str, Case<'_>)> {
    let is_for = |room| !arm.quirks.faulty || room == "loads";
    let cases = all(arm).into_iter().filter(|(room, ..)| is_for(*room));
    cases.map(|(_, name, case)| (name, case)).collect()
}

/// Each with its room.
fn all(arm: &Arm) -> Vec<(&'static str, &'static str, Case<'_>)> {
    macro_rules! cases {
        ($($room:ident::$case:ident)*) => {
            vec![$((stringify!($room), stringify!($case), Box::pin($room::$case(arm)) as Case<'_>),)*]
        };
    }
    cases! {
        requests::one_record_is_stored_as_it_is
        requests::results_come_in_the_order_of_the_entries
        requests::sequence_numbers_grow_within_a_shard
        requests::keys_are_hashed_to_their_shards
        requests::explicit_hash_keys_reach_both_ends_of_each_shard
        requests::data_of_any_bytes_and_no_bytes
        requests::keys_of_any_characters
        requests::five_hundred_entries
        requests::a_record_of_a_megabyte
        requests::a_record_of_ten_megabytes
        requests::keys_of_256_characters_in_512_bytes
        requests::a_stream_that_is_not_there
        requests::what_is_throttled_is_told_entry_by_entry
        refusals::a_record_beyond_the_limit_is_refused
        refusals::five_hundred_and_one_entries_are_refused
        refusals::no_entries_are_refused
        refusals::what_a_producer_refuses_is_never_sent
        refusals::a_record_that_is_refused_fails_alone
        listing::the_shards_divide_all_hash_keys
        listing::closed_shards_are_not_listed
        listing::pages_follow_each_other
        listing::a_stream_that_is_not_there_has_no_shards
        loads::plain_records
        loads::packed_records
        loads::large_records_beside_small_ones
        loads::few_records_at_a_time
        loads::explicit_hash_keys_packed
        loads::keys_in_order_packed
        loads::keys_in_order_plain
        loads::more_than_a_shard_takes
        loads::two_producers_on_one_stream
        loads::a_split_amid_the_load
        loads::a_merge_amid_the_load
        loads::many_reshards_amid_an_ordered_load
        loads::a_stream_that_is_not_there_fails_for_good
        ways::a_stream_by_its_arn
        ways::through_tls
        ways::through_a_proxy
        ways::connections_that_break
        ways::credentials_that_are_exchanged
        ways::an_outage_of_a_minute
    }
}

/// How a case went.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Verdict {
    Held,
    /// It cannot be tried, for the server lacks this. What there is instead held.
    Lacks(&'static str),
}

/// The mock is in this process.
const WAY: Verdict = Verdict::Lacks("a way to it");

struct Failed;

/// How long a case may take.
const PATIENCE: Duration = Duration::from_secs(180);

/// Runs a case; a panic is its failure, and was printed.
#[expect(clippy::disallowed_methods, reason = "the servers live in real time")]
async fn caught(case: impl Future<Output = Verdict>) -> Result<Verdict, Failed> {
    let case = async { tokio::time::timeout(PATIENCE, case).await.expect("it ends in time") };
    let mut case = core::pin::pin!(case);
    core::future::poll_fn(|cx| {
        let poll = || case.as_mut().poll(cx);
        match std::panic::catch_unwind(core::panic::AssertUnwindSafe(poll)) {
            Ok(poll) => poll.map(Ok),
            Err(_) => core::task::Poll::Ready(Err(Failed)),
        }
    })
    .await
}

#[expect(clippy::disallowed_methods, reason = "how long a case takes is told")]
fn now() -> std::time::Instant {
    std::time::Instant::now()
}
