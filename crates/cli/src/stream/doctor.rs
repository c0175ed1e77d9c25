//! `headwaters doctor`: what keeps records from reaching a stream.

use headwaters::http::AwsSettings;
use headwaters::wire::{AttemptError, Class, ErrorCode};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::client::{Client, explain};
use super::shard::{Filter, Shard, list};
use super::{print, print_json};
use crate::args::{DoctorArguments, Form};
use crate::exit::{Abort, Exit};

#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Verdict {
    Fail,
    Ok,
    Warn,
}

/// What was looked at, and what came of it.
#[derive(Debug, Serialize)]
struct Finding {
    check: &'static str,
    verdict: Verdict,
    text: String,
    /// What mends it.
    #[serde(skip_serializing_if = "Option::is_none")]
    mend: Option<String>,
}

#[derive(Serialize)]
struct Report<'a> {
    stream: &'a str,
    exit_code: u8,
    findings: &'a [Finding],
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Described {
    stream_description_summary: Summary,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Summary {
    encryption_type: Option<String>,
    #[serde(rename = "MaxRecordSizeInKiB")]
    max_record_kib: Option<u64>,
    open_shard_count: Option<u64>,
    retention_period_hours: Option<u64>,
    stream_mode_details: Option<Mode>,
    stream_status: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Mode {
    stream_mode: String,
}

/// One more than the last hash key: a request with it passes the check of permissions and stores nothing.
/// Source: PutRecords, `ExplicitHashKey`.
const NO_HASH_KEY: &str = "340282366920938463463374607431768211456";

/// How far the clock may be off, in seconds: the service refuses signatures that are five minutes away.
const CLOCK_WARN: u64 = 60;
const CLOCK_FAIL: u64 = 300;

/// A shard with so many times its even part of the hash keys is named.
const UNEVEN: f64 = 2.0;

/// Runs `headwaters doctor`.
pub(crate) fn doctor(arguments: &DoctorArguments) -> Exit {
    super::run(async |_| {
        let mut findings = Findings::default();
        findings.credentials(arguments);
        match Client::connect(&arguments.service, &arguments.stream).await {
            Ok(client) => findings.service(&client, arguments).await,
            Err(Abort { text, .. }) => findings.add("configuration", Verdict::Fail, text, None),
        }
        findings.show(arguments)
    })
}

#[derive(Default)]
struct Findings(Vec<Finding>);

impl Findings {
    fn add(
        &mut self,
        check: &'static str,
        verdict: Verdict,
        text: impl Into<String>,
        mend: Option<&str>,
    ) {
        let mend = mend.filter(|mend| !mend.is_empty()).map(str::to_owned);
        self.0.push(Finding { check, verdict, text: text.into(), mend });
    }

    fn credentials(&mut self, arguments: &DoctorArguments) {
        // What is wrong with the settings is found again when they are used.
        let Ok(settings) = AwsSettings::load(arguments.service.profile.as_deref()) else { return };
        let text = format!("looked for in {}", settings.credentials_source());
        self.add("credentials", Verdict::Ok, text, None);
        let of_settings = settings.region().map(|region| format!("{region}, of the settings"));
        let given = arguments.service.region.as_ref();
        let of_arn = arguments.stream.arn.as_ref();
        let region = given
            .map(|region| format!("{region}, of --region"))
            .or_else(|| of_arn.map(|arn| format!("{}, of the ARN", arn.region())))
            .or(of_settings);
        if let Some(region) = region {
            self.add("region", Verdict::Ok, region, None);
        }
    }

    /// All that needs the service; no more of it when that cannot be reached.
    async fn service(&mut self, client: &Client, arguments: &DoctorArguments) {
        let endpoint = client.transport.endpoint().to_string();
        let summary: Result<Described, AttemptError> =
            client.ask("DescribeStreamSummary", json!({})).await;
        if let Err(error) = &summary
            && client.transport.clock_offset().is_none()
        {
            let mend = client.mend("DescribeStreamSummary", error).await;
            return self.add("endpoint", Verdict::Fail, explain("", error).1, Some(&mend));
        }
        let tls = match endpoint.starts_with("https://") {
            true => "its certificate is trusted",
            false => "plain HTTP: nothing is encrypted",
        };
        self.add("endpoint", Verdict::Ok, format!("{endpoint} answers; {tls}"), None);
        self.clock(client.transport.clock_offset());
        match summary {
            Ok(Described { stream_description_summary: summary }) => self.summary(&summary),
            Err(error) => {
                self.failed(client, "DescribeStreamSummary", &error).await;
                // Neither is there for any other operation.
                if error.code == ErrorCode::ResourceNotFoundException
                    || error.code.class() == Class::Credentials
                {
                    return;
                }
            }
        }
        match list(client, Filter::Open).await {
            Ok(shards) => self.shards(&shards),
            Err(error) => self.failed(client, "ListShards", &error).await,
        }
        if !arguments.no_put {
            self.put(client).await;
        }
    }

    fn clock(&mut self, offset: Option<i64>) {
        let Some(offset) = offset else {
            return self.add(
                "clock",
                Verdict::Warn,
                "the service does not say what time it is",
                None,
            );
        };
        let direction = if offset < 0 { "ahead of" } else { "behind" };
        let seconds = offset.unsigned_abs();
        let text = format!("{seconds} s {direction} the service's");
        let verdict = match seconds {
            0..CLOCK_WARN => Verdict::Ok,
            CLOCK_WARN..CLOCK_FAIL => Verdict::Warn,
            _ => Verdict::Fail,
        };
        let mend =
            "set this machine's clock (NTP): signatures that are five minutes off are refused";
        self.add("clock", verdict, text, Some(mend).filter(|_| verdict != Verdict::Ok));
    }

    fn summary(&mut self, summary: &Summary) {
        let Summary { max_record_kib, open_shard_count, retention_period_hours, .. } = summary;
        let (verdict, mend) = match summary.stream_status.as_str() {
            "ACTIVE" | "UPDATING" => (Verdict::Ok, None),
            "CREATING" => (Verdict::Fail, Some("wait until the stream is ACTIVE")),
            "DELETING" => (Verdict::Fail, Some("the stream is being deleted: put into another")),
            _ => (Verdict::Warn, None),
        };
        let mode = summary.stream_mode_details.as_ref().map_or("?", |mode| &mode.stream_mode);
        let mut text = format!("{}, mode {mode}", summary.stream_status);
        if let Some(count) = open_shard_count {
            text += &format!(", {count} open shards");
        }
        if let Some(hours) = retention_period_hours {
            text += &format!(", records stay {hours} h");
        }
        self.add("stream", verdict, text, mend);
        let size = max_record_kib.unwrap_or(1_024);
        let shards = open_shard_count.unwrap_or(1);
        let rate = match mode {
            "ON_DEMAND" => String::from("the service adds shards when they are needed"),
            _ => format!("all together {shards} MiB/s and {} records/s", shards * 1_000),
        };
        let text = format!(
            "a shard takes 1 MiB/s and 1000 records/s; {rate}; a record has up to {size} KiB"
        );
        self.add("limits", Verdict::Ok, text, None);
        if summary.encryption_type.as_deref() == Some("KMS") {
            let text = "records are encrypted with a key: to put needs kms:GenerateDataKey for it, to read \
                        kms:Decrypt";
            self.add("encryption", Verdict::Ok, text, None);
        }
    }

    fn shards(&mut self, shards: &[Shard]) {
        let largest = shards.iter().max_by(|a, b| a.share().total_cmp(&b.share()));
        let Some(largest) = largest else {
            let mend = "the shards are being changed: look again in a moment";
            return self.add("ListShards", Verdict::Warn, "allowed; no shard is open", Some(mend));
        };
        let times = largest.share() * shards.len() as f64;
        if times < UNEVEN {
            let text = format!("allowed; {} open shards of about equal parts", shards.len());
            return self.add("ListShards", Verdict::Ok, text, None);
        }
        let share = largest.share() * 100.0;
        let text = format!("allowed; {} has {share:.1} % of the hash keys", largest.id);
        let mend = format!("split it: it is full long before the other {} are", shards.len() - 1);
        self.add("ListShards", Verdict::Warn, text, Some(&mend));
    }

    async fn put(&mut self, client: &Client) {
        let record = json!({
            "Data": "", "PartitionKey": "headwaters-doctor", "ExplicitHashKey": NO_HASH_KEY,
        });
        let answer: Result<Value, _> =
            client.ask("PutRecords", json!({ "Records": [record] })).await;
        match answer {
            Err(error) if error.code == ErrorCode::InvalidArgumentException => {
                let text = "allowed; it was asked with a hash key that does not exist, so nothing is stored";
                self.add("PutRecords", Verdict::Ok, text, None);
            }
            Err(error) if error.code == ErrorCode::ValidationException => {
                let text = "not known: the server looks at the record before the permission";
                self.add("PutRecords", Verdict::Warn, text, None);
            }
            Err(error) => self.failed(client, "PutRecords", &error).await,
            Ok(_) => {
                let text = "the server took a record with a hash key that does not exist: it is no Kinesis, \
                            and may hold an empty record of the key headwaters-doctor now";
                self.add("PutRecords", Verdict::Warn, text, Some("use --no-put here"));
            }
        }
    }

    async fn failed(&mut self, client: &Client, operation: &'static str, error: &AttemptError) {
        let mend = match error.code.as_str() {
            code if code.starts_with("KMS") => String::from(
                "enable the stream's key, and allow these credentials kms:GenerateDataKey for it",
            ),
            _ => client.mend(operation, error).await,
        };
        // Records can be put without a description, or a list of shards.
        let verdict = match (operation, &error.code) {
            (_, code) if code.class() == Class::Throttled => Verdict::Warn,
            ("DescribeStreamSummary" | "ListShards", ErrorCode::AccessDeniedException) => {
                Verdict::Warn
            }
            _ => Verdict::Fail,
        };
        self.add(operation, verdict, explain(operation, error).1, Some(&mend));
    }

    fn show(&self, arguments: &DoctorArguments) -> Result<Exit, Abort> {
        let fails = self.0.iter().any(|finding| finding.verdict == Verdict::Fail);
        let exit = if fails { Exit::Undelivered } else { Exit::Delivered };
        match arguments.output {
            Form::Json => {
                let stream = arguments.stream.name.as_str();
                print_json(&Report { stream, exit_code: exit.code(), findings: &self.0 })?;
            }
            Form::Text => print(&self.0.iter().map(Finding::line).collect::<String>())?,
        }
        Ok(exit)
    }
}

impl Finding {
    fn line(&self) -> String {
        let verdict = match self.verdict {
            Verdict::Fail => "FAIL",
            Verdict::Ok => "ok",
            Verdict::Warn => "warn",
        };
        let mut line = format!("{verdict:4}  {:22} {}\n", self.check, self.text);
        if let Some(mend) = &self.mend {
            line += &format!("      {:22} -> {mend}\n", "");
        }
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_is_right_doubtful_or_wrong() {
        for (offset, verdict) in [
            (Some(0), Verdict::Ok),
            (Some(-59), Verdict::Ok),
            (Some(60), Verdict::Warn),
            (Some(-300), Verdict::Fail),
            (Some(i64::MIN + 1), Verdict::Fail),
            (None, Verdict::Warn),
        ] {
            let mut findings = Findings::default();
            findings.clock(offset);
            assert_eq!(findings.0[0].verdict, verdict, "{offset:?}");
        }
    }
}
