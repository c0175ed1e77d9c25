use core::time::Duration;

use bytes::Bytes;
use headwaters_transport::Departure;
use headwaters_wire::{AttemptError, Class, ErrorCode, Message};
use http::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, DATE, HOST, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri};

use crate::answer::{read_failure, unusable};
use crate::body::Protocol;
use crate::connection::{Answer, Connection, ExchangeError};
use crate::connector::Connector;
use crate::credentials::{CachedCredentials, Credentials};
use crate::pool::Pool;
use crate::sign::{Canonical, Signer};
use crate::skew::ServerTime;
use crate::time::Deadline;

/// Sends requests to the service and brings its answers.
#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) credentials: CachedCredentials,
    pub(crate) protocol: Protocol,
    pub(crate) signer: Signer,
    pub(crate) time: ServerTime,
    pub(crate) timeout: Duration,
}

/// One of the service's endpoints.
#[derive(Debug)]
pub(crate) struct Destination {
    pub(crate) connector: Connector,
    pub(crate) pool: Pool,
}

/// What to ask.
pub(crate) struct Call<'a> {
    pub(crate) body: &'a (dyn Fn() -> Bytes + Sync),
    pub(crate) departure: Option<Departure>,
    /// Most bytes of the answer.
    pub(crate) limit: usize,
    pub(crate) operation: &'static str,
    /// How it is written.
    pub(crate) protocol: Protocol,
}

/// An answer that is a success, and how it is written: not always as it was asked for.
pub(crate) struct Success {
    pub(crate) body: Bytes,
    pub(crate) protocol: Protocol,
}

const TARGET: HeaderName = HeaderName::from_static("x-amz-target");
const AMZ_DATE: HeaderName = HeaderName::from_static("x-amz-date");
const SECURITY_TOKEN: HeaderName = HeaderName::from_static("x-amz-security-token");
const ERROR_TYPE: HeaderName = HeaderName::from_static("x-amzn-errortype");

/// In milliseconds.
const RETRY_AFTER: HeaderName = HeaderName::from_static("x-amz-retry-after");

const AGENT: &str = concat!("headwaters/", env!("CARGO_PKG_VERSION"));

impl Service {
    /// Asks, and brings what a success says.
    ///
    /// # Cancel safety
    /// Dropping the future closes the connection; the departure says whether anything left through it.
    pub(crate) async fn ask(
        &self,
        destination: &Destination,
        call: Call<'_>,
    ) -> Result<Success, AttemptError> {
        let deadline = Deadline::after(self.timeout);
        // Without one of the caller's, one of our own tells at the deadline whether anything was sent.
        let departure = call.departure.clone().unwrap_or_default();
        departure.hold();
        let call = Call { departure: Some(departure.clone()), ..call };
        let answered = deadline.bound(self.try_ask(destination, &call)).await;
        answered.unwrap_or_else(|| {
            let code = match departure.sent() {
                headwaters_transport::Sent::No => ErrorCode::NotSent,
                headwaters_transport::Sent::Unknown => ErrorCode::RequestTimeout,
            };
            Err(error(code, &format!("no answer within {:?}", self.timeout)))
        })
    }

    async fn try_ask(
        &self,
        destination: &Destination,
        call: &Call<'_>,
    ) -> Result<Success, AttemptError> {
        let credentials = self.credentials.get(self.time.clock()).await.map_err(|why| {
            error(ErrorCode::MissingAuthenticationToken, &format!("no credentials: {why}"))
        })?;
        let (mut connection, mut is_fresh) = match destination.pool.take().await {
            Some(connection) => (connection, false),
            None => (connect(&destination.connector).await?, true),
        };
        let body = (call.body)();
        loop {
            let (request, added) = self.request(destination, call, &credentials, body.clone())?;
            let departure = call.departure.clone();
            match connection.exchange(request, departure, call.limit).await {
                Ok(answer) => {
                    destination.pool.put(connection).await;
                    return self.read(answer, call.protocol, (&credentials, added));
                }
                // The server had closed a connection that was kept. Nothing has left, so nothing is sent twice.
                Err(ExchangeError::Gone) if !is_fresh => {
                    connection = connect(&destination.connector).await?;
                    is_fresh = true;
                }
                Err(failure) => return Err(failure.into()),
            }
        }
    }

