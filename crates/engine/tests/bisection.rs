//! Requests that are refused as a whole: the one record at fault is found, and its neighbours go through.

mod story;

use headwaters_engine::wire::{AttemptError, ErrorCode, Message};
use headwaters_engine::{
    Action, Batch, Cause, Completion, ConfigBuilder, Event, Instant, Order, Outcome, RateLimit,
    RetryPolicy, WakeupReason,
};
use story::{Story, all, at, fate, fates, kpl, millis, names, packed, plain, sent};

/// What was sent, and what became of it.
struct Ended {
    /// When each request left, and with what.
    batches: Vec<(Instant, Vec<Vec<u64>>)>,
    outcomes: Vec<Completion>,
}

impl Ended {
    /// The records that were not stored, with the code for which they were given up.
    fn given_up(&self) -> Vec<u64> {
        let mut tokens = Vec::new();
        for Completion { outcome, tokens: some, .. } in &self.outcomes {
            match outcome {
                Outcome::Stored { .. } => {}
                Outcome::NotStored { cause: Cause::Permanent(code), .. } => {
                    assert_eq!(code, &ErrorCode::ValidationException);
                    tokens.extend(some.iter().map(|token| token.0));
                }
                other => panic!("{other:?}"),
            }
        }
        tokens.sort_unstable();
        tokens
    }
}

/// Lets a service serve that refuses each request as a whole in which there is a record that `is_poison`, until nothing is
/// held any more.
fn serve(story: &mut Story, is_poison: impl Fn(u64) -> bool) -> Ended {
    let mut ended = Ended { batches: Vec::new(), outcomes: Vec::new() };
    loop {
        match story.engine.poll() {
            Action::SendBatch(batch) => {
                ended.batches.push((story.now, packed(&batch)));
                if sent(&batch).into_iter().any(&is_poison) {
                    story.fail(&batch, ErrorCode::ValidationException);
                } else {
                    story.store(&batch);
                }
            }
            Action::ListShards(request) => story.list(&request),
            Action::Complete(completion) => ended.outcomes.push(completion),
            Action::Stored(stored) => ended.outcomes.extend(stored.into_completions()),
            Action::Wait(_) if story.engine.is_empty() => return ended,
            Action::Wait(wakeup) => {
                story.now = wakeup.at.expect("something is held");
                story.handle(Event::TimeAdvanced);
            }
            _ => {}
        }
    }
}

/// A request of so many plain records that is due.
fn request(records: u64) -> Story {
    let mut story = Story::of(plain());
    (0..records).for_each(|token| story.add(token, 10));
    story.later(100);
    story
}

#[test]
fn one_record_among_500_is_found_wherever_it_is() {
    let mut most = 0;
    for poison in (0..500).step_by(7).chain([1, 249, 250, 499]) {
        let ended = serve(&mut request(500), |token| token == poison);
        assert_eq!(ended.given_up(), [poison]);
        assert_eq!(ended.outcomes.len(), 500);
        assert!(ended.batches.iter().all(|(time, _)| *time == at(100)), "nothing waits");
        most = most.max(ended.batches.len());
    }
    assert_eq!(most, 19, "the first, and two for each of nine halvings");
}

#[test]
fn several_are_found_and_each_costs_two_requests_for_each_halving() {
    let poisons: [&[u64]; 6] =
        [&[0, 250], &[0, 499], &[249, 250], &[0, 1, 2, 3], &[3, 77, 78, 300, 301, 499], &[0, 2, 4]];
    for poison in poisons {
        let ended = serve(&mut request(500), |token| poison.contains(&token));
        assert_eq!(ended.given_up(), poison);
        assert!(ended.batches.len() <= 1 + 2 * 9 * poison.len(), "{}", ended.batches.len());
    }
}

#[test]
fn every_pattern_of_poison_in_small_requests() {
    for records in 1..=3 {
        for mask in 0_u64..1 << records {
            let ended = serve(&mut request(records), |token| mask >> token & 1 == 1);
            let poison: Vec<u64> = (0..records).filter(|token| mask >> token & 1 == 1).collect();
            assert_eq!(ended.given_up(), poison, "of {records}");
        }
    }
    for mask in 0_u64..1 << 8 {
        let ended = serve(&mut request(8), |token| mask >> token & 1 == 1);
        let poison: Vec<u64> = (0..8).filter(|token| mask >> token & 1 == 1).collect();
        let given_up = ended.given_up();
        assert!(poison.iter().all(|token| given_up.contains(token)));
        let has_run = mask & mask >> 1 & mask >> 2 & mask >> 3 != 0;
        assert!(given_up == poison || has_run, "{mask:b}: {given_up:?}");
    }
}

