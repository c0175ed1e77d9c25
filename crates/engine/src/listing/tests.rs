use alloc::string::ToString;
use alloc::vec;

use headwaters_wire::{HashKey, HashKeyRange};

use super::*;

mod chaos;

const TIMEOUT: Duration = Duration::from_secs(6);

fn at(millis: u64) -> Instant {
    Instant::ZERO.after(Duration::from_millis(millis))
}

/// Shards with these numbers, which share the hash keys evenly.
fn shards(numbers: &[u64]) -> Vec<ListedShard> {
    let count = u32::try_from(numbers.len()).ok().and_then(|count| count.try_into().ok());
    let count = count.expect("a few shards");
    let range = |index| HashKeyRange::of_even_shard(index, count).expect("a shard of these");
    let ids = numbers.iter().copied().map(ShardId::numbered);
    (0..).zip(ids).map(|(index, id)| ListedShard { hash_keys: range(index), id }).collect()
}

fn page(shards: &[ListedShard], next: Option<&str>) -> Result<ShardPage, AttemptError> {
    let next_token = next.map(|token| NextToken::new(token).expect("a short token"));
    Ok(ShardPage { next_token, shards: shards.to_vec() })
}

fn list(numbers: &[u64]) -> Result<ShardPage, AttemptError> {
    page(&shards(numbers), None)
}

fn error(code: ErrorCode) -> Result<ShardPage, AttemptError> {
    Err(AttemptError::new(code))
}

fn down() -> Result<ShardPage, AttemptError> {
    error(ErrorCode::ServiceUnavailable)
}

fn new() -> Listing {
    Listing::new(3, TIMEOUT)
}

/// A listing that has a map of these shards since time 0, and rests for a second from then on.
fn ready(numbers: &[u64]) -> Listing {
    let mut listing = new();
    assert!(matches!(answer(&mut listing, list(numbers), at(0)), Listed::Changed));
    listing
}

/// Sends the request that is due and answers it at the same time.
fn answer(listing: &mut Listing, result: Result<ShardPage, AttemptError>, now: Instant) -> Listed {
    let request = listing.take_request(now).expect("a request is due");
    listing.listed(request.id, result, now)
}

/// Answers the request that is due next, when it is due; returns when that was, and what came of it.
fn answer_next(
    listing: &mut Listing,
    result: Result<ShardPage, AttemptError>,
) -> (Instant, Listed) {
    let now = listing.wake_at().expect("a request is due some time");
    (now, answer(listing, result, now))
}

fn ids(listing: &Listing) -> Vec<u64> {
    let map = listing.map().expect("a map");
    (0..map.len()).filter_map(|index| map.shard(index).id.number()).collect()
}

fn evidence(listing: &mut Listing, shard: u64, seen_at: Instant, now: Instant) {
    listing.invalidate(&ShardId::numbered(shard), seen_at, now);
}

/// The KPL's test Basic: one request, made at once.
#[test]
fn basic_one_request_makes_a_map() {
    let mut listing = new();
    assert_eq!((listing.status(), listing.wake_at()), (MapStatus::Loading, Some(at(0))));
    let request = listing.take_request(at(5)).expect("the first listing is due at once");
    assert_eq!(request.next_token, None, "the first page is asked for with the stream");
    assert!(listing.take_request(at(5)).is_none(), "one request at a time");
    assert_eq!((listing.status(), listing.wake_at()), (MapStatus::Loading, Some(at(6_005))));
    let listed = listing.listed(request.id, list(&[2, 3, 1]), at(25));
    assert!(matches!(listed, Listed::Changed));
    assert_eq!(ids(&listing), [2, 3, 1]);
    assert_eq!((listing.status(), listing.wake_at()), (MapStatus::Ready, None));
    assert!(listing.take_request(at(1_000_000)).is_none(), "a fresh map needs no requests");
    assert_eq!((listing.requests(), listing.failures()), (1, 0));
}

