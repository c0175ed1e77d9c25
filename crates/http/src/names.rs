//! The names of the service's own endpoints.
//!
//! Source: the service's rules for endpoints and AWS's list of partitions, as botocore 1.43 carries them; the
//! tests compare with what it makes of them.

use headwaters_wire::StreamArn;

use crate::region::Region;

/// Which of the service's endpoints to use beside the usual one.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Variant {
    /// IPv4 and IPv6.
    pub(crate) dual_stack: bool,
    /// With validated cryptography.
    pub(crate) fips: bool,
}

/// What an operation is, for the endpoints of accounts.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Plane {
    Control,
    Data,
}

/// A part of AWS with names of its own.
struct Partition {
    name: &'static str,
    /// What its regions begin with; a hyphen follows.
    regions: &'static [&'static str],
    suffix: &'static str,
    dual_stack_suffix: &'static str,
}

/// The first one is that of all regions that no other has.
const PARTITIONS: [Partition; 8] = [
    Partition { name: "aws", regions: &[], suffix: "amazonaws.com", dual_stack_suffix: "api.aws" },
    Partition {
        name: "aws-cn",
        regions: &["cn"],
        suffix: "amazonaws.com.cn",
        dual_stack_suffix: "api.amazonwebservices.com.cn",
    },
    Partition {
        name: "aws-eusc",
        regions: &["eusc"],
        suffix: "amazonaws.eu",
        dual_stack_suffix: "api.amazonwebservices.eu",
    },
    Partition {
        name: "aws-iso",
        regions: &["us-iso"],
        suffix: "c2s.ic.gov",
        dual_stack_suffix: "api.aws.ic.gov",
    },
    Partition {
        name: "aws-iso-b",
        regions: &["us-isob"],
        suffix: "sc2s.sgov.gov",
        dual_stack_suffix: "api.aws.scloud",
    },
    Partition {
        name: "aws-iso-e",
        regions: &["eu-isoe"],
        suffix: "cloud.adc-e.uk",
        dual_stack_suffix: "api.cloud-aws.adc-e.uk",
    },
    Partition {
        name: "aws-iso-f",
        regions: &["us-isof"],
        suffix: "csp.hci.ic.gov",
        dual_stack_suffix: "api.aws.hci.ic.gov",
    },
    Partition {
        name: "aws-us-gov",
        regions: &["us-gov"],
        suffix: "amazonaws.com",
        dual_stack_suffix: "api.aws",
    },
];

impl Partition {
    fn of(region: &Region) -> &'static Self {
        let has = |prefix: &&str| {
            region.as_str().strip_prefix(prefix).is_some_and(|rest| rest.starts_with('-'))
        };
        let own = PARTITIONS.iter().find(|partition| partition.regions.iter().any(has));
        own.unwrap_or(&PARTITIONS[0])
    }
}

/// The partition to which a region belongs.
pub(crate) fn partition(region: &Region) -> &'static str {
    Partition::of(region).name
}

/// The host of the service in a region; that of the account, if the stream is given by its ARN.
pub(crate) fn host(
    region: &Region,
    variant: Variant,
    stream: Option<&StreamArn>,
    plane: Plane,
) -> String {
    let partition = Partition::of(region);
    let suffix = if variant.dual_stack { partition.dual_stack_suffix } else { partition.suffix };
    let fips = if variant.fips { "-fips" } else { "" };
    // Two partitions have no endpoints of accounts.
    let stream = stream.filter(|_| !matches!(partition.name, "aws-iso" | "aws-iso-b"));
    match stream {
        Some(stream) => {
            let plane = match plane {
                Plane::Control => "control",
                Plane::Data => "data",
            };
            format!("{}.{plane}-kinesis{fips}.{region}.{suffix}", stream.account())
        }
        // All its endpoints are validated.
        None if partition.name == "aws-us-gov" && !variant.dual_stack => {
            format!("kinesis.{region}.{suffix}")
        }
        None => format!("kinesis{fips}.{region}.{suffix}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Deserialize)]
    struct Botocore {
        endpoints: Vec<Chosen>,
    }

    #[derive(Deserialize)]
    struct Chosen {
        region: String,
        partition: String,
        fips: bool,
        dual_stack: bool,
        operation: Option<String>,
        url: String,
    }

    #[test]
    fn botocore_chooses_the_same() {
        let file: Botocore =
            serde_json::from_str(include_str!("../tests/vectors/botocore.json")).expect("vectors");
        assert!(file.endpoints.len() > 400);
        for chosen in file.endpoints {
            let region = Region::new(&chosen.region).expect("a region");
            assert_eq!(partition(&region), chosen.partition);
            let arn =
                format!("arn:{}:kinesis:{region}:123456789012:stream/orders", chosen.partition);
            let stream = StreamArn::new(&arn).expect("an ARN");
            let variant = Variant { dual_stack: chosen.dual_stack, fips: chosen.fips };
            let (stream, plane) = match chosen.operation.as_deref() {
                None => (None, Plane::Data),
                Some("data") => (Some(&stream), Plane::Data),
                Some(_) => (Some(&stream), Plane::Control),
            };
            let host = host(&region, variant, stream, plane);
            assert_eq!(format!("https://{host}"), chosen.url, "{region} {variant:?} {plane:?}");
        }
    }
}
