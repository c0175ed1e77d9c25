use core::fmt;
use std::path::PathBuf;
use std::{fs, io};

use super::{Environment, Files, Profile};
use crate::builder::HttpBuilder;
use crate::credentials::{EnvironmentCredentials, ProfileCredentials};
use crate::endpoint::{Endpoint, EndpointError};
use crate::region::{Region, RegionError};

/// What the environment and the files of the AWS command line say, read as that does:
/// region, endpoint, credentials, certificates, proxy.
///
/// Credentials are those of a profile that is named here, else those of `AWS_ACCESS_KEY_ID` and its companions, else
/// those of the profile `AWS_PROFILE` or `default`. A profile may have keys or a `credential_process`. Roles to
/// assume, single sign-on, containers and machines are not supported here: `aws configure export-credentials` is a
/// `credential_process` for all of them.
#[derive(Clone)]
pub struct AwsSettings {
    credentials: Found,
    dual_stack: bool,
    endpoint: Option<Endpoint>,
    environment: Environment,
    ca_bundle: Option<Vec<u8>>,
    fips: bool,
    region: Option<Region>,
}

impl fmt::Debug for AwsSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { credentials, dual_stack, endpoint, fips, region, .. } = self;
        f.debug_struct("AwsSettings")
            .field("ca_bundle_bytes", &self.ca_bundle.as_ref().map(Vec::len))
            .field("credentials", credentials)
            .field("dual_stack", dual_stack)
            .field("endpoint", endpoint)
            .field("fips", fips)
            .field("region", region)
            .finish_non_exhaustive()
    }
}

/// Where the credentials are.
#[derive(Clone, Debug)]
enum Found {
    Environment(EnvironmentCredentials),
    Profile(ProfileCredentials),
}

impl AwsSettings {
    /// Reads the environment of this process and the files that it names. Credentials are only looked for; they
    /// are read when they are needed.
    ///
    /// # Errors
    /// [`SettingsError`] names what is wrong, and where.
    pub fn load(profile: Option<&str>) -> Result<Self, SettingsError> {
        Self::load_from(&Environment::default(), profile)
    }

    pub(crate) fn load_from(
        environment: &Environment,
        named: Option<&str>,
    ) -> Result<Self, SettingsError> {
        let variable = |name: &str| environment.variable(name);
        let of_environment = variable("AWS_PROFILE").or_else(|| variable("AWS_DEFAULT_PROFILE"));
        let name = named.map(str::to_owned).or(of_environment);
        let files = Files::of(environment);
        let profile = files.profile(name.as_deref().unwrap_or("default"))?;
        if let Some(name) = &name
            && !profile.exists()
        {
            return Err(SettingsError::NoProfile { name: name.clone() });
        }
        let own = EnvironmentCredentials::of(environment.clone());
        let credentials = if named.is_none() && own.are_set() {
            Found::Environment(own)
        } else {
            Found::Profile(ProfileCredentials::of(files, name.as_deref().unwrap_or("default")))
        };
        let read = Read { environment, profile: &profile };
        let region = read.setting(&["AWS_REGION", "AWS_DEFAULT_REGION"], "region");
        let region = region.map(|region| Region::new(&region)).transpose();
        Ok(Self {
            ca_bundle: read.ca_bundle()?,
            credentials,
            dual_stack: read.flag("AWS_USE_DUALSTACK_ENDPOINT", "use_dualstack_endpoint")?,
            endpoint: read.endpoint()?,
            environment: environment.clone(),
            fips: read.flag("AWS_USE_FIPS_ENDPOINT", "use_fips_endpoint")?,
            region: region.map_err(SettingsError::Region)?,
        })
    }

    /// Where the credentials come from, in words: the variables or the profile. Nothing of the credentials.
    pub fn credentials_source(&self) -> String {
        match &self.credentials {
            Found::Environment(_) => String::from("the environment (AWS_ACCESS_KEY_ID)"),
            Found::Profile(profile) => format!("the AWS profile {:?}", profile.name()),
        }
    }

