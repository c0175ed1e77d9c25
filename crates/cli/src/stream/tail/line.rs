//! How a record is printed.

use core::time::Duration;
use std::time::SystemTime;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use headwaters::wire::HashKeyRange;
use headwaters::wire::aggregate::{Decoded, Member, decode};
use serde::Serialize;

use super::reader::Record;
use crate::args::TailForm;
use crate::decode::Data;
use crate::stream::escaped_json;

/// A user record, and where it comes from.
pub(super) struct UserRecord {
    arrived: Option<f64>,
    data: Bytes,
    /// The Kinesis Client Library would not deliver it.
    dropped: bool,
    explicit_hash_key: Option<Bytes>,
    key: Bytes,
    sequence_number: String,
    /// Its place in its aggregate, if it comes from one.
    sub_sequence_number: Option<usize>,
}

/// Takes the records of a page apart. What cannot be read is counted.
pub(super) fn user_records(records: Vec<Record>, keys: HashKeyRange) -> (Vec<UserRecord>, u64) {
    let mut all = Vec::new();
    let mut broken = 0;
    for Record { arrived, data, partition_key, sequence_number } in records {
        let Ok(data) = STANDARD.decode(data) else {
            broken += 1;
            continue;
        };
        let aggregate = match decode(Bytes::from(data)) {
            Decoded::Aggregate(aggregate) => aggregate,
            Decoded::Plain(data) => {
                all.push(UserRecord {
                    arrived,
                    data,
                    dropped: false,
                    explicit_hash_key: None,
                    key: partition_key.into(),
                    sequence_number,
                    sub_sequence_number: None,
                });
                continue;
            }
        };
        let view = aggregate.as_kcl(keys);
        broken += view.broken.len() as u64;
        let member = |dropped| {
            let sequence_number = &sequence_number;
            move |member: Member| UserRecord {
                arrived,
                data: member.data,
                dropped,
                explicit_hash_key: member.explicit_hash_key,
                key: member.partition_key,
                sequence_number: sequence_number.clone(),
                sub_sequence_number: Some(member.index),
            }
        };
        all.extend(view.delivered.into_iter().map(member(false)));
        all.extend(view.dropped.into_iter().map(member(true)));
    }
    (all, broken)
}

#[derive(Serialize)]
struct Line<'a> {
    shard: &'a str,
    sequence_number: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    sub_sequence_number: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    arrived_at: Option<String>,
    /// A key that is not UTF-8 has its wrong bytes replaced: members of aggregates may have any.
    partition_key: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    explicit_hash_key: Option<&'a str>,
    data: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    data_text: Option<&'a str>,
    #[serde(skip_serializing_if = "core::ops::Not::not")]
    dropped: bool,
}

impl UserRecord {
    pub(super) const fn is_dropped(&self) -> bool {
        self.dropped
    }

    /// The record in this form. Raw data come as they are only if no terminal shows them.
    pub(super) fn print(&self, form: TailForm, shard: &str, to_terminal: bool) -> Vec<u8> {
        match form {
            TailForm::Json => self.json(shard).into_bytes(),
            TailForm::Raw if to_terminal => (escaped(&self.data) + "\n").into_bytes(),
            TailForm::Raw => [&self.data[..], b"\n"].concat(),
            TailForm::Text => self.text(shard).into_bytes(),
        }
    }

    fn json(&self, shard: &str) -> String {
        let key = String::from_utf8_lossy(&self.key);
        let text = match Data::of(&self.data, true) {
            Data::Text(text) => Some(text),
            Data::Base64(_) => None,
        };
        let line = Line {
            shard,
            sequence_number: &self.sequence_number,
            sub_sequence_number: self.sub_sequence_number,
            arrived_at: self.arrived_at(),
            partition_key: &key,
            explicit_hash_key: self
                .explicit_hash_key
                .as_deref()
                .and_then(|k| str::from_utf8(k).ok()),
            data: STANDARD.encode(&self.data),
            data_text: text,
            dropped: self.dropped,
        };
        escaped_json(&serde_json::to_string(&line).unwrap_or_default())
    }

    fn text(&self, shard: &str) -> String {
        let arrived = self.arrived_at().unwrap_or_else(|| String::from("-"));
        let mark = if self.dropped { "  (dropped by the KCL)" } else { "" };
        let shard = shard.trim_start_matches("shardId-").trim_start_matches('0');
        let shard = if shard.is_empty() { "0" } else { shard };
        format!("{arrived}  {shard}  {}  {}{mark}\n", escaped(&self.key), escaped(&self.data))
    }

    fn arrived_at(&self) -> Option<String> {
        // A server can say any number.
        let since = Duration::try_from_secs_f64(self.arrived?).ok()?;
        const YEAR_9999: Duration = Duration::from_secs(253_402_300_799);
        let time = SystemTime::UNIX_EPOCH.checked_add(since.min(YEAR_9999))?;
        Some(humantime::format_rfc3339_millis(time).to_string())
    }
}

/// Bytes as text without control characters: these, and what is not UTF-8, are written as `\n` or `\x1b`.
fn escaped(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\n' | '\r' | '\t' | '\\' => text.extend(c.escape_default()),
                _ if c.is_control() => text.push_str(&format!("\\x{:02x}", u32::from(c))),
                _ => text.push(c),
            }
        }
        for byte in chunk.invalid() {
            text.push_str(&format!("\\x{byte:02x}"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(data: &[u8]) -> UserRecord {
        UserRecord {
            arrived: Some(1.5),
            data: Bytes::copy_from_slice(data),
            dropped: false,
            explicit_hash_key: None,
            key: Bytes::from_static(b"k\x1b"),
            sequence_number: String::from("49"),
            sub_sequence_number: None,
        }
    }

    #[test]
    fn control_characters_are_escaped() {
        let wild = b"\x1b[2J\x07 \xc2\x9b \xff \\ \xc3\xa9\n";
        let record = record(wild);
        let line =
            "1970-01-01T00:00:01.500Z  7  k\\x1b  \\x1b[2J\\x07 \\x9b \\xff \\\\ \u{e9}\\n\n";
        let print = |form, to_terminal| record.print(form, "shardId-000000000007", to_terminal);
        assert_eq!(print(TailForm::Text, true), line.as_bytes());
        assert_eq!(print(TailForm::Raw, false), [&wild[..], b"\n"].concat());
        for form in [TailForm::Json, TailForm::Raw, TailForm::Text] {
            let text = String::from_utf8(print(form, true)).expect("UTF-8");
            assert_eq!(text.chars().filter(|c| c.is_control()).count(), 1, "{text}");
        }
    }

    #[test]
    fn a_time_that_is_none_is_left_out() {
        for wild in [f64::NAN, -1.0, 1e300] {
            let line = UserRecord { arrived: Some(wild), ..record(b"x") };
            let line = String::from_utf8(line.print(TailForm::Text, "s", false)).expect("UTF-8");
            assert!(line.starts_with("-  s") || line.starts_with("9999"), "{line}");
        }
    }
}
