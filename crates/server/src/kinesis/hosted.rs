use core::num::NonZeroU32;
use core::time::Duration;
use std::collections::{BTreeMap, VecDeque};

use headwaters_model::{
    ACCOUNT, EntryFaults, Handover, MaxRecordSize, Shard, Stream, StreamOptions,
};
use headwaters_wire::{
    AttemptError, Entry, HashKey, HashKeyRange, Placement, SequenceNumber, ShardId, StreamName,
};

use super::records::{Arrivals, Record};
use super::settings::Settings;
use super::shard::{HostedShard, Position, compare};
use crate::error::ServiceError;

/// A stream: the model, which decides what is stored, and what consumers can read of it.
#[derive(Debug)]
pub(crate) struct Hosted {
    arrivals: Arrivals,
    /// When it was asked for; by it two streams of one name are told apart.
    pub(crate) created: Duration,
    /// When it will be gone, if somebody deleted it.
    deleted: Option<Duration>,
    /// All changes of shards so far, so that they can be made again.
    pub(crate) history: Vec<(Duration, Change)>,
    /// The latest sequence number that was given to anything.
    pub(crate) last: SequenceNumber,
    pub(crate) max_record_size: MaxRecordSize,
    pub(crate) mode: &'static str,
    model: Stream,
    /// The latest time that was ever passed in: requests overtake each other.
    now: Duration,
    /// When the change that is under way will be done.
    pending: Option<Duration>,
    settings: Settings,
    shards: Vec<HostedShard>,
    /// How many shards it began with.
    pub(crate) shards_at_first: NonZeroU32,
    pub(crate) tags: BTreeMap<String, String>,
}

/// A change of shards.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Change {
    Merge { adjacent: ShardId, shard: ShardId },
    Resize { count: NonZeroU32 },
    Split { new_starting: HashKey, shard: ShardId },
}

/// What a stream is in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Status {
    Active,
    Creating,
    Deleting,
    Updating,
}

/// How a stream is made.
#[derive(Clone, Debug)]
pub(crate) struct NewStream {
    pub(crate) max_record_size: MaxRecordSize,
    pub(crate) mode: &'static str,
    pub(crate) name: StreamName,
    pub(crate) shards: NonZeroU32,
    pub(crate) tags: BTreeMap<String, String>,
}

/// The entries of a request, and the size of the buffer that they share.
#[derive(Clone, Debug)]
pub(crate) struct Incoming {
    pub(crate) buffer: usize,
    pub(crate) entries: Vec<Entry>,
}

/// What one look into a shard gives.
#[derive(Debug)]
pub(crate) struct Page {
    /// Those that took over from the shard, if everything was read and nothing will come.
    pub(crate) children: Option<Vec<Child>>,
    /// How far the reader is behind.
    pub(crate) behind: Duration,
    pub(crate) next: Position,
    pub(crate) records: Vec<Record>,
}

/// A shard that took over.
#[derive(Debug)]
pub(crate) struct Child {
    pub(crate) id: ShardId,
    pub(crate) parents: Vec<ShardId>,
    pub(crate) range: HashKeyRange,
}

/// Most bytes that one look gives. Source: GetRecords.
const PAGE_BYTES_MAX: usize = 10 << 20;

impl Hosted {
    pub(crate) fn new(new: NewStream, settings: Settings, created: Duration) -> Self {
        let NewStream { max_record_size, mode, name, shards, tags } = new;
        let options = StreamOptions::new(name, shards).max_record_size(max_record_size);
        let options = match settings.limits {
            Some(limits) => options.limits(limits),
            None => options.unlimited(),
        };
        let mut model = Stream::new(options);
        model.advance(created);
        let first = model.next_sequence_number();
        let mut stream = Self {
            arrivals: Arrivals::default(),
            created,
            deleted: None,
            history: Vec::new(),
            last: first.clone(),
            max_record_size,
            mode,
            model,
            now: created,
            pending: None,
            settings,
            shards: Vec::new(),
            shards_at_first: shards,
            tags,
        };
        stream.open_new(&first, &[]);
        stream
    }

    /// Moves the time on: changes whose time has come are done, and records whose time is over go.
    pub(crate) fn advance(&mut self, now: Duration) {
        self.now = self.now.max(now);
        self.model.advance(self.now);
        if self.pending.take_if(|done| *done <= self.now).is_some() {
            self.hand_over();
        }
        self.trim();
    }

    fn trim(&mut self) {
        self.arrivals.trim(self.settings.retention, self.now, &mut self.shards);
    }

