use core::fmt::{self, Write};
use core::sync::atomic::{AtomicU64, Ordering};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use metrics::{
    Counter, Gauge, Histogram, HistogramFn, Key, KeyName, Label, Metadata, Recorder, SharedString,
    Unit,
};

/// All figures of the process, as the facade `metrics` is told them; as text in the form that Prometheus reads. A clone is
/// the same figures.
///
/// The names are ours and fit Prometheus; only values of labels are escaped. Source of the form: Prometheus, exposition
/// formats, version 0.0.4.
#[derive(Clone, Debug, Default)]
pub(super) struct Figures(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    help: BTreeMap<String, SharedString>,
    /// By name, then by labels.
    series: BTreeMap<String, BTreeMap<Key, Series>>,
}

#[derive(Clone, Debug)]
enum Series {
    Counter(Arc<AtomicU64>),
    Gauge(Arc<AtomicU64>),
    Histogram(Arc<Buckets>),
}

/// How many samples were up to each bound: nothing of them is kept, so that figures nobody asks for take no memory.
#[derive(Debug)]
struct Buckets {
    bounds: &'static [f64],
    /// Of each bucket by itself; the last has what is above all bounds.
    counts: Vec<AtomicU64>,
    /// The bits of a number.
    sum: AtomicU64,
}

/// Bounds of seconds: those of OpenTelemetry's `messaging.client.operation.duration`.
const SECONDS: &[f64] =
    &[0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];

/// Bounds of whatever is counted: attempts, records of an aggregate or of a request.
const COUNTS: &[f64] = &[1.0, 2.0, 3.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1_000.0];

impl Buckets {
    fn of(name: &str) -> Self {
        let bounds = if name.ends_with("_seconds") { SECONDS } else { COUNTS };
        let counts = (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect();
        Self { bounds, counts, sum: AtomicU64::new(0.0_f64.to_bits()) }
    }
}

impl HistogramFn for Buckets {
    fn record(&self, value: f64) {
        self.record_many(value, 1);
    }

    fn record_many(&self, value: f64, count: usize) {
        let bucket = self.bounds.partition_point(|&bound| bound < value);
        self.counts[bucket].fetch_add(count as u64, Ordering::Relaxed);
        let add = |sum| Some((f64::from_bits(sum) + value * count as f64).to_bits());
        // It is tried until nobody comes between.
        let _ = self.sum.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add);
    }
}

impl Figures {
    /// Takes all figures that are told from now on.
    pub(super) fn install() -> Result<Self, metrics::SetRecorderError<Self>> {
        let figures = Self::default();
        metrics::set_global_recorder(figures.clone())?;
        Ok(figures)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn describe(&self, name: &KeyName, what: SharedString) {
        self.lock().help.insert(name.as_str().to_owned(), what);
    }

    /// The series of this key, made if it is new.
    fn series(&self, key: &Key, new: impl FnOnce() -> Series) -> Series {
        let mut inner = self.lock();
        if !inner.series.contains_key(key.name()) {
            inner.series.insert(key.name().to_owned(), BTreeMap::new());
        }
        let of_name = inner.series.get_mut(key.name()).expect("it was made if it was missing");
        match of_name.get(key) {
            Some(series) => series.clone(),
            None => of_name.entry(key.clone()).or_insert(new()).clone(),
        }
    }

    /// How they stand.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        // A string takes everything.
        let _ = self.lock().write(&mut text);
        text
    }
}

impl Recorder for Figures {
    fn describe_counter(&self, name: KeyName, _: Option<Unit>, what: SharedString) {
        self.describe(&name, what);
    }

    fn describe_gauge(&self, name: KeyName, _: Option<Unit>, what: SharedString) {
        self.describe(&name, what);
    }

    fn describe_histogram(&self, name: KeyName, _: Option<Unit>, what: SharedString) {
        self.describe(&name, what);
    }

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        match self.series(key, || Series::Counter(Arc::default())) {
            Series::Counter(count) => Counter::from_arc(count),
            _ => Counter::noop(),
        }
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        match self.series(key, || Series::Gauge(Arc::default())) {
            Series::Gauge(level) => Gauge::from_arc(level),
            _ => Gauge::noop(),
        }
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        match self.series(key, || Series::Histogram(Arc::new(Buckets::of(key.name())))) {
            Series::Histogram(buckets) => Histogram::from_arc(buckets),
            _ => Histogram::noop(),
        }
    }
}

impl Inner {
    fn write(&self, text: &mut String) -> fmt::Result {
        for (name, series) in &self.series {
            let Some((_, first)) = series.first_key_value() else { continue };
            if let Some(help) = self.help.get(name) {
                writeln!(
                    text,
                    "# HELP {name} {}",
                    help.replace('\\', "\\\\").replace('\n', "\\n")
                )?;
            }
            writeln!(text, "# TYPE {name} {}", first.kind())?;
            for (key, series) in series {
                let labels: Vec<String> = key.labels().map(label).collect();
                series.write(name, &labels, text)?;
            }
        }
        Ok(())
    }
}

