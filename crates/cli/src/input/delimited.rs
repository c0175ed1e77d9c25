use memchr::memchr;

/// Divides bytes at a delimiter, and holds at most `limit` of them.
pub(crate) struct Delimited {
    delimiter: u8,
    /// The part of the frame that came in earlier pieces; empty once the frame is longer than
    /// `limit`.
    held: Vec<u8>,
    /// How long the frame is so far.
    length: u64,
    limit: usize,
    number: u64,
    offset: u64,
}

/// What stands between two delimiters.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Frame<'a> {
    /// `None` if it is longer than the limit.
    pub(crate) data: Option<&'a [u8]>,
    pub(crate) length: u64,
    /// From 1.
    pub(crate) number: u64,
    /// Where it begins.
    pub(crate) offset: u64,
    /// Whether a delimiter ends it, and not the end of the file.
    pub(crate) terminated: bool,
}

impl Delimited {
    pub(crate) const fn new(delimiter: u8, limit: usize) -> Self {
        Self { delimiter, held: Vec::new(), length: 0, limit, number: 1, offset: 0 }
    }

    /// Before the first bytes: lets the next frame be this one.
    pub(crate) const fn begin_at(&mut self, number: u64, offset: u64) {
        (self.number, self.offset) = (number, offset);
    }

    /// Takes the next bytes, and gives each frame that they complete.
    pub(crate) fn feed(&mut self, mut bytes: &[u8], mut each: impl FnMut(Frame<'_>)) {
        while let Some(at) = memchr(self.delimiter, bytes) {
            self.complete(&bytes[..at], true, &mut each);
            bytes = &bytes[at + 1..];
        }
        self.hold(bytes);
    }

    /// Gives the last frame if the file does not end with a delimiter.
    pub(crate) fn finish(&mut self, mut each: impl FnMut(Frame<'_>)) {
        if self.length > 0 {
            self.complete(&[], false, &mut each);
        }
    }

    /// The number and the offset of the frame that is not complete yet.
    pub(crate) const fn next(&self) -> (u64, u64) {
        (self.number, self.offset)
    }

    fn complete(&mut self, part: &[u8], terminated: bool, each: &mut impl FnMut(Frame<'_>)) {
        let whole_here = self.length == 0;
        if !whole_here {
            self.hold(part);
        } else {
            self.length = part.len() as u64;
        }
        let data = if whole_here { part } else { &self.held };
        let data = (self.length <= self.limit as u64).then_some(data);
        let (length, number, offset) = (self.length, self.number, self.offset);
        each(Frame { data, length, number, offset, terminated });
        self.held.clear();
        self.number += 1;
        self.offset += length + u64::from(terminated);
        self.length = 0;
    }

    fn hold(&mut self, part: &[u8]) {
        self.length += part.len() as u64;
        if self.length <= self.limit as u64 {
            self.held.extend_from_slice(part);
        } else {
            self.held = Vec::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Seen = (u64, u64, u64, bool, Option<Vec<u8>>);

    fn frames(input: &[u8], piece: usize, limit: usize) -> Vec<Seen> {
        let mut delimited = Delimited::new(b'\n', limit);
        let mut seen = Vec::new();
        let mut each = |frame: Frame<'_>| {
            let Frame { data, length, number, offset, terminated } = frame;
            seen.push((number, offset, length, terminated, data.map(<[u8]>::to_vec)));
        };
        for piece in input.chunks(piece) {
            delimited.feed(piece, &mut each);
            assert!(delimited.held.len() <= limit, "more is held than the limit");
        }
        delimited.finish(&mut each);
        seen
    }

    #[test]
    fn frames_do_not_depend_on_the_pieces_that_they_come_in() {
        let input = b"one\n\n0123456789\nabcdefgh\nlast";
        let expected: Vec<Seen> = vec![
            (1, 0, 3, true, Some(b"one".to_vec())),
            (2, 4, 0, true, Some(Vec::new())),
            (3, 5, 10, true, None),
            (4, 16, 8, true, Some(b"abcdefgh".to_vec())),
            (5, 25, 4, false, Some(b"last".to_vec())),
        ];
        for piece in 1..=input.len() {
            assert_eq!(frames(input, piece, 8), expected, "pieces of {piece}");
        }
    }

    #[test]
    fn a_delimiter_at_the_end_begins_no_frame() {
        assert_eq!(frames(b"a\n", 9, 8).len(), 1);
        assert_eq!(frames(b"", 9, 8).len(), 0);
    }
}
