//! The environment variables: the SDK's own, and those that the webhook sets. They are read once.
//!
//! Source: <https://docs.aws.amazon.com/sdkref/latest/guide/settings-reference.html>. Variables for other
//! credentials than the pod's own (`AWS_ACCESS_KEY_ID`, `AWS_PROFILE` …) are deliberately not read.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use hyper_util::client::proxy::matcher::Matcher;
use provider_class::network::{self, AgentUri, Endpoint, Flag, InvalidVariable, NoProxy, Proxy};
use provider_class::{Region, RoleArn, SessionTag};

use crate::service::Service;

/// The settings in the environment.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    /// `AWS_REGION`: for classes without a region.
    pub region: Option<Region>,
    /// `AWS_ROLE_ARN`: the pod's role.
    pub role_arn: Option<RoleArn>,
    /// `AWS_WEB_IDENTITY_TOKEN_FILE`: the pod's token for STS.
    pub web_identity_token_file: Option<PathBuf>,
    /// `AWS_CONTAINER_CREDENTIALS_FULL_URI`: the Pod Identity agent, if not at its usual addresses.
    pub container_credentials_uri: Option<AgentUri>,
    /// `AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE`: the pod's token for the Pod Identity agent.
    pub container_token_file: Option<PathBuf>,
    /// `AWS_ROLE_SESSION_NAME`, or namespace and pod name.
    pub session_name: SessionName,
    /// The pod, as far as the webhook tells it.
    pub pod: PodNames,
    /// `AWS_CA_BUNDLE`: certificate authorities to trust besides the system's.
    pub ca_bundle: Option<PathBuf>,
    /// `CA_BUNDLE`: the same as PEM, from the webhook.
    pub ca_certificates: Option<String>,
    /// `AWS_USE_FIPS_ENDPOINT`.
    pub use_fips: bool,
    /// `AWS_USE_DUALSTACK_ENDPOINT`.
    pub use_dual_stack: bool,
    /// The proxies to AWS.
    pub proxies: Proxies,
    endpoint: Option<Endpoint>,
    service_endpoints: Vec<(Service, Endpoint)>,
}

/// `POD_NAMESPACE`, `POD_SERVICE_ACCOUNT` and `POD_NAME`.
#[derive(Clone, Debug, Default)]
pub struct PodNames {
    namespace: Option<String>,
    service_account: Option<String>,
    name: Option<String>,
}

impl PodNames {
    /// What a session tag says; an unset variable is the error.
    pub fn tag(&self, tag: SessionTag) -> Result<&str, &'static str> {
        let (value, variable) = match tag {
            SessionTag::Namespace => (&self.namespace, "POD_NAMESPACE"),
            SessionTag::ServiceAccount => (&self.service_account, "POD_SERVICE_ACCOUNT"),
            SessionTag::Pod => (&self.name, "POD_NAME"),
        };
        value.as_deref().ok_or(variable)
    }
}

/// `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY`, or the same in lower case.
#[derive(Clone, Debug, Default)]
pub struct Proxies {
    https: Option<Proxy>,
    http: Option<Proxy>,
    all: Option<Proxy>,
    none: Option<NoProxy>,
}

impl Proxies {
    /// Which proxy is for which server.
    pub fn matcher(&self) -> Matcher {
        let none = self.none.as_ref().map(NoProxy::as_str);
        Matcher::builder()
            .https(url(self.https.as_ref()))
            .http(url(self.http.as_ref()))
            .all(url(self.all.as_ref()))
            .no(none.unwrap_or_default())
            .build()
    }
}

/// A proxy as the matcher takes it; empty for none.
fn url(proxy: Option<&Proxy>) -> String {
    proxy
        .map(Proxy::with_password)
        .unwrap_or_default()
        .to_owned()
}

impl Environment {
    /// Reads the variables through `get`, which gives `None` for an unset one. An empty value counts as unset.
    pub fn read(get: impl Fn(&str) -> Option<String>) -> Result<Self, InvalidVariable> {
        let variables = Variables(|variable: &str| get(variable).filter(|value| !value.is_empty()));
        let ignore_endpoints = variables.flag("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS")?;
        let (mut endpoint, mut service_endpoints) = (None, Vec::new());
        if !ignore_endpoints {
            endpoint = variables.parsed("AWS_ENDPOINT_URL")?;
            for service in Service::ALL {
                let own: Option<Endpoint> = variables.parsed(service.endpoint_variable())?;
                service_endpoints.extend(own.map(|endpoint| (service, endpoint)));
            }
        }
        let pod = PodNames {
            namespace: variables.text("POD_NAMESPACE"),
            service_account: variables.text("POD_SERVICE_ACCOUNT"),
            name: variables.text("POD_NAME"),
        };
        Ok(Self {
            region: variables.parsed("AWS_REGION")?,
            role_arn: variables.parsed("AWS_ROLE_ARN")?,
            web_identity_token_file: variables.path("AWS_WEB_IDENTITY_TOKEN_FILE"),
            container_credentials_uri: variables.parsed(network::AGENT)?,
            container_token_file: variables.path("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"),
            session_name: SessionName::of(
                variables.text("AWS_ROLE_SESSION_NAME").as_deref(),
                pod.namespace.as_deref(),
                pod.name.as_deref(),
            ),
            pod,
            ca_bundle: variables.path("AWS_CA_BUNDLE"),
            ca_certificates: variables.text("CA_BUNDLE"),
            use_fips: variables.flag("AWS_USE_FIPS_ENDPOINT")?,
            use_dual_stack: variables.flag("AWS_USE_DUALSTACK_ENDPOINT")?,
            proxies: Proxies {
                https: variables.in_either_case("HTTPS_PROXY")?,
                http: variables.in_either_case("HTTP_PROXY")?,
                all: variables.in_either_case("ALL_PROXY")?,
                none: variables.in_either_case("NO_PROXY")?,
            },
            endpoint,
            service_endpoints,
        })
    }

