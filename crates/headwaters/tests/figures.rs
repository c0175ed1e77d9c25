//! What a producer says of itself, and what it never says: payloads, keys, secrets.

mod common;

use core::fmt::{Debug, Write};
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use common::{MS, STREAM, build, builder, is_stored, mock, plain, record, start};
use headwaters::mock::{EntryFault, Fault};
use headwaters::wire::{AttemptError, ErrorCode, HashKey, Message};
use headwaters::{Config, Producer, RetryPolicy, Stats, TokioClock, UserRecord};
use metrics::{
    Counter, CounterFn, Gauge, GaugeFn, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder,
    SharedString, Unit,
};

/// Everything that was said, as text.
#[derive(Clone, Default)]
struct Heard(Arc<Mutex<String>>);

impl Heard {
    fn add(&self, what: impl Debug) {
        writeln!(self.0.lock().expect("no panic"), "{what:?}").expect("a string takes everything");
    }

    fn text(&self) -> String {
        self.0.lock().expect("no panic").clone()
    }
}

impl tracing::field::Visit for Heard {
    fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn Debug) {
        self.add((field.name(), value));
    }
}

impl tracing::Subscriber for Heard {
    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, span: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        self.add(span.metadata().name());
        span.record(&mut self.clone());
        tracing::span::Id::from_u64(1)
    }

    fn record(&self, _: &tracing::span::Id, values: &tracing::span::Record<'_>) {
        values.record(&mut self.clone());
    }

    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        event.record(&mut self.clone());
    }

    fn enter(&self, _: &tracing::span::Id) {}

    fn exit(&self, _: &tracing::span::Id) {}
}

/// Sums of what was recorded, by name and labels.
#[derive(Clone, Default)]
struct Figures(Arc<Mutex<BTreeMap<String, f64>>>);

struct Figure(Figures, String);

impl Figure {
    fn add(&self, value: f64) {
        *self.0.0.lock().expect("no panic").entry(self.1.clone()).or_default() += value;
    }
}

impl CounterFn for Figure {
    fn increment(&self, value: u64) {
        self.add(value as f64);
    }

    fn absolute(&self, _: u64) {}
}

impl GaugeFn for Figure {
    fn increment(&self, _: f64) {}

    fn decrement(&self, _: f64) {}

    fn set(&self, value: f64) {
        self.0.0.lock().expect("no panic").insert(self.1.clone(), value);
    }
}

impl HistogramFn for Figure {
    fn record(&self, value: f64) {
        self.add(value);
        Self(self.0.clone(), format!("{} times", self.1)).add(1.0);
    }
}

impl Figures {
    fn figure(&self, key: &Key) -> Arc<Figure> {
        let labels: Vec<_> = key.labels().map(|l| format!("{}={}", l.key(), l.value())).collect();
        let figure = Figure(self.clone(), format!("{} {}", key.name(), labels.join(" ")));
        figure.add(0.0);
        Arc::new(figure)
    }

    /// The names of all that was recorded, without labels.
    fn names(&self) -> BTreeSet<String> {
        let figures = self.0.lock().expect("no panic");
        figures.keys().filter_map(|key| Some(key.split_once(' ')?.0.to_owned())).collect()
    }

    fn get(&self, name: &str) -> f64 {
        let figures = self.0.lock().expect("no panic");
        *figures.get(name).unwrap_or_else(|| panic!("no {name} in {figures:?}"))
    }
}

impl Recorder for Figures {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.figure(key))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(self.figure(key))
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(self.figure(key))
    }
}

fn run<T>(figures: &Figures, work: impl Future<Output = T>) -> T {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_time().start_paused(true).build().expect("a runtime");
    metrics::with_local_recorder(figures, || runtime.block_on(work))
}

