use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use headwaters::UserRecord;
use serde::Serialize;

use crate::acks::{Place, REJECTED};
use crate::input::{BadInput, Kept};
use crate::sink::{Broken, Sink};

/// `--failed`: every record that is not stored for certain, as a line that `--input records` reads.
#[derive(Debug)]
pub(crate) struct Failed {
    pub(crate) sink: Sink,
}

/// A record without a valid key has none here, so that putting it again names what is wrong with it
/// instead of storing it somewhere else. One that is too large to be held has no data, but its
/// place.
#[derive(Serialize)]
struct Line<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    partition_key: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    explicit_hash_key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<String>,
    outcome: &'static str,
    cause: &'a str,
    #[serde(flatten)]
    place: Place<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    length: Option<u64>,
}

impl Failed {
    /// Writes a record that was put and is not stored for certain.
    pub(crate) async fn put(
        &mut self,
        place: Place<'_>,
        record: &UserRecord,
        outcome: &'static str,
        cause: &str,
    ) -> Result<(), Broken> {
        let (partition_key, explicit_hash_key) = keys(record);
        let data = Some(STANDARD.encode(record.data()));
        let length = None;
        let line = Line { partition_key, explicit_hash_key, data, outcome, cause, place, length };
        self.sink.line(&line).await
    }

    /// Writes a record that was never put.
    pub(crate) async fn rejected(
        &mut self,
        place: Place<'_>,
        bad: &BadInput,
    ) -> Result<(), Broken> {
        let ((partition_key, explicit_hash_key), data) = match &bad.kept {
            Kept::Data(data) => ((None, None), Some(STANDARD.encode(data))),
            Kept::Nothing => ((None, None), None),
            Kept::Record(record) => (keys(record), Some(STANDARD.encode(record.data()))),
        };
        let cause = &bad.rule.to_string();
        let length = data.is_none().then_some(bad.length);
        let outcome = REJECTED;
        let line = Line { partition_key, explicit_hash_key, data, outcome, cause, place, length };
        self.sink.line(&line).await
    }
}

fn keys(record: &UserRecord) -> (Option<&str>, Option<String>) {
    let hash_key = record.explicit_hash_key().map(|key| key.to_string());
    (Some(record.partition_key().as_str()), hash_key)
}
