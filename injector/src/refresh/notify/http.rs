//! Sends a request to the pod's own localhost.

use std::net::Ipv4Addr;
use std::time::Duration;

use http_body_util::Empty;
use hyper::Request;
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use provider_class::on_refresh::Method;
use tokio::net::TcpStream;

/// The app may respond only after it has loaded the new secrets, which may mean new connections to databases.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Why the request failed.
#[derive(Debug, thiserror::Error)]
pub(in crate::refresh) enum RequestError {
    /// Nothing listens on the port.
    #[error(
        "could not connect to 127.0.0.1:{port}: {error}; the container must listen on localhost or on all addresses"
    )]
    Connect {
        /// The port.
        port: u16,
        /// The error of the connection.
        error: std::io::Error,
    },
    /// The connection was lost.
    #[error("no response: {0}")]
    Exchange(#[from] hyper::Error),
    /// The path is not a valid URI.
    #[error("the path is not valid in a request: {0}")]
    Request(#[from] hyper::http::Error),
    /// The app did not respond in time.
    #[error("no response within {} s", TIMEOUT.as_secs())]
    Timeout,
    /// The app responded with an error.
    #[error("the app answered {0}; it must answer with a 2xx status")]
    Status(hyper::StatusCode),
}

/// Sends the request. The response's body is not read.
pub(super) async fn send(method: Method, port: u16, path: &str) -> Result<(), RequestError> {
    tokio::time::timeout(TIMEOUT, exchange(method, port, path))
        .await
        .unwrap_or(Err(RequestError::Timeout))
}

async fn exchange(method: Method, port: u16, path: &str) -> Result<(), RequestError> {
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await;
    let stream = stream.map_err(|error| RequestError::Connect { port, error })?;
    let request = Request::builder()
        .method(method.to_string().as_str())
        .uri(path)
        .header("host", format!("127.0.0.1:{port}"))
        .body(Empty::<Bytes>::new())?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let answer = sender.send_request(request);
    let answer = tokio::select! {
        answer = answer => answer?,
        // The sender yields the response; the connection must be polled until then.
        Err(error) = connection => return Err(error.into()),
    };
    match answer.status() {
        status if status.is_success() => Ok(()),
        status => Err(RequestError::Status(status)),
    }
}