/// The KPL's test PaginatedResults.
#[test]
fn paginated_results_are_one_list() {
    let mut listing = new();
    let all = shards(&[2, 3, 1]);
    assert!(matches!(answer(&mut listing, page(&all[1..], Some("more")), at(0)), Listed::More));
    assert!(listing.map().is_none(), "half a list is none");
    assert_eq!(listing.wake_at(), Some(at(0)), "the next page is due at once");
    let request = listing.take_request(at(1)).expect("the next page is due");
    assert_eq!(request.next_token.as_ref().map(NextToken::as_str), Some("more"));
    let listed = listing.listed(request.id, page(&all[..1], None), at(2));
    assert!(matches!(listed, Listed::Changed));
    assert_eq!((ids(&listing), listing.requests()), (vec![2, 3, 1], 2));
}

/// The KPL's test RetryAfterInitialFailure.
#[test]
fn retry_after_initial_failure() {
    let mut listing = new();
    assert!(matches!(answer(&mut listing, down(), at(0)), Listed::Failed));
    let unavailable = MapStatus::Unavailable { class: Class::Transient, failures: 1 };
    assert_eq!(listing.status(), unavailable);
    assert_eq!(listing.fault(), Some(&AttemptError::new(ErrorCode::ServiceUnavailable)));
    let due = listing.wake_at().expect("it is tried again");
    assert!((at(500)..=at(1_000)).contains(&due), "{due}");
    assert!(listing.take_request(at(499)).is_none());
    assert!(matches!(answer(&mut listing, list(&[1]), due), Listed::Changed));
    assert_eq!((listing.status(), listing.fault()), (MapStatus::Ready, None));
    assert_eq!((listing.requests(), listing.failures()), (2, 1));
}

/// The KPL's test RetryWithFailureInTheMiddle: from the first page on, and nothing of before stays.
#[test]
fn retry_with_failure_in_the_middle() {
    let mut listing = new();
    let all = shards(&[2, 3, 1]);
    answer(&mut listing, page(&all[..1], Some("more")), at(0));
    assert!(matches!(answer(&mut listing, down(), at(0)), Listed::Failed));
    assert!(matches!(answer_next(&mut listing, down()).1, Listed::Failed));
    let due = listing.wake_at().expect("it is tried again");
    let request = listing.take_request(due).expect("it is tried again");
    assert_eq!(request.next_token, None, "it starts again");
    listing.listed(request.id, page(&all[..2], Some("more")), due);
    assert!(matches!(answer(&mut listing, page(&all[2..], None), due), Listed::Changed));
    assert_eq!((ids(&listing), listing.requests()), (vec![2, 3, 1], 5));
}

#[test]
fn an_expired_page_token_starts_again_from_the_first_page() {
    let mut listing = new();
    answer(&mut listing, page(&shards(&[0, 1])[..1], Some("old")), at(0));
    answer(&mut listing, error(ErrorCode::ExpiredNextTokenException), at(301_000));
    let due = listing.wake_at().expect("it is tried again");
    assert!(due <= at(302_000), "it is no permanent error");
    assert_eq!(listing.take_request(due).and_then(|request| request.next_token), None);
}

/// The KPL's test Backoff: 1 s, half as much again each time, at most 30 s; ours are jittered.
#[test]
fn backoff_grows_by_half_up_to_its_bound() {
    let mut bound = 1_000_000_000;
    let mut listing = new();
    let mut now = at(0);
    for failures in 1..=25 {
        answer(&mut listing, down(), now);
        let due = listing.wake_at().expect("it never gives up");
        let wait = u64::try_from(due.since(now).as_nanos()).expect("seconds");
        assert!((bound / 2..=bound).contains(&wait), "{failures}: {wait} of {bound}");
        (now, bound) = (due, (bound / 2 * 3).min(30_000_000_000));
    }
    assert_eq!(bound, 30_000_000_000, "the bound was reached");
    answer(&mut listing, list(&[1]), now);
    let now = now.after(TIMEOUT);
    evidence(&mut listing, 1, now, now);
    answer(&mut listing, down(), now);
    let wait = listing.wake_at().expect("it is tried again").since(now);
    assert!(wait <= Duration::from_secs(1), "a complete list resets it");
}

