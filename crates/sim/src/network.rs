mod listing;

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::time::Duration;

use headwaters_engine::wire::{
    AttemptError, Certainty, Class, Entries, Entry, ErrorCode, NextToken, ShardPage, StreamName,
};
use headwaters_engine::{Batch, BatchId, Config, Instant, ListingId, PutRecordsResult, Sent};
use headwaters_model::{EntryFault, EntryFaults, ListFault, RequestFault};

use crate::faults::{Faults, Outage};
use crate::plan::Plan;
use crate::poison::Poison;
use crate::report::Traffic;
use crate::rng::{Chance, Rng, millis};
use crate::service::Service;

/// The way between an engine and the service: slow, and not to be trusted.
#[derive(Debug)]
pub(crate) struct Network {
    faults: Faults,
    latency: (Duration, Duration),
    late: Duration,
    list_page: usize,
    map_denied: bool,
    name: StreamName,
    poison: Poison,
    rng: Rng,
    happenings: BTreeMap<(Instant, u64), Happening>,
    /// What went wrong since somebody looked, and with which request.
    pub(crate) faults_seen: Vec<(&'static str, BatchId)>,
    /// Whether new credentials are on their way, for the end of an outage.
    is_renewed: bool,
    next: u64,
    /// Requests that a cancel can still reach.
    travels: BTreeMap<BatchId, Travel>,
    /// What of it reached the service, by the second of the world.
    pub(crate) traffic: BTreeMap<u64, Traffic>,
    /// Entries in requests that were stored while their answers were lost, counted for each request.
    pub(crate) lost_answers: u64,
}

#[derive(Debug)]
enum Happening {
    Answer { batch: BatchId, result: PutRecordsResult },
    Arrive { batch: BatchId, entries: Entries, back: Duration, fate: Fate },
    Cancelled { batch: BatchId, sent: Sent },
    ListAnswer { request: ListingId, result: Result<ShardPage, AttemptError> },
    ListArrive { request: ListingId, from: Option<NextToken>, fault: Option<ListFault> },
    Ready,
}

#[derive(Debug)]
struct Travel {
    arrival: Option<(Instant, u64)>,
    answer: Option<(Instant, u64)>,
    silent: bool,
}

/// What becomes of a request that reaches the service.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Fate {
    BlackHole,
    Credentials,
    Fail,
    FailStored,
    Garble,
    LoseAnswer,
    Normal,
    Refuse,
    Repeat,
    WrongCount,
}

impl Fate {
    /// What went wrong, in the words of a plan; `None` if nothing did.
    const fn name(self) -> Option<&'static str> {
        Some(match self {
            Self::BlackHole => "black-hole",
            Self::Credentials => "credentials",
            Self::Fail => "request-failure",
            Self::FailStored => "request-failure-stored",
            Self::Garble => "garbled-answer",
            Self::LoseAnswer => "lost-answer",
            Self::Normal => return None,
            Self::Refuse => "request-refused",
            Self::Repeat => "repeated-answer",
            Self::WrongCount => "wrong-count",
        })
    }
}

/// What the engine is told.
#[derive(Debug)]
pub(crate) enum News {
    Answer { batch: BatchId, result: PutRecordsResult },
    Cancelled { batch: BatchId, sent: Sent },
    Listed { request: ListingId, result: Result<ShardPage, AttemptError> },
    Ready,
}

/// A whole-request error of this kind.
fn fault(rng: &mut Rng, is_right: impl Fn(&ErrorCode) -> bool) -> RequestFault {
    let right = RequestFault::ALL.iter().filter(|fault| is_right(&fault.code()));
    rng.pick(&right.copied().collect::<Vec<_>>())
}

/// Whether a later attempt may be spared.
const fn is_passing(code: &ErrorCode) -> bool {
    matches!(code.class(), Class::Throttled | Class::Transient)
}

/// Longest time until the transport has new credentials.
const RENEWAL: Duration = millis(1_500);

impl Network {
    pub(crate) fn new(plan: &Plan, seed: u64, config: &Config, name: StreamName) -> Self {
        let (shortest, longest) = plan.latency_ms;
        Self {
            faults: plan.faults,
            latency: (millis(shortest), millis(longest)),
            late: config.request_timeout() * 2,
            list_page: usize::try_from(plan.list_page).unwrap_or(usize::MAX),
            map_denied: plan.map_denied,
            name,
            poison: Poison::new(plan.seed),
            rng: Rng::new(seed, "network"),
            happenings: BTreeMap::new(),
            faults_seen: Vec::new(),
            is_renewed: false,
            next: 0,
            travels: BTreeMap::new(),
            traffic: BTreeMap::new(),
            lost_answers: 0,
        }
    }

