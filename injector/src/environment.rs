//! The environment variables, read once: the SDK's own, and those that the webhook sets.
//!
//! Source: <https://docs.aws.amazon.com/sdkref/latest/guide/settings-reference.html>. Variables that would bring other
//! credentials than the pod's own (`AWS_ACCESS_KEY_ID`, `AWS_PROFILE` …) are not read, on purpose.

use std::path::PathBuf;

use provider_class::{Region, RoleArn};

use crate::aws::Service;

/// What the environment says.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    /// `AWS_REGION`: for classes without a region.
    pub region: Option<Region>,
    /// `AWS_ROLE_ARN`: the pod's role.
    pub role_arn: Option<RoleArn>,
    /// `AWS_WEB_IDENTITY_TOKEN_FILE`: the pod's token for STS.
    pub web_identity_token_file: Option<PathBuf>,
    /// `AWS_CONTAINER_CREDENTIALS_FULL_URI`: the Pod Identity agent, if not at its usual addresses.
    pub container_credentials_uri: Option<String>,
    /// `AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE`: the pod's token for the Pod Identity agent.
    pub container_token_file: Option<PathBuf>,
    /// `AWS_ROLE_SESSION_NAME`, or namespace and pod name.
    pub session_name: SessionName,
    /// `AWS_CA_BUNDLE`: certificate authorities to trust besides the system's.
    pub ca_bundle: Option<PathBuf>,
    /// `AWS_USE_FIPS_ENDPOINT`.
    pub use_fips: bool,
    /// `AWS_USE_DUALSTACK_ENDPOINT`.
    pub use_dual_stack: bool,
    endpoint: Option<String>,
    service_endpoints: Vec<(Service, String)>,
}

/// An environment variable has a value that means nothing.
#[derive(Debug, thiserror::Error)]
#[error("environment variable {variable}: {reason}")]
pub struct InvalidEnvironment {
    variable: &'static str,
    reason: String,
}

impl Environment {
    /// Reads the variables through `get`, which gives `None` for an unset one. An empty value counts as unset.
    pub fn read(get: impl Fn(&str) -> Option<String>) -> Result<Self, InvalidEnvironment> {
        let get = |variable: &str| get(variable).filter(|value| !value.is_empty());
        let ignore_endpoints = boolean("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", get)?;
        let endpoint_of = |variable: &str| get(variable).filter(|_| !ignore_endpoints);
        let service_endpoint =
            |service: Service| Some((service, endpoint_of(service.endpoint_variable())?));
        Ok(Self {
            region: parse("AWS_REGION", get)?,
            role_arn: parse("AWS_ROLE_ARN", get)?,
            web_identity_token_file: get("AWS_WEB_IDENTITY_TOKEN_FILE").map(PathBuf::from),
            container_credentials_uri: get("AWS_CONTAINER_CREDENTIALS_FULL_URI"),
            container_token_file: get("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE").map(PathBuf::from),
            session_name: SessionName::of(
                get("AWS_ROLE_SESSION_NAME").as_deref(),
                get("POD_NAMESPACE").as_deref(),
                get("POD_NAME").as_deref(),
            ),
            ca_bundle: get("AWS_CA_BUNDLE").map(PathBuf::from),
            use_fips: boolean("AWS_USE_FIPS_ENDPOINT", get)?,
            use_dual_stack: boolean("AWS_USE_DUALSTACK_ENDPOINT", get)?,
            endpoint: endpoint_of("AWS_ENDPOINT_URL"),
            service_endpoints: Service::ALL
                .into_iter()
                .filter_map(service_endpoint)
                .collect(),
        })
    }

    /// Where a service is, if not at its usual address: the service's own variable, or the one for all.
    pub fn endpoint(&self, service: Service) -> Option<&str> {
        let own = self
            .service_endpoints
            .iter()
            .find(|(other, _)| *other == service);
        own.map(|(_, url)| url.as_str())
            .or(self.endpoint.as_deref())
    }
}

