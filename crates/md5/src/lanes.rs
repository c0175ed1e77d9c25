//! Which lane hashes which message.

use core::{iter, slice};

use crate::block::{SHORT, end, last};
use crate::kernel::{Block, INITIAL, State};
use crate::{Digest, Level, digest, portable};

/// A message and where its digest goes.
type Job<'a> = (&'a [u8], &'a mut Digest);

/// A block for each lane, aligned so that each is one line of the cache.
#[repr(align(64))]
struct Blocks<const N: usize>([Block; N]);

/// Below this many bytes in either, two messages alone are faster in plain registers: vectors of
/// which two lanes are used gain less than it costs to set them up.
const WORTH_VECTORS: usize = 512;

pub(crate) fn digest_many<'a>(level: Level, mut jobs: impl Iterator<Item = Job<'a>>) {
    let Some(first) = jobs.next() else { return };
    let Some(second) = jobs.next() else {
        *first.1 = digest(first.0);
        return;
    };
    let third = jobs.next();
    let two = third.is_none() && first.0.len().min(second.0.len()) < WORTH_VECTORS;
    let level = if two { Level::PORTABLE } else { level };
    let short = [&first, &second].into_iter().chain(&third).all(|job| job.0.len() <= SHORT);
    let jobs = [first, second].into_iter().chain(third).chain(jobs);
    match (level.lanes(), short) {
        (2, true) => Short::<2>::digest(level, jobs),
        (2, false) => Long::<2>::digest(level, jobs),
        (_, true) => Short::<32>::digest(level, jobs),
        (_, false) => Long::<32>::digest(level, jobs),
    }
}

/// Messages of one block each, which start and end together. As most batches of keys are like that,
/// they have a way of their own.
struct Short<'a, const N: usize> {
    level: Level,
    waiting: usize,
    blocks: Blocks<N>,
    digests: [Option<&'a mut Digest>; N],
}

impl<'a, const N: usize> Short<'a, N> {
    /// Hashes short messages, and from the first long one on all others as long ones.
    #[inline(never)]
    fn digest(level: Level, mut jobs: impl Iterator<Item = Job<'a>>) {
        let digests = [const { None }; N];
        let mut short = Self { level, waiting: 0, blocks: Blocks([[0; 64]; N]), digests };
        while let Some(job) = jobs.next() {
            if job.0.len() <= SHORT {
                short.push(job);
            } else {
                Long::<N>::digest(level, iter::once(job).chain(jobs));
                break;
            }
        }
        short.flush();
    }

    #[inline(always)]
    fn push(&mut self, (message, digest): Job<'a>) {
        end(&mut self.blocks.0[self.waiting], message, message.len());
        self.digests[self.waiting] = Some(digest);
        self.waiting += 1;
        if self.waiting == self.level.lanes() {
            self.flush();
        }
    }

    #[inline(never)]
    fn flush(&mut self) {
        let mut state = INITIAL.map(|word| [word; N]);
        if self.waiting > 1 {
            let inputs = self.blocks.0.each_ref().map(slice::from_ref);
            self.level.compress(self.waiting, &mut state, &inputs, 1);
        } else {
            let one = portable::update(INITIAL, &self.blocks.0[..self.waiting]);
            for (words, word) in state.iter_mut().zip(one) {
                words[0] = word;
            }
        }
        for (lane, digest) in self.digests[..self.waiting].iter_mut().enumerate() {
            if let Some(digest) = digest {
                **digest = bytes(lane_of(&state, lane));
            }
        }
        self.waiting = 0;
    }
}

