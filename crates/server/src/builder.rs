use core::fmt;
use core::net::{Ipv4Addr, SocketAddr};
use core::num::NonZeroU32;
use core::sync::atomic::AtomicU64;
use core::time::Duration;
use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;

use headwaters_http::Credentials;
use headwaters_model::{MaxRecordSize, ShardLimits};
use headwaters_wire::{StreamName, StreamNameError};
use tokio::net::TcpListener;

use crate::clock::Clock;
use crate::faults::{Events, FaultPlan, Faults};
use crate::front::Front;
use crate::kinesis::{Kinesis, NewStream, Retention, Settings};
use crate::server::Server;
use crate::signature::Keys;
use crate::state;
use crate::tls::Tls;

/// Says how a [`Server`] serves. Without a word it listens on a free port of the loopback interface, has no streams,
/// throttles as the service does, and lets nothing fail.
#[derive(Debug)]
#[must_use = "nothing listens until it is started"]
pub struct ServerBuilder {
    address: SocketAddr,
    anywhere: bool,
    faults: FaultPlan,
    keys: Option<Keys>,
    settings: Settings,
    state: Option<PathBuf>,
    streams: Vec<(StreamName, NonZeroU32)>,
    tls: Option<Tls>,
}

impl Server {
    /// How it serves is said first.
    pub fn builder() -> ServerBuilder {
        ServerBuilder {
            address: (Ipv4Addr::LOCALHOST, 0).into(),
            anywhere: false,
            faults: FaultPlan::default(),
            keys: None,
            settings: Settings::default(),
            state: None,
            streams: Vec::new(),
            tls: None,
        }
    }
}

impl ServerBuilder {
    /// Listens there instead: on a port, or on another address of the loopback interface.
    pub const fn address(mut self, address: SocketAddr) -> Self {
        self.address = address;
        self
    }

    /// Allows addresses that others than this machine can reach. Whoever reaches the server can read and write
    /// everything, and let anything fail.
    pub const fn allow_anywhere(mut self) -> Self {
        self.anywhere = true;
        self
    }

    /// Lets it take so long to make, change or delete a stream: meanwhile the stream is CREATING, UPDATING or
    /// DELETING. Zero by default; the service takes seconds to minutes.
    pub const fn change_time(mut self, change_time: Duration) -> Self {
        self.settings.change_time = change_time;
        self
    }

    /// Refuses requests that are not signed with these credentials, or whose signature is more than five minutes off.
    /// By default signatures are not looked at. The control path takes no signature.
    pub fn check_signatures(mut self, credentials: Credentials) -> Self {
        self.keys = Some(Keys(credentials));
        self
    }

    /// Lets these faults happen from the first request on.
    pub fn faults(mut self, plan: FaultPlan) -> Self {
        self.faults = plan;
        self
    }

    /// Gives every shard these limits instead of the service's.
    pub const fn limits(mut self, limits: ShardLimits) -> Self {
        self.settings.limits = Some(limits);
        self
    }

    /// Keeps records so long, and so many.
    pub const fn retention(mut self, retention: Retention) -> Self {
        self.settings.retention = retention;
        self
    }

    /// Keeps streams and records in this file: they are read when the server starts, and written every ten seconds if
    /// there is something new, and when it is [shut down](Server::shutdown). What came after the last writing is lost
    /// with a crash.
    pub fn state(mut self, path: impl Into<PathBuf>) -> Self {
        self.state = Some(path.into());
        self
    }

    /// Has a stream of this name, with so many shards, unless the state has one of its name already.
    ///
    /// # Errors
    /// [`StreamNameError`] if that is no name; a stream of no shards gets one.
    pub fn stream(mut self, name: &str, shards: u32) -> Result<Self, StreamNameError> {
        let shards = NonZeroU32::new(shards).unwrap_or(NonZeroU32::MIN);
        self.streams.push((StreamName::new(name)?, shards));
        Ok(self)
    }

    /// Speaks TLS and nothing else.
    pub fn tls(mut self, tls: Tls) -> Self {
        self.tls = Some(tls);
        self
    }

    /// Lets every shard take whatever comes.
    pub const fn unlimited(mut self) -> Self {
        self.settings.limits = None;
        self
    }

    /// Begins to listen, and to serve in tasks of the tokio runtime that this is called in.
    ///
    /// # Errors
    /// [`StartError`] says what is in the way.
    pub async fn start(self) -> Result<Server, StartError> {
        if !self.address.ip().is_loopback() && !self.anywhere {
            return Err(StartError::NotLoopback { address: self.address });
        }
        let (clock, kinesis) = (Clock::start(), Kinesis::new(self.settings));
        if let Some(path) = &self.state {
            let failed = |error| StartError::State { error, path: path.clone() };
            state::load(&kinesis, path).map_err(failed)?;
            let failed = |error| StartError::Unwritable { error, path: path.clone() };
            state::check(path).map_err(failed)?;
        }
        for (name, shards) in self.streams {
            let new = NewStream {
                max_record_size: MaxRecordSize::DEFAULT,
                mode: "PROVISIONED",
                name: name.clone(),
                shards,
                tags: BTreeMap::new(),
            };
            if kinesis.with(&name, clock.now(), |_| Ok(())).is_err() {
                let refused =
                    |error: crate::error::ServiceError| StartError::Stream { text: error.message };
                // It is there at once, however long others take.
                let made = clock.now().saturating_sub(self.settings.change_time);
                kinesis.create(new, made).map_err(refused)?;
            }
        }
        let front = Front {
            answers: AtomicU64::new(0),
            clock,
            events: Events::default(),
            faults: Faults::default(),
            keys: self.keys,
            kinesis,
        };
        front.faults.set(self.faults);
        let failed = |error| StartError::Listen { address: self.address, error };
        let listener = TcpListener::bind(self.address).await.map_err(failed)?;
        Server::serve(listener, front, self.tls, self.state).map_err(failed)
    }
}

/// Why a server does not start.
#[derive(Debug)]
#[non_exhaustive]
pub enum StartError {
    /// It cannot listen there.
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why.
        error: io::Error,
    },
    /// Others than this machine could reach it, and nobody allowed that.
    NotLoopback {
        /// Where it should listen.
        address: SocketAddr,
    },
    /// The state cannot be read.
    State {
        /// Why.
        error: io::Error,
        /// From where.
        path: PathBuf,
    },
    /// A stream cannot be made.
    Stream {
        /// Why, in the words of the service.
        text: String,
    },
    /// The state cannot be written.
    Unwritable {
        /// Why.
        error: io::Error,
        /// To where.
        path: PathBuf,
    },
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Listen { address, error } => write!(f, "cannot listen on {address}: {error}"),
            Self::NotLoopback { address } => write!(
                f,
                "{address} can be reached by other machines, and whoever reaches the server can read and write \
                 everything: allow that, or listen on 127.0.0.1"
            ),
            Self::State { error, path } => {
                write!(f, "cannot read the state from {}: {error}", path.display())
            }
            Self::Stream { text } => f.write_str(text),
            Self::Unwritable { error, path } => {
                write!(f, "cannot write the state to {}: {error}", path.display())
            }
        }
    }
}

impl core::error::Error for StartError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Listen { error, .. }
            | Self::State { error, .. }
            | Self::Unwritable { error, .. } => Some(error),
            Self::NotLoopback { .. } | Self::Stream { .. } => None,
        }
    }
}
