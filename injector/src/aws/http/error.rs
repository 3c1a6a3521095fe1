//! What can go wrong before an answer is there.

use std::error::Error;
use std::path::PathBuf;

use aws_smithy_runtime_api::client::result::ConnectorError;
use hyper::http::uri::Authority;
use hyper_util::client::legacy;

/// Why there is no HTTP client.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// The file of `AWS_CA_BUNDLE` cannot be read.
    #[error("environment variable AWS_CA_BUNDLE: {}: {error}", .path.display())]
    CaBundle {
        /// The file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// It can, but is no list of certificates.
    #[error("environment variable AWS_CA_BUNDLE: {}: holds no PEM certificate", .0.display())]
    NoCertificate(PathBuf),
    /// One of its certificates cannot be used.
    #[error("environment variable AWS_CA_BUNDLE: {}: certificate {number}: {reason}", .path.display())]
    BadCertificate {
        /// The file.
        path: PathBuf,
        /// Which one, from 1.
        number: usize,
        /// Why.
        reason: String,
    },
    /// The TLS library refuses its settings.
    #[error("TLS: {0}")]
    Tls(#[from] rustls::Error),
}

/// A request without an answer, from this server.
#[derive(Debug, thiserror::Error)]
#[error("from {server}")]
struct NoAnswer {
    server: String,
    source: legacy::Error,
}

/// In the SDK's terms, by which it decides whether to try again: a connection that could not be opened or was lost may be
/// better the next time.
pub(super) fn classify(server: Option<Authority>, error: legacy::Error) -> ConnectorError {
    let is_timeout = find::<tokio::time::error::Elapsed>(&error).is_some();
    let lost = find::<hyper::Error>(&error).is_some_and(|error| {
        error.is_closed() || error.is_canceled() || error.is_incomplete_message()
    });
    let is_io = error.is_connect() || lost || find::<std::io::Error>(&error).is_some();
    let error = NoAnswer {
        server: server.map_or_else(String::new, |server| server.to_string()),
        source: error,
    };
    let error = error.into();
    if is_timeout {
        ConnectorError::timeout(error)
    } else if is_io {
        ConnectorError::io(error)
    } else {
        ConnectorError::other(error, None)
    }
}

fn find<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    std::iter::successors(Some(error), |&error| error.source())
        .find_map(|error| error.downcast_ref())
}
