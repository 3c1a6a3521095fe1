//! A request to the pod's own localhost.

use std::time::Duration;

use hyper::Request;
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use provider_class::refresh::Method;
use tokio::net::TcpStream;

/// The app answers within this time, or it is asked again.
const TIMEOUT: Duration = Duration::from_secs(10);

pub(super) async fn send(method: Method, port: u16, path: &str) -> Result<(), String> {
    let what = format!("{method} http://localhost:{port}{path}");
    let answer = tokio::time::timeout(TIMEOUT, exchange(method, port, path)).await;
    match answer {
        Ok(Ok(status)) if status.is_success() => Ok(()),
        Ok(Ok(status)) => Err(format!("{what}: {status}")),
        Ok(Err(error)) => Err(format!("{what}: {error}")),
        Err(_) => Err(format!("{what}: no answer within {} s", TIMEOUT.as_secs())),
    }
}

async fn exchange(
    method: Method,
    port: u16,
    path: &str,
) -> Result<hyper::StatusCode, Box<dyn std::error::Error + Send + Sync>> {
    // Some apps listen on one of the two alone.
    let stream = match TcpStream::connect(("127.0.0.1", port)).await {
        Ok(stream) => stream,
        Err(_) => TcpStream::connect(("::1", port)).await?,
    };
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let request = Request::builder()
        .method(method.to_string().as_str())
        .uri(path)
        .header("host", format!("localhost:{port}"))
        .header(
            "user-agent",
            concat!("aws-secrets-injector/", env!("CARGO_PKG_VERSION")),
        )
        .header("content-length", "0")
        .header("connection", "close")
        .body(http_body_util::Empty::<Bytes>::new())?;
    let exchange = async { Ok::<_, hyper::Error>(sender.send_request(request).await?.status()) };
    tokio::pin!(exchange, connection);
    tokio::select! {
        status = &mut exchange => Ok(status?),
        ended = &mut connection => {
            ended?;
            Ok(exchange.await?)
        }
    }
}
