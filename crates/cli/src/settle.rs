use core::future::poll_fn;
use core::pin::Pin;
use core::task::Poll;

use headwaters::wire::ErrorCode;
use headwaters::{Account, Attempts, Cause, Delivery, Outcome, Ticket, UserRecord};
use tokio::sync::Semaphore;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::mpsc::error::TryRecvError;

use crate::acks::{self, Acks, Place};
use crate::failed::Failed;
use crate::hints::Hinted;
use crate::input::{BadInput, Files, Position};
use crate::load::Load;
use crate::readback::{Digest, ReadBack};
use crate::resume::Resume;
use crate::sink::Broken;
use crate::stop::{Reason, Stop};
use crate::tally::{SharedTally, count};

/// A record that waits for its turn to be reported.
#[derive(Debug)]
pub(crate) enum Pending {
    /// It was put.
    ///
    /// With its digest, if what the stream holds is compared in the end: else nothing is kept of a record that has its outcome.
    Put { digest: Option<Digest>, position: Position, size: usize, ticket: Ticket },
    /// It is bad.
    Rejected { bad: Box<BadInput>, position: Position },
}

/// How much may wait to be reported. A record counts with its size, for an outcome may bring it
/// back, and with at least [`RECORD_ROOM`].
pub(crate) const WAITING_BYTES: usize = 128 * 1024 * 1024;

/// What a record counts with at least: its ticket and its outcome.
const RECORD_ROOM: usize = 1024;

const _: () = assert!(WAITING_BYTES < u32::MAX as usize && WAITING_BYTES < Semaphore::MAX_PERMITS);

/// The permits that a record of this size takes.
pub(crate) fn room(size: usize) -> u32 {
    let room = size.clamp(RECORD_ROOM, WAITING_BYTES);
    u32::try_from(room).expect("all that may wait fits, as asserted")
}

/// Takes the outcomes in the order of the input, and reports and counts them.
pub(crate) struct Settler<'a> {
    pub(crate) acks: Option<Acks>,
    pub(crate) failed: Option<Failed>,
    pub(crate) files: &'a Files,
    pub(crate) read_back: ReadBack,
    /// What the service said when it first refused a record for good.
    pub(crate) refusal: Option<String>,
    pub(crate) resume: Option<&'a Resume>,
    pub(crate) room: &'a Semaphore,
    pub(crate) stop: &'a Stop,
    pub(crate) tally: &'a SharedTally,
}

impl<'a> Settler<'a> {
    /// Settles what becomes of a load, and keeps these reports of it.
    pub(crate) fn new(load: &'a Load<'_>, acks: Option<Acks>, failed: Option<Failed>) -> Self {
        Self {
            acks,
            failed,
            files: &load.files,
            read_back: ReadBack::default(),
            refusal: None,
            resume: load.resume.as_ref(),
            room: &load.room,
            stop: &load.stop,
            tally: &load.tally,
        }
    }

    /// Settles all that comes, until nothing more can come.
    pub(crate) async fn run(&mut self, mut pending: UnboundedReceiver<Pending>) {
        while let Some(next) = self.next(&mut pending).await {
            match next {
                Pending::Put { digest, position, size, ticket } => {
                    let delivery = self.wait(ticket).await;
                    let Account { attempts, outcome, .. } = &*delivery;
                    if let Some(digest) = digest {
                        self.read_back.report(digest, outcome);
                    }
                    self.put(position, outcome, attempts).await;
                    if let Some(resume) = self.resume {
                        resume.settle(position, outcome);
                    }
                    self.room.add_permits(room(size) as usize);
                }
                Pending::Rejected { bad, position } => {
                    self.rejected(position, &bad).await;
                    if let Some(resume) = self.resume {
                        resume.reject(position);
                    }
                    self.room.add_permits(room(bad.size()) as usize);
                }
            }
        }
        if let Some(acks) = &mut self.acks {
            acks.sink.finish().await;
        }
        if let Some(failed) = &mut self.failed {
            failed.sink.finish().await;
        }
    }

    /// The next record; before it waits for one, all lines go on their way.
    async fn next(&mut self, pending: &mut UnboundedReceiver<Pending>) -> Option<Pending> {
        match pending.try_recv() {
            Ok(next) => Some(next),
            Err(TryRecvError::Disconnected) => None,
            Err(TryRecvError::Empty) => {
                self.flush().await;
                pending.recv().await
            }
        }
    }

