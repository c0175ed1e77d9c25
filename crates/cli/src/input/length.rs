use bytes::Bytes;
use headwaters::UserRecord;

use super::{BadInput, Decode, Item, Kept, Keys, Position, Rule, Unusable};

/// Before each record its length: 4 bytes, big-endian. A record may be empty.
pub(crate) struct Length {
    body: Vec<u8>,
    file: usize,
    /// The bytes of the length that are there.
    header: Vec<u8>,
    keys: Keys,
    number: u64,
    offset: u64,
    /// How many bytes of the body have come, held or not.
    seen: u64,
}

impl Length {
    pub(crate) const fn new(file: usize, keys: Keys) -> Self {
        Self { body: Vec::new(), file, header: Vec::new(), keys, number: 1, offset: 0, seen: 0 }
    }

    /// What the length says, once it is there.
    fn promised(&self) -> Option<u32> {
        self.header.as_slice().try_into().ok().map(u32::from_be_bytes)
    }

    /// Takes what belongs to the record at hand, and returns the rest.
    fn take<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let missing = LENGTH_BYTES - self.header.len();
        if missing > 0 {
            let (part, rest) = bytes.split_at(missing.min(bytes.len()));
            self.header.extend_from_slice(part);
            return rest;
        }
        let promised = self.promised().map_or(0, u64::from);
        let missing = usize::try_from(promised - self.seen).unwrap_or(usize::MAX);
        let (part, rest) = bytes.split_at(missing.min(bytes.len()));
        self.seen += part.len() as u64;
        if promised <= self.keys.limit as u64 {
            self.body.extend_from_slice(part);
        }
        rest
    }

    fn complete(&mut self, content: Result<UserRecord, Box<BadInput>>) -> Item {
        let item = Item { content, position: self.position() };
        self.offset += self.header.len() as u64 + self.seen;
        self.number += 1;
        self.seen = 0;
        self.header.clear();
        self.body.clear();
        item
    }
}

/// How many bytes a length has.
const LENGTH_BYTES: usize = size_of::<u32>();

impl Decode for Length {
    fn decode(&mut self, mut bytes: &[u8], items: &mut Vec<Item>) -> Result<(), Unusable> {
        while !bytes.is_empty() {
            bytes = self.take(bytes);
            if self.promised().is_some_and(|promised| u64::from(promised) == self.seen) {
                let content = if self.seen > self.keys.limit as u64 {
                    Err(self.keys.too_large(self.seen))
                } else {
                    self.keys.record(&self.body, false, None)
                };
                items.push(self.complete(content));
            }
        }
        Ok(())
    }

    fn finish(&mut self, items: &mut Vec<Item>) -> Result<(), Unusable> {
        if !self.header.is_empty() {
            let promised = self.promised();
            let found = if promised.is_some() { self.seen } else { self.header.len() as u64 };
            let rule = Rule::Truncated { found, promised };
            let kept = match promised {
                Some(promised) if promised as usize > self.keys.limit => Kept::Nothing,
                _ => Kept::Data(Bytes::copy_from_slice(&self.body)),
            };
            items.push(self.complete(Err(BadInput::new(kept, found, rule))));
        }
        Ok(())
    }

    fn begin_at(&mut self, position: Position) -> bool {
        (self.number, self.offset) = (position.number, position.offset);
        true
    }

    fn position(&self) -> Position {
        Position { file: self.file, offset: self.offset, number: self.number }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::testing::{Seen, decode, keys};

    fn input(records: &[&[u8]]) -> Vec<u8> {
        let one = |record: &&[u8]| {
            let length = u32::try_from(record.len()).expect("short");
            [&length.to_be_bytes()[..], record].concat()
        };
        records.iter().flat_map(one).collect()
    }

    #[test]
    fn a_record_is_as_long_as_its_length_says() {
        let input = input(&[b"one", b"", b"123456789", b"\n\0"]);
        decode(
            || Length::new(0, keys(8)),
            &input,
            &[
                Seen::good(1, 0, "one"),
                Seen::good(2, 7, ""),
                Seen::bad(3, 11, "the record has 9 bytes; the stream takes at most 8", "-"),
                Seen::good(4, 24, "\n\0"),
            ],
        );
    }

    #[test]
    fn what_the_end_of_the_file_cuts_off_is_named() {
        let whole = input(&[b"one", b"three"]);
        for (cut, expected) in [
            (1, "the length says 5 bytes, but the input ends after 4"),
            (5, "the length says 5 bytes, but the input ends after 0"),
            (6, "the input ends after 3 of the 4 bytes of a length"),
        ] {
            let kept = "three".get(..5 - cut.min(5)).unwrap_or_default();
            decode(
                || Length::new(0, keys(8)),
                &whole[..whole.len() - cut],
                &[Seen::good(1, 0, "one"), Seen::bad(2, 7, expected, kept)],
            );
        }
        let rule = "the length says 1952807028 bytes, but the input ends after 13";
        let expected = [Seen::bad(1, 0, rule, "-")];
        decode(|| Length::new(0, keys(8)), b"text, not lengths", &expected);
    }
}
