use core::time::Duration;
use std::collections::VecDeque;

use headwaters::wire::Entry;
use headwaters::{Outcome, Producer, UserRecord};
use headwaters_benches::settings;
use headwaters_transport::Transport;
use tokio::runtime::Runtime;

use super::{BATCH, Contestant, POOL, STREAM, Way, runtime};
use crate::Failure;

/// How a producer says what was stored.
#[derive(Clone, Copy)]
pub(super) enum Confirm {
    /// Once for a whole input.
    All,
    /// By a ticket for each record.
    Each,
}

/// A producer, from records to confirmations: each record is made, hashed, put and accounted for.
pub(super) struct Producing {
    confirm: Confirm,
    next: usize,
    pool: Vec<Entry>,
    producer: Producer,
    runtime: Runtime,
}

/// Records that are made at a time.
const CHUNK: usize = 512;
/// Tickets that are held at a time.
const WINDOW: usize = 16 * CHUNK;

const WITHIN: Duration = Duration::from_secs(60);

impl Producing {
    pub(super) fn new(
        transport: impl Transport,
        way: &Way,
        aggregated: bool,
        confirm: Confirm,
    ) -> Result<Self, Failure> {
        let runtime = runtime()?;
        // A shard takes 1 MB/s, and so would the whole race: the limiters are asked, and always agree.
        let config = settings(4 * WINDOW).aggregation_enabled(aggregated).max_requests_in_flight(4);
        let builder = Producer::builder().stream(STREAM).transport(transport);
        let builder = builder.config(config.build()?);
        let producer = runtime.block_on(async { builder.start() })?;
        Ok(Self { confirm, next: 0, pool: way.entries(POOL), producer, runtime })
    }
}

impl Contestant for Producing {
    fn run(&mut self, requests: usize) -> Result<u64, Failure> {
        let chunks = (requests * BATCH).div_ceil(CHUNK);
        let first = self.next;
        self.next = (first + chunks) % (POOL / CHUNK);
        let pool = &self.pool;
        let chunk = |number: usize| {
            let at = (first + number) % (POOL / CHUNK) * CHUNK;
            UserRecord::from_entries(pool[at..at + CHUNK].to_vec()).expect("small records")
        };
        match self.confirm {
            Confirm::All => self.runtime.block_on(async {
                let report = self.producer.put_all((0..chunks).flat_map(chunk), WITHIN).await;
                if report.is_complete() {
                    Ok(report.stored)
                } else {
                    Err("not all was stored".into())
                }
            }),
            Confirm::Each => self.runtime.block_on(each(&self.producer, (0..chunks).map(chunk))),
        }
    }
}

async fn each(
    producer: &Producer,
    chunks: impl Iterator<Item = Vec<UserRecord>>,
) -> Result<u64, Failure> {
    let mut tickets = VecDeque::with_capacity(WINDOW);
    let mut stored = 0;
    for chunk in chunks {
        if tickets.len() >= WINDOW {
            // The older half, so that there is always something on its way.
            for ticket in tickets.drain(..WINDOW / 2) {
                stored += u64::from(is_stored(ticket).await);
            }
        }
        for record in chunk {
            tickets.push_back(producer.put(record).await?);
        }
    }
    producer.flush().await;
    for ticket in tickets {
        stored += u64::from(is_stored(ticket).await);
    }
    Ok(stored)
}

async fn is_stored(ticket: headwaters::Ticket) -> bool {
    matches!(ticket.await.outcome, Outcome::Stored { .. })
}
