use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;
use std::sync::Arc;

use aws_credential_types::provider::future::ProvideCredentials as Provided;
use headwaters::aws::AwsTransport;
use headwaters::aws::aws_sdk_kinesis::config::{self, BehaviorVersion};
use headwaters::aws::aws_sdk_kinesis::{Client as Sdk, Config};
use headwaters::http::{
    Credentials, CredentialsError, CredentialsFuture, Endpoint, HttpTransport, Protocol,
    ProvideCredentials, Proxy, Region,
};
use headwaters_hostile::sdk::http_client;

use crate::arm::Setup;

/// What speaks to a server.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_enums, reason = "those that there are")]
pub enum Client {
    /// `headwaters-aws`, which speaks JSON.
    Aws,
    /// `headwaters-http`.
    Http(Protocol),
}

const TIMEOUT: Duration = Duration::from_secs(60);

pub(crate) fn aws(setup: Setup, url: String) -> AwsTransport {
    let config = Config::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .credentials_provider(Keys(setup.keys.unwrap_or_default()))
        .endpoint_url(setup.url.unwrap_or(url))
        .http_client(http_client(setup.ca_bundle, setup.proxy.as_deref()))
        .region(config::Region::new("us-east-1"))
        .sleep_impl(aws_smithy_async::rt::sleep::TokioSleep::new())
        .build();
    let transport = AwsTransport::new(Sdk::from_conf(config)).request_timeout(TIMEOUT);
    match setup.arn {
        Some(arn) => transport.stream_arn(arn),
        None => transport,
    }
}

pub(crate) fn http(setup: Setup, url: &str, protocol: Protocol) -> HttpTransport {
    let url = setup.url.as_deref().unwrap_or(url);
    let mut builder = HttpTransport::builder()
        .credentials(Keys(setup.keys.unwrap_or_default()))
        .endpoint(Endpoint::new(url).expect("a valid endpoint"))
        .protocol(protocol)
        .region(Region::new("us-east-1").expect("a valid region"))
        .request_timeout(TIMEOUT);
    if let Some(pem) = setup.ca_bundle {
        builder = builder.ca_bundle(pem);
    }
    if let Some(arn) = setup.arn {
        builder = builder.stream_arn(arn);
    }
    if let Some(url) = setup.proxy {
        builder = builder.proxy(Proxy::new(&url).expect("a valid proxy"));
    }
    builder.build().expect("nothing is missing")
}

/// A new key each time.
#[derive(Debug)]
struct Keys(Arc<AtomicU64>);

impl Keys {
    fn next(&self) -> String {
        format!("KEY{}", self.0.fetch_add(1, Ordering::AcqRel))
    }
}

impl ProvideCredentials for Keys {
    fn credentials(&self) -> CredentialsFuture<'_> {
        let made = Credentials::new(self.next(), "secret");
        Box::pin(core::future::ready(made.map_err(|_| CredentialsError::new("there are none"))))
    }
}

impl config::ProvideCredentials for Keys {
    fn provide_credentials<'a>(&'a self) -> Provided<'a>
    where
        Self: 'a,
    {
        let made = config::Credentials::new(self.next(), "secret", None, None, "conformance");
        Provided::ready(Ok(made))
    }
}