    /// A service's endpoint if it is not the usual one: from the service's own variable, or from the one for all services.
    pub fn endpoint(&self, service: Service) -> Option<&str> {
        let own = self
            .service_endpoints
            .iter()
            .find(|(other, _)| *other == service);
        own.map(|(_, endpoint)| endpoint)
            .or(self.endpoint.as_ref())
            .map(Endpoint::as_str)
    }
}

/// The variables that are set.
struct Variables<G>(G);

impl<G: Fn(&str) -> Option<String>> Variables<G> {
    fn text(&self, variable: &str) -> Option<String> {
        (self.0)(variable)
    }

    fn path(&self, variable: &str) -> Option<PathBuf> {
        self.text(variable).map(PathBuf::from)
    }

    fn parsed<T: FromStr<Err: fmt::Display>>(
        &self,
        variable: &str,
    ) -> Result<Option<T>, InvalidVariable> {
        let value = self.text(variable);
        value
            .map(|value| network::read(variable, &value))
            .transpose()
    }

    fn flag(&self, variable: &str) -> Result<bool, InvalidVariable> {
        let flag: Option<Flag> = self.parsed(variable)?;
        Ok(flag.unwrap_or_default().0)
    }

    /// As curl reads it: the upper-case name takes precedence.
    fn in_either_case<T: FromStr<Err: fmt::Display>>(
        &self,
        variable: &str,
    ) -> Result<Option<T>, InvalidVariable> {
        match self.parsed(variable)? {
            Some(value) => Ok(Some(value)),
            None => self.parsed(&variable.to_ascii_lowercase()),
        }
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
        let name: String = text
            .chars()
            .map(|c| match c {
                c if c.is_ascii_alphanumeric() || "_+=,.@-".contains(c) => c,
                _ => '-',
            })
            .take(Self::MAX_CHARACTERS)
            .collect();
        // STS requires at least two characters.
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
            ("AWS_ENDPOINT_URL", "127.0.0.1:4566"),
            ("AWS_ENDPOINT_URL_SECRETS_MANAGER", "https:/x"),
            ("AWS_ENDPOINT_URL_SSM", "ssm.example"),
            ("AWS_ENDPOINT_URL_STS", "https://a b"),
            ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://10.0.0.1/"),
            ("HTTPS_PROXY", "socks5://proxy"),
            ("https_proxy", "http:proxy"),
            ("HTTP_PROXY", "http://"),
            ("all_proxy", "a b"),
            ("NO_PROXY", "http://x"),
            ("no_proxy", "a b"),
        ] {
            let error = read(&[(variable, value)]).unwrap_err();
            assert!(
                error.starts_with(&format!("environment variable {variable}: ")),
                "{error}"
            );
        }
        assert!(read(&[("AWS_REGION", "")]).unwrap().region.is_none());
        let ignored = read(&[
            ("AWS_ENDPOINT_URL", "nonsense"),
            ("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "True"),
        ]);
        assert_eq!(ignored.unwrap().endpoint(Service::Ssm), None);
    }

    /// The libraries must accept every value that is accepted here: they would ignore a proxy that they cannot parse.
    #[test]
    fn every_accepted_value_is_one_for_the_http_client() {
        let server = "https://sts.us-east-2.amazonaws.com".parse().unwrap();
        for (variable, value, proxy) in [
            ("HTTPS_PROXY", "proxy:3128", "http://proxy:3128/"),
            (
                "https_proxy",
                "http://u:p%40s@proxy:3128/",
                "http://proxy:3128/",
            ),
            (
                "ALL_PROXY",
                "https://u:a!$&'()*+,;=-._~b@proxy",
                "https://proxy/",
            ),
            (
                "all_proxy",
                "HTTP://[fd00::1]:3128",
                "http://[fd00::1]:3128/",
            ),
        ] {
            let matcher = read(&[(variable, value)]).unwrap().proxies.matcher();
            let found = matcher.intercept(&server).expect(value);
            assert_eq!(found.uri().to_string(), proxy);
            assert_eq!(found.basic_auth().is_some(), value.contains('@'), "{value}");
            let none = [
                (variable, value),
                ("no_proxy", "10.0.0.0/8, .amazonaws.com"),
            ];
            let matcher = read(&none).unwrap().proxies.matcher();
            assert!(matcher.intercept(&server).is_none());
        }
        for value in [
            "http://local_stack.:4566/",
            "https://x/a-._~!$&'()*+,;=:@/%20b",
            "http://[::1]:80",
        ] {
            let environment = read(&[("AWS_ENDPOINT_URL", value)]).unwrap();
            let url: hyper::Uri = environment.endpoint(Service::Sts).unwrap().parse().unwrap();
            assert!(url.host().is_some(), "{value}");
        }
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