/// Messages of any length. Each has a lane, and when it ends the next one takes its place. The
/// first `live` lanes have messages.
struct Long<'a, const N: usize> {
    level: Level,
    live: usize,
    state: State<N>,
    /// The whole blocks that are still to be hashed.
    bodies: [&'a [Block]; N],
    /// The block after them.
    ends: Blocks<N>,
    /// How many blocks there are after the body: one or two, and none when all is hashed.
    ends_left: [usize; N],
    lengths: [usize; N],
    digests: [Option<&'a mut Digest>; N],
}

impl<'a, const N: usize> Long<'a, N> {
    #[inline(never)]
    fn digest(level: Level, mut jobs: impl Iterator<Item = Job<'a>>) {
        let mut lanes = Self {
            level,
            live: 0,
            state: INITIAL.map(|word| [word; N]),
            bodies: [&[]; N],
            ends: Blocks([[0; 64]; N]),
            ends_left: [0; N],
            lengths: [0; N],
            digests: [const { None }; N],
        };
        while lanes.live < level.lanes()
            && let Some(job) = jobs.next()
        {
            lanes.start(lanes.live, job);
            lanes.live += 1;
        }
        // One message alone is faster without lanes.
        while lanes.live > 1 {
            lanes.run();
            lanes.replace_finished(&mut jobs);
        }
        lanes.finish_alone();
    }

    /// Gives a message to a lane, whose state is that of the start.
    fn start(&mut self, lane: usize, (message, digest): Job<'a>) {
        let (body, rest) = message.as_chunks();
        self.bodies[lane] = body;
        self.ends_left[lane] = 1 + usize::from(end(&mut self.ends.0[lane], rest, message.len()));
        self.lengths[lane] = message.len();
        self.digests[lane] = Some(digest);
    }

    /// Hashes as many blocks as every lane has in one piece.
    fn run(&mut self) {
        let mut inputs = self.ends.0.each_ref().map(slice::from_ref);
        let mut count = usize::MAX;
        for (input, body) in inputs.iter_mut().zip(self.bodies).take(self.live) {
            if !body.is_empty() {
                *input = body;
            }
            count = count.min(input.len());
        }
        // The lanes without a message compute something that nobody reads; but they need blocks.
        let some = inputs[0];
        inputs[self.live..].fill(some);
        self.level.compress(self.live, &mut self.state, &inputs, count);
        for lane in 0..self.live {
            if self.bodies[lane].is_empty() {
                self.ends_left[lane] -= 1;
                if self.ends_left[lane] > 0 {
                    last(&mut self.ends.0[lane], self.lengths[lane]);
                }
            } else {
                self.bodies[lane] = &self.bodies[lane][count..];
            }
        }
    }

    /// Delivers the digests of the messages that have ended, and gives their lanes to others.
    fn replace_finished(&mut self, jobs: &mut impl Iterator<Item = Job<'a>>) {
        let mut lane = 0;
        while lane < self.live {
            if self.ends_left[lane] > 0 {
                lane += 1;
                continue;
            }
            if let Some(digest) = self.digests[lane].take() {
                *digest = bytes(lane_of(&self.state, lane));
            }
            if let Some(job) = jobs.next() {
                for (words, word) in self.state.iter_mut().zip(INITIAL) {
                    words[lane] = word;
                }
                self.start(lane, job);
                lane += 1;
            } else {
                self.live -= 1;
                self.move_lane(self.live, lane);
            }
        }
    }

    fn move_lane(&mut self, from: usize, to: usize) {
        for words in &mut self.state {
            words[to] = words[from];
        }
        self.bodies[to] = self.bodies[from];
        self.ends.0[to] = self.ends.0[from];
        self.ends_left[to] = self.ends_left[from];
        self.lengths[to] = self.lengths[from];
        self.digests.swap(to, from);
    }

    /// Hashes what is left of the message in the first lane, if there is one.
    fn finish_alone(&mut self) {
        let Some(digest) = self.digests[0].take() else { return };
        let mut state = portable::update(lane_of(&self.state, 0), self.bodies[0]);
        while self.ends_left[0] > 0 {
            state = portable::update(state, slice::from_ref(&self.ends.0[0]));
            last(&mut self.ends.0[0], self.lengths[0]);
            self.ends_left[0] -= 1;
        }
        *digest = bytes(state);
    }
}

fn lane_of<const N: usize>([a, b, c, d]: &State<N>, lane: usize) -> [u32; 4] {
    [a[lane], b[lane], c[lane], d[lane]]
}

/// The digest that a state means.
#[inline]
pub(crate) fn bytes(state: [u32; 4]) -> Digest {
    let mut digest = [0; 16];
    for (bytes, word) in digest.as_chunks_mut().0.iter_mut().zip(state) {
        *bytes = word.to_le_bytes();
    }
    digest
}