/// Each is a case of its own, however many there are at a time.
#[test]
fn requests_that_are_refused_at_the_same_time_are_searched_apart() {
    let mut story = Story::of(plain().collection_max_count(8));
    (0..80).for_each(|token| story.add(token, 10));
    let batches = story.batches();
    assert_eq!(batches.len(), 10);
    batches.iter().for_each(|batch| story.fail(batch, ErrorCode::ValidationException));
    let ended = serve(&mut story, |token| token % 8 == 3);
    assert_eq!(ended.given_up(), (0..10).map(|request| 8 * request + 3).collect::<Vec<_>>());
    assert_eq!((ended.outcomes.len(), ended.batches.len()), (80, 60), "two for each halving");
}

/// Records at fault in a row, which look like a stream at fault if they are many.
#[test]
fn six_in_a_row_among_500_are_found() {
    for first in (0..494).step_by(13).chain([1, 244, 247, 250, 494]) {
        let ended = serve(&mut request(500), |token| (first..first + 6).contains(&token));
        assert_eq!(ended.given_up(), (first..first + 6).collect::<Vec<_>>());
    }
}

/// A code that does not say so, and refuses everything: two whole ways down, and that is all.
#[test]
fn a_stream_at_fault_costs_twice_the_depth() {
    let ended = serve(&mut request(500), |_| true);
    assert_eq!(ended.given_up(), (0..500).collect::<Vec<_>>());
    assert_eq!(ended.batches.len(), 20, "the depth of 500 is ten");
}

/// The halves are as large as they are, not cut for their bytes once more.
#[test]
fn large_records_need_no_more_requests_than_small_ones() {
    let mut story = Story::of(plain().collection_max_size(300_000));
    (0..8).for_each(|token| story.add(token, 30_000));
    story.later(100);
    let ended = serve(&mut story, |token| token == 3);
    assert_eq!(ended.given_up(), [3]);
    let sizes: Vec<usize> = ended.batches.iter().map(|(_, packed)| packed.len()).collect();
    assert_eq!(sizes, [8, 4, 2, 2, 1, 1, 4]);
}

#[test]
fn codes_that_blame_the_stream_are_final_at_once() {
    use ErrorCode::*;
    for code in [
        AccessDeniedException,
        InvalidAction,
        KMSAccessDeniedException,
        KMSDisabledException,
        KMSInvalidStateException,
        KMSNotFoundException,
        KMSOptInRequired,
        MalformedHttpRequestException,
        ResourceNotFoundException,
    ] {
        let mut story = request(2);
        let batch = story.batch();
        story.fail(&batch, code);
        assert_eq!(fates(&story.outcomes()), all(0..2, "not stored", 1));
    }
}

#[test]
fn codes_that_may_blame_an_entry_are_bisected() {
    use ErrorCode::*;
    for code in [
        InvalidArgumentException,
        RequestEntityTooLarge,
        SerializationException,
        ValidationException,
    ] {
        let mut story = request(2);
        let batch = story.batch();
        story.fail(&batch, code.clone());
        let actions = story.drain();
        assert_eq!(names(&actions), ["requeue", "send-batch"]);
        let Action::Requeue(requeue) = &actions[0] else { panic!("a notice") };
        assert_eq!((&requeue.cause.code, &requeue.indexes[..]), (&code, &[0, 1][..]));
        assert_eq!((requeue.not_before, requeue.deadline), (story.now, story.now));
        let stats = story.engine.stats();
        assert_eq!((stats.bisected, stats.requeued), (1, 2));
        assert_eq!((stats.buffered, stats.in_flight), (1, 1), "one waits for the other");
    }
}

/// An endpoint that takes smaller bodies than the service: nothing is lost.
#[test]
fn a_request_that_is_only_too_large_goes_through_in_parts() {
    let mut story = request(16);
    let mut outcomes = Vec::new();
    let mut requests = 0;
    while !story.engine.is_empty() {
        for action in story.drain() {
            match action {
                Action::SendBatch(batch) => {
                    requests += 1;
                    if batch.entries.len() > 3 {
                        story.fail(&batch, ErrorCode::RequestEntityTooLarge);
                    } else {
                        story.store(&batch);
                    }
                }
                Action::Complete(completion) => outcomes.push(completion),
                _ => {}
            }
        }
    }
    assert_eq!(fates(&outcomes), all(0..16, "stored", 4));
    assert_eq!(requests, 15);
}