#[test]
fn a_fleet_does_not_ask_again_at_the_same_time() {
    let waits = (0..1_000).map(|seed| {
        let mut listing = Listing::new(seed, TIMEOUT);
        answer(&mut listing, down(), at(0));
        listing.wake_at().expect("it is tried again").as_nanos() / 100_000_000
    });
    let mut in_tenths = [0; 10];
    waits.for_each(|tenth| in_tenths[usize::try_from(tenth).expect("below 1 s")] += 1);
    assert_eq!(in_tenths[..5], [0; 5]);
    assert!(in_tenths[5..].iter().all(|&count| count > 150), "{in_tenths:?}");
}

#[test]
fn a_page_resets_the_backoff_if_no_listing_got_it_before() {
    let mut listing = new();
    let all = shards(&[0, 1, 2]);
    let wait_after_a_failure_at_page = |listing: &mut Listing, pages: usize| {
        for (token, shard) in ["b", "c"].iter().zip(&all).take(pages) {
            answer_next(listing, page(core::slice::from_ref(shard), Some(token)));
        }
        let (now, _) = answer_next(listing, down());
        listing.wake_at().expect("it is tried again").since(now).as_millis()
    };
    let waits: Vec<u128> = (0..12).map(|_| wait_after_a_failure_at_page(&mut listing, 1)).collect();
    assert!(waits[0] <= 1_000 && waits[11] >= 15_000, "the same page each time: {waits:?}");
    assert!(wait_after_a_failure_at_page(&mut listing, 2) <= 1_000, "it got further");
    assert!(
        (750..=1_500).contains(&wait_after_a_failure_at_page(&mut listing, 2)),
        "it got as far"
    );
    answer_next(&mut listing, page(&all, None));
    let now = at(9_000_000);
    evidence(&mut listing, 1, now, now);
    (0..9).for_each(|_| {
        answer_next(&mut listing, down());
    });
    assert!(wait_after_a_failure_at_page(&mut listing, 1) <= 1_000, "after a complete list");
}

#[test]
fn a_permanent_error_is_tried_again_after_minutes() {
    let mut listing = new();
    answer(&mut listing, error(ErrorCode::AccessDeniedException), at(0));
    let unavailable = MapStatus::Unavailable { class: Class::Permanent, failures: 1 };
    assert_eq!(listing.status(), unavailable, "no permission shows");
    let (due, listed) = answer_next(&mut listing, list(&[1]));
    assert!((at(150_000)..=at(300_000)).contains(&due), "{due}");
    assert!(matches!(listed, Listed::Changed), "someone gave the permission");
    let later = due.after(TIMEOUT);
    evidence(&mut listing, 1, later, later);
    answer(&mut listing, error(ErrorCode::ResourceNotFoundException), later);
    let outdated = MapStatus::Outdated { class: Class::Permanent, failures: 1 };
    assert_eq!((listing.status(), ids(&listing)), (outdated, vec![1]), "the old map serves");
}

#[test]
fn a_silent_transport_is_a_failure_and_its_late_answer_is_ignored() {
    let mut listing = new();
    let first = listing.take_request(at(0)).expect("the first listing is due at once");
    assert!(!listing.elapse(at(5_999)));
    assert_eq!((listing.failures(), listing.wake_at()), (0, Some(at(6_000))));
    assert!(listing.elapse(at(6_000)));
    assert_eq!(listing.fault(), Some(&AttemptError::new(ErrorCode::RequestTimeout)));
    assert!(matches!(listing.listed(first.id, list(&[1]), at(6_001)), Listed::Ignored));
    let due = listing.wake_at().expect("it is tried again");
    assert!((at(6_500)..=at(7_000)).contains(&due), "{due}");
    let second = listing.take_request(due).expect("it is due");
    assert_ne!(first.id, second.id);
    assert!(matches!(listing.listed(first.id, down(), due), Listed::Ignored));
    assert!(matches!(listing.listed(second.id, list(&[2]), due), Listed::Changed));
    assert!(matches!(listing.listed(second.id, list(&[3]), due), Listed::Ignored), "repeated");
    assert_eq!((ids(&listing), listing.failures()), (vec![2], 1));
}

