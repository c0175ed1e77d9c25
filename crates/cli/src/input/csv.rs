use core::fmt;
use core::str::FromStr;

use bytes::Bytes;
use csv_core::{ReadRecordResult, Reader, WriteResult, Writer};

use super::json_lines::BYTE_ORDER_MARK;
use super::{BadInput, Decode, Item, Kept, Key, Keys, Position, Rule, Unusable};

/// A column of a CSV file: by its name in the first row, or by its number from 1.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Column(String);

impl Column {
    /// The number, if it can be one.
    pub(crate) fn number(&self) -> Option<usize> {
        self.0.parse().ok().filter(|&number| number > 0)
    }

    /// Which column it is, from 0. A name goes before a number.
    fn find(&self, first: &Row<'_>, header: bool) -> Result<usize, Unusable> {
        let named = || (0..first.len()).find(|&at| first.field(at) == self.0.as_bytes());
        let numbered = || self.number().map(|number| number - 1).filter(|&at| at < first.len());
        header.then(named).flatten().or_else(numbered).ok_or_else(|| {
            let (kind, columns) = (if header { "header" } else { "first row" }, first.len());
            Unusable(format!(
                "the {kind} has {columns} columns, and `{self}` is neither the name nor the number of \
                 one"
            ))
        })
    }
}

impl fmt::Display for Column {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Column {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.is_empty() {
            return Err("a column is named, or counted from 1");
        }
        Ok(Self(text.to_owned()))
    }
}

/// CSV as RFC 4180 has it: a record per row, written anew without its line end. Empty lines are
/// passed over. Rows with another number of fields than the first are bad.
pub(crate) struct Csv {
    /// Which column has the key, once the first row has come.
    column: Option<usize>,
    ends: Vec<usize>,
    fields: Vec<u8>,
    file: usize,
    /// How many fields the first row has.
    first_row: Option<usize>,
    keys: Keys,
    /// How many bytes of the row have come.
    length: u64,
    /// The line on which the row begins.
    line: u64,
    offset: u64,
    out: RowWriter,
    reader: Reader,
    /// How much of `fields` and `ends` the row takes so far.
    taken: (usize, usize),
    /// Whether the row is larger than any record: it is not held then.
    too_large: bool,
}

/// The room for the fields of a row at the start, in bytes; it grows to the limit.
const ROOM: usize = 4 * 1024;

impl Csv {
    pub(crate) fn new(file: usize, keys: Keys) -> Self {
        Self {
            column: None,
            ends: vec![0; ROOM / 8],
            fields: vec![0; ROOM],
            file,
            first_row: None,
            keys,
            length: 0,
            line: 1,
            offset: 0,
            out: RowWriter::default(),
            reader: Reader::new(),
            taken: (0, 0),
            too_large: false,
        }
    }

    /// Passes over what ends the last row, and over empty lines, so that a row's position is its
    /// own.
    fn begin<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let mark = if self.offset == 0 && bytes.starts_with(BYTE_ORDER_MARK) { 3 } else { 0 };
        let ends = bytes[mark..].iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        let (passed, rest) = bytes.split_at(mark + ends);
        let lines = memchr::memchr_iter(b'\n', passed).count();
        self.reader.set_line(self.reader.line() + lines as u64);
        self.line = self.reader.line();
        self.offset += passed.len() as u64;
        rest
    }

    /// Whether a row has begun.
    const fn in_row(&self) -> bool {
        self.length > 0
    }

    /// Reads on; says how many bytes that took, and what came of it.
    fn read(&mut self, bytes: &[u8]) -> (usize, ReadRecordResult) {
        let (fields, ends) = self.taken;
        let (result, took, wrote, ended) =
            self.reader.read_record(bytes, &mut self.fields[fields..], &mut self.ends[ends..]);
        self.length += took as u64;
        self.taken = (fields + wrote, ends + ended);
        match result {
            ReadRecordResult::OutputFull => self.make_room(true),
            ReadRecordResult::OutputEndsFull => self.make_room(false),
            ReadRecordResult::InputEmpty | ReadRecordResult::End | ReadRecordResult::Record => {}
        }
        (took, result)
    }

    /// Makes room for the row, up to the limit; from there on the row is not held.
    fn make_room(&mut self, fields: bool) {
        let room = if fields { self.fields.len() } else { self.ends.len() };
        if self.too_large || room > self.keys.limit {
            self.too_large = true;
            self.taken = (0, 0);
        } else if fields {
            self.fields.resize(room * 2, 0);
        } else {
            self.ends.resize(room * 2, 0);
        }
    }

    /// Ends the field that the end of the file leaves open, before the line end that it was fed.
    fn close_field(&mut self) {
        let (fields, ends) = &mut self.taken;
        if !self.too_large {
            *fields = fields.saturating_sub(1);
            self.ends.truncate(*ends);
            self.ends.push(*fields);
            *ends += 1;
        }
    }

    /// Takes the row that is complete.
    fn row(&mut self, closed: bool, items: &mut Vec<Item>) -> Result<(), Unusable> {
        let position = self.position();
        let (length, too_large) = (self.length, self.too_large);
        let (fields, ends) = core::mem::take(&mut self.taken);
        self.offset += length;
        self.length = 0;
        self.too_large = false;
        if too_large && self.keys.header && self.first_row.is_none() {
            let limit = self.keys.limit;
            return Err(Unusable(format!(
                "the header has {length} bytes; at most {limit} are read"
            )));
        }
        if too_large {
            items.push(Item { content: Err(self.keys.too_large(length)), position });
            return Ok(());
        }
        let row = Row { ends: &self.ends[..ends], fields: &self.fields[..fields] };
        let first = self.first_row.is_none();
        let expected = *self.first_row.get_or_insert(row.len());
        if first && let Key::Column(column) = &self.keys.key {
            self.column = Some(column.find(&row, self.keys.header)?);
        }
        if first && self.keys.header && closed {
            return Ok(());
        }
        let text = self.out.write(&row);
        let content = match check(text, &row, expected, closed) {
            Ok(()) => {
                let key = self.column.map(|column| row.field(column));
                self.keys.record(text, false, key.map(|key| str::from_utf8(key).expect(CHECKED)))
            }
            Err(rule) => Err(BadInput::new(Kept::Data(Bytes::copy_from_slice(text)), length, rule)),
        };
        items.push(Item { content, position });
        Ok(())
    }
}