/// The attempts tell all that happened; the policy counts only what could have stored the record.
#[test]
fn a_refusal_counts_for_no_policy_and_is_listed() {
    let once = RetryPolicy::Linear { max_attempts: 1, step: millis(1_000) };
    let mut story = Story::of(plain().retry(once));
    (0..4).for_each(|token| story.add(token, 10));
    story.later(100);
    let ended = serve(&mut story, |token| token == 2);
    assert_eq!(
        fates(&ended.outcomes),
        [(0, "stored", 2), (1, "stored", 2), (2, "not stored", 3), (3, "stored", 3)]
    );
    let of_3 = &ended.outcomes[3].attempts;
    let codes: Vec<_> = of_3.kept().iter().map(|attempt| attempt.error.clone()).collect();
    let refused = Some(AttemptError::new(ErrorCode::ValidationException));
    assert_eq!(codes, [refused.clone(), refused, None]);
}

/// A part that gets another answer is no suspect any more: it waits as the policy says, and as if it were the first time.
#[test]
fn a_part_that_is_throttled_is_retried_like_everything_else() {
    let linear = RetryPolicy::Linear { max_attempts: 2, step: millis(1_000) };
    let mut story = Story::of(plain().retry(linear));
    (0..4).for_each(|token| story.add(token, 10));
    story.later(100);
    let batch = story.batch();
    story.fail(&batch, ErrorCode::ValidationException);
    let Some(Action::SendBatch(half)) = story.drain().pop() else { panic!("a half") };
    assert_eq!(sent(&half), [0, 1]);
    story.throttle(&half);
    let actions = story.drain();
    assert_eq!(names(&actions), ["requeue", "send-batch"], "the other half goes on");
    let Action::Requeue(requeue) = &actions[0] else { panic!("a notice") };
    assert_eq!(requeue.not_before, at(1_100), "after one attempt");
    let ended = serve(&mut story, |_| false);
    assert!(ended.batches.is_empty() || ended.batches[0].0 == at(1_100));
}

/// The parts of an aggregate are two, each with half of its members.
#[test]
fn a_member_of_an_aggregate_is_found() {
    let mut story = Story::on(2, kpl());
    (0..40).for_each(|token| story.add_to(token, usize::from(token % 2 == 1), 10));
    let ended = serve(&mut story, |token| token == 25);
    assert_eq!(ended.given_up(), [25]);
    let sizes = ended.batches.iter().map(|(_, entries)| entries.iter().map(Vec::len).collect());
    let sizes: Vec<Vec<usize>> = sizes.collect();
    assert_eq!(sizes[..5], [vec![20, 20], vec![20], vec![20], vec![10], vec![10]]);
    assert!(ended.batches.len() <= 1 + 2 * (1 + 5));
    let stored = ended.outcomes.iter().filter(|one| fate(one) == "stored");
    assert_eq!(stored.map(|one| one.tokens.len()).sum::<usize>(), 39);
}

/// More members than a request can have entries.
#[test]
fn one_member_among_very_many_is_found() {
    let mut story = Story::on(1, kpl().aggregation_max_size(1_000_000).rate_limit(RateLimit::Off));
    (0..70_000).for_each(|token| story.add(token, 4));
    let ended = serve(&mut story, |token| token == 66_000);
    assert_eq!(ended.batches[0].1.iter().map(Vec::len).collect::<Vec<_>>(), [70_000]);
    assert_eq!(ended.given_up(), [66_000]);
    assert!(ended.batches.len() <= 1 + 2 * 17, "{}", ended.batches.len());
    let stored = ended.outcomes.iter().filter(|one| fate(one) == "stored");
    assert_eq!(stored.map(|one| one.tokens.len()).sum::<usize>(), 69_999);
}

/// The limit was lowered below what an aggregate has: half of it is no matter.
#[test]
fn an_aggregate_that_is_only_too_large_goes_as_two() {
    let mut story = Story::on(1, kpl());
    (0..8).for_each(|token| story.add(token, 100));
    story.later(120);
    let batch = story.batch();
    story.fail(&batch, ErrorCode::InvalidArgumentException);
    let ended = serve(&mut story, |_| false);
    let packs: Vec<_> = ended.batches.into_iter().map(|(_, entries)| entries).collect();
    assert_eq!(packs, [[[0, 1, 2, 3]], [[4, 5, 6, 7]]]);
}

