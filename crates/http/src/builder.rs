use core::fmt;
use core::time::Duration;
use std::time::SystemTime;

use headwaters_wire::StreamArn;

use crate::body::{Buffers, Protocol};
use crate::connector::Connector;
use crate::credentials::{CachedCredentials, ProvideCredentials};
use crate::endpoint::{Endpoint, EndpointError, Scheme};
use crate::names::{self, Plane, Variant};
use crate::pool::Pool;
use crate::proxy::{self, Proxy};
use crate::region::Region;
use crate::service::{Destination, Service};
use crate::settings::Environment;
use crate::sign::Signer;
use crate::skew::ServerTime;
use crate::time::{WallClock, system_clock};
use crate::tls::{self, Roots, TlsError};
use crate::transport::{HttpTransport, Inner};

/// Says where an [`HttpTransport`] sends requests, and how.
///
/// Needed are [`credentials`](Self::credentials), and a [`region`](Self::region) or a
/// [`stream_arn`](Self::stream_arn) that names one; all else has a default.
#[derive(Default)]
pub struct HttpBuilder {
    allow_plain_http: bool,
    connect_timeout: Option<Duration>,
    credentials: Option<CachedCredentials>,
    endpoint: Option<Endpoint>,
    idle_max: Option<usize>,
    idle_timeout: Option<Duration>,
    protocol: Protocol,
    proxy: ProxyChoice,
    region: Option<Region>,
    request_timeout: Option<Duration>,
    roots: Roots,
    stream: Option<StreamArn>,
    variant: Variant,
    wall_clock: Option<WallClock>,
}

#[derive(Debug, Default)]
enum ProxyChoice {
    Environment(Environment),
    Fixed(Proxy),
    #[default]
    None,
}

/// How long a connection may take, name look-up, proxy and TLS included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a request may take, everything included. The engine's own timeout is meant to come first.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);
/// How long a connection waits for its next request. Load balancers close after a minute, and what a server
/// closes while a request is on its way is a request of which nobody knows.
const IDLE_TIMEOUT: Duration = Duration::from_secs(20);
/// How many connections wait: as many as the engine has requests in flight by default.
const IDLE_MAX: usize = 24;

impl HttpBuilder {
    /// Who signs the requests: [`Credentials`](crate::Credentials) that stay the same, or a provider.
    #[must_use]
    pub fn credentials(mut self, provider: impl ProvideCredentials) -> Self {
        self.credentials = Some(CachedCredentials::new(provider));
        self
    }

    /// The region of the stream: it is in each signature, and in the name of the endpoint. Without it that of
    /// the [`stream_arn`](Self::stream_arn).
    #[must_use]
    pub fn region(mut self, region: Region) -> Self {
        self.region = Some(region);
        self
    }

    /// Where requests go instead of the service's endpoint for the region.
    #[must_use]
    pub fn endpoint(mut self, endpoint: Endpoint) -> Self {
        self.endpoint = Some(endpoint);
        self
    }

    /// Lets an [`endpoint`](Self::endpoint) be `http://` that is not on this machine: everybody on the way
    /// can then read the records, and answer in its place.
    #[must_use]
    pub const fn allow_plain_http(mut self) -> Self {
        self.allow_plain_http = true;
        self
    }

    /// Names the stream by its ARN, as the service recommends: for streams of other accounts, and to use the
    /// endpoints of the account. Requests to streams of other names still name those.
    #[must_use]
    pub fn stream_arn(mut self, stream: StreamArn) -> Self {
        self.stream = Some(stream);
        self
    }

    /// Uses the endpoints with validated cryptography (FIPS 140). What is validated is theirs: that of this
    /// process is not. Has no effect on an [`endpoint`](Self::endpoint) of your own.
    #[must_use]
    pub const fn fips(mut self) -> Self {
        self.variant.fips = true;
        self
    }

    /// Uses the endpoints that have IPv4 and IPv6. Has no effect on an [`endpoint`](Self::endpoint) of your own.
    #[must_use]
    pub const fn dual_stack(mut self) -> Self {
        self.variant.dual_stack = true;
        self
    }

    /// How requests are written; [`Protocol::Json`] by default.
    #[must_use]
    pub const fn protocol(mut self, protocol: Protocol) -> Self {
        self.protocol = protocol;
        self
    }

    /// The way leads through this proxy. There is none by default; [`AwsSettings`](crate::AwsSettings) takes
    /// the one of the environment.
    #[must_use]
    pub fn proxy(mut self, proxy: Proxy) -> Self {
        self.proxy = ProxyChoice::Fixed(proxy);
        self
    }

    /// The way leads through the proxy that the environment has for the endpoint.
    pub(crate) fn proxy_of(mut self, environment: Environment) -> Self {
        self.proxy = ProxyChoice::Environment(environment);
        self
    }

    /// Trusts the certificates in this PEM text and no others, instead of those of the platform.
    #[must_use]
    pub fn ca_bundle(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.roots = Roots::Bundle(pem.into());
        self
    }

