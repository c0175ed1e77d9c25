use alloc::vec::Vec;
use core::fmt;

use headwaters_wire::{AttemptError, Placement};
use smallvec::SmallVec;

use crate::action::BatchId;
use crate::answers::{Answer, Results};
use crate::bounds::Bounds;
use crate::completion::{Attempt, Attempts, Completion, Outcome};
use crate::engine::Engine;
use crate::in_flight::{Cargo, Flight};
use crate::record::Token;
use crate::time::Instant;

/// The one final word on user records that went plain in one request, each at its first attempt, and were stored where
/// they were meant to be: what becomes of nearly every plain record. All of a request are told at once, because to tell
/// each by itself takes longer than all else that the engine does for it.
///
/// The records are in the order in which they were sent.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Stored {
    /// The request.
    pub batch: BatchId,
    /// When the answer came.
    pub end: Instant,
    /// When the batch was handed to the driver.
    pub start: Instant,
    tokens: Vec<Token>,
    /// As they were in the answer: `Ok`, all of them.
    placements: Vec<Result<Placement, AttemptError>>,
}

impl Stored {
    /// How many records there are.
    #[expect(clippy::len_without_is_empty, reason = "never 0: there is at least one")]
    pub const fn len(&self) -> usize {
        self.tokens.len()
    }

    /// The caller's names for them.
    pub fn tokens(&self) -> &[Token] {
        &self.tokens
    }

    /// The caller's name for each, and where it is.
    pub fn iter(&self) -> impl Iterator<Item = (Token, &Placement)> {
        self.tokens.iter().copied().zip(self.placements.iter().flatten())
    }

    /// The same outcomes one by one, for those who treat all alike.
    pub fn into_completions(self) -> impl Iterator<Item = Completion> {
        let Self { end, start, tokens, placements, .. } = self;
        tokens.into_iter().zip(placements.into_iter().flatten()).map(move |(token, placement)| {
            let Placement { sequence_number, shard } = placement;
            Completion {
                attempts: Attempts::one(Attempt { end, error: None, start }),
                outcome: Outcome::Stored { maybe_duplicate: false, sequence_number, shard },
                tokens: SmallVec::from_buf([token]),
            }
        })
    }
}

/// One line, for traces.
impl fmt::Display for Stored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "stored {} records={}", self.batch, self.len())
    }
}

impl Engine {
    /// Reads what the first answer says up to the first Kinesis record of which there is more to say than that it went
    /// plain, once, and was stored where it was meant to be. The rest is for [`read_entry`](Self::read_entry), which does
    /// the same for these. Only for when no other action is to be done before.
    #[inline]
    pub(crate) fn read_stored(&mut self) -> Option<Stored> {
        if self.turnstile.is_some() {
            return None;
        }
        let answer = self.answers.front_mut()?;
        let Results::Each(results) = &mut answer.results else { return None };
        if answer.generation != self.lanes.generation {
            return None;
        }
        let lanes = &mut self.lanes;
        let (mut tokens, mut bytes) = (Vec::new(), 0);
        for (result, flight) in results.as_slice().iter().zip(answer.flights.as_slice()) {
            let Flight { cargo: Cargo::Plain { claim, size, .. }, lane } = flight else { break };
            let Ok(placement) = result else { break };
            let as_predicted = lanes.shard(*lane).is_some_and(|shard| *shard == placement.shard);
            if claim.past.is_some() || !as_predicted {
                break;
            }
            lanes.stored(*lane, *size as usize, answer.start);
            self.flushes.completed(claim.sequence);
            bytes += *size as usize;
            // Where some failed others will: runs are short.
            if tokens.capacity() == 0 && answer.failed == 0 {
                tokens.reserve_exact(answer.flights.len());
            }
            tokens.push(claim.token);
        }
        let count = tokens.len();
        let last = count.checked_sub(1)?;
        let placements = if count == results.len() {
            // As they are, without a copy.
            core::mem::take(results).collect()
        } else {
            tokens.shrink_to_fit();
            results.by_ref().take(count).collect()
        };
        drop(answer.flights.nth(last));
        answer.index = answer.index.saturating_add(count as u16);
        let Answer { at: end, batch, start, .. } = **answer;
        self.answered -= count;
        self.stats.stored += count as u64;
        self.stats.bytes_stored += bytes as u64;
        self.release(count, bytes + count * Bounds::RECORD_OVERHEAD);
        Some(Stored { batch, end, start, tokens, placements })
    }
}
