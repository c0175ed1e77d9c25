use headwaters::wire::{Entries, StreamName};
use headwaters_transport::{PutRecords, Transport};
use tokio::runtime::Runtime;

use super::{BATCH, Contestant, STREAM, Way, runtime};
use crate::Failure;

/// A transport by itself.
pub(super) struct Requests<T> {
    entries: Entries,
    runtime: Runtime,
    stream: StreamName,
    transport: T,
}

impl<T: Transport> Requests<T> {
    pub(super) fn new(transport: T, way: &Way) -> Result<Self, Failure> {
        let entries = way.entries(BATCH).into();
        Ok(Self { entries, runtime: runtime()?, stream: StreamName::new(STREAM)?, transport })
    }
}

impl<T: Transport> Contestant for Requests<T> {
    fn run(&mut self, requests: usize) -> Result<u64, Failure> {
        let Self { entries, runtime, stream, transport } = self;
        runtime.block_on(async {
            let mut stored = 0;
            for _ in 0..requests {
                let request = PutRecords::new(stream.clone(), entries.clone());
                let results = transport.put_records(request).await?;
                stored += results.iter().filter(|result| result.is_ok()).count() as u64;
            }
            Ok(stored)
        })
    }
}
