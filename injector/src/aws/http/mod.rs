//! The HTTP client that all services share: HTTP/1.1 over rustls on ring, with the system's certificate authorities and the
//! ones of `AWS_CA_BUNDLE`, and the proxy variables. It can open connections before there is anything to send.

mod connections;
mod error;
mod tls;

use std::path::Path;
use std::time::Duration;

use aws_smithy_runtime_api::client::http::{
    HttpClient as SdkHttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings,
    SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use hyper::header::PROXY_AUTHORIZATION;
use hyper::http::uri::Scheme;
use hyper::{Request, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::client::proxy::matcher::Matcher;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use connections::Connections;
pub use error::HttpError;

/// To a service in a VPC or behind a proxy a connection takes milliseconds, to another region some hundreds.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// A client with a connection pool of its own; clones share it.
#[derive(Clone, Debug)]
pub struct HttpClient {
    pool: Client<Connections, SdkBody>,
    connections: Connections,
}

impl HttpClient {
    /// A client for AWS, through proxies as `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY` say.
    pub fn new(ca_bundle: Option<&Path>) -> Result<Self, HttpError> {
        Self::with(ca_bundle, Matcher::from_env(), CONNECT_TIMEOUT)
    }

    /// A client for servers of the node itself.
    pub fn without_proxy(connect_timeout: Duration) -> Result<Self, HttpError> {
        Self::with(None, Matcher::builder().build(), connect_timeout)
    }

    fn with(
        ca_bundle: Option<&Path>,
        proxies: Matcher,
        connect_timeout: Duration,
    ) -> Result<Self, HttpError> {
        let connections = Connections::new(tls::config(ca_bundle)?, proxies, connect_timeout);
        let pool = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .build(connections.clone());
        Ok(Self { pool, connections })
    }

    /// Begins to open so many connections to a server; the first requests to it take them.
    pub fn connect_ahead(&self, server: &Uri, count: usize) {
        self.connections.open_ahead(server, count);
    }

    /// For plain HTTP a proxy reads the request itself, and its password with it.
    fn authorize(&self, request: &mut Request<SdkBody>) {
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
        self.authorize(&mut request);
        let server = request.uri().authority().cloned();
        let answer = self.pool.request(request);
        HttpConnectorFuture::new(async move {
            let answer = answer.await;
            let answer = answer.map_err(|error| error::classify(server, error))?;
            HttpResponse::try_from(answer.map(SdkBody::from_body_1_x))
                .map_err(|error| ConnectorError::other(error.into(), None))
        })
    }
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
