//! What the tests and the fuzz targets share.

pub mod aggregates;
pub mod messages;
pub mod operations;
