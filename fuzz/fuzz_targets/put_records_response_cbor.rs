//! Any bytes, as the CBOR answer to PutRecords.
#![no_main]

use headwaters_tests::answers::put_records_cbor;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| put_records_cbor(bytes));
