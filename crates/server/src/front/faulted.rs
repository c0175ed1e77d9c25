//! Requests that something goes wrong with.

use core::time::Duration;

use bytes::Bytes;
use headwaters_http::sigv4::http_date;
use headwaters_model::{ACCOUNT, EntryFault, EntryFaults, RequestFault};
use http::{HeaderValue, Response, StatusCode, header};

use super::request::Asked;
use super::{Ending, Front, NoAnswer, Reply, answer};
use crate::clock::wait;
use crate::codec::Value;
use crate::error::ServiceError;
use crate::faults::{
    Cut, Decision, Delay, Effects, EntryChoice, EntryFailure, Event, Lost, Random, Refusal, Reset,
    Reshard, seconds,
};
use crate::kinesis::{Change, Hosted, REGION};
use crate::operations::{Operation, Twist};

/// How long nothing happens: longer than any client waits.
const SILENCE: Duration = Duration::from_secs(3_600);

impl Front {
    /// Notes that a request was reset while it came.
    pub(super) fn reset_at_head(
        &self,
        operation: Operation,
        number: u64,
        decision: Decision,
        ending: &Ending,
    ) -> NoAnswer {
        let mut event = self.event(operation, number, decision.names);
        event.outcome = "reset";
        self.events.add(event);
        ending.order_reset();
        NoAnswer
    }

    fn event(&self, operation: Operation, request: u64, faults: Vec<String>) -> Event {
        Event {
            at: seconds(self.clock.now()),
            entries_failed: None,
            faults,
            note: None,
            operation: operation.name(),
            outcome: "answer",
            request,
            status: None,
            stream: None,
        }
    }

    /// Answers a request as the faults say that meet in it.
    pub(super) async fn answer_faulted(
        &self,
        asked: &Asked<'_>,
        decision: Decision,
        ending: &Ending,
    ) -> Result<Response<Reply>, NoAnswer> {
        let Decision { effects, names, mut random } = decision;
        let mut event = self.event(asked.operation, asked.number, names);
        event.stream = asked.stream.map(|stream| stream.as_str().to_owned());
        let pause = effects.delay.map(|delay| pause(delay, &mut random));
        let is_after = effects.delay.is_some_and(|delay| delay.after);
        if let Some(pause) = pause.filter(|_| !is_after) {
            wait(pause).await;
        }
        if effects.reset == Some(Reset::Before) {
            event.outcome = "reset";
            self.events.add(event);
            ending.order_reset();
            return Err(NoAnswer);
        }
        event.note =
            effects.reshard.as_ref().and_then(|reshard| self.reshard(asked, reshard).err());
        let twist = twist(asked, &effects, &mut random, &mut event.entries_failed);
        let outcome = self.outcome(asked, &effects, &twist);
        if let Some(pause) = pause.filter(|_| is_after) {
            wait(pause).await;
        }
        let (status, bytes) = answer::content(asked.protocol, outcome);
        event.outcome = fate(&effects);
        event.status = (!is_lost(&effects)).then_some(status.as_u16());
        self.events.add(event);
        if effects.reset == Some(Reset::After) {
            ending.order_reset();
            return Err(NoAnswer);
        }
        match effects.lost {
            Some(Lost::Close) => return Err(NoAnswer),
            Some(Lost::Silence) => {
                wait(SILENCE).await;
                return Err(NoAnswer);
            }
            None => {}
        }
        Ok(self.distorted(asked, &effects, status, bytes))
    }

    fn outcome(
        &self,
        asked: &Asked<'_>,
        effects: &Effects,
        twist: &Twist,
    ) -> Result<Bytes, ServiceError> {
        let Some(refusal) = &effects.refusal else { return self.run(asked, twist) };
        if matches!(refusal, Refusal::Error { stored: true, .. }) {
            // Whatever the answer is, nobody learns it.
            let _ = self.run(asked, twist);
        }
        Err(refused(refusal, asked))
    }

    /// The answer, with what is wrong about how it is sent.
    fn distorted(
        &self,
        asked: &Asked<'_>,
        effects: &Effects,
        status: StatusCode,
        bytes: Bytes,
    ) -> Response<Reply> {
        let bytes = effects.malformed.clone().map_or(bytes, Bytes::from);
        let reply = if let Some(cut) = effects.truncate {
            let at = match cut {
                Cut::Bytes(at) => at,
                Cut::Share(share) => (bytes.len() as f64 * share) as usize,
            };
            Reply::cut(bytes, at)
        } else if let Some(size) = effects.huge {
            Reply::padded(bytes, size)
        } else if let Some(rate) = effects.slow {
            Reply::slow(bytes, rate)
        } else {
            Reply::whole(bytes)
        };
        let number = self.next_answer();
        let mut response = answer::dress(status, reply, asked.protocol.content_type(), number);
        if let Some(skew) = effects.skew {
            let now = i64::try_from(self.clock.now().as_secs()).unwrap_or(i64::MAX);
            let date = HeaderValue::try_from(http_date(now.saturating_add(skew)));
            response.headers_mut().extend(date.ok().map(|date| (header::DATE, date)));
        }
        response
    }