/// Why a field can be taken as text.
const CHECKED: &str = "the row is UTF-8, and commas divide no character";

/// The rules that a row can break.
fn check(text: &[u8], row: &Row<'_>, expected: usize, closed: bool) -> Result<(), Rule> {
    if !closed {
        return Err(Rule::OpenQuote);
    }
    if row.len() != expected {
        return Err(Rule::Fields { expected, found: row.len() });
    }
    match str::from_utf8(text) {
        Ok(_) => Ok(()),
        Err(error) => Err(Rule::NotUtf8 { offset: error.valid_up_to() }),
    }
}

impl Decode for Csv {
    fn decode(&mut self, mut bytes: &[u8], items: &mut Vec<Item>) -> Result<(), Unusable> {
        loop {
            if !self.in_row() {
                bytes = self.begin(bytes);
            }
            // To the reader, no bytes would be the end of the file.
            if bytes.is_empty() {
                return Ok(());
            }
            let (took, result) = self.read(bytes);
            bytes = &bytes[took..];
            if let ReadRecordResult::Record = result {
                self.row(true, items)?;
            }
        }
    }

    fn finish(&mut self, items: &mut Vec<Item>) -> Result<(), Unusable> {
        // A line end completes the last row, unless a quote is open: there it would be text.
        while self.in_row() {
            let length = self.length;
            let (took, result) = self.read(b"\n");
            self.length = length;
            match result {
                ReadRecordResult::Record => self.row(true, items)?,
                _ if took > 0 => {
                    self.close_field();
                    self.row(false, items)?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn position(&self) -> Position {
        Position { file: self.file, offset: self.offset, number: self.line }
    }
}

/// The fields of a row, without their quotes.
struct Row<'a> {
    /// Where each field ends.
    ends: &'a [usize],
    fields: &'a [u8],
}

impl Row<'_> {
    const fn len(&self) -> usize {
        self.ends.len()
    }

    fn field(&self, at: usize) -> &[u8] {
        let start = if at == 0 { 0 } else { self.ends[at - 1] };
        &self.fields[start..self.ends[at]]
    }
}

/// Writes rows with as few quotes as can be.
struct RowWriter {
    text: Vec<u8>,
    writer: Writer,
}

impl RowWriter {
    fn write(&mut self, row: &Row<'_>) -> &[u8] {
        // At worst every byte is a quote that is doubled; each field has two more and a delimiter,
        // and a row of nothing is written as two quotes.
        let worst = 2 * row.fields.len() + 3 * row.len() + 3;
        if self.text.len() < worst {
            self.text.resize(worst, 0);
        }
        let mut at = 0;
        for field in 0..row.len() {
            if field > 0 {
                at += self.writer.delimiter(&mut self.text[at..]).1;
            }
            let (result, _, wrote) = self.writer.field(row.field(field), &mut self.text[at..]);
            debug_assert_eq!(result, WriteResult::InputEmpty, "there is room for the worst");
            at += wrote;
        }
        let (_, wrote) = self.writer.terminator(&mut self.text[at..]);
        &self.text[..at + wrote - 1]
    }
}

impl Default for RowWriter {
    fn default() -> Self {
        Self { text: Vec::new(), writer: Writer::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::testing::{Seen, decode, keys};

    fn csv(key: Option<&str>, header: bool, limit: usize) -> Csv {
        let mut keys = Keys { header, ..keys(limit) };
        if let Some(column) = key {
            keys.key = Key::Column(column.parse().expect("a valid column"));
        }
        Csv::new(0, keys)
    }

    #[test]
    fn rows_are_written_anew_and_keep_what_quotes_protect() {
        let input = b"id,text\r\n\n1,plain\r\n\"2\",\"a,b\n\"\"c\"\"\"\n\n3,\"last\"";
        decode(
            || csv(Some("id"), true, 100),
            input,
            &[
                Seen::with_key(3, 10, "1", "1,plain"),
                Seen::with_key(4, 19, "2", "2,\"a,b\n\"\"c\"\"\""),
                Seen::with_key(7, 36, "3", "3,last"),
            ],
        );
    }

    #[test]
    fn columns_have_names_and_numbers() {
        let input = b"1,b\nx,y\n";
        for (column, header, expected) in
            [("1", true, "y"), ("2", true, "y"), ("b", true, "y"), ("1", false, "x")]
        {
            // The first column is named 1, so that the name must go first.
            let input = if column == "1" && header { b"2,1\nx,y\n" } else { input };
            let row = Seen::with_key(2, 4, expected, "x,y");
            let first = Seen::with_key(1, 0, "1", "1,b");
            let rows = if header { vec![row] } else { vec![first, row] };
            decode(|| csv(Some(column), header, 100), input, &rows);
        }
        for (column, header) in [("3", true), ("0", true), ("c", true), ("b", false)] {
            let error = csv(Some(column), header, 100).decode(input, &mut Vec::new());
            let error = error.expect_err("no such column").to_string();
            assert!(error.contains("has 2 columns"), "{column}: {error}");
        }
    }

    #[test]
    fn bad_rows_are_named_and_kept() {
        let input = b"a,b\n1,2,3\n\n4,\xff\n,\n\"\",6\n";
        decode(
            || csv(Some("a"), true, 100),
            input,
            &[
                Seen::bad(2, 4, "the row has 3 fields; the first row has 2", "1,2,3"),
                Seen::bad(4, 11, "the text is not UTF-8 from byte 2", "4,\u{FFFD}"),
                Seen::bad(5, 15, "the partition key is empty", ","),
                Seen::bad(6, 17, "the partition key is empty", ",6"),
            ],
        );
    }

    #[test]
    fn an_open_quote_takes_the_rest_of_the_file_but_not_the_memory() {
        let kept = "b,\"c\nd\"";
        let expected = [Seen::good(1, 0, "a"), Seen::bad(2, 2, "a quote is open", kept)];
        decode(|| csv(None, false, 100), b"a\nb,\"c\nd", &expected);
        let endless = [b"a\nb\n\"", &vec![b'x'; 3 * ROOM][..]].concat();
        let mut rows = csv(None, false, 100);
        let mut items = Vec::new();
        rows.decode(&endless, &mut items).expect("no column is asked for");
        rows.finish(&mut items).expect("no column is asked for");
        assert!(rows.fields.len() <= 2 * ROOM, "{} bytes are held", rows.fields.len());
        let last = items.last().expect("the row");
        assert_eq!(last.content, Err(rows.keys.too_large(3 * ROOM as u64 + 1)));
        assert_eq!(items.len(), 3);
    }

    #[test]
    fn large_rows_are_passed_over_and_the_next_one_is_read() {
        let large = "x".repeat(3 * ROOM);
        let many = ",".repeat(3 * ROOM);
        for row in [large, many] {
            let input = format!("a\n{row}\nb\n");
            let mut items = Vec::new();
            csv(None, false, 1_000).decode(input.as_bytes(), &mut items).expect("no column");
            let begins = items.iter().map(|i| (i.position.number, i.position.offset));
            assert_eq!(begins.collect::<Vec<_>>(), [(1, 0), (2, 2), (3, 3 * ROOM as u64 + 3)]);
            assert!(items[1].content.is_err() && items[2].content.is_ok());
        }
    }

    #[test]
    fn a_byte_order_mark_is_not_part_of_the_first_name() {
        let mut items = Vec::new();
        let mut rows = csv(Some("id"), true, 100);
        rows.decode(b"\xef\xbb\xbfid\n7\n", &mut items).expect("the column is there");
        assert_eq!(items[0].position, Position { file: 0, offset: 6, number: 2 });
        rows = csv(None, true, 100);
        rows.decode(b"\xef\xbb\xbf", &mut items).expect("no column is asked for");
        rows.finish(&mut items).expect("no column is asked for");
        assert_eq!(items.len(), 1);
    }

    #[test]
    fn a_row_of_nothing_is_two_quotes() {
        decode(
            || csv(None, false, 100),
            b"\"\"\nx\n",
            &[Seen::good(1, 0, "\"\""), Seen::good(2, 3, "x")],
        );
    }
}
