//! The environment variables that say where the injector connects to: endpoints, the Pod Identity agent, proxies. The
//! injector reads them by these rules, and the webhook checks what it gives to injectors by the same rules.
//!
//! Source: <https://docs.aws.amazon.com/sdkref/latest/guide/settings-reference.html>; for proxies the rules of curl.

mod url;

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use crate::printable::printable;

pub use self::url::InvalidUrl;

/// The variables with the endpoint of all services, and of one.
pub const ENDPOINTS: [&str; 4] = [
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_SECRETS_MANAGER",
    "AWS_ENDPOINT_URL_SSM",
    "AWS_ENDPOINT_URL_STS",
];
/// The variable with the address of the Pod Identity agent.
pub const AGENT: &str = "AWS_CONTAINER_CREDENTIALS_FULL_URI";
/// The variables with proxies.
pub const PROXIES: [&str; 6] = [
    "ALL_PROXY",
    "all_proxy",
    "HTTPS_PROXY",
    "https_proxy",
    "HTTP_PROXY",
    "http_proxy",
];
/// The variables with the hosts that are reached without a proxy.
pub const NO_PROXIES: [&str; 2] = ["NO_PROXY", "no_proxy"];
/// The variables that are true or false.
pub const FLAGS: [&str; 3] = [
    "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
    "AWS_USE_DUALSTACK_ENDPOINT",
    "AWS_USE_FIPS_ENDPOINT",
];

/// An environment variable has an invalid value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("environment variable {variable}: {reason}")]
pub struct InvalidVariable {
    variable: String,
    reason: String,
}

impl InvalidVariable {
    /// A variable, and what is wrong with its value. Nothing in the reason may be a credential.
    pub fn new(variable: &str, reason: impl fmt::Display) -> Self {
        Self {
            variable: printable(variable, LONGEST_SHOWN),
            reason: reason.to_string(),
        }
    }
}

const LONGEST_SHOWN: usize = 200;

/// Reads the value of one variable.
pub fn read<T: FromStr<Err: fmt::Display>>(
    variable: &str,
    value: &str,
) -> Result<T, InvalidVariable> {
    let parsed = value.parse();
    parsed.map_err(|error| InvalidVariable::new(variable, error))
}

/// Does the injector accept the value? Other variables are not checked, and an empty value counts as
/// unset.
pub fn check(variable: &str, value: &str) -> Result<(), InvalidVariable> {
    if value.is_empty() {
        return Ok(());
    }
    if ENDPOINTS.contains(&variable) {
        read::<Endpoint>(variable, value)?;
    } else if variable == AGENT {
        read::<AgentUri>(variable, value)?;
    } else if PROXIES.contains(&variable) {
        read::<Proxy>(variable, value)?;
    } else if NO_PROXIES.contains(&variable) {
        read::<NoProxy>(variable, value)?;
    } else if FLAGS.contains(&variable) {
        read::<Flag>(variable, value)?;
    }
    Ok(())
}

/// The URL of a service: `http` or `https`, a host, and perhaps a port and a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint(String);

impl Endpoint {
    /// The URL.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Endpoint {
    type Err = InvalidUrl;

    fn from_str(text: &str) -> Result<Self, InvalidUrl> {
        let uri = url::read(text)?;
        if url::has_user(&uri) {
            return Err(InvalidUrl::Credentials(url::shown(text)));
        }
        if text.contains(['?', '#']) {
            return Err(InvalidUrl::Query(url::shown(text)));
        }
        Ok(Self(text.to_owned()))
    }
}

/// The URL of the Pod Identity agent. The pod's token is sent there, so it must be the node's agent or a server that
/// proves its identity.
///
/// Source: <https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html>.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentUri(String);

impl AgentUri {
    /// The agent's address on every node, IPv4.
    pub const IPV4: &str = "http://169.254.170.23/v1/credentials";
    /// The same, IPv6.
    pub const IPV6: &str = "http://[fd00:ec2::23]/v1/credentials";