    /// The region that they name, if they name one.
    pub const fn region(&self) -> Option<&Region> {
        self.region.as_ref()
    }

    /// A transport as they say, to be changed and built.
    pub fn transport(&self) -> HttpBuilder {
        let mut builder = HttpBuilder::default().proxy_of(self.environment.clone());
        builder = match &self.credentials {
            Found::Environment(credentials) => builder.credentials(credentials.clone()),
            Found::Profile(credentials) => builder.credentials(credentials.clone()),
        };
        if let Some(region) = &self.region {
            builder = builder.region(region.clone());
        }
        if let Some(endpoint) = &self.endpoint {
            builder = builder.endpoint(endpoint.clone());
        }
        if let Some(pem) = &self.ca_bundle {
            builder = builder.ca_bundle(pem.clone());
        }
        if self.fips {
            builder = builder.fips();
        }
        if self.dual_stack { builder.dual_stack() } else { builder }
    }
}

/// Both places where a setting may be; the environment comes first.
struct Read<'a> {
    environment: &'a Environment,
    profile: &'a Profile,
}

impl Read<'_> {
    fn setting(&self, variables: &[&str], property: &str) -> Option<String> {
        let variable = variables.iter().find_map(|name| self.environment.variable(name));
        // The command line takes a region in the file `credentials` too.
        let profile =
            || self.profile.config(property).or_else(|| self.profile.credentials(property));
        variable.or_else(|| profile().map(str::to_owned))
    }

    fn flag(&self, variable: &str, property: &str) -> Result<bool, SettingsError> {
        match self.setting(&[variable], property) {
            None => Ok(false),
            Some(text) if text.eq_ignore_ascii_case("true") => Ok(true),
            Some(text) if text.eq_ignore_ascii_case("false") => Ok(false),
            Some(_) => Err(SettingsError::Flag { name: property.to_owned() }),
        }
    }

    fn endpoint(&self) -> Result<Option<Endpoint>, SettingsError> {
        if self.flag("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "ignore_configured_endpoint_urls")? {
            return Ok(None);
        }
        let variable = |name: &str| self.environment.variable(name);
        let url = variable("AWS_ENDPOINT_URL_KINESIS")
            .or_else(|| variable("AWS_ENDPOINT_URL"))
            .or_else(|| self.profile.service_endpoint().map(str::to_owned))
            .or_else(|| self.profile.config("endpoint_url").map(str::to_owned));
        url.map(|url| Endpoint::new(&url)).transpose().map_err(SettingsError::Endpoint)
    }

    fn ca_bundle(&self) -> Result<Option<Vec<u8>>, SettingsError> {
        let Some(path) = self.setting(&["AWS_CA_BUNDLE"], "ca_bundle") else { return Ok(None) };
        let home = self.environment.variable("HOME").map(PathBuf::from);
        let path = super::files::expand(&path, home.as_deref());
        let failed =
            |error: io::Error| SettingsError::File { path: path.clone(), why: error.to_string() };
        fs::read(&path).map(Some).map_err(failed)
    }
}

/// What is wrong with the settings.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum SettingsError {
    /// The endpoint of the environment or the profile.
    Endpoint(EndpointError),
    /// A file that is there cannot be read.
    File {
        /// Which.
        path: PathBuf,
        /// What the system says.
        why: String,
    },
    /// A setting is neither `true` nor `false`.
    Flag {
        /// Which, as it is called in the files.
        name: String,
    },
    /// A profile that was asked for is in no file.
    NoProfile {
        /// Which.
        name: String,
    },
    /// The region of the environment or the profile.
    Region(RegionError),
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Endpoint(error) => write!(f, "in the environment or the AWS profile: {error}"),
            Self::File { path, why } => write!(f, "{} cannot be read: {why}", path.display()),
            Self::Flag { name } => {
                write!(f, "the AWS setting {name} is neither true nor false")
            }
            Self::NoProfile { name } => {
                write!(
                    f,
                    "there is no AWS profile {name:?} in ~/.aws/config or ~/.aws/credentials, or in the files \
                     that AWS_CONFIG_FILE and AWS_SHARED_CREDENTIALS_FILE name"
                )
            }
            Self::Region(error) => write!(f, "in the environment or the AWS profile: {error}"),
        }
    }
}

