use core::time::Duration;

use headwaters_engine::{Config, ConfigBuilder};

use crate::settings::{Settings, SettingsError, SettingsFault};

/// Changes settings one by one, and notes what is wrong.
pub(super) struct Setter {
    builder: ConfigBuilder,
    faults: Vec<SettingsFault>,
    others: Vec<(String, String)>,
}

pub(super) const BOOLEAN: &str = "`true` or `false`";
pub(super) const COUNT: &str = "a whole number";
pub(super) const MILLIS: &str = "a whole number of milliseconds";

impl Setter {
    pub(super) fn new(config: Config) -> Self {
        Self { builder: config.into_builder(), faults: Vec::new(), others: Vec::new() }
    }

    pub(super) fn set(&mut self, set: impl FnOnce(ConfigBuilder) -> ConfigBuilder) {
        self.builder = set(self.builder.clone());
    }

    /// Sets what was read, or notes that it could not be.
    pub(super) fn set_to<T>(
        &mut self,
        name: &str,
        takes: &'static str,
        value: Option<T>,
        set: impl FnOnce(ConfigBuilder, T) -> ConfigBuilder,
    ) {
        match value {
            Some(value) => self.set(|builder| set(builder, value)),
            None => self.wrong(name, takes),
        }
    }

    pub(super) fn wrong(&mut self, name: &str, takes: &'static str) {
        self.faults.push(SettingsFault::Value { name: name.to_owned(), takes });
    }

    pub(super) fn unknown(&mut self, name: &str) {
        self.faults.push(SettingsFault::Unknown { name: name.to_owned() });
    }

    #[cfg(feature = "toml")]
    pub(super) fn syntax(&mut self, message: String) {
        self.faults.push(SettingsFault::Syntax { message });
    }

    pub(super) fn other(&mut self, name: String, value: String) {
        self.others.push((name, value));
    }

    pub(super) fn finish(self) -> Result<Settings, SettingsError> {
        let Self { builder, mut faults, others } = self;
        let config = match builder.build() {
            Ok(config) if faults.is_empty() => config,
            Ok(_) => return Err(SettingsError::new(faults)),
            Err(error) => {
                faults.extend(error.faults().iter().copied().map(SettingsFault::Config));
                return Err(SettingsError::new(faults));
            }
        };
        Ok(Settings { config, others })
    }
}

pub(super) fn size(value: u64) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}

pub(super) const fn millis(value: u64) -> Duration {
    Duration::from_millis(value)
}
