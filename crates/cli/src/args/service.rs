use core::str::FromStr;
use std::path::PathBuf;

use clap::Args;
use headwaters::http::{Endpoint, Region};
use headwaters::wire::{StreamArn, StreamName};

/// Which service, and how it is reached: what is not given is read as the AWS command line does, from
/// the environment and from ~/.aws.
#[derive(Args, Debug)]
#[command(next_help_heading = "Service")]
pub(crate) struct ServiceArguments {
    /// Where requests go instead of the service's endpoint in the region
    ///
    /// [default: AWS_ENDPOINT_URL_KINESIS, AWS_ENDPOINT_URL, the profile]
    #[arg(long, value_name = "URL", verbatim_doc_comment)]
    pub(crate) endpoint_url: Option<Endpoint>,

    /// Allow --endpoint-url to be http:// and not on this machine: everybody on
    /// the way can read the records
    #[arg(long, verbatim_doc_comment, hide_short_help = true)]
    pub(crate) allow_plain_http: bool,

    /// The region of the stream
    ///
    /// [default: AWS_REGION, AWS_DEFAULT_REGION, the profile]
    #[arg(long, value_name = "REGION", verbatim_doc_comment)]
    pub(crate) region: Option<Region>,

    /// The profile in ~/.aws/config and ~/.aws/credentials
    ///
    /// Its credentials come before those of the environment [default: AWS_PROFILE, default]
    #[arg(long, value_name = "PROFILE", verbatim_doc_comment)]
    pub(crate) profile: Option<String>,

    /// Trust the certificates in this file, in PEM, and no others
    /// [default: AWS_CA_BUNDLE, the profile, those of the system]
    #[arg(long, value_name = "FILE", verbatim_doc_comment, hide_short_help = true)]
    pub(crate) ca_bundle: Option<PathBuf>,
}

/// A stream by its name or by its ARN.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct StreamArgument {
    pub(crate) arn: Option<StreamArn>,
    pub(crate) name: StreamName,
}

impl FromStr for StreamArgument {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.starts_with("arn:") {
            let arn = StreamArn::new(text).map_err(|error| error.to_string())?;
            return Ok(Self { name: arn.stream_name().clone(), arn: Some(arn) });
        }
        let name = StreamName::new(text).map_err(|error| error.to_string())?;
        Ok(Self { arn: None, name })
    }
}
