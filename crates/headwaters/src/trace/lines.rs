//! The lines of a trace, as they are written. `docs/traces.md` is their reference.

use core::fmt::Write as _;
use core::time::Duration;

use headwaters_engine::wire::{
    AttemptError, Entry, ErrorCode, HashKey, NextToken, Placement, ShardId,
};
use headwaters_engine::{
    Action, Batch, Bounds, Cause, Completion, Event, Instant, Outcome, PutRecordsResult,
    RefusedReason, Requeue, Sent, Stored, Timing, Token, UserRecord,
};

/// Lines on their way to a file.
#[derive(Debug, Default)]
pub(super) struct Lines {
    /// The token with which a page was asked for last: a service that gives it again goes round in circles.
    pub(super) asked: Option<NextToken>,
    pub(super) bytes: Vec<u8>,
    /// The time of the last line: a line of the same time does not say it.
    time: Option<Instant>,
}

/// What a line begins with, behind its time.
pub(super) const ADDED: char = '+';
pub(super) const TOLD: char = '>';
pub(super) const SAID: char = '<';
/// A batch has its check sums.
pub(super) const SEALED: char = '=';

/// Half of a hash key: who has it finds the shard, but for a boundary that no service draws.
pub(super) const fn half(hash_key: HashKey) -> u64 {
    (hash_key.value() >> 64) as u64
}

impl Lines {
    /// A record is put; [`refused`](Self::refused) or [`end`](Self::end) completes the line.
    pub(super) fn added(
        &mut self,
        token: Token,
        record: &UserRecord,
        timing: Timing,
        now: Instant,
    ) {
        self.begin(ADDED, now);
        self.record(token, record, timing);
    }

    /// Why the record was refused.
    pub(super) fn refused(&mut self, reason: &RefusedReason) {
        let text = match reason {
            RefusedReason::Closed => "closed",
            RefusedReason::Full => "full",
            RefusedReason::ShardFull => "shard-full",
            RefusedReason::TooLarge { .. } => "too-large",
            _ => "other",
        };
        self.text(" ! ");
        self.text(text);
    }

    pub(super) fn end(&mut self) {
        self.bytes.push(b'\n');
    }

    /// What the engine is told.
    pub(super) fn told(&mut self, event: &Event, now: Instant) {
        self.begin(TOLD, now);
        match event {
            Event::BatchCancelled { batch, sent } => {
                let sent = if *sent == Sent::No { "unsent" } else { "sent" };
                self.write(format_args!("cancelled {batch} {sent}"));
            }
            Event::BoundsChanged(Bounds { bytes, records }) => {
                self.write(format_args!("bounds {bytes} {records}"));
            }
            Event::CloseRequested { deadline } => {
                self.text("close ");
                self.until(*deadline);
            }
            Event::FlushRequested { flush, deadline } => {
                self.write(format_args!("flush {} ", flush.0));
                self.until(*deadline);
            }
            Event::PurgeRequested => self.text("purge"),
            Event::PutRecordsFinished { batch, result } => {
                self.write(format_args!("answer {batch}"));
                self.answer(result);
            }
            Event::RecordAdded { token, record, timing } => {
                self.text("add");
                self.record(*token, record, *timing);
            }
            Event::ShardsListed { request, result: Err(error) } => {
                self.write(format_args!("unlisted {request}"));
                self.error(error);
            }
            Event::ShardsListed { request, result: Ok(page) } => {
                let more = match &page.next_token {
                    None => "last",
                    token if *token == self.asked => "same",
                    Some(_) => "more",
                };
                self.write(format_args!("listed {request} {more}"));
                for shard in &page.shards {
                    self.bytes.push(b' ');
                    self.shard(&shard.id);
                    let [start, end] = [shard.hash_keys.start(), shard.hash_keys.end()];
                    self.write(format_args!(":{:x}-{:x}", start.value(), end.value()));
                }
            }
            Event::TimeAdvanced => self.text("time"),
            Event::TransportReady => self.text("ready"),
        }
        self.end();
    }

