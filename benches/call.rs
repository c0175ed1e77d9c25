//! What a whole call costs over TLS, to a server that answers at once, against the least that it can cost: the hash that the
//! signature needs and a blocking socket with TLS ([`Floor`]), for the same bytes.
//!
//! `cargo bench -p headwaters-benches --bench call`. CPU time of the client's thread, the system's part included; cases in turns,
//! medians of the ratios within a turn. Goals for a call of `put_records` with 500 records, in JSON: 1.15 times the floor with
//! 1 KiB each, and 1.3 times with 100 bytes. The floor has no base64, no body to write, no signature but its hash, no answer to
//! read and no event loop; for what that takes `docs/benchmarks.md` has the figures. For a producer the floor is what its requests
//! must cost, however they come about; there is no goal in times of it, but one in records per second, which the race measures.
#![expect(clippy::print_stdout, reason = "it reports")]

use core::time::Duration;

use bytes::Bytes;
use headwaters::{Producer, UserRecord};
use headwaters_benches::{Floor, NullServer, SHARDS, aggregates, settings, thread_cpu};
use headwaters_engine::wire::{Entries, Entry, PartitionKey, StreamName};
use headwaters_http::{Credentials, Endpoint, HttpTransport, Protocol, Region};
use headwaters_transport::{PutRecords, Transport};
use tokio::runtime::Runtime;

const BATCH: usize = 500;
/// Records of a producer that take turns.
const POOL: usize = 16_384;

/// Does its work once; how many records that are.
type Work<'a> = Box<dyn FnMut() -> usize + 'a>;

struct Bench {
    /// Turns, and CPU time of each.
    rounds: usize,
    runtime: Runtime,
    server: NullServer,
    turn: Duration,
}

/// Records with payloads and keys of their own, which are never freed: that would be the caller's to pay for.
fn entries(count: usize, size: usize) -> Vec<Entry> {
    let data = |number: usize| (0..size).map(move |at| (number * 31 + at * 7) as u8);
    let key = |number: usize| format!("partition-key-of-32-bytes-{number:06}").into_bytes();
    let entry = |number: usize| Entry {
        data: Bytes::from_static(data(number).collect::<Vec<u8>>().leak()),
        explicit_hash_key: None,
        partition_key: PartitionKey::from_utf8(Bytes::from_static(key(number).leak()))
            .expect("a valid key"),
    };
    (0..count).map(entry).collect()
}

impl Bench {
    fn transport(&self, protocol: Protocol) -> HttpTransport {
        HttpTransport::builder()
            .ca_bundle(self.server.certificate_pem().as_bytes())
            .credentials(Credentials::new("AKIDEXAMPLE", "secret").expect("valid ones"))
            .endpoint(Endpoint::new(&self.server.url()).expect("a valid one"))
            .protocol(protocol)
            .region(Region::new("us-east-1").expect("a valid one"))
            .build()
            .expect("nothing is missing")
    }

    fn floor(&self, protocol: Protocol, entries: &[Entry], records: usize) -> Work<'_> {
        let (url, pem) = (self.server.url(), self.server.certificate_pem());
        let mut floor = Floor::connect(&url, pem, protocol, entries).expect("it listens");
        Box::new(move || {
            floor.send().expect("it answers");
            records
        })
    }

    fn call(&self, protocol: Protocol, entries: &Entries) -> Work<'_> {
        let (transport, entries) = (self.transport(protocol), entries.clone());
        let stream = StreamName::new("orders").expect("a valid name");
        Box::new(move || {
            let request = PutRecords::new(stream.clone(), entries.clone());
            let results = self.runtime.block_on(transport.put_records(request));
            results.expect("an answer").iter().filter(|result| result.is_ok()).count()
        })
    }

    fn producer(&self, protocol: Protocol, aggregated: bool, entries: &[Entry]) -> Work<'_> {
        let config = settings(2 * POOL).aggregation_enabled(aggregated).max_requests_in_flight(4);
        let builder = Producer::builder().stream("orders").transport(self.transport(protocol));
        let builder = builder.config(config.build().expect("valid settings"));
        let producer = self.runtime.block_on(async { builder.start() }).expect("a runtime");
        let entries = entries.to_vec();
        Box::new(move || {
            let make = |chunk: &[Entry]| UserRecord::from_entries(chunk.to_vec());
            let records = entries.chunks(512).flat_map(|chunk| make(chunk).expect("small records"));
            let put = producer.put_all(records, Duration::from_secs(60));
            let report = self.runtime.block_on(put);
            assert!(report.is_complete());
            report.stored as usize
        })
    }

    /// CPU nanoseconds per record in one turn.
    fn cost(&self, work: &mut Work<'_>) -> f64 {
        let (mut records, before) = (0, thread_cpu());
        loop {
            records += work();
            let cpu = thread_cpu() - before;
            if cpu >= self.turn {
                return cpu.as_nanos() as f64 / records as f64;
            }
        }
    }

    /// Prints what both cost, and how many times the floor the other is.
    fn compare(&self, what: &str, mut floor: Work<'_>, mut work: Work<'_>) {
        let mut turn = || (self.cost(&mut floor), self.cost(&mut work));
        // Connects, and fills caches.
        turn();
        let mut costs: Vec<(f64, f64)> = (0..self.rounds).map(|_| turn()).collect();
        costs.sort_by(|(one, two), (other, other_two)| (two / one).total_cmp(&(other_two / other)));
        let (floor, cost) = costs[costs.len() / 2];
        println!(
            "{what:40} floor {floor:6.0} ns a record, {cost:6.0} ns: {:.2} times",
            cost / floor
        );
    }
}

fn main() {
    let is_test = std::env::args().any(|argument| argument == "--test");
    let (rounds, turn) =
        if is_test { (1, Duration::ZERO) } else { (25, Duration::from_millis(40)) };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let server = NullServer::start().expect("it can listen");
    let bench = Bench { rounds, runtime: runtime.expect("a thread"), server, turn };
    for (size, name) in [(100, "100 B"), (1_024, "1 KiB")] {
        let entries = entries(POOL, size);
        let batch = Entries::from(entries[..BATCH].to_vec());
        let (packed, records) = aggregates(&entries, SHARDS as usize);
        for (protocol, how) in [(Protocol::Json, "JSON"), (Protocol::Cbor, "CBOR")] {
            let floor = || bench.floor(protocol, &batch, BATCH);
            let call = bench.call(protocol, &batch);
            bench.compare(&format!("put_records, 500 x {name}, {how}"), floor(), call);
            let plain = bench.producer(protocol, false, &entries);
            bench.compare(&format!("a producer, plain, {name}, {how}"), floor(), plain);
            let floor = bench.floor(protocol, &packed, records);
            let aggregated = bench.producer(protocol, true, &entries);
            bench.compare(&format!("a producer, aggregated, {name}, {how}"), floor, aggregated);
        }
    }
}
