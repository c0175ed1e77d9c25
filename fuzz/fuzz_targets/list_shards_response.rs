//! Any bytes, as the answer to ListShards in JSON and in CBOR.
#![no_main]

use headwaters_tests::answers::list_shards;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| list_shards(bytes));