fn ordered() -> ConfigBuilder {
    kpl().order(Order::PerPartitionKey).rate_limit(RateLimit::Off)
}

/// An aggregate of so many records of one hash key that was refused, and the first half of it.
fn refused_aggregate(records: u64, settings: ConfigBuilder) -> (Story, Batch) {
    let mut story = Story::on(1, settings);
    (0..records).for_each(|token| story.add_at(token, 7, 10));
    story.later(120);
    let batch = story.batch();
    assert_eq!(packed(&batch), [(0..records).collect::<Vec<_>>()]);
    story.fail(&batch, ErrorCode::ValidationException);
    let Some(Action::SendBatch(half)) = story.drain().pop() else { panic!("a half") };
    (story, half)
}

#[test]
fn poison_in_order_is_found_and_the_others_are_stored_in_their_order() {
    for poison in 0..16 {
        let mut story = Story::on(1, ordered());
        (0..16).for_each(|token| story.add_at(token, 7, 10));
        story.later(120);
        (16..20).for_each(|token| story.add_at(token, 7, 10));
        let ended = serve(&mut story, |token| token == poison);
        assert_eq!(ended.given_up(), [poison]);
        let stored = ended.outcomes.iter().filter(|one| fate(one) == "stored");
        let stored: Vec<u64> = stored.flat_map(|one| &one.tokens).map(|token| token.0).collect();
        assert_eq!(stored, (0..20).filter(|&token| token != poison).collect::<Vec<_>>());
        assert!(ended.batches.len() <= 12, "{poison}: {}", ended.batches.len());
    }
}

/// The second half would overtake the first, which has to be sent again.
#[test]
fn where_order_is_kept_nothing_overtakes_a_part_that_is_throttled() {
    let linear = RetryPolicy::Linear { max_attempts: 2, step: millis(1_000) };
    let (mut story, half) = refused_aggregate(8, ordered().retry(linear));
    assert_eq!(packed(&half), [[0, 1, 2, 3]]);
    story.throttle(&half);
    assert_eq!(names(&story.drain()), ["requeue"], "the other half waits");
    assert_eq!(story.engine.stats().behind, 4);
    let ended = serve(&mut story, |token| token == 6);
    assert_eq!(ended.given_up(), [6]);
    let sent: Vec<_> = ended.batches.iter().map(|(_, entries)| entries.concat()).collect();
    let rest: [&[u64]; 6] = [&[0, 1, 2, 3], &[4, 5, 6, 7], &[4, 5], &[6, 7], &[6], &[7]];
    assert_eq!(sent, rest);
}

/// Two halves of an aggregate whose keys belong to two shards by now.
#[test]
fn where_order_is_kept_a_case_does_not_outlive_the_map() {
    let mut story = Story::on(1, ordered());
    let (low, high) = (story.stream.start(0), story.stream.end(0));
    (0..8).for_each(|token| story.add_at(token, if token % 2 == 0 { low } else { high }, 10));
    story.later(120);
    let batch = story.batch();
    story.fail(&batch, ErrorCode::ValidationException);
    let Some(Action::SendBatch(half)) = story.drain().pop() else { panic!("a half") };
    assert_eq!(packed(&half), [[0, 1, 2, 3]]);
    story.stream.split(0);
    story.store(&half);
    let Some(Action::ListShards(request)) = story.drain().pop() else { panic!("the map is old") };
    story.list(&request);
    assert_eq!(story.engine.stats().repacked, 16, "all to halve it, and each half again");
    let ended = serve(&mut story, |token| token == 5);
    assert_eq!(ended.given_up(), [5]);
    let of = |parity: u64| {
        let is_stored = |one: &&Completion| matches!(one.outcome, Outcome::Stored { .. });
        let tokens = ended
            .outcomes
            .iter()
            .filter(is_stored)
            .flat_map(|one| &one.tokens)
            .map(|token| token.0);
        tokens.filter(|token| token % 2 == parity).collect::<Vec<_>>()
    };
    assert_eq!((of(0), of(1)), (vec![0, 2, 4, 6], vec![1, 3, 7]));
}

