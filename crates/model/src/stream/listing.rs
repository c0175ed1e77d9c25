//! How the shards of a stream are listed.

use alloc::vec::Vec;
use core::time::Duration;

use headwaters_wire::limits::SHARDS_PER_PAGE_MAX;
use headwaters_wire::{AttemptError, ListedShard, NextToken, ShardId, ShardPage};

use super::Stream;
use crate::list_request::ListFrom;
use crate::page_token::PageToken;
use crate::{ListFault, ListRequest, Shard, errors};

impl Stream {
    /// Answers one ListShards call that arrives at `now`: a page of the shards that are open then
    /// (the filter `AT_LATEST`), in the order of their ids.
    ///
    /// A token says after which shard its page begins, and no more: each page shows what is open
    /// when *it* is asked for. If a shard that was already listed is resharded before a later page,
    /// that page lists its children as well, and the pages together overlap; they never leave a
    /// gap, for children have higher ids than their parents. Until a change under
    /// [`Handover::ParentUntilDone`](crate::Handover::ParentUntilDone) is done, the parents are
    /// listed.
    ///
    /// # Errors
    /// The call fails by its `fault` if it has one, if it asks for a page of not 1 to 10,000 shards
    /// (`ValidationException`), for another stream (`ResourceNotFoundException`), or by a token
    /// that is not this stream's (`InvalidArgumentException`) or older than 300 s
    /// (`ExpiredNextTokenException`); the first of these counts. A token can be used again.
    pub fn list_shards(
        &mut self,
        request: &ListRequest,
        fault: Option<ListFault>,
        now: Duration,
    ) -> Result<ShardPage, AttemptError> {
        self.advance(now);
        if let Some(fault) = fault {
            return Err(self.list_failure(fault));
        }
        let max_results = request.max_results;
        if !(1..=SHARDS_PER_PAGE_MAX).contains(&max_results) {
            return Err(errors::max_results(max_results));
        }
        let after = match &request.from {
            ListFrom::Start(stream) if *stream == self.name => None,
            ListFrom::Start(stream) => return Err(errors::no_such_stream(stream)),
            ListFrom::Token(token) => Some(self.read(token)?),
        };
        Ok(self.page(after.as_ref(), max_results))
    }

    fn list_failure(&self, fault: ListFault) -> AttemptError {
        match fault {
            ListFault::Denied => errors::listing_denied(&self.name),
            ListFault::InternalFailure => self.internal_failure.clone(),
            ListFault::Throttled => errors::listing_throttled(&self.name),
        }
    }

    /// The shard after which the token's page begins.
    fn read(&self, token: &NextToken) -> Result<ShardId, AttemptError> {
        let token = PageToken::read(token)
            .filter(|token| token.stream == self.name && token.issued <= self.now)
            .filter(|token| self.generations.shard(&token.after).is_some())
            .ok_or_else(errors::wrong_token)?;
        if token.is_expired(self.now) {
            return Err(errors::expired_token());
        }
        Ok(token.after)
    }

    fn page(&self, after: Option<&ShardId>, max_results: usize) -> ShardPage {
        let mut later = self.generations.after(after);
        let shards: Vec<ListedShard> = later.by_ref().take(max_results).map(listed).collect();
        let last = shards.last().filter(|_| later.next().is_some());
        let next_token = last.map(|last| {
            let (after, stream) = (last.id.clone(), self.name.clone());
            PageToken { after, issued: self.now, stream }.print()
        });
        ShardPage { next_token, shards }
    }
}

