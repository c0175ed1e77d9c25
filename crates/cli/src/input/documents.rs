use memchr::{memchr, memchr3};

use super::json_lines::BYTE_ORDER_MARK;
use super::{BadInput, Decode, Item, Kept, Position, Received, Rule, Unusable, received};

/// JSON documents one after the other, on a line each or on many: each holds one Kinesis record or,
/// as the answer to GetRecords does, a list of them.
///
/// A broken document ends where it cannot go on, at the latest where a line begins with a `{` that
/// has no place in it, so that one broken line does not take those behind it along.
pub(crate) struct Documents {
    /// Whether nothing but white space came since the line began.
    fresh: bool,
    /// The document so far; empty once it is longer than [`DOCUMENT_BYTES_MAX`].
    held: Vec<u8>,
    /// The last byte outside of strings that is no white space.
    last: u8,
    /// How long the document is so far.
    length: u64,
    nesting: Nesting,
    /// Where the next byte is.
    next: Position,
    start: Position,
    state: State,
}

/// Where the next byte belongs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    /// Before a document.
    Between,
    /// Behind a backslash in a string.
    Escape,
    /// In a line that begins no document: it is a bad one by itself.
    Line,
    /// In an object or array, outside of strings.
    Nested,
    /// In a string.
    Text,
}

/// Longest document that is held: the largest answer to GetRecords has 10 MiB of data in 10,000
/// records (API reference), which is 14 MiB of base64, and beside them keys and white space.
const DOCUMENT_BYTES_MAX: usize = 64 * 1024 * 1024;

/// The brackets that are open.
#[derive(Clone, Copy, Debug, Default)]
struct Nesting {
    /// Of the innermost 128, those of arrays: the innermost is the lowest bit.
    arrays: u128,
    depth: u64,
}

impl Nesting {
    const fn open(&mut self, array: bool) {
        self.arrays = self.arrays << 1 | array as u128;
        self.depth += 1;
    }

    /// Says whether that was the last one.
    const fn close(&mut self) -> bool {
        self.arrays >>= 1;
        self.depth -= 1;
        self.depth == 0
    }

    const fn in_array(self) -> bool {
        self.arrays & 1 == 1
    }
}

impl Documents {
    pub(crate) fn new(file: usize) -> Self {
        Self {
            fresh: true,
            held: Vec::new(),
            last: 0,
            length: 0,
            nesting: Nesting::default(),
            next: Position::start_of(file),
            start: Position::start_of(file),
            state: State::Between,
        }
    }

    /// Takes at least one byte, or changes the state.
    fn step(&mut self, bytes: &[u8], items: &mut Vec<Item<Received>>) -> usize {
        match self.state {
            State::Between => self.between(bytes[0]),
            State::Escape => {
                self.state = State::Text;
                // A line end is none that could be escaped.
                if bytes[0] == b'\n' { 0 } else { self.hold(&bytes[..1]) }
            }
            State::Line => match memchr(b'\n', bytes) {
                None => self.hold(bytes),
                Some(end) => self.complete(&bytes[..end], items),
            },
            State::Nested => self.nested(bytes, items),
            State::Text => self.text(bytes, items),
        }
    }

    fn between(&mut self, byte: u8) -> usize {
        let mark = usize::try_from(self.next.offset).ok().and_then(|at| BYTE_ORDER_MARK.get(at));
        if byte.is_ascii_whitespace() || mark == Some(&byte) {
            return self.pass(byte);
        }
        self.start = self.next;
        self.nesting = Nesting::default();
        self.fresh = false;
        self.state = if matches!(byte, b'{' | b'[') { State::Nested } else { State::Line };
        0
    }

    fn nested(&mut self, bytes: &[u8], items: &mut Vec<Item<Received>>) -> usize {
        let byte = bytes[0];
        match byte {
            b'{' if self.fresh && !self.expects_value() => return self.complete(&[], items),
            b'{' | b'[' => self.nesting.open(byte == b'['),
            b'}' | b']' if self.nesting.close() => return self.complete(&bytes[..1], items),
            b'"' => self.state = State::Text,
            _ => {}
        }
        if !byte.is_ascii_whitespace() {
            (self.fresh, self.last) = (false, byte);
        }
        self.fresh |= byte == b'\n';
        self.hold(&bytes[..1])
    }

    fn text(&mut self, bytes: &[u8], items: &mut Vec<Item<Received>>) -> usize {
        let Some(at) = memchr3(b'"', b'\\', b'\n', bytes) else { return self.hold(bytes) };
        match bytes[at] {
            // A string ends on its line.
            b'\n' => return self.complete(&bytes[..at], items),
            b'"' => self.state = State::Nested,
            _ => self.state = State::Escape,
        }
        self.hold(&bytes[..=at])
    }

    /// Whether an object may begin here.
    const fn expects_value(&self) -> bool {
        matches!(self.last, b'[' | b':') || self.last == b',' && self.nesting.in_array()
    }

    fn hold(&mut self, bytes: &[u8]) -> usize {
        self.length += bytes.len() as u64;
        if self.length <= DOCUMENT_BYTES_MAX as u64 {
            self.held.extend_from_slice(bytes);
        } else {
            self.held = Vec::new();
        }
        // Longer pieces have no line ends.
        if let [byte] = bytes { self.pass(*byte) } else { self.advance(bytes.len()) }
    }

    const fn pass(&mut self, byte: u8) -> usize {
        self.next.number += (byte == b'\n') as u64;
        self.advance(1)
    }

    const fn advance(&mut self, count: usize) -> usize {
        self.next.offset += count as u64;
        count
    }

