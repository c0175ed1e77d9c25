//! What the environment and the files of the AWS command line say.

mod aws;
mod environment;
mod files;
mod ini;

pub use aws::{AwsSettings, SettingsError};
pub(crate) use environment::Environment;
pub(crate) use files::{Files, Profile};
