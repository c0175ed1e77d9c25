use core::fmt;
use core::net::{IpAddr, Ipv6Addr};
use core::str::FromStr;
use std::sync::Arc;

/// Where requests go: a scheme, a host and a port, and nothing else.
///
/// There is no path, no user and no query: a text that has one is refused, so that what looks like one host
/// cannot be another.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Endpoint {
    host: Host,
    port: u16,
    scheme: Scheme,
}

#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) enum Scheme {
    Http,
    Https,
}

#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(crate) enum Host {
    Address(IpAddr),
    /// In lower case.
    Name(Arc<str>),
}

/// Longest name of a host (RFC 1035).
const HOST_CHARS_MAX: usize = 253;
/// Longest part of it between two dots.
const LABEL_CHARS_MAX: usize = 63;

impl Endpoint {
    /// Parses `https://HOST`, `https://HOST:PORT`, or the same with `http`. A single `/` may follow.
    ///
    /// # Errors
    /// [`EndpointError`] names the part that is wrong.
    pub fn new(url: &str) -> Result<Self, EndpointError> {
        let (scheme, rest) = url.split_once("://").ok_or(EndpointError::Scheme)?;
        let scheme = Scheme::parse(scheme).ok_or(EndpointError::Scheme)?;
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        if authority.contains('@') {
            return Err(EndpointError::User);
        }
        if authority.contains(['/', '?', '#', '\\']) {
            return Err(EndpointError::Path);
        }
        let (host, port) = split_port(authority)?;
        let port = port.map_or(Ok(scheme.port()), parse_port)?;
        Ok(Self { host: Host::parse(host).ok_or(EndpointError::Host)?, port, scheme })
    }

    /// An endpoint of AWS itself.
    pub(crate) fn https(host: &str) -> Result<Self, EndpointError> {
        let host = Host::parse(host).ok_or(EndpointError::Host)?;
        Ok(Self { host, port: Scheme::Https.port(), scheme: Scheme::Https })
    }

    pub(crate) const fn host(&self) -> &Host {
        &self.host
    }

    pub(crate) const fn port(&self) -> u16 {
        self.port
    }

    pub(crate) const fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The host and, unless it is the scheme's own, the port: what the header `Host` says.
    pub(crate) fn authority(&self) -> String {
        if self.port == self.scheme.port() {
            return self.host.to_string();
        }
        format!("{}:{}", self.host, self.port)
    }

    /// Whether requests do not leave the machine.
    pub(crate) fn is_loopback(&self) -> bool {
        match &self.host {
            Host::Address(address) => address.is_loopback(),
            // RFC 6761: these names are loopback. That they really are is looked at when connecting.
            Host::Name(name) => &**name == "localhost" || name.ends_with(".localhost"),
        }
    }
}

impl Scheme {
    fn parse(text: &str) -> Option<Self> {
        if text.eq_ignore_ascii_case("https") {
            Some(Self::Https)
        } else if text.eq_ignore_ascii_case("http") {
            Some(Self::Http)
        } else {
            None
        }
    }

    const fn port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

impl Host {
    /// A name, an IPv4 address, or an IPv6 address in brackets.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        if let Some(inner) = text.strip_prefix('[') {
            let address: Ipv6Addr = inner.strip_suffix(']')?.parse().ok()?;
            return Some(Self::Address(address.into()));
        }
        if let Ok(address) = text.parse() {
            return Some(Self::Address(IpAddr::V4(address)));
        }
        // What ends in a number is an address in one of the many forms that some programs read (RFC 3986,
        // 7.4; the URL standard), and no name.
        let ends_in_a_number = text
            .rsplit('.')
            .next()
            .is_some_and(|label| label.starts_with(|c: char| c.is_ascii_digit()));
        let is_name = text.len() <= HOST_CHARS_MAX && text.split('.').all(is_label);
        (is_name && !ends_in_a_number).then(|| Self::Name(text.to_ascii_lowercase().into()))
    }
}

/// Underscores are no part of host names, but of names in private networks.
fn is_label(label: &str) -> bool {
    (1..=LABEL_CHARS_MAX).contains(&label.len())
        && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
        && !label.starts_with('-')
        && !label.ends_with('-')
}

fn split_port(authority: &str) -> Result<(&str, Option<&str>), EndpointError> {
    if authority.starts_with('[') {
        let end = authority.find(']').ok_or(EndpointError::Host)? + 1;
        let (host, rest) = authority.split_at(end);
        return match rest.strip_prefix(':') {
            Some(port) => Ok((host, Some(port))),
            None if rest.is_empty() => Ok((host, None)),
            None => Err(EndpointError::Host),
        };
    }
    Ok(authority.split_once(':').map_or((authority, None), |(host, port)| (host, Some(port))))
}

