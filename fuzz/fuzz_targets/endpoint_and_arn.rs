//! Any text, as an endpoint, a proxy, a region and an ARN.
#![no_main]

use headwaters_tests::answers::endpoint_and_arn;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| endpoint_and_arn(bytes));
