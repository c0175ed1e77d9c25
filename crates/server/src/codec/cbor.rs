//! Reads CBOR (RFC 8949), as far as requests go.

use std::borrow::Cow;

use super::DEPTH_MAX;
use super::value::{Fields, Value};

const UNSIGNED: u8 = 0;
const NEGATIVE: u8 = 1;
const BYTES: u8 = 2;
const TEXT: u8 = 3;
const ARRAY: u8 = 4;
const MAP: u8 = 5;
const TAG: u8 = 6;
const SIMPLE: u8 = 7;

const STOP: u8 = 0xff;

/// Reads an item that is all there is; `None` if it is none.
pub(super) fn read(body: &[u8]) -> Option<Value<'_>> {
    let mut reader = Reader { rest: body, depth: 0 };
    let value = reader.value()?;
    reader.rest.is_empty().then_some(value)
}

struct Reader<'a> {
    rest: &'a [u8],
    depth: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, count: u64) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(usize::try_from(count).ok()?)?;
        self.rest = rest;
        Some(taken)
    }

    /// The kind of the next item, the form of its number, and the number; `None` for an open length.
    fn head(&mut self) -> Option<(u8, u8, Option<u64>)> {
        let first = self.take(1)?[0];
        let (kind, form) = (first >> 5, first & 0x1f);
        let number = match form {
            0..=23 => Some(u64::from(form)),
            24..=27 => {
                let bytes = self.take(1 << (form - 24))?;
                Some(bytes.iter().fold(0, |number, &byte| number << 8 | u64::from(byte)))
            }
            31 if (BYTES..=MAP).contains(&kind) => None,
            _ => return None,
        };
        Some((kind, form, number))
    }

    fn value(&mut self) -> Option<Value<'a>> {
        self.depth += 1;
        let value = (self.depth <= DEPTH_MAX).then(|| self.item())?;
        self.depth -= 1;
        value
    }

    fn item(&mut self) -> Option<Value<'a>> {
        let (kind, form, number) = self.head()?;
        Some(match kind {
            UNSIGNED => Value::Number(number? as f64),
            NEGATIVE => Value::Number(-1.0 - number? as f64),
            BYTES => Value::Blob(self.string(kind, number)?),
            TEXT => Value::Text(self.text(number)?),
            ARRAY => Value::List(self.list(number)?),
            MAP => Value::Object(self.object(number)?),
            // What a tag adds nobody needs: the member says that it is a time.
            TAG => self.value()?,
            SIMPLE => simple(form, number?)?,
            _ => return None,
        })
    }

    fn list(&mut self, length: Option<u64>) -> Option<Vec<Value<'a>>> {
        let mut list = Vec::new();
        while self.more(length, list.len())? {
            list.push(self.value()?);
        }
        Some(list)
    }

    fn object(&mut self, length: Option<u64>) -> Option<Fields<'a>> {
        let mut fields = Fields::default();
        while self.more(length, fields.len())? {
            let (kind, _, number) = self.head()?;
            let name = (kind == TEXT).then(|| self.text(number))??;
            fields.push(name, self.value()?);
        }
        Some(fields)
    }

    /// Whether another element comes after this many; `None` if the end is missing.
    fn more(&mut self, length: Option<u64>, read: usize) -> Option<bool> {
        match length {
            Some(length) => Some((read as u64) < length),
            None if *self.rest.first()? == STOP => {
                self.rest = &self.rest[1..];
                Some(false)
            }
            None => Some(true),
        }
    }

    /// A text or bytes whose head was read.
    fn string(&mut self, kind: u8, length: Option<u64>) -> Option<Cow<'a, [u8]>> {
        if let Some(length) = length {
            return self.take(length).map(Cow::Borrowed);
        }
        let mut whole = Vec::new();
        while self.more(None, 0)? {
            let (found, _, length) = self.head()?;
            let piece = (found == kind).then(|| self.take(length?))??;
            whole.extend_from_slice(piece);
        }
        Some(Cow::Owned(whole))
    }

    fn text(&mut self, length: Option<u64>) -> Option<Cow<'a, str>> {
        match self.string(TEXT, length)? {
            Cow::Borrowed(bytes) => core::str::from_utf8(bytes).ok().map(Cow::Borrowed),
            Cow::Owned(bytes) => String::from_utf8(bytes).ok().map(Cow::Owned),
        }
    }
}

