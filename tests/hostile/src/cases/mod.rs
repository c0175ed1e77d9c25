//! What every transport over a network must do. A case makes its transports by the function that it is given.

#![allow(clippy::missing_panics_doc, reason = "that is how a case fails")]

mod answers;
mod connections;
mod deadlines;
mod others;

pub use answers::*;
pub use connections::*;
pub use deadlines::*;
pub use others::*;
