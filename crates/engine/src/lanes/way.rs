use super::Lanes;
use crate::held::Stamp;
use crate::kinesis_record::KinesisRecord;
use crate::record::UserRecord;
use crate::time::Instant;

/// How a new record gets into its lane.
pub(crate) enum Way {
    /// By itself, but it has to be copied, or came out of order.
    Apart(u32),
    /// Into an aggregate.
    Pack(u32),
    /// By itself, and last in the queue, with so many bytes.
    Queue(u32, usize),
}

impl Lanes {
    /// How a new record gets into its lane. Said before the record is taken: what nothing looks into is copied once, as a
    /// whole.
    #[inline(always)]
    pub(crate) fn way_of(&self, record: &UserRecord, stamp: &Stamp) -> Way {
        let at = self.predict(record.hash_key());
        if self.packs(at) {
            return Way::Pack(at);
        }
        let is_in_order = self.get(at).is_in_order(stamp.deadline, stamp.expiration);
        if is_in_order && !self.settings.is_shared(record) {
            Way::Queue(at, record.size())
        } else {
            Way::Apart(at)
        }
    }

    /// Takes a new record: for its shard's aggregate, or by itself.
    #[inline(always)]
    pub(crate) fn accept(&mut self, way: Way, record: UserRecord, stamp: Stamp, now: Instant) {
        self.records += 1;
        let (at, size) = match way {
            Way::Queue(at, size) => (at, size),
            Way::Pack(at) => return self.join(at, record, stamp, now),
            Way::Apart(at) => return self.accept_apart(at, record, stamp),
        };
        let lane = &mut self.lanes[at as usize];
        lane.append(record, size, stamp, &mut self.pieces);
        if lane.rides_along() {
            self.unsent += 1;
            self.unsent_size += size;
        }
        // What joins a queue changes nothing of when the lane is due, unless it is full.
        if lane.in_order() == 1 || lane.unsent_size() >= self.settings.full_at {
            self.look_again(at);
        }
    }

    /// Takes a new record that is not like most.
    #[inline(never)]
    fn accept_apart(&mut self, at: u32, mut record: UserRecord, stamp: Stamp) {
        self.settings.own(&mut record);
        self.push(at, KinesisRecord::Plain(stamp.on(record)));
    }
}
