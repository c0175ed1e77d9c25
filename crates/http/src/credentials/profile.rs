use super::process;
use super::{Credentials, CredentialsError, CredentialsFuture, ProvideCredentials};
use crate::settings::{Environment, Files, Profile};

/// A profile in the files of the AWS command line, with keys or a `credential_process`.
///
/// The files are read each time they are asked for, so that keys that were exchanged in them are taken.
#[derive(Clone, Debug)]
pub struct ProfileCredentials {
    files: Files,
    profile: String,
}

/// What a profile may have instead of keys, and the AWS command line can do, but we cannot.
const OTHER_WAYS: [&str; 6] = [
    "credential_source",
    "login_session",
    "role_arn",
    "sso_account_id",
    "sso_session",
    "web_identity_token_file",
];

impl ProfileCredentials {
    /// A profile by its name, in the files that the environment names or the usual ones.
    pub fn new(profile: &str) -> Self {
        Self::of(Files::of(&Environment::default()), profile)
    }

    pub(crate) fn of(files: Files, profile: &str) -> Self {
        Self { files, profile: profile.to_owned() }
    }

    /// What the profile is called.
    pub(crate) fn name(&self) -> &str {
        &self.profile
    }

    async fn read(&self) -> Result<Credentials, CredentialsError> {
        let profile = self.files.profile(&self.profile);
        let profile = profile.map_err(|error| CredentialsError::new(error.to_string()))?;
        let says = |way: &str| profile.credentials(way).or(profile.config(way)).is_some();
        if let Some(other) = OTHER_WAYS.iter().find(|way| says(way)) {
            return Err(CredentialsError::new(format!(
                "the profile {0:?} uses {other}, which is not supported here: give another profile the line \
                 credential_process = aws configure export-credentials --profile {0} --format process",
                self.profile
            )));
        }
        if let Some(credentials) = keys(|name| profile.credentials(name))? {
            return Ok(credentials);
        }
        let command =
            profile.credentials("credential_process").or(profile.config("credential_process"));
        if let Some(command) = command {
            return process::run(command).await;
        }
        keys(|name| profile.config(name))?.ok_or_else(|| self.nothing(&profile))
    }

    fn nothing(&self, profile: &Profile) -> CredentialsError {
        let what = if profile.exists() { "has no keys" } else { "does not exist" };
        CredentialsError::new(format!(
            "the AWS profile {:?} {what}, and AWS_ACCESS_KEY_ID is not set: set it and AWS_SECRET_ACCESS_KEY, or run \
             `aws configure`",
            self.profile
        ))
    }
}

fn keys<'a>(
    property: impl Fn(&str) -> Option<&'a str>,
) -> Result<Option<Credentials>, CredentialsError> {
    let Some(id) = property("aws_access_key_id") else { return Ok(None) };
    let missing = || CredentialsError::new("the AWS profile has no aws_secret_access_key");
    let credentials = Credentials::new(id, property("aws_secret_access_key").ok_or_else(missing)?)?;
    match property("aws_session_token") {
        Some(token) => credentials.with_session_token(token).map(Some),
        None => Ok(Some(credentials)),
    }
}

impl ProvideCredentials for ProfileCredentials {
    fn credentials(&self) -> CredentialsFuture<'_> {
        Box::pin(self.read())
    }
}
