use super::delimited::Delimited;
use super::framed::Framed;
use super::{Decode, Keys};

/// A NUL byte after each record; the last one may lack it. Nothing between two NULs is an empty
/// record.
pub(crate) fn decoder(file: usize, keys: Keys) -> impl Decode {
    Framed::new(file, Delimited::new(0, keys.limit), move |frame| {
        Some(match frame.data {
            Some(data) => keys.record(data, false, None),
            None => Err(keys.too_large(frame.length)),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::testing::{Seen, decode, keys};

    #[test]
    fn everything_between_two_nuls_is_a_record() {
        let input = b"a\nb\0\0 \r\n\x00123456789\0end";
        let skipped = decode(
            || decoder(0, keys(8)),
            input,
            &[
                Seen::good(1, 0, "a\nb"),
                Seen::good(2, 4, ""),
                Seen::good(3, 5, " \r\n"),
                Seen::bad(4, 9, "the record has 9 bytes; the stream takes at most 8", "-"),
                Seen::good(5, 19, "end"),
            ],
        );
        assert_eq!(skipped, 0);
    }
}