impl core::error::Error for SettingsError {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::credentials::ProvideCredentials;
    use crate::{BuildError, Credentials, CredentialsError};

    /// A folder with the two files, gone with the test.
    struct Home(PathBuf);

    impl Home {
        fn new(name: &str, config: &str, credentials: &str) -> Self {
            let home =
                std::env::temp_dir().join(format!("headwaters-{name}-{}", std::process::id()));
            fs::create_dir_all(home.join(".aws")).expect("the folder is ours");
            fs::write(home.join(".aws/config"), config).expect("the folder is ours");
            fs::write(home.join(".aws/credentials"), credentials).expect("the folder is ours");
            Self(home)
        }

        fn environment(&self, variables: &[(&str, &str)]) -> Environment {
            let home = self.0.to_str().expect("a path in Unicode");
            let all: Vec<(&str, &str)> =
                [("HOME", home)].into_iter().chain(variables.iter().copied()).collect();
            Environment::of(&all)
        }

        fn load(
            &self,
            named: Option<&str>,
            variables: &[(&str, &str)],
        ) -> Result<AwsSettings, SettingsError> {
            AwsSettings::load_from(&self.environment(variables), named)
        }
    }

    impl Drop for Home {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    async fn credentials(settings: &AwsSettings) -> Result<Credentials, CredentialsError> {
        match &settings.credentials {
            Found::Environment(provider) => provider.credentials().await,
            Found::Profile(provider) => provider.credentials().await,
        }
    }

    const CONFIG: &str = "[default]\nregion = eu-central-1\n[profile tests]\nregion = us-east-1\n\
        services = local\nuse_fips_endpoint = TRUE\n[profile role]\nrole_arn = arn:aws:iam::1:role/x\n\
        aws_access_key_id = no\naws_secret_access_key = no\n[services local]\nkinesis =\n  \
        endpoint_url = http://localhost:4567\n[profile wrong]\nregion = x@y\n[profile flag]\n\
        use_fips_endpoint = yes\n[profile inline]\naws_access_key_id = INLINE\naws_secret_access_key = s\n";
    const CREDENTIALS: &str = "[default]\naws_access_key_id = DEFAULT\naws_secret_access_key = s\n\
        [tests]\naws_access_key_id = TESTS\naws_secret_access_key = s\naws_session_token = t\n";
    const KEYS: [(&str, &str); 2] = [("AWS_ACCESS_KEY_ID", "ENV"), ("AWS_SECRET_ACCESS_KEY", "s")];

    /// The profile of the command line and the variables; then the region, the endpoint and the access key
    /// that come of them.
    struct Case<'a> {
        named: Option<&'a str>,
        variables: &'a [(&'a str, &'a str)],
        region: &'a str,
        endpoint: Option<&'a str>,
        key: &'a str,
    }