fn parse_port(text: &str) -> Result<u16, EndpointError> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let port = if digits { text.parse().unwrap_or(0) } else { 0 };
    if port == 0 { Err(EndpointError::Port) } else { Ok(port) }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(IpAddr::V4(address)) => address.fmt(f),
            Self::Address(IpAddr::V6(address)) => write!(f, "[{address}]"),
            Self::Name(name) => f.write_str(name),
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme.as_str(), self.authority())
    }
}

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(url: &str) -> Result<Self, EndpointError> {
        Self::new(url)
    }
}

impl TryFrom<&str> for Endpoint {
    type Error = EndpointError;

    fn try_from(url: &str) -> Result<Self, EndpointError> {
        Self::new(url)
    }
}

/// Why a text is not an [`Endpoint`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum EndpointError {
    /// The host is neither a name nor an address.
    Host,
    /// Something follows the host and the port.
    Path,
    /// The port is not 1 to 65535.
    Port,
    /// It does not begin with `https://` or `http://`.
    Scheme,
    /// There is a user or a password.
    User,
}

impl fmt::Display for EndpointError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let wrong = match self {
            Self::Host => "the host is neither a name nor an IP address",
            Self::Path => "it may have no path, query or fragment",
            Self::Port => "the port is not 1 to 65535",
            Self::Scheme => "it does not begin with https:// or http://",
            Self::User => "it may have no user and no password",
        };
        write!(f, "the endpoint is wrong: {wrong}; its form is https://HOST or https://HOST:PORT")
    }
}

impl core::error::Error for EndpointError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_prints_as_it_was() {
        for (url, printed, authority) in [
            (
                "https://kinesis.eu-central-1.amazonaws.com",
                None,
                "kinesis.eu-central-1.amazonaws.com",
            ),
            ("http://localhost:4567/", Some("http://localhost:4567"), "localhost:4567"),
            ("https://[::1]:443", Some("https://[::1]"), "[::1]"),
            ("http://127.0.0.1:80", Some("http://127.0.0.1"), "127.0.0.1"),
            ("HTTPS://Example.ORG:8443", Some("https://example.org:8443"), "example.org:8443"),
            ("http://kinesis_mock:443", None, "kinesis_mock:443"),
        ] {
            let endpoint = Endpoint::new(url).expect(url);
            assert_eq!(endpoint.to_string(), printed.unwrap_or(url));
            assert_eq!(endpoint.authority(), authority);
            assert_eq!(Endpoint::new(&endpoint.to_string()), Ok(endpoint));
        }
    }

    #[test]
    fn what_could_lead_elsewhere_is_refused() {
        use EndpointError::{Host, Path, Port, Scheme, User};
        for (url, error) in [
            ("kinesis.eu-central-1.amazonaws.com", Scheme),
            ("ftp://host", Scheme),
            ("https://kinesis.amazonaws.com@attacker.example", User),
            ("https://user:secret@host", User),
            ("https://host/path", Path),
            ("https://host?x", Path),
            ("https://host#x", Path),
            ("https://host\\x", Path),
            ("https://host//", Path),
            ("https://host:0", Port),
            ("https://host:65536", Port),
            ("https://host:+80", Port),
            ("https://host:", Port),
            ("https://", Host),
            ("https://:80", Host),
            ("https://ho st", Host),
            ("https://host\r\nx", Host),
            ("https://a..b", Host),
            ("https://-a", Host),
            ("https://[::1", Host),
            ("https://[::1]x", Host),
            ("https://[fe80::1%eth0]", Host),
            ("https://127.1", Host),
            ("https://0x7f000001", Host),
            ("https://2130706433", Host),
            ("https://h\u{f6}st", Host),
        ] {
            assert_eq!(Endpoint::new(url), Err(error), "{url}");
        }
    }

    #[test]
    fn loopback_is_known() {
        for (url, loopback) in [
            ("http://localhost", true),
            ("http://a.localhost", true),
            ("http://127.3.2.1", true),
            ("http://[::1]", true),
            ("http://localhost.example", false),
            ("http://10.0.0.1", false),
            ("http://[::ffff:10.0.0.1]", false),
        ] {
            assert_eq!(Endpoint::new(url).expect(url).is_loopback(), loopback, "{url}");
        }
    }
}
