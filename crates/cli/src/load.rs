use core::cell::Cell;
use core::convert::Infallible;
use core::pin::pin;
use core::time::Duration;

use headwaters::{Clock, EngineStats, Instant, Producer, Refused, RefusedReason, TokioClock};
use indicatif::HumanCount;
use tokio::sync::Semaphore;
use tokio::sync::mpsc::{self, Receiver, UnboundedSender};

use crate::complaints::Complaints;
use crate::console::Console;
use crate::dashboard::Dashboard;
use crate::hints::Hinted;
use crate::input::{BadInput, Batch, End, Files, Item, Kept, Position, ReadError, Rule};
use crate::pace::Pace;
use crate::progress::{Far, Progress};
use crate::readback::Digest;
use crate::resume::Resume;
use crate::settle::{Pending, Settler, WAITING_BYTES, room};
use crate::stop::{Reason, Signal, Signals, Stop};
use crate::tally::{SharedTally, Tally, count};
use crate::target::Target;

/// One run: records go from the reader into the producer, and their outcomes to the settler.
///
/// ```text
/// reader (thread) -> put_all -> producer
///                       |          |
///                       v          v
///                    pending -> settler -> acks, failed, counts
/// ```
pub(crate) struct Load<'a> {
    /// How much may be held for delivery.
    pub(crate) bytes_max: u64,
    pub(crate) clock: TokioClock,
    pub(crate) complaints: Complaints<'a>,
    pub(crate) console: &'a Console,
    pub(crate) dashboard: Option<Dashboard>,
    pub(crate) deadline: Option<Deadline>,
    pub(crate) files: Files,
    /// How fast the input is read, if that is bounded.
    pub(crate) pace: Cell<Option<Pace>>,
    pub(crate) producer: Producer,
    /// Where it is noted what is stored, for a load that goes on where this one stops.
    pub(crate) resume: Option<Resume>,
    /// How much more may wait for its outcome.
    pub(crate) room: Semaphore,
    pub(crate) start: Instant,
    pub(crate) stop: Stop,
    pub(crate) target: Target,
    pub(crate) tally: SharedTally,
    /// Why the input was not read to its end, if a file was the reason.
    pub(crate) failure: Cell<Option<Failure>>,
    /// Where the first record begins that was not put; `None` if there is none.
    unread: Cell<Option<Position>>,
}

/// Why a file was not read to its end.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Failure {
    /// The system could not.
    Io,
    /// The thread that reads is gone.
    Reader,
    /// The command line does not fit the file.
    Usage,
}

/// The points of time that a deadline sets.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Deadline {
    /// No more is read.
    pub(crate) read_by: Instant,
    /// What has no outcome is handed back.
    pub(crate) close_by: Instant,
    /// The command ends.
    pub(crate) end: Instant,
}

/// How much of a deadline is kept for delivering what was read: a fifth,
const MARGIN_SHARE: u32 = 5;
/// and no more than this.
const MARGIN_MAX: Duration = Duration::from_secs(5);
/// How much of that margin is kept for the reports.
const REPORT_SHARE: u32 = 2;

/// How long a close may take after a signal.
pub(crate) const SIGNAL_GRACE: Duration = Duration::from_secs(30);

/// How long the reports may take after that.
const REPORT_GRACE: Duration = Duration::from_secs(5);

/// A second signal: nothing was waited for.
pub(crate) struct Abandoned(pub(crate) Signal);

impl Deadline {
    pub(crate) fn new(start: Instant, duration: Duration) -> Self {
        let margin = (duration / MARGIN_SHARE).min(MARGIN_MAX);
        Self {
            read_by: start.after(duration.saturating_sub(margin)),
            close_by: start.after(duration.saturating_sub(margin / REPORT_SHARE)),
            end: start.after(duration),
        }
    }
}

