//! Keeps the shard map fresh: when to list the shards, page by page, and when to list them again.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::vec::Vec;
use core::time::Duration;
use core::{fmt, mem};

use headwaters_wire::{
    AttemptError, Class, ErrorCode, HashKeyRange, ListedShard, Message, NextToken, ShardId,
    ShardPage,
};

use crate::random::Random;
use crate::shard_map::ShardMap;
use crate::time::Instant;

/// Wait before the first repetition of a failed listing. Source: KPL, `shard_map.cc`, `kMinBackoff`.
const BACKOFF_MIN: Duration = Duration::from_secs(1);

/// Longest wait before a failed listing is repeated. Source: KPL, `shard_map.cc`, `kMaxBackoff`.
const BACKOFF_MAX: Duration = Duration::from_secs(30);

/// Wait after a permanent error: no permission to list, no such stream. Only a change elsewhere can mend
/// it, which takes people minutes; yet it does get mended, and then nobody should have to restart a producer.
const PERMANENT_WAIT: Duration = Duration::from_secs(5 * 60);

/// Shortest time from the end of a complete list to the start of the next one, so that evidence that keeps
/// coming makes no storm of requests. The service takes 1,000 a second for a stream, of all its producers
/// and consumers together (API reference, ListShards).
const INTERVAL_MIN: Duration = Duration::from_secs(1);

/// Most shards in one list: five times the largest default quota of an account (developer guide, quotas
/// and limits). What lists more is broken, and would otherwise fill the memory.
const SHARDS_MAX: usize = 100_000;

/// Most pages in one list: full ones of the KPL's size (1,000 shards) would be 100. Short and empty pages
/// are legal, but not without end.
const PAGES_MAX: u32 = 1_000;

/// Names one ListShards request. A later request never has the same name.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ListingId(u64);

impl fmt::Display for ListingId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The content of one ListShards request: it asks for one page.
///
/// There is one at a time. Where the engine asks again before it was answered, it has given the earlier
/// request up, and a driver may drop it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ListShards {
    /// The name under which to report.
    pub id: ListingId,
    /// Asks for the next page, and then is all that is sent: the service refuses it beside the stream.
    /// `None` for the first page, which is asked for with the stream and the filter `AT_LATEST` (open
    /// shards only).
    pub next_token: Option<NextToken>,
}

/// How it stands with the map of the shards. Aggregation and the limits per shard need one.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum MapStatus {
    /// There is none yet, and nothing has failed yet.
    #[default]
    Loading,
    /// Nobody asks for one: [`ShardPrediction::Off`](crate::ShardPrediction::Off).
    Off,
    /// The one that serves may be old, and listing the shards fails.
    Outdated {
        /// What kind of failure the last one was; after a permanent one the next attempt takes minutes.
        class: Class,
        /// Listings that failed since the last that did not.
        failures: u32,
    },
    /// There is one, and nothing says that it is old.
    Ready,
    /// The one that serves is old, and a new one is being listed, or will be in a moment.
    Reloading,
    /// There is one, and the stream does not distribute by it, but by itself: a record was stored in a shard to which
    /// its hash key does not belong. The hash keys of a shard never change, so that is proof, however old the map is.
    ///
    /// The engine goes on as with [`ShardPrediction::Off`](crate::ShardPrediction::Off): nothing is aggregated, and one
    /// limiter serves for all shards of the map. They are listed once when the state begins, for the stream may have
    /// been deleted and made anew, and then only when an answer names one that the map does not have. (Whether that
    /// fails [`Engine::listing_error`](crate::Engine::listing_error) says.) The state ends when 64 records in a row that
    /// were sent in it are stored in shards to which they belong.
    Scattered,
    /// There has never been one, and listing the shards fails.
    Unavailable {
        /// What kind of failure the last one was; a permanent one (no permission, say) needs mending.
        class: Class,
        /// Listings that failed.
        failures: u32,
    },
}

impl MapStatus {
    /// Whether a list may come soon.
    pub(crate) const fn is_loading(self) -> bool {
        matches!(self, Self::Loading | Self::Reloading)
    }
}

