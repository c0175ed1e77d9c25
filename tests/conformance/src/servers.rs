use core::time::Duration;
use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, Request};
use axum::middleware::{self, Next};
use ferrokinesis::store::StoreOptions;
use headwaters::http::Protocol::{Cbor, Json};
use headwaters_server::FaultPlan;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;

use crate::admin::{Admin, pause};
use crate::arm::{Arm, Quirks, Server, Skipped};
use crate::clients::Client;

/// A server that ends with the value.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) port: u16,
    _process: Process,
}

#[derive(Debug)]
enum Process {
    #[expect(dead_code, reason = "it is killed when it is dropped")]
    Child(Child),
    #[expect(dead_code, reason = "it ends when it is dropped")]
    Ours(headwaters_server::Server),
    Task(JoinHandle<()>),
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Self::Task(task) = self {
            task.abort();
        }
    }
}

/// The mock: what the service does, in this process.
pub fn mock() -> Arm {
    let quirks = Quirks { no_arn: true, ..Quirks::default() };
    Arm::new("mock", None, quirks)
}

/// Our own server, as a library.
///
/// # Panics
/// There is no free port.
pub async fn serve(client: Client) -> Arm {
    let name = match client {
        Client::Aws => "aws to serve",
        Client::Http(Cbor) => "http (CBOR) to serve",
        Client::Http(Json) => "http (JSON) to serve",
    };
    ours(name, client, FaultPlan::default(), Quirks::default()).await
}

/// Our own server, and everything that can go wrong on the way to a stored record goes wrong now and then.
///
/// # Panics
/// There is no free port.
pub async fn serve_with_faults(client: Client) -> Arm {
    let name = match client {
        Client::Aws => "aws to serve with faults",
        Client::Http(Cbor) => "http (CBOR) to serve with faults",
        Client::Http(Json) => "http (JSON) to serve with faults",
    };
    let plan = FaultPlan::from_toml(include_str!("faults.toml")).expect("a valid plan");
    ours(name, client, plan, Quirks { faulty: true, ..Quirks::default() }).await
}

async fn ours(name: &'static str, client: Client, plan: FaultPlan, quirks: Quirks) -> Arm {
    let server = headwaters_server::Server::builder().faults(plan).start().await;
    let server = server.expect("there are free ports");
    let port = server.address().port();
    let running = Running { port, _process: Process::Ours(server) };
    Arm::new(name, Some(Server { client, running }), quirks)
}

/// ferrokinesis, as a library.
///
/// One mutex around it: it hangs when records are read and put at once.
///
/// # Panics
/// There is no free port.
pub async fn ferrokinesis(client: Client) -> Arm {
    let options = StoreOptions {
        create_stream_ms: 0,
        delete_stream_ms: 0,
        enforce_limits: true,
        shard_limit: 1_000,
        update_stream_ms: 0,
        ..StoreOptions::default()
    };
    let (router, _store) = ferrokinesis::create_app(options);
    let turn = Arc::new(tokio::sync::Mutex::new(()));
    let one_by_one = move |request: Request, next: Next| {
        let turn = Arc::clone(&turn);
        async move {
            let _turn = turn.lock().await;
            next.run(request).await
        }
    };
    let router = router
        .layer(middleware::from_fn(one_by_one))
        .layer(DefaultBodyLimit::max(64 * 1024 * 1024));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("there are free ports");
    let port = listener.local_addr().expect("it listens").port();
    let task = tokio::spawn(async move {
        axum::serve(listener, router).await.expect("it serves until it is aborted");
    });
    let running = Running { port, _process: Process::Task(task) };
    let name = match client {
        Client::Aws => "aws to ferrokinesis",
        Client::Http(Cbor) => "http (CBOR) to ferrokinesis",
        Client::Http(Json) => "http (JSON) to ferrokinesis",
    };
    let quirks = Quirks {
        counts_key_bytes: true,
        no_arn_to_list: true,
        no_large_records: true,
        no_paging: true,
        ..Quirks::default()
    };
    Arm::new(name, Some(Server { client, running }), quirks)
}

