//! Operations that the fuzzer thinks of, on an engine that packs records or does not; the rules are those of the property
//! test.
#![no_main]

use headwaters_tests::operations::{Operation, config, packing, perform};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (bool, Vec<Operation>)| {
    let (packs, operations) = input;
    perform(if packs { packing() } else { config() }, &operations);
});
