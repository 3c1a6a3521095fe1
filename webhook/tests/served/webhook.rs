//! The webhook in this process, on a real socket with real TLS, and a client that trusts what the API server would.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use aws_secrets_webhook::Args;
use aws_secrets_webhook::admission::Admission;
use aws_secrets_webhook::health;
use aws_secrets_webhook::metrics::Metrics;
use aws_secrets_webhook::parsed::ParsedClasses;
use aws_secrets_webhook::readiness::Readiness;
use aws_secrets_webhook::region::DefaultRegion;
use aws_secrets_webhook::router::{MUTATE_PODS, Reviews, VALIDATE_CLASSES, router};
use aws_secrets_webhook::server::{serve_tls, tls_acceptor};
use aws_secrets_webhook::sidecars::Sidecars;
use aws_secrets_webhook::stores::Stores;
use axum::body::Bytes;
use axum::http::{Request, StatusCode};
use certs::{Keeper, Resolver};
use clap::Parser as _;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::SendRequest;
use hyper_util::rt::TokioIo;
use k8s_openapi::ByteString;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, ServerName};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::api::Api;

/// By which name the API server calls a webhook of the manifests.
const NAME: &str = "aws-secrets-injector.aws-secrets-injector.svc";

/// A running webhook.
pub(crate) struct Webhook {
    pub(crate) api: Api,
    pub(crate) keeper: Keeper,
    pub(crate) readiness: Arc<Readiness>,
    health: SocketAddr,
    address: SocketAddr,
    end: Option<oneshot::Sender<()>>,
    server: JoinHandle<()>,
}

impl Webhook {
    /// Starts one as the program does, with an API server that may be prepared already.
    pub(crate) async fn start(api: Api) -> Self {
        let args = Args::parse_from(["webhook", "--injector-image", "injector:1"]);
        let client = api.client();
        let resolver = Arc::new(Resolver::default());
        let mut keeper = Keeper::new(args.certificates(&client), Arc::clone(&resolver));
        keeper.keep().await.unwrap();
        let stores = Stores::start(&client);
        let readiness = Arc::new(Readiness::new(stores.clone(), keeper.status()));
        while readiness.check().is_err() {
            tokio::task::yield_now().await;
        }
        let metrics = Arc::<Metrics>::default();
        let health = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let health_address = health.local_addr().unwrap();
        let health_router =
            health::router(stores.clone(), Arc::clone(&readiness), Arc::clone(&metrics));
        tokio::spawn(health::serve(health, health_router));
        let admission = Admission {
            stores,
            parsed: ParsedClasses::default(),
            region: DefaultRegion::new(None, client.clone()),
            sidecars: Sidecars::new(client),
            settings: args.settings(),
        };
        let reviews = Reviews {
            admission,
            metrics,
            readiness: Arc::clone(&readiness),
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (end, ended) = oneshot::channel();
        let server = tokio::spawn(serve_tls(
            listener,
            tls_acceptor(resolver).unwrap(),
            router(reviews),
            async {
                let _ = ended.await;
            },
            Duration::from_mins(1),
        ));
        Self {
            api,
            keeper,
            readiness,
            health: health_address,
            address,
            end: Some(end),
            server,
        }
    }

    /// A connection of a client that trusts the published bundle.
    pub(crate) async fn connect(&self) -> std::io::Result<Connection> {
        self.connect_trusting(&self.api.ca_bundle()).await
    }

    /// A connection of a client that trusts this bundle and no other.
    pub(crate) async fn connect_trusting(&self, bundle: &Value) -> std::io::Result<Connection> {
        let pem: ByteString = serde_json::from_value(bundle.clone()).unwrap();
        let mut roots = rustls::RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_slice(&pem.0).unwrap())
            .unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let stream = TcpStream::connect(self.address).await?;
        let name = ServerName::try_from(NAME).unwrap();
        let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
        let stream = connector.connect(name, stream).await?;
        let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .unwrap();
        tokio::spawn(connection);
        Ok(Connection(sender))
    }

    /// What SIGTERM does.
    pub(crate) fn end(&mut self) {
        self.end.take().unwrap().send(()).unwrap();
    }

