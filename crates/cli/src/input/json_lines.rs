use super::delimited::{Delimited, Frame};
use super::framed::Framed;
use super::{Decode, Keys, lines};

/// One JSON document per line, put byte for byte. Lines of nothing but white space are passed over.
pub(crate) fn decoder(file: usize, keys: Keys) -> impl Decode {
    let frames = Delimited::new(b'\n', keys.limit + BYTE_ORDER_MARK.len() + 1);
    Framed::new(file, frames, move |frame| match json_line(frame) {
        Some(line) if line.trim_ascii().is_empty() => None,
        Some(line) if line.len() <= keys.limit => Some(keys.record(line, true, None)),
        Some(_) | None => Some(Err(keys.too_large(frame.length))),
    })
}

/// Some systems begin a text file with it; it is no part of the text.
pub(crate) const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The line, without the byte order mark that may begin the file.
pub(crate) fn json_line(frame: Frame<'_>) -> Option<&[u8]> {
    let line = lines::line(frame)?;
    Some(match frame.offset {
        0 => line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(line),
        _ => line,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::testing::{Seen, decode, keys};

    #[test]
    fn documents_are_put_as_they_are_and_broken_ones_named() {
        let input = b"\xef\xbb\xbf{\"a\" : 1}\r\n  \n{\"a\"\n[\"\xff\"]\n\"end\"";
        let skipped = decode(
            || decoder(0, keys(100)),
            input,
            &[
                Seen::good(1, 0, "{\"a\" : 1}"),
                Seen::bad(3, 17, "the JSON is broken at column 4: EOF", "{\"a\""),
                Seen::bad(4, 22, "the text is not UTF-8 from byte 2", "[\"\u{FFFD}\"]"),
                Seen::good(5, 28, "\"end\""),
            ],
        );
        assert_eq!(skipped, 1);
    }
}
