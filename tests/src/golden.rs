//! Golden traces: stories of one engine as text, events in and actions out.
//!
//! A trace is read line by line. What the world does is taken from it; what the engine answers is written
//! anew, so that the trace that comes out is the one that went in, if the engine still does the same.
//!
//! | line | what it is |
//! |---|---|
//! | `# ...`, an empty line | for the reader |
//! | `config kpl`, `config default` | the settings to start from; each further line changes one: `record_ttl 1s` |
//! | `shards 2`, `shards 2 listed` | the stream has so many even shards; `listed`: the engine has their list already |
//! | `at 100ms`, `at wake-up` | the time, or the time for which the engine has asked |
//! | `* split 0 -> 2 3`, `* merge 0 1 -> 2` | the service changes the stream; the engine hears nothing of it |
//! | `> ...` | an event; those in a row come before the engine is asked what to do |
//! | `< ...` | an action, up to the wait that ends a drain |
//! | `! ...` | why the event above it cannot be: there is no such batch, say |
//! | `= ...` | the counters at the end that are not zero |
//!
//! | event | what it is |
//! |---|---|
//! | `add 1 key 100 at=30% buffered=10ms ttl=1s` | record 1, of 100 bytes of data; at 30 % of the hash keys; last three optional |
//! | `answer 0.0 stored`, `answer 0.0 stored stored-in:5 InternalFailure` | the same for all entries, or one word for each |
//! | `answer 0.0 error AccessDeniedException`, `answer 0.0 count 3` | the request failed; so many results |
//! | `cancelled 0.0 unsent`, `cancelled 0.0 sent` | the transport stopped |
//! | `shards-listed 0`, `shards-listed 0 page 1/2`, `shards-listed 0 error LimitExceededException` | the list |
//! | `flush 1 by=200ms`, `close by=200ms`, `purge`, `transport-ready`, `bounds 2MiB 1` | as they say; `by` is optional |
//!
//! An entry is `stored` in the shard that has its hash key; sequence numbers count what is stored, from 101. Times
//! are milliseconds. Behind `send-batch` stand the records of each entry: `{1 2} {3}` is an aggregate of two
//! and a plain record.

use core::fmt::Write as _;
use std::collections::BTreeMap;

use headwaters_engine::wire::aggregate::{Decoded, KPL_OUTER_KEY, decode};
use headwaters_engine::wire::{Entry, HashKey};
use headwaters_engine::{
    Action, Batch, Bounds, Completion, Engine, Event, FlushId, Instant, ListingId, Sent, Timing,
    Token, UserRecord,
};

use crate::golden_header::Header;
use crate::golden_stream::{Stream, attempt_error};
use crate::golden_words::{bytes, in_millis, number, option, time};

/// The highest token: a record's data is its token over and over, and the magic of aggregates starts above.
const TOKEN_MAX: u64 = 200;

/// Most actions of one drain; more come from an engine that goes round in circles.
const DRAIN_MAX: usize = 1_000;

/// What a line begins with that says why the event above it cannot be.
pub const NO_EVENT: &str = "  ! ";

/// Performs a trace and writes it again.
///
/// # Errors
/// The number of a line that cannot be understood, and why.
pub fn perform(trace: &str) -> Result<String, String> {
    let mut lines = (1..).zip(trace.lines()).peekable();
    let (mut header, mut out) = (Header::new()?, String::new());
    let in_line = |number: usize| move |why: String| format!("line {number}: {why}");
    let is_head = |line: &str| !line.starts_with("at ") && !line.starts_with('*');
    while let Some((number, line)) = lines.next_if(|(_, line)| is_head(line)) {
        header.read(line).map_err(in_line(number))?;
        out.push_str(line.trim_end());
        out.push('\n');
    }
    let mut story = Story::of(header, out)?;
    for (number, line) in lines {
        story.read(line.trim_end()).map_err(in_line(number))?;
    }
    story.end()
}

/// A trace that is being performed.
struct Story {
    batches: BTreeMap<String, Batch>,
    engine: Engine,
    listings: BTreeMap<String, ListingId>,
    now: Instant,
    out: String,
    /// Lines for the reader that come after the actions that are still to be asked for.
    remarks: String,
    step: Step,
    stream: Stream,
}

/// What has happened since the engine was asked what to do.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Step {
    Asked,
    Events,
    Time,
}

impl Story {
    fn of(header: Header, out: String) -> Result<Self, String> {
        let Header { config, listed, stream } = header;
        let engine = Engine::new(config.build().map_err(|error| error.to_string())?, Instant::ZERO);
        let mut story = Self {
            batches: BTreeMap::new(),
            engine,
            listings: BTreeMap::new(),
            now: Instant::ZERO,
            out,
            remarks: String::new(),
            step: Step::Asked,
            stream,
        };
        if listed {
            let Action::ListShards(request) = story.engine.poll() else {
                return Err("the engine does not ask for the shards".to_owned());
            };
            let event =
                Event::ShardsListed { request: request.id, result: Ok(story.stream.list()) };
            story.engine.handle(event, story.now);
        }
        Ok(story)
    }

