use alloc::collections::VecDeque;
use core::time::Duration;
use std::sync::{Mutex, MutexGuard, PoisonError};

use headwaters_model::{EntryFaults, ListFault, ListRequest, Stored, Stream};
use headwaters_transport::{Instant, ListShards, ListShardsResult, PutRecords, PutRecordsResult};
use headwaters_wire::{AttemptError, Entry, ErrorCode};

use crate::user_records::user_records;
use crate::{Fault, ShardReport};

/// What chooses the fault of the request with this number.
pub(crate) type OnRequest = Box<dyn FnMut(u64, &[Entry]) -> Fault + Send>;

/// The far end of a mock: the stream, and the faults that were ordered.
///
/// It has the only locks of the crate, and no method that waits, so that none is held across an
/// await. Where both are taken, `on_request` comes first; `state` is free while the callback runs,
/// which may therefore look at the mock.
pub(crate) struct Service {
    on_request: Mutex<OnRequest>,
    /// How many shards a page of a listing has at most.
    page_size: usize,
    state: Mutex<State>,
}

struct State {
    /// The numbers of the requests that reached the stream, in its order.
    arrived: Vec<u64>,
    /// What goes wrong with each listing.
    list_fault: Option<ListFault>,
    /// How many ListShards requests were sent.
    listings: u64,
    /// How many requests were sent; it is the number of the next one.
    requests: u64,
    script: VecDeque<Fault>,
    stream: Stream,
}

/// How much there is of everything.
pub(crate) struct Counts {
    pub(crate) listings: u64,
    pub(crate) records: usize,
    pub(crate) requests: u64,
    pub(crate) scripted: usize,
}

impl Service {
    pub(crate) fn new(stream: Stream, page_size: usize) -> Self {
        Self {
            on_request: Mutex::new(Box::new(|_, _| Fault::None)),
            page_size,
            state: Mutex::new(State {
                arrived: Vec::new(),
                list_fault: None,
                listings: 0,
                requests: 0,
                script: VecDeque::new(),
                stream,
            }),
        }
    }

    pub(crate) fn script(&self, faults: impl IntoIterator<Item = Fault>) {
        // Collected before the lock: the iterator is the caller's and may look at the mock.
        let faults: Vec<Fault> = faults.into_iter().collect();
        lock(&self.state).script.extend(faults);
    }

    pub(crate) fn on_request(&self, choose: OnRequest) {
        *lock(&self.on_request) = choose;
    }

    /// Counts a request that is sent now, and says what goes wrong with it.
    pub(crate) fn begin(&self, entries: &[Entry]) -> (u64, Fault) {
        // Held over both steps, so that the callback is asked in the order of the numbers.
        let mut on_request = lock(&self.on_request);
        let (number, scripted) = lock(&self.state).next_request();
        (number, scripted.unwrap_or_else(|| on_request(number, entries)))
    }

    /// What the service does at `now` with the request, and what the caller will get.
    pub(crate) fn answer(
        &self,
        number: u64,
        fault: &Fault,
        request: &PutRecords,
        now: Instant,
    ) -> PutRecordsResult {
        let put = |faults| lock(&self.state).put_records(number, request, faults, now);
        match fault {
            Fault::DelayAnswer(_) | Fault::NeverAnswer | Fault::None => {
                put(&EntryFaults::default())
            }
            Fault::FailEntries(faults) => put(faults),
            Fault::FailRequest(error) => Err(error.clone()),
            Fault::LoseAnswer => {
                // Whatever the answer is, a refusal too: nobody learns it.
                drop(put(&EntryFaults::default()));
                Err(AttemptError::new(ErrorCode::ConnectionLost))
            }
            Fault::LoseRequest => Err(AttemptError::new(ErrorCode::ConnectionLost)),
            Fault::RefuseConnection => Err(AttemptError::new(ErrorCode::ConnectFailed)),
            Fault::WrongCount(count) => {
                let mut results = put(&EntryFaults::default())?;
                if let Some(last) = results.last().cloned() {
                    results.resize(*count, last);
                }
                Ok(results)
            }
        }
    }

    pub(crate) fn fail_listings(&self, fault: Option<ListFault>) {
        lock(&self.state).list_fault = fault;
    }

    /// Counts a listing that is sent now.
    pub(crate) fn begin_listing(&self) {
        lock(&self.state).listings += 1;
    }

    /// What the service answers to a listing that reaches it at `now`.
    pub(crate) fn list_shards(&self, request: &ListShards, now: Instant) -> ListShardsResult {
        let ListShards { next_token, stream, .. } = request.clone();
        let request = match next_token {
            Some(token) => ListRequest::next(token),
            None => ListRequest::first(stream),
        };
        let request = request.max_results(self.page_size);
        let fault = lock(&self.state).list_fault;
        self.with_stream(now, |stream, now| stream.list_shards(&request, fault, now))
    }