    /// Brings the list of shards up to what the model has.
    fn hand_over(&mut self) {
        let ending = self.model.next_sequence_number();
        let mut closing = Vec::new();
        for (number, shard) in self.shards.iter_mut().enumerate() {
            let stays = self.model.shard_of(shard.range.start()).id() == &shard.id;
            if shard.is_open() && !stays {
                shard.closed = Some((self.now, ending.clone()));
                closing.push(number);
            }
        }
        let starting = self.model.next_sequence_number();
        self.last = starting.clone();
        closing.sort_by_key(|&number| self.shards[number].range.start());
        self.open_new(&starting, &closing);
    }

    /// Takes over what the model has and the list has not; what closes now is in the order of ranges.
    fn open_new(&mut self, starting: &SequenceNumber, closing: &[usize]) {
        let known = self.shards.len() as u64;
        let is_new = |shard: &&Shard| shard.id().number().is_some_and(|number| number >= known);
        let mut new: Vec<&Shard> = self.model.shards().iter().filter(is_new).collect();
        // The model numbers shards one after the other, so that a shard's number is its place.
        new.sort_by_key(|shard| shard.id().number());
        for shard in new {
            let closing = closing.iter().map(|&number| &self.shards[number]);
            let parents = closing.filter(|parent| parent.range.overlaps(&shard.range()));
            let parents = parents.map(|parent| parent.id.clone()).collect();
            self.shards.push(HostedShard {
                closed: None,
                id: shard.id().clone(),
                opened: (self.now, starting.clone()),
                parents,
                range: shard.range(),
                records: VecDeque::new(),
            });
        }
    }

    /// Puts entries in, as the model decides.
    pub(crate) fn put(
        &mut self,
        incoming: &Incoming,
        faults: &EntryFaults,
    ) -> Result<Vec<Result<Placement, AttemptError>>, AttemptError> {
        let name = self.model.name().clone();
        let results = self.model.put_records(&name, &incoming.entries, faults, self.now)?;
        let mut shards = Vec::with_capacity(incoming.entries.len());
        for stored in self.model.drain_ledger() {
            let number = stored.placement.shard.number().expect("the model numbers its shards");
            shards.push(number as u32);
            self.last = stored.placement.sequence_number.clone();
            self.shards[number as usize].records.push_back(Record {
                at: stored.at,
                data: stored.entry.data,
                partition_key: stored.entry.partition_key,
                sequence_number: stored.placement.sequence_number,
            });
        }
        self.arrivals.add(self.now, incoming.buffer, &mut shards);
        self.trim();
        Ok(results)
    }

    /// Reads up to so many records of a shard.
    pub(crate) fn read(&self, shard: &HostedShard, from: &Position, limit: usize) -> Page {
        let start = shard.index_of(from);
        let (mut bytes, mut records) = (0, Vec::new());
        for record in shard.records.range(start..).take(limit) {
            bytes += record.data.len() + record.partition_key.len();
            if bytes > PAGE_BYTES_MAX && !records.is_empty() {
                break;
            }
            records.push(record.clone());
        }
        let next = match records.last() {
            Some(last) => Position::After(last.sequence_number.clone()),
            None => from.clone(),
        };
        let behind = shard.records.get(start + records.len());
        let behind = behind.map_or(Duration::ZERO, |record| self.now.saturating_sub(record.at));
        let is_end = start + records.len() == shard.records.len() && !shard.is_open();
        let children = is_end.then(|| self.children(&shard.id));
        Page { children, behind, next, records }
    }

    fn children(&self, parent: &ShardId) -> Vec<Child> {
        let children = self.shards.iter().filter(|shard| shard.parents.contains(parent));
        let child = |shard: &HostedShard| Child {
            id: shard.id.clone(),
            parents: shard.parents.clone(),
            range: shard.range,
        };
        children.map(child).collect()
    }

    /// Changes the shards; how long that takes is a setting.
    pub(crate) fn change(&mut self, change: Change) -> Result<(), AttemptError> {
        let until = self.now + self.settings.change_time;
        self.apply(&change, until)?;
        self.history.push((until, change));
        Ok(())
    }

    fn apply(&mut self, change: &Change, until: Duration) -> Result<(), AttemptError> {
        let (handover, now) = (Handover::ParentUntilDone { until }, self.now);
        match change {
            Change::Merge { adjacent, shard } => self.model.merge(shard, adjacent, handover, now),
            Change::Resize { count } => self.model.update_shard_count(*count, handover, now),
            Change::Split { new_starting, shard } => {
                self.model.split(shard, *new_starting, handover, now)
            }
        }?;
        self.pending = Some(until);
        self.advance(now);
        Ok(())
    }

