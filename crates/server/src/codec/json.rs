//! Reads JSON (RFC 8259), as far as requests go.

use std::borrow::Cow;

use memchr::memchr2;

use super::DEPTH_MAX;
use super::value::{Fields, Value};

/// Reads a document from its beginning to its end; `None` if it is none.
pub(super) fn read(body: &[u8]) -> Option<Value<'_>> {
    let mut reader = Reader { text: core::str::from_utf8(body).ok()?, at: 0, depth: 0 };
    let value = reader.value()?;
    reader.space();
    (reader.at == body.len()).then_some(value)
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
}

impl<'a> Reader<'a> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    /// The next byte that is no space.
    fn next(&mut self) -> Option<u8> {
        self.space();
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }

    fn word(&mut self, rest: &str, value: Value<'a>) -> Option<Value<'a>> {
        let found = self.text.as_bytes()[self.at..].starts_with(rest.as_bytes());
        self.at += rest.len();
        found.then_some(value)
    }

    fn value(&mut self) -> Option<Value<'a>> {
        match self.next()? {
            b'"' => self.string().map(Value::Text),
            b'{' => self.nested(Self::object),
            b'[' => self.nested(Self::list),
            b't' => self.word("rue", Value::Bool(true)),
            b'f' => self.word("alse", Value::Bool(false)),
            b'n' => self.word("ull", Value::Null),
            b'-' | b'0'..=b'9' => self.number(),
            _ => None,
        }
    }

    fn nested(&mut self, read: impl Fn(&mut Self) -> Option<Value<'a>>) -> Option<Value<'a>> {
        self.depth += 1;
        let value = (self.depth <= DEPTH_MAX).then(|| read(self))?;
        self.depth -= 1;
        value
    }

    fn object(&mut self) -> Option<Value<'a>> {
        let mut fields = Fields::default();
        let mut byte = self.next()?;
        while byte != b'}' {
            let name = (byte == b'"').then(|| self.string())??;
            (self.next()? == b':').then_some(())?;
            fields.push(name, self.value()?);
            byte = match self.next()? {
                // A comma has a member behind it.
                b',' => self.next().filter(|byte| *byte == b'"')?,
                end => Some(end).filter(|byte| *byte == b'}')?,
            };
        }
        Some(Value::Object(fields))
    }

    fn list(&mut self) -> Option<Value<'a>> {
        let mut list = Vec::new();
        self.space();
        if self.peek()? == b']' {
            self.at += 1;
            return Some(Value::List(list));
        }
        loop {
            list.push(self.value()?);
            match self.next()? {
                b',' => {}
                b']' => return Some(Value::List(list)),
                _ => return None,
            }
        }
    }

    fn number(&mut self) -> Option<Value<'a>> {
        let start = self.at - 1;
        while matches!(self.peek(), Some(b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E')) {
            self.at += 1;
        }
        let text = &self.text[start..self.at];
        let digits = text.trim_start_matches('-');
        // Rust's numbers may also begin with zeros and begin or end with the point.
        let leads = digits.len() > 1 && digits.starts_with('0') && !digits.starts_with("0.");
        let wrong = (leads && !digits[1..].starts_with(['e', 'E']))
            || !digits.starts_with(|c: char| c.is_ascii_digit())
            || text.len() - digits.len() > 1
            || text.ends_with('.')
            || text.contains(".e")
            || text.contains(".E");
        if wrong { None } else { text.parse().ok().map(Value::Number) }
    }

    /// The text whose quote was read.
    fn string(&mut self) -> Option<Cow<'a, str>> {
        let (mut piece, mut is_last) = self.piece()?;
        if is_last {
            return Some(Cow::Borrowed(piece));
        }
        let mut whole = String::new();
        while !is_last {
            whole.push_str(piece);
            whole.push(self.escape()?);
            (piece, is_last) = self.piece()?;
        }
        whole.push_str(piece);
        Some(Cow::Owned(whole))
    }

    /// What comes before the next backslash or the quote, and whether it was the quote.
    fn piece(&mut self) -> Option<(&'a str, bool)> {
        let rest = &self.text.as_bytes()[self.at..];
        let length = memchr2(b'"', b'\\', rest)?;
        let piece = &self.text[self.at..self.at + length];
        self.at += length + 1;
        // All bytes are looked at, so that many are looked at at once.
        let has_control = piece.bytes().fold(false, |found, byte| found | (byte < 0x20));
        (!has_control).then_some((piece, rest[length] == b'"'))
    }

    /// The character whose backslash was read.
    fn escape(&mut self) -> Option<char> {
        let byte = self.peek()?;
        self.at += 1;
        Some(match byte {
            b'"' | b'\\' | b'/' => byte.into(),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => self.unicode()?,
            _ => return None,
        })
    }

    fn unicode(&mut self) -> Option<char> {
        let first = self.unit()?;
        if !(0xd800..0xdc00).contains(&first) {
            return char::from_u32(first);
        }
        let escaped = self.text.as_bytes()[self.at..].starts_with(b"\\u");
        self.at += 2;
        let second = escaped.then(|| self.unit())??;
        (0xdc00..0xe000).contains(&second).then_some(())?;
        char::from_u32(0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00))
    }

    fn unit(&mut self) -> Option<u32> {
        let digits = self.text.get(self.at..self.at + 4)?;
        self.at += 4;
        let hex = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        hex.then(|| u32::from_str_radix(digits, 16).ok())?
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same as serde_json reads; `None` for what it does not read.
    fn expected(text: &str) -> Option<Value<'static>> {
        serde_json::from_str(text).ok().map(converted)
    }

    fn converted(value: serde_json::Value) -> Value<'static> {
        match value {
            serde_json::Value::Null => Value::Null,
            serde_json::Value::Bool(value) => Value::Bool(value),
            serde_json::Value::Number(number) => Value::Number(number.as_f64().expect("finite")),
            serde_json::Value::String(text) => Value::Text(Cow::Owned(text)),
            serde_json::Value::Array(list) => {
                Value::List(list.into_iter().map(converted).collect())
            }
            serde_json::Value::Object(members) => {
                let mut fields = Fields::default();
                for (name, value) in members {
                    fields.push(Cow::Owned(name), converted(value));
                }
                Value::Object(fields)
            }
        }
    }

    #[test]
    fn documents_are_read_as_another_reader_does() {
        let texts = [
            "{}",
            "[]",
            "null",
            " { } ",
            "[ ]",
            "true",
            "false",
            "0",
            "-0",
            "12",
            "-1.5e3",
            "1E+2",
            "0.5",
            "0e1",
            "\"\"",
            "\"a\\\"b\\\\c\\/\\b\\f\\n\\r\\t\"",
            "\"\\u0041\\u00e9\\ud83d\\ude00\"",
            "\"é😀\"",
            "{\"a\":1,\"b\":[1,{\"c\":null}],\"d\":{}}",
            "[1 , 2\n,\t3]",
            // What is none.
            "",
            " ",
            "{",
            "}",
            "[",
            "]",
            "[1,]",
            "[,1]",
            "[1 2]",
            "{\"a\"}",
            "{\"a\":}",
            "{\"a\":1,}",
            "{,}",
            "{a:1}",
            "nul",
            "True",
            "01",
            "-",
            "-a",
            "--1",
            "1.",
            ".5",
            "1.e3",
            "1e",
            "+1",
            "0x1",
            "1 2",
            "\"",
            "\"\\x\"",
            "\"\n\"",
            "\"\\u12\"",
            "\"\\ud83d\"",
            "\"\\ud83dx\"",
            "\"\\ude00\"",
            "\"\\u+123\"",
            "{\"a\":1}}",
            "[[]",
            "00",
            "-01",
        ];
        for text in texts {
            assert_eq!(read(text.as_bytes()), expected(text), "{text}");
        }
        assert_eq!(read(b"\"\xff\""), None, "it must be UTF-8");
    }

    #[test]
    fn depth_and_escapes_without_end_are_harmless() {
        assert_eq!(read("[".repeat(1_000_000).as_bytes()), None);
        let many = format!("\"{}\"", "\\n".repeat(1_000_000));
        let Some(Value::Text(text)) = read(many.as_bytes()) else { panic!("a text") };
        assert_eq!(text.len(), 1_000_000);
    }
}
