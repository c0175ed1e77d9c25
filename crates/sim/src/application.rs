use alloc::format;
use alloc::vec;
use alloc::vec::Vec;

use bytes::Bytes;
use headwaters_engine::wire::{Entry, HashKey, PartitionKey};
use headwaters_engine::{Instant, Timing, UserRecord};

use crate::caller::Caller;
use crate::rng::{Chance, Rng, millis};

/// Makes the records that the application puts.
#[derive(Debug)]
pub(crate) struct Application {
    pub(crate) caller: Caller,
    /// The last payload that it kept for itself, too.
    shared: Bytes,
    /// An empty record of each key.
    keys: Vec<UserRecord>,
    /// What sets its records apart from those of other producers.
    producer: u32,
    rng: Rng,
    /// The record that it puts next, if it was refused before.
    pub(crate) in_hand: Option<(UserRecord, Timing)>,
    /// The number of the next record.
    pub(crate) next: u32,
}

/// One payload in so many is not the engine's alone.
const SHARED: u32 = 8;

impl Application {
    pub(crate) fn new(seed: u64, producer: u32, caller: Caller) -> Self {
        let empty = |number| Entry {
            data: Bytes::new(),
            explicit_hash_key: None,
            partition_key: PartitionKey::new(format!("{KEY}{number}")).expect("a valid key"),
        };
        let keys = UserRecord::from_entries((0..caller.keys).map(empty).collect());
        Self {
            caller,
            shared: Bytes::new(),
            keys: keys.expect("small records"),
            producer,
            rng: Rng::new(seed, "caller"),
            in_hand: None,
            next: 0,
        }
    }

    /// Where its hot key lies, if it has one.
    pub(crate) fn hot(&self) -> Option<HashKey> {
        (self.caller.hot != Chance::NEVER).then(|| self.keys[0].hash_key())
    }

    /// How many records it puts at once.
    pub(crate) fn burst(&mut self) -> u64 {
        self.rng.range(1, u64::from(self.caller.burst))
    }

    /// When the next burst comes.
    pub(crate) fn pause(&mut self, now: Instant) -> Instant {
        self.rng.time_after(now, millis(self.caller.pause_ms))
    }

    /// Whether a flush comes now, and if so, by when it is to be reported.
    pub(crate) fn flush(&mut self, now: Instant) -> Option<Option<Instant>> {
        if !self.rng.happens(self.caller.flushes) {
            return None;
        }
        let within =
            self.rng.pick(&[None, None, Some(millis(0)), Some(millis(30)), Some(millis(700))]);
        Some(within.map(|within| now.after(within)))
    }

    /// Whether it wants everything back now.
    pub(crate) fn purges(&mut self) -> bool {
        self.rng.happens(self.caller.purges)
    }

    /// Whether it ends now, whatever it has left to put.
    pub(crate) fn ends_early(&mut self) -> bool {
        self.rng.happens(self.caller.ends_early)
    }

    /// The record to put next.
    pub(crate) fn record(&mut self) -> (UserRecord, Timing) {
        if let Some(in_hand) = self.in_hand.take() {
            return in_hand;
        }
        let (smallest, largest) = self.caller.sizes;
        let size = self.rng.range(u64::from(smallest), u64::from(largest));
        let data = self.payload(usize::try_from(size).unwrap_or(usize::MAX));
        let is_hot = self.caller.hot != Chance::NEVER && self.rng.happens(self.caller.hot);
        let key = if is_hot { self.keys[0].clone() } else { self.rng.pick(&self.keys) };
        let mut record = key.with_data(data).expect("a valid record");
        if self.rng.happens(self.caller.explicit_hash_keys) {
            record = record.with_explicit_hash_key(self.hash_key());
        }
        let own = self.rng.happens(self.caller.timings);
        (record, if own { self.timing() } else { Timing::default() })
    }

    /// The payload of the next record. The engine treats one that others have, too, in another way.
    fn payload(&mut self, size: usize) -> Bytes {
        let mut data = vec![0; size];
        data[..LABEL].copy_from_slice(&label(self.producer, self.next).to_be_bytes());
        let data = Bytes::from(data);
        if self.next.is_multiple_of(SHARED) {
            self.shared = data.clone();
        }
        data
    }

    /// Any hash key, or one of a few that many records share.
    fn hash_key(&mut self) -> HashKey {
        if self.rng.happens(Chance::percent(50)) {
            let sixteenth = u128::from(self.rng.range(0, 15));
            return HashKey::new(sixteenth << 124);
        }
        let [high, low] = [self.rng.next(), self.rng.next()];
        HashKey::new(u128::from(high) << 64 | u128::from(low))
    }

    fn timing(&mut self) -> Timing {
        const LONG: core::time::Duration = millis(20_000);
        let buffered = [None, Some(millis(0)), Some(millis(40)), Some(millis(2_000)), Some(LONG)];
        let ttls =
            [None, Some(None), Some(Some(millis(0))), Some(Some(millis(90))), Some(Some(LONG))];
        let max_buffered_time = self.rng.pick(&buffered);
        Timing { max_buffered_time, ttl: self.rng.pick(&ttls) }
    }
}

/// With this a partition key begins; its number follows.
const KEY: &str = "key-";

/// The number of a partition key.
pub(crate) fn key_number(key: &PartitionKey) -> Option<u32> {
    let digits = key.as_bytes().strip_prefix(KEY.as_bytes())?;
    digits.iter().try_fold(0_u32, |number, digit| {
        let digit = digit.is_ascii_digit().then(|| u32::from(digit - b'0'))?;
        number.checked_mul(10)?.checked_add(digit)
    })
}

/// With so many bytes a payload begins that set it apart; the others are zero.
const LABEL: usize = 8;

/// These.
const fn label(producer: u32, number: u32) -> u64 {
    (producer as u64) << 32 | number as u64
}

/// The producer and the number of the record that has this payload.
pub(crate) fn whose(data: &[u8]) -> Option<(u32, usize)> {
    let label = u64::from_be_bytes(*data.first_chunk()?);
    Some(((label >> 32) as u32, label as u32 as usize))
}

/// Whether these bytes are the payload of that record. All are looked at, so that many are looked at at once.
pub(crate) fn is_payload(data: &[u8], producer: u32, number: usize) -> bool {
    whose(data) == Some((producer, number))
        && data[LABEL..].iter().fold(0, |all, byte| all | byte) == 0
}