fn parse<T: std::str::FromStr<Err: ToString>>(
    variable: &'static str,
    get: impl Fn(&str) -> Option<String>,
) -> Result<Option<T>, InvalidEnvironment> {
    let parsed = get(variable).map(|value| value.parse()).transpose();
    parsed.map_err(|error: T::Err| InvalidEnvironment {
        variable,
        reason: error.to_string(),
    })
}

fn boolean(
    variable: &'static str,
    get: impl Fn(&str) -> Option<String>,
) -> Result<bool, InvalidEnvironment> {
    let reason = |value| format!("{value:?} is neither \"true\" nor \"false\"");
    match get(variable) {
        None => Ok(false),
        Some(value) => value
            .to_ascii_lowercase()
            .parse()
            .map_err(|_| InvalidEnvironment {
                variable,
                reason: reason(value),
            }),
    }
}

/// The name of the role session, by which CloudTrail tells pods apart.
///
/// Source: `RoleSessionName` of <https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html>.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionName(String);

impl SessionName {
    const MAX_CHARACTERS: usize = 64;

    fn of(given: Option<&str>, namespace: Option<&str>, pod: Option<&str>) -> Self {
        let text = match (given, namespace, pod) {
            (Some(name), _, _) => name.to_owned(),
            (None, Some(namespace), Some(pod)) => format!("{namespace}.{pod}"),
            (None, Some(one), None) | (None, None, Some(one)) => one.to_owned(),
            (None, None, None) => return Self::default(),
        };
        let allowed = |c: char| {
            if c.is_ascii_alphanumeric() || "_+=,.@-".contains(c) {
                c
            } else {
                '-'
            }
        };
        let name: String = text
            .chars()
            .map(allowed)
            .take(Self::MAX_CHARACTERS)
            .collect();
        // STS takes two characters at the least.
        if name.len() < 2 {
            Self::default()
        } else {
            Self(name)
        }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for SessionName {
    fn default() -> Self {
        Self("aws-secrets-injector".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Environment, String> {
        let get = |name: &str| {
            variables
                .iter()
                .find(|(other, _)| *other == name)
                .map(|(_, value)| (*value).to_owned())
        };
        Environment::read(get).map_err(|error| error.to_string())
    }

    #[test]
    fn a_service_endpoint_goes_before_the_common_one() {
        let environment = read(&[
            ("AWS_ENDPOINT_URL", "http://all"),
            ("AWS_ENDPOINT_URL_STS", "http://sts"),
        ])
        .unwrap();
        assert_eq!(environment.endpoint(Service::Sts), Some("http://sts"));
        assert_eq!(
            environment.endpoint(Service::SecretsManager),
            Some("http://all")
        );
        let ignored = read(&[
            ("AWS_ENDPOINT_URL", "http://all"),
            ("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true"),
        ])
        .unwrap();
        assert_eq!(ignored.endpoint(Service::Sts), None);
    }

    #[test]
    fn a_bad_value_names_its_variable() {
        for (variable, value) in [
            ("AWS_REGION", "here"),
            ("AWS_ROLE_ARN", "app"),
            ("AWS_USE_FIPS_ENDPOINT", "maybe"),
        ] {
            let error = read(&[(variable, value)]).unwrap_err();
            assert!(
                error.starts_with(&format!("environment variable {variable}: ")),
                "{error}"
            );
        }
        assert!(read(&[("AWS_REGION", "")]).unwrap().region.is_none());
    }

    #[test]
    fn a_session_is_named_after_its_pod() {
        let name =
            |namespace: Option<&str>, pod: Option<&str>| SessionName::of(None, namespace, pod).0;
        assert_eq!(
            name(Some("shop"), Some("web-7d4b9-x2x")),
            "shop.web-7d4b9-x2x"
        );
        assert_eq!(name(Some("shop"), Some(&"p".repeat(100))).len(), 64);
        assert_eq!(name(None, None), "aws-secrets-injector");
        assert_eq!(SessionName::of(Some("a b/ü"), None, None).0, "a-b--");
        assert_eq!(
            SessionName::of(Some("x"), None, None),
            SessionName::default()
        );
    }
}
