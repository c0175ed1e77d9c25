//! Settings from files. What is wrong in one is named all at once, by the line and the name it has there.

mod kpl;
mod setter;
#[cfg(feature = "toml")]
mod toml;

use core::fmt;

use headwaters_engine::{Config, ConfigFault};

/// Settings that were read from a file.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Settings {
    /// The producer's.
    pub config: Config,
    /// Those that the KPL has for its process, its connections and its metrics, with their values: for your
    /// transport, or for nobody (`docs/kpl-settings.md` in the repository says which). Empty for other files.
    pub others: Vec<(String, String)>,
}

/// What is wrong with a file of settings: everything.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SettingsError {
    faults: Vec<SettingsFault>,
}

/// One thing that is wrong with a file of settings.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum SettingsFault {
    /// A value that the setting cannot have, whatever the others are.
    Config(ConfigFault),
    /// The file is not of its kind.
    Syntax {
        /// What is wrong, and where.
        message: String,
    },
    /// No setting has this name.
    Unknown {
        /// The name.
        name: String,
    },
    /// A value of the wrong kind. It is not shown: what is in the wrong place may be a secret.
    Value {
        /// The setting.
        name: String,
        /// What it takes.
        takes: &'static str,
    },
}

impl SettingsError {
    fn new(faults: Vec<SettingsFault>) -> Self {
        Self { faults }
    }

    /// What is wrong: first by place in the file, then by the names of the settings.
    pub fn faults(&self) -> &[SettingsFault] {
        &self.faults
    }
}

impl fmt::Display for SettingsFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(fault) => fault.fmt(f),
            Self::Syntax { message } => f.write_str(message),
            Self::Unknown { name } => write!(f, "`{name}` is no setting"),
            Self::Value { name, takes } => write!(f, "`{name}` takes {takes}"),
        }
    }
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, fault) in self.faults.iter().enumerate() {
            write!(f, "{}{fault}", if at == 0 { "" } else { "; " })?;
        }
        Ok(())
    }
}

impl core::error::Error for SettingsError {}