fn simple(form: u8, bits: u64) -> Option<Value<'static>> {
    Some(match form {
        20 => Value::Bool(false),
        21 => Value::Bool(true),
        22 | 23 => Value::Null,
        25 => Value::Number(half(bits as u16)),
        26 => Value::Number(f32::from_bits(bits as u32).into()),
        27 => Value::Number(f64::from_bits(bits)),
        _ => return None,
    })
}

/// A number of 16 bits (IEEE 754). Source: RFC 8949, appendix D.
fn half(bits: u16) -> f64 {
    let (exponent, fraction) = (i32::from(bits >> 10 & 0x1f), f64::from(bits & 0x3ff));
    let value = match exponent {
        0 => fraction * 2_f64.powi(-24),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (fraction + 1_024.0) * 2_f64.powi(exponent - 25),
    };
    if bits & 0x8000 == 0 { value } else { -value }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(bytes: &[u8]) -> f64 {
        match read(bytes) {
            Some(Value::Number(number)) => number,
            other => panic!("{other:?}"),
        }
    }

    /// Source: RFC 8949, appendix A.
    #[test]
    fn the_examples_of_the_rfc_are_read() {
        for (bytes, value) in [
            (&[0x00][..], 0.0),
            (&[0x17], 23.0),
            (&[0x18, 0x64], 100.0),
            (&[0x19, 0x03, 0xe8], 1_000.0),
            (&[0x1b, 0, 0, 0, 0xe8, 0xd4, 0xa5, 0x10, 0], 1_000_000_000_000.0),
            (&[0x20], -1.0),
            (&[0x39, 0x03, 0xe7], -1_000.0),
            (&[0xf9, 0x3e, 0x00], 1.5),
            (&[0xf9, 0xc4, 0x00], -4.0),
            (&[0xf9, 0x00, 0x01], 5.960_464_477_539_063e-8),
            (&[0xfa, 0x47, 0xc3, 0x50, 0x00], 100_000.0),
            (&[0xfb, 0x3f, 0xf1, 0x99, 0x99, 0x99, 0x99, 0x99, 0x9a], 1.1),
            (&[0xc1, 0x1a, 0x51, 0x4b, 0x67, 0xb0], 1_363_896_240.0),
        ] {
            assert_eq!(number(bytes), value, "{bytes:02x?}");
        }
        assert_eq!(read(&[0xf5]), Some(Value::Bool(true)));
        assert_eq!(read(&[0xf6]), Some(Value::Null));
        let blob = |bytes: &'static [u8]| Some(Value::Blob(Cow::Borrowed(bytes)));
        assert_eq!(read(&[0x44, 1, 2, 3, 4]), blob(&[1, 2, 3, 4]));
        assert_eq!(read(&[0x5f, 0x42, 1, 2, 0x43, 3, 4, 5, 0xff]), blob(&[1, 2, 3, 4, 5]));
        let mut fields = Fields::default();
        fields.push("a".into(), Value::Number(1.0));
        fields.push("b".into(), Value::List(vec![Value::Number(2.0), Value::Number(3.0)]));
        let object = Some(Value::Object(fields));
        assert_eq!(read(&[0xa2, 0x61, b'a', 1, 0x61, b'b', 0x82, 2, 3]), object);
        assert_eq!(read(&[0xbf, 0x61, b'a', 1, 0x61, b'b', 0x9f, 2, 3, 0xff, 0xff]), object);
    }

    #[test]
    fn what_is_none_is_refused() {
        let deep = [0x81; 1_000_000];
        let wrong: [&[u8]; 14] = [
            &[],
            &[0x18],
            &[0x1c],
            &[0x1f],
            &[0x42, 1],
            &[0x61, 0xff],
            &[0x81],
            &[0x9f, 1],
            &[0xa1, 1, 2],
            &[0xff],
            &[0, 0],
            &[0x5f, 0x61, b'a', 0xff],
            &[0x5b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
            &deep,
        ];
        for bytes in wrong {
            assert_eq!(read(bytes), None, "{:02x?}", &bytes[..bytes.len().min(9)]);
        }
    }
}
