//! The HTTP client that all services share: HTTP/1.1 over rustls on ring, with the system's CA certificates, those of
//! `AWS_CA_BUNDLE`, and the proxy variables. It can open connections before there is anything to send.
//!
//! The SDK's own client, `aws-smithy-http-client` 1.5, is no replacement. It opens a connection only for a request, so none can be
//! open when STS answers; it takes one proxy, not one for each scheme; it panics if a certificate of the bundle is invalid; and
//! its errors must be translated all the same. It would replace half of `connections`, for six more crates and 250 KB.

mod connections;
pub(super) mod error;
mod names;
mod tls;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use aws_smithy_runtime_api::client::connection::{CaptureSmithyConnection, ConnectionMetadata};
use aws_smithy_runtime_api::client::http::{
    HttpClient as SdkHttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings,
    SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use http_body_util::Limited;
use hyper::header::PROXY_AUTHORIZATION;
use hyper::http::uri::Scheme;
use hyper::{Request, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::capture_connection;
use hyper_util::client::proxy::matcher::Matcher;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::ClientConfig;

use crate::aws::outside::Sent;
use crate::environment::Environment;
use connections::Connections;
pub use error::{CaError, HttpError};
pub(crate) use error::{is_too_long, no_response};

/// A connection takes milliseconds in a VPC or to a proxy, and a few hundred milliseconds to another region.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Bytes that are read of a response: a secret has at most 64 KiB, and JSON needs at most six bytes for one.
const LONGEST_RESPONSE: usize = 512 * 1024;

/// A client with a connection pool of its own; clones share it.
#[derive(Clone, Debug)]
pub struct HttpClient {
    pool: Client<Connections, SdkBody>,
    connections: Connections,
    longest_response: usize,
}

impl HttpClient {
    /// A client for AWS, with the CA certificates and through the proxies of the environment.
    pub fn new(environment: &Environment) -> Result<Self, HttpError> {
        let tls = tls::config(Some(environment))?;
        let proxies = environment.proxies.matcher();
        Ok(Self::with(tls, proxies, CONNECT_TIMEOUT))
    }

    /// A client for servers on the node itself.
    pub fn without_proxy(connect_timeout: Duration) -> Result<Self, HttpError> {
        let tls = tls::config(None)?;
        Ok(Self::with(tls, Matcher::builder().build(), connect_timeout))
    }

    /// A client for servers of the cluster, which trusts only these CA certificates.
    pub fn for_cluster(ca_file: &Path, connect_timeout: Duration) -> Result<Self, HttpError> {
        let tls = tls::only(ca_file)?;
        Ok(Self::with(tls, Matcher::builder().build(), connect_timeout))
    }

    fn with(tls: Arc<ClientConfig>, proxies: Matcher, connect_timeout: Duration) -> Self {
        let connections = Connections::new(tls, proxies, connect_timeout);
        let pool = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .build(connections.clone());
        Self {
            pool,
            connections,
            longest_response: LONGEST_RESPONSE,
        }
    }

    /// The same client with another limit for a response.
    #[must_use]
    pub fn with_longest_response(mut self, bytes: usize) -> Self {
        self.longest_response = bytes;
        self
    }

    /// Starts to open connections to a server. The first requests to it use them.
    pub fn connect_ahead(&self, server: &Uri, count: usize) {
        self.connections.open_ahead(server, count);
    }

    /// With plain HTTP the request itself carries the password for the proxy.
    fn authorize_at_proxy(&self, request: &mut Request<SdkBody>) {
        if request.uri().scheme() == Some(&Scheme::HTTP)
            && let Some(proxy) = self.connections.proxy(request.uri())
            && let Some(password) = proxy.basic_auth()
        {
            request
                .headers_mut()
                .insert(PROXY_AUTHORIZATION, password.clone());
        }
    }
}

impl HttpConnector for HttpClient {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let mut request = match request.try_into_http1x() {
            Ok(request) => request,
            Err(error) => {
                return HttpConnectorFuture::ready(Err(ConnectorError::user(error.into())));
            }
        };
        self.authorize_at_proxy(&mut request);
        expose_connection(&mut request);
        let server = request.uri().authority().cloned();
        let proxy = self.connections.proxy(request.uri());
        let proxy = proxy.and_then(|proxy| proxy.uri().authority().cloned());
        let longest = self.longest_response;
        let sent = Sent::of(&request);
        let response = self.pool.request(request);
        HttpConnectorFuture::new(async move {
            let response = response
                .await
                .map_err(|error| error::classify(server.as_ref(), proxy.as_ref(), &error))?;
            let response = response.map(|body| SdkBody::from_body_1_x(Limited::new(body, longest)));
            let mut response = HttpResponse::try_from(response)
                .map_err(|error| ConnectorError::other(error.into(), None))?;
            response.add_extension(sent);
            Ok(response)
        })
    }
}

/// Lets the SDK close the connection of a request: after a response of 5xx the next attempt uses another one.
fn expose_connection(request: &mut Request<SdkBody>) {
    let asked = request.extensions().get::<CaptureSmithyConnection>();
    let Some(asked) = asked.cloned() else {
        return;
    };
    let captured = capture_connection(request);
    asked.set_connection_retriever(move || {
        let is_proxied = captured.connection_metadata().as_ref()?.is_proxied();
        let captured = captured.clone();
        let give_up = move || {
            if let Some(connection) = &*captured.connection_metadata() {
                connection.poison();
            }
        };
        let metadata = ConnectionMetadata::builder().proxied(is_proxied);
        Some(metadata.poison_fn(give_up).build())
    });
}

impl SdkHttpClient for HttpClient {
    fn http_connector(
        &self,
        _: &HttpConnectorSettings,
        _: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}
