//! Clients of the SDK for a [`Server`].
#![allow(dead_code, reason = "each test binary uses its part")]

use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use aws_smithy_http_client::{Builder as HttpClient, Connector};
use headwaters_aws::AwsTransport;
use headwaters_aws::aws_sdk_kinesis::config::{
    BehaviorVersion, Builder, Credentials, Region, SharedHttpClient,
};
use headwaters_aws::aws_sdk_kinesis::{Client, Config};
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
        .http_client(HttpClient::new().build_http())
        .region(Region::new("us-east-1"))
        .sleep_impl(aws_smithy_async::rt::sleep::TokioSleep::new())
}

pub(crate) fn connect(setup: Setup) -> AwsTransport {
    let mut config = config(&setup.url);
    if setup.url.starts_with("https://") {
        config.set_http_client(Some(secure(setup.ca_bundle, setup.proxy.as_deref())));
    }
    AwsTransport::new(Client::from_conf(config.build()))
        .connect_timeout(setup.connect_timeout)
        .request_timeout(setup.request_timeout)
}

/// An HTTP client with TLS.
fn secure(ca_bundle: Option<String>, proxy: Option<&str>) -> SharedHttpClient {
    let trusted = match ca_bundle {
        Some(pem) => TrustStore::empty().with_pem_certificate(pem),
        None => TrustStore::default(),
    };
    let tls = TlsContext::builder().with_trust_store(trusted).build().expect("certificates");
    let proxy = proxy.map(|url| ProxyConfig::all(url).expect("a valid proxy"));
    HttpClient::new().build_with_connector_fn(move |settings, components| {
        let mut builder = Connector::builder()
            .tls_provider(Provider::Rustls(CryptoMode::Ring))
            .tls_context(tls.clone());
        builder.set_connector_settings(settings.cloned());
        builder.set_sleep_impl(components.and_then(|components| components.sleep_impl()));
        builder.set_proxy_config(proxy.clone());
        builder.build()
    })
}

pub(crate) fn transport(server: &Server) -> AwsTransport {
    connect(Setup::new(server.url()))
}
