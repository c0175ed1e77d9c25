//! What the engine is told about its requests.

use headwaters_engine::wire::{AttemptError, Class, ErrorCode, Placement};
use headwaters_engine::{BatchId, Instant, PutRecordsResult, Sent};

use super::consumer::place;
use super::record::WaitsFor;
use super::{Checker, Fate};

impl Checker {
    /// A request is over, whatever came of it.
    pub(crate) fn over(&mut self, batch: BatchId) {
        self.window_forget(batch);
        let before = self.awaited.len();
        self.awaited.retain(|(_, id)| *id != batch);
        if self.awaited.len() < before {
            self.heard.push(batch);
        }
    }

    /// The transport stopped working on a request that the engine was waiting for.
    pub(crate) fn stopped(&mut self, batch: BatchId, sent: Sent, now: Instant) {
        if !self.note_answer(batch, now) {
            return;
        }
        self.window_ended(batch, Some(Class::Transient), now);
        self.doubts_ended(batch, false, now);
        self.budget_told(batch, 0, Class::Transient, now);
        self.part_failed(batch, now);
        // What else it may be, nobody knows whether anything was stored.
        if sent == Sent::No {
            self.fail_all(batch, &ErrorCode::NotSent);
        }
    }

    /// The engine got an answer that it was waiting for.
    pub(crate) fn answered(&mut self, batch: BatchId, result: &PutRecordsResult, now: Instant) {
        if !self.note_answer(batch, now) {
            return;
        }
        let Some(request) = self.requests.get_mut(&batch) else { return };
        self.figures.answered(now.since(request.start));
        let entries = request.parcels.len();
        request.has_results = matches!(result, Ok(results) if results.len() == entries);
        let failed = match result {
            Ok(results) if results.len() == entries => None,
            Ok(_) => Some(Class::Transient),
            Err(error) => Some(error.code.class()),
        };
        let results = result.iter().flatten().filter(|_| failed.is_none());
        let stored = results.filter(|result| result.is_ok()).count();
        self.budget_told(batch, stored, failed.unwrap_or(Class::Transient), now);
        self.window_ended(batch, failed, now);
        self.doubts_ended(batch, failed.is_none(), now);
        match result {
            Ok(results) if results.len() == entries => {
                self.note_failures(results);
                if results.iter().any(Result::is_ok) {
                    self.part_stored(batch);
                }
                for (index, result) in results.iter().enumerate() {
                    match result {
                        Ok(placement) => self.stored(batch, index, placement, now),
                        Err(AttemptError { code, .. }) => self.failed(batch, index, code),
                    }
                }
                let is_stray = (0..entries).any(|index| self.strays.contains(&(batch, index)));
                if stored < entries || is_stray {
                    self.part_failed(batch, now);
                }
            }
            Ok(_) => {
                self.figures.unusable_answers += 1;
                self.sometimes.miscounted += 1;
                self.fail_all(batch, &ErrorCode::UnusableAnswer);
                self.part_failed(batch, now);
            }
            Err(AttemptError { code, .. }) => {
                if code.may_blame_entry() {
                    self.request_refused(batch, code);
                } else {
                    self.part_failed(batch, now);
                }
                self.fail_all(batch, code);
            }
        }
    }

    /// What an answer brings to the budget, and how many of its entries may take something from it.
    fn budget_told(&mut self, batch: BatchId, stored: usize, class: Class, now: Instant) {
        let Some(request) = self.requests.get_mut(&batch) else { return };
        request.is_told = true;
        let entries = request.parcels.len();
        let failed = if class == Class::Transient { entries - stored } else { 0 };
        self.budget.told(stored, failed, now);
    }

    fn note_failures(&mut self, results: &[Result<Placement, AttemptError>]) {
        let [first, middle @ .., last] = results else { return };
        if results.iter().all(Result::is_err) {
            self.sometimes.all_failed += 1;
            return;
        }
        self.sometimes.failed_first += u64::from(first.is_err());
        self.sometimes.failed_middle += u64::from(middle.iter().any(Result::is_err));
        self.sometimes.failed_last += u64::from(last.is_err());
    }

    /// Whether the answer is of any use.
    fn note_answer(&mut self, batch: BatchId, now: Instant) -> bool {
        let Some(request) = self.requests.get_mut(&batch) else { return false };
        request.answered_at = Some(now);
        !request.is_settled
    }

    fn fail_all(&mut self, batch: BatchId, code: &ErrorCode) {
        let entries = self.requests.get(&batch).map_or(0, |request| request.parcels.len());
        (0..entries).for_each(|index| self.failed(batch, index, code));
    }

    fn failed(&mut self, batch: BatchId, index: usize, code: &ErrorCode) {
        let Some(request) = self.requests.get_mut(&batch) else { return };
        self.figures.throttled += u64::from(code.class() == Class::Throttled);
        request.parcels[index].fate = Fate::Failed(code.clone());
    }

    fn stored(&mut self, batch: BatchId, index: usize, placement: &Placement, now: Instant) {
        self.meters.see(&placement.shard, now);
        let Some(request) = self.requests.get_mut(&batch) else { return };
        let generation = request.generation;
        let hash_key = self.records[request.numbers_of(index)[0]].hash_key;
        let parcel = &mut request.parcels[index];
        parcel.fate = Fate::Stored(place(&placement.shard, &placement.sequence_number));
        let is_foretold = generation == self.map.generation && !self.map.is_scattered();
        let foretold = self.map.shards().get(parcel.slot).filter(|_| is_foretold);
        let elsewhere = foretold.filter(|shard| shard.id != placement.shard);
        let is_elsewhere = elsewhere.is_some();
        let contradiction = elsewhere.map(|shard| (shard.id.clone(), request.start));
        self.figures.wrong_shard += u64::from(is_elsewhere);
        let is_right = foretold.is_some() && !is_elsewhere;
        if parcel.is_aggregate && !is_right {
            self.sometimes.stray += 1;
            self.strays.insert((batch, index));
            // Perhaps its shard's records go by themselves from now on, until there is a new list.
            self.packing.end();
        } else {
            self.sometimes.plain_elsewhere += u64::from(is_elsewhere);
            self.owed.extend_from_slice(request.numbers_of(index));
        }
        self.learn(hash_key, &placement.shard, generation, contradiction, now);
    }

    /// The transport has new credentials: what waits for them may leave.
    pub(crate) fn transport_ready(&mut self, now: Instant) {
        self.renewed_at = Some(now);
        self.window.renew(now);
        // Those leave at once, but may be packed anew and wait for others.
        let leave_at = now.after(self.linger());
        let records = &mut self.records;
        self.waiting.change(|_, leave_by, number| {
            let record = &mut records[number];
            if record.waits_for == WaitsFor::Credentials {
                record.leave_by = leave_by.min(leave_at);
            }
            (None, record.leave_by)
        });
        for record in self.records.known() {
            if record.waits_for == WaitsFor::Credentials && record.in_flight.is_none() {
                record.waits_for = WaitsFor::NewCredentials;
                (record.not_before, record.due) = (Instant::ZERO, Instant::ZERO);
            }
        }
    }
}
