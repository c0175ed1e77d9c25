//! Operations that the fuzzer thinks of, on an engine; the rules are those of the property test.
#![no_main]

use headwaters_tests::operations::{Operation, config, perform};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|operations: Vec<Operation>| {
    perform(config(), &operations);
});
