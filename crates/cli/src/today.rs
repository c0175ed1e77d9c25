use std::time::SystemTime;

/// The time of day, for what is about it: where reading begins, and what a template says.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place where the command reads the time of day"
)]
pub(crate) fn now() -> SystemTime {
    SystemTime::now()
}

/// The same in seconds since 1970.
pub(crate) fn seconds() -> f64 {
    now().duration_since(SystemTime::UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}