/// The KPL's test Invalidate, but that the old map goes on serving.
#[test]
fn invalidate_lists_once_and_the_old_map_serves_meanwhile() {
    let mut listing = ready(&[1, 2]);
    evidence(&mut listing, 1, at(4_990), at(5_000));
    assert_eq!((listing.status(), listing.wake_at()), (MapStatus::Reloading, Some(at(5_000))));
    let request = listing.take_request(at(5_000)).expect("evidence");
    for millis in 4_990..=5_000 {
        evidence(&mut listing, 2, at(millis), at(5_010));
    }
    assert!(listing.take_request(at(5_010)).is_none(), "it is being listed already");
    assert_eq!((listing.status(), ids(&listing)), (MapStatus::Reloading, vec![1, 2]));
    let listed = listing.listed(request.id, list(&[5, 6, 7]), at(5_020));
    assert!(matches!(listed, Listed::Changed));
    assert_eq!((listing.status(), ids(&listing)), (MapStatus::Ready, vec![5, 6, 7]));
    assert_eq!((listing.wake_at(), listing.requests()), (None, 2));
}

/// The KPL's test InvalidateWithShard. What an older map predicted says nothing about this one; without
/// this rule each reshard would be listed twice, for the requests that were sent during the listing.
#[test]
fn invalidate_with_shard_ignores_predictions_of_older_maps() {
    let mut listing = ready(&[1, 2]);
    evidence(&mut listing, 0, at(4_000), at(5_000));
    assert_eq!(listing.status(), MapStatus::Ready, "the map has no shard 0");
    evidence(&mut listing, 1, at(4_000), at(5_000));
    let request = listing.take_request(at(5_000)).expect("the map has a shard 1");
    evidence(&mut listing, 1, at(5_001), at(5_010));
    listing.listed(request.id, list(&[3, 4, 2]), at(5_020));
    assert_eq!(listing.status(), MapStatus::Ready, "the new map has no shard 1");
    evidence(&mut listing, 1, at(9_000), at(9_001));
    assert_eq!(listing.status(), MapStatus::Ready, "a record that was predicted long ago");
    evidence(&mut new(), 1, at(1), at(2));
}

#[test]
fn a_reshard_during_a_listing_is_listed_afterwards() {
    let mut listing = ready(&[1, 2]);
    evidence(&mut listing, 1, at(4_000), at(5_000));
    let request = listing.take_request(at(5_000)).expect("evidence");
    evidence(&mut listing, 2, at(5_001), at(5_010));
    listing.listed(request.id, list(&[3, 4, 2]), at(5_020));
    assert_eq!(listing.status(), MapStatus::Reloading);
    let (due, _) = answer_next(&mut listing, list(&[3, 4, 5, 6]));
    assert_eq!(due, at(6_020), "not sooner than a second after the last list");
    assert_eq!((listing.status(), listing.requests()), (MapStatus::Ready, 3));

    let mut listing = ready(&[1, 2]);
    evidence(&mut listing, 1, at(4_000), at(5_000));
    let request = listing.take_request(at(5_000)).expect("evidence");
    listing.listed(request.id, list(&[3, 4, 2]), at(5_020));
    evidence(&mut listing, 2, at(4_999), at(5_030));
    assert_eq!(listing.status(), MapStatus::Ready, "the list is not older than that");
    evidence(&mut listing, 2, at(5_000), at(5_031));
    assert_eq!(listing.status(), MapStatus::Reloading, "both at one instant: it may be older");
}

