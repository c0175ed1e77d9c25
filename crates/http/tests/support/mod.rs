//! Transports to a [`Server`](headwaters_hostile::Server).
#![allow(dead_code, reason = "each test binary uses its part")]

use headwaters_hostile::{ACCESS_KEY_ID, SECRET_ACCESS_KEY, SESSION_TOKEN, Server, Setup};
use headwaters_http::{Credentials, Endpoint, HttpBuilder, HttpTransport, Proxy, Region};

pub(crate) fn credentials() -> Credentials {
    Credentials::new(ACCESS_KEY_ID, SECRET_ACCESS_KEY)
        .and_then(|credentials| credentials.with_session_token(SESSION_TOKEN))
        .expect("valid ones")
}

pub(crate) fn builder(setup: Setup) -> HttpBuilder {
    let mut builder = HttpTransport::builder()
        .connect_timeout(setup.connect_timeout)
        .credentials(credentials())
        .endpoint(Endpoint::new(&setup.url).expect("a valid endpoint"))
        .region(Region::new("us-east-1").expect("a valid region"))
        .request_timeout(setup.request_timeout);
    if let Some(pem) = setup.ca_bundle {
        builder = builder.ca_bundle(pem);
    }
    match setup.proxy {
        Some(url) => builder.proxy(Proxy::new(&url).expect("a valid proxy")),
        None => builder,
    }
}

pub(crate) fn connect(setup: Setup) -> HttpTransport {
    builder(setup).build().expect("nothing is missing")
}

/// For the endpoint that this server is.
pub(crate) fn builder_for(server: &Server) -> HttpBuilder {
    builder(Setup::new(server.url()))
}
