//! URLs of servers, parsed strictly: every library accepts what is accepted here.
//!
//! Source: RFC 3986.

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::printable::printable;

/// Why a text is not the URL of a server. It quotes the text without credentials.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{shown} {problem}")]
pub struct InvalidUrl {
    shown: String,
    problem: Flaw,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
enum Flaw {
    #[error("has no scheme; write {0}")]
    NoScheme(String),
    #[error("has no // after its scheme; write {0}")]
    NoSlashes(String),
    #[error("has a scheme other than http and https; write https://HOST")]
    OtherScheme,
    #[error("is not an HTTP proxy, and no others are supported; write http://HOST:PORT")]
    OtherProxy,
    #[error("has a space, a control character or one beyond ASCII in it; remove it")]
    Character,
    #[error("has no host; write https://HOST")]
    NoHost,
    #[error("has a host that is neither a name nor an address (IPv6 in brackets); correct it")]
    Host,
    #[error("has a port that is not a number from 1 to 65535; correct it")]
    Port,
    #[error("has a path with a character that no URL has; percent-encode it")]
    Path,
    #[error(
        "has a user or password with a character that must be percent-encoded, such as %40 for @"
    )]
    User,
    #[error("has a user or password, which no endpoint takes; remove it")]
    Credentials,
    #[error("has a ? or #, which no endpoint has; remove it and what follows")]
    Query,
    #[error("has a path, which no proxy has; remove it")]
    ProxyPath,
    #[error(
        "is refused, because the pod's token is sent there; use https, a loopback address, or the agent's own (169.254.170.23, [fd00:ec2::23])"
    )]
    TokenTarget,
}

impl InvalidUrl {
    fn new(text: &str, problem: Flaw) -> Self {
        Self {
            shown: shown(text, false),
            problem,
        }
    }

    /// The URL has a user and password, which are not allowed there.
    pub(crate) fn credentials(text: &str) -> Self {
        Self::new(text, Flaw::Credentials)
    }

    /// The URL has a query or fragment.
    pub(crate) fn query(text: &str) -> Self {
        Self::new(text, Flaw::Query)
    }

    /// A token must not be sent to the URL.
    pub(crate) fn token_target(text: &str) -> Self {
        Self::new(text, Flaw::TokenTarget)
    }

    /// The URL of a proxy has a path.
    pub(crate) fn proxy_path(text: &str) -> Self {
        Self::new(text, Flaw::ProxyPath).of_proxy(text)
    }

    /// The same error for a proxy's URL, in which the supposed port may be part of a password.
    pub(crate) fn of_proxy(self, text: &str) -> Self {
        let problem = match self.problem {
            Flaw::OtherScheme => Flaw::OtherProxy,
            Flaw::NoSlashes(_) => Flaw::NoSlashes("http://HOST:PORT".to_owned()),
            problem => problem,
        };
        Self {
            shown: shown(text, true),
            problem,
        }
    }
}

/// The scheme of a URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scheme {
    Http,
    Https,
}

impl Scheme {
    fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

/// A URL's parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Parts<'a> {
    pub(crate) scheme: Scheme,
    /// User, and password after a colon.
    pub(crate) user: Option<&'a str>,
    /// A name or address; IPv6 in brackets.
    pub(crate) host: &'a str,
    port: Option<u16>,
    /// Empty, or with its slash.
    pub(crate) path: &'a str,
    /// With its `?`.
    pub(crate) query: Option<&'a str>,
}