#[test]
fn of_the_evidence_about_a_shard_the_latest_counts() {
    for [first, second] in [[4_990, 5_001], [5_001, 4_990]] {
        let mut listing = ready(&[1, 2]);
        evidence(&mut listing, 1, at(4_000), at(5_000));
        let request = listing.take_request(at(5_000)).expect("evidence");
        evidence(&mut listing, 1, at(first), at(5_010));
        evidence(&mut listing, 1, at(second), at(5_010));
        listing.listed(request.id, list(&[1, 3]), at(5_020));
        assert_eq!(listing.status(), MapStatus::Reloading);
    }
}

#[test]
fn evidence_that_comes_too_soon_is_kept() {
    let mut listing = ready(&[1, 2]);
    evidence(&mut listing, 1, at(10), at(20));
    assert_eq!((listing.status(), listing.wake_at()), (MapStatus::Reloading, Some(at(1_000))));
    assert!(listing.take_request(at(999)).is_none());
    assert!(listing.take_request(at(1_000)).is_some());
    let mut listing = ready(&[1, 2]);
    evidence(&mut listing, 1, Instant::from_nanos(u64::MAX), at(20));
    assert!(matches!(answer_next(&mut listing, list(&[1, 2])).1, Listed::Unchanged));
    assert_eq!(listing.status(), MapStatus::Ready, "nothing is seen in the future");
}

#[test]
fn a_service_that_goes_on_with_an_old_list_is_asked_less_and_less() {
    let mut listing = ready(&[1, 2]);
    let mut rests = Vec::new();
    let mut last = at(0);
    for _ in 0..14 {
        let seen_at = last.after(Duration::from_millis(1));
        evidence(&mut listing, 1, seen_at, seen_at);
        let (due, listed) = answer_next(&mut listing, list(&[1, 2]));
        assert!(matches!(listed, Listed::Unchanged));
        rests.push(due.since(last).as_millis());
        last = due;
    }
    let mut bound = 1_000;
    for rest in rests {
        assert!(((bound / 2).max(1_000)..=bound).contains(&rest), "{rest} of {bound}");
        bound = (bound * 3 / 2).min(30_000);
    }
    assert_eq!(bound, 30_000, "the bound was reached");
    let much_later = last.after(Duration::from_secs(60));
    evidence(&mut listing, 1, much_later, much_later);
    assert_eq!(answer_next(&mut listing, list(&[3, 2])).0, much_later, "long rested");
    let soon = much_later.after(Duration::from_millis(1));
    evidence(&mut listing, 2, soon, soon);
    let due = answer_next(&mut listing, list(&[3, 2])).0;
    assert_eq!(due.since(much_later), INTERVAL_MIN, "a list that changed resets it");
}

#[test]
fn a_list_that_is_no_map_is_a_failure_and_the_old_map_serves() {
    let mut listing = ready(&[1, 2]);
    evidence(&mut listing, 1, at(5_000), at(5_000));
    let mut stale = shards(&[3, 2]);
    stale.push(ListedShard { id: ShardId::numbered(1), ..stale[0].clone() });
    assert!(matches!(answer(&mut listing, page(&stale, None), at(5_000)), Listed::Failed));
    let outdated = MapStatus::Outdated { class: Class::Transient, failures: 1 };
    assert_eq!((listing.status(), ids(&listing)), (outdated, vec![1, 2]));
    assert_eq!(
        listing.fault().expect("the list has a fault").to_string(),
        "UnusableAnswer: the listed shards shardId-000000000001 and shardId-000000000003 have \
         hash keys in common"
    );
    assert!(matches!(answer_next(&mut listing, list(&[3, 2])).1, Listed::Changed));
}