    fn read(&mut self, line: &str) -> Result<(), String> {
        let words = line.trim_start();
        match words.split_at_checked(2) {
            Some(("at", when)) => {
                self.ask()?;
                self.flush_remarks();
                self.now = match when.trim() {
                    "wake-up" => {
                        self.engine.wakeup().at.ok_or("the engine waits for events only")?
                    }
                    at => Instant::ZERO.after(time(at)?),
                };
                self.step = Step::Time;
                self.write(line);
            }
            Some(("* ", change)) => {
                self.ask()?;
                self.flush_remarks();
                self.stream.change(change)?;
                self.write(line);
            }
            Some(("> ", event)) => {
                self.flush_remarks();
                self.write(line);
                let words: Vec<&str> = event.split_whitespace().collect();
                match self.event(&words) {
                    Ok(event) => self.engine.handle(event, self.now),
                    Err(why) => self.write(&format!("{NO_EVENT}{why}")),
                }
                self.step = Step::Events;
            }
            _ if words.starts_with('<') => self.ask()?,
            _ if words.starts_with(['=', '!']) => {}
            _ if words.is_empty() || words.starts_with('#') => {
                writeln!(self.remarks, "{line}").map_err(|error| error.to_string())?;
            }
            _ => return Err(format!("what is `{line}`?")),
        }
        Ok(())
    }

    fn write(&mut self, line: &str) {
        self.out.push_str(line);
        self.out.push('\n');
    }

    fn flush_remarks(&mut self) {
        self.out.push_str(&core::mem::take(&mut self.remarks));
    }

    fn event(&self, words: &[&str]) -> Result<Event, String> {
        match words {
            ["add", token, key, size, rest @ ..] => record_added(token, key, size, rest),
            ["answer", batch, rest @ ..] => {
                let batch = self.batch(batch)?;
                let result = self.stream.answer(batch, rest)?;
                Ok(Event::PutRecordsFinished { batch: batch.id, result })
            }
            ["bounds", size, records] => {
                let records =
                    usize::try_from(number(records)?).map_err(|error| error.to_string())?;
                Ok(Event::BoundsChanged(Bounds { bytes: bytes(size)?, records }))
            }
            ["cancelled", batch, sent] => {
                let sent = match *sent {
                    "sent" => Sent::Unknown,
                    "unsent" => Sent::No,
                    _ => return Err(format!("`{sent}` is neither `sent` nor `unsent`")),
                };
                Ok(Event::BatchCancelled { batch: self.batch(batch)?.id, sent })
            }
            ["close", rest @ ..] => Ok(Event::CloseRequested { deadline: by(rest)? }),
            ["flush", flush, rest @ ..] => {
                Ok(Event::FlushRequested { flush: FlushId(number(flush)?), deadline: by(rest)? })
            }
            ["purge"] => Ok(Event::PurgeRequested),
            ["shards-listed", request, rest @ ..] => {
                let request = *self.listings.get(*request).ok_or("there is no such request")?;
                let result = match rest {
                    [] => Ok(self.stream.list()),
                    ["page", page] => Ok(self.stream.page(page)?),
                    ["error", code] => Err(attempt_error(code)),
                    _ => return Err(format!("what is {rest:?}?")),
                };
                Ok(Event::ShardsListed { request, result })
            }
            ["transport-ready"] => Ok(Event::TransportReady),
            _ => Err(format!("there is no such event: {words:?}")),
        }
    }

    fn batch(&self, name: &str) -> Result<&Batch, String> {
        self.batches.get(name).ok_or_else(|| format!("there was no batch {name}"))
    }

    /// Writes what the engine does, if something has happened.
    fn ask(&mut self) -> Result<(), String> {
        match core::mem::replace(&mut self.step, Step::Asked) {
            Step::Asked => return Ok(()),
            Step::Events => {}
            Step::Time => self.engine.handle(Event::TimeAdvanced, self.now),
        }
        for _ in 0..DRAIN_MAX {
            for action in self.engine.poll().one_by_one() {
                let suffix = self.suffix(&action)?;
                let line = format!("  < {}{suffix}", in_millis(&action.to_string()));
                self.write(&line);
                match action {
                    Action::ListShards(request) => {
                        self.listings.insert(request.id.to_string(), request.id);
                    }
                    Action::SendBatch(batch) => {
                        self.batches.insert(batch.id.to_string(), batch);
                    }
                    Action::Wait(_) => return Ok(()),
                    _ => {}
                }
            }
        }
        Err(format!("the engine does not wait after {DRAIN_MAX} actions"))
    }

