use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{BadInput, Content, Kept, Rule, json};

/// A Kinesis record as a consumer gets it, as far as the input knows it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Received {
    pub(crate) data: Bytes,
    pub(crate) explicit_hash_key: Option<String>,
    /// Its number in the list of its document, from 1, if there is a list.
    pub(crate) number: Option<usize>,
    pub(crate) partition_key: Option<String>,
    pub(crate) sequence_number: Option<String>,
}

/// What a document may have that counts: one record, or a list of them.
#[derive(Deserialize)]
struct Document<'a> {
    #[serde(borrow, default, rename = "Records")]
    records: Option<&'a RawValue>,
}

/// The names of the service, or ours.
#[derive(Deserialize)]
struct Fields<'a> {
    #[serde(alias = "Data", borrow, default)]
    data: Option<Cow<'a, str>>,
    #[serde(alias = "ExplicitHashKey", default)]
    explicit_hash_key: Option<String>,
    #[serde(alias = "PartitionKey", default)]
    partition_key: Option<String>,
    #[serde(alias = "SequenceNumber", default)]
    sequence_number: Option<String>,
}

/// The Kinesis records of a document, in order: good ones, and bad ones with their rule.
pub(crate) fn records(document: &[u8]) -> Vec<Content<Received>> {
    let bad = |rule| BadInput::new(Kept::Nothing, document.len() as u64, rule);
    let list = json::check(document).and_then(|text| Ok((text, list(text)?)));
    match list {
        Err(rule) => vec![Err(bad(rule))],
        Ok((text, None)) => vec![record(text, None).map_err(bad)],
        Ok((_, Some(records))) => {
            let numbered = (1..).zip(records);
            let record = |(number, value): (usize, &RawValue)| {
                let in_list = |rule| bad(Rule::InList { number, rule: Box::new(rule) });
                record(value.get(), Some(number)).map_err(in_list)
            };
            numbered.map(record).collect()
        }
    }
}

/// The records of a document that has a list of them.
fn list(text: &str) -> Result<Option<Vec<&RawValue>>, Rule> {
    let wrong = |what| Rule::NotReceived { what };
    let Document { records } = json::object(text).ok_or_else(|| wrong("the text is no object"))?;
    let list = records.map(|records| serde_json::from_str(records.get())).transpose();
    list.map_err(|_| wrong("`Records` is no list"))
}

fn record(text: &str, number: Option<usize>) -> Result<Received, Rule> {
    let wrong = |what| Rule::NotReceived { what };
    let fields = json::object(text).ok_or_else(|| wrong("the record is no object of strings"))?;
    let Fields { data, explicit_hash_key, partition_key, sequence_number } = fields;
    let data = data.ok_or_else(|| wrong("`data` is missing"))?;
    let data = STANDARD.decode(data.as_bytes()).map_err(|_| Rule::Base64)?.into();
    Ok(Received { data, explicit_hash_key, number, partition_key, sequence_number })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_has_the_names_of_the_service_or_ours() {
        let theirs = br#"{"SequenceNumber":"49","Data":"aGk=","PartitionKey":"k","Other":{"x":1}}"#;
        let ours = br#"{"sequence_number":"49","data":"aGk=","partition_key":"k"}"#;
        let expected = Received {
            data: Bytes::from_static(b"hi"),
            partition_key: Some(String::from("k")),
            sequence_number: Some(String::from("49")),
            ..Received::default()
        };
        assert_eq!(records(theirs), [Ok(expected.clone())]);
        assert_eq!(records(ours), [Ok(expected)]);
    }

    #[test]
    fn one_bad_record_of_a_list_is_named_and_the_others_stay() {
        let document = br#"{"Records":[{"Data":"YQ=="},{"Data":"secret"},{},7,{"Data":"Yg=="}]}"#;
        let records = records(document);
        let numbers: Vec<_> = records.iter().flatten().map(|record| record.number).collect();
        assert_eq!(numbers, [Some(1), Some(5)]);
        let rules = records.iter().filter_map(|record| record.as_ref().err());
        let rules: Vec<String> = rules.map(|bad| bad.rule.to_string()).collect();
        assert_eq!(rules.len(), 3);
        for (rule, expected) in rules.iter().zip([
            "record 2 of the list: `data` is not base64",
            "record 3 of the list: `data` is missing",
            "record 4 of the list: the record is no object of strings",
        ]) {
            assert!(rule.starts_with(expected), "{rule}");
        }
    }

    #[test]
    fn what_is_no_document_of_the_service_is_named() {
        for (document, rule) in [
            ("[]", "the text is no object;"),
            (r#"{"Records":{}}"#, "`Records` is no list;"),
            (r#"{"Records":null}"#, "`data` is missing;"),
            (r#"{"data":[1]}"#, "the record is no object of strings;"),
        ] {
            let records = records(document.as_bytes());
            let [Err(bad)] = &records[..] else { panic!("{document} is one bad record") };
            assert!(bad.rule.to_string().starts_with(rule), "{document}: {}", bad.rule);
        }
    }

    #[test]
    fn an_empty_list_has_no_records() {
        assert_eq!(records(br#"{"Records":[],"MillisBehindLatest":0}"#), []);
    }
}
