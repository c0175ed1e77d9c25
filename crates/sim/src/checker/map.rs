use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use headwaters_engine::wire::{AttemptError, Class, HashKey, ListedShard, ShardId, ShardPage};
use headwaters_engine::{Instant, ListShards, ListingId, MapStatus, ShardPrediction};

use super::{Checked, Checker, rule};

/// What the engine knows of the shards: the last complete list that it was given, and how it came by it.
#[derive(Debug, Default)]
pub(super) struct Map {
    /// In the order of their hash keys; none before the first complete list.
    shards: Vec<ListedShard>,
    /// The shards of the list before.
    pub(super) previous: Vec<ListedShard>,
    /// Counts the maps that differed from the one before, and how often the stream began or ended to be scattered.
    pub(super) generation: u32,
    /// Where keys do not decide: how many records in a row were stored where they belong all the same.
    pub(super) in_row: Option<u32>,
    /// Whether an answer gave a reason to list the shards, and whether one did so since they were asked for.
    is_doubtful: bool,
    is_doubted_anew: bool,
    /// When the list was asked for.
    asked_at: Instant,
    /// Shards of the list that seem to be closed, for what was meant for them was stored elsewhere; and when the last
    /// request left that showed it. All of them left after the list had been asked for.
    contradicted: BTreeMap<ShardId, Instant>,
    /// The pages of the list that is being fetched, and when the first one was asked for.
    pages: Vec<ListedShard>,
    pages_since: Instant,
    awaited: Option<(Instant, ListingId)>,
    pub(super) requests: u64,
    pub(super) failures: u64,
    failures_in_a_row: u32,
    failure: Option<Class>,
}

impl Map {
    pub(super) fn exists(&self) -> bool {
        !self.shards.is_empty()
    }

    pub(super) const fn len(&self) -> usize {
        self.shards.len()
    }

    pub(super) fn shards(&self) -> &[ListedShard] {
        &self.shards
    }

    /// Whether keys do not decide.
    pub(super) const fn is_scattered(&self) -> bool {
        self.in_row.is_some()
    }

    /// An answer gave a reason to list the shards.
    pub(super) const fn doubt(&mut self) {
        (self.is_doubtful, self.is_doubted_anew) = (true, true);
    }

    /// What was meant for a shard of the list was stored elsewhere; the request left at `sent_at`.
    pub(super) fn contradict(&mut self, foretold: ShardId, sent_at: Instant) {
        if sent_at >= self.asked_at {
            let last = self.contradicted.entry(foretold).or_insert(sent_at);
            *last = sent_at.max(*last);
        }
    }

    /// There is a complete list, of these shards: it answers what was seen before it was asked for.
    fn renew(&mut self, shards: &[ListedShard]) {
        self.asked_at = self.pages_since;
        let is_left = |shard: &ShardId| shards.iter().any(|left| left.id == *shard);
        self.contradicted.retain(|shard, seen_at| *seen_at > self.asked_at && is_left(shard));
    }

    /// The place of the shard that has this hash key; 0 if there is no map, or keys do not decide.
    pub(super) fn slot(&self, key: HashKey) -> usize {
        if self.is_scattered() {
            return 0;
        }
        self.shards.partition_point(|shard| shard.hash_keys.end() < key)
    }

    pub(super) fn is_on_edge(&self, key: HashKey) -> bool {
        let shard = self.shards.get(self.slot(key));
        shard.is_some_and(|ListedShard { hash_keys, .. }| {
            [hash_keys.start(), hash_keys.end()].contains(&key)
        })
    }

    pub(super) const fn has_failed(&self) -> bool {
        self.failure.is_some()
    }

    fn fail(&mut self, class: Class) {
        self.failures += 1;
        self.failures_in_a_row += 1;
        self.failure = Some(class);
    }

    /// The pages as a map; `None` if they are no division of all hash keys.
    fn complete(&mut self) -> Option<Vec<ListedShard>> {
        let mut shards = core::mem::take(&mut self.pages);
        shards.sort_by(|one, other| {
            let key = |shard: &ListedShard| (shard.hash_keys.start(), shard.id.clone());
            key(one).cmp(&key(other))
        });
        shards.dedup();
        let mut next = Some(0);
        for ListedShard { hash_keys, .. } in &shards {
            if next != Some(hash_keys.start().value()) {
                return None;
            }
            next = hash_keys.end().value().checked_add(1);
        }
        (next.is_none() && !shards.is_empty()).then_some(shards)
    }

    /// What is wrong about what the engine says of its map.
    pub(super) fn status_fault(
        &self,
        status: MapStatus,
        prediction: ShardPrediction,
    ) -> Option<String> {
        let expected = match (prediction, self.exists(), self.failure) {
            (ShardPrediction::On, true, _) if self.is_scattered() => MapStatus::Scattered,
            (ShardPrediction::On, false, Some(class)) => {
                MapStatus::Unavailable { class, failures: self.failures_in_a_row }
            }
            (ShardPrediction::On, true, Some(class)) => {
                MapStatus::Outdated { class, failures: self.failures_in_a_row }
            }
            (ShardPrediction::On, true, None) if status == MapStatus::Reloading => status,
            // An answer has shown that it is old.
            (ShardPrediction::On, true, None) if !self.contradicted.is_empty() => {
                MapStatus::Reloading
            }
            (ShardPrediction::On, true, None) => MapStatus::Ready,
            (ShardPrediction::On, false, None) => MapStatus::Loading,
            _ => MapStatus::Off,
        };
        (status != expected)
            .then(|| alloc::format!("the map is {status:?} and should be {expected:?}"))
    }
}

