use bytes::Bytes;
use headwaters::wire::limits::RECORD_BYTES_MAX;

use super::{BadInput, Decode, Item, Kept, Position, Received, Rule, Unusable};

/// The whole file is the data of one Kinesis record.
pub(crate) struct Raw {
    file: usize,
    /// Empty once it is larger than any record.
    held: Vec<u8>,
    length: u64,
}

impl Raw {
    pub(crate) const fn new(file: usize) -> Self {
        Self { file, held: Vec::new(), length: 0 }
    }
}

impl Decode<Received> for Raw {
    fn decode(&mut self, bytes: &[u8], _: &mut Vec<Item<Received>>) -> Result<(), Unusable> {
        self.length += bytes.len() as u64;
        if self.length <= RECORD_BYTES_MAX as u64 {
            self.held.extend_from_slice(bytes);
        } else {
            self.held = Vec::new();
        }
        Ok(())
    }

    fn finish(&mut self, items: &mut Vec<Item<Received>>) -> Result<(), Unusable> {
        let (limit, size) = (RECORD_BYTES_MAX, self.length);
        let content = if size > limit as u64 {
            Err(BadInput::new(Kept::Nothing, size, Rule::TooLarge { limit, size }))
        } else {
            let data = Bytes::from(core::mem::take(&mut self.held));
            Ok(Received { data, ..Received::default() })
        };
        items.push(Item { content, position: self.position() });
        Ok(())
    }

    fn position(&self) -> Position {
        Position::start_of(self.file)
    }
}