#[test]
fn a_list_without_end_is_a_failure() {
    let mut listing = new();
    answer(&mut listing, page(&[], Some("a")), at(0));
    assert!(matches!(answer(&mut listing, page(&[], Some("b")), at(0)), Listed::More), "legal");
    assert!(matches!(answer(&mut listing, page(&[], Some("b")), at(0)), Listed::Failed));
}

#[test]
#[cfg_attr(miri, ignore = "a thousand pages take an interpreter twenty minutes")]
fn a_list_of_too_many_pages_is_a_failure() {
    let mut listing = new();
    let mut pages = 1;
    while let Listed::More = answer(&mut listing, page(&[], Some(&pages.to_string())), at(0)) {
        pages += 1;
    }
    assert_eq!(pages, PAGES_MAX);
    assert_eq!(
        listing.fault().expect("no end").to_string(),
        "UnusableAnswer: the list has more than 1000 pages"
    );
}

#[test]
#[cfg_attr(miri, ignore = "a hundred thousand shards take an interpreter twenty minutes")]
fn a_list_of_too_many_shards_is_a_failure() {
    let mut listing = new();
    let shard = |number: usize| ListedShard {
        hash_keys: HashKeyRange::new(HashKey::MIN, HashKey::MAX).expect("a range"),
        id: ShardId::numbered(number as u64),
    };
    let most: Vec<ListedShard> = (0..SHARDS_MAX).map(shard).collect();
    assert!(matches!(answer(&mut listing, page(&most, Some("a")), at(0)), Listed::More));
    assert!(matches!(answer(&mut listing, page(&most[..1], Some("b")), at(0)), Listed::Failed));
    assert_eq!(
        listing.fault().expect("too many").to_string(),
        "UnusableAnswer: the list has more than 100000 shards"
    );
}

/// Evidence where keys do not decide names a shard, and a list that has it is enough.
#[test]
fn a_shard_in_doubt_is_listed_once() {
    let mut listing = ready(&[1, 2]);
    let unknown = ShardId::numbered(3);
    listing.doubt(&unknown, at(5_000), at(5_000));
    assert_eq!(listing.status(), MapStatus::Reloading);
    let request = listing.take_request(at(5_000)).expect("it is due at once");
    // It goes on being named until the list has come.
    listing.doubt(&unknown, at(5_010), at(5_020));
    assert!(matches!(listing.listed(request.id, list(&[1, 3]), at(5_030)), Listed::Changed));
    assert_eq!(listing.status(), MapStatus::Ready);
    let upper = HashKeyRange::of_even_shard(1, 2.try_into().expect("two"));
    let known = [2, 3].map(|number| listing.range_of(&ShardId::numbered(number)));
    assert_eq!(known, [upper, upper], "of this map or the one before");

    listing.doubt(&ShardId::numbered(4), at(4_999), at(6_000));
    assert_eq!(listing.status(), MapStatus::Ready, "the map is newer");
    listing.doubt(&ShardId::numbered(4), at(6_000), at(6_000));
    let (due, listed) = answer_next(&mut listing, list(&[1, 3]));
    assert!(due >= at(6_000) && matches!(listed, Listed::Unchanged));
    assert_eq!(listing.status(), MapStatus::Ready, "it was named before the list was asked for");
}

/// A stream may have been made anew since its shards were asked for: a list that says the same is no answer.
#[test]
fn a_known_shard_in_doubt_is_listed_by_who_asks_later() {
    let mut listing = ready(&[1, 2]);
    listing.doubt(&ShardId::numbered(3), at(5_000), at(5_000));
    let request = listing.take_request(at(5_000)).expect("it is due at once");
    listing.doubt(&ShardId::numbered(2), at(5_010), at(5_020));
    assert!(matches!(listing.listed(request.id, list(&[1, 2]), at(5_030)), Listed::Unchanged));
    assert_eq!(listing.status(), MapStatus::Reloading);
    let (_, listed) = answer_next(&mut listing, list(&[1, 2]));
    assert!(matches!(listed, Listed::Unchanged));
    assert_eq!(listing.status(), MapStatus::Ready);
}
