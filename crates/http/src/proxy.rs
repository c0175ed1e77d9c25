use core::fmt;
use core::net::IpAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use zeroize::Zeroizing;

use crate::endpoint::{Endpoint, EndpointError, Host, Scheme};

/// An HTTP proxy that makes tunnels (the method CONNECT).
///
/// It carries bytes: TLS is between this process and the endpoint, and the proxy sees the host, the port, and
/// sizes. `Debug` prints no password.
#[derive(Clone, Eq, PartialEq)]
pub struct Proxy {
    endpoint: Endpoint,
    /// The value of the header `Proxy-Authorization`.
    authorization: Option<Zeroizing<String>>,
}

impl Proxy {
    /// Parses `http://HOST:PORT` or `http://USER:PASSWORD@HOST:PORT`, with `%` escapes in user and password. The
    /// usual variables also have it without `http://`.
    ///
    /// # Errors
    /// [`EndpointError`] names the part that is wrong. A proxy that is itself reached through TLS (`https://`) is not
    /// supported: [`EndpointError::Scheme`].
    pub fn new(url: &str) -> Result<Self, EndpointError> {
        let rest = match url.split_once("://") {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => rest,
            Some(_) => return Err(EndpointError::Scheme),
            None => url,
        };
        let (user, host) = match rest.rsplit_once('@') {
            Some((user, host)) => (Some(user), host),
            None => (None, rest),
        };
        let authorization = match user {
            Some(user) => Some(basic(user).ok_or(EndpointError::User)?),
            None => None,
        };
        Ok(Self { endpoint: Endpoint::new(&format!("http://{host}"))?, authorization })
    }

    pub(crate) const fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Asks the proxy for a tunnel.
    ///
    /// # Errors
    /// It refused, or is no proxy: nothing of what was to go through the tunnel was sent.
    pub(crate) async fn tunnel(
        &self,
        socket: &mut TcpStream,
        to: &Endpoint,
    ) -> Result<(), TunnelError> {
        let to = format!("{}:{}", to.host(), to.port());
        let mut request = Zeroizing::new(format!("CONNECT {to} HTTP/1.1\r\nHost: {to}\r\n"));
        if let Some(authorization) = &self.authorization {
            request.extend(["Proxy-Authorization: ", authorization, "\r\n"]);
        }
        request.push_str("\r\n");
        socket.write_all(request.as_bytes()).await?;
        let head = read_head(socket).await?;
        match status(&head) {
            Some(200..=299) => Ok(()),
            Some(status) => Err(TunnelError::Refused(status)),
            None => Err(TunnelError::NoProxy),
        }
    }
}

/// Longest head of a proxy's answer.
const HEAD_BYTES_MAX: usize = 8 * 1024;

/// Reads byte by byte, for what comes behind the head belongs to the tunnel. It is short and comes once for
/// a connection.
async fn read_head(socket: &mut TcpStream) -> Result<Vec<u8>, TunnelError> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() == HEAD_BYTES_MAX {
            return Err(TunnelError::NoProxy);
        }
        head.push(socket.read_u8().await?);
    }
    Ok(head)
}

/// The status in `HTTP/1.1 200 OK`.
fn status(head: &[u8]) -> Option<u16> {
    let rest = head.strip_prefix(b"HTTP/1.0 ").or_else(|| head.strip_prefix(b"HTTP/1.1 "))?;
    let digits = core::str::from_utf8(rest.get(..3)?).ok()?;
    let ends = matches!(rest.get(3), Some(b' ' | b'\r'));
    (ends && digits.bytes().all(|byte| byte.is_ascii_digit())).then(|| digits.parse().ok())?
}

/// Why there is no tunnel.
#[derive(Debug)]
pub(crate) enum TunnelError {
    Io(std::io::Error),
    NoProxy,
    Refused(u16),
}

impl From<std::io::Error> for TunnelError {
    fn from(error: std::io::Error) -> Self {
        Self::Io(error)
    }
}

impl fmt::Display for TunnelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => write!(f, "the proxy broke the connection: {error}"),
            Self::NoProxy => f.write_str("what answers is no HTTP proxy"),
            Self::Refused(407) => f.write_str("the proxy wants other credentials (407)"),
            Self::Refused(status) => write!(f, "the proxy refused the tunnel ({status})"),
        }
    }
}

/// The scheme `Basic` (RFC 7617) for `user:password` with escapes.
fn basic(user: &str) -> Option<Zeroizing<String>> {
    let (user, password) = user.split_once(':').unwrap_or((user, ""));
    let plain = Zeroizing::new([unescape(user)?, unescape(password)?].join(&b':'));
    let encoded = Zeroizing::new(base64_simd::STANDARD.encode_to_string(&*plain));
    Some(Zeroizing::new(format!("Basic {}", *encoded)))
}