    /// The document ends with `bytes`, well or not: what it holds says which.
    fn complete(&mut self, bytes: &[u8], items: &mut Vec<Item<Received>>) -> usize {
        let taken = self.hold(bytes);
        let position = self.start;
        if self.length > DOCUMENT_BYTES_MAX as u64 {
            let rule = Rule::DocumentTooLarge { limit: DOCUMENT_BYTES_MAX, size: self.length };
            let content = Err(BadInput::new(Kept::Nothing, self.length, rule));
            items.push(Item { content, position });
        } else {
            let contents = received::records(&self.held).into_iter();
            items.extend(contents.map(|content| Item { content, position }));
        }
        self.held.clear();
        self.length = 0;
        self.state = State::Between;
        taken
    }
}

impl Decode<Received> for Documents {
    fn decode(
        &mut self,
        mut bytes: &[u8],
        items: &mut Vec<Item<Received>>,
    ) -> Result<(), Unusable> {
        while !bytes.is_empty() {
            bytes = &bytes[self.step(bytes, items)..];
        }
        Ok(())
    }

    fn finish(&mut self, items: &mut Vec<Item<Received>>) -> Result<(), Unusable> {
        if self.state != State::Between {
            self.complete(&[], items);
        }
        Ok(())
    }

    fn position(&self) -> Position {
        if self.state == State::Between { self.next } else { self.start }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Line, offset, and the data or how the rule begins.
    type Seen = (u64, u64, Result<String, String>);

    fn seen(item: &Item<Received>) -> Seen {
        let content = match &item.content {
            Ok(record) => Ok(String::from_utf8(record.data.to_vec()).expect("the tests have text")),
            Err(bad) => Err(bad.rule.to_string().split([';', ':']).next().unwrap_or("").to_owned()),
        };
        (item.position.number, item.position.offset, content)
    }

    /// In pieces of every size: each time the same.
    fn decode(input: &str) -> Vec<Seen> {
        let in_pieces = |piece| {
            let (mut documents, mut items) = (Documents::new(0), Vec::new());
            for piece in input.as_bytes().chunks(piece) {
                documents.decode(piece, &mut items).expect("it never fails");
            }
            documents.finish(&mut items).expect("it never fails");
            assert_eq!(documents.position().offset, input.len() as u64);
            items.iter().map(seen).collect::<Vec<_>>()
        };
        let whole = in_pieces(input.len());
        for piece in 1..input.len() {
            assert_eq!(in_pieces(piece), whole, "pieces of {piece}");
        }
        whole
    }

    fn good(line: u64, offset: u64, data: &str) -> Seen {
        (line, offset, Ok(data.to_owned()))
    }

    fn bad(line: u64, offset: u64, rule: &str) -> Seen {
        (line, offset, Err(rule.to_owned()))
    }

    #[test]
    fn white_space_does_not_matter() {
        let input = [
            "\u{FEFF}{\"data\":\"YQ==\"}{\"Data\":\"Yg==\"}\r\n\n",
            "{ \"x\"\n:\n{\"}\\\"\\\\\":[\n{}]\n}\n,\"data\":\n\"Yw==\"}\t",
            "{\"Records\":\n[\n{\"Data\":\"ZA==\"},\n{\"Data\":\"ZQ==\"}\n]}",
        ]
        .concat();
        let [third, fourth] = ["{ \"x\"", "{\"Records\""].map(|text| {
            let at = input.find(text).expect("it is there");
            let line = input[..at].matches('\n').count() + 1;
            (line as u64, at as u64)
        });
        let expected = [
            good(1, 3, "a"),
            good(1, 18, "b"),
            good(third.0, third.1, "c"),
            good(fourth.0, fourth.1, "d"),
            good(fourth.0, fourth.1, "e"),
        ];
        assert_eq!(decode(&input), expected);
    }

    #[test]
    fn a_broken_line_does_not_take_those_behind_it_along() {
        let fine = "{\"data\":\"YQ==\"}";
        for (broken, rule) in [
            ("{\"data\":\"YQ==\"", "the JSON is broken at line 2, column 0 of the record"),
            ("{\"data\":\"YQ==\",", "the JSON is broken at line 2, column 0 of the record"),
            ("{\"data\":\"YQ==", "the JSON is broken at column 13"),
            ("{\"data\":\"YQ==\\", "the JSON is broken at column 14"),
            ("{\"data\" \"YQ==\"}", "the JSON is broken at column 9"),
            ("no JSON", "the JSON is broken at column 2"),
            ("\"text\"", "the text is no object"),
            ("[1, [{}]]", "the text is no object"),
        ] {
            let rest = 16 + broken.len() as u64 + 1;
            let input = format!("{fine}\n{broken}\n{fine}\n");
            let expected = [good(1, 0, "a"), bad(2, 16, rule), good(3, rest, "a")];
            assert_eq!(decode(&input), expected, "{broken}");
        }
    }

    #[test]
    fn a_document_that_is_cut_off_is_broken() {
        let rule = "the JSON is broken at line 2, column 8 of the record";
        assert_eq!(decode("{\"Records\": [\n{\"Data\":"), [bad(1, 0, rule)]);
        assert_eq!(decode(" \n").len(), 0);
    }

    #[test]
    fn a_document_without_end_takes_no_more_than_the_largest() {
        let (mut documents, mut items) = (Documents::new(0), Vec::new());
        let piece = vec![b'['; 1024 * 1024];
        for _ in 0..65 {
            documents.decode(&piece, &mut items).expect("it never fails");
            assert!(documents.held.len() <= DOCUMENT_BYTES_MAX);
        }
        documents.finish(&mut items).expect("it never fails");
        let (size, limit) = (65 * 1024 * 1024, DOCUMENT_BYTES_MAX);
        let bad = items[0].content.as_ref().expect_err("far too large");
        assert_eq!(bad.rule, Rule::DocumentTooLarge { limit, size });
    }
}
