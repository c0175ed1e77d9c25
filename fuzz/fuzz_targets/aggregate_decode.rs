//! Any bytes, as the data of a Kinesis record and as the body of an aggregate.
#![no_main]

use headwaters_tests::aggregates::decode_anything;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| decode_anything(bytes));
