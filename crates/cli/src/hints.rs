use core::fmt;

use headwaters::wire::{AttemptError, Class, ErrorCode};

/// An error of a request, with what to look at to mend it.
pub(crate) struct Hinted<'a>(pub(crate) &'a AttemptError);

impl fmt::Display for Hinted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(error) = self;
        match hint(&error.code) {
            Some(hint) => write!(f, "{error} ({hint})"),
            None => error.fmt(f),
        }
    }
}

fn hint(code: &ErrorCode) -> Option<&'static str> {
    match code {
        ErrorCode::ConnectFailed => Some(
            "look at --region, --endpoint-url, AWS_ENDPOINT_URL, --ca-bundle and https_proxy: nobody is reached there",
        ),
        ErrorCode::ResourceNotFoundException => {
            Some("is the stream of this region and account? see --region and --profile")
        }
        ErrorCode::AccessDeniedException => {
            Some("the credentials need the permission kinesis:PutRecords for this stream")
        }
        code if code.class() == Class::Credentials => Some(
            "look at --profile, AWS_PROFILE and AWS_ACCESS_KEY_ID; `aws sts get-caller-identity` tries them",
        ),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_user_can_mend_has_a_hint() {
        let text = |code: &str| Hinted(&AttemptError::new(ErrorCode::parse(code))).to_string();
        assert!(text("ResourceNotFoundException").contains("--region"));
        assert!(text("UnrecognizedClientException").contains("--profile"));
        assert!(text("ExpiredTokenException").contains("--profile"));
        assert!(text("AccessDeniedException").contains("kinesis:PutRecords"));
        assert_eq!(text("InternalFailure"), "InternalFailure");
    }
}
