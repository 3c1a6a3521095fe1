//! `spec.parameters`, without the contents of its lists.
//!
//! A new parameter is a field of [`Parameters`] and a line where it is read.

use std::collections::BTreeSet;

use super::cursor::{Cursor, Fields};
use super::field_path::{OBJECTS, Path, TEMPLATES};
use super::findings::Findings;
use crate::words::boolean::boolean;
use crate::words::name::shown;
use crate::yaml::Node;
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
    /// What the session says about the pod, for policies that compare tags.
    pub session_tags: BTreeSet<SessionTag>,
}

/// A session tag (`assumeRoleSessionTags`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SessionTag {
    /// The pod's namespace.
    Namespace,
    /// The pod's ServiceAccount.
    ServiceAccount,
    /// The pod's name.
    Pod,
}

impl SessionTag {
    /// The tag's key, which EKS Pod Identity uses, too.
    ///
    /// Source: <https://docs.aws.amazon.com/eks/latest/userguide/pod-id-abac.html>.
    pub fn key(self) -> &'static str {
        match self {
            Self::Namespace => "kubernetes-namespace",
            Self::ServiceAccount => "kubernetes-service-account",
            Self::Pod => "kubernetes-pod-name",
        }
    }

    fn of(text: &str) -> Result<Self, String> {
        match text {
            "namespace" => Ok(Self::Namespace),
            "serviceAccount" => Ok(Self::ServiceAccount),
            "pod" => Ok(Self::Pod),
            _ => Err(format!(
                "{} is not namespace, serviceAccount or pod: write a comma-separated list of these",
                shown(text)
            )),
        }
    }
}

/// The parameters besides the lists, each valid.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Parameters {
    pub(crate) region: Option<Region>,
    pub(crate) failover_region: Option<Region>,
    pub(crate) translation: PathTranslation,
    pub(crate) credentials: Credentials,
    pub(crate) preferred_address: AddressPreference,
    pub(crate) assume_role: Option<AssumeRole>,
}

/// The parameter that chooses EKS Pod Identity.
pub const USE_POD_IDENTITY: &str = "usePodIdentity";

/// Session durations that STS accepts, in seconds.
const DURATION: std::ops::RangeInclusive<i32> = 900..=43200;

/// The longest session of a role that is assumed with the credentials of another one, in seconds.
///
/// Source: <https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles.html#iam-term-role-chaining>.
const LONGEST_CHAINED: i32 = 3600;

impl Parameters {
    /// Reads the parameters. An unset Helm value leaves an empty string behind, which AWS's provider treats as unset.
    pub(super) fn read<'a>(node: &'a Node, findings: &'a Findings<'a>) -> Self {
        let at = Cursor::new(node, Path::default(), findings);
        let mut fields = Fields::new(at).of_parameters();
        // The lists have been read.
        if fields.text(OBJECTS).is_none() {
            fields.missing(
                OBJECTS,
                "is required: list the secrets and parameters to fetch",
            );
        }
        let _ = fields.text(TEMPLATES);
        let region = fields.parsed("region", str::parse::<Region>);
        let failover_region = fields.parsed("failoverRegion", str::parse::<Region>);
        let translation = fields.parsed("pathTranslation", translation);
        let pod_identity = fields.parsed(USE_POD_IDENTITY, boolean);
        let address = match fields.text("preferredAddressType") {
            Some(text) => address(text, &fields),
            None => AddressPreference::Auto,
        };
        let credentials = match pod_identity.flatten() {
            Some(true) => Credentials::PodIdentity(address),
            _ => Credentials::WebIdentity,
        };
        let assume_role = assume_role(&mut fields, credentials);
        fields.finish();
        Self {
            region: region.flatten(),
            failover_region: failover_region.flatten(),
            translation: translation
                .flatten()
                .unwrap_or(PathTranslation::Replace('_')),
            credentials,
            preferred_address: address,
            assume_role,
        }
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

fn address(text: &str, fields: &Fields<'_>) -> AddressPreference {
    match text.to_ascii_lowercase().as_str() {
        "auto" => AddressPreference::Auto,
        "ipv4" => AddressPreference::Ipv4,
        "ipv6" => AddressPreference::Ipv6,
        _ => {
            let message = format!("{text:?} is not ipv4, ipv6 or auto: using auto");
            fields.warning("preferredAddressType", message);
            AddressPreference::Auto
        }
    }
}

fn assume_role(fields: &mut Fields<'_>, credentials: Credentials) -> Option<AssumeRole> {
    let external_id = fields.text("assumeRoleExternalId").map(str::to_owned);
    let duration = fields.parsed("assumeRoleDurationSeconds", duration);
    let duration_seconds = duration.flatten();
    let tags = fields.parsed("assumeRoleSessionTags", session_tags);
    let mut session_tags = tags.clone().flatten().unwrap_or_default();
    let Some(arn) = fields.text("assumeRoleArn") else {
        for (key, is_set) in [
            ("assumeRoleExternalId", external_id.is_some()),
            ("assumeRoleDurationSeconds", duration != Some(None)),
            ("assumeRoleSessionTags", tags != Some(None)),
        ] {
            if is_set {
                fields.warning(key, "has no effect without assumeRoleArn");
            }
        }
        return None;
    };
    if duration_seconds.is_some_and(|seconds| seconds > LONGEST_CHAINED) {
        fields.warning(
            "assumeRoleDurationSeconds",
            format!(
                "is more than {LONGEST_CHAINED}, which STS refuses for a role that another role assumes, whatever its own maximum"
            ),
        );
    }
    if credentials != Credentials::WebIdentity && !session_tags.is_empty() {
        // STS refuses a tag that the session has already.
        fields.warning(
            "assumeRoleSessionTags",
            "has no effect with usePodIdentity: EKS sets these tags, and passes them on to the second role",
        );
        session_tags.clear();
    }
    let arn = fields.keep("assumeRoleArn", arn.parse::<RoleArn>())?;
    Some(AssumeRole {
        arn,
        external_id,
        duration_seconds,
        session_tags,
    })
}

fn session_tags(text: &str) -> Result<BTreeSet<SessionTag>, String> {
    text.split(',')
        .map(|tag| SessionTag::of(tag.trim()))
        .collect()
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
    use std::collections::BTreeMap;

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
        let node = Node::from(&map);
        let findings = Findings::default();
        let parameters = Parameters::read(&node, &findings);
        let found = findings.found();
        let lines =
            |problems: Vec<crate::Problem>| problems.iter().map(ToString::to_string).collect();
        (
            parameters.translation,
            parameters.credentials,
            parameters.assume_role.clone(),
            lines(found.problems),
            lines(found.warnings),
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
        for (good, count) in [("namespace", 1), ("pod, serviceAccount,namespace", 3)] {
            let assumed = read(&[role, ("assumeRoleSessionTags", good)]).2.unwrap();
            assert_eq!(assumed.session_tags.len(), count);
        }
        for bad in ["Namespace", "namespace,", "namespace pod", "cluster"] {
            let problems = problems(&[role, ("assumeRoleSessionTags", bad)]);
            assert!(
                problems[0].contains("is not namespace, serviceAccount or pod"),
                "{problems:?}"
            );
        }
        let tags = ("assumeRoleSessionTags", "namespace");
        let (_, _, assumed, _, warnings) = read(&[role, tags, ("usePodIdentity", "true")]);
        assert_eq!(assumed.unwrap().session_tags.len(), 0);
        assert!(warnings[0].contains("EKS sets these tags"), "{warnings:?}");
        assert!(read(&[tags]).4[0].contains("no effect"));
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
