//! What a server answers, read.
//!
//! All go through a [`reader::Reader`], which has one form for JSON and one for CBOR. What is not valid is [`Malformed`] as a
//! whole: nobody can know what such an answer says. The entries of an answer to PutRecords are mostly [`alike`], and only the first ones
//! are read in full.

mod alike;
mod cbor;
mod failure;
mod json;
mod list_shards;
mod put_records;
mod reader;
mod texts;

pub(crate) use failure::read_failure;
pub(crate) use list_shards::read_shard_page;
pub(crate) use put_records::read_results;
pub(crate) use texts::read_texts;
#[cfg(feature = "__internals")]
pub(crate) use {put_records::EntryResult, put_records::parse_results};

use headwaters_wire::{AttemptError, ErrorCode, Message};

/// An answer that cannot be read: not of its format, cut off, or with members that are not what they must be.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Malformed;

/// The error of a request whose answer is of no use.
pub(crate) fn unusable(why: &str) -> AttemptError {
    AttemptError::with_message(ErrorCode::UnusableAnswer, Message::new(why))
}