/// What became of an answer to ListShards.
#[derive(Debug)]
pub(crate) enum Listed {
    /// There is a map that differs from the one before.
    Changed,
    /// The listing failed, and starts again after a wait. The old map goes on serving.
    Failed,
    /// No request was waiting for it: it is late, repeated, or of an unknown name.
    Ignored,
    /// It was one page, and the next one is due.
    More,
    /// The list was complete and says what the map says.
    Unchanged,
}

/// The map of the shards, and what keeps it fresh: one ListShards request at a time, no timer when the map
/// is fresh.
///
/// While a new list is fetched the old map serves. (The KPL has none meanwhile, and sends unaggregated and
/// unlimited just when a stream is resharded.) A failure of any page starts again from the first one.
#[derive(Debug)]
pub(crate) struct Listing {
    map: Option<ShardMap>,
    /// The map before: answers to what was sent by it go on coming for a while.
    previous: Option<ShardMap>,
    /// When the listing that made the map started: the map knows every reshard before.
    map_start: Instant,
    /// Shards of the map that seem to be closed, and the start of the last request that showed it.
    evidence: BTreeMap<ShardId, Instant>,
    /// Where keys do not decide: the last shard that an answer named and that the map may not have, or not as it is;
    /// and the start of the request that named it.
    doubtful: Option<(ShardId, Instant)>,
    step: Step,
    /// No listing starts before, for the last one was complete only a moment ago.
    rested: Instant,
    /// The wait after a failure,
    backoff: Backoff,
    /// and the one after a success, which grows while evidence keeps coming and the list stays the same.
    rest: Backoff,
    /// Most pages that a listing got since the last complete one.
    furthest: u32,
    /// The last error since the last complete list.
    fault: Option<AttemptError>,
    /// Failures since the last complete list.
    failures_in_a_row: u32,
    failures: u64,
    requests: u64,
    request_timeout: Duration,
    random: Random,
}

/// What comes next.
#[derive(Debug)]
enum Step {
    /// The answer to this request for one more page, or its timeout.
    Answer { id: ListingId, timeout: Instant, pages: Pages },
    /// A request at this time: for the next page of these, or for the first one if there are none.
    Request { at: Instant, pages: Option<Pages> },
    /// Nothing: the map is fresh.
    Rest,
}

/// The pages of a list that is not complete yet.
#[derive(Debug)]
struct Pages {
    /// When the first one was asked for.
    start: Instant,
    count: u32,
    shards: Vec<ListedShard>,
    /// Asks for the next page; `None` for the first one.
    token: Option<NextToken>,
}

impl Pages {
    const fn none(start: Instant) -> Self {
        Self { start, count: 0, shards: Vec::new(), token: None }
    }
}

impl Listing {
    /// There is no map, and its first listing is due.
    pub(crate) const fn new(seed: u64, request_timeout: Duration) -> Self {
        Self {
            map: None,
            previous: None,
            map_start: Instant::ZERO,
            evidence: BTreeMap::new(),
            doubtful: None,
            step: Step::Request { at: Instant::ZERO, pages: None },
            rested: Instant::ZERO,
            backoff: Backoff::MIN,
            rest: Backoff::MIN,
            furthest: 0,
            fault: None,
            failures_in_a_row: 0,
            failures: 0,
            requests: 0,
            request_timeout,
            random: Random::new(seed),
        }
    }

    /// The request to send now, if one is due.
    pub(crate) fn take_request(&mut self, now: Instant) -> Option<ListShards> {
        let pages = match mem::replace(&mut self.step, Step::Rest) {
            Step::Request { at, pages } if at <= now => pages,
            other => {
                self.step = other;
                return None;
            }
        };
        let pages = pages.unwrap_or_else(|| Pages::none(now));
        let id = ListingId(self.requests);
        self.requests += 1;
        let next_token = pages.token.clone();
        self.step = Step::Answer { id, timeout: now.after(self.request_timeout), pages };
        Some(ListShards { id, next_token })
    }

    /// Takes the answer to a request.
    pub(crate) fn listed(
        &mut self,
        id: ListingId,
        result: Result<ShardPage, AttemptError>,
        now: Instant,
    ) -> Listed {
        let pages = match mem::replace(&mut self.step, Step::Rest) {
            Step::Answer { id: asked, pages, .. } if asked == id => pages,
            other => {
                self.step = other;
                return Listed::Ignored;
            }
        };
        match result {
            Ok(page) => self.add(page, pages, now),
            Err(error) => self.fail(error, now),
        }
    }