    /// Takes a request on its way.
    pub(crate) fn send(&mut self, Batch { id: batch, entries, .. }: Batch, now: Instant) {
        let (there, back) = (self.half_trip(), self.half_trip());
        let faults = self.faults;
        let silent = self.rng.happens(faults.silent_cancel);
        let mut travel = Travel { arrival: None, answer: None, silent };
        if self.is_out(now) {
            self.faults_seen.push(("outage", batch));
            let error = match faults.outage {
                Outage::Credentials => Some(ErrorCode::ExpiredTokenException),
                Outage::KmsThrottled => Some(ErrorCode::KMSThrottlingException),
                Outage::Lost => Some(ErrorCode::ConnectionLost),
                Outage::Refused => Some(ErrorCode::ServiceUnavailable),
                Outage::Silent => None,
            };
            travel.answer = error.map(|code| {
                let result = Err(AttemptError::new(code));
                self.at(now.after(there + back), Happening::Answer { batch, result })
            });
        } else if self.rng.happens(faults.connect_failed) {
            self.faults_seen.push(("connect-failed", batch));
            let result = Err(AttemptError::new(ErrorCode::ConnectFailed));
            travel.answer = Some(self.at(now.after(there), Happening::Answer { batch, result }));
        } else if self.rng.happens(faults.lost_request) {
            self.faults_seen.push(("lost-request", batch));
            let result = Err(AttemptError::new(ErrorCode::ConnectionLost));
            let at = now.after(there + back);
            travel.answer = Some(self.at(at, Happening::Answer { batch, result }));
        } else {
            let fate = self.fate();
            travel.silent |= fate == Fate::BlackHole;
            let late = self.rng.happens(faults.late_answer);
            self.faults_seen.extend(late.then_some(("late-answer", batch)));
            self.faults_seen.extend(fate.name().map(|name| (name, batch)));
            let back = if late { back + self.late } else { back };
            let arrive = Happening::Arrive { batch, entries, back, fate };
            travel.arrival = Some(self.at(now.after(there), arrive));
        }
        self.travels.insert(batch, travel);
    }

    /// Whether a request that leaves now meets the outage.
    fn is_out(&mut self, now: Instant) -> bool {
        let Faults { outage, outage_ms: (from, to), outage_spares, .. } = self.faults;
        if !(millis(from)..millis(to)).contains(&now.since(Instant::ZERO)) {
            return false;
        }
        if outage == Outage::Credentials && !self.is_renewed {
            self.is_renewed = true;
            self.at(Instant::ZERO.after(millis(to)), Happening::Ready);
        }
        outage_spares == Chance::NEVER || !self.rng.happens(outage_spares)
    }

    fn fate(&mut self) -> Fate {
        let faults = self.faults;
        let fates = [
            (faults.black_hole, Fate::BlackHole),
            (faults.credentials, Fate::Credentials),
            (faults.request_failure, Fate::Fail),
            (faults.request_failure_stored, Fate::FailStored),
            (faults.garbled_answer, Fate::Garble),
            (faults.lost_answer, Fate::LoseAnswer),
            (faults.request_refused, Fate::Refuse),
            (faults.repeated_answer, Fate::Repeat),
            (faults.wrong_count, Fate::WrongCount),
        ];
        let drawn = fates.into_iter().find(|&(chance, _)| self.rng.happens(chance));
        drawn.map_or(Fate::Normal, |(_, fate)| fate)
    }

    /// The engine gives a request up: sometimes it can be held back, mostly nobody knows.
    pub(crate) fn cancel(&mut self, batch: BatchId, now: Instant) {
        let Some(travel) = self.travels.get(&batch) else { return };
        if travel.silent {
            return;
        }
        let (arrival, answer) = (travel.arrival, travel.answer);
        let held_back = arrival.filter(|_| self.coin());
        let forgotten = answer.filter(|_| self.coin());
        for key in held_back.into_iter().chain(forgotten) {
            self.happenings.remove(&key);
        }
        let sent = if held_back.is_some() { Sent::No } else { Sent::Unknown };
        let at = now.after(self.half_trip());
        self.at(at, Happening::Cancelled { batch, sent });
    }

    /// From now on nothing goes wrong, and answers come in time.
    pub(crate) fn heal(&mut self) {
        self.faults = Faults::default();
        // `late` is twice the timeout.
        self.latency.1 = self.latency.1.min(self.late / 4);
    }

    /// When something happens next.
    pub(crate) fn next_at(&self) -> Option<Instant> {
        self.happenings.first_key_value().map(|(&(at, _), _)| at)
    }

    /// The next thing that happens at `now`; `None` if there is none, or none for the engine.
    pub(crate) fn take(&mut self, now: Instant, service: &mut Service) -> Option<News> {
        let entry = self.happenings.first_entry().filter(|entry| entry.key().0 <= now)?;
        match entry.remove() {
            Happening::Answer { batch, result } => {
                self.travels.remove(&batch);
                Some(News::Answer { batch, result })
            }
            Happening::Cancelled { batch, sent } => Some(News::Cancelled { batch, sent }),
            Happening::Arrive { batch, entries, back, fate } => {
                self.arrive((batch, &entries), back, fate, service, now);
                None
            }
            Happening::ListAnswer { request, result } => Some(News::Listed { request, result }),
            Happening::ListArrive { request, from, fault } => {
                self.list_arrive(request, from, fault, service, now);
                None
            }
            Happening::Ready => Some(News::Ready),
        }
    }