#[test]
fn a_record_above_the_streams_new_limit_fails_alone_and_says_why() {
    const LIMIT: usize = 1_048_576;
    let mut story = Story::of(plain().max_user_record_size(2 * LIMIT));
    (0..5).for_each(|token| story.add(token, if token == 3 { LIMIT } else { 10 }));
    story.later(100);
    let mut outcomes = Vec::new();
    while !story.engine.is_empty() {
        for action in story.drain() {
            match action {
                Action::SendBatch(batch) => put(&mut story, &batch, LIMIT),
                Action::Complete(completion) => outcomes.push(completion),
                _ => {}
            }
        }
    }
    let stored = outcomes.iter().filter(|one| fate(one) == "stored").count();
    let failed = outcomes.iter().find(|one| fate(one) == "not stored").expect("one is too large");
    assert_eq!((stored, failed.tokens[0].0), (4, 3));
    let error = failed.attempts.last().and_then(|attempt| attempt.error.clone()).expect("failed");
    assert_eq!(error.message.as_str(), "Record 0 exceeds the limit of 1048576");
}

/// What a stream with this limit says.
fn put(story: &mut Story, batch: &Batch, limit: usize) {
    match batch.entries.iter().position(|entry| entry.size() > limit) {
        None => story.store(batch),
        Some(index) => {
            let message = Message::new(&format!("Record {index} exceeds the limit of {limit}"));
            let code = ErrorCode::InvalidArgumentException;
            story.answer(batch, Err(AttemptError::with_message(code, message)));
        }
    }
}

/// The parts go one after the other, before anything else of their lanes, with nothing else in their requests.
#[test]
fn parts_keep_their_order_and_go_alone_and_first() {
    let mut story = request(4);
    let batch = story.batch();
    (10..12).for_each(|token| story.add(token, 10));
    story.later(100);
    story.fail(&batch, ErrorCode::ValidationException);
    let batches: Vec<Vec<u64>> = story
        .drain()
        .iter()
        .filter_map(|action| match action {
            Action::SendBatch(batch) => Some(sent(batch)),
            _ => None,
        })
        .collect();
    assert_eq!(batches, [vec![0, 1], vec![10, 11]], "2 and 3 wait for the answer to 0 and 1");
}

#[test]
fn the_limiter_holds_for_parts_and_cuts_them() {
    // Ten records at once, and one each 100 ms.
    let limit = RateLimit::Fixed { percent: 1 };
    let mut story = Story::on(1, kpl().aggregation_enabled(false).rate_limit(limit));
    (0..11).for_each(|token| story.add(token, 10));
    story.later(100);
    let batch = story.batch();
    assert_eq!(batch.entries.len(), 10);
    story.fail(&batch, ErrorCode::ValidationException);
    assert_eq!(names(&story.drain()), ["requeue"], "there is no token left");
    let wakeup = story.engine.wakeup();
    assert_eq!((wakeup.at, wakeup.reason), (Some(at(2_200)), WakeupReason::Limiter));
    story.later(300);
    let batch = story.batch();
    assert_eq!(sent(&batch), [0, 1, 2], "what there are tokens for, and before the eleventh");
    story.store(&batch);
    let ended = serve(&mut story, |_| false);
    let order: Vec<u64> =
        ended.batches.into_iter().flat_map(|(_, entries)| entries.concat()).collect();
    assert_eq!(order, (3..11).collect::<Vec<_>>());
}

/// A part that the limiter holds back is not overtaken by what is smaller.
#[test]
fn nothing_of_its_lane_goes_before_a_part() {
    // 10,485 bytes at once, and as many each second.
    let limit = RateLimit::Fixed { percent: 1 };
    let mut story = Story::on(1, kpl().aggregation_enabled(false).rate_limit(limit));
    story.add(0, 9_000);
    story.add(1, 10);
    story.later(100);
    let batch = story.batch();
    story.fail(&batch, ErrorCode::ValidationException);
    assert_eq!(names(&story.drain()), ["requeue"]);
    assert_eq!(story.engine.wakeup().reason, WakeupReason::Limiter, "though its lane is empty");
    story.add(2, 10);
    story.later(200);
    assert!(story.drain().is_empty(), "there are bytes for 2, and none for 0");
    let ended = serve(&mut story, |_| false);
    let order: Vec<u64> = ended.batches.into_iter().flat_map(|(_, one)| one.concat()).collect();
    assert_eq!(order[0], 0);
}

