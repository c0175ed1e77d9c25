use core::fmt;
use core::time::Duration;
use std::sync::{Mutex, PoisonError};

use crate::connection::Connection;
use crate::time::Deadline;

/// Connections that wait for their next request.
pub(crate) struct Pool {
    idle: Mutex<Vec<Idle>>,
    max: usize,
    timeout: Duration,
}

struct Idle {
    connection: Connection,
    until: Deadline,
}

impl Pool {
    /// Keeps so many, for so long.
    pub(crate) const fn new(max: usize, timeout: Duration) -> Self {
        Self { idle: Mutex::new(Vec::new()), max, timeout }
    }

    /// The one that was used last, if there is one that the server has not closed.
    pub(crate) async fn take(&self) -> Option<Connection> {
        loop {
            let mut connection = self.pop()?;
            if connection.is_ready().await {
                return Some(connection);
            }
        }
    }

    /// Keeps a connection for the next request, if it can take one.
    pub(crate) async fn put(&self, mut connection: Connection) {
        if !connection.is_ready().await {
            return;
        }
        let until = Deadline::after(self.timeout);
        self.lock(|idle| {
            if idle.len() < self.max {
                idle.push(Idle { connection, until });
            }
        });
    }

    /// Drops all of them.
    pub(crate) fn clear(&self) {
        // A connection is not closed while others wait for the lock.
        drop(self.lock(core::mem::take));
    }

    fn pop(&self) -> Option<Connection> {
        self.lock(|idle| {
            // They are in the order in which they were used.
            idle.retain(|idle| !idle.until.has_passed());
            idle.pop().map(|idle| idle.connection)
        })
    }

    fn lock<T>(&self, f: impl FnOnce(&mut Vec<Idle>) -> T) -> T {
        f(&mut self.idle.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("idle", &self.lock(|idle| idle.len())).finish_non_exhaustive()
    }
}
