//! Others than the endpoint: credentials and records are not for them.

use headwaters_transport::{Sent, Transport};
use headwaters_wire::ErrorCode;

use crate::{
    ACCESS_KEY_ID, Proxy, SECRET_ACCESS_KEY, SESSION_TOKEN, Server, Setup, Step, answer, list, put,
    sized_request, stored,
};

/// Neither for records nor for shards.
pub async fn redirects_are_not_followed<T: Transport>(connect: impl Fn(Setup) -> T) {
    let elsewhere = Server::start([]).await;
    for status in [
        "300 Multiple Choices",
        "301 Moved Permanently",
        "302 Found",
        "303 See Other",
        "307 Temporary Redirect",
        "308 Permanent Redirect",
    ] {
        let location = format!("Location: {}/\r\n", elsewhere.url());
        let redirect = Step::Answer(answer(status, &location, "{}"));
        let server = Server::start([redirect.clone(), redirect]).await;
        let transport = connect(Setup::new(server.url()));
        let result = put(&transport).await;
        assert_eq!(result, (Err(ErrorCode::UnusableAnswer), Sent::Unknown), "{status}");
        assert_eq!(list(&transport).await, Err(ErrorCode::UnusableAnswer), "{status}");
    }
    assert_eq!(elsewhere.connections(), 0);
}

/// One connection, large requests in pieces, and one that breaks.
pub async fn tls_reaches_who_has_the_certificate<T: Transport>(connect: impl Fn(Setup) -> T) {
    let (server, pem) = Server::start_secure("localhost").await;
    let url = format!("https://localhost:{}", server.port());
    let transport = connect(Setup { ca_bundle: Some(pem), ..Setup::new(url) });
    for _ in 0..3 {
        assert_eq!(put(&transport).await, (Ok(()), Sent::Unknown));
    }
    assert_eq!(server.connections(), 1);
    let cut = stored(1)[..150].to_vec();
    server.script([
        Step::Answer(stored(2)),
        Step::AnswerAndClose(vec![]),
        Step::AnswerAndClose(cut),
    ]);
    let result = transport.put_records(sized_request(2, 2 * 1024 * 1024)).await;
    assert!(result.is_ok(), "{result:?}");
    for _ in 0..2 {
        assert_eq!(put(&transport).await, (Err(ErrorCode::ConnectionLost), Sent::Unknown));
    }
    assert_eq!(put(&transport).await.0, Ok(()));
    let received = server.received();
    let head = &received[0].head;
    assert!(head.contains(ACCESS_KEY_ID) && head.contains(SESSION_TOKEN), "{head}");
    assert!(!head.contains(SECRET_ACCESS_KEY));
}

/// Unknown to the platform; known, but under another name; vouched for by somebody else.
pub async fn tls_does_not_reach_anybody_else<T: Transport>(connect: impl Fn(Setup) -> T) {
    let (server, _) = Server::start_secure("localhost").await;
    let (other, other_pem) = Server::start_secure("example.org").await;
    let here = Setup::new(format!("https://localhost:{}", server.port()));
    let there = Setup::new(format!("https://localhost:{}", other.port()));
    for setup in [
        here.clone(),
        Setup { ca_bundle: Some(other_pem.clone()), ..there },
        Setup { ca_bundle: Some(other_pem), ..here },
    ] {
        assert_eq!(put(&connect(setup)).await, (Err(ErrorCode::ConnectFailed), Sent::No));
    }
    assert!(server.received().is_empty() && other.received().is_empty());
}

/// It is told where to, and all else is for the server. The name is for the proxy to look up.
pub async fn a_proxy_makes_tunnels_and_sees_nothing<T: Transport>(connect: impl Fn(Setup) -> T) {
    let (server, pem) = Server::start_secure("kinesis.example").await;
    let proxy = Proxy::start(server.port(), "200 Connection established").await;
    let url = format!("http://user:p%40ss@127.0.0.1:{}", proxy.port());
    let setup = Setup::new("https://kinesis.example");
    let transport = connect(Setup { ca_bundle: Some(pem), proxy: Some(url), ..setup });
    assert_eq!(put(&transport).await, (Ok(()), Sent::Unknown));
    assert_eq!(put(&transport).await, (Ok(()), Sent::Unknown));
    let asked = proxy.asked();
    assert_eq!(asked.len(), 1, "one tunnel: {asked:?}");
    assert!(asked[0].starts_with("CONNECT kinesis.example:443 HTTP/1.1\r\n"), "{asked:?}");
    // `user:p@ss`.
    let authorization = "proxy-authorization: basic dxnlcjpwqhnz";
    assert!(asked[0].to_ascii_lowercase().contains(authorization), "{asked:?}");
    let passed = proxy.passed();
    let seen = [asked[0].as_bytes(), &passed].concat();
    for secret in [ACCESS_KEY_ID, SECRET_ACCESS_KEY, SESSION_TOKEN, "AWS4-HMAC-SHA256"] {
        let is_there = seen.windows(secret.len()).any(|bytes| bytes == secret.as_bytes());
        assert!(!is_there, "the proxy sees {secret}");
    }
    assert!(passed.len() > 500, "the tunnel was used");
    assert_eq!(server.received()[0].header("proxy-authorization"), None, "not for the server");
}

/// No tunnel, no request: not past the proxy, and not through it.
pub async fn a_proxy_that_refuses_gets_nothing<T: Transport>(connect: impl Fn(Setup) -> T) {
    let (server, pem) = Server::start_secure("localhost").await;
    for status in ["407 Proxy Authentication Required", "403 Forbidden", "302 Found", "abc"] {
        let proxy = Proxy::start(server.port(), status).await;
        let setup = Setup::new(format!("https://localhost:{}", server.port()));
        let url = format!("http://127.0.0.1:{}", proxy.port());
        let transport = connect(Setup { ca_bundle: Some(pem.clone()), proxy: Some(url), ..setup });
        assert_eq!(put(&transport).await, (Err(ErrorCode::ConnectFailed), Sent::No), "{status}");
        assert!(proxy.asked()[0].starts_with("CONNECT "), "{status}");
        assert!(proxy.passed().is_empty(), "{status}");
    }
    assert!(server.received().is_empty());
}
