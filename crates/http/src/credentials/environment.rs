use super::{Credentials, CredentialsError, CredentialsFuture, ProvideCredentials};
use crate::settings::Environment;

/// The variables `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and, if set, `AWS_SESSION_TOKEN`.
///
/// They are read each time they are asked for.
#[derive(Clone, Debug, Default)]
pub struct EnvironmentCredentials {
    environment: Environment,
}

const ACCESS_KEY_ID: &str = "AWS_ACCESS_KEY_ID";
const SECRET_ACCESS_KEY: &str = "AWS_SECRET_ACCESS_KEY";
const SESSION_TOKEN: &str = "AWS_SESSION_TOKEN";

impl EnvironmentCredentials {
    /// Those of the process's environment.
    pub fn new() -> Self {
        Self::default()
    }

    pub(crate) const fn of(environment: Environment) -> Self {
        Self { environment }
    }

    /// Whether the first of the variables is set: then the others are expected too.
    pub(crate) fn are_set(&self) -> bool {
        self.environment.variable(ACCESS_KEY_ID).is_some()
    }

    fn read(&self) -> Result<Credentials, CredentialsError> {
        let variable = |name: &str| {
            let missing = || CredentialsError::new(format!("the variable {name} is not set"));
            self.environment.variable(name).ok_or_else(missing)
        };
        let credentials = Credentials::new(variable(ACCESS_KEY_ID)?, variable(SECRET_ACCESS_KEY)?)?;
        match self.environment.variable(SESSION_TOKEN) {
            Some(token) => credentials.with_session_token(token),
            None => Ok(credentials),
        }
    }
}

impl ProvideCredentials for EnvironmentCredentials {
    fn credentials(&self) -> CredentialsFuture<'_> {
        Box::pin(core::future::ready(self.read()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Credentials, CredentialsError> {
        EnvironmentCredentials::of(Environment::of(variables)).read()
    }

    #[test]
    fn the_variables_are_read() {
        let both = [(ACCESS_KEY_ID, "AKID"), (SECRET_ACCESS_KEY, "secret")];
        assert_eq!(read(&both), Credentials::new("AKID", "secret"));
        let all = [both[0], both[1], (SESSION_TOKEN, "token")];
        let session =
            Credentials::new("AKID", "secret").and_then(|found| found.with_session_token("token"));
        assert_eq!(read(&all), session);
        let error = read(&both[..1]).expect_err("one is missing");
        assert!(error.to_string().contains(SECRET_ACCESS_KEY));
        // Set to nothing is not set.
        assert!(!EnvironmentCredentials::of(Environment::of(&[(ACCESS_KEY_ID, "")])).are_set());
    }
}
