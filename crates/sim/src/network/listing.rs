//! How the engine's requests for the list of shards fare.

use headwaters_engine::wire::{AttemptError, ErrorCode, NextToken};
use headwaters_engine::{Instant, ListShards, ListingId};
use headwaters_model::{ListFault, ListRequest};

use super::{Happening, Network};
use crate::service::Service;

impl Network {
    /// Takes a request for a page of shards on its way.
    pub(crate) fn list(&mut self, request: ListShards, now: Instant) {
        let ListShards { id: request, next_token: from, .. } = request;
        let there = now.after(self.half_trip());
        if self.rng.happens(self.faults.list_lost) {
            // Half of the time nobody ever hears of it.
            if self.coin() {
                let result = Err(AttemptError::new(ErrorCode::ConnectionLost));
                self.at(there, Happening::ListAnswer { request, result });
            }
            return;
        }
        let faults = [
            (self.faults.list_denied, ListFault::Denied),
            (self.faults.list_failure, ListFault::InternalFailure),
            (self.faults.list_throttled, ListFault::Throttled),
        ];
        let drawn = faults.into_iter().find(|&(chance, _)| self.rng.happens(chance));
        let fault = match drawn {
            _ if self.map_denied => Some(ListFault::Denied),
            Some((_, fault)) => Some(fault),
            None => None,
        };
        self.at(there, Happening::ListArrive { request, from, fault });
    }

    pub(super) fn list_arrive(
        &mut self,
        request: ListingId,
        from: Option<NextToken>,
        fault: Option<ListFault>,
        service: &mut Service,
        now: Instant,
    ) {
        let first = || ListRequest::first(self.name.clone());
        let asked = from.map_or_else(first, ListRequest::next).max_results(self.list_page);
        let result = service.stream.list_shards(&asked, fault, now.since(Instant::ZERO));
        let mut back = now.after(self.half_trip());
        if self.rng.happens(self.faults.list_late) {
            back = back.after(self.late);
        }
        if self.rng.happens(self.faults.list_repeated) {
            let again = back.after(self.half_trip());
            self.at(again, Happening::ListAnswer { request, result: result.clone() });
        }
        self.at(back, Happening::ListAnswer { request, result });
    }
}
