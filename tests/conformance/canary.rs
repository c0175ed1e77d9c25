//! What is never said, whatever goes wrong and at whatever level somebody listens: secret keys, session tokens, payloads and
//! partition keys. All of what is logged in the process is heard, the SDK's own events too.

use core::fmt::{Debug, Write};
use core::time::Duration;
use std::sync::{Arc, Mutex};

use headwaters::aws::AwsTransport;
use headwaters::aws::aws_sdk_kinesis::{self as sdk, config as sdk_config};
use headwaters::http::{Credentials, Endpoint, HttpTransport, Proxy, Region};
use headwaters::{
    Config, ListShards, Producer, PutRecords, RetryPolicy, Transport, UserRecord, wire,
};
use headwaters_hostile::sdk::http_client;
use headwaters_hostile::{
    ACCESS_KEY_ID, SECRET_ACCESS_KEY, SESSION_TOKEN, Server, Step, answer, failure, nobody, stored,
};

const KEY: &str = "canary-key-5d1f";
const PAYLOAD: &str = "canary-payload-8e2a";
/// The same in base64.
const ENCODED: &str = "Y2FuYXJ5LXBheWxvYWQtOGUyYQ==";
const PASSWORD: &str = "canary-password-3b90";

/// Everything that was said, a line each, as text.
#[derive(Clone, Default)]
struct Heard(Arc<Mutex<String>>);

impl Heard {
    fn add(&self, who: &str, what: impl Debug) {
        writeln!(self.0.lock().expect("nobody panics"), "{who}: {what:?}")
            .expect("a string takes everything");
    }
}

/// The fields of one event or span.
struct Fields(String);

impl tracing::field::Visit for Fields {
    fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn Debug) {
        write!(self.0, " {}={value:?}", field.name()).expect("a string takes everything");
    }
}

impl tracing::Subscriber for Heard {
    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, span: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        let mut fields = Fields(span.metadata().name().to_owned());
        span.record(&mut fields);
        self.add(span.metadata().target(), fields.0);
        tracing::span::Id::from_u64(1)
    }

    fn record(&self, _: &tracing::span::Id, values: &tracing::span::Record<'_>) {
        let mut fields = Fields(String::new());
        values.record(&mut fields);
        self.add("span", fields.0);
    }

    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        let mut fields = Fields(event.metadata().level().to_string());
        event.record(&mut fields);
        self.add(event.metadata().target(), fields.0);
    }

    fn enter(&self, _: &tracing::span::Id) {}

    fn exit(&self, _: &tracing::span::Id) {}
}

fn faults() -> Vec<Step> {
    let cut = stored(1)[..100].to_vec();
    vec![
        Step::Answer(failure("503 Service Unavailable", "ServiceUnavailable")),
        Step::Answer(failure("400 Bad Request", "ExpiredTokenException")),
        Step::Answer(failure("400 Bad Request", "InvalidSignatureException")),
        Step::Answer(answer("200 OK", "", "{\"Records\":[{]}")),
        Step::AnswerAndClose(cut),
        Step::AnswerAndReset(vec![]),
        Step::Answer(answer("307 Temporary Redirect", "Location: http://127.0.0.1:9/\r\n", "")),
        Step::Stall(vec![]),
        Step::Answer(failure("400 Bad Request", "ValidationException")),
    ]
}

