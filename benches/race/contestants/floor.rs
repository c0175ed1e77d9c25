use headwaters_benches::{Floor, SHARDS, aggregates};
use headwaters_http::Protocol;

use super::{BATCH, Contestant, POOL, Way};
use crate::Failure;

/// What nobody can do without.
pub(super) struct Floored {
    floor: Floor,
    /// User records in the request.
    records: usize,
}

impl Floored {
    pub(super) fn requests(way: &Way, protocol: Protocol) -> Result<Self, Failure> {
        let entries = way.entries(BATCH);
        let floor = Floor::connect(&way.url, &way.certificate_pem, protocol, &entries)?;
        Ok(Self { floor, records: BATCH })
    }

    /// Full aggregates, one for each shard.
    pub(super) fn aggregates(way: &Way) -> Result<Self, Failure> {
        let (entries, records) = aggregates(&way.entries(POOL), SHARDS as usize);
        let floor = Floor::connect(&way.url, &way.certificate_pem, Protocol::Json, &entries)?;
        Ok(Self { floor, records })
    }
}

impl Contestant for Floored {
    /// As many of its requests as carry these records.
    fn run(&mut self, requests: usize) -> Result<u64, Failure> {
        let requests = (requests * BATCH).div_ceil(self.records);
        for _ in 0..requests {
            self.floor.send()?;
        }
        Ok((requests * self.records) as u64)
    }
}
