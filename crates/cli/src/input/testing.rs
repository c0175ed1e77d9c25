//! Helpers for the tests of the formats.

use headwaters::wire::PartitionKey;

use super::{Decode, Item, Kept, Key, Keys};

/// The key `k` for all, and at most `limit` bytes.
pub(crate) fn keys(limit: usize) -> Keys {
    let key = Key::Fixed(PartitionKey::new("k").expect("a valid key"));
    Keys { hash_key: None, header: true, key, limit }
}

/// An item in a form that is easy to compare.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Seen {
    number: u64,
    offset: u64,
    /// Key and data, or the rule and what was kept.
    what: Result<(String, String), (String, String)>,
}

impl Seen {
    pub(crate) fn good(number: u64, offset: u64, data: &str) -> Self {
        Self::with_key(number, offset, "k", data)
    }

    pub(crate) fn with_key(number: u64, offset: u64, key: &str, data: &str) -> Self {
        Self { number, offset, what: Ok((key.to_owned(), data.to_owned())) }
    }

    /// `rule` is how its text begins; `kept` is `-` for nothing, and begins with the key if there
    /// is one.
    pub(crate) fn bad(number: u64, offset: u64, rule: &str, kept: &str) -> Self {
        Self { number, offset, what: Err((rule.to_owned(), kept.to_owned())) }
    }

    fn of(item: &Item, expected: Option<&Self>) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let what = match &item.content {
            Ok(record) => Ok((record.partition_key().as_str().to_owned(), text(record.data()))),
            Err(bad) => {
                let rule = bad.rule.to_string();
                let start = match expected {
                    Some(Self { what: Err((start, _)), .. }) if rule.starts_with(start) => start,
                    _ => &rule,
                };
                let kept = match &bad.kept {
                    Kept::Data(data) => text(data),
                    Kept::Nothing => "-".to_owned(),
                    Kept::Record(record) => {
                        format!("{}{}", record.partition_key().as_str(), text(record.data()))
                    }
                };
                Err((start.clone(), kept))
            }
        };
        Self { number: item.position.number, offset: item.position.offset, what }
    }
}

/// What a format makes of `input`, in pieces of every size: each time the same.
pub(crate) fn decode<D: Decode>(start: impl Fn() -> D, input: &[u8], expected: &[Seen]) -> u64 {
    let mut skipped = 0;
    for piece in 1..=input.len() {
        let mut decoder = start();
        let mut items = Vec::new();
        for piece in input.chunks(piece) {
            decoder.decode(piece, &mut items).expect("the command line fits the file");
        }
        decoder.finish(&mut items).expect("the command line fits the file");
        let seen: Vec<Seen> = (0..)
            .zip(&items)
            .map(|(at, item): (usize, _)| Seen::of(item, expected.get(at)))
            .collect();
        assert_eq!(seen, expected, "in pieces of {piece} bytes");
        skipped = decoder.skipped();
    }
    skipped
}
