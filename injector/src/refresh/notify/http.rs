//! A request to the pod's own localhost.

use std::net::Ipv4Addr;
use std::time::Duration;

use http_body_util::Empty;
use hyper::Request;
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use provider_class::refresh::Method;
use tokio::net::TcpStream;

/// The app answers once it has its new secrets, which may mean new connections to databases.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Why the request did not do.
#[derive(Debug, thiserror::Error)]
pub(in crate::refresh) enum RequestError {
    /// Nobody there.
    #[error(
        "could not connect to 127.0.0.1:{port}: {error}; the container must listen on localhost or on all addresses"
    )]
    Connect {
        /// The port.
        port: u16,
        /// Why not.
        error: std::io::Error,
    },
    /// The exchange broke off.
    #[error("no answer: {0}")]
    Exchange(#[from] hyper::Error),
    /// A path that is no URI.
    #[error("the path cannot be sent: {0}")]
    Request(#[from] hyper::http::Error),
    /// It took too long.
    #[error("no answer within {} s", TIMEOUT.as_secs())]
    Timeout,
    /// An answer that is no success.
    #[error("the app answered {0}; a status of 2xx counts as done")]
    Status(hyper::StatusCode),
}

/// Sends the request; its answer's body is not read.
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
        // The answer is the sender's to give: the connection only has to be driven until then.
        Err(error) = connection => return Err(error.into()),
    };
    match answer.status() {
        status if status.is_success() => Ok(()),
        status => Err(RequestError::Status(status)),
    }
}