    /// The outcome; before it waits for it, all lines go on their way.
    async fn wait(&mut self, mut ticket: Ticket) -> Delivery {
        let now = poll_fn(|context| Poll::Ready(Pin::new(&mut ticket).poll(context))).await;
        match now {
            Poll::Ready(delivery) => delivery,
            Poll::Pending => {
                self.flush().await;
                ticket.await
            }
        }
    }

    async fn flush(&mut self) {
        let acks = match &mut self.acks {
            Some(acks) => acks.sink.flush().await,
            None => Ok(()),
        };
        let failed = match &mut self.failed {
            Some(failed) => failed.sink.flush().await,
            None => Ok(()),
        };
        self.judge(acks.and(failed));
    }

    async fn put(&mut self, position: Position, outcome: &Outcome, attempts: &Attempts) {
        let why = match outcome {
            Outcome::Stored { .. } => None,
            Outcome::MaybeStored { cause, record } | Outcome::NotStored { cause, record } => {
                self.note_refusal(cause, attempts);
                Some((acks::cause(cause, attempts), record))
            }
        };
        self.count(outcome);
        let cause = why.as_ref().map(|(cause, _)| cause.as_str());
        let place = Place::new(self.files, position);
        let acked = match &mut self.acks {
            Some(acks) => acks.put(place, outcome, attempts, cause).await,
            None => Ok(()),
        };
        let kept = match why {
            Some((cause, record)) => self.keep(position, record, outcome, &cause).await,
            None => Ok(()),
        };
        self.judge(acked.and(kept));
    }

    async fn keep(
        &mut self,
        position: Position,
        record: &UserRecord,
        outcome: &Outcome,
        cause: &str,
    ) -> Result<(), Broken> {
        let Some(failed) = &mut self.failed else { return Ok(()) };
        let place = Place::new(self.files, position);
        failed.put(place, record, acks::name(outcome), cause).await
    }

    async fn rejected(&mut self, position: Position, bad: &BadInput) {
        count(self.tally, |tally| tally.rejected += 1);
        let acked = match &mut self.acks {
            Some(acks) => acks.rejected(Place::new(self.files, position), bad).await,
            None => Ok(()),
        };
        let kept = match &mut self.failed {
            Some(failed) => failed.rejected(Place::new(self.files, position), bad).await,
            None => Ok(()),
        };
        self.judge(acked.and(kept));
    }

    fn count(&self, outcome: &Outcome) {
        count(self.tally, |tally| match outcome {
            Outcome::Stored { maybe_duplicate, .. } => {
                tally.stored += 1;
                tally.maybe_duplicate += u64::from(*maybe_duplicate);
            }
            Outcome::NotStored { cause: Cause::Closed | Cause::Purged, .. } => {
                tally.handed_back += 1;
            }
            Outcome::MaybeStored { cause: Cause::Closed | Cause::Purged, .. } => {
                tally.handed_back += 1;
                tally.handed_back_maybe += 1;
            }
            Outcome::MaybeStored { .. } => tally.maybe_stored += 1,
            Outcome::NotStored { .. } => tally.not_stored += 1,
        });
    }

    /// Takes note of a refusal for good, and stops if it is one of the whole stream.
    fn note_refusal(&mut self, cause: &Cause, attempts: &Attempts) {
        let Cause::Permanent(code) = cause else { return };
        count(self.tally, |tally| tally.refused += 1);
        if self.refusal.is_none() {
            let said = attempts.last_error();
            self.refusal =
                Some(said.map_or_else(|| code.to_string(), |error| Hinted(error).to_string()));
        }
        if self.tally.get().stored == 0 && concerns_stream(code) {
            self.stop.order(Reason::Refused);
        }
    }

    /// A report that cannot be written ends the load.
    fn judge(&self, written: Result<(), Broken>) {
        if let Err(Broken) = written {
            self.stop.order(Reason::Output);
        }
    }
}

/// Whether the refusal will be the same for every record, so that reading on leads nowhere.
const fn concerns_stream(code: &ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::AccessDeniedException
            | ErrorCode::KMSAccessDeniedException
            | ErrorCode::KMSDisabledException
            | ErrorCode::KMSInvalidStateException
            | ErrorCode::KMSNotFoundException
            | ErrorCode::KMSOptInRequired
            | ErrorCode::ResourceNotFoundException
    )
}
