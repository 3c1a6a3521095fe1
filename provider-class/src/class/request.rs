//! What is asked of AWS for one object. Its text for messages, its name on the wire and its key in a saved state are
//! three different things, each with a function of its own.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// What is asked of AWS for one object.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Request {
    /// A secret of Secrets Manager.
    Secret(SecretRequest),
    /// A parameter of Parameter Store.
    Parameter(ParameterRequest),
    /// All parameters below a path.
    Path(PathRequest),
}

/// What `secretsmanager:GetSecretValue` is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SecretRequest {
    /// Name or ARN: `SecretId`.
    pub id: String,
    /// `VersionId`.
    pub version: Option<String>,
    /// `VersionStage`. Secrets Manager's default is AWSCURRENT.
    pub stage: Option<String>,
}

/// One of the names that `ssm:GetParameters` is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ParameterRequest {
    /// Name or ARN, without selector.
    pub name: String,
    /// Version or label.
    pub selector: Option<Selector>,
}

/// What `ssm:GetParametersByPath` is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PathRequest {
    /// The path without a slash at its end: nothing for the root.
    pub path: String,
    /// Are the parameters of all levels requested, or only of the first one?
    pub is_recursive: bool,
    /// Only the versions with this label.
    pub label: Option<String>,
}

/// What selects a version of a parameter.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Selector {
    /// A version's number.
    Version(u64),
    /// A label.
    Label(String),
}

/// Identifies a request in a saved state. Different requests have different keys, also where their texts are equal: a
/// secret and a parameter may share one name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, Serialize)]
#[serde(transparent)]
pub struct RequestKey(String);

impl RequestKey {
    /// The key of a request and of the one that stands in for it in the failover region.
    pub(crate) fn of(request: &Request, failover: Option<&Request>) -> Self {
        let parts = (request.key_parts(), failover.map(Request::key_parts));
        Self(json!(parts).to_string())
    }
}

impl Request {
    /// Everything that distinguishes it, as JSON, which no name can imitate.
    fn key_parts(&self) -> Value {
        match self {
            Self::Secret(SecretRequest { id, version, stage }) => {
                json!(["secret", id, version, stage])
            }
            Self::Parameter(ParameterRequest { name, selector }) => match selector {
                Some(Selector::Version(version)) => json!(["parameter", name, version]),
                Some(Selector::Label(label)) => json!(["parameter", name, label]),
                None => json!(["parameter", name]),
            },
            Self::Path(PathRequest {
                path,
                is_recursive,
                label,
            }) => json!(["path", path, is_recursive, label]),
        }
    }
}

impl SecretRequest {
    /// A stage of AWSCURRENT without a version is the default and left out, so that equal requests are equal.
    pub(crate) fn new(id: &str, version: Option<&str>, stage: Option<&str>) -> Self {
        Self {
            id: id.to_owned(),
            version: version.map(str::to_owned),
            stage: stage
                .filter(|stage| version.is_some() || *stage != "AWSCURRENT")
                .map(str::to_owned),
        }
    }
}

impl ParameterRequest {
    /// The name in a call of `GetParameters`: with `:` and the version or label, if there is one.
    pub fn wire_name(&self) -> String {
        match &self.selector {
            Some(selector) => format!("{}:{selector}", self.name),
            None => self.name.clone(),
        }
    }

    /// The name without what differs between its spellings: the ARN of `/app/db` has no slash before `app`.
    pub fn short_name(&self) -> &str {
        short_name(&self.name)
    }
}

impl PathRequest {
    /// The path in a call of `GetParametersByPath`.
    pub fn wire_path(&self) -> &str {
        if self.path.is_empty() {
            "/"
        } else {
            &self.path
        }
    }

    /// A parameter's name below the path, if it is one of those that are requested.
    pub fn below<'a>(&self, name: &'a str) -> Option<&'a str> {
        let name = short_name(name);
        let below = if self.path.is_empty() {
            name
        } else {
            let rest = name.strip_prefix(short_name(&self.path))?;
            rest.strip_prefix('/')?
        };
        (self.is_recursive || !below.contains('/')).then_some(below)
    }

    /// The whole name of a parameter below the path.
    pub fn name_of(&self, below: &str) -> String {
        format!("{}/{below}", self.path)
    }
}

