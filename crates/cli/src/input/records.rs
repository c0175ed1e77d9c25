use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use headwaters::wire::{HashKey, PartitionKey};
use serde::Deserialize;

use super::delimited::Delimited;
use super::framed::Framed;
use super::json_lines::json_line;
use super::{BadInput, Content, Decode, Kept, Rule, json, keys};

/// What a line may have beside the data: the keys (each character up to 12 bytes as JSON), the
/// names, and what `--failed` says about the failure.
const BESIDE_DATA: usize = 64 * 1024;

/// Our own JSON lines, as `--failed` writes them: keys in clear, data in base64. A record has at
/// most `limit` bytes, data and partition key together.
pub(crate) fn decoder(file: usize, limit: usize) -> impl Decode {
    let frames = Delimited::new(b'\n', limit.div_ceil(3) * 4 + BESIDE_DATA);
    Framed::new(file, frames, move |frame| match json_line(frame) {
        Some(line) if line.trim_ascii().is_empty() => None,
        Some(line) => Some(record(line, limit)),
        None => {
            let rule = Rule::TooLarge { limit, size: frame.length };
            Some(Err(BadInput::new(Kept::Nothing, frame.length, rule)))
        }
    })
}

/// The fields that count; all others are for the reader's eyes.
#[derive(Deserialize)]
struct Line<'a> {
    #[serde(borrow, default)]
    data: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    explicit_hash_key: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    partition_key: Option<Cow<'a, str>>,
}

fn record(line: &[u8], limit: usize) -> Content {
    let bad = |data: &[u8], rule| {
        let length = line.len() as u64;
        BadInput::new(Kept::Data(Bytes::copy_from_slice(data)), length, rule)
    };
    // What cannot be read is kept as it is.
    let text = json::check(line).map_err(|rule| bad(line, rule))?;
    let no_record = |what| Rule::NotARecord { what };
    let fields: Line<'_> = json::object(text)
        .ok_or_else(|| bad(line, no_record("the line is not an object of strings")))?;
    let data = fields.data.as_ref().ok_or_else(|| bad(line, no_record("`data` is missing")))?;
    let data = STANDARD.decode(data.as_bytes()).map_err(|_| bad(line, Rule::Base64))?;
    let (key, hash_key) = keys_of(fields).map_err(|rule| bad(&data, rule))?;
    keys::within(&data, key, hash_key, limit)
}

fn keys_of(fields: Line<'_>) -> Result<(PartitionKey, Option<HashKey>), Rule> {
    let hash_key = fields.explicit_hash_key.map(|key| key.parse()).transpose()?;
    let key =
        fields.partition_key.ok_or(Rule::NotARecord { what: "`partition_key` is missing" })?;
    Ok((PartitionKey::new(key)?, hash_key))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::testing::{Seen, decode};

    #[test]
    fn a_line_is_a_record_whatever_else_it_says() {
        let input = br#"{"partition_key":"a","explicit_hash_key":"7","data":"aGk=","line":3}
{"data":"","partition_key":"\u00e9","explicit_hash_key":null,"cause":{"x":[1]}}"#;
        let expected = [Seen::with_key(1, 0, "a", "hi"), Seen::with_key(2, 69, "é", "")];
        decode(|| decoder(0, 100), input, &expected);
        let record = record(&input[..68], 100).expect("a good line");
        assert_eq!(record.explicit_hash_key(), Some(HashKey::new(7)));
    }

    #[test]
    fn what_can_be_decoded_is_kept_decoded() {
        for (line, rule, kept) in [
            (r#"{"data":"aGk="}"#, "`partition_key` is missing", "hi"),
            (r#"{"data":"aGk=","partition_key":""}"#, "the partition key is empty", "hi"),
            (
                r#"{"data":"aGk=","partition_key":"k","explicit_hash_key":"x"}"#,
                "the hash key has a character that is no digit",
                "hi",
            ),
            (r#"{"data":"aGk"}"#, "`data` is not base64", r#"{"data":"aGk"}"#),
            (r#"{"line":4}"#, "`data` is missing", r#"{"line":4}"#),
            (r#"{"data":5}"#, "the line is not an object of strings", r#"{"data":5}"#),
            (r#"["data"]"#, "the line is not an object of strings", r#"["data"]"#),
            (r#"{"data":"#, "the JSON is broken", r#"{"data":"#),
        ] {
            decode(|| decoder(0, 100), line.as_bytes(), &[Seen::bad(1, 0, rule, kept)]);
        }
    }

    #[test]
    fn only_the_limit_of_the_stream_is_against_a_large_record() {
        let line = br#"{"data":"MTIzNDU2Nzg=","partition_key":"k"}"#;
        let rule = "the record has 9 bytes; the stream takes at most 8";
        decode(|| decoder(0, 8), line, &[Seen::bad(1, 0, rule, "k12345678")]);
        let endless = vec![b'x'; 2 * BESIDE_DATA];
        let mut items = Vec::new();
        let mut records = decoder(0, 8);
        records.decode(&endless, &mut items).expect("it never fails");
        records.finish(&mut items).expect("it never fails");
        let bad = items[0].content.as_ref().expect_err("far too large");
        assert_eq!((&bad.kept, bad.length), (&Kept::Nothing, endless.len() as u64));
    }
}