/// Requests by themselves, of which all is said that can be, and a producer.
async fn whatever_goes_wrong<T: Transport + Clone + Debug>(
    heard: &Heard,
    connect: impl Fn(String) -> T,
) {
    let record = || UserRecord::new(KEY, PAYLOAD).expect("a valid record");
    let server = Server::start(faults()).await;
    let transport = connect(server.url());
    heard.add("said", &transport);
    for transport in [transport.clone(), connect(nobody())] {
        for _ in 0..faults().len() + 1 {
            let entry = wire::Entry {
                data: PAYLOAD.into(),
                explicit_hash_key: None,
                partition_key: wire::PartitionKey::new(KEY).expect("a valid key"),
            };
            let stream = headwaters_hostile::stream();
            let request = PutRecords::new(stream.clone(), vec![entry]);
            heard.add("said", &request);
            let result = transport.put_records(request).await;
            if let Err(error) = &result {
                heard.add("said", error.to_string());
            }
            heard.add("said", result);
            heard.add("said", transport.list_shards(ListShards::new(stream, None)).await);
        }
    }
    server.script(faults());
    let retry = RetryPolicy::Linear { max_attempts: 3, step: Duration::from_millis(1) };
    let config = Config::builder().record_max_buffered_time(Duration::from_millis(5)).retry(retry);
    let config = config.aggregation_enabled(false).build().expect("a valid configuration");
    let producer = Producer::builder().config(config).stream("orders").transport(transport);
    let producer = producer.start().expect("there is a runtime");
    for _ in 0..6 {
        let delivery = producer.put(record()).await.expect("there is room").await;
        heard.add("said", delivery);
    }
    heard.add("said", (&producer, producer.stats().to_json()));
    heard.add("said", producer.close(Some(Duration::from_secs(1))).await);
}

fn over_http(url: String) -> HttpTransport {
    let credentials = Credentials::new(ACCESS_KEY_ID, SECRET_ACCESS_KEY)
        .and_then(|credentials| credentials.with_session_token(SESSION_TOKEN));
    HttpTransport::builder()
        .credentials(credentials.expect("valid ones"))
        .endpoint(Endpoint::new(&url).expect("a valid endpoint"))
        .region(Region::new("us-east-1").expect("a valid region"))
        .request_timeout(Duration::from_millis(500))
        .build()
        .expect("nothing is missing")
}

fn over_aws(url: String) -> AwsTransport {
    let token = Some(SESSION_TOKEN.to_owned());
    let credentials =
        sdk_config::Credentials::new(ACCESS_KEY_ID, SECRET_ACCESS_KEY, token, None, "canary");
    let config = sdk::Config::builder()
        .behavior_version(sdk_config::BehaviorVersion::v2026_01_12())
        .credentials_provider(credentials)
        .endpoint_url(url)
        .http_client(http_client(None, None))
        .region(sdk_config::Region::new("us-east-1"))
        .sleep_impl(aws_smithy_async::rt::sleep::TokioSleep::new());
    AwsTransport::new(sdk::Client::from_conf(config.build()))
        .request_timeout(Duration::from_millis(500))
}

#[tokio::test]
async fn nothing_secret_is_ever_said() {
    let heard = Heard::default();
    tracing::subscriber::set_global_default(heard.clone()).expect("nobody else listens");
    whatever_goes_wrong(&heard, over_http).await;
    let proxy = format!("http://user:{PASSWORD}@127.0.0.1:1");
    let proxy = Proxy::new(&proxy).expect("a valid proxy");
    let builder = HttpTransport::builder().proxy(proxy.clone());
    heard.add("said", (proxy, builder));
    whatever_goes_wrong(&heard, over_aws).await;

    let heard = heard.0.lock().expect("nobody panics").clone();
    for expected in ["headwaters", "aws", "ExpiredTokenException", "ConnectFailed"] {
        assert!(heard.contains(expected), "{expected}");
    }
    for secret in [SECRET_ACCESS_KEY, KEY, PAYLOAD, ENCODED, PASSWORD] {
        let said: Vec<&str> = heard.lines().filter(|line| line.contains(secret)).collect();
        assert!(said.is_empty(), "{secret}: {said:?}");
    }
    // The SDK prints the headers that it sends, if somebody listens at the lowest level. Nobody else does.
    let is_of_sdk = |line: &&str| line.starts_with("aws_") && line.contains(": \"TRACE ");
    let said = heard.lines().filter(|line| line.contains(SESSION_TOKEN));
    let said: Vec<&str> = said.filter(|line| !is_of_sdk(line)).collect();
    assert!(said.is_empty(), "{said:?}");
}
