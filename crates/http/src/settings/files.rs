use std::path::{Path, PathBuf};
use std::{fs, io};

use zeroize::Zeroizing;

use super::Environment;
use super::aws::SettingsError;
use super::ini::Ini;

/// The two files of the AWS command line.
#[derive(Clone, Debug)]
pub(crate) struct Files {
    config: Option<Place>,
    credentials: Option<Place>,
}

/// Where a file is, and whether somebody said so.
#[derive(Clone, Debug)]
struct Place {
    is_named: bool,
    path: PathBuf,
}

/// What the files say of one profile.
#[derive(Clone, Debug)]
pub(crate) struct Profile {
    config: Ini,
    credentials: Ini,
    name: String,
}

impl Files {
    /// `~/.aws/config` and `~/.aws/credentials`, or what `AWS_CONFIG_FILE` and `AWS_SHARED_CREDENTIALS_FILE` say.
    pub(crate) fn of(environment: &Environment) -> Self {
        let home = environment.variable("HOME").or_else(|| environment.variable("USERPROFILE"));
        let home = home.map(PathBuf::from);
        let path = |variable: &str, name: &str| match environment.variable(variable) {
            Some(path) => Some(Place { is_named: true, path: expand(&path, home.as_deref()) }),
            None => home
                .as_ref()
                .map(|home| Place { is_named: false, path: home.join(".aws").join(name) }),
        };
        Self {
            config: path("AWS_CONFIG_FILE", "config"),
            credentials: path("AWS_SHARED_CREDENTIALS_FILE", "credentials"),
        }
    }

    /// Reads them as they are now. A file that is not there says nothing, nor does one in a home directory that may not be
    /// looked into.
    pub(crate) fn profile(&self, name: &str) -> Result<Profile, SettingsError> {
        let (config, credentials) = (read(self.config.as_ref())?, read(self.credentials.as_ref())?);
        Ok(Profile { config, credentials, name: name.to_owned() })
    }
}

impl Profile {
    /// Whether any file has it.
    pub(crate) fn exists(&self) -> bool {
        self.credentials.has(&self.name) || self.sections().iter().any(|name| self.config.has(name))
    }

    /// A property in the file `config`.
    pub(crate) fn config(&self, property: &str) -> Option<&str> {
        self.sections().iter().find_map(|section| self.config.get(section, property))
    }

    /// A property in the file `credentials`.
    pub(crate) fn credentials(&self, property: &str) -> Option<&str> {
        self.credentials.get(&self.name, property)
    }

    /// The endpoint that the profile's section `services` has for Kinesis.
    pub(crate) fn service_endpoint(&self) -> Option<&str> {
        let services = self.config("services")?;
        self.config.get(&format!("services {services}"), "kinesis.endpoint_url")
    }

    fn sections(&self) -> Vec<String> {
        let mut sections = vec![format!("profile {}", self.name)];
        if self.name == "default" {
            sections.push(self.name.clone());
        }
        sections
    }
}

fn read(place: Option<&Place>) -> Result<Ini, SettingsError> {
    use io::ErrorKind::{NotADirectory, NotFound, PermissionDenied};
    let Some(Place { is_named, path }) = place else { return Ok(Ini::default()) };
    match fs::read_to_string(path) {
        Ok(text) => Ok(Ini::parse(&Zeroizing::new(text))),
        Err(error) if error.kind() == NotFound => Ok(Ini::default()),
        Err(error) if !is_named && matches!(error.kind(), NotADirectory | PermissionDenied) => {
            Ok(Ini::default())
        }
        Err(error) => Err(SettingsError::File { path: path.clone(), why: error.to_string() }),
    }
}

/// A path that may begin with `~`.
pub(super) fn expand(path: &str, home: Option<&Path>) -> PathBuf {
    match (path.strip_prefix("~/"), home) {
        (Some(rest), Some(home)) => home.join(rest),
        _ => PathBuf::from(path),
    }
}
