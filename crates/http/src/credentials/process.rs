//! A command that prints credentials, as the AWS command line calls it.
//!
//! Source: "Process credential provider" in the reference of the AWS SDKs and tools.

use core::time::Duration;
use std::process::{Command, Stdio};
use std::time::SystemTime;

use zeroize::Zeroizing;

use super::{Credentials, CredentialsError};
use crate::answer::read_texts;
use crate::date::Date;

/// Runs the command, without a shell, and reads what it prints.
pub(super) async fn run(command: &str) -> Result<Credentials, CredentialsError> {
    let error = |why: &str| CredentialsError::new(format!("the credential_process {why}"));
    let words = split(command).ok_or_else(|| error("has a quote that does not end"))?;
    let Some((program, arguments)) = words.split_first() else {
        return Err(error("is empty"));
    };
    let mut command = Command::new(program);
    // It may ask somebody for something, and says on standard error what went wrong.
    command.args(arguments).stdin(Stdio::null()).stderr(Stdio::inherit());
    let output = tokio::task::spawn_blocking(move || command.output()).await;
    let output = output.map_err(|_| error("was not run: the runtime stops"))?;
    let output = output.map_err(|why| error(&format!("cannot be run: {why}")))?;
    if !output.status.success() {
        return Err(error(&format!("failed: {}", output.status)));
    }
    parse(&Zeroizing::new(output.stdout)).unwrap_or_else(|| Err(error("does not print its JSON")))
}

fn parse(output: &[u8]) -> Option<Result<Credentials, CredentialsError>> {
    const NAMES: [&str; 4] = ["AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration"];
    let [id, secret, token, expiration] = read_texts(output, NAMES)?;
    let expires = match expiration {
        Some(text) => {
            let seconds = u64::try_from(Date::parse_iso(&text)?).ok()?;
            Some(SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds))?)
        }
        None => None,
    };
    let mut credentials = Credentials::new(id?, secret?);
    if let Some(token) = token {
        credentials = credentials.and_then(|credentials| credentials.with_session_token(token));
    }
    Some(match expires {
        Some(expires) => credentials.map(|credentials| credentials.with_expiration(expires)),
        None => credentials,
    })
}

/// Words as a shell divides them: by spaces, except in quotes or behind a backslash.
fn split(command: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut characters = command.chars();
    let mut quote = None;
    while let Some(character) = characters.next() {
        match (quote, character) {
            (Some(open), close) if open == close => quote = None,
            (None, '"' | '\'') => {
                quote = Some(character);
                word.get_or_insert_default();
            }
            (None, space) if space.is_whitespace() => words.extend(word.take()),
            (None | Some('"'), '\\') => word.get_or_insert_default().push(characters.next()?),
            _ => word.get_or_insert_default().push(character),
        }
    }
    words.extend(word);
    quote.is_none().then_some(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_divided_into_words() {
        let words = |command| split(command).expect("it can be divided");
        assert_eq!(
            words("aws  configure 'a b' \"c \\\" d\"e f\\ g ''"),
            ["aws", "configure", "a b", "c \" de", "f g", ""]
        );
        assert!(split("a 'b").is_none() && split("a \\").is_none() && words(" ").is_empty());
    }

    #[test]
    fn its_output_is_read() {
        let output = br#"{"Version":1,"AccessKeyId":"AKID","SecretAccessKey":"secret","SessionToken":"token","Expiration":"2015-08-30T12:36:00Z"}"#;
        let expires = SystemTime::UNIX_EPOCH + Duration::from_secs(1_440_938_160);
        let expected = Credentials::new("AKID", "secret")
            .and_then(|credentials| credentials.with_session_token("token"))
            .map(|credentials| credentials.with_expiration(expires));
        assert_eq!(parse(output), Some(expected));
        assert_eq!(parse(br#"{"Version":1,"AccessKeyId":"AKID"}"#), None);
        assert_eq!(parse(b"Enter MFA code:"), None);
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn it_is_run() {
        let command = "printf '%s' '{\"AccessKeyId\":\"AKID\",\"SecretAccessKey\":\"secret\"}'";
        assert_eq!(run(command).await, Credentials::new("AKID", "secret"));
        let error = run("false").await.expect_err("it fails");
        assert!(error.to_string().contains("failed"), "{error}");
        let error = run("/nonexistent/command").await.expect_err("there is none");
        assert!(error.to_string().contains("cannot be run"), "{error}");
    }
}