impl Checker {
    /// The engine asks for a page of shards.
    pub(crate) fn list_asked(&mut self, request: &ListShards, now: Instant) -> Checked {
        self.list_elapse(now);
        let awaited = self.map.awaited;
        rule(awaited.is_none(), || alloc::format!("{awaited:?} is still awaited"))?;
        rule(self.config.shard_prediction() == ShardPrediction::On, || {
            "it lists shards that it is not to predict".into()
        })?;
        if request.next_token.is_none() {
            let has_reason = self.map.is_doubtful || !self.map.is_scattered();
            rule(has_reason, || "it lists shards without a reason".into())?;
            self.map.pages.clear();
            self.map.pages_since = now;
            self.map.is_doubted_anew = false;
        }
        self.map.awaited = Some((now, request.id));
        self.map.requests += 1;
        Ok(())
    }

    /// The engine gives a request for a page up that takes too long.
    pub(super) fn list_elapse(&mut self, now: Instant) {
        let timeout = self.config.request_timeout();
        if self.map.awaited.take_if(|(start, _)| start.after(timeout) <= now).is_some() {
            let awaited_first_map = self.awaits_first_map();
            self.map.fail(Class::Transient);
            self.sometimes.list_timed_out += 1;
            if awaited_first_map {
                self.hurry_now(now);
            }
        }
    }

    /// A page of shards has come, and the engine has taken it or not.
    pub(crate) fn list_answered(
        &mut self,
        request: ListingId,
        result: Result<ShardPage, AttemptError>,
        is_ignored: bool,
        now: Instant,
    ) {
        let is_awaited = self.map.awaited.is_some_and(|(_, awaited)| awaited == request);
        if is_ignored {
            self.sometimes.list_answer_ignored += 1;
            if is_awaited {
                // It was given up, or the figures will not agree.
                self.list_elapse(now);
            }
        } else if is_awaited {
            let awaited_first_map = self.awaits_first_map();
            self.add_page(result, now);
            if awaited_first_map && !self.awaits_first_map() {
                self.hurry_now(now);
            }
        }
    }

    fn add_page(&mut self, result: Result<ShardPage, AttemptError>, now: Instant) {
        self.map.awaited = None;
        let ShardPage { next_token, shards } = match result {
            Ok(page) => page,
            Err(error) => {
                let class = error.code.class();
                *match class {
                    Class::Permanent => &mut self.sometimes.list_denied,
                    Class::Throttled => &mut self.sometimes.list_throttled,
                    _ => &mut self.sometimes.list_failed,
                } += 1;
                return self.map.fail(class);
            }
        };
        self.map.pages.extend(shards);
        if next_token.is_some() {
            return;
        }
        let Some(shards) = self.map.complete() else {
            self.sometimes.list_inconsistent += 1;
            return self.map.fail(Class::Transient);
        };
        (self.map.failure, self.map.failures_in_a_row) = (None, 0);
        self.map.is_doubtful = self.map.is_doubted_anew;
        self.map.renew(&shards);
        if shards == self.map.shards {
            if !self.map.is_scattered() {
                self.packing.go_on(self.accepted);
            }
        } else {
            self.install(shards, now);
        }
        // Those that went astray before go by themselves now, and so do the others of their shards.
        let mut astray = self.strays.iter().flat_map(|(batch, index)| {
            self.requests.get(batch).map_or(&[][..], |request| request.numbers_of(*index))
        });
        if astray.any(|&number| self.records[number].sends > 1) {
            self.packing.end();
        }
    }

    /// There is a new map: what waits finds its shard again, and what was spent is not forgotten.
    fn install(&mut self, shards: Vec<ListedShard>, now: Instant) {
        let is_first = !self.map.exists();
        *if is_first && self.open() > 0 {
            &mut self.sometimes.map_awaited
        } else {
            &mut self.sometimes.map_changed
        } += 1;
        if self.map.is_scattered() {
            self.sometimes.auto_resharded += 1;
            self.meters.stand_for(shards.len(), now);
            self.map.previous = core::mem::replace(&mut self.map.shards, shards);
            return;
        }
        self.packing.start(self.accepted);
        self.sometimes.child_inherited_debt += self.meters.install(&self.map.shards, &shards, now);
        self.note_order_in_reshard();
        let before = core::mem::replace(&mut self.map.shards, shards.clone());
        self.doubts_anew(&before, &shards);
        self.map.previous = before;
        self.map.generation += 1;
        self.weigh_again();
        // What was packed for a shard that is no more is packed anew, and may wait for others again.
        self.find_slots(Some(now), now);
    }

    /// What waits finds its place by the map as it is now. What was not to leave by the time `lingering` may wait for
    /// others once more.
    pub(super) fn find_slots(&mut self, lingering: Option<Instant>, now: Instant) {
        self.cases_over(now);
        let linger = self.linger();
        let (map, records) = (&self.map, &mut self.records);
        self.waiting.change(|_, leave_by, number| {
            let record = &mut records[number];
            // What was sent before may be packed anew, and then is in a hurry if it was to be flushed.
            let earlier = Instant::ZERO.after(record.due.since(Instant::ZERO.after(linger)));
            record.due = if record.sends > 0 { Instant::ZERO } else { earlier };
            if lingering.is_some_and(|now| leave_by > now) {
                record.leave_by = leave_by.after(linger);
            }
            (Some(map.slot(record.hash_key)), record.leave_by)
        });
    }
}
