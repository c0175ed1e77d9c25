//! `headwaters serve`: the library `headwaters-server` with a command line.

use core::net::SocketAddr;
use std::env::{self, VarError};
use std::fs;
use std::io::{self, Write};

use headwaters_server::{
    Credentials, FaultPlan, Retention, Server, ServerBuilder, StartError, Tls,
};
use indicatif::ProgressBar;

use crate::args::{ServeArguments, Switch};
use crate::console::Console;
use crate::exit::{Abort, Exit};
use crate::stop::{Signal, Signals};

/// Runs `headwaters serve`.
pub(crate) fn serve(arguments: &ServeArguments) -> Exit {
    let console = Console::new(ProgressBar::hidden(), false);
    let done = builder(arguments).and_then(|builder| {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
        runtime.map_err(Abort::internal)?.block_on(run(builder, arguments))
    });
    match done {
        // To be stopped is how it ends.
        Ok(Signal::Interrupt | Signal::Terminate) => Exit::Delivered,
        Err(Abort { exit, text }) => {
            console.error(text);
            exit
        }
    }
}

fn builder(arguments: &ServeArguments) -> Result<ServerBuilder, Abort> {
    let mut builder = Server::builder()
        .address(SocketAddr::new(arguments.listen, arguments.port))
        .change_time(arguments.change_time)
        .retention(Retention { age: arguments.keep_for, bytes: arguments.keep });
    if arguments.limits == Switch::Off {
        builder = builder.unlimited();
    }
    if arguments.allow_remote {
        builder = builder.allow_anywhere();
    }
    for stream in &arguments.streams {
        builder = builder.stream(stream.name.as_str(), stream.shards).map_err(Abort::usage)?;
    }
    if let Some(path) = &arguments.faults {
        let failed = |error| Abort::usage(format!("cannot read {}: {error}", path.display()));
        let text = fs::read_to_string(path).map_err(failed)?;
        let wrong = |error| Abort::usage(format!("{}: {error}", path.display()));
        builder = builder.faults(FaultPlan::from_toml(&text).map_err(wrong)?);
    }
    if let Some(path) = &arguments.state {
        builder = builder.state(path);
    }
    if arguments.check_signatures {
        builder = builder.check_signatures(credentials()?);
    }
    if let Some(path) = &arguments.tls {
        let tls = Tls::generate().map_err(Abort::internal)?;
        let failed = |error| Abort::usage(format!("cannot write {}: {error}", path.display()));
        fs::write(path, tls.certificate_pem()).map_err(failed)?;
        builder = builder.tls(tls);
    }
    Ok(builder)
}

fn credentials() -> Result<Credentials, Abort> {
    let configuration = |text| Abort { exit: Exit::Configuration, text };
    let variable = |name: &str| {
        env::var(name).map_err(|error| match error {
            VarError::NotPresent => configuration(format!(
                "--check-signatures needs credentials to check with: set {name}"
            )),
            VarError::NotUnicode(_) => configuration(format!("{name} is not UTF-8")),
        })
    };
    let made = Credentials::new(variable("AWS_ACCESS_KEY_ID")?, variable("AWS_SECRET_ACCESS_KEY")?);
    made.map_err(|error| configuration(error.to_string()))
}

async fn run(builder: ServerBuilder, arguments: &ServeArguments) -> Result<Signal, Abort> {
    let mut signals = Signals::catch().map_err(Abort::internal)?;
    let server = builder.start().await.map_err(refused)?;
    // A script waits for this line; if nobody reads it, the server is no worse for it.
    let _ = writeln!(io::stdout(), "{}", hint(&server.url(), arguments));
    let signal = signals.next().await;
    server.shutdown().await.map_err(|error| {
        let path = arguments.state.as_deref().unwrap_or("the state".as_ref()).display();
        Abort::internal(format!("cannot write {path}: {error}"))
    })?;
    Ok(signal)
}

fn refused(error: StartError) -> Abort {
    Abort::usage(match error {
        StartError::NotLoopback { .. } => format!("{error} (--allow-remote)"),
        StartError::Listen { .. } => format!("{error} (--port 0 takes a free one)"),
        other => other.to_string(),
    })
}

/// One line: where it is, and how it is used.
fn hint(url: &str, arguments: &ServeArguments) -> String {
    let stream = arguments.streams.first().map_or("STREAM", |stream| stream.name.as_str());
    let bundle = arguments.tls.as_ref().map(|path| format!(" --ca-bundle {}", path.display()));
    let bundle = bundle.unwrap_or_default();
    format!(
        "serving at {url} - headwaters put {stream} --endpoint-url {url} --region us-east-1{bundle} FILE"
    )
}
