//! The body of tests, over each transport and against each server.

use headwaters::http::Protocol;
use headwaters_conformance::{ferrokinesis, kinesalite, kinesis_mock, mock, run, run_or_skip};

#[tokio::test(flavor = "multi_thread")]
async fn over_the_mock() {
    run(mock()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn over_http_in_json_to_ferrokinesis() {
    run(ferrokinesis(Protocol::Json).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn over_http_in_cbor_to_ferrokinesis() {
    run(ferrokinesis(Protocol::Cbor).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn over_http_in_json_to_kinesis_mock() {
    run_or_skip(kinesis_mock(Protocol::Json).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn over_http_in_cbor_to_kinesis_mock() {
    run_or_skip(kinesis_mock(Protocol::Cbor).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn over_http_in_json_to_kinesalite() {
    run_or_skip(kinesalite().await).await;
}
