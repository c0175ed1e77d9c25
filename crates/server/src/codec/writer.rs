use core::time::Duration;
use std::io::Write;

use super::Protocol;

/// Writes an answer, member by member.
///
/// Objects and lists are begun and ended; a value comes where one may come. Members that have no value are left out by
/// the caller.
pub(crate) struct Writer {
    bytes: Vec<u8>,
    protocol: Protocol,
}

/// The kinds of items. Source: RFC 8949, 3.1.
const UNSIGNED: u8 = 0;
const NEGATIVE: u8 = 1;
const BYTES: u8 = 2;
const TEXT: u8 = 3;

/// Begins what is open: its end is marked, so that nobody counts its members beforehand.
const OPEN_LIST: u8 = 0x9f;
const OPEN_OBJECT: u8 = 0xbf;
const STOP: u8 = 0xff;
const EPOCH_TIME: u8 = 0xc1;

impl Writer {
    /// An object without members yet.
    pub(crate) fn new(protocol: Protocol, capacity: usize) -> Self {
        let mut writer = Self { bytes: Vec::with_capacity(capacity), protocol };
        writer.begin_object();
        writer
    }

    /// What was written.
    pub(crate) fn finish(mut self) -> Vec<u8> {
        self.end_object();
        self.bytes
    }

    /// JSON has a comma between two of anything.
    fn separate(&mut self) {
        if !matches!(self.bytes.last(), None | Some(b'{' | b'[' | b':' | b',')) {
            self.bytes.push(b',');
        }
    }

    fn begin(&mut self, json: u8, cbor: u8) {
        match self.protocol {
            Protocol::Cbor => self.bytes.push(cbor),
            Protocol::Json => {
                self.separate();
                self.bytes.push(json);
            }
        }
    }

    pub(crate) fn begin_object(&mut self) {
        self.begin(b'{', OPEN_OBJECT);
    }

    pub(crate) fn begin_list(&mut self) {
        self.begin(b'[', OPEN_LIST);
    }

    pub(crate) fn end_object(&mut self) {
        self.bytes.push(if self.protocol == Protocol::Cbor { STOP } else { b'}' });
    }

    pub(crate) fn end_list(&mut self) {
        self.bytes.push(if self.protocol == Protocol::Cbor { STOP } else { b']' });
    }

    /// The name of the member whose value comes next. Names need no escapes.
    pub(crate) fn name(&mut self, name: &str) -> &mut Self {
        match self.protocol {
            Protocol::Cbor => self.cbor_string(TEXT, name.as_bytes()),
            Protocol::Json => {
                self.separate();
                self.bytes.push(b'"');
                self.bytes.extend_from_slice(name.as_bytes());
                self.bytes.extend_from_slice(b"\":");
            }
        }
        self
    }

    pub(crate) fn text(&mut self, text: &str) {
        match self.protocol {
            Protocol::Cbor => self.cbor_string(TEXT, text.as_bytes()),
            Protocol::Json => {
                self.separate();
                self.json_string(text);
            }
        }
    }

    pub(crate) fn integer(&mut self, number: i64) {
        match self.protocol {
            Protocol::Cbor if number < 0 => self.cbor_head(NEGATIVE, !number as u64),
            Protocol::Cbor => self.cbor_head(UNSIGNED, number as u64),
            Protocol::Json => {
                self.separate();
                self.print(format_args!("{number}"));
            }
        }
    }

    pub(crate) fn boolean(&mut self, value: bool) {
        match self.protocol {
            Protocol::Cbor => self.bytes.push(if value { 0xf5 } else { 0xf4 }),
            Protocol::Json => {
                self.separate();
                self.print(format_args!("{value}"));
            }
        }
    }

    pub(crate) fn blob(&mut self, data: &[u8]) {
        match self.protocol {
            Protocol::Cbor => self.cbor_string(BYTES, data),
            Protocol::Json => {
                self.separate();
                self.bytes.push(b'"');
                base64_simd::STANDARD.encode_append(data, &mut self.bytes);
                self.bytes.push(b'"');
            }
        }
    }

    /// A time since the beginning of 1970, in milliseconds.
    pub(crate) fn time(&mut self, time: Duration) {
        match self.protocol {
            Protocol::Cbor => {
                self.bytes.push(EPOCH_TIME);
                self.cbor_head(UNSIGNED, time.as_millis() as u64);
            }
            Protocol::Json => {
                self.separate();
                let (seconds, millis) = (time.as_secs(), time.subsec_millis());
                self.print(format_args!("{seconds}.{millis:03}"));
            }
        }
    }