    /// Gives up a request that has been in flight for too long; whether there was one.
    pub(crate) fn elapse(&mut self, now: Instant) -> bool {
        let is_late = matches!(self.step, Step::Answer { timeout, .. } if timeout <= now);
        if is_late {
            self.fail(AttemptError::new(ErrorCode::RequestTimeout), now);
        }
        is_late
    }

    /// Evidence that the map is old: a record that it predicted for one shard went to another.
    ///
    /// `seen_at` is the start of the request that showed it; nothing happens if that was before the
    /// start of the listing that made the map (the KPL asks whether it was after its end, and so misses a
    /// reshard during a listing). Nothing happens either if the map has no such shard (any more): then the
    /// prediction was of an older map. What comes too soon or during a listing is kept until the next one.
    pub(crate) fn invalidate(&mut self, predicted: &ShardId, seen_at: Instant, now: Instant) {
        let Some(map) = &self.map else { return };
        // What was seen in the future would never be answered by a listing.
        let seen_at = seen_at.min(now);
        if seen_at < self.map_start || map.position(predicted).is_none() {
            return;
        }
        match self.evidence.get_mut(predicted) {
            Some(known) => *known = seen_at.max(*known),
            None => {
                self.evidence.insert(predicted.clone(), seen_at);
            }
        }
        self.renew(now);
    }

    /// Evidence where keys do not decide, so that no shard of the map can be said to be closed: an answer has named a
    /// shard that the map does not have, or may have with other hash keys.
    ///
    /// As in [`invalidate`](Self::invalidate), nothing happens if the map was made later than `seen_at`. A list that
    /// says something new of the shard is enough.
    pub(crate) fn doubt(&mut self, shard: &ShardId, seen_at: Instant, now: Instant) {
        let seen_at = seen_at.min(now);
        if seen_at >= self.map_start {
            self.doubtful = Some((shard.clone(), seen_at));
            self.renew(now);
        }
    }

    /// Has the shards listed again, unless they are already.
    fn renew(&mut self, now: Instant) {
        if matches!(self.step, Step::Rest) {
            self.step = Step::Request { at: now.max(self.rested), pages: None };
        }
    }

    /// When there will be a request to take or a timeout to see to; `None` if the map is fresh.
    pub(crate) const fn wake_at(&self) -> Option<Instant> {
        match self.step {
            Step::Answer { timeout: at, .. } | Step::Request { at, .. } => Some(at),
            Step::Rest => None,
        }
    }

    /// The last error since the last complete list.
    pub(crate) const fn fault(&self) -> Option<&AttemptError> {
        self.fault.as_ref()
    }

    /// How many listings have failed.
    pub(crate) const fn failures(&self) -> u64 {
        self.failures
    }

    /// The map, once there is one; the last good one, however old.
    pub(crate) const fn map(&self) -> Option<&ShardMap> {
        self.map.as_ref()
    }

    /// The hash keys of a shard that the map has, or the one before had.
    pub(crate) fn range_of(&self, shard: &ShardId) -> Option<HashKeyRange> {
        let of = |map: &ShardMap| map.range_of(shard);
        self.map.as_ref().and_then(of).or_else(|| self.previous.as_ref().and_then(of))
    }

    /// How many ListShards requests there have been.
    pub(crate) const fn requests(&self) -> u64 {
        self.requests
    }

    /// How it stands with the map.
    pub(crate) const fn status(&self) -> MapStatus {
        let failures = self.failures_in_a_row;
        match (&self.map, &self.fault) {
            (None, None) => MapStatus::Loading,
            (None, Some(error)) => MapStatus::Unavailable { class: error.code.class(), failures },
            (Some(_), Some(error)) => MapStatus::Outdated { class: error.code.class(), failures },
            (Some(_), None) if matches!(self.step, Step::Rest) => MapStatus::Ready,
            (Some(_), None) => MapStatus::Reloading,
        }
    }

