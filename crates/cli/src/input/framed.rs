use super::delimited::{Delimited, Frame};
use super::{Content, Decode, Item, Position, Unusable};

/// A format whose records stand between delimiters.
pub(crate) struct Framed<F> {
    /// What a frame is; `None` if it is empty and passed over.
    content: F,
    file: usize,
    frames: Delimited,
    skipped: u64,
}

impl<F: FnMut(Frame<'_>) -> Option<Content>> Framed<F> {
    pub(crate) const fn new(file: usize, frames: Delimited, content: F) -> Self {
        Self { content, file, frames, skipped: 0 }
    }
}

impl<F: FnMut(Frame<'_>) -> Option<Content>> Decode for Framed<F> {
    fn decode(&mut self, bytes: &[u8], items: &mut Vec<Item>) -> Result<(), Unusable> {
        let Self { content, file, frames, skipped } = self;
        frames.feed(bytes, |frame| add(frame, *file, content, items, skipped));
        Ok(())
    }

    fn finish(&mut self, items: &mut Vec<Item>) -> Result<(), Unusable> {
        let Self { content, file, frames, skipped } = self;
        frames.finish(|frame| add(frame, *file, content, items, skipped));
        Ok(())
    }

    fn position(&self) -> Position {
        let (number, offset) = self.frames.next();
        Position { file: self.file, offset, number }
    }

    fn begin_at(&mut self, position: Position) -> bool {
        self.frames.begin_at(position.number, position.offset);
        true
    }

    fn skipped(&self) -> u64 {
        self.skipped
    }
}

fn add(
    frame: Frame<'_>,
    file: usize,
    content: &mut impl FnMut(Frame<'_>) -> Option<Content>,
    items: &mut Vec<Item>,
    skipped: &mut u64,
) {
    let position = Position { file, offset: frame.offset, number: frame.number };
    match content(frame) {
        Some(content) => items.push(Item { content, position }),
        None => *skipped += 1,
    }
}
