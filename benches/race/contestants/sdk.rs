use aws_sdk_kinesis::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::PutRecordsRequestEntry;
use aws_sdk_kinesis::{Client, Config};
use headwaters_aws::AwsTransport;
use tokio::runtime::Runtime;

use super::{BATCH, Contestant, STREAM, Way, key, payload, runtime};
use crate::Failure;

/// A client as the SDK makes it, with the retries and timeouts that it has by default.
fn client(way: &Way) -> Client {
    let http = headwaters_hostile::sdk::http_client(Some(way.certificate_pem.clone()), None);
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .credentials_provider(Credentials::new("AKIDEXAMPLE", "secret", None, None, "race"))
        .endpoint_url(&way.url)
        .http_client(http)
        .region(Region::new("us-east-1"))
        .sleep_impl(aws_smithy_async::rt::sleep::TokioSleep::new());
    Client::from_conf(config.build())
}

pub(super) fn transport(way: &Way) -> AwsTransport {
    AwsTransport::new(client(way))
}

/// What people write themselves: chunks of 500, and a look at the count of those that failed.
pub(super) struct Loop {
    client: Client,
    records: Vec<(String, Vec<u8>)>,
    runtime: Runtime,
}

impl Loop {
    pub(super) fn new(way: &Way) -> Result<Self, Failure> {
        let records = (0..BATCH).map(|number| (key(number), payload(number, way.size))).collect();
        Ok(Self { client: client(way), records, runtime: runtime()? })
    }
}

impl Contestant for Loop {
    fn run(&mut self, requests: usize) -> Result<u64, Failure> {
        let Self { client, records, runtime } = self;
        runtime.block_on(async {
            let mut stored = 0;
            for _ in 0..requests {
                let entries = records.iter().map(|(key, data)| {
                    let entry = PutRecordsRequestEntry::builder();
                    entry.data(Blob::new(data.clone())).partition_key(key).build()
                });
                let call = client.put_records().stream_name(STREAM);
                let answer =
                    call.set_records(Some(entries.collect::<Result<_, _>>()?)).send().await?;
                if answer.failed_record_count() != Some(0) {
                    return Err("some failed".into());
                }
                stored += answer.records().len() as u64;
            }
            Ok(stored)
        })
    }
}
