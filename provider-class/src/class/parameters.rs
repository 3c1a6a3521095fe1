//! `spec.parameters`, without the contents of `objects`.

use std::collections::BTreeMap;

use super::findings::Findings;
use crate::words::boolean::boolean;
use crate::words::name::shown;
use crate::words::nearest::nearest;
use crate::{PathTranslation, Region, RoleArn};

/// Where the pod's AWS credentials come from (`usePodIdentity`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Credentials {
    /// IAM roles for service accounts: the pod's web identity token, exchanged at STS.
    WebIdentity,
    /// EKS Pod Identity: the node's agent exchanges the pod's token.
    PodIdentity(AddressPreference),
}

/// Which address of the Pod Identity agent is asked (`preferredAddressType`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AddressPreference {
    /// IPv4, or IPv6 if that does not answer.
    Auto,
    /// Only IPv4.
    Ipv4,
    /// Only IPv6.
    Ipv6,
}

/// A second role, assumed with the pod's own credentials (`assumeRoleArn` and its companions).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AssumeRole {
    /// The role.
    pub arn: RoleArn,
    /// The external ID that the role's trust policy may require.
    pub external_id: Option<String>,
    /// Lifetime of the credentials in seconds; the default is the role's own.
    pub duration_seconds: Option<i32>,
}

/// The parameters, each valid.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Parameters<'a> {
    pub(crate) objects: Option<&'a str>,
    pub(crate) templates: Option<&'a str>,
    pub(crate) region: Option<Region>,
    pub(crate) failover_region: Option<Region>,
    pub(crate) translation: PathTranslation,
    pub(crate) credentials: Credentials,
    pub(crate) assume_role: Option<AssumeRole>,
}

/// Names of the supported parameters.
const KNOWN: [&str; 10] = [
    "objects",
    "templates",
    "region",
    "failoverRegion",
    "pathTranslation",
    "usePodIdentity",
    "preferredAddressType",
    "assumeRoleArn",
    "assumeRoleExternalId",
    "assumeRoleDurationSeconds",
];

/// Session durations that STS accepts, in seconds.
const DURATION: std::ops::RangeInclusive<i32> = 900..=43200;

/// The longest session of a role that is assumed with the credentials of another one, in seconds.
///
/// Source: <https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles.html#iam-term-role-chaining>.
const LONGEST_CHAINED: i32 = 3600;

/// The value of a parameter. An unset Helm value leaves an empty string behind, which AWS's provider treats as unset.
fn value<'a>(parameters: &'a BTreeMap<String, String>, name: &str) -> Option<&'a str> {
    let value = parameters.get(name)?;
    (!value.is_empty()).then_some(value)
}

impl<'a> Parameters<'a> {
    pub(crate) fn read(parameters: &'a BTreeMap<String, String>, findings: &mut Findings) -> Self {
        warn_of_unknown(parameters, findings);

        let objects = value(parameters, "objects");
        if objects.is_none() {
            findings.problem(
                "objects",
                "is required: list the secrets and parameters to fetch",
            );
        }
        let region = value(parameters, "region")
            .and_then(|text| findings.keep("region", text.parse::<Region>()));
        let failover_region = value(parameters, "failoverRegion")
            .and_then(|text| findings.keep("failoverRegion", text.parse::<Region>()));
        let translation = value(parameters, "pathTranslation")
            .and_then(|text| findings.keep("pathTranslation", translation(text)));
        let pod_identity = value(parameters, "usePodIdentity")
            .and_then(|text| findings.keep("usePodIdentity", boolean(text)));
        let address = value(parameters, "preferredAddressType")
            .map_or(AddressPreference::Auto, |text| address(text, findings));
        let credentials = match pod_identity {
            Some(true) => Credentials::PodIdentity(address),
            _ => Credentials::WebIdentity,
        };
        let assume_role = assume_role(parameters, findings);
        Self {
            objects,
            templates: value(parameters, "templates"),
            region,
            failover_region,
            translation: translation.unwrap_or(PathTranslation::Replace('_')),
            credentials,
            assume_role,
        }
    }
}

