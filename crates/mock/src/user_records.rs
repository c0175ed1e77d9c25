use headwaters_model::Stored;
use headwaters_wire::HashKeyRange;
use headwaters_wire::aggregate::{Decoded, decode};

/// The user records in a Kinesis record of a shard with this range, as the Kinesis Client Library
/// delivers them.
pub(crate) fn user_records(stored: Stored, range: HashKeyRange) -> Vec<Stored> {
    let Decoded::Aggregate(aggregate) = decode(stored.entry.data.clone()) else {
        return vec![stored];
    };
    let members = aggregate.as_kcl(range).delivered;
    let entries = members.iter().filter_map(|member| member.to_entry().ok());
    let record = |entry| {
        let mut record = stored.clone();
        record.entry = entry;
        record
    };
    entries.map(record).collect()
}

#[cfg(test)]
mod tests {
    use headwaters_transport::Transport;
    use headwaters_wire::aggregate::Encoder;
    use headwaters_wire::{Entry, HashKey};

    use crate::Handover;
    use crate::testing::{StandingClock, builder, entry, ready, request};

    fn aggregate(entries: &[Entry]) -> Entry {
        let mut encoder = Encoder::default();
        entries.iter().for_each(|entry| encoder.append(entry.into()));
        encoder.finish().expect("there are entries").seal()
    }

    fn at(hash_key: HashKey, data: &'static str) -> Entry {
        Entry { explicit_hash_key: Some(hash_key), ..entry("k", data) }
    }

    #[test]
    fn members_are_read_as_if_they_had_been_put_alone() {
        let mock = builder(1).build(StandingClock);
        let members = [at(HashKey::MIN, "a"), entry("k", "b"), entry("l", "")];
        let entries = vec![entry("m", "plain"), aggregate(&members)];
        assert!(ready(mock.put_records(request(entries))).is_ok());
        let (records, user_records) = (mock.records(), mock.user_records());
        assert_eq!(user_records[0], records[0]);
        assert!(user_records[1..].iter().map(|record| &record.entry).eq(&members));
        for record in &user_records[1..] {
            assert_eq!((&record.placement, record.index), (&records[1].placement, 1));
        }
    }

    #[test]
    fn what_no_consumer_gets_is_left_out() {
        let mock = builder(2).build(StandingClock);
        let both = [at(HashKey::MIN, "here"), at(HashKey::MAX, "elsewhere")];
        let here = [both[0].clone(), at(HashKey::MIN, "here, too")];
        assert!(ready(mock.put_records(request(vec![aggregate(&both), aggregate(&here)]))).is_ok());
        // The range is that of the shard as it was, whatever became of it.
        let shards = mock.shards();
        let merged = mock.merge(&shards[0].id, &shards[1].id, Handover::ChildrenAtOnce);
        assert_eq!(merged, Ok(()));
        assert!(mock.user_records().iter().map(|record| &record.entry).eq(&here));
    }
}