    /// What the engine says.
    pub(super) fn said(&mut self, action: &Action) {
        self.bytes.extend_from_slice(b"< ");
        match action {
            Action::CancelBatch(batch) => self.write(format_args!("cancel {batch}")),
            Action::CloseFinished { undelivered } => {
                self.write(format_args!("closed {undelivered}"));
            }
            Action::Complete(completion) => self.complete(completion),
            Action::FlushFinished { flush, pending } => {
                self.write(format_args!("flushed {} {pending}", flush.0));
            }
            Action::ListShards(request) => {
                let page = if request.next_token.is_some() { "next" } else { "first" };
                self.write(format_args!("list {} {page}", request.id));
                self.asked.clone_from(&request.next_token);
            }
            Action::Requeue(Requeue { batch, cause, deadline, indexes, not_before, .. }) => {
                self.write(format_args!("requeue {batch} {} ", word(&cause.code)));
                self.time(*not_before);
                self.bytes.push(b' ');
                self.time(*deadline);
                self.bytes.push(b' ');
                self.runs(indexes.iter().map(|index| u64::from(*index)));
            }
            Action::RoomAvailable => self.text("room"),
            Action::SendBatch(Batch { id, unsealed: Some(_), .. }) => {
                self.write(format_args!("send {id} unsealed"));
            }
            Action::SendBatch(batch) => {
                self.text("send ");
                self.batch(batch);
            }
            Action::Stored(stored) => self.stored(stored),
            Action::Wait(wakeup) => {
                self.text("wait ");
                self.until(wakeup.at);
                self.write(format_args!(" {:?}", wakeup.reason));
            }
        }
        self.end();
    }

    /// A batch has its check sums, and so the sizes that it will be sent with.
    pub(super) fn sealed(&mut self, batch: &Batch) {
        self.bytes.extend_from_slice(b"= ");
        self.batch(batch);
        self.end();
    }

    /// The time, if it is another one than before, and the sign.
    fn begin(&mut self, sign: char, now: Instant) {
        if self.time != Some(now) {
            self.time = Some(now);
            self.time(now);
            self.bytes.push(b' ');
        }
        self.bytes.extend_from_slice(&[sign as u8, b' ']);
    }

    fn record(&mut self, Token(token): Token, record: &UserRecord, timing: Timing) {
        if self.bytes.last() != Some(&b' ') {
            self.bytes.push(b' ');
        }
        self.hex(token, 1);
        self.bytes.push(b' ');
        self.number(record.data().len() as u64);
        self.bytes.push(b' ');
        self.number(record.partition_key().len() as u64);
        self.bytes.push(b' ');
        match record.explicit_hash_key() {
            None => self.hex(half(record.hash_key()), 16),
            Some(hash_key) => {
                self.hex(half(HashKey::of(record.partition_key())), 16);
                self.write(format_args!(" x={:x}", hash_key.value()));
            }
        }
        if let Some(time) = timing.max_buffered_time {
            self.duration(" b=", time);
        }
        match timing.ttl {
            Some(Some(ttl)) => self.duration(" t=", ttl),
            Some(None) => self.text(" t=never"),
            None => {}
        }
    }

