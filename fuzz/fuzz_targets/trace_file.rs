//! Any bytes, as the trace of a producer.
#![no_main]

use headwaters_tests::traces::replay;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| replay(bytes));