    #[tokio::test]
    async fn the_places_have_their_order() {
        let home = Home::new("order", CONFIG, CREDENTIALS);
        let profile = [("AWS_PROFILE", "tests")];
        let both = [KEYS[0], KEYS[1], profile[0], ("AWS_REGION", "ap-south-1")];
        let local = Some("http://localhost:4567");
        let case = |named, variables, region, endpoint, key| Case {
            named,
            variables,
            region,
            endpoint,
            key,
        };
        for Case { named, variables, region, endpoint, key } in [
            case(None, &[], "eu-central-1", None, "DEFAULT"),
            case(None, &profile, "us-east-1", local, "TESTS"),
            case(Some("tests"), &[], "us-east-1", local, "TESTS"),
            case(None, &both, "ap-south-1", local, "ENV"),
            case(Some("tests"), &both, "ap-south-1", local, "TESTS"),
            case(None, &[("AWS_DEFAULT_REGION", "eu-west-1")], "eu-west-1", None, "DEFAULT"),
            case(
                None,
                &[("AWS_ENDPOINT_URL", "https://a.example")],
                "eu-central-1",
                Some("https://a.example"),
                "DEFAULT",
            ),
        ] {
            let settings = home.load(named, variables).expect("valid settings");
            let found = settings.region.as_ref().map(Region::as_str);
            assert_eq!(found, Some(region), "{named:?} {variables:?}");
            let found = settings.endpoint.as_ref().map(ToString::to_string);
            assert_eq!(found.as_deref(), endpoint, "{named:?} {variables:?}");
            let found = credentials(&settings).await.expect("there are some");
            assert_eq!(found.access_key_id(), key, "{named:?} {variables:?}");
            assert_eq!(settings.credentials_source().contains("AWS_ACCESS_KEY_ID"), key == "ENV");
        }
        let ignored = [profile[0], ("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true")];
        let settings = home.load(None, &ignored).expect("valid settings");
        assert!(settings.endpoint.is_none() && settings.fips && !settings.dual_stack);
        let transport = settings.transport().build().expect("nothing is missing");
        assert_eq!(
            transport.endpoint().to_string(),
            "https://kinesis-fips.us-east-1.amazonaws.com"
        );
    }

    #[tokio::test]
    async fn what_is_wrong_is_named() {
        let home = Home::new("wrong", CONFIG, CREDENTIALS);
        let load = |named| home.load(Some(named), &[]).map(drop);
        assert_eq!(load("nobody"), Err(SettingsError::NoProfile { name: "nobody".into() }));
        assert_eq!(load("flag"), Err(SettingsError::Flag { name: "use_fips_endpoint".into() }));
        assert!(matches!(load("wrong"), Err(SettingsError::Region(_))));
        let bundle = home.load(None, &[("AWS_CA_BUNDLE", "~/none.pem")]);
        assert!(
            matches!(bundle, Err(SettingsError::File { path, .. }) if path.starts_with(&home.0))
        );

        let settings = home.load(Some("role"), &[]).expect("it exists");
        let error = credentials(&settings).await.expect_err("roles are not for us");
        assert!(
            error.to_string().contains("role_arn")
                && error.to_string().contains("export-credentials")
        );
        // The command line takes a role of either file, and the keys beside it for those of another.
        let deploy = "[deploy]\naws_access_key_id = no\naws_secret_access_key = no\nrole_arn = arn:aws:iam::1:role/x\n";
        let other = Home::new("deploy", "", deploy);
        let settings = other.load(Some("deploy"), &[]).expect("it exists");
        let error = credentials(&settings).await.expect_err("nor are these");
        assert!(error.to_string().contains("role_arn"), "{error}");
        let settings = home.load(Some("inline"), &[]).expect("it exists");
        assert_eq!(credentials(&settings).await, Credentials::new("INLINE", "s"));

        // A home that is none says nothing; a file that somebody named must be there to be read.
        let nowhere = [KEYS[0], KEYS[1], ("HOME", "/dev/null")];
        assert!(home.load(None, &nowhere).is_ok());
        let named = [nowhere[2], ("AWS_CONFIG_FILE", "/dev/null/config")];
        assert!(matches!(home.load(None, &named), Err(SettingsError::File { .. })));

        let empty = Home::new("empty", "", "");
        let settings = empty.load(None, &[]).expect("nothing is wrong");
        let error = credentials(&settings).await.expect_err("there are none");
        assert!(error.to_string().contains("AWS_ACCESS_KEY_ID"), "{error}");
        assert_eq!(settings.transport().build().map(drop), Err(BuildError::RegionMissing));
    }
}
