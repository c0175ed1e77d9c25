//! A command that prints credentials, as the AWS command line calls it.
//!
//! Source: "Process credential provider" in the reference of the AWS SDKs and tools.

use core::time::Duration;
use std::io::Read;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::SystemTime;
use std::{io, thread};

use tokio::sync::oneshot;
use zeroize::Zeroizing;

use super::{Credentials, CredentialsError};
use crate::answer::read_texts;
use crate::date::Date;
use crate::time::{Deadline, nap};

/// How long the command may take. Source: `processcreds.DefaultTimeout` of the AWS SDK for Go.
const TIMEOUT: Duration = Duration::from_secs(60);
/// What it may print.
const OUTPUT_BYTES_MAX: u64 = 1 << 20;
/// How often it is looked whether it has ended, after it has closed its output, as nearly all do by ending.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// Runs the command, without a shell, and reads what it prints.
pub(super) async fn run(command: &str) -> Result<Credentials, CredentialsError> {
    run_within(TIMEOUT, command).await
}

async fn run_within(timeout: Duration, command: &str) -> Result<Credentials, CredentialsError> {
    let error = |why: &str| CredentialsError::new(format!("the credential_process {why}"));
    let words = split(command).ok_or_else(|| error("has a quote that does not end"))?;
    let Some((program, arguments)) = words.split_first() else {
        return Err(error("is empty"));
    };
    let mut command = Command::new(program);
    // It may ask somebody for something, and says on standard error what went wrong.
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit());
    let cannot_be_run = |why: io::Error| error(&format!("cannot be run: {why}"));
    let mut running = Running(command.spawn().map_err(cannot_be_run)?);
    let Some(output) = Deadline::after(timeout).bound(running.output()).await else {
        return Err(error(&format!("did not end within {timeout:?}")));
    };
    let output = output.map_err(cannot_be_run)?;
    let status = running.0.wait().map_err(cannot_be_run)?;
    if !status.success() {
        return Err(error(&format!("failed: {status}")));
    }
    parse(&output).unwrap_or_else(|| Err(error("does not print its JSON")))
}

/// A command that is killed if it is not waited for to its end.
struct Running(Child);

impl Running {
    /// What it prints until it ends.
    async fn output(&mut self) -> io::Result<Zeroizing<Vec<u8>>> {
        let Some(stdout) = self.0.stdout.take() else { return Ok(Zeroizing::default()) };
        let (sender, receiver) = oneshot::channel();
        // A thread that nobody waits for: one that is stuck keeps no runtime from ending.
        thread::Builder::new()
            .name("credential_process".to_owned())
            .spawn(move || sender.send(read(stdout)))?;
        let output = receiver.await.map_err(io::Error::other)??;
        while self.0.try_wait()?.is_none() {
            nap(LOOK_AGAIN).await;
        }
        Ok(output)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Ok(None) = self.0.try_wait() {
            // It may have ended just now.
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }
}

fn read(stdout: ChildStdout) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut output = Zeroizing::new(Vec::new());
    stdout.take(OUTPUT_BYTES_MAX).read_to_end(&mut output)?;
    Ok(output)
}

fn parse(output: &[u8]) -> Option<Result<Credentials, CredentialsError>> {
    const NAMES: [&str; 4] = ["AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration"];
    let [id, secret, token, expiration] = read_texts(output, NAMES)?;
    let [id, secret, token] = [id, secret, token].map(|text| text.map(Zeroizing::new));
    let expires = match expiration {
        Some(text) => {
            let seconds = u64::try_from(Date::parse_iso(&text)?).ok()?;
            Some(SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds))?)
        }
        None => None,
    };
    let mut credentials = Credentials::new(&**id?, &**secret?);
    if let Some(token) = token {
        credentials = credentials.and_then(|credentials| credentials.with_session_token(&**token));
    }
    Some(match expires {
        Some(expires) => credentials.map(|credentials| credentials.with_expiration(expires)),
        None => credentials,
    })
}

/// Words as a shell divides them: by spaces, except in quotes or behind a backslash. Within double quotes a backslash is one,
/// except before a quote or another (of what else it would be so, `$` and a backtick have no meaning here). Source: POSIX,
/// Shell Command Language, 2.2; and Python's `shlex`, which the AWS command line uses.
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
            (None, '\\') => word.get_or_insert_default().push(characters.next()?),
            (Some('"'), '\\') => {
                let next = characters.next()?;
                let word = word.get_or_insert_default();
                if !matches!(next, '"' | '\\') {
                    word.push('\\');
                }
                word.push(next);
            }
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
        assert_eq!(
            words(r#"sh -c "printf '{}\n'" "a\\b""#),
            ["sh", "-c", "printf '{}\\n'", "a\\b"]
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

    /// It would keep everybody waiting, and the program from ending.
    #[cfg(unix)]
    #[tokio::test]
    async fn one_that_does_not_end_is_killed() {
        for command in ["sleep 1000", "sh -c 'exec sleep 1000 >&-'"] {
            let error = run_within(Duration::from_millis(100), command).await;
            let error = error.expect_err("it does not end").to_string();
            assert!(error.contains("did not end within 100ms"), "{error}");
        }
    }
}