    fn add(&mut self, page: ShardPage, mut pages: Pages, now: Instant) -> Listed {
        let ShardPage { next_token, shards } = page;
        pages.count += 1;
        pages.shards.extend(shards);
        if pages.shards.len() > SHARDS_MAX {
            return self.refuse(format_args!("the list has more than {SHARDS_MAX} shards"), now);
        }
        let Some(token) = next_token else {
            return match ShardMap::new(pages.shards) {
                Ok(map) => self.complete(map, pages.start, now),
                Err(fault) => self.refuse(format_args!("{fault}"), now),
            };
        };
        if pages.token.as_ref() == Some(&token) {
            return self.refuse(format_args!("the page names itself as the next one"), now);
        }
        if pages.count >= PAGES_MAX {
            return self.refuse(format_args!("the list has more than {PAGES_MAX} pages"), now);
        }
        // The KPL resets its backoff at every good page, and so repeats a listing that always fails at its
        // second page every second, for ever. Here it takes a page that no listing got before.
        if pages.count > self.furthest {
            self.furthest = pages.count;
            self.backoff = Backoff::MIN;
        }
        let pages = Some(Pages { token: Some(token), ..pages });
        self.step = Step::Request { at: now, pages };
        Listed::More
    }

    fn complete(&mut self, map: ShardMap, start: Instant, now: Instant) -> Listed {
        self.fault = None;
        self.failures_in_a_row = 0;
        self.furthest = 0;
        self.backoff = Backoff::MIN;
        let changed = self.map.as_ref() != Some(&map);
        if changed {
            self.rest = Backoff::MIN;
        }
        self.rested = now.after(self.rest.next(&mut self.random).max(INTERVAL_MIN));
        self.map_start = start;
        self.evidence.retain(|shard, seen_at| *seen_at > start && map.position(shard).is_some());
        let known = self.doubtful.as_ref().and_then(|(shard, _)| self.range_of(shard));
        self.doubtful.take_if(|(shard, seen_at)| *seen_at <= start || map.range_of(shard) != known);
        self.step = if self.evidence.is_empty() && self.doubtful.is_none() {
            Step::Rest
        } else {
            Step::Request { at: self.rested, pages: None }
        };
        if !changed {
            return Listed::Unchanged;
        }
        self.previous = self.map.replace(map);
        Listed::Changed
    }

    /// Takes a list for a failure that the service itself calls a success.
    fn refuse(&mut self, why: fmt::Arguments<'_>, now: Instant) -> Listed {
        let message = Message::new(&format!("{why}"));
        self.fail(AttemptError::with_message(ErrorCode::UnusableAnswer, message), now)
    }

    fn fail(&mut self, error: AttemptError, now: Instant) -> Listed {
        let wait = match error.code.class() {
            Class::Permanent => jittered(PERMANENT_WAIT, &mut self.random),
            _ => self.backoff.next(&mut self.random),
        };
        self.step = Step::Request { at: now.after(wait), pages: None };
        self.fault = Some(error);
        self.failures_in_a_row = self.failures_in_a_row.saturating_add(1);
        self.failures += 1;
        Listed::Failed
    }
}

/// A wait that grows by half each time, up to a bound. Source: KPL, `shard_map.cc`, `update_fail`.
#[derive(Clone, Copy, Debug)]
struct Backoff(Duration);

impl Backoff {
    const MIN: Self = Self(BACKOFF_MIN);

    /// How long to wait this time.
    fn next(&mut self, random: &mut Random) -> Duration {
        let wait = self.0;
        self.0 = (wait + wait / 2).min(BACKOFF_MAX);
        jittered(wait, random)
    }
}

/// From half of `wait` to `wait` ("equal jitter"), so that the producers of a fleet, which all see a reshard
/// or an outage at the same time, do not all ask again at the same time. (The KPL has no jitter.) Full
/// jitter, from nothing to `wait`, would spread them further, but a single producer could then ask again at
/// once, several times in a row.
fn jittered(wait: Duration, random: &mut Random) -> Duration {
    let half = wait / 2;
    let nanos = u64::try_from(half.as_nanos()).unwrap_or(u64::MAX);
    half + Duration::from_nanos(random.below(nanos.saturating_add(1)))
}

#[cfg(test)]
mod tests;