    /// Returns when it has ended.
    pub(crate) async fn ended(self) {
        self.server.await.unwrap();
    }

    /// What the kubelet or Prometheus gets.
    pub(crate) async fn get(&self, path: &str) -> (StatusCode, String) {
        let stream = TcpStream::connect(self.health).await.unwrap();
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .unwrap();
        tokio::spawn(connection);
        let request = Request::get(path)
            .header("host", "webhook")
            .body(Full::<Bytes>::default());
        let response = sender.send_request(request.unwrap()).await.unwrap();
        let status = response.status();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    /// Admits a pod over a connection of its own, and returns the response of the review.
    pub(crate) async fn admit(&self, pod: &Value) -> Value {
        self.connect().await.unwrap().admit(pod).await
    }
}

/// A connection to the webhook.
pub(crate) struct Connection(SendRequest<Full<Bytes>>);

impl Connection {
    /// Admits a pod, as the API server asks for it.
    pub(crate) async fn admit(&mut self, pod: &Value) -> Value {
        self.review(
            MUTATE_PODS,
            json!({
                "kind": {"group": "", "version": "v1", "kind": "Pod"},
                "resource": {"group": "", "version": "v1", "resource": "pods"},
                "operation": "CREATE",
                "object": pod,
            }),
        )
        .await
    }

    /// Admits a class: a new one, or one that was `old` before.
    pub(crate) async fn admit_class(&mut self, class: &Value, old: Option<&Value>) -> Value {
        let kind = "SecretProviderClass";
        let version = class["apiVersion"].as_str().unwrap().rsplit('/').next();
        self.review(VALIDATE_CLASSES, json!({
            "kind": {"group": "secrets-store.csi.x-k8s.io", "version": version, "kind": kind},
            "resource": {"group": "secrets-store.csi.x-k8s.io", "version": version, "resource": "secretproviderclasses"},
            "operation": if old.is_some() { "UPDATE" } else { "CREATE" },
            "object": class,
            "oldObject": old,
        })).await
    }

    async fn review(&mut self, path: &str, mut request: Value) -> Value {
        request["uid"] = "705ab4f5".into();
        request["userInfo"] = json!({});
        request["namespace"] = "shop".into();
        let review = json!({
            "apiVersion": "admission.k8s.io/v1",
            "kind": "AdmissionReview",
            "request": request,
        });
        let (status, body) = self.post(path, review.to_string()).await;
        assert_eq!(status, StatusCode::OK, "{}", String::from_utf8_lossy(&body));
        let review: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(review["apiVersion"], "admission.k8s.io/v1");
        assert_eq!(review["response"]["uid"], "705ab4f5");
        review["response"].clone()
    }

    /// Returns when the server has closed it; `false` if it goes on instead.
    pub(crate) async fn is_closed(&mut self) -> bool {
        self.0.ready().await.is_err()
    }

    /// Posts anything.
    pub(crate) async fn post(&mut self, path: &str, body: impl Into<Bytes>) -> (StatusCode, Bytes) {
        let request = Request::post(path)
            .header("host", NAME)
            .header("content-type", "application/json")
            .body(Full::new(body.into()))
            .unwrap();
        self.0.ready().await.unwrap();
        let response = self.0.send_request(request).await.unwrap();
        let status = response.status();
        (
            status,
            response.into_body().collect().await.unwrap().to_bytes(),
        )
    }
}

/// A pod that wants classes, as a Deployment makes it.
pub(crate) fn pod(classes: &str) -> Value {
    json!({
        "metadata": {
            "generateName": "web-",
            "annotations": {"aws-secrets-injector.io/secret-provider-class": classes},
        },
        "spec": {"serviceAccountName": "web", "containers": [{"name": "web", "image": "web"}]},
    })
}

/// The pod after the response's patch.
pub(crate) fn patched(pod: &Value, response: &Value) -> Value {
    assert_eq!(response["allowed"], true, "{response}");
    let patch: ByteString = serde_json::from_value(response["patch"].clone()).unwrap();
    let bytes = patch.0;
    let mut pod = pod.clone();
    let patch: json_patch::Patch = serde_json::from_slice(&bytes).unwrap();
    json_patch::patch(&mut pod, &patch).unwrap();
    pod
}
