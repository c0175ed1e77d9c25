//! Keeps a shard that takes nothing from filling the buffer.

use alloc::collections::BTreeMap;
use alloc::vec;
use alloc::vec::Vec;

use headwaters_wire::HashKey;

use crate::action::Action;
use crate::bounds::Bounds;
use crate::engine::Engine;
use crate::lanes::Lanes;
use crate::order::Turnstile;

/// How much of what the engine may hold ([`Config::bounds`](crate::Config::bounds)) may wait for one shard.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum ShardShare {
    /// All of it: then a shard that takes less than is put fills the buffer in the end, and holds up whoever puts for
    /// the others. (The KPL has no bound, and no share of it.)
    Off,
    /// So many percent of the bytes that are free. A record for whose shard more than that would wait is refused
    /// ([`RefusedReason::ShardFull`](crate::RefusedReason::ShardFull)), while those for other shards are welcome.
    ///
    /// What is free shrinks as the buffer fills, and the share with it: so a stream of which one shard gets nearly
    /// everything uses nearly all of the buffer, with 400 percent four fifths of it, and still leaves room for the
    /// others. A shard for which nothing waits has no bound of its own, nor has the only shard of a stream; nobody has
    /// where the shards are not known. What is in flight does not count.
    ///
    /// From 1 to 100,000. The default, with 400.
    Percent(u32),
}

impl Default for ShardShare {
    /// Source: A. Choudhury and E. Hahne, "Dynamic queue length thresholds for shared-memory packet switches", with a
    /// factor that leaves a fifth of the buffer to the others where they find one shard stuck.
    fn default() -> Self {
        Self::Percent(400)
    }
}

/// Who was told that too much waits for a shard.
#[derive(Debug)]
pub(crate) struct Shares {
    /// `None` without a share.
    percent: Option<u64>,
    /// As long as no more than this is held, all of it may wait for one shard.
    quiet: usize,
    /// The lanes of those shards, and the least room that was asked for there, if nobody was told since that it is there.
    wanted: BTreeMap<u32, usize>,
}

impl Shares {
    pub(crate) fn new(share: ShardShare, bounds: Bounds) -> Self {
        let percent = match share {
            ShardShare::Off => None,
            ShardShare::Percent(percent) => Some(percent.into()),
        };
        let mut shares = Self { percent, quiet: 0, wanted: BTreeMap::new() };
        shares.set(bounds);
        shares
    }

    /// So much may be held from now on.
    pub(crate) fn set(&mut self, bounds: Bounds) {
        let part =
            |percent: u64| bounds.bytes as u128 * u128::from(percent) / u128::from(100 + percent);
        let quiet = self.percent.map(part).and_then(|part| usize::try_from(part).ok());
        self.quiet = quiet.unwrap_or(usize::MAX);
    }

    /// Whether somebody waits for room for a shard, who must learn that there will be none.
    pub(crate) fn forget_wanted(&mut self) -> bool {
        !core::mem::take(&mut self.wanted).is_empty()
    }

    /// Whether so many bytes may wait for one shard while so many are free.
    fn allows(&self, bytes: usize, free: usize) -> bool {
        let Some(percent) = self.percent else { return true };
        (bytes as u64).saturating_mul(100) <= (free as u64).saturating_mul(percent)
    }
}

impl Lanes {
    /// A record of this hash key that takes so much room waits elsewhere, to come into its lane later.
    pub(crate) fn wait_elsewhere(&mut self, key: HashKey, room: usize) {
        let at = self.predict(key);
        self.get_mut(at).elsewhere += room;
    }

    /// It does no longer.
    pub(crate) fn wait_here(&mut self, key: HashKey, room: usize) {
        let at = self.predict(key);
        self.get_mut(at).elsewhere -= room;
    }
}

impl Engine {
    /// Whether a record that has taken so much room may wait for its shard; if not, room for it will be announced.
    #[inline(always)]
    pub(crate) fn has_share(&mut self, key: HashKey, need: usize) -> bool {
        self.room.bytes() <= self.shares.quiet || self.may_wait(key, need)
    }

    #[cold]
    fn may_wait(&mut self, key: HashKey, need: usize) -> bool {
        let free = self.room.free() + need + self.room.overhead();
        let is_only = self.lanes.map.as_ref().is_none_or(|map| map.len() == 1);
        let at = self.lanes.predict(key);
        let held = self.lanes.get(at).held();
        let may = is_only || held == 0 || self.shares.allows(held + need, free);
        if !may {
            let wanted = self.shares.wanted.entry(at).or_insert(need);
            *wanted = need.min(*wanted);
        }
        may
    }

    /// Whether to announce room for a shard: once after refusals, as soon as what was refused may wait for one of them.
    pub(crate) fn has_share_again(&mut self) -> bool {
        let has_share = self.has_share_free();
        if has_share {
            self.shares.wanted.clear();
        }
        has_share
    }

    /// Whether what was refused may wait for a shard now.
    pub(crate) fn has_share_free(&self) -> bool {
        let (free, shares) = (self.room.free(), &self.shares);
        shares.wanted.iter().any(|(&at, &need)| {
            let held = self.lanes.get(at).held();
            held == 0 || shares.allows(held + need, free)
        })
    }

    /// There are other lanes: whoever was refused may ask again.
    pub(crate) fn share_anew(&mut self) {
        for (lane, elsewhere) in self.elsewhere().into_iter().enumerate() {
            self.lanes.lanes[lane].elsewhere = elsewhere;
        }
        if self.shares.forget_wanted() {
            self.actions.push_back(Action::RoomAvailable);
        }
    }

    /// The room of what waits elsewhere, for each lane.
    fn elsewhere(&self) -> Vec<usize> {
        let mut sums = vec![0; self.lanes.lanes.len()];
        let waits = self.waits.all().map(|record| (record.hash_key(), record.room()));
        let behind = self.turnstile.iter().flat_map(Turnstile::all);
        let behind = behind.map(|held| (held.record.hash_key(), held.room()));
        for (key, room) in waits.chain(behind) {
            sums[self.lanes.predict(key) as usize] += room;
        }
        sums
    }

    /// What must hold between calls.
    #[cfg(debug_assertions)]
    pub(crate) fn share_invariants(&self) {
        let noted: Vec<usize> = self.lanes.lanes.iter().map(|lane| lane.elsewhere).collect();
        debug_assert_eq!(noted, self.elsewhere(), "what waits elsewhere");
        let lanes = self.lanes.lanes.len() as u32;
        debug_assert!(self.shares.wanted.keys().all(|&at| at < lanes), "of lanes there are");
    }
}
