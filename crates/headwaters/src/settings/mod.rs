//! Settings from files and from the environment. What is wrong is named all at once, by the name it has there.

mod env;
mod kpl;
mod layers;
mod near;
mod table;
#[cfg(feature = "toml")]
mod toml;
mod values;

use core::fmt;

use headwaters_engine::{Config, ConfigFault};
pub use layers::Layers;
pub(crate) use values::values;

use crate::shown::Shown;

/// Settings that were read from a file, from the environment, or from both.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Settings {
    /// The producer's.
    pub config: Config,
    /// Those that the KPL has for its process, its connections and its metrics, with their values: for your
    /// transport, or for nobody (`docs/kpl-settings.md` in the repository says which). Empty for other files.
    pub others: Vec<(String, String)>,
}

/// What is wrong with a source of settings: everything.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SettingsError {
    faults: Vec<SettingsFault>,
}

/// One thing that is wrong with a source of settings.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum SettingsFault {
    /// A value that the setting cannot have, whatever the others are.
    Config {
        /// What is wrong, by the name that [`Config`] has for the setting.
        fault: ConfigFault,
        /// The name in the source that set it, if it has another one there.
        name: Option<String>,
    },
    /// The file is not of its kind.
    Syntax {
        /// What is wrong, and where.
        message: String,
    },
    /// No setting has this name.
    Unknown {
        /// The name.
        name: String,
        /// The one that may have been meant.
        nearest: Option<String>,
    },
    /// A value of the wrong kind. It is not shown: what is in the wrong place may be a secret.
    Value {
        /// The setting.
        name: String,
        /// What it takes.
        takes: &'static str,
    },
}

impl Settings {
    /// Begins with these settings, to put those of files and of the environment over them.
    ///
    /// ```
    /// # use headwaters::{Config, Settings};
    /// let settings = Settings::over(Config::kpl()).env([("HEADWATERS_RECORD_TTL", "1 min")]).read()?;
    /// assert_eq!(settings.config.record_ttl().map(|ttl| ttl.as_secs()), Some(60));
    /// # Ok::<(), headwaters::SettingsError>(())
    /// ```
    pub fn over(config: Config) -> Layers {
        Layers::new(config)
    }
}

impl SettingsError {
    fn new(faults: Vec<SettingsFault>) -> Self {
        Self { faults }
    }

    /// What is wrong: what no source may say, source by source, and then what a setting cannot be.
    pub fn faults(&self) -> &[SettingsFault] {
        &self.faults
    }
}

impl fmt::Display for SettingsFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config { fault, name: None } => fault.fmt(f),
            Self::Config { fault, name: Some(name) } => write!(f, "`{name}`: {fault}"),
            Self::Syntax { message } => f.write_str(message),
            Self::Unknown { name, nearest: None } => write!(f, "`{}` is no setting", Shown(name)),
            Self::Unknown { name, nearest: Some(nearest) } => {
                write!(f, "`{}` is no setting, but `{nearest}` is", Shown(name))
            }
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