fn unescape(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let byte = if byte == b'%' {
            let mut digit = || char::from(rest.next()?).to_digit(16);
            let (high, low) = (digit()?, digit()?);
            u8::try_from(high << 4 | low).ok()?
        } else {
            byte
        };
        bytes.push(byte);
    }
    // A colon in the name would begin the password, a control character might end the header.
    (!bytes.iter().any(u8::is_ascii_control)).then_some(bytes)
}

/// Which proxy an endpoint has, by the variables that most programs read.
///
/// `HTTPS_PROXY` is for `https://`, `HTTP_PROXY` for `http://`, each also in lower case, which comes first;
/// `NO_PROXY` lists hosts that have none: names with everything below them, addresses, or `*`. What is on this
/// machine has none either.
pub(crate) fn of_environment(
    endpoint: &Endpoint,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<Option<Proxy>, EndpointError> {
    let either = |lower: &str, upper: &str| variable(lower).or_else(|| variable(upper));
    let url = match endpoint.scheme() {
        Scheme::Https => either("https_proxy", "HTTPS_PROXY"),
        // A web server takes `Proxy:` of a request for `HTTP_PROXY` of a CGI script.
        Scheme::Http => variable("http_proxy"),
    };
    let except = either("no_proxy", "NO_PROXY").unwrap_or_default();
    match url {
        Some(url) if !endpoint.is_loopback() && !is_excepted(endpoint.host(), &except) => {
            Proxy::new(&url).map(Some)
        }
        _ => Ok(None),
    }
}

fn is_excepted(host: &Host, list: &str) -> bool {
    let mut parts = list.split([',', ' ']).filter(|part| !part.is_empty());
    parts.any(|part| {
        let bare = part.trim_start_matches('.').to_ascii_lowercase();
        match host {
            _ if part == "*" => true,
            Host::Address(address) => {
                bare.trim_matches(['[', ']']).parse::<IpAddr>() == Ok(*address)
            }
            Host::Name(name) => {
                let below = name.strip_suffix(bare.as_str());
                below.is_some_and(|below| below.is_empty() || below.ends_with('.'))
            }
        }
    })
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_and_password_go_into_the_header() {
        let proxy = Proxy::new("http://Aladdin:open%20sesame@proxy.example:3128").expect("a proxy");
        let authorization = proxy.authorization.as_deref().map(String::as_str);
        assert_eq!(authorization, Some("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="));
        assert_eq!(proxy.endpoint.to_string(), "http://proxy.example:3128");
        assert!(!format!("{proxy:?}").contains("QWxh"));
        assert_eq!(
            Proxy::new("proxy.example:3128").map(|proxy| proxy.endpoint),
            Ok(proxy.endpoint)
        );
        for (wrong, error) in [
            ("https://proxy.example", EndpointError::Scheme),
            ("socks5://proxy.example", EndpointError::Scheme),
            ("http://a%0d%0ab@proxy.example", EndpointError::User),
            ("http://a%4@proxy.example", EndpointError::User),
        ] {
            assert_eq!(Proxy::new(wrong), Err(error), "{wrong}");
        }
    }

    #[test]
    fn the_variables_are_read() {
        let proxy = |endpoint: &str, variables: &[(&str, &str)]| {
            let endpoint = Endpoint::new(endpoint).expect(endpoint);
            let variable = |wanted: &str| {
                let found = variables.iter().find(|(name, _)| *name == wanted);
                found.map(|(_, value)| (*value).to_owned())
            };
            let found = of_environment(&endpoint, variable).expect("a proxy");
            found.map(|proxy| proxy.endpoint.to_string())
        };
        let set = [
            ("HTTPS_PROXY", "http://p:1"),
            ("HTTP_PROXY", "http://p:2"),
            ("NO_PROXY", "b.c, 10.0.0.1"),
        ];
        assert_eq!(proxy("https://a.example", &set).as_deref(), Some("http://p:1"));
        assert_eq!(proxy("http://a.example", &set), None, "HTTP_PROXY in capitals is not believed");
        assert_eq!(proxy("https://b.c", &set), None);
        assert_eq!(proxy("https://a.b.c", &set), None);
        assert_eq!(proxy("https://ab.c", &set).as_deref(), Some("http://p:1"));
        assert_eq!(proxy("https://10.0.0.1", &set), None);
        assert_eq!(proxy("https://10.0.0.2", &set).as_deref(), Some("http://p:1"));
        let everything = [set[0], ("no_proxy", "*")];
        assert_eq!(proxy("https://a.example", &everything), None);
        assert_eq!(proxy("https://localhost", &set), None);
        let lower = [set[0], ("https_proxy", "p:3")];
        assert_eq!(proxy("https://a.example", &lower).as_deref(), Some("http://p:3"));
    }
}
