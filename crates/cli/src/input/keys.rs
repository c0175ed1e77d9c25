use bytes::Bytes;
use headwaters::UserRecord;
use headwaters::wire::{HashKey, PartitionKey};

use super::{BadInput, Column, JsonPath, Kept, Rule, json};

/// Where the partition key of a record comes from.
#[derive(Clone, Debug)]
pub(crate) enum Key {
    /// A column of its row.
    Column(Column),
    /// A field of the JSON that it is.
    Field(JsonPath),
    /// All records have the same.
    Fixed(PartitionKey),
    /// Each has its own, by chance.
    Random,
}

/// What makes a record of data.
#[derive(Clone, Debug)]
pub(crate) struct Keys {
    /// Whether the first row of a CSV file names its columns.
    pub(crate) header: bool,
    /// A field of the JSON that the record is; overrides the hash of the partition key.
    pub(crate) hash_key: Option<JsonPath>,
    pub(crate) key: Key,
    /// The most bytes that the stream takes, data and partition key together.
    pub(crate) limit: usize,
}

impl Keys {
    /// Makes a record of `data`, which must be JSON if `json` says so or a key is a field of it.
    ///
    /// `column` is the text of the key's column, where there are columns.
    pub(crate) fn record(
        &self,
        data: &[u8],
        json: bool,
        column: Option<&str>,
    ) -> Result<UserRecord, Box<BadInput>> {
        let make = || -> Result<_, Rule> {
            let json = json || self.hash_key.is_some() || matches!(self.key, Key::Field(_));
            let text = if json { json::check(data)? } else { "" };
            let hash_key: Option<HashKey> = match &self.hash_key {
                Some(path) => Some(path.text(text)?.parse()?),
                None => None,
            };
            Ok((self.partition_key(text, column)?, hash_key))
        };
        match make() {
            Ok((key, hash_key)) => within(data, key, hash_key, self.limit),
            Err(rule) => Err(BadInput::new(
                Kept::Data(Bytes::copy_from_slice(data)),
                data.len() as u64,
                rule,
            )),
        }
    }

    /// A record that is not held, because its data alone are `length` bytes.
    pub(crate) fn too_large(&self, length: u64) -> Box<BadInput> {
        let rule = Rule::TooLarge { limit: self.limit, size: length };
        BadInput::new(Kept::Nothing, length, rule)
    }

    fn partition_key(&self, json: &str, column: Option<&str>) -> Result<PartitionKey, Rule> {
        Ok(match &self.key {
            Key::Column(_) => PartitionKey::new(column.unwrap_or_default())?,
            Key::Field(path) => PartitionKey::new(path.text(json)?)?,
            Key::Fixed(key) => key.clone(),
            Key::Random => random(),
        })
    }
}

/// The record, if the stream takes one of its size.
pub(crate) fn within(
    data: &[u8],
    key: PartitionKey,
    hash_key: Option<HashKey>,
    limit: usize,
) -> Result<UserRecord, Box<BadInput>> {
    let length = data.len() as u64;
    let size = length + key.len() as u64;
    let data = Bytes::copy_from_slice(data);
    let rule = Rule::TooLarge { limit, size };
    let Ok(mut record) = UserRecord::new(key, data.clone()) else {
        return Err(BadInput::new(Kept::Data(data), length, rule));
    };
    if let Some(hash_key) = hash_key {
        record = record.with_explicit_hash_key(hash_key);
    }
    if record.size() > limit {
        return Err(BadInput::new(Kept::Record(record), length, rule));
    }
    Ok(record)
}

/// 128 bits by chance: they spread over the shards as evenly as any keys can.
fn random() -> PartitionKey {
    let digits = format!("{:032x}", fastrand::u128(..));
    PartitionKey::new(digits).expect("32 digits are 1 to 256 characters")
}

#[cfg(test)]
mod tests {
    use super::*;
    use headwaters::wire::PartitionKeyError;

    fn keys(key: Key, hash_key: Option<&str>) -> Keys {
        let hash_key = hash_key.map(|path| path.parse().expect("a valid path"));
        Keys { hash_key, header: true, key, limit: 100 }
    }

    fn field(path: &str) -> Key {
        Key::Field(path.parse().expect("a valid path"))
    }

    #[test]
    fn each_way_to_a_key() {
        let json = br#"{"id": 7, "h": "12"}"#;
        let record = keys(field(".id"), Some(".h")).record(json, false, None);
        let record = record.expect("a good record");
        assert_eq!(record.partition_key().as_str(), "7");
        assert_eq!(record.explicit_hash_key(), Some(HashKey::new(12)));
        assert_eq!(&record.data()[..], json);

        let fixed = PartitionKey::new("k").expect("a valid key");
        let record = keys(Key::Fixed(fixed), None).record(b"\xff", false, None);
        assert_eq!(record.expect("any bytes will do").partition_key().as_str(), "k");

        let random: Vec<String> = (0..2)
            .map(|_| keys(Key::Random, None).record(b"", false, None).expect("a good record"))
            .map(|record| record.partition_key().as_str().to_owned())
            .collect();
        assert!(random.iter().all(|key| key.len() == 32) && random[0] != random[1]);
    }

    #[test]
    fn what_has_no_valid_key_keeps_its_data_only() {
        let long = format!(r#"{{"id": "{}"}}"#, "é".repeat(257));
        for (json, hash_key, expected) in [
            (r#"{"id": ""}"#, None, Rule::PartitionKey(PartitionKeyError::Empty)),
            (&long, None, Rule::PartitionKey(PartitionKeyError::TooLong { chars: Some(257) })),
            (
                r#"{"id": "x", "h": "-1"}"#,
                Some(".h"),
                Rule::HashKey(headwaters::wire::HashKeyError::NotDecimal { offset: 0 }),
            ),
            (r#"{"id": "x"}"#, Some(".h"), Rule::Field { found: "missing", path: ".h".to_owned() }),
        ] {
            let bad = keys(field(".id"), hash_key).record(json.as_bytes(), false, None);
            let kept = Kept::Data(Bytes::copy_from_slice(json.as_bytes()));
            let length = json.len() as u64;
            assert_eq!(bad, Err(BadInput::new(kept, length, expected)));
        }
    }

    #[test]
    fn the_key_counts_towards_the_limit_of_the_stream() {
        let fixed = PartitionKey::new("key").expect("a valid key");
        let keys = keys(Key::Fixed(fixed), None);
        assert!(keys.record(&[b'x'; 97], false, None).is_ok());
        let bad = keys.record(&[b'x'; 98], false, None).expect_err("101 bytes");
        assert_eq!(bad.rule, Rule::TooLarge { limit: 100, size: 101 });
        assert!(matches!(bad.kept, Kept::Record(_)), "only the limit is against it");
    }
}