#[test]
fn metrics_say_what_happened() {
    let figures = Figures::default();
    run(&figures, async {
        let mock = mock(20 * MS);
        let faults = [(1, EntryFault::Throttled)].into_iter().collect();
        mock.script([Fault::FailEntries(faults)]);
        let producer = start(&mock, build(plain()));
        for text in ["a", "b", "c"] {
            drop(producer.put(record(text)).await.expect("room"));
        }
        producer.close(None).await;
    });
    let stream = |name: &str| figures.get(&format!("kinesis_producer_{name} stream=orders"));
    let times = |name: &str| figures.get(&format!("kinesis_producer_{name} stream=orders times"));
    assert_eq!(stream("records_accepted_total"), 3.0);
    assert_eq!((stream("requests_total"), stream("wire_records_total")), (2.0, 4.0));
    assert_eq!((stream("retries_total"), stream("attempts")), (1.0, 4.0));
    assert_eq!(figures.get("kinesis_producer_records_total stream=orders outcome=stored"), 3.0);
    let code =
        "kinesis_producer_errors_total stream=orders code=ProvisionedThroughputExceededException";
    assert_eq!(figures.get(code), 1.0);
    assert_eq!(figures.get("kinesis_producer_records_pending stream=orders state=buffered"), 0.0);
    assert_eq!((stream("wire_records_stored_total"), stream("bytes_stored_total")), (3.0, 6.0));
    assert_eq!(stream("wire_bytes_stored_total"), 6.0, "nothing was packed");
    assert_eq!((stream("batch_records"), times("batch_records")), (4.0, 2.0));
    assert_eq!((stream("aggregation_factor"), times("aggregation_factor")), (3.0, 3.0));
    assert!(stream("wakeups_total") >= 2.0);
    let time = figures.get("messaging_client_operation_duration_seconds stream=orders");
    assert!((0.04..0.1).contains(&time), "{time}");
    // Each of the two requests by itself: the first one had waited for company.
    let name = "messaging_client_operation_duration_seconds stream=orders times";
    assert_eq!((figures.get(name), times("buffer_seconds")), (2.0, 2.0));
    assert!((0.1..1.0).contains(&stream("buffer_seconds")), "{}", stream("buffer_seconds"));
}

#[test]
fn an_aggregate_counts_as_one_and_as_its_records() {
    let figures = Figures::default();
    run(&figures, async {
        let producer = start(&builder(1).build(TokioClock::new()), Config::default());
        let report = producer.put_all(["a", "b", "c"].map(record), Duration::from_secs(9)).await;
        assert!(report.is_complete(), "{report:?}");
        producer.close(None).await;
    });
    let stream = |name: &str| figures.get(&format!("kinesis_producer_{name} stream=orders"));
    let times = |name: &str| figures.get(&format!("kinesis_producer_{name} stream=orders times"));
    assert_eq!((stream("aggregation_factor"), times("aggregation_factor")), (3.0, 1.0));
    assert_eq!((stream("wire_records_stored_total"), stream("bytes_stored_total")), (1.0, 6.0));
    assert!(stream("wire_bytes_stored_total") > 6.0, "the packing counts");
}

