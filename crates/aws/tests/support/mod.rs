//! Clients of the SDK for a [`Server`].
#![allow(dead_code, reason = "each test binary uses its part")]

use headwaters_aws::AwsTransport;
use headwaters_aws::aws_sdk_kinesis::config::{BehaviorVersion, Builder, Credentials, Region};
use headwaters_aws::aws_sdk_kinesis::{Client, Config};
use headwaters_hostile::sdk::http_client;
use headwaters_hostile::{ACCESS_KEY_ID, SECRET_ACCESS_KEY, SESSION_TOKEN, Server, Setup};

/// A client's configuration for a server at this address, with the retries that the SDK has by default.
pub(crate) fn config(url: &str) -> Builder {
    let token = Some(SESSION_TOKEN.to_owned());
    Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .credentials_provider(Credentials::new(
            ACCESS_KEY_ID,
            SECRET_ACCESS_KEY,
            token,
            None,
            "test",
        ))
        .endpoint_url(url)
        .http_client(http_client(None, None))
        .region(Region::new("us-east-1"))
        .sleep_impl(aws_smithy_async::rt::sleep::TokioSleep::new())
}

pub(crate) fn connect(setup: Setup) -> AwsTransport {
    let client = http_client(setup.ca_bundle, setup.proxy.as_deref());
    let config = config(&setup.url).http_client(client);
    AwsTransport::new(Client::from_conf(config.build()))
        .connect_timeout(setup.connect_timeout)
        .request_timeout(setup.request_timeout)
}

pub(crate) fn transport(server: &Server) -> AwsTransport {
    connect(Setup::new(server.url()))
}
