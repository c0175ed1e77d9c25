//! Servers that break, lie and stall: never a panic, never a false "stored", never a false "not stored".

mod support;

use core::time::Duration;

use headwaters_aws::AwsTransport;
use headwaters_aws::aws_sdk_kinesis::Client;
use headwaters_aws::aws_sdk_kinesis::config::retry::RetryConfig;
use headwaters_aws::aws_sdk_kinesis::config::timeout::TimeoutConfig;
use headwaters_aws::aws_sdk_kinesis::config::{
    IdentityCache, Region, StalledStreamProtectionConfig,
};
use headwaters_hostile::{Server, Step, put};
use headwaters_transport::Sent;
use headwaters_wire::ErrorCode;
use support::{config, connect};

headwaters_hostile::tests!(connect);

#[tokio::test]
async fn a_deadline_holds_without_the_clients_own_timer() {
    let server = Server::start([]).await.otherwise(Step::Stall(vec![]));
    // All that would ask for a timer when the client is made.
    let mut config = config(&server.url())
        .identity_cache(IdentityCache::no_cache())
        .retry_config(RetryConfig::disabled())
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .timeout_config(TimeoutConfig::disabled());
    config.set_sleep_impl(None);
    let client = Client::from_conf(config.build());
    let transport = AwsTransport::new(client).request_timeout(Duration::from_millis(200));
    assert_eq!(put(&transport).await, (Err(ErrorCode::RequestTimeout), Sent::Unknown));
}

/// A region that would make the host of the endpoint another one.
#[tokio::test]
async fn a_region_does_not_lead_elsewhere() {
    let elsewhere = Server::start([]).await;
    for region in [
        format!("x@127.0.0.1:{}/#", elsewhere.port()),
        format!("127.0.0.1:{}#", elsewhere.port()),
        format!("@127.0.0.1:{}/", elsewhere.port()),
    ] {
        let mut config = config("http://localhost").region(Region::new(region.clone()));
        config.set_endpoint_url(None);
        let transport = AwsTransport::new(Client::from_conf(config.build()))
            .connect_timeout(Duration::from_millis(500))
            .request_timeout(Duration::from_secs(2));
        let (result, sent) = put(&transport).await;
        assert!(result.is_err() && sent == Sent::No, "{region}: {result:?}");
    }
    assert_eq!(elsewhere.connections(), 0);
}
