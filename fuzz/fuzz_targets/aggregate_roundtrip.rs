//! Any records, packed and unpacked.
#![no_main]

use headwaters_tests::aggregates::{Recipe, round_trip};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (Vec<Recipe>, bool, u16)| {
    let (recipes, first_key, size_max) = input;
    round_trip(&recipes, first_key, usize::from(size_max));
});
