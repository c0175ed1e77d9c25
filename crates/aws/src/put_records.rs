use core::str::FromStr;

use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::{PutRecordsRequestEntry, PutRecordsResultEntry};
use headwaters_transport::PutRecordsResult;
use headwaters_wire::{
    AttemptError, Entry, ErrorCode, Message, Placement, SequenceNumber, ShardId,
};

use crate::answer::unusable;

/// An entry as the SDK wants it: it takes what it is given, so the payload is copied.
pub(crate) fn entry(entry: &Entry) -> PutRecordsRequestEntry {
    PutRecordsRequestEntry::builder()
        .data(Blob::new(entry.data.to_vec()))
        .set_explicit_hash_key(entry.explicit_hash_key.map(|key| key.to_string()))
        .partition_key(entry.partition_key.as_str())
        .build()
        .expect("both members that are required are there")
}

/// The results of so many entries, in their order.
///
/// The count of failed entries in the answer is not believed: the entries say it themselves.
pub(crate) fn results(answer: Vec<PutRecordsResultEntry>, entries: usize) -> PutRecordsResult {
    if answer.len() != entries {
        return Err(unusable(&format!("{} results for {entries} entries", answer.len())));
    }
    Ok(answer.into_iter().map(result).collect())
}

/// Stored if there is a placement and no error; failed if there is an error and no sequence number. All others
/// contradict themselves, and nobody can know.
fn result(entry: PutRecordsResultEntry) -> Result<Placement, AttemptError> {
    match (entry.sequence_number, entry.shard_id, entry.error_code) {
        (Some(number), Some(shard), None) => placement(number, &shard)
            .ok_or_else(|| unusable("a sequence number or a shard id breaks the rules")),
        (None, _, Some(code)) => {
            let message = Message::new(entry.error_message.as_deref().unwrap_or_default());
            Err(AttemptError::with_message(ErrorCode::parse_of_server(&code), message))
        }
        (Some(_), _, Some(_)) => Err(unusable("a sequence number and an error for one entry")),
        (None, _, None) | (Some(_), None, None) => {
            Err(unusable("neither a placement nor an error for an entry"))
        }
    }
}

fn placement(number: String, shard: &str) -> Option<Placement> {
    let sequence_number = SequenceNumber::from_bytes(number.into()).ok()?;
    Some(Placement { sequence_number, shard: ShardId::from_str(shard).ok()? })
}