    /// How long a connection may take to be made, name look-up, proxy and TLS included; 5 s by default.
    #[must_use]
    pub const fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = Some(timeout);
        self
    }

    /// How long a request may take, everything included; 60 s by default. The engine gives up sooner by a
    /// timeout of its own.
    #[must_use]
    pub const fn request_timeout(mut self, timeout: Duration) -> Self {
        self.request_timeout = Some(timeout);
        self
    }

    /// How many connections are kept for the next request, and for how long; 24 and 20 s by default.
    #[must_use]
    pub const fn idle_connections(mut self, max: usize, timeout: Duration) -> Self {
        self.idle_max = Some(max);
        self.idle_timeout = Some(timeout);
        self
    }

    /// Where the time of day in the signatures comes from; the system's clock by default.
    #[must_use]
    pub fn wall_clock(mut self, clock: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        self.wall_clock = Some(std::sync::Arc::new(clock));
        self
    }

    /// Makes the transport. Reads the platform's certificates, unless they are not needed; connects to
    /// nothing yet.
    ///
    /// # Errors
    /// [`BuildError`] says what is missing or wrong.
    pub fn build(mut self) -> Result<HttpTransport, BuildError> {
        let region = self.checked_region()?;
        let credentials = self.credentials.take().ok_or(BuildError::CredentialsMissing)?;
        let data = self.endpoint_for(&region, Plane::Data)?;
        // Through a proxy elsewhere it would leave this machine, whatever the endpoint is called.
        let is_here = data.is_loopback()
            && !matches!(&self.proxy, ProxyChoice::Fixed(proxy) if !proxy.endpoint().is_loopback());
        if data.scheme() == Scheme::Http && !is_here && !self.allow_plain_http {
            return Err(BuildError::PlainHttp);
        }
        let control = self.endpoint_for(&region, Plane::Control)?;
        let control = (control != data).then_some(control);
        let service = Service {
            credentials,
            protocol: self.protocol,
            signer: Signer::new(region, "kinesis"),
            time: ServerTime::new(self.wall_clock.take().unwrap_or_else(system_clock)),
            timeout: self.request_timeout.unwrap_or(REQUEST_TIMEOUT),
        };
        let tls = match data.scheme() {
            Scheme::Http => None,
            Scheme::Https => Some(tls::connector(&self.roots).map_err(BuildError::Tls)?),
        };
        let proxy = self.proxy_for(&data)?;
        let destination = |endpoint| Destination {
            connector: Connector {
                endpoint,
                proxy: proxy.clone(),
                timeout: self.connect_timeout.unwrap_or(CONNECT_TIMEOUT),
                tls: tls.clone(),
            },
            pool: Pool::new(
                self.idle_max.unwrap_or(IDLE_MAX),
                self.idle_timeout.unwrap_or(IDLE_TIMEOUT),
            ),
        };
        let (data, control) = (destination(data), control.map(destination));
        let buffers = Buffers::default();
        Ok(HttpTransport::new(Inner { buffers, control, data, service, stream: self.stream }))
    }

    /// The region, which the ARN must not contradict.
    fn checked_region(&self) -> Result<Region, BuildError> {
        let Some(stream) = &self.stream else {
            return self.region.clone().ok_or(BuildError::RegionMissing);
        };
        // An ARN's region is a label already.
        let own = Region::new(stream.region()).map_err(|_| BuildError::RegionMissing)?;
        let region = self.region.clone().unwrap_or_else(|| own.clone());
        if region != own
            || (self.endpoint.is_none() && stream.partition() != names::partition(&own))
        {
            return Err(BuildError::StreamElsewhere);
        }
        Ok(region)
    }

    fn proxy_for(&self, endpoint: &Endpoint) -> Result<Option<Proxy>, BuildError> {
        match &self.proxy {
            ProxyChoice::Environment(environment) => {
                proxy::of_environment(endpoint, |name| environment.variable(name))
                    .map_err(BuildError::Proxy)
            }
            ProxyChoice::Fixed(proxy) => Ok(Some(proxy.clone())),
            ProxyChoice::None => Ok(None),
        }
    }

    fn endpoint_for(&self, region: &Region, plane: Plane) -> Result<Endpoint, BuildError> {
        match &self.endpoint {
            Some(endpoint) => Ok(endpoint.clone()),
            None => {
                let host = names::host(region, self.variant, self.stream.as_ref(), plane);
                Endpoint::https(&host).map_err(BuildError::Endpoint)
            }
        }
    }
}

impl fmt::Debug for HttpBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpBuilder")
            .field("endpoint", &self.endpoint)
            .field("protocol", &self.protocol)
            .field("proxy", &self.proxy)
            .field("region", &self.region)
            .field("stream", &self.stream)
            .finish_non_exhaustive()
    }
}

/// Why a transport cannot be made.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum BuildError {
    /// There are no credentials.
    CredentialsMissing,
    /// The name of the service's endpoint in the region is no host name.
    Endpoint(EndpointError),
    /// The endpoint is `http://` and not on this machine, or the proxy to it is not.
    PlainHttp,
    /// The proxy of the environment.
    Proxy(EndpointError),
    /// There is no region.
    RegionMissing,
    /// The ARN of the stream names another region, or one of another partition.
    StreamElsewhere,
    /// There is no TLS.
    Tls(TlsError),
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CredentialsMissing => f.write_str("the transport has no credentials"),
            Self::Endpoint(error) => error.fmt(f),
            Self::PlainHttp => f.write_str(
                "the endpoint is http:// and it, or the proxy to it, is not on this machine: use https://, or allow plain HTTP",
            ),
            Self::Proxy(error) => write!(f, "the proxy of the environment: {error}"),
            Self::RegionMissing => f.write_str(
                "the transport has no region: call `region`, set AWS_REGION, or configure one in the AWS profile",
            ),
            Self::StreamElsewhere => {
                f.write_str("the stream's ARN is of another region or partition than the transport")
            }
            Self::Tls(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for BuildError {}