    /// Does something with the stream, in its own time.
    pub(crate) fn with_stream<R>(
        &self,
        now: Instant,
        command: impl FnOnce(&mut Stream, Duration) -> R,
    ) -> R {
        command(&mut lock(&self.state).stream, now.since(Instant::ZERO))
    }

    pub(crate) fn records(&self) -> Vec<Stored> {
        let state = lock(&self.state);
        state.stream.ledger().iter().map(|stored| state.numbered(stored)).collect()
    }

    pub(crate) fn user_records(&self) -> Vec<Stored> {
        let state = lock(&self.state);
        let read = |stored: &Stored| {
            let shard = state.stream.shard(&stored.placement.shard);
            let range = shard.expect("it stored the record").range();
            user_records(state.numbered(stored), range)
        };
        state.stream.ledger().iter().flat_map(read).collect()
    }

    pub(crate) fn shards(&self, now: Instant) -> Vec<ShardReport> {
        self.with_stream(now, |stream, now| {
            stream.advance(now);
            stream.shards().iter().map(ShardReport::of).collect()
        })
    }

    pub(crate) fn counts(&self) -> Counts {
        let state = lock(&self.state);
        Counts {
            listings: state.listings,
            records: state.stream.ledger().len(),
            requests: state.requests,
            scripted: state.script.len(),
        }
    }
}

impl State {
    fn next_request(&mut self) -> (u64, Option<Fault>) {
        let number = self.requests;
        self.requests += 1;
        (number, self.script.pop_front())
    }

    fn put_records(
        &mut self,
        number: u64,
        request: &PutRecords,
        faults: &EntryFaults,
        now: Instant,
    ) -> PutRecordsResult {
        self.arrived.push(number);
        let now = now.since(Instant::ZERO);
        self.stream.put_records(&request.stream, &request.entries, faults, now)
    }

    /// A record of the ledger under the number of its request here: the stream counts only what
    /// reaches it.
    fn numbered(&self, stored: &Stored) -> Stored {
        let mut stored = stored.clone();
        let arrival = usize::try_from(stored.request).expect("as many as `arrived` has");
        stored.request = self.arrived[arrival];
        stored
    }
}