fn warn_of_unknown(parameters: &BTreeMap<String, String>, findings: &mut Findings) {
    for key in parameters
        .keys()
        .filter(|key| !KNOWN.contains(&key.as_str()))
    {
        if !findings.has_room_for_warnings() {
            return;
        }
        let hint = if key.eq_ignore_ascii_case("secretObjects") {
            ": secretObjects belongs under spec, beside parameters".to_owned()
        } else if let Some(meant) = nearest(key, &KNOWN) {
            format!(": did you mean {meant}?")
        } else {
            String::new()
        };
        findings.warning(
            key,
            format!("is not a known parameter and is ignored{hint}"),
        );
    }
}

fn translation(text: &str) -> Result<PathTranslation, String> {
    let mut characters = text.chars();
    match (characters.next(), characters.next()) {
        (Some('\0'), None) => Err("cannot be a NUL character".to_owned()),
        (Some('/'), None) => Ok(PathTranslation::Off),
        (Some(character), None) => Ok(PathTranslation::Replace(character)),
        _ if text.eq_ignore_ascii_case("false") => Ok(PathTranslation::Off),
        _ => Err(format!(
            "{} is neither one character nor \"False\"",
            shown(text)
        )),
    }
}

fn address(text: &str, findings: &mut Findings) -> AddressPreference {
    match text.to_ascii_lowercase().as_str() {
        "auto" => AddressPreference::Auto,
        "ipv4" => AddressPreference::Ipv4,
        "ipv6" => AddressPreference::Ipv6,
        _ => {
            let message = format!("{text:?} is not ipv4, ipv6 or auto: using auto");
            findings.warning("preferredAddressType", message);
            AddressPreference::Auto
        }
    }
}

fn assume_role(
    parameters: &BTreeMap<String, String>,
    findings: &mut Findings,
) -> Option<AssumeRole> {
    let external_id = value(parameters, "assumeRoleExternalId").map(str::to_owned);
    let duration_seconds = value(parameters, "assumeRoleDurationSeconds")
        .and_then(|text| findings.keep("assumeRoleDurationSeconds", duration(text)));
    let Some(arn) = value(parameters, "assumeRoleArn") else {
        for key in ["assumeRoleExternalId", "assumeRoleDurationSeconds"] {
            if value(parameters, key).is_some() {
                findings.warning(key, "has no effect without assumeRoleArn");
            }
        }
        return None;
    };
    if duration_seconds.is_some_and(|seconds| seconds > LONGEST_CHAINED) {
        findings.warning(
            "assumeRoleDurationSeconds",
            format!(
                "is more than {LONGEST_CHAINED}, which STS refuses for a role that another role assumes, whatever its own maximum"
            ),
        );
    }
    let arn = findings.keep("assumeRoleArn", arn.parse::<RoleArn>())?;
    Some(AssumeRole {
        arn,
        external_id,
        duration_seconds,
    })
}