    fn suffix(&self, action: &Action) -> Result<String, String> {
        match action {
            Action::Complete(completion) => Ok(failures(completion)),
            Action::SendBatch(batch) => batch.entries.iter().map(members).collect(),
            _ => Ok(String::new()),
        }
    }

    fn end(mut self) -> Result<String, String> {
        self.ask()?;
        self.flush_remarks();
        let stats = self.engine.stats();
        if self.engine.is_empty() && stats.bytes_held > 0 {
            return Err(format!("{} bytes are held for no record", stats.bytes_held));
        }
        let counters = counters(&self.engine);
        self.write(&counters);
        Ok(self.out)
    }
}

fn by(words: &[&str]) -> Result<Option<Instant>, String> {
    let [word] = words else {
        return if words.is_empty() { Ok(None) } else { Err(format!("what is {words:?}?")) };
    };
    let by = option(word, "by").ok_or_else(|| format!("what is `{word}`?"))?;
    Ok(Some(Instant::ZERO.after(time(by)?)))
}

fn record_added(token: &str, key: &str, size: &str, rest: &[&str]) -> Result<Event, String> {
    let token = number(token)?;
    let byte = u8::try_from(token).ok().filter(|_| (1..=TOKEN_MAX).contains(&token));
    let byte = byte.ok_or_else(|| format!("tokens go from 1 to {TOKEN_MAX}"))?;
    let data = vec![byte; bytes(size)?.max(1)];
    let mut record = UserRecord::new(key, data).map_err(|error| error.to_string())?;
    let mut timing = Timing::default();
    for word in rest {
        if let Some(place) = option(word, "at") {
            let percent = place.strip_suffix('%').ok_or("the place needs a `%`")?;
            let hash_key = u128::MAX / 100 * u128::from(number(percent)?);
            record = record.with_explicit_hash_key(HashKey::new(hash_key));
        } else if let Some(buffered) = option(word, "buffered") {
            timing.max_buffered_time = Some(time(buffered)?);
        } else if let Some(ttl) = option(word, "ttl") {
            timing.ttl = Some(if ttl == "never" { None } else { Some(time(ttl)?) });
        } else {
            return Err(format!("what is `{word}`?"));
        }
    }
    Ok(Event::RecordAdded { token: Token(token), record, timing })
}

/// The records of an entry.
fn members(entry: &Entry) -> Result<String, String> {
    let Decoded::Aggregate(aggregate) = decode(entry.data.clone()) else {
        return Ok(format!(" {{{}}}", entry.data.first().ok_or("an entry without data")?));
    };
    let mut tokens = Vec::new();
    for member in aggregate.members() {
        let member = member.map_err(|error| error.to_string())?;
        let token = member.data.first().ok_or("a member without data")?;
        tokens.push(token.to_string());
    }
    let key = entry.partition_key.as_str();
    let key = if key == KPL_OUTER_KEY { String::new() } else { format!(" as {key}") };
    Ok(format!(" {{{}{key}}}", tokens.join(" ")))
}

/// The attempts that failed.
fn failures(completion: &Completion) -> String {
    let failed = completion.attempts.kept().iter().filter_map(|attempt| {
        let code = &attempt.error.as_ref()?.code;
        let [start, end] = [attempt.start, attempt.end].map(|at| in_millis(&at.to_string()));
        Some(format!("\n  <   failed {start}..{end} {code}"))
    });
    failed.collect()
}

fn counters(engine: &Engine) -> String {
    let stats = engine.stats();
    let counters = [
        ("accepted", stats.accepted),
        ("refused", stats.refused),
        ("stored", stats.stored),
        ("not-stored", stats.not_stored),
        ("maybe-stored", stats.maybe_stored),
        ("handed-back", stats.handed_back),
        ("buffered", stats.buffered),
        ("in-flight", stats.in_flight),
        ("requests", stats.requests),
        ("entries", stats.entries),
        ("requeued", stats.requeued),
        ("bisected", stats.bisected),
        ("repacked", stats.repacked),
        ("throttled", stats.throttled),
        ("timeouts", stats.timeouts),
        ("wrong-shard", stats.wrong_shard),
        ("unusable-answers", stats.unusable_answers),
        ("ignored-answers", stats.ignored_answers),
        ("listings", stats.listings),
        ("listings-failed", stats.listings_failed),
    ];
    let counted = counters.iter().filter(|(_, count)| *count > 0);
    let counted = counted.map(|(name, count)| format!(" {name}={count}")).collect::<String>();
    format!("={counted} shard-map={:?}", stats.shard_map)
}