    fn arrive(
        &mut self,
        (batch, entries): (BatchId, &[Entry]),
        back: Duration,
        fate: Fate,
        service: &mut Service,
        now: Instant,
    ) {
        let back = back + service.slowness(entries, now);
        let result = match fate {
            Fate::Credentials => {
                self.refuse(service, |code| code.class() == Class::Credentials, now)
            }
            Fate::Fail => self.refuse(service, is_passing, now),
            Fate::Refuse => self.refuse(
                service,
                |code| matches!(code.class(), Class::Permanent | Class::TooLarge),
                now,
            ),
            _ if self.poison.is_in(entries, self.faults.poison) => {
                self.faults_seen.push(("poison", batch));
                let refusal = RequestFault::ValidationException;
                Err(service.stream.refuse(refusal, now.since(Instant::ZERO)))
            }
            _ => {
                let faults = self.entry_faults(entries, service);
                let since = now.since(Instant::ZERO);
                service.stream.put_records(&self.name, entries, &faults, since)
            }
        };
        self.count(entries, &result, now);
        let result = match (fate, result) {
            (Fate::BlackHole, _) => {
                self.travels.remove(&batch);
                return;
            }
            (Fate::FailStored | Fate::Garble | Fate::LoseAnswer, result) => {
                let stored = result.iter().flatten().filter(|entry| entry.is_ok()).count();
                self.lost_answers += stored as u64;
                Err(match fate {
                    Fate::FailStored => {
                        let is_open = |code: &ErrorCode| {
                            is_passing(code) && code.certainty() == Certainty::MaybeStored
                        };
                        fault(&mut self.rng, is_open).error(&self.name)
                    }
                    Fate::Garble => AttemptError::new(ErrorCode::UnusableAnswer),
                    _ => AttemptError::new(ErrorCode::ConnectionLost),
                })
            }
            (Fate::WrongCount, Ok(mut results)) => {
                match self.rng.range(0, 3) {
                    0 => results.clear(),
                    1 => results.extend(results.clone()),
                    2 => results.extend(results.last().cloned()),
                    _ => results.truncate(results.len() - 1),
                }
                Ok(results)
            }
            (_, result) => result,
        };
        if fate == Fate::Repeat {
            let again = now.after(back + self.half_trip());
            self.at(again, Happening::Answer { batch, result: result.clone() });
        }
        if matches!(&result, Err(error) if error.code.class() == Class::Credentials)
            && self.rng.happens(self.faults.transport_ready)
        {
            let at = self.rng.time_after(now.after(back), RENEWAL);
            self.at(at, Happening::Ready);
        }
        let answer = self.at(now.after(back), Happening::Answer { batch, result });
        if let Some(travel) = self.travels.get_mut(&batch) {
            (travel.arrival, travel.answer) = (None, Some(answer));
        }
    }

    /// Counts what the service did with these entries.
    fn count(&mut self, entries: &[Entry], result: &PutRecordsResult, now: Instant) {
        let Ok(results) = result else { return };
        let traffic = self.traffic.entry(now.since(Instant::ZERO).as_secs()).or_default();
        for (entry, result) in entries.iter().zip(results) {
            match result {
                Ok(_) => {
                    traffic.stored += 1;
                    traffic.stored_bytes += entry.size() as u64;
                }
                Err(error) if error.code.class() == Class::Throttled => {
                    traffic.throttled += 1;
                    traffic.throttled_bytes += entry.size() as u64;
                }
                Err(_) => {}
            }
        }
    }

    fn refuse(
        &mut self,
        service: &mut Service,
        is_right: impl Fn(&ErrorCode) -> bool,
        now: Instant,
    ) -> PutRecordsResult {
        let fault = fault(&mut self.rng, is_right);
        Err(service.stream.refuse(fault, now.since(Instant::ZERO)))
    }

    fn entry_faults(&mut self, entries: &[Entry], service: &Service) -> EntryFaults {
        let Faults { dead_shards, entry_failure, entry_failure_stored, .. } = self.faults;
        let drawn = (entry_failure, entry_failure_stored) != (Chance::NEVER, Chance::NEVER);
        if !drawn && dead_shards == 0 {
            return EntryFaults::default();
        }
        let mut draw = |index: usize| {
            if service.number_of(&entries[index]) < u64::from(dead_shards) {
                return Some((index, EntryFault::Throttled));
            }
            if !drawn {
                return None;
            }
            if self.rng.happens(entry_failure) {
                return Some((index, EntryFault::InternalFailure { stored: false }));
            }
            let stored = self.rng.happens(entry_failure_stored);
            stored.then_some((index, EntryFault::InternalFailure { stored: true }))
        };
        (0..entries.len()).filter_map(&mut draw).collect()
    }

    fn half_trip(&mut self) -> Duration {
        let nanos = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX) / 2;
        Duration::from_nanos(self.rng.range(nanos(self.latency.0), nanos(self.latency.1)))
    }

    fn coin(&mut self) -> bool {
        self.rng.range(0, 1) == 0
    }

    fn at(&mut self, at: Instant, happening: Happening) -> (Instant, u64) {
        let key = (at, self.next);
        self.next += 1;
        self.happenings.insert(key, happening);
        key
    }
}
