//! Finds the stream that the records go to.

use core::time::Duration;
use std::fs;

use headwaters::TokioClock;
use headwaters::http::{AwsSettings, BuildError, HttpTransport, Region};
use headwaters::mock::Mock;
use headwaters::wire::StreamArn;

use crate::args::{Local, PutArguments, ServiceArguments};
use crate::exit::{Abort, Exit};
use crate::target::{Service, Target};

/// How long the stream inside the command takes to answer: as a service that is near. An answer at
/// once would let a throttled load spend all its time on sending again.
const LOCAL_LATENCY: Duration = Duration::from_millis(10);

/// The stream of the command line. Of a service only the credentials are looked at: nothing is sent.
pub(crate) async fn target(arguments: &PutArguments, clock: TokioClock) -> Result<Target, Abort> {
    if let Some(Local { name, shards }) = arguments.local.clone() {
        let name = name.unwrap_or_else(|| arguments.stream.name.clone());
        let mock = Mock::builder(name, shards.count()).latency(LOCAL_LATENCY).build(clock);
        return Ok(Target::Local(mock));
    }
    let transport = transport(&arguments.service, arguments.stream.arn.as_ref())?;
    check_credentials(&transport).await?;
    Ok(Target::Service(Service::new(transport)))
}

/// Looks for credentials, and sends nothing.
pub(crate) async fn check_credentials(transport: &HttpTransport) -> Result<(), Abort> {
    let checked = transport.check_credentials().await;
    checked.map_err(|error| configuration(format!("no credentials: {error}")))
}

/// A transport to the service of the command line; nothing is sent.
pub(crate) fn transport(
    service: &ServiceArguments,
    stream: Option<&StreamArn>,
) -> Result<HttpTransport, Abort> {
    let ServiceArguments { allow_plain_http, ca_bundle, endpoint_url, profile, region } = service;
    let settings = AwsSettings::load(profile.as_deref());
    let mut builder = settings.map_err(|error| configuration(error.to_string()))?.transport();
    if let Some(endpoint) = endpoint_url {
        builder = builder.endpoint(endpoint.clone());
    }
    if *allow_plain_http {
        builder = builder.allow_plain_http();
    }
    if let Some(region) = region {
        builder = builder.region(region.clone());
    }
    if let Some(path) = ca_bundle {
        let failed = |error| Abort::usage(format!("cannot read {}: {error}", path.display()));
        builder = builder.ca_bundle(fs::read(path).map_err(failed)?);
    }
    if let Some(arn) = stream {
        // It says where the stream is; a region of the environment is meant for other streams.
        if region.is_none()
            && let Ok(own) = Region::new(arn.region())
        {
            builder = builder.region(own);
        }
        builder = builder.stream_arn(arn.clone());
    }
    builder.build().map_err(|error| {
        configuration(match error {
            BuildError::RegionMissing => String::from(
                "there is no region: give --region, set AWS_REGION, or configure one in the AWS profile \
                 (`put --local` puts into a stream inside the command)",
            ),
            BuildError::PlainHttp => format!("{error} (--allow-plain-http)"),
            BuildError::StreamElsewhere => format!("{error} (--region can be left out)"),
            BuildError::Tls(_) => format!("{error} (--ca-bundle, AWS_CA_BUNDLE)"),
            other => other.to_string(),
        })
    })
}

pub(crate) const fn configuration(text: String) -> Abort {
    Abort { exit: Exit::Configuration, text }
}
