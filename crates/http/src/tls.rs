use core::fmt;
use std::sync::Arc;

use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::endpoint::Host;

/// Who may vouch for a server.
#[derive(Clone, Debug, Default)]
pub(crate) enum Roots {
    /// These certificates and no others, in PEM.
    Bundle(Vec<u8>),
    /// The ones of the platform.
    #[default]
    Platform,
}

/// Why there is no TLS.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum TlsError {
    /// The bundle of certificates cannot be read, or has none.
    Bundle {
        /// What is wrong.
        why: String,
    },
    /// The platform has no certificates to trust.
    NoRoots {
        /// What was tried.
        why: String,
    },
}

/// Prepares TLS 1.2 and 1.3. There is no way to leave the verification out.
pub(crate) fn connector(roots: &Roots) -> Result<TlsConnector, TlsError> {
    let roots = match roots {
        Roots::Bundle(pem) => bundle(pem)?,
        Roots::Platform => platform()?,
    };
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("the provider has suites for the default versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

/// The name that the server's certificate must have.
pub(crate) fn server_name(host: &Host) -> Result<ServerName<'static>, TlsNameError> {
    match host {
        Host::Address(address) => Ok(ServerName::from(*address)),
        Host::Name(name) => ServerName::try_from(name.to_string()).map_err(|_| TlsNameError),
    }
}

/// The host has a name that no certificate can have.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TlsNameError;

fn bundle(pem: &[u8]) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate =
            certificate.map_err(|error| TlsError::Bundle { why: error.to_string() })?;
        roots.add(certificate).map_err(|error| TlsError::Bundle { why: error.to_string() })?;
    }
    if roots.is_empty() {
        return Err(TlsError::Bundle { why: String::from("there is no certificate in it") });
    }
    Ok(roots)
}

fn platform() -> Result<RootCertStore, TlsError> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    // Stores have old certificates in them that no library reads; nobody can be vouched for by those.
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        let why: Vec<String> = found.errors.iter().map(ToString::to_string).collect();
        return Err(TlsError::NoRoots { why: why.join("; ") });
    }
    Ok(roots)
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bundle { why } => write!(f, "the bundle of certificates cannot be used: {why}"),
            Self::NoRoots { why } => write!(
                f,
                "this machine has no certificates to trust ({why}): install them (Linux: the package \
                 ca-certificates), or name a bundle of certificates"
            ),
        }
    }
}

impl core::error::Error for TlsError {}
