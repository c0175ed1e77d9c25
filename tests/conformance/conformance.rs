//! The body of tests, over each transport and against each server.

use headwaters::http::Protocol;
use headwaters_conformance::{
    Client, ferrokinesis, kinesalite, kinesis_mock, mock, run, run_or_skip, serve,
    serve_with_faults,
};

#[tokio::test(flavor = "multi_thread")]
async fn over_the_mock() {
    run(mock()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn over_http_in_json_to_ferrokinesis() {
    run(ferrokinesis(Client::Http(Protocol::Json)).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn over_http_in_cbor_to_ferrokinesis() {
    run(ferrokinesis(Client::Http(Protocol::Cbor)).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn over_http_in_json_to_kinesis_mock() {
    run_or_skip(kinesis_mock(Client::Http(Protocol::Json)).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn over_http_in_cbor_to_kinesis_mock() {
    run_or_skip(kinesis_mock(Client::Http(Protocol::Cbor)).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn over_http_in_json_to_kinesalite() {
    run_or_skip(kinesalite().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn over_aws_to_ferrokinesis() {
    run(ferrokinesis(Client::Aws).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn over_aws_to_kinesis_mock() {
    run_or_skip(kinesis_mock(Client::Aws).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn over_http_in_json_to_serve() {
    run(serve(Client::Http(Protocol::Json)).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn over_http_in_cbor_to_serve() {
    run(serve(Client::Http(Protocol::Cbor)).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn over_aws_to_serve() {
    run(serve(Client::Aws).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn over_http_in_json_to_serve_with_faults() {
    run(serve_with_faults(Client::Http(Protocol::Json)).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn over_http_in_cbor_to_serve_with_faults() {
    run(serve_with_faults(Client::Http(Protocol::Cbor)).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn over_aws_to_serve_with_faults() {
    run(serve_with_faults(Client::Aws).await).await;
}