    fn duration(&mut self, name: &str, time: Duration) {
        self.text(name);
        self.number(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
    }

    /// One word for each entry, or for several in a row that are the same.
    fn answer(&mut self, result: &PutRecordsResult) {
        let results = match result {
            Ok(results) => results,
            Err(error) => {
                self.text(" failed");
                return self.error(error);
            }
        };
        // What the service said beside a code is not told, but whether it was the same.
        let mut errors: Vec<&AttemptError> = Vec::new();
        for row in results.chunk_by(is_same) {
            self.bytes.push(b' ');
            match &row[0] {
                Ok(Placement { shard, .. }) => self.shard(shard),
                Err(error) => {
                    self.bytes.push(b'!');
                    self.text(word(&error.code));
                    let known = errors.iter().rposition(|other| *other == error);
                    let kind = known.unwrap_or(errors.len());
                    if known.is_none() {
                        errors.push(error);
                    }
                    if kind > 0 {
                        self.bytes.push(b'#');
                        self.number(kind as u64);
                    }
                    if let Some(time) = error.retry_after {
                        self.duration("@", time);
                    }
                }
            }
            self.times(row.len());
        }
    }

    /// How often in a row, if it is not once.
    fn times(&mut self, count: usize) {
        if count > 1 {
            self.bytes.push(b'*');
            self.number(count as u64);
        }
    }

    fn error(&mut self, AttemptError { code, retry_after, .. }: &AttemptError) {
        self.bytes.push(b' ');
        self.text(word(code));
        if let Some(time) = retry_after {
            self.duration(" after=", *time);
        }
    }

    /// Those of a request that were all stored at once.
    fn stored(&mut self, stored: &Stored) {
        self.write(format_args!("all-stored {}", stored.batch));
        let shards: Vec<&ShardId> = stored.iter().map(|(_, placement)| &placement.shard).collect();
        for row in shards.chunk_by(|one, other| one == other) {
            self.bytes.push(b' ');
            self.shard(row[0]);
            self.times(row.len());
        }
        self.text(" : ");
        self.runs(stored.tokens().iter().map(|token| token.0));
    }

    fn complete(&mut self, Completion { attempts, outcome, tokens, .. }: &Completion) {
        match outcome {
            Outcome::Stored { maybe_duplicate, shard, .. } => {
                self.text("stored ");
                self.shard(shard);
                if *maybe_duplicate {
                    self.text(" again");
                }
            }
            Outcome::MaybeStored { cause, .. } => {
                self.text("maybe-stored ");
                self.cause(cause);
            }
            Outcome::NotStored { cause, .. } => {
                self.text("not-stored ");
                self.cause(cause);
            }
        }
        self.text(" n=");
        self.number(attempts.count().into());
        self.bytes.push(b' ');
        self.runs(tokens.iter().map(|token| token.0));
    }

    fn cause(&mut self, cause: &Cause) {
        match cause {
            Cause::Permanent(code) => {
                self.text("Permanent:");
                self.text(word(code));
            }
            Cause::RefusedTooLarge { .. } => self.text("RefusedTooLarge"),
            cause => self.write(format_args!("{cause:?}")),
        }
    }

    /// Its name, how many entries it has, and of how many bytes.
    fn batch(&mut self, Batch { id, entries, .. }: &Batch) {
        let bytes: usize = entries.iter().map(Entry::size).sum();
        self.write(format_args!("{id} {} {bytes}", entries.len()));
    }

    /// By its number, if it has the service's form.
    fn shard(&mut self, shard: &ShardId) {
        match shard.number() {
            Some(number) => self.number(number),
            None => self.write(format_args!("~{shard}")),
        }
    }

    /// Numbers that follow each other, up or down, as `first-last`.
    fn runs(&mut self, numbers: impl Iterator<Item = u64>) {
        let mut run: Option<(u64, u64)> = None;
        let mut is_first = true;
        for number in numbers.map(Some).chain([None]) {
            match (run, number) {
                (Some((first, last)), Some(number)) if goes_on(first, last, number) => {
                    run = Some((first, number));
                    continue;
                }
                (Some((first, last)), _) => {
                    if !is_first {
                        self.bytes.push(b',');
                    }
                    is_first = false;
                    self.hex(first, 1);
                    if first != last {
                        self.bytes.push(b'-');
                        self.hex(last, 1);
                    }
                }
                (None, _) => {}
            }
            run = number.map(|number| (number, number));
        }
    }

    fn until(&mut self, at: Option<Instant>) {
        match at {
            Some(at) => self.time(at),
            None => self.text("never"),
        }
    }

    /// Seconds and nanoseconds.
    fn time(&mut self, at: Instant) {
        const NANOS: u64 = 1_000_000_000;
        self.number(at.as_nanos() / NANOS);
        self.bytes.push(b'.');
        let mut rest = at.as_nanos() % NANOS;
        let mut digits = [b'0'; 9];
        for digit in digits.iter_mut().rev() {
            *digit += (rest % 10) as u8;
            rest /= 10;
        }
        self.bytes.extend_from_slice(&digits);
    }

    fn number(&mut self, mut number: u64) {
        let mut digits = [b'0'; 20];
        let mut first = digits.len();
        while number > 0 || first == digits.len() {
            first -= 1;
            digits[first] += (number % 10) as u8;
            number /= 10;
        }
        self.bytes.extend_from_slice(&digits[first..]);
    }

    /// With at least so many digits.
    fn hex(&mut self, number: u64, least: usize) {
        let mut digits = [b'0'; 16];
        for (place, digit) in digits.iter_mut().rev().enumerate() {
            *digit = b"0123456789abcdef"[(number >> (4 * place) & 0xF) as usize];
        }
        let needed = 16 - number.leading_zeros() as usize / 4;
        self.bytes.extend_from_slice(&digits[16 - needed.max(least)..]);
    }

    fn text(&mut self, text: &str) {
        self.bytes.extend_from_slice(text.as_bytes());
    }

    fn write(&mut self, text: core::fmt::Arguments<'_>) {
        // A vector takes everything.
        let _ = Text(&mut self.bytes).write_fmt(text);
    }
}

struct Text<'a>(&'a mut Vec<u8>);

impl core::fmt::Write for Text<'_> {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        self.0.extend_from_slice(text.as_bytes());
        Ok(())
    }
}

/// Whether a run from `first` to `last` goes on with `next`.
fn goes_on(first: u64, last: u64, next: u64) -> bool {
    (first <= last && last.checked_add(1) == Some(next))
        || (first >= last && next.checked_add(1) == Some(last))
}

/// Whether two results in a row are written as one.
fn is_same(one: &Result<Placement, AttemptError>, other: &Result<Placement, AttemptError>) -> bool {
    match (one, other) {
        (Ok(one), Ok(other)) => one.shard == other.shard,
        (Err(one), Err(other)) => one == other,
        _ => false,
    }
}

/// A code of the table; a server's own could say anything, and no engine looks at it.
pub(super) fn word(code: &ErrorCode) -> &str {
    match code {
        ErrorCode::Other(_) => "Other",
        known => known.as_str(),
    }
}