fn duration(text: &str) -> Result<i32, String> {
    let seconds = text
        .trim()
        .parse()
        .ok()
        .filter(|seconds| DURATION.contains(seconds));
    seconds.ok_or_else(|| {
        format!(
            "{text:?} is not a number of seconds from {} to {}",
            DURATION.start(),
            DURATION.end()
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(
        pairs: &[(&str, &str)],
    ) -> (
        PathTranslation,
        Credentials,
        Option<AssumeRole>,
        Vec<String>,
        Vec<String>,
    ) {
        let mut map: BTreeMap<_, _> = pairs
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect();
        map.entry("objects".into())
            .or_insert_with(|| "- objectName: a".into());
        let mut findings = Findings::default();
        let parameters = Parameters::read(&map, &mut findings);
        let lines =
            |problems: Vec<crate::Problem>| problems.iter().map(ToString::to_string).collect();
        (
            parameters.translation,
            parameters.credentials,
            parameters.assume_role.clone(),
            lines(findings.problems),
            lines(findings.warnings),
        )
    }

    fn problems(pairs: &[(&str, &str)]) -> Vec<String> {
        read(pairs).3
    }

    #[test]
    fn path_translation_is_one_character_or_false() {
        for (text, meant) in [
            ("", PathTranslation::Replace('_')),
            ("-", PathTranslation::Replace('-')),
            ("é", PathTranslation::Replace('é')),
            ("/", PathTranslation::Off),
            ("False", PathTranslation::Off),
            ("fAlSe", PathTranslation::Off),
        ] {
            assert_eq!(read(&[("pathTranslation", text)]).0, meant, "{text}");
        }
        for bad in ["__", "true", "no", "\0"] {
            assert_eq!(problems(&[("pathTranslation", bad)]).len(), 1, "{bad}");
        }
    }

    #[test]
    fn a_session_longer_than_an_assumed_role_can_have_is_warned_of() {
        let warnings = |seconds| {
            let arn = ("assumeRoleArn", "arn:aws:iam::111122223333:role/r");
            read(&[arn, ("assumeRoleDurationSeconds", seconds)]).4
        };
        assert_eq!(warnings("3600"), [] as [&str; 0]);
        assert!(warnings("7200")[0].contains("is more than 3600"));
    }

    #[test]
    fn pod_identity_is_a_boolean_of_go() {
        for yes in ["1", "t", "T", "true", "True", "TRUE"] {
            assert_eq!(
                read(&[("usePodIdentity", yes)]).1,
                Credentials::PodIdentity(AddressPreference::Auto)
            );
        }
        for no in ["", "0", "f", "F", "false", "False", "FALSE"] {
            assert_eq!(read(&[("usePodIdentity", no)]).1, Credentials::WebIdentity);
        }
        for bad in ["yes", "tRUE", "2", " true"] {
            assert!(
                problems(&[("usePodIdentity", bad)])[0].starts_with("usePodIdentity: "),
                "{bad}"
            );
        }
    }

    #[test]
    fn an_unknown_address_type_is_auto_with_a_warning() {
        let (_, credentials, _, problems, warnings) =
            read(&[("usePodIdentity", "true"), ("preferredAddressType", "ipv5")]);
        assert_eq!(
            credentials,
            Credentials::PodIdentity(AddressPreference::Auto)
        );
        assert_eq!(problems, [] as [&str; 0]);
        assert!(warnings[0].contains("using auto"), "{warnings:?}");
        let ipv6 = read(&[("usePodIdentity", "true"), ("preferredAddressType", "IPv6")]).1;
        assert_eq!(ipv6, Credentials::PodIdentity(AddressPreference::Ipv6));
    }

    #[test]
    fn regions_are_regions() {
        assert!(problems(&[("region", "US East")])[0].starts_with("region: "));
        assert!(problems(&[("failoverRegion", "US East")])[0].starts_with("failoverRegion: "));
    }

    #[test]
    fn a_second_role_has_a_length_that_sts_takes() {
        let role = ("assumeRoleArn", "arn:aws:iam::111122223333:role/other");
        for good in ["900", "43200"] {
            let assumed = read(&[role, ("assumeRoleDurationSeconds", good)])
                .2
                .unwrap();
            assert_eq!(assumed.duration_seconds, good.parse().ok());
        }
        for bad in ["899", "43201", "1h", "-900"] {
            assert_eq!(
                problems(&[role, ("assumeRoleDurationSeconds", bad)]).len(),
                1,
                "{bad}"
            );
        }
        assert_eq!(problems(&[("assumeRoleArn", "other")]).len(), 1);
        assert!(read(&[("assumeRoleExternalId", "x")]).4[0].contains("no effect"));
    }

    #[test]
    fn unknown_parameters_are_warned_about() {
        let warnings = read(&[("Region", "us-west-2"), ("foo", "bar")]).4;
        assert_eq!(warnings.len(), 2);
        assert!(
            warnings[0].ends_with("did you mean region?"),
            "{warnings:?}"
        );
    }
}
