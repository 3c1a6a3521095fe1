//! URLs of servers. Their syntax is that of `http::Uri`, which every HTTP library here reads; the rules beyond it keep credentials
//! out of messages and tokens away from strangers.

use std::net::{Ipv4Addr, Ipv6Addr};

use http::Uri;

use crate::printable::printable;
use crate::words::kubernetes::port;

/// Why a text is not the URL of a server. It never has a password in it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidUrl {
    /// Most often a host alone.
    #[error("{shown} has no scheme; write {meant}")]
    NoScheme {
        /// The text, in quotes.
        shown: String,
        /// A valid URL, or the form of one.
        meant: String,
    },
    /// Something else than `http` or `https`, a host, and perhaps a port and a path.
    #[error(
        "{0} is not a URL of http or https; write https://HOST, https://HOST:PORT or https://HOST/PATH"
    )]
    Syntax(String),
    /// It would not be sent.
    #[error("{0} has a user or password, which no endpoint takes; remove it")]
    Credentials(String),
    /// It would not be sent.
    #[error("{0} has a ? or #, which no endpoint has; remove it and what follows")]
    Query(String),
    /// Anybody on the way could read the token.
    #[error(
        "{0} is refused, because the pod's token is sent there; use https, a loopback address, or the agent's own (169.254.170.23, [fd00:ec2::23])"
    )]
    TokenTarget(String),
    /// Nothing of it is shown: any part can belong to a password.
    #[error(
        "its value is not the URL of an HTTP proxy; write http://HOST:PORT, or http://USER:PASSWORD@HOST:PORT with other characters than letters and digits percent-encoded, such as %40 for @"
    )]
    Proxy,
}

/// Reads the URL of a server.
pub(super) fn read(text: &str) -> Result<Uri, InvalidUrl> {
    if !text.contains("://") {
        let meant = format!("https://{text}");
        let is_meant = uri(&meant).is_some() && !may_have_secret(text);
        return Err(InvalidUrl::NoScheme {
            shown: shown(text),
            meant: if is_meant {
                printable(&meant, LONGEST_SHOWN)
            } else {
                "https://HOST".to_owned()
            },
        });
    }
    uri(text).ok_or_else(|| InvalidUrl::Syntax(shown(text)))
}

/// Reads the URL of a proxy, which may lack its scheme. Returns it with its scheme.
pub(super) fn read_proxy(text: &str) -> Result<String, InvalidUrl> {
    let (scheme, _) = text.split_once(':').unwrap_or_default();
    let has_scheme = matches!(&*scheme.to_ascii_lowercase(), "http" | "https");
    let url = if has_scheme || text.contains("://") {
        text.to_owned()
    } else {
        format!("http://{text}")
    };
    let is_proxy = |uri: &Uri| uri.path() == "/" && uri.query().is_none() && !url.contains('#');
    match uri(&url).filter(is_proxy) {
        Some(_) => Ok(url),
        None => Err(InvalidUrl::Proxy),
    }
}

fn uri(text: &str) -> Option<Uri> {
    if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return None;
    }
    let uri: Uri = text.parse().ok()?;
    let (host, authority) = (uri.host()?, uri.authority()?.as_str());
    let (_, server) = authority.rsplit_once('@').unwrap_or(("", authority));
    let has_valid_port = match server.strip_prefix(host)? {
        "" => true,
        after => after.strip_prefix(':').and_then(port).is_some(),
    };
    let is_host = match host.strip_prefix('[') {
        Some(address) => address.trim_end_matches(']').parse::<Ipv6Addr>().is_ok(),
        None => is_host_name(host),
    };
    let is_http = matches!(uri.scheme_str(), Some("http" | "https"));
    (is_http && has_valid_port && is_host).then_some(uri)
}

/// Has the URL a user, and perhaps a password?
pub(super) fn has_user(uri: &Uri) -> bool {
    uri.authority()
        .is_some_and(|authority| authority.as_str().contains('@'))
}

/// A DNS name or an IPv4 address.
pub(super) fn is_host_name(host: &str) -> bool {
    let name = host.strip_suffix('.').unwrap_or(host);
    let last = name.rsplit('.').next().unwrap_or_default();
    let is_address = last.bytes().all(|byte| byte.is_ascii_digit());
    name.len() <= 253
        && name.split('.').all(is_label)
        && (!is_address || name.parse::<Ipv4Addr>().is_ok())
}

fn is_label(label: &str) -> bool {
    let is_of_a_label = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    (1..=63).contains(&label.len()) && label.bytes().all(is_of_a_label)
}

const LONGEST_SHOWN: usize = 200;

/// A URL for people, in quotes; nothing of one that may have a password or a query.
pub(super) fn shown(text: &str) -> String {
    if may_have_secret(text) {
        "its value".to_owned()
    } else {
        format!("\"{}\"", printable(text, LONGEST_SHOWN))
    }
}

fn may_have_secret(text: &str) -> bool {
    text.contains(['@', '?', '#']) || text.contains("%40")
}