impl<'a> Load<'a> {
    pub(crate) fn new(
        clock: TokioClock,
        console: &'a Console,
        files: Files,
        target: Target,
        producer: Producer,
    ) -> Self {
        Self {
            bytes_max: 0,
            clock,
            complaints: Complaints::new(console, files.clone()),
            console,
            dashboard: None,
            deadline: None,
            failure: Cell::new(None),
            files,
            pace: Cell::new(None),
            producer,
            resume: None,
            room: Semaphore::new(WAITING_BYTES),
            // The clock was made when the command began.
            start: Instant::ZERO,
            stop: Stop::default(),
            target,
            tally: Cell::new(Tally::default()),
            unread: Cell::new(Some(Position::start_of(0))),
        }
    }

    /// Puts everything, and ends when every record has its outcome and every report is written; or
    /// when the time is up.
    ///
    /// # Errors
    /// [`Abandoned`] when a second signal came.
    pub(crate) async fn run(
        &self,
        batches: Receiver<Batch>,
        settler: &mut Settler<'_>,
        signals: &mut Signals,
        progress: &Progress,
    ) -> Result<(), Abandoned> {
        let (sender, pending) = mpsc::unbounded_channel();
        let put = async {
            self.put_all(batches, sender).await;
            self.close().await;
        };
        let deliver = async { tokio::join!(put, settler.run(pending)) };
        tokio::select! {
            biased;
            signal = self.second_signal(signals) => Err(Abandoned(signal)),
            ((), ()) = deliver => Ok(()),
            () = self.overtime() => Ok(()),
            never = self.stop_in_time() => match never {},
            never = self.tell_of_outages() => match never {},
            never = self.keep_state() => match never {},
            never = self.show(progress) => match never {},
        }
    }

    /// Shows how it goes, in whatever way is wanted.
    async fn show(&self, progress: &Progress) -> Infallible {
        match &self.dashboard {
            Some(dashboard) => dashboard.run(self).await,
            None => progress.run(self.clock, self.console, || self.far()).await,
        }
    }

    /// Writes down what is stored, again and again.
    async fn keep_state(&self) -> Infallible {
        match &self.resume {
            Some(resume) => resume.keep(self.clock, self.console, || self.on_the_way()).await,
            None => core::future::pending().await,
        }
    }

    /// How many records were taken on and are not settled.
    pub(crate) fn on_the_way(&self) -> u64 {
        let tally = self.tally.get();
        tally.input - tally.settled()
    }

    /// Whether nothing of the input is left to be read.
    pub(crate) fn all_read(&self) -> bool {
        self.failure.get().is_none() && self.unread().is_none()
    }

    /// Says that requests fail one after the other, and that they no longer do: a command that waits must say for what.
    async fn tell_of_outages(&self) -> Infallible {
        loop {
            if let Some(failure) = self.target.requests(true).await {
                let failure = Hinted(&failure);
                self.console.notice(format_args!(
                    "requests fail, and are sent again until --ttl or --deadline ends it: {failure}"
                ));
            }
            self.target.requests(false).await;
            self.console.notice("requests are answered again");
        }
    }

    /// Puts the records as they come, until the input ends or it is ordered to stop.
    async fn put_all(&self, mut batches: Receiver<Batch>, pending: UnboundedSender<Pending>) {
        let mut stopped = pin!(self.stop.ordered());
        loop {
            let batch = tokio::select! {
                biased;
                () = &mut stopped => return,
                batch = batches.recv() => batch,
            };
            let Some(Batch { end, items, next, skipped }) = batch else {
                self.failure.set(Some(Failure::Reader));
                return self.console.error("the thread that reads the input is gone");
            };
            count(&self.tally, |tally| tally.skipped = skipped);
            for item in items {
                self.unread.set(Some(item.position));
                let taken = tokio::select! {
                    biased;
                    () = &mut stopped => return,
                    taken = self.take(item, &pending) => taken,
                };
                if let Err(Closed) = taken {
                    return;
                }
            }
            self.unread.set(Some(next));
            match end {
                Some(End::Complete) => return self.unread.set(None),
                Some(End::Failed(error)) => return self.fail(next, &error),
                None => {}
            }
        }
    }

