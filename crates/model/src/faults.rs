use alloc::collections::BTreeMap;

/// Which entries of one request fail, whatever the limits of their shards say. By default none.
///
/// Made from pairs of an entry's index in the request and its fault; of two pairs with one index
/// the later counts. An index beyond the request does nothing. A request that is refused as a whole
/// uses no fault up: the faults belong to the call they are given to.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct EntryFaults(BTreeMap<usize, EntryFault>);

impl EntryFaults {
    /// The fault of the entry at `index`, if it has one.
    pub fn get(&self, index: usize) -> Option<EntryFault> {
        self.0.get(&index).copied()
    }
}

impl FromIterator<(usize, EntryFault)> for EntryFaults {
    fn from_iter<I: IntoIterator<Item = (usize, EntryFault)>>(pairs: I) -> Self {
        Self(pairs.into_iter().collect())
    }
}

/// How an entry fails.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum EntryFault {
    /// The service fails inside, with `InternalFailure`.
    InternalFailure {
        /// Whether the record was stored before the failure. Such a record is in the ledger and
        /// counts towards its shard's limit like any other, into debt if there is no room for it.
        stored: bool,
    },
    /// The shard's limit refuses the entry, with `ProvisionedThroughputExceededException`.
    Throttled,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_found_by_index_in_any_order_of_giving() {
        let faults = EntryFaults::from_iter([
            (7, EntryFault::Throttled),
            (2, EntryFault::Throttled),
            (2, EntryFault::InternalFailure { stored: false }),
        ]);
        assert_eq!(faults.get(2), Some(EntryFault::InternalFailure { stored: false }));
        assert_eq!(faults.get(7), Some(EntryFault::Throttled));
        assert_eq!((faults.get(0), faults.get(8)), (None, None));
        assert_eq!(EntryFaults::default().get(0), None);
    }
}
