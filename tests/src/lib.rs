//! What the tests and the fuzz targets share.

pub mod aggregates;
pub mod answers;
pub mod documents;
pub mod golden;
mod golden_header;
mod golden_stream;
mod golden_words;
pub mod messages;
pub mod operations;
pub mod traces;
