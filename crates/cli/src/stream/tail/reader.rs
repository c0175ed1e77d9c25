use core::time::Duration;

use headwaters::wire::{AttemptError, Class, ErrorCode, HashKeyRange};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::args::From;
use crate::stream::client::Client;
use crate::stream::shard::Range;
use crate::today;

/// Reads one shard, page by page.
pub(super) struct Reader {
    pub(super) client: Client,
    pub(super) from: From,
    pub(super) keys: HashKeyRange,
    pub(super) no_follow: bool,
    pub(super) pages: mpsc::Sender<Page>,
    pub(super) shard: String,
}

/// What comes of a shard.
pub(super) struct Page {
    pub(super) content: Content,
    pub(super) keys: HashKeyRange,
    pub(super) shard: String,
}

pub(super) enum Content {
    /// The shard has ended: these come after it, as far as the server says. `None` if it has not ended, and all that
    /// was there has been read.
    End(Option<Vec<Child>>),
    /// It cannot be read.
    Failed {
        error: AttemptError,
        operation: &'static str,
    },
    Records(Vec<Record>),
    /// It cannot be read just now, and why.
    Trouble(String),
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Record {
    #[serde(rename = "ApproximateArrivalTimestamp")]
    pub(super) arrived: Option<f64>,
    pub(super) data: String,
    pub(super) partition_key: String,
    pub(super) sequence_number: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Child {
    pub(super) hash_key_range: Range,
    #[serde(default)]
    pub(super) parent_shards: Vec<String>,
    pub(super) shard_id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Iterator {
    shard_iterator: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    child_shards: Option<Vec<Child>>,
    millis_behind_latest: Option<u64>,
    next_shard_iterator: Option<String>,
    records: Vec<Record>,
}

/// How long after a page the next one is asked for. A shard gives five a second to all its readers together; without
/// more to read one a second is enough. Source: GetRecords; developer guide, the KCL's idle time.
const NEXT: Duration = Duration::from_millis(250);
const IDLE: Duration = Duration::from_secs(1);
/// How long after a failure the shard is asked again; each time in a row twice as long, up to the longest.
const PAUSE: Duration = Duration::from_millis(500);
const PAUSE_MAX: Duration = Duration::from_secs(10);
/// So many failures in a row, other than throttles, are taken for an answer: after about a minute.
const FAILURES_MAX: u32 = 10;

impl Reader {
    /// Reads until the shard ends, cannot be read, or nobody listens.
    pub(super) async fn run(self) {
        let content = match self.read().await {
            Ok(content) => content,
            Err((operation, error)) => Content::Failed { error, operation },
        };
        self.tell(content).await;
    }

    async fn read(&self) -> Result<Content, (&'static str, AttemptError)> {
        let mut failures = Failures::default();
        let mut iterator = None;
        let mut last: Option<String> = None;
        loop {
            let operation = if iterator.is_some() { "GetRecords" } else { "GetShardIterator" };
            let failed = match self.step(&mut iterator, &mut last).await {
                Ok(Step::Next(pause)) => {
                    failures = Failures::default();
                    self.client.pause(pause).await;
                    continue;
                }
                Ok(Step::End(content)) => return Ok(content),
                Err(error) => error,
            };
            if failed.code.as_str() == "ExpiredIteratorException" && iterator.take().is_some() {
                continue;
            }
            let pause = failures.pause(&failed).ok_or((operation, failed.clone()))?;
            if failures.in_a_row == 1 {
                let words = failed.message.as_str();
                let text = format!(
                    "{operation} of {}: {}: {words}; trying again",
                    self.shard, failed.code
                );
                self.tell(Content::Trouble(text)).await;
            }
            self.client.pause(failed.retry_after.unwrap_or(pause)).await;
        }
    }

    /// Asks for an iterator, or for the page at the iterator.
    async fn step(
        &self,
        iterator: &mut Option<String>,
        last: &mut Option<String>,
    ) -> Result<Step, AttemptError> {
        let Some(at) = iterator else {
            let request = self.beginning(last.as_deref());
            let answer: Iterator = self.client.ask_once("GetShardIterator", request).await?;
            *iterator = Some(answer.shard_iterator);
            return Ok(Step::Next(Duration::ZERO));
        };
        let request = json!({ "ShardIterator": at });
        let answer: Answer = self.client.ask_once("GetRecords", request).await?;
        let is_empty = answer.records.is_empty();
        if let Some(record) = answer.records.last() {
            *last = Some(record.sequence_number.clone());
            self.tell(Content::Records(answer.records)).await;
        }
        if self.pages.is_closed() {
            return Ok(Step::End(Content::End(None)));
        }
        let Some(next) = answer.next_shard_iterator else {
            return Ok(Step::End(Content::End(Some(answer.child_shards.unwrap_or_default()))));
        };
        *iterator = Some(next);
        // A server that does not say how far it is behind gives an empty page when it is not.
        let caught_up = answer.millis_behind_latest.map_or(is_empty, |behind| behind == 0);
        if caught_up && self.no_follow {
            return Ok(Step::End(Content::End(None)));
        }
        Ok(Step::Next(if caught_up { IDLE } else { NEXT }))
    }

    /// The request for the iterator to begin with, or to go on with behind `last`.
    fn beginning(&self, last: Option<&str>) -> Value {
        let mut request = match (last, &self.from) {
            (Some(last), _) => json!({
                "ShardIteratorType": "AFTER_SEQUENCE_NUMBER", "StartingSequenceNumber": last,
            }),
            (None, From::Number(number)) => json!({
                "ShardIteratorType": "AT_SEQUENCE_NUMBER", "StartingSequenceNumber": number,
            }),
            (None, From::Latest) => json!({ "ShardIteratorType": "LATEST" }),
            (None, From::TrimHorizon) => json!({ "ShardIteratorType": "TRIM_HORIZON" }),
            (None, From::Time(time)) => {
                json!({ "ShardIteratorType": "AT_TIMESTAMP", "Timestamp": time })
            }
            (None, From::Ago(ago)) => {
                let time = today::seconds() - ago.as_secs_f64();
                json!({ "ShardIteratorType": "AT_TIMESTAMP", "Timestamp": time })
            }
        };
        request["ShardId"] = json!(self.shard);
        request
    }

    async fn tell(&self, content: Content) {
        let page = Page { content, keys: self.keys, shard: self.shard.clone() };
        // Nobody listens: that is looked at elsewhere.
        let _ = self.pages.send(page).await;
    }
}

enum Step {
    End(Content),
    Next(Duration),
}

#[derive(Default)]
struct Failures {
    in_a_row: u32,
}

impl Failures {
    /// How long to wait before the next attempt; `None` if there should be none.
    fn pause(&mut self, error: &AttemptError) -> Option<Duration> {
        self.in_a_row += 1;
        let goes_on = match error.code.class() {
            Class::Throttled => true,
            Class::Credentials => {
                error.code != ErrorCode::MissingAuthenticationToken && self.in_a_row < 3
            }
            Class::Transient => self.in_a_row < FAILURES_MAX,
            _ => false,
        };
        let pause = PAUSE.saturating_mul(1 << (self.in_a_row - 1).min(8)).min(PAUSE_MAX);
        // Readers of many shards that were throttled together do not come back together.
        goes_on.then(|| pause.mul_f64(0.5 + fastrand::f64() / 2.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn throttles_are_waited_out_and_a_refusal_is_not() {
        let pauses = |code: &str, times| {
            let error = AttemptError::new(ErrorCode::parse(code));
            let mut failures = Failures::default();
            (0..times).filter_map(|_| failures.pause(&error)).collect::<Vec<_>>()
        };
        let throttled = pauses("ProvisionedThroughputExceededException", 100);
        assert_eq!(throttled.len(), 100);
        assert!(
            throttled[0] <= PAUSE && throttled[99] >= PAUSE_MAX / 2 && throttled[99] <= PAUSE_MAX
        );
        assert_eq!(pauses("ServiceUnavailable", 100).len(), 9);
        assert_eq!(pauses("AccessDeniedException", 100).len(), 0);
    }
}
