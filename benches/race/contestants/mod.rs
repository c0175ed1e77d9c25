//! The contestants that are written in Rust, each in a process of its own.

mod floor;
mod producer;
mod request;
#[cfg(feature = "sdk")]
mod sdk;

use std::io::{BufRead, Write};

use bytes::Bytes;
use headwaters::wire::{Entry, PartitionKey};
use headwaters_benches::process_cpu;
use headwaters_http::{Credentials, Endpoint, HttpTransport, Protocol, Region};
use tokio::runtime::Runtime;

use crate::Failure;

/// The first argument of such a process; then its name, the server's URL, whom to trust, and the size of a record.
pub(crate) const ROLE: &str = "contestant";

/// Records in a request.
pub(crate) const BATCH: usize = 500;

/// Records that take turns: more than a cache of the second level holds, as a producer's are.
const POOL: usize = 16_384;

const STREAM: &str = "orders";

/// Delivers so many times 500 records, and says how many the server has confirmed.
trait Contestant {
    fn run(&mut self, requests: usize) -> Result<u64, Failure>;
}

/// Where to go.
struct Way {
    certificate_pem: String,
    size: usize,
    url: String,
}

/// Says that it is ready; then does so many requests as a line says, again and again, and says what they cost.
pub(crate) fn run(arguments: &[String]) -> Result<(), Failure> {
    let [id, url, certificate, size] = arguments else { return Err("four arguments".into()) };
    let certificate_pem = std::fs::read_to_string(certificate)?;
    let way = Way { certificate_pem, size: size.parse()?, url: url.clone() };
    let mut contestant = enter(id, &way)?;
    println!("ready");
    for line in std::io::stdin().lock().lines() {
        let requests = line?.parse()?;
        let before = process_cpu();
        let confirmed = contestant.run(requests)?;
        let cpu = process_cpu() - before;
        println!("{} {confirmed}", cpu.as_nanos());
        std::io::stdout().flush()?;
    }
    Ok(())
}

fn enter(id: &str, way: &Way) -> Result<Box<dyn Contestant>, Failure> {
    use Protocol::{Cbor, Json};
    use producer::{Confirm, Producing};
    let http = |protocol| way.http(protocol);
    Ok(match id {
        "floor-json" => Box::new(floor::Floored::requests(way, Json)?),
        "floor-cbor" => Box::new(floor::Floored::requests(way, Cbor)?),
        "floor-aggregated" => Box::new(floor::Floored::aggregates(way)?),
        "http-json" => Box::new(request::Requests::new(http(Json)?, way)?),
        "http-cbor" => Box::new(request::Requests::new(http(Cbor)?, way)?),
        "producer-http-json" => Box::new(Producing::new(http(Json)?, way, false, Confirm::All)?),
        "producer-http-cbor" => Box::new(Producing::new(http(Cbor)?, way, false, Confirm::All)?),
        "tickets-http-json" => Box::new(Producing::new(http(Json)?, way, false, Confirm::Each)?),
        "aggregated-http-json" => Box::new(Producing::new(http(Json)?, way, true, Confirm::All)?),
        "aggregated-http-cbor" => Box::new(Producing::new(http(Cbor)?, way, true, Confirm::All)?),
        "aggregated-tickets-http-json" => {
            Box::new(Producing::new(http(Json)?, way, true, Confirm::Each)?)
        }
        #[cfg(feature = "sdk")]
        "aws" => Box::new(request::Requests::new(sdk::transport(way), way)?),
        #[cfg(feature = "sdk")]
        "producer-aws" => Box::new(Producing::new(sdk::transport(way), way, false, Confirm::All)?),
        #[cfg(feature = "sdk")]
        "aggregated-aws" => Box::new(Producing::new(sdk::transport(way), way, true, Confirm::All)?),
        #[cfg(feature = "sdk")]
        "sdk" => Box::new(sdk::Loop::new(way)?),
        _ => return Err(format!("nobody is called {id}").into()),
    })
}

impl Way {
    fn http(&self, protocol: Protocol) -> Result<HttpTransport, Failure> {
        let transport = HttpTransport::builder()
            .ca_bundle(self.certificate_pem.as_bytes())
            .credentials(Credentials::new("AKIDEXAMPLE", "secret")?)
            .endpoint(Endpoint::new(&self.url)?)
            .protocol(protocol)
            .region(Region::new("us-east-1")?);
        Ok(transport.build()?)
    }

    /// Records with payloads and keys of their own. These are never freed: who makes them, and who drops them, is not in the race.
    fn entries(&self, count: usize) -> Vec<Entry> {
        let key = |number| Bytes::from_static(key(number).into_bytes().leak());
        let entry = |number: usize| Entry {
            data: Bytes::from_static(payload(number, self.size).leak()),
            explicit_hash_key: None,
            partition_key: PartitionKey::from_utf8(key(number)).expect("a valid key"),
        };
        (0..count).map(entry).collect()
    }
}

/// As long as a UUID without its hyphens.
fn key(number: usize) -> String {
    format!("partition-key-of-32-bytes-{number:06}")
}

fn payload(number: usize, size: usize) -> Vec<u8> {
    (0..size).map(|at| ((number * 31 + at * 7) % 251) as u8).collect()
}

/// On one thread, as CPU time counts here.
fn runtime() -> Result<Runtime, Failure> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?)
}