    /// Puts one record, and passes on who will know its outcome.
    async fn take(&self, item: Item, pending: &UnboundedSender<Pending>) -> Result<(), Closed> {
        let position = item.position;
        let next = match item.content {
            Ok(record) => {
                let size = record.size();
                let digest = self.target.has_content().then(|| Digest::of(&record));
                self.keep_pace(size as u64).await;
                self.take_room(size).await;
                if let Some(dashboard) = &self.dashboard {
                    dashboard.count(record.partition_key());
                }
                match self.producer.put(record).await {
                    Ok(ticket) => {
                        count(&self.tally, |tally| tally.input_bytes += size as u64);
                        Pending::Put { digest, position, size, ticket }
                    }
                    Err(refused) => Pending::Rejected { bad: bad(refused)?, position },
                }
            }
            Err(bad) => {
                self.keep_pace(bad.length).await;
                self.take_room(bad.size()).await;
                Pending::Rejected { bad, position }
            }
        };
        count(&self.tally, |tally| tally.input += 1);
        if let Pending::Rejected { bad, position } = &next {
            self.complaints.add(*position, &bad.rule);
        }
        pending.send(next).map_err(|_| Closed)
    }

    /// Waits until a record of this many bytes may follow the others.
    async fn keep_pace(&self, bytes: u64) {
        let Some(mut pace) = self.pace.get() else { return };
        let now = self.clock.now();
        let due = pace.take(bytes, now);
        self.pace.set(Some(pace));
        if due > now {
            self.clock.sleep_until(due).await;
        }
    }

    /// Waits until the record may wait for its outcome; the settler gives the room back.
    async fn take_room(&self, size: usize) {
        let permits = self.room.acquire_many(room(size)).await;
        permits.expect("nobody closes the semaphore").forget();
    }

    fn fail(&self, position: Position, error: &ReadError) {
        let failure = match error {
            ReadError::Io(_) => Failure::Io,
            ReadError::Unusable(_) => Failure::Usage,
        };
        self.failure.set(Some(failure));
        let place = match failure {
            Failure::Usage => self.files.name(position).to_owned(),
            Failure::Io | Failure::Reader => self.files.place(position),
        };
        self.console.error(format_args!("{place}: the input cannot be read on: {error}"));
    }

    /// Delivers what was accepted, for as long as the deadline or a signal allows.
    async fn close(&self) {
        let left = self.deadline.map(|deadline| deadline.close_by.since(self.clock.now()));
        tokio::select! {
            biased;
            () = self.stop.signalled() => {
                let within = left.map_or(SIGNAL_GRACE, |left| left.min(SIGNAL_GRACE));
                self.producer.close(Some(within)).await;
            }
            // What waits for better ones would wait for ever.
            () = self.target.credentials_refused() => {
                self.producer.close(Some(Duration::ZERO)).await;
            }
            _ = self.producer.close(left) => {}
        }
    }

    /// Ends when even the reports must be done.
    async fn overtime(&self) {
        let deadline = async {
            match self.deadline {
                Some(deadline) => self.clock.sleep_until(deadline.end).await,
                None => core::future::pending().await,
            }
        };
        let signal = async {
            self.stop.signalled().await;
            let end = self.clock.now().after(SIGNAL_GRACE).after(REPORT_GRACE);
            self.clock.sleep_until(end).await;
        };
        tokio::select! {
            () = deadline => {}
            () = signal => {}
        }
    }

    /// Orders to stop when the deadline wants no more to be read, or the credentials are no good.
    async fn stop_in_time(&self) -> Infallible {
        let deadline = async {
            if let Some(deadline) = self.deadline {
                self.clock.sleep_until(deadline.read_by).await;
                self.stop.order(Reason::Deadline);
            }
        };
        let credentials = async {
            self.target.credentials_refused().await;
            self.stop.order(Reason::Credentials);
        };
        tokio::join!(deadline, credentials);
        core::future::pending().await
    }

