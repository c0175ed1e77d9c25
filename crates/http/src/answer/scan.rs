use core::str::FromStr;

use bytes::Bytes;
use headwaters_wire::{Placement, SequenceNumber, ShardId};

use super::put_records::EntryResult;

/// Reads a JSON answer in which all of so many entries were stored, as the service writes it: nothing
/// escaped, no members that it does not have today. `None` for any other answer, which the parser then reads.
///
/// It allocates the results and nothing else: the sequence numbers are slices of `body`.
pub(crate) fn scan_all_stored(body: &Bytes, entries: usize) -> Option<Vec<EntryResult>> {
    let mut scan = Scan { body, at: 0 };
    let (mut count, mut encryption, mut results) = (false, false, None);
    scan.take(b'{')?;
    loop {
        match scan.name()? {
            b"FailedRecordCount" if !core::mem::replace(&mut count, true) => scan.take(b'0')?,
            b"EncryptionType" if !core::mem::replace(&mut encryption, true) => {
                scan.string()?;
            }
            b"Records" if results.is_none() => results = Some(scan.records(entries)?),
            _ => return None,
        }
        if !scan.comma(b'}')? {
            break;
        }
    }
    scan.skip_spaces();
    results.filter(|results| scan.at == body.len() && results.len() == entries)
}

struct Scan<'a> {
    body: &'a Bytes,
    at: usize,
}

/// An entry as the service writes it.
const OPENING: &[u8] = br#"{"SequenceNumber":""#;
const MIDDLE: &[u8] = br#"","ShardId":""#;
const CLOSING: &[u8] = br#""}"#;

/// The sequence number and the shard of an entry.
type Texts<'a> = (&'a [u8], &'a [u8]);

impl<'a> Scan<'a> {
    fn records(&mut self, entries: usize) -> Option<Vec<EntryResult>> {
        let mut results = Vec::with_capacity(entries);
        let mut last: Option<(Texts<'a>, ShardId)> = None;
        self.take(b'[')?;
        loop {
            let like = last.as_ref().map(|(texts, _)| *texts);
            let texts = match like.and_then(|like| self.entry_like(like)) {
                Some(texts) => texts,
                None => self.entry()?,
            };
            let (number, shard) = texts;
            let shard = match last {
                Some(((_, bytes), id)) if bytes == shard => id,
                _ => ShardId::from_str(core::str::from_utf8(shard).ok()?).ok()?,
            };
            let sequence_number = SequenceNumber::from_bytes(self.body.slice_ref(number)).ok()?;
            if results.len() == entries {
                return None;
            }
            results.push(Ok(Placement { sequence_number, shard: shard.clone() }));
            last = Some((texts, shard));
            if !self.comma(b']')? {
                return Some(results);
            }
        }
    }

    /// An entry as the service writes it, with texts as long as those of the one before. What is taken for the
    /// sequence number may be anything: that it has digits only is looked at when it becomes one.
    fn entry_like(&mut self, (number, shard): Texts<'_>) -> Option<Texts<'a>> {
        let rest = self.body[self.at..].strip_prefix(OPENING)?;
        let (number, rest) = rest.split_at_checked(number.len())?;
        let (shard, rest) = rest.strip_prefix(MIDDLE)?.split_at_checked(shard.len())?;
        let rest = rest.strip_prefix(CLOSING)?;
        self.at = self.body.len() - rest.len();
        Some((number, shard))
    }

    fn entry(&mut self) -> Option<Texts<'a>> {
        let (mut number, mut shard, mut code, mut message) = (None, None, false, false);
        self.take(b'{')?;
        loop {
            match self.name()? {
                b"SequenceNumber" if number.is_none() => number = Some(self.string()?),
                b"ShardId" if shard.is_none() => shard = Some(self.string()?),
                // Some servers write these even so.
                b"ErrorCode" if !core::mem::replace(&mut code, true) => self.null()?,
                b"ErrorMessage" if !core::mem::replace(&mut message, true) => self.null()?,
                _ => return None,
            }
            if !self.comma(b'}')? {
                return number.zip(shard);
            }
        }
    }

    /// The name of a member, and its colon.
    fn name(&mut self) -> Option<&'a [u8]> {
        let name = self.string()?;
        self.take(b':')?;
        Some(name)
    }

    /// The content of a string of plain ASCII.
    fn string(&mut self) -> Option<&'a [u8]> {
        self.take(b'"')?;
        let rest = &self.body[self.at..];
        let is_plain = |byte: &u8| matches!(byte, 0x20..=0x7e) && !matches!(byte, b'"' | b'\\');
        let length = rest.iter().position(|byte| !is_plain(byte))?;
        self.at += length + 1;
        (rest[length] == b'"').then(|| &rest[..length])
    }

    fn null(&mut self) -> Option<()> {
        self.skip_spaces();
        let taken = self.body[self.at..].starts_with(b"null");
        self.at += 4;
        taken.then_some(())
    }

    /// Whether a comma comes, or else the closing bracket.
    fn comma(&mut self, bracket: u8) -> Option<bool> {
        self.skip_spaces();
        let byte = *self.body.get(self.at)?;
        self.at += 1;
        (byte == b',' || byte == bracket).then_some(byte == b',')
    }

    fn take(&mut self, byte: u8) -> Option<()> {
        self.skip_spaces();
        let taken = self.body.get(self.at) == Some(&byte);
        self.at += 1;
        taken.then_some(())
    }

    fn skip_spaces(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.body.get(self.at) {
            self.at += 1;
        }
    }
}