    /// Changes the shards of the request's stream; what was wrong, if it could not be done.
    fn reshard(&self, asked: &Asked<'_>, reshard: &Reshard) -> Result<(), String> {
        let stream =
            asked.stream.ok_or_else(|| String::from("reshard: the request names no stream"))?;
        let done = self.kinesis.with(stream, self.clock.now(), |stream| {
            let change = change(stream, reshard)?;
            Ok(stream.change(change)?)
        });
        done.map_err(|error| format!("reshard: {error}"))
    }
}

fn pause(delay: Delay, random: &mut Random) -> Duration {
    delay.time + delay.jitter.mul_f64(random.share())
}

const fn is_lost(effects: &Effects) -> bool {
    effects.lost.is_some() || matches!(effects.reset, Some(Reset::After))
}

/// What the client gets.
const fn fate(effects: &Effects) -> &'static str {
    match effects {
        Effects { reset: Some(Reset::After), .. } => "reset",
        Effects { lost: Some(Lost::Close), .. } => "closed",
        Effects { lost: Some(Lost::Silence), .. } => "silence",
        Effects { truncate: Some(_), .. } => "truncated",
        Effects { malformed: Some(_), .. } => "malformed",
        _ => "answer",
    }
}

/// What becomes of the records that are put.
fn twist(
    asked: &Asked<'_>,
    effects: &Effects,
    random: &mut Random,
    failed: &mut Option<usize>,
) -> Twist {
    let entries = match (asked.operation, asked.fields.get("Records")) {
        (Operation::PutRecord, _) => 1,
        (Operation::PutRecords, Some(Value::List(records))) => records.len(),
        _ => 0,
    };
    let faults = effects.entries.as_ref().map(|failure| entry_faults(failure, entries, random));
    *failed = faults.as_ref().map(Vec::len);
    Twist {
        entries: EntryFaults::from_iter(faults.unwrap_or_default()),
        failed_count: effects.wrong_count.and_then(|wrong| wrong.failed),
        more_results: effects.wrong_count.map_or(0, |wrong| wrong.results),
    }
}

fn entry_faults(
    failure: &EntryFailure,
    entries: usize,
    random: &mut Random,
) -> Vec<(usize, EntryFault)> {
    let fault = if failure.throttled {
        EntryFault::Throttled
    } else {
        EntryFault::InternalFailure { stored: failure.stored }
    };
    let mut is_chosen = |index: &usize| match &failure.choice {
        EntryChoice::Every(every) => (*index as u64 + 1).is_multiple_of(*every),
        EntryChoice::Indexes(indexes) => indexes.contains(index),
        EntryChoice::Rate(rate) => random.share() < *rate,
    };
    (0..entries).filter(|index| is_chosen(index)).map(|index| (index, fault)).collect()
}

/// What the client of a refused request is told, in the words of the service where it has some.
fn refused(refusal: &Refusal, asked: &Asked<'_>) -> ServiceError {
    let operation = asked.operation;
    let stream = asked.stream.map(|stream| stream.as_str());
    match refusal {
        Refusal::Deny => {
            let stream = stream.unwrap_or("*");
            ServiceError::new(
                "AccessDeniedException",
                format!(
                    "User: arn:aws:iam::{ACCOUNT}:user/producer is not authorized to perform: kinesis:{operation} on \
                     resource: arn:aws:kinesis:{REGION}:{ACCOUNT}:stream/{stream} because no identity-based policy \
                     allows the kinesis:{operation} action"
                ),
            )
        }
        Refusal::Throttle => {
            let stream = stream.unwrap_or("*");
            let code = match operation {
                Operation::GetRecords
                | Operation::GetShardIterator
                | Operation::PutRecord
                | Operation::PutRecords => "ProvisionedThroughputExceededException",
                _ => "LimitExceededException",
            };
            let words = format!("Rate exceeded for stream {stream} under account {ACCOUNT}.");
            ServiceError::new(code, words)
        }
        Refusal::Error { code, message, status, .. } => {
            let known = RequestFault::ALL.iter().find(|fault| fault.code().as_str() == code);
            let words = known.zip(asked.stream).map(|(fault, stream)| fault.error(stream).message);
            let words = words.map(|words| words.as_str().to_owned());
            let message = message.clone().or(words).unwrap_or_default();
            let error = ServiceError::new(code.clone(), message);
            ServiceError { status: status.unwrap_or(error.status), ..error }
        }
    }
}

fn change(stream: &Hosted, reshard: &Reshard) -> Result<Change, ServiceError> {
    let find = |id: &str| {
        let shard = stream.shard(id).filter(|shard| shard.is_open());
        shard.ok_or_else(|| ServiceError::no_such_shard(id, stream.name()))
    };
    Ok(match reshard {
        Reshard::Count(count) => Change::Resize { count: *count },
        Reshard::Merge { adjacent, shard } => {
            Change::Merge { adjacent: find(adjacent)?.id.clone(), shard: find(shard)?.id.clone() }
        }
        Reshard::Split { shard } => {
            // The first of those that are open, if none is named.
            let open = || stream.shards().iter().find(|shard| shard.is_open());
            let shard = if shard == "any" { open() } else { Some(find(shard)?) };
            let shard = shard.ok_or_else(|| ServiceError::no_such_shard("any", stream.name()))?;
            let (start, end) = (shard.range.start().value(), shard.range.end().value());
            let new_starting = (start + (end - start) / 2 + 1).into();
            Change::Split { new_starting, shard: shard.id.clone() }
        }
    })
}