fn listed(shard: &Shard) -> ListedShard {
    ListedShard { hash_keys: shard.range(), id: shard.id().clone() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Handover;
    use crate::testing::{Random, entry, id, middle, name, open, options, put};
    use alloc::vec;
    use core::num::NonZeroU32;
    use headwaters_wire::{ErrorCode, HashKey, HashKeyRange, StreamName};

    const AT_ONCE: Handover = Handover::ChildrenAtOnce;
    const SECOND: Duration = Duration::from_secs(1);

    fn list(stream: &mut Stream, request: &ListRequest, now: Duration) -> ShardPage {
        stream.list_shards(request, None, now).expect("the request keeps the rules")
    }

    fn code(result: Result<ShardPage, AttemptError>) -> Option<ErrorCode> {
        result.err().map(|error| error.code)
    }

    fn first(max_results: usize) -> ListRequest {
        ListRequest::first(name()).max_results(max_results)
    }

    /// All pages of one listing; `between` may change the stream before each later page.
    fn pages(
        stream: &mut Stream,
        max_results: usize,
        mut between: impl FnMut(&mut Stream, usize),
    ) -> Vec<Vec<ListedShard>> {
        let mut request = first(max_results);
        let mut pages = Vec::new();
        loop {
            let page = list(stream, &request, SECOND);
            assert!(!page.shards.is_empty() && page.shards.len() <= max_results);
            pages.push(page.shards);
            assert!(pages.len() < 3_000, "a listing ends");
            let Some(token) = page.next_token else { return pages };
            request = ListRequest::next(token).max_results(max_results);
            between(stream, pages.len());
        }
    }

    fn numbers(shards: &[ListedShard]) -> Vec<u64> {
        shards.iter().filter_map(|shard| shard.id.number()).collect()
    }

    #[test]
    fn pages_list_every_open_shard_once_in_the_order_of_ids() {
        let mut stream = Stream::new(options(2_500));
        // Two in place of one, with the highest ids but in the middle of the ranges.
        let at = middle(&stream, &id(1_200));
        assert_eq!(stream.split(&id(1_200), at, AT_ONCE, SECOND), Ok(()));
        let expected: Vec<u64> = (0..=2_501).filter(|&number| number != 1_200).collect();
        for (max_results, lengths) in [
            (1_000, vec![1_000, 1_000, 501]),
            (2_501, vec![2_501]),
            (2_500, vec![2_500, 1]),
            (10_000, vec![2_501]),
            (1, vec![1; 2_501]),
        ] {
            let pages = pages(&mut stream, max_results, |_, _| {});
            assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), lengths);
            assert_eq!(numbers(&pages.concat()), expected);
            for listed in pages.iter().flatten() {
                assert_eq!(stream.shard(&listed.id).map(Shard::range), Some(listed.hash_keys));
            }
        }
        let default = list(&mut stream, &ListRequest::first(name()), SECOND);
        assert_eq!(default.shards.len(), 1_000);
        assert_eq!(stream.requests(), 0, "a listing is not a PutRecords request");
    }

    #[test]
    fn each_page_can_have_its_own_size_and_a_token_can_be_used_again() {
        let mut stream = Stream::new(options(10));
        let token = list(&mut stream, &first(2), SECOND).next_token.expect("there are more");
        let next = ListRequest::next(token);
        let three = list(&mut stream, &next.clone().max_results(3), 2 * SECOND);
        assert_eq!(numbers(&three.shards), [2, 3, 4]);
        let rest = list(&mut stream, &next, 3 * SECOND);
        assert_eq!((numbers(&rest.shards), rest.next_token), ((2..10).collect(), None));
    }

    #[test]
    fn a_listed_shard_that_is_split_before_the_next_page_overlaps_with_its_children() {
        let mut stream = Stream::new(options(6));
        let pages = pages(&mut stream, 4, |stream, done| {
            if done == 1 {
                let at = middle(stream, &id(1));
                assert_eq!(stream.split(&id(1), at, AT_ONCE, SECOND), Ok(()));
            }
        });
        let numbers: Vec<_> = pages.iter().map(|page| numbers(page)).collect();
        assert_eq!(numbers, [vec![0, 1, 2, 3], vec![4, 5, 6, 7]]);
        let key = pages[0][1].hash_keys.start();
        let holders = pages.iter().flatten().filter(|shard| shard.hash_keys.contains(key));
        assert_eq!(holders.count(), 2, "the parent and its lower child");
    }

    #[test]
    fn a_shard_that_is_split_before_its_page_is_not_listed() {
        let mut stream = Stream::new(options(6));
        let pages = pages(&mut stream, 4, |stream, done| {
            if done == 1 {
                let at = middle(stream, &id(5));
                assert_eq!(stream.split(&id(5), at, AT_ONCE, SECOND), Ok(()));
            }
        });
        assert_eq!(numbers(&pages.concat()), [0, 1, 2, 3, 4, 6, 7]);
    }

    /// What the pages of one listing leave out is nothing, whatever happens between them.
    #[test]
    fn pages_overlap_at_times_and_leave_no_gap() {
        let (mut random, mut overlaps) = (Random::new(11), 0);
        for _ in 0..200 {
            let mut stream = Stream::new(options(1 + random.below(30) as u32));
            let pages = pages(&mut stream, 5, |stream, done| {
                // Not on and on, or the listing never ends.
                if done <= 4 {
                    let at = random.below(stream.shards().len() as u64) as usize;
                    let shard = stream.shards()[at].id().clone();
                    let key = middle(stream, &shard);
                    assert_eq!(stream.split(&shard, key, AT_ONCE, SECOND), Ok(()));
                    let [shard, adjacent] = [0, 1].map(|next| stream.shards()[next].id().clone());
                    assert_eq!(stream.merge(&shard, &adjacent, AT_ONCE, SECOND), Ok(()));
                }
            });
            let mut ranges: Vec<HashKeyRange> =
                pages.concat().iter().map(|shard| shard.hash_keys).collect();
            ranges.sort_by_key(|range| (range.start(), range.end()));
            let mut covered = 0;
            for range in &ranges {
                assert!(range.start().value() <= covered, "a gap");
                overlaps += u64::from(range.start().value() < covered);
                covered = covered.max(range.end().value().saturating_add(1));
            }
            assert_eq!(covered, u128::MAX);
        }
        assert!(overlaps > 100, "{overlaps} overlaps are too few to say anything");
    }

    #[test]
    fn parents_are_listed_until_the_change_is_done() {
        let mut stream = Stream::new(options(2));
        let until = 10 * SECOND;
        let handover = Handover::ParentUntilDone { until };
        assert_eq!(stream.merge(&id(0), &id(1), handover, SECOND), Ok(()));
        let nearly = until - Duration::from_nanos(1);
        for (now, expected) in [(SECOND, vec![0, 1]), (nearly, vec![0, 1]), (until, vec![2])] {
            let page = list(&mut stream, &first(10), now);
            assert_eq!((numbers(&page.shards), open(&stream)), (expected.clone(), expected));
        }
    }

    #[test]
    fn pages_have_1_to_10_000_shards_and_are_of_this_stream() {
        let mut stream = Stream::new(options(2));
        for (max_results, end) in [(0, "equal to 1"), (10_001, "equal to 10000")] {
            let refused = stream.list_shards(&first(max_results), None, SECOND);
            let error = refused.expect_err("out of bounds");
            assert_eq!(error.code, ErrorCode::ValidationException);
            assert!(error.message.as_str().ends_with(end), "{error}");
        }
        let other = StreamName::new("other").expect("a valid name");
        let refused = stream.list_shards(&ListRequest::first(other), None, SECOND);
        assert_eq!(code(refused), Some(ErrorCode::ResourceNotFoundException));
    }

    #[test]
    fn a_token_expires_after_300_seconds() {
        let mut stream = Stream::new(options(5));
        let token = list(&mut stream, &first(2), SECOND).next_token.expect("there are more");
        let next = ListRequest::next(token).max_results(2);
        let last_moment = 301 * SECOND;
        let page = list(&mut stream, &next, last_moment);
        assert_eq!(numbers(&page.shards), [2, 3]);
        let now = last_moment + Duration::from_nanos(1);
        let expired = stream.list_shards(&next, None, now);
        assert_eq!(code(expired), Some(ErrorCode::ExpiredNextTokenException));
        // The token that came with the later page is younger.
        let last = ListRequest::next(page.next_token.expect("there is one more"));
        assert_eq!(numbers(&list(&mut stream, &last, 2 * last_moment - SECOND).shards), [4]);
    }

    #[test]
    fn wrong_tokens_are_refused() {
        let mut stream = Stream::new(options(5));
        let other = StreamName::new("other").expect("a valid name");
        let right = PageToken { after: id(2), issued: SECOND, stream: name() };
        assert_eq!(
            numbers(&list(&mut stream, &ListRequest::next(right.print()), SECOND).shards),
            [3, 4]
        );
        let wrong = [
            NextToken::new("no token of ours").expect("not empty"),
            PageToken { stream: other, ..right.clone() }.print(),
            PageToken { issued: 2 * SECOND, ..right.clone() }.print(),
            PageToken { after: id(5), ..right.clone() }.print(),
            PageToken { after: "blue.1".parse().expect("a valid id"), ..right }.print(),
        ];
        for token in wrong {
            let refused = stream.list_shards(&ListRequest::next(token.clone()), None, SECOND);
            let wrong = Some(ErrorCode::InvalidArgumentException);
            assert_eq!(code(refused), wrong, "{}", token.as_str());
        }
    }

    #[test]
    fn faults_fail_their_call_and_no_other() {
        let mut stream = Stream::new(options(5));
        let token = list(&mut stream, &first(2), SECOND).next_token.expect("there are more");
        let cases = [
            (ListFault::Denied, ErrorCode::AccessDeniedException),
            (ListFault::InternalFailure, ErrorCode::InternalFailure),
            (ListFault::Throttled, ErrorCode::LimitExceededException),
        ];
        let next = ListRequest::next(token);
        for (fault, expected) in cases {
            for request in [&first(2), &next, &first(0)] {
                let failed = stream.list_shards(request, Some(fault), SECOND);
                assert_eq!(code(failed), Some(expected.clone()));
            }
            assert_eq!(numbers(&list(&mut stream, &next, SECOND).shards), [2, 3, 4]);
        }
    }

    #[test]
    fn the_same_calls_give_the_same_pages() {
        let run = || {
            let mut stream = Stream::new(options(40));
            let pages = pages(&mut stream, 7, |stream, done| {
                let target = NonZeroU32::new(45 - done as u32).expect("there are a few pages");
                if done < 3 {
                    assert_eq!(stream.update_shard_count(target, AT_ONCE, SECOND), Ok(()));
                }
                put(stream, &[entry(HashKey::MIN, 1)], SECOND);
            });
            let tokens = list(&mut stream, &first(3), 2 * SECOND).next_token;
            (pages, tokens)
        };
        assert!(run() == run());
    }
}
