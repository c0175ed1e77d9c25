use alloc::sync::Arc;
use core::fmt;
use core::str::FromStr;

use crate::{StreamName, StreamNameError};

/// The Amazon resource name of a stream: `arn:PARTITION:kinesis:REGION:ACCOUNT:stream/NAME`.
///
/// Stricter than the service's pattern (`arn:aws.*:kinesis:.*:\d{12}:stream/\S+`) where it matters:
/// partition and region become parts of host names, so they may have nothing in them but lower-case letters,
/// digits and hyphens. Cloning shares the text.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct StreamArn {
    text: Arc<str>,
    name: StreamName,
}

const ACCOUNT_DIGITS: usize = 12;

/// Longest label of a host name, of which partition and region are to be parts (RFC 1035).
const LABEL_CHARS_MAX: usize = 63;

impl StreamArn {
    /// Parses an ARN.
    ///
    /// # Errors
    /// [`StreamArnError`] names the part that is wrong.
    pub fn new(arn: &str) -> Result<Self, StreamArnError> {
        let mut parts = arn.splitn(6, ':');
        let mut part = || parts.next().unwrap_or_default();
        let (scheme, partition, service) = (part(), part(), part());
        let (region, account, resource) = (part(), part(), part());
        if scheme != "arn" || service != "kinesis" {
            return Err(StreamArnError::NotKinesis);
        }
        let is_aws = partition == "aws" || partition.starts_with("aws-");
        if !is_aws || !is_label(partition) {
            return Err(StreamArnError::Partition);
        }
        if !is_label(region) {
            return Err(StreamArnError::Region);
        }
        let is_account = account.bytes().all(|byte| byte.is_ascii_digit());
        if account.len() != ACCOUNT_DIGITS || !is_account {
            return Err(StreamArnError::Account);
        }
        let name = resource.strip_prefix("stream/").ok_or(StreamArnError::NotAStream)?;
        let name = StreamName::new(name).map_err(StreamArnError::Name)?;
        Ok(Self { text: arn.into(), name })
    }

    /// The whole name.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The account that owns the stream: 12 digits.
    pub fn account(&self) -> &str {
        self.part(4)
    }

    /// The partition, such as `aws` or `aws-cn`.
    pub fn partition(&self) -> &str {
        self.part(1)
    }

    /// The region, such as `eu-central-1`.
    pub fn region(&self) -> &str {
        self.part(3)
    }

    /// The stream's name.
    pub const fn stream_name(&self) -> &StreamName {
        &self.name
    }

    fn part(&self, index: usize) -> &str {
        self.text.split(':').nth(index).unwrap_or_default()
    }
}

fn is_label(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=LABEL_CHARS_MAX).contains(&text.len())
        && text.bytes().all(inner)
        && !text.starts_with('-')
        && !text.ends_with('-')
}

impl fmt::Display for StreamArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for StreamArn {
    type Err = StreamArnError;

    fn from_str(arn: &str) -> Result<Self, StreamArnError> {
        Self::new(arn)
    }
}

/// Why a text is not a [`StreamArn`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum StreamArnError {
    /// The account is not 12 digits.
    Account,
    /// The name of the stream breaks a rule.
    Name(StreamNameError),
    /// The resource does not start with `stream/`: it may be a consumer's ARN.
    NotAStream,
    /// It does not start with `arn:`, or its service is not `kinesis`.
    NotKinesis,
    /// The partition is not one of AWS, or could not be part of a host name.
    Partition,
    /// The region could not be part of a host name.
    Region,
}

impl fmt::Display for StreamArnError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let wrong = match self {
            Self::Account => "the account is not 12 digits",
            Self::Name(error) => return write!(f, "the stream's ARN is wrong: {error}"),
            Self::NotAStream => "the resource does not start with `stream/`",
            Self::NotKinesis => "it is no ARN of the service `kinesis`",
            Self::Partition => "the partition is not `aws` or `aws-...`",
            Self::Region => "the region has other characters than a to z, 0 to 9 and hyphens",
        };
        const FORM: &str = "arn:PARTITION:kinesis:REGION:ACCOUNT:stream/NAME";
        write!(f, "the stream's ARN is wrong: {wrong}; its form is {FORM}")
    }
}

impl core::error::Error for StreamArnError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_of_an_arn() {
        let text = "arn:aws-cn:kinesis:cn-north-1:123456789012:stream/orders.v2";
        let arn = StreamArn::new(text).expect("valid");
        assert_eq!((arn.partition(), arn.region()), ("aws-cn", "cn-north-1"));
        assert_eq!((arn.account(), arn.stream_name().as_str()), ("123456789012", "orders.v2"));
        assert_eq!(arn.as_str(), text);
    }

    #[test]
    fn whatever_could_lead_elsewhere_is_refused() {
        let refused = [
            ("", StreamArnError::NotKinesis),
            ("arn:aws:sqs:eu-west-1:123456789012:stream/s", StreamArnError::NotKinesis),
            ("arn:awsevil:kinesis:eu-west-1:123456789012:stream/s", StreamArnError::Partition),
            ("arn:evil:kinesis:eu-west-1:123456789012:stream/s", StreamArnError::Partition),
            ("arn:aws.evil.example/:kinesis:r:123456789012:stream/s", StreamArnError::Partition),
            ("arn:aws:kinesis:x@evil.example#:123456789012:stream/s", StreamArnError::Region),
            ("arn:aws:kinesis:-eu:123456789012:stream/s", StreamArnError::Region),
            ("arn:aws:kinesis::123456789012:stream/s", StreamArnError::Region),
            ("arn:aws:kinesis:eu-west-1:12345678901:stream/s", StreamArnError::Account),
            ("arn:aws:kinesis:eu-west-1:1234567890ab:stream/s", StreamArnError::Account),
            ("arn:aws:kinesis:eu-west-1:123456789012:consumer/s", StreamArnError::NotAStream),
            (
                "arn:aws:kinesis:eu-west-1:123456789012:stream/s/consumer/c:1",
                StreamArnError::Name(StreamNameError::Character { offset: 1 }),
            ),
        ];
        for (text, error) in refused {
            assert_eq!(StreamArn::new(text), Err(error), "{text}");
        }
    }
}