/// Takes a lock whether or not it is poisoned: a callback that panics has failed its own test, and
/// must not fail whatever else uses the mock.
fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{StandingClock, TestClock, builder, entry, ready, request, request_to};
    use crate::{EntryFault, Mock};
    use core::time::Duration;
    use headwaters_transport::{Clock, Transport};
    use std::sync::Arc;

    /// An error by which a test knows again which fault a request got.
    fn fail(number: u64) -> Fault {
        Fault::FailRequest(AttemptError::new(ErrorCode::Other(number.to_string().into())))
    }

    /// Sends a request and returns the number in its error; `None` if it was answered.
    async fn failure<C: Clock>(mock: &Mock<C>) -> Option<u64> {
        let error = mock.put_records(request(vec![entry("k", "v")])).await.err()?;
        Some(error.code.as_str().parse().expect("an error of the test"))
    }

    #[tokio::test(start_paused = true)]
    async fn concurrent_requests_get_the_script_in_the_order_of_sending() {
        let clock = TestClock::start();
        let mock = builder(1).latency(Duration::from_secs(1)).build(clock);
        mock.script((0..2).map(fail));
        mock.script([fail(2)]);
        // They are answered in another order than they are sent in.
        mock.script([Fault::DelayAnswer(Duration::from_secs(9))]);
        let later = async {
            clock.advance(Duration::from_millis(300)).await;
            failure(&mock).await
        };
        let answers =
            tokio::join!(failure(&mock), failure(&mock), later, failure(&mock), failure(&mock));
        assert_eq!(answers, (Some(0), Some(1), None, Some(2), None));
        assert_eq!(clock.elapsed(), Duration::from_secs(10), "all were under way together");
        let numbers: Vec<u64> = mock.records().iter().map(|stored| stored.request).collect();
        assert_eq!(numbers, [3, 4], "the one of `later` came last, and without a script");
    }

    #[test]
    fn the_callback_is_asked_when_the_script_has_run_out() {
        let mock = builder(1).build(StandingClock);
        mock.script([Fault::LoseRequest, Fault::None]);
        mock.on_request(|number, entries| {
            assert_eq!(entries, [entry("k", "v")]);
            fail(number)
        });
        let put = || ready(mock.put_records(request(vec![entry("k", "v")])));
        let code = |number: &str| Err(ErrorCode::Other(number.into()));
        let answers: Vec<_> =
            (0..4).map(|_| put().map(|results| results.len()).map_err(|e| e.code)).collect();
        assert_eq!(answers, [Err(ErrorCode::ConnectionLost), Ok(1), code("2"), code("3")]);

        mock.script([Fault::None]);
        assert!(put().is_ok(), "a script that is added later comes before the callback");
        mock.on_request(|_, _| Fault::None);
        assert!(put().is_ok(), "the later callback replaces the earlier one");
    }

    #[test]
    fn the_callback_may_look_at_the_mock_and_write_the_script() {
        let mock = builder(1).build(StandingClock);
        let inner = mock.clone();
        mock.on_request(move |number, _| {
            assert_eq!(inner.requests(), number + 1);
            assert_eq!(inner.records().len() as u64, inner.shards()[0].records);
            inner.script([fail(7)]);
            Fault::None
        });
        let answers = [(); 4].map(|()| ready(failure(&mock)));
        assert_eq!(answers, [None, Some(7), None, Some(7)]);
    }

    #[test]
    fn a_callback_that_panics_spoils_nothing_else() {
        let mock = builder(1).build(StandingClock);
        mock.on_request(|number, _| if number == 0 { panic!("on purpose") } else { Fault::None });
        let other = mock.clone();
        let thread = std::thread::spawn(move || ready(failure(&other)));
        assert!(thread.join().is_err(), "the panic is the one request's");
        assert_eq!(ready(failure(&mock)), None);
        assert_eq!((mock.records().len(), mock.requests()), (1, 2));
        assert_eq!(mock.records()[0].request, 1);
    }

    /// A lock that was poisoned while it was held serves on.
    #[test]
    fn a_poisoned_lock_is_used_all_the_same() {
        let mutex = Arc::new(Mutex::new(1));
        let other = Arc::clone(&mutex);
        let thread = std::thread::spawn(move || {
            *lock(&other) = 2;
            let _held = lock(&other);
            panic!("on purpose");
        });
        assert!(thread.join().is_err());
        assert!(mutex.is_poisoned());
        assert_eq!(*lock(&mutex), 2);
    }

    #[test]
    fn threads_share_the_script_and_the_numbers() {
        const THREADS: u64 = 4;
        const EACH: u64 = 200;
        let mock = builder(1).unlimited().build(StandingClock);
        mock.script((0..THREADS * EACH / 2).map(fail));
        let asked = Arc::new(Mutex::new(Vec::new()));
        let numbers = Arc::clone(&asked);
        mock.on_request(move |number, _| {
            lock(&numbers).push(number);
            Fault::None
        });
        let mut failures: Vec<u64> = std::thread::scope(|scope| {
            let send = || (0..EACH).filter_map(|_| ready(failure(&mock))).collect::<Vec<_>>();
            let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(send)).collect();
            let join = |thread: std::thread::ScopedJoinHandle<'_, _>| thread.join();
            threads.into_iter().flat_map(|thread| join(thread).expect("no panic")).collect()
        });
        failures.sort_unstable();
        assert!(failures.into_iter().eq(0..THREADS * EACH / 2), "each fault hits one request");
        let asked = lock(&asked);
        assert!(asked.iter().copied().eq(THREADS * EACH / 2..THREADS * EACH), "in order");
        let mut stored: Vec<u64> = mock.records().iter().map(|stored| stored.request).collect();
        stored.sort_unstable();
        assert_eq!(stored, *asked);
    }

    #[test]
    fn records_bear_the_number_that_the_callback_saw() {
        let mock = builder(1).build(StandingClock);
        let hidden = EntryFaults::from_iter([(0, EntryFault::InternalFailure { stored: true })]);
        mock.on_request(move |number, _| match number {
            0 => Fault::RefuseConnection,
            2 => Fault::LoseRequest,
            4 => fail(4),
            5 => Fault::FailEntries(hidden.clone()),
            _ => Fault::None,
        });
        for number in 0..7 {
            let stream = if number == 3 { "other" } else { "orders" };
            let _ = ready(mock.put_records(request_to(stream, vec![entry("k", "v")])));
        }
        let numbers: Vec<u64> = mock.records().iter().map(|stored| stored.request).collect();
        assert_eq!(numbers, [1, 5, 6]);
        assert_eq!(mock.requests(), 7);
    }

    #[test]
    fn a_refusal_is_lost_like_any_other_answer() {
        let mock = builder(1).build(StandingClock);
        mock.script([Fault::LoseAnswer]);
        let lost = ready(mock.put_records(request_to("other", vec![entry("k", "v")])));
        assert_eq!(lost, Err(AttemptError::new(ErrorCode::ConnectionLost)));
        assert!(mock.records().is_empty());
    }
}
