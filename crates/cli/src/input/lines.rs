use super::delimited::{Delimited, Frame};
use super::framed::Framed;
use super::{Decode, Keys};

/// One record per line. The line end, `\n` or `\r\n`, is not part of it; empty lines are passed
/// over.
pub(crate) fn decoder(file: usize, keys: Keys) -> impl Decode {
    let frames = Delimited::new(b'\n', keys.limit + 1);
    Framed::new(file, frames, move |frame| match line(frame) {
        Some([]) => None,
        Some(line) if line.len() <= keys.limit => Some(keys.record(line, false, None)),
        Some(_) | None => Some(Err(keys.too_large(frame.length))),
    })
}

/// The frame without the first half of a `\r\n`. A `\r` at the very end of a file belongs to the
/// record.
pub(crate) fn line(frame: Frame<'_>) -> Option<&[u8]> {
    let data = frame.data?;
    Some(if frame.terminated { data.strip_suffix(b"\r").unwrap_or(data) } else { data })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::testing::{Seen, decode, keys};

    #[test]
    fn line_ends_are_not_part_of_records_and_empty_lines_are_passed_over() {
        let input = b"one\r\n\ntwo\n\r\n a \nb\r";
        let skipped = decode(
            || decoder(0, keys(8)),
            input,
            &[
                Seen::good(1, 0, "one"),
                Seen::good(3, 6, "two"),
                Seen::good(5, 12, " a "),
                Seen::good(6, 16, "b\r"),
            ],
        );
        assert_eq!(skipped, 2);
    }

    #[test]
    fn the_line_end_does_not_count_towards_the_limit() {
        let input = b"1234567\r\n1234567\n12345678\n123456789\n1234567890abcdef\nend";
        decode(
            || decoder(0, keys(8)),
            input,
            &[
                Seen::good(1, 0, "1234567"),
                Seen::good(2, 9, "1234567"),
                Seen::bad(3, 17, "the record has 9 bytes; the stream takes at most 8", "k12345678"),
                Seen::bad(4, 26, "the record has 9 bytes; the stream takes at most 8", "-"),
                Seen::bad(5, 36, "the record has 16 bytes; the stream takes at most 8", "-"),
                Seen::good(6, 53, "end"),
            ],
        );
    }
}
