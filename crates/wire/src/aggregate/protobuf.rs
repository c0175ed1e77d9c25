//! As much of protobuf's wire format as the two messages need.

use alloc::vec::Vec;

/// How a field's value is written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum WireType {
    Varint = 0,
    Fixed64 = 1,
    Length = 2,
    GroupStart = 3,
    GroupEnd = 4,
    Fixed32 = 5,
}

/// The bytes are no message.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Malformed;

/// Deepest nesting of groups, the messages around them counted: the limit of Google's own parsers.
const GROUP_DEPTH_MAX: usize = 100;

/// How many bytes `value` takes as a varint.
#[inline]
pub(super) const fn varint_len(value: u64) -> usize {
    // Nearly all are short, and a branch that is foreseen costs less than the arithmetic.
    match value {
        0..0x80 => 1,
        0x80..0x4000 => 2,
        // One byte per seven bits.
        _ => (63 - value.leading_zeros() as usize) / 7 + 1,
    }
}

/// Appends `value` as a varint.
pub(super) fn push_varint(out: &mut Vec<u8>, value: u64) {
    let mut rest = value;
    while rest >= 0x80 {
        out.push(rest.to_le_bytes()[0] | 0x80);
        rest >>= 7;
    }
    out.push(rest.to_le_bytes()[0]);
}

/// The tag of a field whose number is below 16: one byte.
pub(super) const fn tag(field: u32, wire_type: WireType) -> u8 {
    assert!(field < 16);
    field.to_le_bytes()[0] << 3 | wire_type as u8
}

/// Reads a message from front to back.
#[derive(Clone, Debug)]
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    /// How many messages are around this one.
    depth: usize,
}

impl<'a> Reader<'a> {
    pub(super) const fn new(bytes: &'a [u8], depth: usize) -> Self {
        Self { bytes, at: 0, depth }
    }

    /// Where in the message the next byte is.
    pub(super) const fn at(&self) -> usize {
        self.at
    }

    /// The next field's number and type; `None` at the end.
    pub(super) fn field(&mut self) -> Result<Option<(u32, WireType)>, Malformed> {
        if self.at == self.bytes.len() {
            return Ok(None);
        }
        // Parsers read tags as 32 bits, whatever stands above them.
        let tag = self.varint()?;
        let tag = u32::try_from(tag & u64::from(u32::MAX)).map_err(|_| Malformed)?;
        let wire_type = match tag & 7 {
            0 => WireType::Varint,
            1 => WireType::Fixed64,
            2 => WireType::Length,
            3 => WireType::GroupStart,
            4 => WireType::GroupEnd,
            5 => WireType::Fixed32,
            _ => return Err(Malformed),
        };
        if tag >> 3 == 0 { Err(Malformed) } else { Ok(Some((tag >> 3, wire_type))) }
    }

    pub(super) fn varint(&mut self) -> Result<u64, Malformed> {
        let mut value = 0;
        for shift in (0..70).step_by(7) {
            let byte = *self.bytes.get(self.at).ok_or(Malformed)?;
            self.at += 1;
            // The tenth byte's upper bits fall off, as they do in Google's parsers.
            value |= u64::from(byte & 0x7F).checked_shl(shift).unwrap_or(0);
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(Malformed)
    }

    /// The bytes of a field with a length. Parsers read lengths as signed 32 bits, whatever stands above.
    pub(super) fn bytes(&mut self) -> Result<&'a [u8], Malformed> {
        let length = self.varint()? & u64::from(u32::MAX);
        let length = i32::try_from(length).map_err(|_| Malformed)?;
        self.take(usize::try_from(length).map_err(|_| Malformed)?)
    }

    /// Reads over the value of a field.
    pub(super) fn skip(&mut self, field: u32, wire_type: WireType) -> Result<(), Malformed> {
        match wire_type {
            WireType::Varint => self.varint().map(drop),
            WireType::Fixed64 => self.take(8).map(drop),
            WireType::Length => self.bytes().map(drop),
            WireType::Fixed32 => self.take(4).map(drop),
            WireType::GroupEnd => Err(Malformed),
            WireType::GroupStart => self.skip_group(field),
        }
    }

    fn skip_group(&mut self, field: u32) -> Result<(), Malformed> {
        // The groups that are open, by their fields: without recursion, so that no input is too deep.
        let mut open = [0_u32; GROUP_DEPTH_MAX];
        let open = open.get_mut(self.depth..).ok_or(Malformed)?;
        *open.first_mut().ok_or(Malformed)? = field;
        let mut depth = 1;
        while depth > 0 {
            match self.field()?.ok_or(Malformed)? {
                (field, WireType::GroupStart) => {
                    *open.get_mut(depth).ok_or(Malformed)? = field;
                    depth += 1;
                }
                (field, WireType::GroupEnd) => {
                    depth -= 1;
                    if open[depth] != field {
                        return Err(Malformed);
                    }
                }
                (field, wire_type) => self.skip(field, wire_type)?,
            }
        }
        Ok(())
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], Malformed> {
        let end = self.at.checked_add(length).ok_or(Malformed)?;
        let taken = self.bytes.get(self.at..end).ok_or(Malformed)?;
        self.at = end;
        Ok(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn varints_come_back_and_their_lengths_are_known() {
        let edges = (0..64).flat_map(|bit| [(1_u64 << bit) - 1, 1 << bit, (1 << bit) + 1]);
        for value in edges.chain([u64::MAX]) {
            let mut bytes = Vec::new();
            push_varint(&mut bytes, value);
            assert_eq!(bytes.len(), varint_len(value), "{value}");
            let mut reader = Reader::new(&bytes, 0);
            assert_eq!((reader.varint(), reader.at()), (Ok(value), varint_len(value)));
        }
    }

    #[test]
    fn hostile_varints_end() {
        assert_eq!(Reader::new(&[0x80; 11], 0).varint(), Err(Malformed));
        assert_eq!(Reader::new(&[0x80], 0).varint(), Err(Malformed));
        assert_eq!(Reader::new(&[0xFF, 0xFF, 0xFF, 0xFF, 0x0F], 0).bytes(), Err(Malformed));
        let huge = [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F];
        assert_eq!(Reader::new(&huge, 0).varint(), Ok(u64::MAX), "bits beyond the 64th fall off");
        assert_eq!(Reader::new(&huge, 0).bytes(), Err(Malformed));
        let five_and_more = [0x85, 0x80, 0x80, 0x80, 0x10, 1, 2, 3, 4, 5];
        assert_eq!(Reader::new(&five_and_more, 0).bytes(), Ok(&[1, 2, 3, 4, 5][..]));
    }

    #[test]
    fn groups_are_skipped_if_they_are_closed_in_order() {
        let skip = |bytes: &[u8]| {
            let mut reader = Reader::new(bytes, 0);
            let (field, wire_type) = reader.field()?.ok_or(Malformed)?;
            reader.skip(field, wire_type).map(|()| reader.at())
        };
        assert_eq!(skip(&[0x2B, 0x33, 0x08, 0x01, 0x34, 0x2C]), Ok(6));
        assert_eq!(skip(&[0x2B, 0x33, 0x2C, 0x34]), Err(Malformed), "crossed");
        assert_eq!(skip(&[0x2B]), Err(Malformed), "left open");
        assert_eq!(skip(&[0x2C]), Err(Malformed), "never opened");
        assert_eq!(skip(&[0x2B; 200]), Err(Malformed), "too deep");
        assert_eq!(skip(&[0x06]), Err(Malformed), "no such type");
        assert_eq!(skip(&[0x00]), Err(Malformed), "no such field");
    }
}