impl<'a> Parts<'a> {
    /// Parses a URL; one without a scheme gets the default one.
    pub(crate) fn of(text: &'a str, default: Option<Scheme>) -> Result<Self, InvalidUrl> {
        let fail = |problem| InvalidUrl::new(text, problem);
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(fail(Flaw::Character));
        }
        let (scheme, rest) = match Self::scheme(text) {
            Ok(found) => found,
            Err(Flaw::NoScheme(_)) if default.is_some() => (default.unwrap_or(Scheme::Http), text),
            Err(problem) => return Err(fail(problem)),
        };
        let (authority, rest) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        let (user, server) = match authority.rsplit_once('@') {
            Some((user, server)) => (Some(user), server),
            None => (None, authority),
        };
        if user.is_some_and(|user| !is_of(user, "-._~!$&'()*+,;=:")) {
            return Err(fail(Flaw::User));
        }
        let (host, port) = Self::host_and_port(server).map_err(fail)?;
        let (path, query) = match rest.find(['?', '#']) {
            Some(at) => (&rest[..at], Some(&rest[at..])),
            None => (rest, None),
        };
        if query.is_some_and(|query| query.starts_with('#')) {
            return Err(fail(Flaw::Query));
        }
        let query_characters = "-._~!$&'()*+,;=:@/?";
        if !is_of(path, "-._~!$&'()*+,;=:@/")
            || query.is_some_and(|query| !is_of(query, query_characters))
        {
            return Err(fail(Flaw::Path));
        }
        Ok(Self {
            scheme,
            user,
            host,
            port,
            path,
            query,
        })
    }

    fn scheme(text: &str) -> Result<(Scheme, &str), Flaw> {
        for scheme in [Scheme::Https, Scheme::Http] {
            let name = scheme.as_str();
            let begin = text.get(..name.len()).unwrap_or_default();
            let Some(rest) = text[begin.len()..].strip_prefix(':') else {
                continue;
            };
            if !begin.eq_ignore_ascii_case(name) {
                continue;
            }
            return match rest.strip_prefix("//") {
                Some(rest) => Ok((scheme, rest)),
                None => Err(Flaw::NoSlashes(suggestion(
                    Some(scheme),
                    rest.trim_start_matches('/'),
                ))),
            };
        }
        if text.contains("://") {
            return Err(Flaw::OtherScheme);
        }
        Err(Flaw::NoScheme(suggestion(
            None,
            text.trim_start_matches(['/', ':']),
        )))
    }

    fn host_and_port(server: &str) -> Result<(&str, Option<u16>), Flaw> {
        let (host, rest) = if server.starts_with('[') {
            let end = server.find(']').ok_or(Flaw::Host)?;
            server.split_at(end + 1)
        } else {
            server.split_at(server.find(':').unwrap_or(server.len()))
        };
        if host.is_empty() {
            return Err(Flaw::NoHost);
        }
        let port = match rest.strip_prefix(':') {
            _ if rest.is_empty() => None,
            // Several colons are an IPv6 address without its brackets.
            Some(port) if port.contains(':') && !port.contains('@') => return Err(Flaw::Host),
            Some(port) => Some(port_of(port).ok_or(Flaw::Port)?),
            None => return Err(Flaw::Host),
        };
        let is_valid = match host.strip_prefix('[') {
            Some(address) => address.trim_end_matches(']').parse::<Ipv6Addr>().is_ok(),
            None => is_host_name(host),
        };
        if is_valid {
            Ok((host, port))
        } else {
            Err(Flaw::Host)
        }
    }

    /// The URL of these parts.
    pub(crate) fn to_url(self) -> String {
        let user = self.user.map(|user| format!("{user}@"));
        let port = self.port.map(|port| format!(":{port}"));
        format!(
            "{}://{}{}{}{}{}",
            self.scheme.as_str(),
            user.unwrap_or_default(),
            self.host,
            port.unwrap_or_default(),
            self.path,
            self.query.unwrap_or_default()
        )
    }
}

/// A valid URL, if the rest is a host, or else the form of one.
fn suggestion(scheme: Option<Scheme>, rest: &str) -> String {
    // What looks like a host and a path may be a user with a password.
    if rest.contains('@') {
        return "https://HOST".to_owned();
    }
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    let server = rest.split('/').next().unwrap_or_default();
    let Ok((host, _)) = Parts::host_and_port(server) else {
        return "https://HOST".to_owned();
    };
    let is_local = host == "localhost" || host.starts_with("127.") || host == "[::1]";
    let scheme = scheme.unwrap_or(if is_local {
        Scheme::Http
    } else {
        Scheme::Https
    });
    let url = format!("{}://{rest}", scheme.as_str());
    printable(&url, LONGEST_SHOWN)
}

fn port_of(text: &str) -> Option<u16> {
    // `u16` accepts a sign.
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|port| digits && *port > 0)
}

/// A DNS name or an IPv4 address.
pub(crate) fn is_host_name(host: &str) -> bool {
    let name = host.strip_suffix('.').unwrap_or(host);
    let last = name.rsplit('.').next().unwrap_or_default();
    let is_address = last.bytes().all(|byte| byte.is_ascii_digit());
    name.len() <= 253
        && name.split('.').all(is_label)
        && (!is_address || name.parse::<Ipv4Addr>().is_ok())
}

fn is_label(label: &str) -> bool {
    !label.is_empty()
        && label.len() <= 63
        && label
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
}

/// Letters, digits, these marks, and percent with two digits.
fn is_of(text: &str, marks: &str) -> bool {
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        let is_good = match byte {
            b'%' => {
                let mut digit = || bytes.next().is_some_and(|byte| byte.is_ascii_hexdigit());
                digit() && digit()
            }
            byte => byte.is_ascii_alphanumeric() || marks.as_bytes().contains(&byte),
        };
        if !is_good {
            return false;
        }
    }
    true
}

const LONGEST_SHOWN: usize = 200;

/// A URL for people, quoted and cut: without what may be a user, a password or a query. Where passwords are usual, what
/// stands in the place of a port or a path may be a part of one, too.
pub(crate) fn shown(text: &str, is_proxy: bool) -> String {
    let lower = text.to_ascii_lowercase();
    let schemes = ["http://", "https://"];
    let scheme = schemes.iter().find(|scheme| lower.starts_with(**scheme));
    let (scheme, rest) = text.split_at(scheme.map_or(0, |scheme| scheme.len()));
    let (user, rest) = match rest.rfind('@') {
        Some(at) => ("…", &rest[at..]),
        None => ("", rest),
    };
    let (rest, query) = match rest.find(['?', '#']) {
        Some(at) => (&rest[..at], "…"),
        None => (rest, ""),
    };
    let (server, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let server = match server.split_once(':') {
        Some((host, port)) if is_proxy && !host.starts_with(['[', '@']) && !is_short_port(port) => {
            format!("{host}:…")
        }
        _ => server.to_owned(),
    };
    let path = if is_proxy && path.len() > 1 {
        "/…"
    } else {
        path
    };
    let whole = format!("{scheme}{user}{server}{path}{query}");
    format!("\"{}\"", printable(&whole, LONGEST_SHOWN))
}

fn is_short_port(text: &str) -> bool {
    text.len() <= 5 && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests;
