use core::ops::Range;
use std::borrow::Cow;

use bytes::Bytes;
use headwaters_wire::{AttemptError, Placement};

use super::put_records::{Entry, EntryResult, placement};

/// What the entries of an answer looked like so far: most look like one before, and need not be read byte by byte.
///
/// An entry that was stored differs from the next one in the digits of its sequence number and in its shard, and both have
/// as many characters there. An entry that failed is the same as others that failed so, byte for byte.
pub(super) struct Alike<'a> {
    body: &'a Bytes,
    /// Each other one costs a comparison: enough for a message about each of some shards.
    failed: Vec<(&'a [u8], AttemptError)>,
    stored: Option<Stencil<'a>>,
}

const FAILED_MAX: usize = 32;

/// An entry that was stored, and where its texts are in it.
struct Stencil<'a> {
    bytes: &'a [u8],
    number: Range<usize>,
    shard: Range<usize>,
}

impl<'a> Alike<'a> {
    pub(super) const fn new(body: &'a Bytes) -> Self {
        Self { body, failed: Vec::new(), stored: None }
    }

    /// The entry at the beginning of `rest`, and how many bytes it has, if there was one like it.
    pub(super) fn read(&self, rest: &'a [u8]) -> Option<(usize, EntryResult)> {
        if let Some(stencil) = &self.stored
            && let Some(placement) = stencil.read(rest, self.body)
        {
            return Some((stencil.bytes.len(), Ok(placement)));
        }
        let (bytes, error) = self.failed.iter().find(|(bytes, _)| rest.starts_with(bytes))?;
        Some((bytes.len(), Err(error.clone())))
    }

    /// Remembers an entry that was read, and what came out.
    pub(super) fn learn(&mut self, bytes: &'a [u8], entry: &Entry<'a>, result: &EntryResult) {
        match result {
            Ok(_) => self.stored = Stencil::new(bytes, entry).or(self.stored.take()),
            Err(error) if self.failed.len() < FAILED_MAX => {
                self.failed.push((bytes, error.clone()));
            }
            Err(_) => {}
        }
    }
}

impl<'a> Stencil<'a> {
    fn new(bytes: &'a [u8], entry: &Entry<'a>) -> Option<Self> {
        let range = |text: &Option<Cow<'a, str>>| match text {
            // Part of the entry, and so of the same memory.
            Some(Cow::Borrowed(text)) => {
                let start = text.as_ptr().addr() - bytes.as_ptr().addr();
                Some(start..start + text.len())
            }
            _ => None,
        };
        Some(Self { bytes, number: range(&entry.sequence_number)?, shard: range(&entry.shard)? })
    }

    /// What takes the place of the texts may be anything: that it has no other characters than they may have is looked at when it becomes
    /// a placement.
    fn read(&self, rest: &[u8], body: &Bytes) -> Option<Placement> {
        let Self { bytes, number, shard } = self;
        let alike = rest.get(..bytes.len())?;
        let (first, second) =
            if number.start < shard.start { (number, shard) } else { (shard, number) };
        let is_alike = alike[..first.start] == bytes[..first.start]
            && alike[first.end..second.start] == bytes[first.end..second.start]
            && alike[second.end..] == bytes[second.end..];
        if !is_alike {
            return None;
        }
        let at = body.len() - rest.len();
        let digits = body.slice(at + number.start..at + number.end);
        placement(digits, &alike[shard.clone()])
    }
}
