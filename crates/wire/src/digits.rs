//! Decimal digits in ASCII, eight at a time: an answer has 500 sequence numbers and as many shard ids.

const EACH: u64 = 0x0101_0101_0101_0101;

/// How far each character is from `0`, in a byte of its own, the first one lowest.
pub(crate) const fn values(text: [u8; 8]) -> u64 {
    u64::from_le_bytes(text) ^ (EACH * b'0' as u64)
}

/// Not zero if one of these is no digit: then its high half is not zero, as it is or with 6 more. What that carries into the
/// next byte does no harm, for then it has been found already.
pub(crate) const fn odd(values: u64) -> u64 {
    (values | values.wrapping_add(EACH * 6)) & (EACH * 0xf0)
}

/// The number: pairs of digits first, then pairs of these, then the two that are left.
pub(crate) const fn number(text: [u8; 8]) -> Option<u64> {
    let values = values(text);
    if odd(values) != 0 {
        return None;
    }
    let pairs = (values * 10 + (values >> 8)) & 0x00ff_00ff_00ff_00ff;
    let fours = (pairs * 100 + (pairs >> 16)) & 0x0000_ffff_0000_ffff;
    Some((fours * 10_000 + (fours >> 32)) & 0xffff_ffff)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_told_from_all_other_bytes() {
        for byte in 0..=u8::MAX {
            for at in 0..8 {
                let mut text = *b"12345678";
                text[at] = byte;
                let digits = core::str::from_utf8(&text).ok();
                let expected = digits
                    .filter(|_| byte.is_ascii_digit())
                    .and_then(|digits| digits.parse::<u64>().ok());
                assert_eq!(number(text), expected, "{byte} at {at}");
                assert_eq!(odd(values(text)) == 0, byte.is_ascii_digit(), "{byte} at {at}");
            }
        }
        assert_eq!((number(*b"00000000"), number(*b"99999999")), (Some(0), Some(99_999_999)));
    }
}
