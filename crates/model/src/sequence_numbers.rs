use alloc::vec::Vec;

use bytes::Bytes;
use headwaters_wire::SequenceNumber;

/// The sequence numbers of a stream: 56 digits as the service's are today, each one more than the
/// last.
///
/// They are printed a chunk at a time into one shared buffer, so that a number costs a small part
/// of an allocation.
#[derive(Clone, Debug)]
pub(crate) struct SequenceNumbers {
    /// The digits of the last number that was printed.
    last: [u8; DIGITS],
    /// Numbers that are printed and not yet taken, end to end.
    printed: Bytes,
}

impl SequenceNumbers {
    pub(crate) const fn new() -> Self {
        let mut last = [b'0'; DIGITS];
        // The service's numbers begin like this, and never with a 0.
        last[0] = b'4';
        last[1] = b'9';
        Self { last, printed: Bytes::new() }
    }

    /// The next number.
    pub(crate) fn take(&mut self) -> SequenceNumber {
        if self.printed.is_empty() {
            self.print();
        }
        SequenceNumber::from_bytes(self.printed.split_to(DIGITS))
            .expect("56 decimal digits are a sequence number")
    }

    /// Lets the next number follow `last`, unless it follows a later one already. One of other than
    /// 56 digits is none of the model's, and is left out of account.
    pub(crate) fn resume_after(&mut self, last: &SequenceNumber) {
        let Ok(last) = last.as_str().as_bytes().try_into() else { return };
        if last > self.last {
            self.last = last;
            self.printed = Bytes::new();
        }
    }

    fn print(&mut self) {
        let mut digits = Vec::with_capacity(CHUNK * DIGITS);
        for _ in 0..CHUNK {
            increment(&mut self.last);
            digits.extend_from_slice(&self.last);
        }
        self.printed = digits.into();
    }
}

const CHUNK: usize = 64;
const DIGITS: usize = 56;

/// Adds one to a decimal number.
fn increment(digits: &mut [u8; DIGITS]) {
    for digit in digits.iter_mut().rev() {
        if *digit < b'9' {
            *digit += 1;
            return;
        }
        *digit = b'0';
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_rise_by_one_through_every_chunk_and_carry() {
        let mut numbers = SequenceNumbers::new();
        for count in 1..=10_000_u64 {
            let number = numbers.take();
            let digits = number.as_str();
            assert_eq!((digits.len(), &digits[..2]), (DIGITS, "49"));
            assert_eq!(digits[2..].parse(), Ok(count));
            assert_eq!(digits.parse().as_ref(), Ok(&number), "it reads back as itself");
        }
    }

    #[test]
    fn numbers_go_on_after_the_one_that_is_said_and_never_back() {
        let mut numbers = SequenceNumbers::new();
        let first = numbers.take();
        let mut later = SequenceNumbers::new();
        let hundredth = (0..100).map(|_| later.take()).last().expect("a hundred");
        numbers.resume_after(&hundredth);
        assert_eq!(numbers.take(), later.take());
        for not_later in [first, "7".parse().expect("a number")] {
            numbers.resume_after(&not_later);
            assert!(numbers.take().as_str() > hundredth.as_str());
        }
    }

    #[test]
    fn a_carry_goes_as_far_as_there_are_nines() {
        let mut digits = [b'9'; DIGITS];
        digits[0] = b'4';
        increment(&mut digits);
        assert_eq!((digits[0], &digits[1..]), (b'5', &[b'0'; DIGITS - 1][..]));
    }
}