    /// Gives out sequence numbers behind this one: for a stream that was kept.
    pub(super) fn resume_after(&mut self, last: SequenceNumber) {
        self.model.resume_after(&last);
        self.last = last;
    }

    /// Does at once, and at its time, what was done before the stream was kept.
    pub(super) fn repeat(&mut self, change: Change, at: Duration) -> Result<(), AttemptError> {
        self.advance(at);
        self.apply(&change, at)?;
        self.history.push((at, change));
        Ok(())
    }

    /// Says of a shard what was kept of it; `None` if there is no such shard.
    pub(super) fn restore_shard(
        &mut self,
        number: usize,
        opened: (Duration, SequenceNumber),
        closed: Option<(Duration, SequenceNumber)>,
        parents: Vec<ShardId>,
    ) -> Option<()> {
        let shard = self.shards.get_mut(number)?;
        // A change that was under way when the stream was kept is done by now.
        let closed = closed.or_else(|| shard.closed.take());
        (shard.opened, shard.closed, shard.parents) = (opened, closed, parents);
        Some(())
    }

    /// Takes in records that were kept, each with the number of its shard; `None` if there is no such shard.
    pub(super) fn restore_records(&mut self, mut records: Vec<(usize, Record)>) -> Option<()> {
        records
            .sort_by(|(_, one), (_, other)| compare(&one.sequence_number, &other.sequence_number));
        for (number, record) in records {
            let size = record.data.len() + record.partition_key.len();
            self.arrivals.add(record.at, size, &mut [u32::try_from(number).ok()?]);
            self.shards.get_mut(number)?.records.push_back(record);
        }
        Some(())
    }

    /// Sets how large a record may be.
    pub(crate) fn set_max_record_size(&mut self, size: MaxRecordSize) -> Result<(), AttemptError> {
        self.model.update_max_record_size(size, self.now)?;
        self.max_record_size = size;
        Ok(())
    }

    /// Deletes it; how long that takes is a setting.
    pub(crate) fn delete(&mut self) {
        self.deleted.get_or_insert(self.now + self.settings.change_time);
    }

    /// Whether it is gone.
    pub(crate) fn is_gone(&self, now: Duration) -> bool {
        self.deleted.is_some_and(|at| at <= now)
    }

    pub(crate) fn status(&self) -> Status {
        if self.deleted.is_some() {
            Status::Deleting
        } else if self.now < self.created + self.settings.change_time {
            Status::Creating
        } else if self.pending.is_some() {
            Status::Updating
        } else {
            Status::Active
        }
    }

    /// That it takes and gives records.
    pub(crate) fn check_serves(&self) -> Result<(), ServiceError> {
        match self.status() {
            Status::Active | Status::Updating => Ok(()),
            Status::Creating | Status::Deleting => Err(ServiceError::no_such_stream(self.name())),
        }
    }

    /// That it can be changed.
    pub(crate) fn check_active(&self) -> Result<(), ServiceError> {
        let (name, status) = (self.name(), self.status());
        if status == Status::Active {
            return Ok(());
        }
        let state = format!("not ACTIVE, instead in state {}", status.name());
        Err(ServiceError::in_use(format!("Stream {name} under account {ACCOUNT} {state}")))
    }

    pub(crate) const fn name(&self) -> &StreamName {
        self.model.name()
    }

    /// All shards that it ever had, in the order of their numbers.
    pub(crate) fn shards(&self) -> &[HostedShard] {
        &self.shards
    }

    /// How many shards take records.
    pub(crate) fn open_count(&self) -> usize {
        self.model.shards().len()
    }

    /// The shard of this id.
    pub(crate) fn shard(&self, id: &str) -> Option<&HostedShard> {
        let id: ShardId = id.parse().ok()?;
        let place = usize::try_from(id.number()?).ok()?;
        self.shards.get(place)
    }

    /// The memory that its records take, in bytes.
    pub(crate) const fn bytes(&self) -> usize {
        self.arrivals.bytes()
    }

    /// The time of the oldest records that can be there.
    pub(crate) fn horizon(&self) -> Duration {
        self.now.saturating_sub(self.settings.retention.age).max(self.created)
    }

    /// How long it keeps records.
    pub(crate) const fn age(&self) -> Duration {
        self.settings.retention.age
    }

    /// The latest time at which something came.
    pub(crate) const fn now(&self) -> Duration {
        self.now
    }
}

impl Status {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Active => "ACTIVE",
            Self::Creating => "CREATING",
            Self::Deleting => "DELETING",
            Self::Updating => "UPDATING",
        }
    }
}