/// kinesis-mock, from npm. It takes half a minute for a record of ten megabytes, and answers 500 to whoever wants to
/// read it.
///
/// # Errors
/// It cannot run here.
pub async fn kinesis_mock(client: Client) -> Result<Arm, Skipped> {
    let (name, plain, tls) = match client {
        Client::Aws => ("aws to kinesis-mock", 4_636, 4_635),
        Client::Http(Cbor) => ("http (CBOR) to kinesis-mock", 4_616, 4_615),
        Client::Http(Json) => ("http (JSON) to kinesis-mock", 4_626, 4_625),
    };
    let quirks = Quirks {
        no_entry_limit: true,
        no_throttling: true,
        refuses_by_entry: true,
        slow: true,
        ..Quirks::default()
    };
    let start = |modules: &Path| {
        let folder = modules.join("kinesis-local");
        let mut command = Command::new("node");
        command
            .arg(folder.join("main.js"))
            .env("KINESIS_MOCK_CERT_PATH", folder.join("server.json"))
            .env("KINESIS_MOCK_PLAIN_PORT", plain.to_string())
            .env("KINESIS_MOCK_TLS_PORT", tls.to_string())
            .env("SHARD_LIMIT", "500")
            .env("LOG_LEVEL", "ERROR");
        command
    };
    spawn(name, "kinesis-local", plain, client, quirks, start).await
}

/// kinesalite, from npm. It has CBOR, but corrupts data with it.
///
/// # Errors
/// It cannot run here.
pub async fn kinesalite() -> Result<Arm, Skipped> {
    let port = 4_631_u16;
    let quirks = Quirks {
        no_arn: true,
        no_large_records: true,
        no_paging: true,
        no_throttling: true,
        ..Quirks::default()
    };
    let start = |modules: &Path| {
        let mut command = Command::new("node");
        command
            .arg(modules.join("kinesalite/cli.js"))
            .args(["--port", &port.to_string(), "--shardLimit", "500"])
            .args(["--createStreamMs", "1", "--updateStreamMs", "1", "--deleteStreamMs", "1"]);
        command
    };
    spawn("http (JSON) to kinesalite", "kinesalite", port, Client::Http(Json), quirks, start).await
}

async fn spawn(
    name: &'static str,
    package: &str,
    port: u16,
    client: Client,
    quirks: Quirks,
    start: impl FnOnce(&Path) -> Command,
) -> Result<Arm, Skipped> {
    let modules = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/endpoints/node_modules");
    if !modules.join(package).exists() {
        return Err(Skipped(format!("{package} is not there: run .ci/endpoints")));
    }
    if !is_alone() {
        let why = "it listens on all interfaces, and here are others than the loopback: run .ci/conformance";
        return Err(Skipped(String::from(why)));
    }
    let mut command = start(&modules);
    command.stdin(Stdio::null()).stdout(Stdio::null()).kill_on_drop(true);
    let child = match command.spawn() {
        Ok(child) => child,
        Err(error) => return Err(Skipped(format!("node cannot be run: {error}"))),
    };
    let admin = Admin::new(port);
    for _ in 0..Duration::from_secs(30).as_millis() / 50 {
        if admin.try_ask("ListStreams", &json!({})).await.is_ok_and(|(status, _)| status == 200) {
            let running = Running { port, _process: Process::Child(child) };
            return Ok(Arm::new(name, Some(Server { client, running }), quirks));
        }
        pause().await;
    }
    Err(Skipped(format!("{package} does not answer")))
}

/// Whether nobody else can reach what listens here: there is the loopback interface and no other.
fn is_alone() -> bool {
    let table = fs::read_to_string("/proc/net/dev").unwrap_or_default();
    let mut names =
        table.lines().filter_map(|line| Some(line.split_once(':')?.0.trim())).peekable();
    names.peek().is_some() && names.all(|name| name == "lo")
}
