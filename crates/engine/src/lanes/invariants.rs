use alloc::collections::BTreeSet;

use super::Lanes;
use crate::lane::{Lane, Marks};
use crate::time::Instant;

impl Lanes {
    /// What must hold between calls.
    pub(crate) fn invariants(&self) {
        self.lanes.iter().for_each(Lane::invariants);
        self.count_invariants();
        let free = self.lanes.iter().filter(|lane| lane.rides_along());
        debug_assert_eq!(self.unsent, free.clone().map(Lane::unsent).sum::<usize>());
        debug_assert_eq!(self.unsent_size, free.map(Lane::unsent_size).sum::<usize>());
        for (at, lane) in (0..).zip(&self.lanes) {
            let noted =
                |set: &BTreeSet<(Instant, u32)>| set.iter().filter(|mark| mark.1 == at).count();
            let Marks { apart, blocked, expiring, filling, queued } = lane.marks;
            debug_assert_eq!(noted(&self.apart), usize::from(apart.is_some()));
            debug_assert!(apart.is_none() || lane.doubt.is_some(), "there is a reason");
            debug_assert_eq!(noted(&self.blocked), usize::from(blocked.is_some()));
            debug_assert_eq!(noted(&self.expiring), usize::from(expiring.is_some()));
            debug_assert_eq!(noted(&self.filling), usize::from(filling.is_some()));
            debug_assert_eq!(noted(&self.queued), usize::from(queued.is_some()));
            debug_assert!(
                !lane.rides_along() || queued.is_some() || filling.is_some() || lane.is_empty()
            );
            let next = lane.next_expiration();
            debug_assert!(next.is_none_or(|next| expiring.is_some_and(|mark| mark <= next)));
        }
    }

    fn count_invariants(&self) {
        let all = self.lanes.iter().chain(&self.gone);
        let members = self.members.as_slice().len();
        debug_assert_eq!(self.records, all.map(Lane::records).sum::<usize>() + members);
        debug_assert!(!self.gone.iter().any(Lane::is_empty), "what has something is kept");
    }
}
