//! Any bytes, as the JSON answer to PutRecords.
#![no_main]

use headwaters_tests::answers::put_records_json;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| put_records_json(bytes));
