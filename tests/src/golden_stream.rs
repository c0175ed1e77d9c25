//! The stream of a golden trace: its shards, and what it says to requests.

use core::cell::Cell;
use core::num::NonZeroU32;

use headwaters_engine::wire::{
    AttemptError, Entry, ErrorCode, HashKey, HashKeyRange, ListedShard, NextToken, Placement,
    ShardId, ShardPage,
};
use headwaters_engine::{Batch, PutRecordsResult};

use crate::golden_words::number;

/// A stream of shards that can be split and merged.
pub(crate) struct Stream {
    shards: Vec<ListedShard>,
    /// The sequence number of the last entry that it stored.
    stored: Cell<u64>,
}

impl Stream {
    pub(crate) fn even(count: u64) -> Result<Self, String> {
        let count = u32::try_from(count).ok().and_then(NonZeroU32::new);
        let count = count.ok_or("a stream has from 1 to 2^32 - 1 shards")?;
        let shard = |index| {
            let hash_keys = HashKeyRange::of_even_shard(index, count)?;
            Some(ListedShard { hash_keys, id: ShardId::numbered(index.into()) })
        };
        let shards = (0..count.get()).filter_map(shard).collect();
        Ok(Self { shards, stored: Cell::new(100) })
    }

    /// Splits or merges shards: `split 0 -> 2 3`, `merge 0 1 -> 2`.
    pub(crate) fn change(&mut self, words: &str) -> Result<(), String> {
        let words: Vec<&str> = words.split_whitespace().collect();
        let listed = |start, end, id: &str| {
            let hash_keys = HashKeyRange::new(start, end).ok_or("the shards are not neighbours")?;
            Ok::<_, String>(ListedShard { hash_keys, id: ShardId::numbered(number(id)?) })
        };
        match words[..] {
            ["split", parent, "->", low, high] => {
                let range = self.take(parent)?;
                let (start, end) = (range.start().value(), range.end().value());
                let middle = start + (end - start) / 2;
                self.shards.push(listed(range.start(), HashKey::new(middle), low)?);
                self.shards.push(listed(HashKey::new(middle + 1), range.end(), high)?);
            }
            ["merge", low, high, "->", child] => {
                let (low, high) = (self.take(low)?, self.take(high)?);
                self.shards.push(listed(low.start(), high.end(), child)?);
            }
            _ => return Err(format!("there is no such change: {words:?}")),
        }
        Ok(())
    }

    fn take(&mut self, number_of_shard: &str) -> Result<HashKeyRange, String> {
        let id = ShardId::numbered(number(number_of_shard)?);
        let at = self.shards.iter().position(|shard| shard.id == id);
        let at = at.ok_or_else(|| format!("there is no {id}"))?;
        Ok(self.shards.remove(at).hash_keys)
    }

    /// All open shards.
    pub(crate) fn list(&self) -> ShardPage {
        ShardPage { next_token: None, shards: self.shards.clone() }
    }

    /// One page of the open shards: `1/2` is the first of two.
    pub(crate) fn page(&self, which: &str) -> Result<ShardPage, String> {
        let (page, pages) = which.split_once('/').ok_or("a page is `1/2`, say")?;
        let [page, pages] = [page, pages].map(|part| part.parse::<usize>().unwrap_or(0));
        if page == 0 || page > pages {
            return Err(format!("there is no page {which}"));
        }
        let size = self.shards.len().div_ceil(pages);
        let shards = self.shards.iter().skip((page - 1) * size).take(size).cloned().collect();
        let token = NextToken::new(&format!("after page {page}"));
        let next_token = if page < pages { Some(token.map_err(|e| e.to_string())?) } else { None };
        Ok(ShardPage { next_token, shards })
    }

    /// What it says to a batch.
    pub(crate) fn answer(&self, batch: &Batch, words: &[&str]) -> Result<PutRecordsResult, String> {
        match words {
            ["error", code] => return Ok(Err(attempt_error(code))),
            ["count", count] => {
                let entry = &batch.entries[0];
                return (0..number(count)?)
                    .map(|_| self.result(entry, "stored"))
                    .collect::<Result<_, _>>()
                    .map(Ok);
            }
            _ => {}
        }
        let entries = batch.entries.len();
        let words = if words.len() == 1 { vec![words[0]; entries] } else { words.to_vec() };
        if words.len() != entries {
            return Err(format!("{} results for {entries} entries", words.len()));
        }
        let results = batch.entries.iter().zip(words);
        results.map(|(entry, word)| self.result(entry, word)).collect::<Result<_, _>>().map(Ok)
    }

    fn result(&self, entry: &Entry, word: &str) -> Result<Result<Placement, AttemptError>, String> {
        let shard = match word.strip_prefix("stored-in:") {
            Some(shard) => ShardId::numbered(number(shard)?),
            None if word == "stored" => {
                let key = entry.hash_key();
                let mut shards = self.shards.iter();
                let shard = shards.find(|shard| shard.hash_keys.contains(key));
                shard.ok_or("no shard has this hash key")?.id.clone()
            }
            None => return Ok(Err(attempt_error(word))),
        };
        self.stored.set(self.stored.get() + 1);
        let sequence_number = self.stored.get().to_string().parse();
        let sequence_number = sequence_number.map_err(|_| "a number of digits")?;
        Ok(Ok(Placement { sequence_number, shard }))
    }
}

pub(crate) fn attempt_error(code: &str) -> AttemptError {
    AttemptError::new(ErrorCode::parse(code))
}
