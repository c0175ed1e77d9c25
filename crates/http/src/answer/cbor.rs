use std::borrow::Cow;

use super::Malformed;
use super::reader::Reader;

/// How deep arrays, maps and tags may lie in each other.
const DEPTH_MAX: usize = 127;

/// A reader of CBOR (RFC 8949), as far as answers go: names and texts may come in pieces, lengths may be left
/// open.
pub(super) struct Cbor<'a> {
    rest: &'a [u8],
    /// What is open, from the outside to the inside: how many elements, or members, are still to come;
    /// `None` until a stop mark.
    open: Vec<Option<u64>>,
}

const BYTES: u8 = 2;
const TEXT: u8 = 3;
const ARRAY: u8 = 4;
const MAP: u8 = 5;
const TAG: u8 = 6;
const SIMPLE: u8 = 7;

const NULL: u8 = 0xf6;
const UNDEFINED: u8 = 0xf7;
const STOP: u8 = 0xff;

/// The beginning of an item.
struct Head {
    kind: u8,
    /// The number in it; `None` if the length is open.
    number: Option<u64>,
}

impl<'a> Cbor<'a> {
    pub(super) const fn new(body: &'a [u8]) -> Self {
        Self { rest: body, open: Vec::new() }
    }

    fn take(&mut self, count: u64) -> Result<&'a [u8], Malformed> {
        let count = usize::try_from(count).map_err(|_| Malformed)?;
        let (taken, rest) = self.rest.split_at_checked(count).ok_or(Malformed)?;
        self.rest = rest;
        Ok(taken)
    }

    fn stop(&mut self) -> bool {
        match self.rest {
            [STOP, rest @ ..] => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }

    fn head(&mut self) -> Result<Head, Malformed> {
        let first = self.take(1)?[0];
        let kind = first >> 5;
        let short = first & 0x1f;
        let number = match short {
            0..=23 => Some(u64::from(short)),
            24..=27 => {
                let bytes = self.take(1 << (short - 24))?;
                Some(bytes.iter().fold(0, |number, &byte| number << 8 | u64::from(byte)))
            }
            31 if (BYTES..=MAP).contains(&kind) => None,
            _ => return Err(Malformed),
        };
        // A simple value below 32 has one form only, and it is not this one.
        if kind == SIMPLE && short == 24 && number.is_some_and(|number| number < 32) {
            return Err(Malformed);
        }
        Ok(Head { kind, number })
    }

    /// The head of the next item, without its tags.
    fn untagged(&mut self) -> Result<Head, Malformed> {
        for _ in 0..DEPTH_MAX {
            let head = self.head()?;
            if head.kind != TAG {
                return Ok(head);
            }
        }
        Err(Malformed)
    }

    fn begin(&mut self, kind: u8) -> Result<(), Malformed> {
        let head = self.untagged()?;
        if head.kind != kind {
            return Err(Malformed);
        }
        self.nest(head.number)
    }

    fn nest(&mut self, count: Option<u64>) -> Result<(), Malformed> {
        if self.open.len() == DEPTH_MAX {
            return Err(Malformed);
        }
        self.open.push(count);
        Ok(())
    }

    /// Whether there is another element or member.
    fn more(&mut self) -> Result<bool, Malformed> {
        let more = match self.open.last_mut().ok_or(Malformed)? {
            Some(0) => false,
            Some(left) => {
                *left -= 1;
                true
            }
            None => !self.stop(),
        };
        if !more {
            self.open.pop();
        }
        Ok(more)
    }

    /// The content of a text or of bytes whose head was read.
    fn string(&mut self, head: &Head) -> Result<Cow<'a, [u8]>, Malformed> {
        let Some(length) = head.number else {
            let mut whole = Vec::new();
            while !self.stop() {
                let piece = self.head()?;
                if piece.kind != head.kind {
                    return Err(Malformed);
                }
                let bytes = self.take(piece.number.ok_or(Malformed)?)?;
                // Each piece of a text is a text.
                if head.kind == TEXT {
                    core::str::from_utf8(bytes).map_err(|_| Malformed)?;
                }
                whole.extend_from_slice(bytes);
            }
            return Ok(Cow::Owned(whole));
        };
        self.take(length).map(Cow::Borrowed)
    }

    fn text_of(&mut self, head: &Head) -> Result<Cow<'a, str>, Malformed> {
        if head.kind != TEXT {
            return Err(Malformed);
        }
        match self.string(head)? {
            Cow::Borrowed(bytes) => {
                core::str::from_utf8(bytes).map(Cow::Borrowed).map_err(|_| Malformed)
            }
            Cow::Owned(bytes) => String::from_utf8(bytes).map(Cow::Owned).map_err(|_| Malformed),
        }
    }
}

impl<'a> Reader<'a> for Cbor<'a> {
    fn object(&mut self) -> Result<(), Malformed> {
        self.begin(MAP)
    }

    fn member(&mut self) -> Result<Option<Cow<'a, str>>, Malformed> {
        if !self.more()? {
            return Ok(None);
        }
        let head = self.untagged()?;
        self.text_of(&head).map(Some)
    }

    fn array(&mut self) -> Result<(), Malformed> {
        self.begin(ARRAY)
    }

    fn element(&mut self) -> Result<bool, Malformed> {
        self.more()
    }

    fn text(&mut self) -> Result<Option<Cow<'a, str>>, Malformed> {
        if let [NULL | UNDEFINED, rest @ ..] = self.rest {
            self.rest = rest;
            return Ok(None);
        }
        let head = self.untagged()?;
        self.text_of(&head).map(Some)
    }

    /// Goes as deep as the document, which is not deep.
    fn skip(&mut self) -> Result<(), Malformed> {
        let head = self.untagged()?;
        match head.kind {
            BYTES => drop(self.string(&head)?),
            TEXT => drop(self.text_of(&head)?),
            ARRAY => {
                self.nest(head.number)?;
                while self.more()? {
                    self.skip()?;
                }
            }
            // Inside of what is skipped a name may be anything.
            MAP => {
                self.nest(head.number)?;
                while self.more()? {
                    self.skip()?;
                    self.skip()?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn rest(&self) -> &'a [u8] {
        self.rest
    }

    fn pass(&mut self, bytes: usize) {
        self.rest = &self.rest[bytes..];
    }

    fn end(&mut self) -> Result<(), Malformed> {
        if self.rest.is_empty() { Ok(()) } else { Err(Malformed) }
    }
}
