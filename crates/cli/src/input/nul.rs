use super::delimited::{Delimited, Frame};
use super::{Decode, Item, Keys, Position, Unusable};

/// A NUL byte after each record; the last one may lack it. Nothing between two NULs is an empty
/// record.
pub(crate) struct Nul {
    file: usize,
    frames: Delimited,
    keys: Keys,
}

impl Nul {
    pub(crate) const fn new(file: usize, keys: Keys) -> Self {
        Self { file, frames: Delimited::new(0, keys.limit), keys }
    }
}

impl Decode for Nul {
    fn decode(&mut self, bytes: &[u8], items: &mut Vec<Item>) -> Result<(), Unusable> {
        let Self { file, frames, keys } = self;
        frames.feed(bytes, |frame| items.push(item(*file, keys, frame)));
        Ok(())
    }

    fn finish(&mut self, items: &mut Vec<Item>) -> Result<(), Unusable> {
        let Self { file, frames, keys } = self;
        frames.finish(|frame| items.push(item(*file, keys, frame)));
        Ok(())
    }

    fn position(&self) -> Position {
        let (number, offset) = self.frames.next();
        Position { file: self.file, offset, number }
    }
}

fn item(file: usize, keys: &Keys, frame: Frame<'_>) -> Item {
    let Frame { data, length, number, offset, .. } = frame;
    let content = match data {
        Some(data) => keys.record(data, false, None),
        None => Err(keys.too_large(length)),
    };
    Item { content, position: Position { file, offset, number } }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::testing::{Seen, decode, keys};

    #[test]
    fn everything_between_two_nuls_is_a_record() {
        let input = b"a\nb\0\0 \r\n\x00123456789\0end";
        let skipped = decode(
            || Nul::new(0, keys(8)),
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
