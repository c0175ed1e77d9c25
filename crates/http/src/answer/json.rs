use std::borrow::Cow;

use super::Malformed;
use super::reader::Reader;

/// How deep arrays and objects may lie in each other. Source: serde_json, which reads as deep.
const DEPTH_MAX: usize = 127;

/// A reader of JSON (RFC 8259).
pub(super) struct Json<'a> {
    at: usize,
    /// UTF-8, as far as it was read: outside of strings there is only ASCII.
    bytes: &'a [u8],
    /// What is open, from the outside to the inside; true if a comma must come before what is next.
    open: Vec<bool>,
}

impl<'a> Json<'a> {
    pub(super) const fn new(body: &'a [u8]) -> Self {
        Self { at: 0, bytes: body, open: Vec::new() }
    }

    /// The next byte that is no white space.
    fn peek(&mut self) -> Option<u8> {
        let rest = self.bytes.get(self.at..)?;
        let is_space = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\n' | b'\r');
        let spaces = rest.iter().take_while(|byte| is_space(byte)).count();
        self.at += spaces;
        rest.get(spaces).copied()
    }

    fn take(&mut self, byte: u8) -> bool {
        let taken = self.peek() == Some(byte);
        self.at += usize::from(taken);
        taken
    }

    fn expect(&mut self, byte: u8) -> Result<(), Malformed> {
        if self.take(byte) { Ok(()) } else { Err(Malformed) }
    }

    fn word(&mut self, word: &str) -> Result<(), Malformed> {
        self.peek();
        if !self.bytes[self.at..].starts_with(word.as_bytes()) {
            return Err(Malformed);
        }
        self.at += word.len();
        Ok(())
    }

    fn begin(&mut self, bracket: u8) -> Result<(), Malformed> {
        self.expect(bracket)?;
        if self.open.len() == DEPTH_MAX {
            return Err(Malformed);
        }
        self.open.push(false);
        Ok(())
    }

    /// Whether something comes before the closing bracket, which is taken otherwise; with its comma.
    fn more(&mut self, bracket: u8) -> Result<bool, Malformed> {
        if self.take(bracket) {
            self.open.pop();
            return Ok(false);
        }
        let comma = self.open.last_mut().ok_or(Malformed)?;
        if core::mem::replace(comma, true) {
            self.expect(b',')?;
        }
        Ok(true)
    }

    fn string(&mut self) -> Result<Cow<'a, str>, Malformed> {
        self.expect(b'"')?;
        let start = self.at;
        let mut owned: Option<String> = None;
        let mut plain = start;
        loop {
            let rest = &self.bytes[self.at..];
            let stops = |byte: &u8| *byte < 0x20 || matches!(byte, b'"' | b'\\');
            self.at += rest.iter().position(stops).ok_or(Malformed)?;
            let part = core::str::from_utf8(&self.bytes[plain..self.at]).map_err(|_| Malformed)?;
            let byte = self.bytes[self.at];
            self.at += 1;
            match byte {
                b'"' => {
                    return Ok(match owned {
                        Some(text) => Cow::Owned(text + part),
                        None => Cow::Borrowed(part),
                    });
                }
                b'\\' => {
                    let text = owned.get_or_insert_default();
                    text.push_str(part);
                    let character = self.escape()?;
                    owned.get_or_insert_default().push(character);
                    plain = self.at;
                }
                _ => return Err(Malformed),
            }
        }
    }

    /// What follows a backslash.
    fn escape(&mut self) -> Result<char, Malformed> {
        let byte = *self.bytes.get(self.at).ok_or(Malformed)?;
        self.at += 1;
        Ok(match byte {
            b'"' | b'\\' | b'/' => char::from(byte),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let first = self.unit()?;
                if !(0xd800..0xdc00).contains(&first) {
                    return char::from_u32(first).ok_or(Malformed);
                }
                // The first half of a character beyond the 65,536 that one escape can say.
                if !self.bytes[self.at..].starts_with(b"\\u") {
                    return Err(Malformed);
                }
                self.at += 2;
                let second = self.unit()?;
                if !(0xdc00..0xe000).contains(&second) {
                    return Err(Malformed);
                }
                let character = 0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00);
                return char::from_u32(character).ok_or(Malformed);
            }
            _ => return Err(Malformed),
        })
    }

    /// Four hexadecimal digits.
    fn unit(&mut self) -> Result<u32, Malformed> {
        let digits = self.bytes.get(self.at..self.at + 4).ok_or(Malformed)?;
        self.at += 4;
        digits.iter().try_fold(0, |unit, &digit| {
            let digit = char::from(digit).to_digit(16).ok_or(Malformed)?;
            Ok(unit << 4 | digit)
        })
    }

    fn number(&mut self) -> Result<(), Malformed> {
        self.at += usize::from(self.byte() == Some(b'-'));
        match self.byte() {
            Some(b'0') => self.at += 1,
            _ => self.digits()?,
        }
        if self.byte() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.byte(), Some(b'e' | b'E')) {
            self.at += 1;
            self.at += usize::from(matches!(self.byte(), Some(b'+' | b'-')));
            self.digits()?;
        }
        Ok(())
    }

    fn digits(&mut self) -> Result<(), Malformed> {
        let rest = &self.bytes[self.at..];
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.at += digits;
        if digits == 0 { Err(Malformed) } else { Ok(()) }
    }

    fn byte(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }
}

impl<'a> Reader<'a> for Json<'a> {
    fn object(&mut self) -> Result<(), Malformed> {
        self.begin(b'{')
    }

    fn member(&mut self) -> Result<Option<Cow<'a, str>>, Malformed> {
        if !self.more(b'}')? {
            return Ok(None);
        }
        let name = self.string()?;
        self.expect(b':')?;
        Ok(Some(name))
    }

    fn array(&mut self) -> Result<(), Malformed> {
        self.begin(b'[')
    }

    fn element(&mut self) -> Result<bool, Malformed> {
        self.more(b']')
    }

    fn text(&mut self) -> Result<Option<Cow<'a, str>>, Malformed> {
        if self.peek() == Some(b'n') {
            self.word("null")?;
            return Ok(None);
        }
        self.string().map(Some)
    }

    /// Goes as deep as the document, which is not deep.
    fn skip(&mut self) -> Result<(), Malformed> {
        match self.peek().ok_or(Malformed)? {
            b'{' => {
                self.object()?;
                while self.member()?.is_some() {
                    self.skip()?;
                }
            }
            b'[' => {
                self.array()?;
                while self.element()? {
                    self.skip()?;
                }
            }
            b'"' => drop(self.string()?),
            b'f' => self.word("false")?,
            b'n' => self.word("null")?,
            b't' => self.word("true")?,
            _ => self.number()?,
        }
        Ok(())
    }

    fn rest(&self) -> &'a [u8] {
        &self.bytes[self.at..]
    }

    fn pass(&mut self, bytes: usize) {
        self.at += bytes;
    }

    fn end(&mut self) -> Result<(), Malformed> {
        if self.peek().is_none() { Ok(()) } else { Err(Malformed) }
    }
}