#[test]
fn what_waits_expires_on_time() {
    let mut story = Story::of(plain().record_ttl(Some(millis(300))));
    (0..4).for_each(|token| story.add(token, 10));
    story.later(100);
    let batch = story.batch();
    story.fail(&batch, ErrorCode::ValidationException);
    let Some(Action::SendBatch(half)) = story.drain().pop() else { panic!("a half") };
    assert_eq!(story.engine.wakeup().at, Some(at(300)));
    story.later(200);
    let outcomes = story.outcomes();
    assert_eq!(fates(&outcomes), all(2..4, "not stored", 1));
    assert!(matches!(outcomes[0].outcome, Outcome::NotStored { cause: Cause::Expired, .. }));
    story.store(&half);
    assert_eq!(fates(&story.outcomes()), all(0..2, "stored", 2));
    assert!(story.engine.is_empty());
}

#[test]
fn a_purge_hands_back_what_waits_and_a_flush_waits_for_it() {
    let mut story = request(4);
    story.flush(1);
    let batch = story.batch();
    story.fail(&batch, ErrorCode::ValidationException);
    let Some(Action::SendBatch(half)) = story.drain().pop() else { panic!("a half") };
    story.handle(Event::PurgeRequested);
    let actions = story.drain();
    let handed_back = actions.iter().filter(|action| matches!(action, Action::Complete(_)));
    assert_eq!(handed_back.count(), 4);
    assert!(names(&actions).contains(&"flush-finished".to_owned()));
    assert_eq!(story.engine.stats().handed_back, 4);
    story.fail(&half, ErrorCode::ValidationException);
    assert!(story.outcomes().is_empty(), "nobody waits for it");
}

/// An aggregate waits while its shard is split: its members go to their new shards, by themselves.
#[test]
fn what_waits_through_a_reshard_is_taken_apart() {
    assert_eq!(taken_apart(kpl()), [[[1], [3], [5], [7]].map(Vec::from).to_vec()]);
    let few = taken_apart(kpl().collection_max_count(3));
    let [three, one] = &few[..] else { panic!("two requests: {few:?}") };
    assert_eq!((three, one), (&[[1], [3], [5]].map(Vec::from).to_vec(), &vec![vec![7]]));
}

/// The requests with what is left of an aggregate whose shard is split while it is halved.
fn taken_apart(settings: ConfigBuilder) -> Vec<Vec<Vec<u64>>> {
    let mut story = Story::on(2, settings);
    for token in 0..8 {
        let place = usize::from(token % 2 == 1);
        let (start, end) = (story.stream.start(place), story.stream.end(place));
        story.add_at(token, if token < 4 { start } else { end }, 10);
    }
    story.later(120);
    let batch = story.batch();
    assert_eq!(packed(&batch), [[0, 2, 4, 6], [1, 3, 5, 7]]);
    story.fail(&batch, ErrorCode::ValidationException);
    let Some(Action::SendBatch(half)) = story.drain().pop() else { panic!("a half") };
    assert_eq!(packed(&half), [[0, 2, 4, 6]]);
    story.add_to(100, 1, 10);
    story.later(120);
    let other = story.batch();
    story.stream.split(1);
    story.store(&other);
    let Some(Action::ListShards(request)) = story.drain().pop() else { panic!("the map is old") };
    story.list(&request);
    story.store(&half);
    let mut requests = Vec::new();
    let mut outcomes = Vec::new();
    while !story.engine.is_empty() {
        for action in story.drain() {
            match action {
                Action::SendBatch(rest) => {
                    requests.push(packed(&rest));
                    story.store(&rest);
                }
                Action::Complete(completion) => outcomes.push(completion),
                _ => {}
            }
        }
    }
    assert_eq!(story.engine.stats().repacked, 4);
    assert_eq!(fates(&outcomes), all(0..8, "stored", 2));
    requests
}

/// An answer was lost before, so that both may be there; what one of them is refused for now does not take that back.
#[test]
fn what_may_have_been_stored_before_is_not_forgotten_by_halving() {
    let retry = RetryPolicy::Linear { max_attempts: 9, step: millis(100) };
    let mut story = Story::on(1, kpl().rate_limit(RateLimit::Off).retry(retry));
    (0..2).for_each(|token| story.add(token, 10));
    story.later(200);
    let first = story.batch();
    assert_eq!(packed(&first), [[0, 1]]);
    story.fail(&first, ErrorCode::ConnectionLost);
    story.drain();
    story.later(200);
    let again = story.batch();
    assert_eq!(packed(&again), [[0, 1]]);
    story.fail(&again, ErrorCode::ValidationException);
    let ended = serve(&mut story, |_| true);
    assert_eq!(
        fates(&ended.outcomes).iter().map(|fate| fate.1).collect::<Vec<_>>(),
        ["maybe stored"; 2]
    );
}
