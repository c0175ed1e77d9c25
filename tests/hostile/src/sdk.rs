//! An HTTP client for the AWS SDK, which has none of its own.

use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use aws_smithy_http_client::{Builder, Connector};
use aws_smithy_runtime_api::client::http::SharedHttpClient;

/// One that trusts these certificates, in PEM, or else those of the platform; through this proxy.
///
/// # Panics
/// They are no certificates, or it is no URL.
pub fn http_client(ca_bundle: Option<String>, proxy: Option<&str>) -> SharedHttpClient {
    let trusted = match ca_bundle {
        Some(pem) => TrustStore::empty().with_pem_certificate(pem),
        None => TrustStore::default(),
    };
    let tls = TlsContext::builder().with_trust_store(trusted).build().expect("certificates");
    let proxy = proxy.map(|url| ProxyConfig::all(url).expect("a valid proxy"));
    Builder::new().build_with_connector_fn(move |settings, components| {
        let mut builder = Connector::builder()
            .tls_provider(Provider::Rustls(CryptoMode::Ring))
            .tls_context(tls.clone());
        builder.set_connector_settings(settings.cloned());
        builder.set_sleep_impl(components.and_then(|components| components.sleep_impl()));
        builder.set_proxy_config(proxy.clone());
        builder.build()
    })
}
