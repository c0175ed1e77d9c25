//! What the fuzzers found worth keeping, once more. `cargo fuzz cmin` keeps it small.

use std::fs;
use std::path::Path;

use arbitrary::{Arbitrary, Unstructured};
use headwaters_tests::aggregates::{Recipe, decode_anything, round_trip};
use headwaters_tests::answers;
use headwaters_tests::operations::{Operation, config, packing, perform};
use headwaters_tests::traces;

/// Calls `each` with every input of a target; there must be some.
fn replay(target: &str, mut each: impl FnMut(&[u8])) {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(target);
    let files = fs::read_dir(&corpus).unwrap_or_else(|e| panic!("{}: {e}", corpus.display()));
    let mut count = 0;
    for file in files {
        let path = file.expect("a readable folder").path();
        each(&fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())));
        count += 1;
    }
    assert!(count > 0, "{} is empty", corpus.display());
}

/// The input that a fuzz target makes of the bytes.
fn input<T: for<'a> Arbitrary<'a>>(bytes: &[u8]) -> Option<T> {
    T::arbitrary_take_rest(Unstructured::new(bytes)).ok()
}

#[test]
fn aggregate_decode() {
    replay("aggregate_decode", decode_anything);
}

#[test]
fn aggregate_roundtrip() {
    replay("aggregate_roundtrip", |bytes| {
        if let Some((recipes, first_key, size_max)) = input::<(Vec<Recipe>, bool, u16)>(bytes) {
            round_trip(&recipes, first_key, usize::from(size_max));
        }
    });
}

#[test]
fn engine_ops() {
    replay("engine_ops", |bytes| {
        if let Some((packs, operations)) = input::<(bool, Vec<Operation>)>(bytes) {
            perform(if packs { packing() } else { config() }, &operations);
        }
    });
}

#[test]
fn answers_of_servers() {
    replay("put_records_response_json", answers::put_records_json);
    replay("put_records_response_cbor", answers::put_records_cbor);
    replay("list_shards_response", answers::list_shards);
    replay("endpoint_and_arn", answers::endpoint_and_arn);
}

#[test]
fn trace_file() {
    replay("trace_file", traces::replay);
}
