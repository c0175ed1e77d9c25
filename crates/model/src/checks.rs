use headwaters_wire::limits::{REQUEST_BYTES_MAX, REQUEST_ENTRIES_MAX};
use headwaters_wire::{AttemptError, Entry};

use crate::{MaxRecordSize, errors};

/// Checks what the service checks before it looks at any entry by itself: the first rule that is
/// broken refuses the request as a whole.
pub(crate) fn check(entries: &[Entry], max_record_size: MaxRecordSize) -> Result<(), AttemptError> {
    if entries.is_empty() {
        return Err(errors::no_entries());
    }
    if entries.len() > REQUEST_ENTRIES_MAX {
        return Err(errors::too_many_entries());
    }
    let mut total = 0;
    for (index, entry) in entries.iter().enumerate() {
        let size = entry.size();
        if size > max_record_size.bytes() {
            return Err(errors::record_size(index, size, max_record_size));
        }
        total += size;
    }
    if total > REQUEST_BYTES_MAX {
        return Err(errors::request_size());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::entry;
    use alloc::vec;
    use alloc::vec::Vec;
    use headwaters_wire::{ErrorCode, HashKey};

    fn refusal(entries: &[Entry]) -> Option<AttemptError> {
        check(entries, MaxRecordSize::DEFAULT).err()
    }

    fn sized(sizes: impl IntoIterator<Item = usize>) -> Vec<Entry> {
        sizes.into_iter().map(|size| entry(HashKey::MIN, size)).collect()
    }

    #[test]
    fn a_request_has_1_to_500_entries() {
        assert_eq!(refusal(&sized([1])), None);
        assert_eq!(refusal(&vec![entry(HashKey::MIN, 1); 500]), None);
        for (count, bound) in
            [(0, "greater than or equal to 1"), (501, "less than or equal to 500")]
        {
            let error = refusal(&vec![entry(HashKey::MIN, 1); count]).expect("refused");
            assert_eq!(error.code, ErrorCode::ValidationException);
            assert!(error.message.as_str().ends_with(bound), "{error}");
        }
    }

    #[test]
    fn a_record_has_at_most_1_mib_with_its_key() {
        assert_eq!(refusal(&sized([1, 1_048_576])), None);
        let error = refusal(&sized([1, 1_048_577])).expect("refused");
        assert_eq!(error.code, ErrorCode::InvalidArgumentException);
        assert_eq!(
            error.message.as_str(),
            "Record 1 has 1048577 bytes, which exceeds the limit of 1048576"
        );
    }

    #[test]
    fn a_record_has_at_most_what_the_stream_takes() {
        let size = MaxRecordSize::from_kib(2_048).expect("2 MiB lies between 1 and 10");
        assert_eq!(check(&sized([2_097_152]), size), Ok(()));
        let error = check(&sized([2_097_153]), size).expect_err("one byte above 2 MiB");
        assert!(error.message.as_str().ends_with("the limit of 2097152"), "{error}");
        assert_eq!(check(&sized([10_485_760]), MaxRecordSize::MAX), Ok(()));
        assert!(check(&sized([10_485_761]), MaxRecordSize::MAX).is_err());
    }

    #[test]
    fn a_request_has_at_most_10_mib_with_its_keys() {
        const MIB: usize = 1_048_576;
        assert_eq!(refusal(&sized([MIB; 10])), None);
        let error = refusal(&sized([MIB; 10].into_iter().chain([1]))).expect("refused");
        assert_eq!(error.code, ErrorCode::InvalidArgumentException);
        assert_eq!(error.message.as_str(), "Records size exceeds 10 MB limit");
    }
}
