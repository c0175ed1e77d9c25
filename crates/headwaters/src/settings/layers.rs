use core::time::Duration;
use std::collections::BTreeMap;

use headwaters_engine::{Bounds, Config, ConfigBuilder, RetryPolicy};

use crate::settings::{Settings, SettingsError, SettingsFault};

/// Settings from several sources, each over those before it; made by [`Settings::over`].
///
/// What is wrong in any of them is noted, and told by [`read`](Self::read), which also looks at whether the values that
/// are left in the end go together.
#[derive(Clone, Debug)]
#[must_use]
pub struct Layers {
    builder: ConfigBuilder,
    faults: Vec<SettingsFault>,
    /// What settings are called in the source that set them last.
    names: BTreeMap<String, String>,
    others: Vec<(String, String)>,
    /// What is set part by part, as it stands.
    pub(super) bounds: Bounds,
    pub(super) retry: RetryPolicy,
}

pub(super) const BOOLEAN: &str = "`true` or `false`";
pub(super) const COUNT: &str = "a whole number";
pub(super) const MILLIS: &str = "a whole number of milliseconds";

impl Layers {
    pub(super) fn new(config: Config) -> Self {
        Self {
            bounds: config.bounds(),
            retry: config.retry(),
            builder: config.into_builder(),
            faults: Vec::new(),
            names: BTreeMap::new(),
            others: Vec::new(),
        }
    }

    /// Forgets what was set, but not what was wrong.
    #[cfg(feature = "toml")]
    pub(super) fn reset(&mut self, config: Config) {
        (self.bounds, self.retry) = (config.bounds(), config.retry());
        self.builder = config.into_builder();
    }

    /// Notes what a setting is called where it is set.
    pub(super) fn called(&mut self, setting: &str, name: &str) {
        self.names.insert(setting.to_owned(), name.to_owned());
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

    /// Notes a name that no setting has.
    pub(super) fn unknown(&mut self, name: &str, nearest: Option<String>) {
        self.faults.push(SettingsFault::Unknown { name: name.to_owned(), nearest });
    }

    #[cfg(feature = "toml")]
    pub(super) fn syntax(&mut self, message: String) {
        self.faults.push(SettingsFault::Syntax { message });
    }

    pub(super) fn other(&mut self, name: String, value: String) {
        self.others.push((name, value));
    }

    /// The settings that come out.
    ///
    /// # Errors
    /// [`SettingsError`] lists every name that is unknown and every value that a setting cannot have, of all sources.
    pub fn read(self) -> Result<Settings, SettingsError> {
        let Self { builder, mut faults, names, others, .. } = self;
        let config = match builder.build() {
            Ok(config) if faults.is_empty() => config,
            Ok(_) => return Err(SettingsError::new(faults)),
            Err(error) => {
                faults.extend(error.faults().iter().map(|fault| {
                    // Of a setting that is one number or a word, the part is named that the number stands for.
                    let whole = fault.field.split('.').next().unwrap_or_default();
                    let name = names.get(fault.field).or_else(|| names.get(whole)).cloned();
                    let name = name.filter(|name| name != fault.field && name != whole);
                    SettingsFault::Config { fault: *fault, name }
                }));
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