    /// Orders to stop at the first signal, and ends at the second.
    async fn second_signal(&self, signals: &mut Signals) -> Signal {
        let first = self.signal(signals).await;
        self.stop.order(Reason::Signal(first));
        let seconds = SIGNAL_GRACE.as_secs();
        self.console.notice(format_args!(
            "stopping: no more is read, what was accepted is delivered within {seconds} s; once more \
             stops at once"
        ));
        self.signal(signals).await
    }

    /// The next signal, or what somebody types instead.
    async fn signal(&self, signals: &mut Signals) -> Signal {
        let typed = async {
            match &self.dashboard {
                Some(dashboard) => dashboard.interrupted().await,
                None => core::future::pending().await,
            }
        };
        tokio::select! {
            signal = signals.next() => signal,
            () = typed => Signal::Interrupt,
        }
    }

    /// How far it is: by the bytes that have their outcome.
    fn far(&self) -> Far {
        let EngineStats { accepted, buffered, in_flight, requeued, throttled, .. } =
            self.producer.stats().engine;
        let done = accepted - buffered - in_flight;
        let elapsed = self.clock.now().since(self.start).as_secs_f64();
        let rate = if elapsed > 0.0 { done as f64 / elapsed } else { 0.0 };
        let shards = self.target.shards().map_or_else(String::new, |shards| {
            let throttled = shards.iter().filter(|shard| shard.throttled > 0).count();
            format!(" in {throttled} of {} shards", shards.len())
        });
        let failing =
            self.target.last_failure().map_or_else(String::new, |error| format!(", {error}"));
        let input = self.input_progress();
        let text = format!(
            "{} records, {rate:.0}/s{input}, {} in flight, {} retries, {} throttled{shards}, {} bad{failing}",
            HumanCount(done),
            HumanCount(in_flight),
            HumanCount(requeued),
            HumanCount(throttled),
            HumanCount(self.tally.get().rejected),
        );
        Far { part: self.bytes_done().zip(self.files.size()), text }
    }

    /// How much of the input is read, in words; empty if there is nothing to tell.
    pub(crate) fn input_progress(&self) -> String {
        self.unread.get().map_or_else(String::new, |next| self.files.progress(next))
    }

    /// How many bytes of the input have their outcome, if all sizes are known. Outcomes do not come
    /// in the order of the input, so this takes the records for equally large.
    fn bytes_done(&self) -> Option<u64> {
        let put = match self.unread.get() {
            Some(position) => self.files.bytes_before(position)?,
            None => self.files.size()?,
        };
        let EngineStats { accepted, buffered, in_flight, .. } = self.producer.stats().engine;
        let done = accepted - buffered - in_flight;
        let bytes = u128::from(put) * u128::from(done) / u128::from(accepted.max(1));
        u64::try_from(bytes).ok()
    }

    /// Where the input begins that was not put; `None` if everything was.
    pub(crate) fn unread(&self) -> Option<Position> {
        let unread = self.unread.get()?;
        // The end of the last file may have been seen, but not yet understood as such.
        if self.files.is_end(unread) { None } else { Some(unread) }
    }
}

/// The producer takes no more.
struct Closed;

/// A refusal as bad input, if it is one of this record only.
fn bad(refused: Refused) -> Result<Box<BadInput>, Closed> {
    let RefusedReason::TooLarge { limit } = refused.reason else { return Err(Closed) };
    let record = refused.record;
    let rule = Rule::TooLarge { limit, size: record.size() as u64 };
    let length = record.data().len() as u64;
    Ok(BadInput::new(Kept::Record(record), length, rule))
}

#[cfg(test)]
mod tests {
    use core::num::NonZeroU32;