    fn print(&mut self, text: core::fmt::Arguments<'_>) {
        self.bytes.write_fmt(text).expect("a vector takes everything");
    }

    fn json_string(&mut self, text: &str) {
        self.bytes.push(b'"');
        let must_escape = |byte: u8| byte < 0x20 || matches!(byte, b'"' | b'\\');
        // All bytes are looked at, so that many are looked at at once: hardly any text has something to escape.
        if text.bytes().fold(false, |found, byte| found | must_escape(byte)) {
            for byte in text.bytes() {
                match byte {
                    b'"' | b'\\' => self.bytes.extend_from_slice(&[b'\\', byte]),
                    0x20.. => self.bytes.push(byte),
                    _ => self.print(format_args!("\\u{byte:04x}")),
                }
            }
        } else {
            self.bytes.extend_from_slice(text.as_bytes());
        }
        self.bytes.push(b'"');
    }

    fn cbor_string(&mut self, kind: u8, bytes: &[u8]) {
        self.cbor_head(kind, bytes.len() as u64);
        self.bytes.extend_from_slice(bytes);
    }

    fn cbor_head(&mut self, kind: u8, number: u64) {
        let kind = kind << 5;
        let bytes = number.to_be_bytes();
        let (form, from) = match number {
            0..=23 => (number as u8, 8),
            24..=0xff => (24, 7),
            0x100..=0xffff => (25, 6),
            0x1_0000..=0xffff_ffff => (26, 4),
            _ => (27, 0),
        };
        self.bytes.push(kind | form);
        self.bytes.extend_from_slice(&bytes[from..]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::{Fields, Value};

    fn written(protocol: Protocol) -> Vec<u8> {
        let mut writer = Writer::new(protocol, 0);
        writer.name("Text").text("a\"b\\c\n\u{1}é,:");
        writer.name("Numbers").begin_list();
        for number in [0, 23, 24, 255, 256, 65_536, -1, -256, i64::MAX, i64::MIN] {
            writer.integer(number);
        }
        writer.end_list();
        writer.name("None").begin_list();
        writer.end_list();
        writer.name("Objects").begin_list();
        for more in [true, false] {
            writer.begin_object();
            writer.name("HasMoreShards").boolean(more);
            writer.end_object();
        }
        writer.end_list();
        writer.name("Data").blob(&[0, 1, 255]);
        writer.name("At").time(Duration::from_millis(1_700_000_000_007));
        writer.finish()
    }

    #[test]
    fn json_is_written_as_it_must_be() {
        let text = String::from_utf8(written(Protocol::Json)).expect("UTF-8");
        assert_eq!(
            text,
            "{\"Text\":\"a\\\"b\\\\c\\u000a\\u0001é,:\",\"Numbers\":[0,23,24,255,256,65536,-1,-256,\
             9223372036854775807,-9223372036854775808],\"None\":[],\"Objects\":[{\"HasMoreShards\":true},\
             {\"HasMoreShards\":false}],\"Data\":\"AAH/\",\"At\":1700000000.007}"
        );
        assert!(serde_json::from_str::<serde_json::Value>(&text).is_ok());
    }

    #[test]
    fn both_protocols_say_the_same() {
        let read = |protocol: Protocol, member: &str, look: &dyn Fn(&Fields<'_>, &str)| {
            let bytes = written(protocol);
            look(&protocol.read(&bytes).expect("it can be read"), member);
        };
        for protocol in [Protocol::Json, Protocol::Cbor] {
            read(protocol, "Text", &|fields, name| {
                assert_eq!(fields.text(name), Ok(Some("a\"b\\c\n\u{1}é,:")));
            });
            read(protocol, "Numbers", &|fields, name| {
                let numbers = fields.list(name).expect("a list").expect("it is there");
                let expected = [0.0, 23.0, 24.0, 255.0, 256.0, 65_536.0, -1.0, -256.0];
                assert_eq!(numbers[..8], expected.map(Value::Number));
            });
            read(protocol, "Objects", &|fields, name| {
                assert_eq!(fields.list(name).expect("a list").map(<[_]>::len), Some(2));
            });
        }
        let cbor = written(Protocol::Cbor);
        let fields = Protocol::Cbor.read(&cbor).expect("it can be read");
        assert_eq!(fields.get("Data"), Some(&Value::Blob((&[0, 1, 255][..]).into())));
        assert_eq!(fields.number("At"), Ok(Some(1_700_000_000_007.0)));
    }
}