    fn request(
        &self,
        destination: &Destination,
        call: &Call<'_>,
        credentials: &Credentials,
        body: Bytes,
    ) -> Result<(Request<Bytes>, i64), AttemptError> {
        let (date, added) = self.time.date();
        let (host, date_text) = (destination.connector.endpoint.authority(), date.to_string());
        let target = format!("Kinesis_20131202.{}", call.operation);
        // In the order in which they are signed.
        let mut headers = vec![
            (CONTENT_TYPE, call.protocol.content_type()),
            (HOST, &host),
            (AMZ_DATE, &date_text),
        ];
        headers.extend(credentials.session_token().map(|token| (SECURITY_TOKEN, token)));
        headers.push((TARGET, &target));
        let signed: Vec<(&str, &str)> =
            headers.iter().map(|(name, value)| (name.as_str(), *value)).collect();
        let canonical =
            Canonical { method: "POST", path: "/", query: "", headers: &signed, body: &body };
        let authorization = self.signer.authorization(&canonical, credentials, date);

        let mut map = HeaderMap::with_capacity(headers.len() + 3);
        headers.push((AUTHORIZATION, &authorization));
        headers.push((USER_AGENT, AGENT));
        for (name, value) in headers {
            let is_secret = name == AUTHORIZATION || name == SECURITY_TOKEN;
            let mut value = HeaderValue::from_str(value).map_err(|_| {
                error(ErrorCode::NotSent, "a header has characters that it cannot have")
            })?;
            value.set_sensitive(is_secret);
            map.insert(name, value);
        }
        let mut request = Request::new(body);
        *request.method_mut() = Method::POST;
        *request.uri_mut() = Uri::from_static("/");
        *request.headers_mut() = map;
        Ok((request, added))
    }

    /// What a success says, or the error that the service told of a request that was signed with these credentials and so
    /// many seconds added to this machine's time.
    fn read(
        &self,
        answer: Answer,
        asked: Protocol,
        (credentials, added): (&Credentials, i64),
    ) -> Result<Success, AttemptError> {
        let Answer { body, headers, status } = answer;
        if headers.contains_key(CONTENT_ENCODING) {
            return Err(unusable("the answer is encoded in a way that nobody asked for"));
        }
        let header = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
        self.time.see(header(DATE));
        let protocol = header(CONTENT_TYPE).and_then(Protocol::of).unwrap_or(asked);
        if status.is_success() {
            return Ok(Success { body, protocol });
        }
        let retry_after = header(RETRY_AFTER).and_then(|millis| millis.parse().ok());
        let mut failure = read_failure(protocol, status, header(ERROR_TYPE), &body);
        failure.retry_after = retry_after.map(Duration::from_millis);
        if failure.code.class() == Class::Credentials {
            // With the right time, or with new credentials, the next attempt may succeed.
            if self.time.learn(added, header(DATE)) {
                let text = format!("{} (this machine's clock is off)", failure.message);
                failure.message = Message::new(&text);
            } else {
                self.credentials.refuse(credentials);
            }
        }
        Err(failure)
    }
}

async fn connect(connector: &Connector) -> Result<Connection, AttemptError> {
    connector.connect().await.map_err(|why| error(ErrorCode::ConnectFailed, &why))
}

fn error(code: ErrorCode, message: &str) -> AttemptError {
    AttemptError::with_message(code, Message::new(message))
}

impl From<ExchangeError> for AttemptError {
    fn from(failure: ExchangeError) -> Self {
        match failure {
            ExchangeError::Gone => {
                error(ErrorCode::NotSent, "the connection broke before anything was sent")
            }
            ExchangeError::Lost(why) => error(ErrorCode::ConnectionLost, &why.to_string()),
            ExchangeError::NotHttp(why) => unusable(&why.to_string()),
            ExchangeError::TooLarge => unusable("the answer is larger than it can be"),
        }
    }
}