    use headwaters::mock::Mock;
    use headwaters::wire::StreamName;
    use headwaters::{Config, RetryPolicy, UserRecord};

    use super::*;
    use crate::input::{Format, Inputs};

    /// Records of one shard, from an input that may go on.
    fn batch(records: u64) -> Batch {
        let item = |number| {
            let record = UserRecord::new("k", "x").expect("a valid record");
            let position = Position { file: 0, offset: 2 * (number - 1), number };
            Item { content: Ok(record), position }
        };
        let items = (1..=records).map(item).collect();
        let next = Position { file: 0, offset: 2 * records, number: records + 1 };
        Batch { items, next, skipped: 0, end: None }
    }

    fn load(console: &Console) -> Load<'_> {
        let clock = TokioClock::new();
        let name = StreamName::new("orders").expect("a valid name");
        // So slow that virtual time passes with few requests.
        let latency = Duration::from_secs(1);
        let mock = Mock::builder(name, NonZeroU32::MIN).latency(latency).build(clock);
        let target = Target::Local(mock);
        let config = Config::builder().aggregation_enabled(false).record_ttl(None);
        let config = config.retry(RetryPolicy::Kpl).build();
        let producer = Producer::builder()
            .clock(clock)
            .config(config.expect("a valid configuration"))
            .stream("orders")
            .transport(target.clone())
            .start()
            .expect("there is a runtime");
        let inputs = Inputs::open(&[], |_| Format::Lines).expect("there is a standard input");
        Load::new(clock, console, inputs.files, target, producer)
    }

    fn console() -> Console {
        Console::new(indicatif::ProgressBar::hidden(), true)
    }

    async fn run(load: &Load<'_>, batches: Receiver<Batch>) {
        let mut settler = Settler::new(load, None, None);
        let mut signals = Signals::catch().expect("signals can be caught");
        let ended = load.run(batches, &mut settler, &mut signals, &Progress::None).await;
        assert!(ended.is_ok(), "no signal came");
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_signal_what_is_not_delivered_in_time_is_handed_back() {
        let (console, (sender, batches)) = (console(), mpsc::channel(1));
        let load = load(&console);
        let input = async {
            sender.send(batch(50_000)).await.expect("it is being read");
            load.clock.sleep_until(Instant::ZERO.after(Duration::from_secs(5))).await;
            load.stop.order(Reason::Signal(Signal::Interrupt));
        };
        tokio::join!(run(&load, batches), input);
        let elapsed = load.clock.now().since(Instant::ZERO);
        assert!((35..36).contains(&elapsed.as_secs()), "{elapsed:?}");
        let tally = load.tally.get();
        // A shard stores 1,000 at once and 1,000 in each second.
        assert!((30_000..=36_000).contains(&tally.stored), "{tally:?}");
        assert_eq!((tally.input, tally.stored + tally.handed_back), (50_000, 50_000));
        assert_eq!(load.unread().map(|position| position.number), Some(50_001));
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_that_is_gone_is_noticed() {
        let (console, (sender, batches)) = (console(), mpsc::channel(1));
        let load = load(&console);
        sender.send(batch(3)).await.expect("there is room");
        drop(sender);
        run(&load, batches).await;
        assert_eq!(load.failure.get(), Some(Failure::Reader));
        assert_eq!(load.tally.get().stored, 3);
    }

    #[test]
    fn a_deadline_leaves_time_to_deliver_and_time_to_report() {
        let at = |millis| Instant::ZERO.after(Duration::from_millis(millis));
        let short = Deadline::new(Instant::ZERO, Duration::from_secs(10));
        assert_eq!(short, Deadline { read_by: at(8_000), close_by: at(9_000), end: at(10_000) });
        let long = Deadline::new(Instant::ZERO, Duration::from_secs(900));
        let expected = Deadline { read_by: at(895_000), close_by: at(897_500), end: at(900_000) };
        assert_eq!(long, expected);
    }
}