#[test]
fn shards_have_metrics_up_to_a_number_of_them() {
    for (shards_max, expected) in [(2, true), (1, false)] {
        let figures = Figures::default();
        run(&figures, async {
            let mock = builder(2).build(TokioClock::new());
            let producer = Producer::builder().stream(STREAM).transport(mock);
            let producer = producer.metrics_shards_max(shards_max).start().expect("a runtime");
            let low = record("a").with_explicit_hash_key(HashKey::MIN);
            assert!(is_stored(&producer.put(low).await.expect("room").await));
            producer.close(None).await;
        });
        let figures = figures.0.lock().expect("no panic");
        let name = "kinesis_producer_shard_records_total stream=orders shard=shardId-000000000000";
        assert_eq!(figures.contains_key(name), expected, "{figures:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn figures_come_as_json() {
    let producer = start(&mock(MS), Config::default());
    assert!(is_stored(&producer.put(record("a")).await.expect("room").await));
    let stats = producer.stats();
    let json: serde_json::Value = serde_json::from_str(&stats.to_json()).expect("JSON");
    assert_eq!(json["version"], Stats::JSON_VERSION);
    assert_eq!(json["engine"]["stored"], 1);
    assert_eq!(json["engine"]["request_time"]["count"], 1);
    assert_eq!(json["engine"]["shard_map"], "ready");
    // Whoever adds a figure adds it here, too: what `Debug` knows JSON knows.
    let debug = format!("{:?}", stats.engine);
    for (name, _) in debug.match_indices(": ").map(|(at, _)| {
        let start = debug[..at].rfind([' ', '{']).map_or(0, |space| space + 1);
        (&debug[start..at], at)
    }) {
        assert!(stats.to_json().contains(&format!("\"{name}\":")), "{name}");
    }
}

const KEY: &str = "canary-key-5d1f";
const PAYLOAD: &str = "canary-payload-8e2a";
const SECRET: &str = "canary-secret-77c0";

/// Whatever goes wrong, and at whatever level somebody listens.
#[test]
fn no_payload_key_or_secret_is_ever_said() {
    let (heard, figures) = (Heard::default(), Figures::default());
    let _guard = tracing::subscriber::set_default(heard.clone());
    let whatever_goes_wrong = || {
        run(&figures, async {
            let retry = RetryPolicy::Linear { max_attempts: 3, step: MS };
            let mock = mock(MS);
            let error =
                |code| AttemptError { code, message: Message::new(SECRET), retry_after: None };
            let faults = [(0, EntryFault::Throttled)].into_iter().collect();
            mock.script([
                Fault::FailEntries(faults),
                Fault::FailRequest(error(ErrorCode::ServiceUnavailable)),
                Fault::LoseAnswer,
                Fault::FailRequest(error(ErrorCode::AccessDeniedException)),
                Fault::NeverAnswer,
            ]);
            let producer = start(&mock, build(plain().retry(retry)));
            let canary = || UserRecord::new(KEY, PAYLOAD).expect("a valid record");
            for _ in 0..4 {
                let ticket = producer.put(canary()).await.expect("room");
                heard.add(&ticket);
                heard.add(ticket.await);
            }
            heard.add(producer.put_all([canary()], Duration::from_secs(60)).await);
            heard.add(producer.reserve().await);
            heard.add((&producer, producer.stats().to_json(), producer.shard_stats()));
            drop(producer.put(canary()).await.expect("room"));
            heard.add(producer.purge());
            let refused = producer.close(Some(MS)).await;
            heard.add((refused, producer.put(canary()).await));
            drop(start(&mock, build(plain())).put(canary()).await);
        });
    };
    // Whoever is first at a place that says something asks once whether anybody listens; in another test nobody does.
    whatever_goes_wrong();
    tracing::callsite::rebuild_interest_cache();
    whatever_goes_wrong();
    heard.add(figures.0.lock().expect("no panic"));
    // What there is to be said is said here, and the guide says what it is.
    let guide = include_str!("../../../docs/guide.md");
    let (prefix, names) = ("kinesis_producer", figures.names());
    for name in &names {
        let short = name.strip_prefix(prefix).unwrap_or(name);
        assert!(guide.contains(&format!("{short}`")), "the guide has no {name}");
    }
    for metric in guide.split('`').filter(|code| code.starts_with(prefix)) {
        assert!(names.contains(metric), "{metric} is not heard of: {names:?}");
    }
    let heard = heard.text();
    assert!(heard.contains("put_records") && heard.contains("will be sent again"), "{heard}");
    for canary in [KEY, PAYLOAD] {
        assert!(!heard.contains(canary), "{heard}");
    }
    // What a server said is part of an outcome, for whoever asked for it, and of nothing else.
    let said: Vec<_> = heard.lines().filter(|line| line.contains(SECRET)).collect();
    assert!(
        said.iter().all(|line| line.contains("Delivery") || line.contains("Report")),
        "{said:?}"
    );
}