    /// The URL.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// May a token go to this host without TLS?
    fn is_the_nodes_own(host: &str) -> bool {
        let address: Result<IpAddr, _> = host.trim_matches(['[', ']']).parse();
        let Ok(address) = address else { return false };
        let mut agents = ["169.254.170.23", "fd00:ec2::23"].into_iter();
        address.is_loopback() || agents.any(|agent| agent.parse() == Ok(address))
    }
}

impl FromStr for AgentUri {
    type Err = InvalidUrl;

    fn from_str(text: &str) -> Result<Self, InvalidUrl> {
        let uri = url::read(text)?;
        if url::has_user(&uri) {
            return Err(InvalidUrl::Credentials(url::shown(text)));
        }
        if text.contains('#') {
            return Err(InvalidUrl::Query(url::shown(text)));
        }
        let is_https = uri.scheme_str() == Some("https");
        if !is_https && !uri.host().is_some_and(Self::is_the_nodes_own) {
            return Err(InvalidUrl::TokenTarget(url::shown(text)));
        }
        Ok(Self(text.to_owned()))
    }
}

/// The URL of a proxy; without a scheme it is `http`. It may contain a password, which no message shows.
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy(String);

impl Proxy {
    /// The URL, with user and password.
    pub fn with_password(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Proxy(…)")
    }
}

impl FromStr for Proxy {
    type Err = InvalidUrl;

    fn from_str(text: &str) -> Result<Self, InvalidUrl> {
        url::read_proxy(text).map(Self)
    }
}

/// The hosts that are reached without a proxy: a comma-separated list of names, which include their
/// subdomains, addresses and networks; `*` is all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NoProxy(String);

/// Why a list of hosts is not valid.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("its entry {entry} {problem}")]
pub struct InvalidNoProxy {
    entry: String,
    problem: &'static str,
}

impl NoProxy {
    /// The list.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn problem(entry: &str) -> Option<&'static str> {
        let (address, prefix) = entry.split_once('/').unwrap_or((entry, "0"));
        if let Ok(address) = address.parse::<IpAddr>() {
            let longest = if address.is_ipv4() { 32 } else { 128 };
            let is_network = prefix.parse::<u8>().is_ok_and(|prefix| prefix <= longest);
            return (!is_network).then_some("is not a network; write ADDRESS/BITS");
        }
        if entry == "*" {
            return None;
        }
        if entry.contains("://") {
            return Some("is a URL; write only its host");
        }
        if entry.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return Some("has a space in it; separate hosts by commas");
        }
        if entry.contains(':') {
            return Some("has a port or brackets; write only the host or address");
        }
        let name = entry.trim_start_matches('.');
        if entry.contains('*') {
            return Some("has a * in it; write .DOMAIN, which stands for all below it");
        }
        (!url::is_host_name(name)).then_some("is not a host, an address or a network")
    }
}

impl FromStr for NoProxy {
    type Err = InvalidNoProxy;

    fn from_str(text: &str) -> Result<Self, InvalidNoProxy> {
        let entries = text.split(',').map(str::trim);
        for entry in entries.filter(|entry| !entry.is_empty()) {
            if let Some(problem) = Self::problem(entry) {
                // With an @ it is a proxy's URL.
                let shown = entry.rsplit('@').next().unwrap_or_default();
                return Err(InvalidNoProxy {
                    entry: format!("\"{}\"", printable(shown, LONGEST_SHOWN)),
                    problem,
                });
            }
        }
        Ok(Self(text.to_owned()))
    }
}

/// `true` or `false`, in any letter case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flag(pub bool);

/// Why a text is not a [`Flag`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is neither \"true\" nor \"false\"")]
pub struct InvalidFlag(String);

impl FromStr for Flag {
    type Err = InvalidFlag;

    fn from_str(text: &str) -> Result<Self, InvalidFlag> {
        let parsed = text.to_ascii_lowercase().parse().map(Self);
        parsed.map_err(|_| InvalidFlag(printable(text, LONGEST_SHOWN)))
    }
}

#[cfg(test)]
mod tests;
