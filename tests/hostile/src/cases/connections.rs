//! Connections that are not made, or break.

use core::time::Duration;

use headwaters_transport::{Sent, Transport};
use headwaters_wire::ErrorCode;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::timeout;

use crate::{Server, Setup, Step, code, failure, nobody, put, request, sized_request, stored};

/// It is refused.
pub async fn nobody_listens<T: Transport>(connect: impl Fn(Setup) -> T) {
    let transport = connect(Setup::new(nobody()));
    assert_eq!(put(&transport).await, (Err(ErrorCode::ConnectFailed), Sent::No));
}

/// One that is reserved for this.
pub async fn a_name_that_nobody_has<T: Transport>(connect: impl Fn(Setup) -> T) {
    let transport = connect(Setup::new("https://headwaters.invalid"));
    assert_eq!(put(&transport).await, (Err(ErrorCode::ConnectFailed), Sent::No));
}

/// A listener whose queue is full takes no further connection.
pub async fn a_connection_that_is_never_made<T: Transport>(connect: impl Fn(Setup) -> T) {
    let socket = TcpSocket::new_v4().expect("there are sockets");
    socket.bind(([127, 0, 0, 1], 0).into()).expect("there are free ports");
    let listener = socket.listen(1).expect("it listens");
    let address = listener.local_addr().expect("it listens");
    let mut queue = Vec::new();
    while let Ok(Ok(stream)) =
        timeout(Duration::from_millis(300), TcpStream::connect(address)).await
    {
        queue.push(stream);
    }
    let setup = Setup::new(format!("http://{address}"));
    let patient = connect(setup.clone().within(200));
    let hasty = connect(Setup { connect_timeout: Duration::from_millis(200), ..setup });
    assert_eq!(put(&hasty).await, (Err(ErrorCode::ConnectFailed), Sent::No));
    assert_eq!(put(&patient).await, (Err(ErrorCode::NotSent), Sent::No));
    // A cancel meanwhile: not sent.
    let request = request(1);
    let departure = request.departure.clone();
    let waiting = timeout(Duration::from_millis(100), hasty.put_records(request));
    assert!(waiting.await.is_err(), "nobody answers");
    assert_eq!(departure.sent(), Sent::No);
}

/// The server closes after each answer, without saying so.
pub async fn a_kept_connection_that_was_closed_costs_nothing<T: Transport>(
    connect: impl Fn(Setup) -> T,
) {
    let server = Server::start([]).await.otherwise(Step::AnswerAndClose(stored(1)));
    let transport = connect(Setup::new(server.url()));
    for _ in 0..20 {
        assert_eq!(put(&transport).await, (Ok(()), Sent::Unknown));
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(server.received().len(), 20, "nothing is sent twice");
}

/// Nobody read it, and nobody says that it was stored.
pub async fn a_reset_before_the_request_is_never_taken_for_stored<T: Transport>(
    connect: impl Fn(Setup) -> T,
) {
    let server = Server::start([Step::ResetAtOnce]).await;
    let (result, _) = put(&connect(Setup::new(server.url()))).await;
    // Which of them depends on who is faster.
    let code = result.expect_err("nothing was stored");
    let codes = [ErrorCode::NotSent, ErrorCode::ConnectionLost, ErrorCode::ConnectFailed];
    assert!(codes.contains(&code), "{code}");
    assert!(server.received().is_empty());
}

/// While most of it is still here.
pub async fn a_reset_amid_a_large_request<T: Transport>(connect: impl Fn(Setup) -> T) {
    let server = Server::start([Step::ResetAtFirstByte]).await;
    let request = sized_request(10, 1024 * 1024);
    let departure = request.departure.clone();
    let result = connect(Setup::new(server.url())).put_records(request).await;
    assert_eq!(code(&result), Err(ErrorCode::ConnectionLost));
    assert_eq!(departure.sent(), Sent::Unknown);
}

/// The server reads one byte, refuses, and keeps the connection open for a while.
pub async fn an_answer_before_the_end_of_the_request_counts<T: Transport>(
    connect: impl Fn(Setup) -> T,
) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("there are free ports");
    let port = listener.local_addr().expect("it listens").port();
    tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.expect("somebody comes");
        socket.read_u8().await.expect("a byte");
        let refusal = failure("413 Payload Too Large", "RequestEntityTooLargeException");
        socket.write_all(&refusal).await.expect("somebody reads");
        let mut sink = vec![0; 64 * 1024];
        while socket.read(&mut sink).await.is_ok_and(|bytes| bytes > 0) {}
    });
    let transport = connect(Setup::new(format!("http://127.0.0.1:{port}")));
    let result = transport.put_records(sized_request(10, 1024 * 1024)).await;
    assert_eq!(code(&result), Err(ErrorCode::RequestEntityTooLarge));
}

/// With all of its connections, of which the transport has kept one.
pub async fn a_server_goes_down_and_comes_back<T: Transport>(connect: impl Fn(Setup) -> T) {
    let server = Server::start([]).await;
    let port = server.port();
    let transport = connect(Setup::new(server.url()));
    assert_eq!(put(&transport).await.0, Ok(()));
    server.stop().await;
    for _ in 0..3 {
        assert_eq!(put(&transport).await, (Err(ErrorCode::ConnectFailed), Sent::No));
    }
    let back = Server::start_at(port, []).await;
    assert_eq!(put(&transport).await.0, Ok(()));
    assert_eq!(back.received().len(), 1);
}