impl Series {
    const fn kind(&self) -> &'static str {
        match self {
            Self::Counter(_) => "counter",
            Self::Gauge(_) => "gauge",
            Self::Histogram(_) => "histogram",
        }
    }

    fn write(&self, name: &str, labels: &[String], text: &mut String) -> fmt::Result {
        match self {
            Self::Counter(count) => line(text, name, labels, count.load(Ordering::Relaxed)),
            Self::Gauge(level) => {
                line(text, name, labels, f64::from_bits(level.load(Ordering::Relaxed)))
            }
            Self::Histogram(buckets) => buckets.write(name, labels, text),
        }
    }
}

impl Buckets {
    fn write(&self, name: &str, labels: &[String], text: &mut String) -> fmt::Result {
        let bounds = self.bounds.iter().map(f64::to_string).chain([String::from("+Inf")]);
        let mut sum = 0;
        for (bound, count) in bounds.zip(&self.counts) {
            sum += count.load(Ordering::Relaxed);
            let labels = [labels, &[format!("le=\"{bound}\"")]].concat();
            line(text, &format!("{name}_bucket"), &labels, sum)?;
        }
        let total = f64::from_bits(self.sum.load(Ordering::Relaxed));
        line(text, &format!("{name}_sum"), labels, total)?;
        line(text, &format!("{name}_count"), labels, sum)
    }
}

fn line(text: &mut String, name: &str, labels: &[String], value: impl fmt::Display) -> fmt::Result {
    match labels {
        [] => writeln!(text, "{name} {value}"),
        labels => writeln!(text, "{name}{{{}}} {value}", labels.join(",")),
    }
}

fn label(label: &Label) -> String {
    let value = label.value().replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    format!("{}=\"{value}\"", label.key())
}

#[cfg(test)]
mod tests {
    use metrics::Level;

    use super::*;

    const METADATA: Metadata<'_> = Metadata::new("tests", Level::INFO, None);

    fn key(name: &'static str, labels: &[(&'static str, &'static str)]) -> Key {
        Key::from_parts(
            name,
            labels.iter().map(|&(key, value)| Label::new(key, value)).collect::<Vec<_>>(),
        )
    }

    #[test]
    fn counters_and_gauges_are_lines_by_name_and_labels() {
        let figures = Figures::default();
        let one = key("records_total", &[("stream", "a")]);
        figures.register_counter(&one, &METADATA).increment(2);
        figures
            .register_counter(&key("records_total", &[("stream", "b\"\\\n")]), &METADATA)
            .increment(1);
        // The same key is the same series.
        figures.register_counter(&one, &METADATA).increment(3);
        figures.describe_counter(KeyName::from("records_total"), None, "All\nrecords.".into());
        figures.register_gauge(&key("level", &[]), &METADATA).set(1.5);
        let expected = "\
# TYPE level gauge
level 1.5
# HELP records_total All\\nrecords.
# TYPE records_total counter
records_total{stream=\"a\"} 5
records_total{stream=\"b\\\"\\\\\\n\"} 1
";
        assert_eq!(figures.text(), expected);
    }

    #[test]
    fn samples_are_in_the_buckets_up_to_their_bounds() {
        let figures = Figures::default();
        let histogram = figures.register_histogram(&key("attempts", &[("s", "a")]), &METADATA);
        histogram.record(1.0);
        histogram.record_many(4.0, 3);
        histogram.record(1_000.5);
        let expected = "\
# TYPE attempts histogram
attempts_bucket{s=\"a\",le=\"1\"} 1
attempts_bucket{s=\"a\",le=\"2\"} 1
attempts_bucket{s=\"a\",le=\"3\"} 1
attempts_bucket{s=\"a\",le=\"5\"} 4
attempts_bucket{s=\"a\",le=\"10\"} 4
attempts_bucket{s=\"a\",le=\"20\"} 4
attempts_bucket{s=\"a\",le=\"50\"} 4
attempts_bucket{s=\"a\",le=\"100\"} 4
attempts_bucket{s=\"a\",le=\"200\"} 4
attempts_bucket{s=\"a\",le=\"500\"} 4
attempts_bucket{s=\"a\",le=\"1000\"} 4
attempts_bucket{s=\"a\",le=\"+Inf\"} 5
attempts_sum{s=\"a\"} 1013.5
attempts_count{s=\"a\"} 5
";
        assert_eq!(figures.text(), expected);
        figures.register_histogram(&key("wait_seconds", &[]), &METADATA).record(0.005);
        assert!(figures.text().contains("wait_seconds_bucket{le=\"0.005\"} 1\n"));
    }

    #[test]
    fn a_name_is_of_one_kind() {
        let figures = Figures::default();
        figures.register_counter(&key("n", &[]), &METADATA).increment(1);
        figures.register_gauge(&key("n", &[]), &METADATA).set(7.0);
        assert_eq!(figures.text(), "# TYPE n counter\nn 1\n");
    }
}
