//! What can go wrong before there is a response.

use std::error::Error;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use aws_smithy_runtime_api::client::result::ConnectorError;
use http_body_util::LengthLimitError;
use hyper::http::uri::Authority;
use hyper_util::client::legacy;
use provider_class::printable::printable;

use crate::aws::cause::Cause;
use crate::aws::retry::Attempt;

/// Why there is no HTTP client.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// The file of `AWS_CA_BUNDLE` cannot be used.
    #[error("environment variable AWS_CA_BUNDLE: {0}")]
    CaFile(CaError),
    /// The text of `CA_BUNDLE` cannot be used.
    #[error("environment variable CA_BUNDLE: {0}")]
    CaBundle(CaError),
    /// The file with the CA certificates of the API server cannot be used.
    #[error("CA certificates of the API server: {0}")]
    ClusterCa(CaError),
    /// The TLS library refuses its settings.
    #[error("TLS: {0}")]
    Tls(#[from] rustls::Error),
}

/// Why CA certificates cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CaError {
    /// Their file cannot be read.
    #[error("could not read {}: {error}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// There are none.
    #[error("{0}: contains no PEM certificate")]
    NoCertificate(String),
    /// One of them is invalid.
    #[error("{source_name}: certificate {number}: {reason}")]
    BadCertificate {
        /// The file, or the value of the variable.
        source_name: String,
        /// Which certificate, counted from 1.
        number: usize,
        /// Why.
        reason: String,
    },
}

/// A request without a response, in this program's own words: errors of libraries may quote the request, and a request holds
/// the pod's token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{cause}")]
pub(crate) struct NoResponse {
    /// Which server, which proxy, and why.
    pub(crate) cause: Cause,
    /// Was the connection lost, or could it not be opened? Other errors would come again.
    pub(crate) is_lost: bool,
}

impl NoResponse {
    pub(crate) fn attempt(&self) -> Attempt {
        if self.is_lost && !matches!(self.cause, Cause::Untrusted(_)) {
            Attempt::again(self.cause.clone())
        } else {
            self.cause.clone().into()
        }
    }
}

/// Finds a [`NoResponse`] in the SDK's errors.
pub(crate) fn no_response<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a NoResponse> {
    find(error)
}

impl Cause {
    /// From an error of the HTTP client.
    pub(crate) fn of_connection(error: &(dyn Error + 'static)) -> Option<Self> {
        Some(no_response(error)?.cause.clone())
    }
}

/// Was a response over the limit?
pub(crate) fn is_too_long(error: &(dyn Error + 'static)) -> bool {
    find::<LengthLimitError>(error).is_some()
}

/// Translates an error of the HTTP client.
pub(super) fn classify(
    server: Option<&Authority>,
    proxy: Option<&Authority>,
    error: &legacy::Error,
) -> ConnectorError {
    let is_lost = error.is_connect()
        || find::<tokio::time::error::Elapsed>(error).is_some()
        || find::<io::Error>(error).is_some()
        || find::<hyper::Error>(error).is_some_and(|error| {
            error.is_closed() || error.is_canceled() || error.is_incomplete_message()
        });
    let (why, is_untrusted) = reason(error);
    let server = server.map_or("", Authority::as_str);
    let through = proxy.map(|proxy| format!(" through the proxy {proxy}"));
    let reason = format!("from {server}{}: {why}", through.unwrap_or_default());
    let cause = if is_untrusted {
        Cause::Untrusted(reason)
    } else {
        Cause::NoResponse(reason)
    };
    ConnectorError::other(NoResponse { cause, is_lost }.into(), None)
}

/// The reason by the innermost error of a known type, and whether the server's certificate is not trusted.
fn reason(error: &legacy::Error) -> (String, bool) {
    let mut reason = "the connection failed".to_owned();
    let mut next: Option<&(dyn Error + 'static)> = error.source();
    while let Some(error) = next {
        if let Some(tls) = error.downcast_ref().or_else(|| inner(error)) {
            return of_tls(tls);
        }
        // A lookup's error is shared by all who waited for it.
        let shared = error.downcast_ref::<Arc<io::Error>>().map(Arc::as_ref);
        if let Some(error) = error.downcast_ref::<io::Error>().or(shared) {
            reason = of_io(error);
        } else if let Some(error) = error.downcast_ref::<hyper::Error>() {
            of_http(error).clone_into(&mut reason);
        } else if error.is::<tokio::time::error::Elapsed>() {
            TIMED_OUT.clone_into(&mut reason);
        } else if let Some(words) = of_tunnel(error) {
            words.clone_into(&mut reason);
        }
        next = error.source();
    }
    (reason, false)
}

/// A TLS error inside I/O errors, which do not name it as their source.
fn inner<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    let mut error = error.downcast_ref::<io::Error>()?;
    loop {
        let inside = error.get_ref()?;
        if let Some(tls) = inside.downcast_ref() {
            return Some(tls);
        }
        error = inside.downcast_ref()?;
    }
}

/// Within the time for all addresses of the server, or for the whole connection.
const TIMED_OUT: &str = "the connection timed out";

/// Error texts may quote names of a certificate.
const LONGEST: usize = 300;

fn of_tls(error: &rustls::Error) -> (String, bool) {
    let is_untrusted = matches!(error, rustls::Error::InvalidCertificate(_));
    (printable(&error.to_string(), LONGEST), is_untrusted)
}

fn of_io(error: &io::Error) -> String {
    let text = error.to_string();
    // Only the texts of the kernel and of name resolution are known to be safe.
    if error.raw_os_error().is_some() || text.starts_with("failed to lookup address information") {
        printable(&text, LONGEST)
    } else if error.kind() == io::ErrorKind::TimedOut {
        TIMED_OUT.to_owned()
    } else {
        error.kind().to_string()
    }
}

fn of_http(error: &hyper::Error) -> &'static str {
    if error.is_parse() {
        "the response is not HTTP"
    } else if error.is_incomplete_message() || error.is_closed() || error.is_canceled() {
        "the connection was closed before the response"
    } else {
        "the connection was lost"
    }
}

/// The type of tunnel errors is private, but their few texts are known.
fn of_tunnel(error: &(dyn Error + 'static)) -> Option<&'static str> {
    Some(match error.to_string().strip_prefix("tunnel error: ")? {
        "proxy authorization required" => "the proxy requires a user and password",
        "unsuccessful" => "the proxy refused to connect",
        "unexpected end of file" => "the proxy closed the connection",
        _ => "the proxy could not connect",
    })
}

fn find<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    std::iter::successors(Some(error), |&error| error.source())
        .find_map(|error| error.downcast_ref())
}
