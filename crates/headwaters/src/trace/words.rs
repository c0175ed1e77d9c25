//! The words of a line, as they are read.

use core::str::{FromStr, SplitAsciiWhitespace};
use core::time::Duration;

use headwaters_engine::wire::{
    AttemptError, ErrorCode, HashKey, HashKeyRange, ListedShard, Message, NextToken, Placement,
    SequenceNumber, ShardId, ShardPage,
};
use headwaters_engine::{Instant, PutRecordsResult, Timing, Token};

/// What is wrong with a line.
pub(super) type Wrong = &'static str;

/// The words of a line that are left.
#[derive(Clone, Debug)]
pub(super) struct Words<'a>(SplitAsciiWhitespace<'a>);

/// A record, as a line tells of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Described {
    pub(super) token: Token,
    pub(super) data: usize,
    pub(super) key: usize,
    pub(super) half: u64,
    pub(super) explicit: Option<HashKey>,
    pub(super) timing: Timing,
}

/// Most results of a request that a line may tell of. A row of them takes a few characters, and the service has 500.
const RESULTS_MAX: usize = 100_000;

impl<'a> Words<'a> {
    pub(super) fn of(line: &'a str) -> Self {
        Self(line.split_ascii_whitespace())
    }

    pub(super) fn next(&mut self) -> Result<&'a str, Wrong> {
        self.0.next().ok_or("it ends too early")
    }

    /// The next one, if it is of that kind: what is behind the prefix.
    fn next_if(&mut self, prefix: &str) -> Option<&'a str> {
        let word = self.0.clone().next()?.strip_prefix(prefix)?;
        self.0.next();
        Some(word)
    }

    pub(super) fn end(mut self) -> Result<(), Wrong> {
        if self.0.next().is_some() { Err("it goes on too long") } else { Ok(()) }
    }

    pub(super) fn number<T: FromStr>(&mut self) -> Result<T, Wrong> {
        self.next()?.parse().map_err(|_| "a number is none, or too large")
    }

    /// A deadline.
    pub(super) fn until(&mut self) -> Result<Option<Instant>, Wrong> {
        let word = self.next()?;
        if word == "never" { Ok(None) } else { time(word).map(Some).ok_or("a time is none") }
    }

    pub(super) fn record(&mut self) -> Result<Described, Wrong> {
        let token = Token(hex(self.next()?)?);
        let (data, key) = (self.number()?, self.number()?);
        let half = hex(self.next()?)?;
        let explicit = self.next_if("x=").map(hash_key).transpose()?;
        let max_buffered_time = self.next_if("b=").map(nanos).transpose()?;
        let ttl = self
            .next_if("t=")
            .map(|word| if word == "never" { Ok(None) } else { nanos(word).map(Some) });
        let timing = Timing { max_buffered_time, ttl: ttl.transpose()? };
        Ok(Described { token, data, key, half, explicit, timing })
    }

    /// The results of a request: all words that are left.
    pub(super) fn answer(mut self) -> Result<PutRecordsResult, Wrong> {
        if self.next_if("failed").is_some() {
            return Ok(Err(self.error()?));
        }
        let number = SequenceNumber::from_str("0").map_err(|_| "there are no numbers")?;
        let mut results = Vec::new();
        for word in self.0 {
            let (what, count) = match word.split_once('*') {
                Some((what, count)) => (what, count.parse().map_err(|_| "a count is none")?),
                None => (word, 1_usize),
            };
            if results.len().saturating_add(count) > RESULTS_MAX {
                return Err("no request has so many entries");
            }
            let result = match what.strip_prefix('!') {
                Some(error) => Err(entry_error(error)?),
                None => Ok(Placement { sequence_number: number.clone(), shard: shard(what)? }),
            };
            results.extend(core::iter::repeat_n(result, count));
        }
        Ok(Ok(results))
    }

    /// Why a request failed: all words that are left.
    pub(super) fn error(mut self) -> Result<AttemptError, Wrong> {
        let code = ErrorCode::parse(self.next()?);
        let retry_after = self.next_if("after=").map(nanos).transpose()?;
        self.end()?;
        Ok(AttemptError { retry_after, ..AttemptError::new(code) })
    }

    /// A page of shards: all words that are left. The token for the next one is this, or the one before.
    pub(super) fn page(mut self, more: &str, same: Option<&NextToken>) -> Result<ShardPage, Wrong> {
        let next_token = match self.next()? {
            "more" => Some(NextToken::new(more).map_err(|_| "there are no page tokens")?),
            "same" => same.cloned(),
            "last" => None,
            _ => return Err("a page of shards is `more`, `same` or `last`"),
        };
        let listed = |word: &str| {
            let (id, range) = word.split_once(':')?;
            let (start, end) = range.split_once('-')?;
            let hash_keys = HashKeyRange::new(hash_key(start).ok()?, hash_key(end).ok()?)?;
            Some(ListedShard { hash_keys, id: shard(id).ok()? })
        };
        let shards = self.0.map(listed).collect::<Option<_>>();
        Ok(ShardPage { next_token, shards: shards.ok_or("a shard is none")? })
    }
}

/// Why an entry failed: `Code#kind@retry-after`, the last two only where they say something.
fn entry_error(word: &str) -> Result<AttemptError, Wrong> {
    let (word, after) = word.split_once('@').map_or((word, None), |(word, at)| (word, Some(at)));
    let (code, kind) = word.split_once('#').unwrap_or((word, ""));
    let retry_after = after.map(nanos).transpose()?;
    let error = AttemptError::with_message(ErrorCode::parse(code), Message::new(kind));
    Ok(AttemptError { retry_after, ..error })
}

/// Seconds and nine digits of nanoseconds.
pub(super) fn time(word: &str) -> Option<Instant> {
    let (seconds, nanos) = word.split_once('.')?;
    let seconds: u64 = seconds.parse().ok()?;
    let nanos: u64 = (nanos.len() == 9).then(|| nanos.parse().ok())??;
    Some(Instant::from_nanos(seconds.checked_mul(1_000_000_000)?.checked_add(nanos)?))
}

fn nanos(word: &str) -> Result<Duration, Wrong> {
    word.parse().map(Duration::from_nanos).map_err(|_| "a duration is none")
}

fn hex(word: &str) -> Result<u64, Wrong> {
    u64::from_str_radix(word, 16).map_err(|_| "a number is not hexadecimal")
}

fn hash_key(word: &str) -> Result<HashKey, Wrong> {
    u128::from_str_radix(word, 16).map(HashKey::new).map_err(|_| "a hash key is none")
}

fn shard(word: &str) -> Result<ShardId, Wrong> {
    match word.strip_prefix('~') {
        Some(name) => name.parse().map_err(|_| "a shard's name is none"),
        None => word.parse().map(ShardId::numbered).map_err(|_| "a shard's number is none"),
    }
}