/// A parameter's name or ARN without what differs between its spellings: the ARN of `/app/db` has no slash before `app`.
pub fn short_name(name: &str) -> &str {
    let name = name
        .rsplit_once(":parameter/")
        .map_or(name, |(_, name)| name);
    name.trim_start_matches('/')
}

impl Selector {
    pub(crate) fn of(text: &str) -> Self {
        text.parse()
            .map_or_else(|_| Self::Label(text.to_owned()), Self::Version)
    }
}

/// As a parameter's name on the wire ends.
impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version(version) => write!(f, "{version}"),
            Self::Label(label) => f.write_str(label),
        }
    }
}

/// For messages: the name or ARN, with version or label.
impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Secret(SecretRequest { id, version, stage }) => {
                f.write_str(id)?;
                if let Some(version) = version {
                    write!(f, " version {version}")?;
                }
                if let Some(stage) = stage {
                    write!(f, " label {stage}")?;
                }
                Ok(())
            }
            Self::Parameter(ParameterRequest { name, selector }) => {
                f.write_str(name)?;
                match selector {
                    Some(selector) => write!(f, ":{selector}"),
                    None => Ok(()),
                }
            }
            Self::Path(request) => {
                f.write_str(request.wire_path())?;
                match &request.label {
                    Some(label) => write!(f, " label {label}"),
                    None => Ok(()),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(id: &str, version: Option<&str>, stage: Option<&str>) -> Request {
        Request::Secret(SecretRequest::new(id, version, stage))
    }

    fn parameter(name: &str, selector: Option<Selector>) -> Request {
        Request::Parameter(ParameterRequest {
            name: name.to_owned(),
            selector,
        })
    }

    #[test]
    fn requests_with_one_text_have_different_keys() {
        let requests = [
            secret("a", None, None),
            parameter("a", None),
            secret("a:1", None, None),
            parameter("a:1", None),
            parameter("a", Some(Selector::Version(1))),
            parameter("a", Some(Selector::Label("1".to_owned()))),
            secret("a version b", None, None),
            secret("a", Some("b"), None),
            secret("a", None, Some("b")),
            secret("a label b", None, None),
            secret("a\",null,null]", None, None),
        ];
        for (index, one) in requests.iter().enumerate() {
            for other in &requests[..index] {
                assert_ne!(RequestKey::of(one, None), RequestKey::of(other, None));
                assert_ne!(
                    RequestKey::of(one, Some(other)),
                    RequestKey::of(one, None),
                    "the failover region's request counts"
                );
                assert_ne!(
                    RequestKey::of(one, Some(other)),
                    RequestKey::of(other, Some(one))
                );
            }
        }
    }

    #[test]
    fn a_path_knows_the_parameters_below_it() {
        let path = |path: &str, is_recursive| PathRequest {
            path: path.to_owned(),
            is_recursive,
            label: None,
        };
        for (request, name, below) in [
            (path("/app", true), "/app/db", Some("db")),
            (path("/app", true), "/app/db/user", Some("db/user")),
            (path("/app", false), "/app/db/user", None),
            (path("/app", true), "/application/db", None),
            (path("/app", true), "/app", None),
            (path("", true), "/app/db", Some("app/db")),
            (path("", false), "plain", Some("plain")),
        ] {
            assert_eq!(request.below(name), below, "{request:?} {name}");
        }
        let short = RequestKey::of(&Request::Path(path("/app", true)), None);
        assert_ne!(
            short,
            RequestKey::of(&Request::Path(path("/app", false)), None)
        );
        assert_ne!(short, RequestKey::of(&parameter("/app", None), None));
    }

    #[test]
    fn the_default_label_of_a_secret_is_left_out() {
        assert_eq!(
            secret("a", None, Some("AWSCURRENT")),
            secret("a", None, None)
        );
        assert_ne!(
            secret("a", Some("v"), Some("AWSCURRENT")),
            secret("a", Some("v"), None)
        );
    }

    #[test]
    fn a_parameter_has_one_short_name_in_all_spellings() {
        for name in [
            "/app/db",
            "app/db",
            "arn:aws:ssm:us-east-2:111122223333:parameter/app/db",
        ] {
            assert_eq!(short_name(name), "app/db");
        }
    }
}
