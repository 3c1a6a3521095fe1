//! The webhook in this process, on a real socket with real TLS, and a client that trusts what the API server would.

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use aws_secrets_webhook::Args;
use aws_secrets_webhook::server::{Limits, MUTATE_PODS, REVIEWS, VALIDATE_CLASSES};
use axum::body::Bytes;
use axum::http::{Request, Response, StatusCode};
use clap::Parser as _;
use futures::channel::mpsc::UnboundedSender;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::client::conn::http1::SendRequest;
use hyper_util::rt::TokioIo;
use k8s_openapi::ByteString;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, ServerName};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;

use crate::api::Api;
use crate::patience::{in_time, until};

/// The name by which the API server calls a webhook of the manifests.
const NAME: &str = "aws-secrets-injector.aws-secrets-injector.svc";

/// A running webhook.
pub(crate) struct Webhook {
    pub(crate) api: Api,
    pub(crate) health: SocketAddr,
    address: SocketAddr,
    shutdown: Option<oneshot::Sender<()>>,
    server: JoinHandle<()>,
}

impl Webhook {
    /// Starts one as the program does, with an API server that may be prepared already.
    pub(crate) async fn start(api: Api) -> Self {
        Self::start_with(api, &[], REVIEWS).await
    }

    /// Starts one with these limits.
    pub(crate) async fn start_limited(api: Api, limits: Limits) -> Self {
        Self::start_with(api, &[], limits).await
    }

    /// Starts one whose requests have this long after the signal to shut down.
    pub(crate) async fn start_draining(api: Api, drain: &str) -> Self {
        Self::start_with(api, &["--drain", drain], REVIEWS).await
    }

    /// Starts one that lets pods apply the Secrets of their classes.
    pub(crate) async fn start_syncing(api: Api) -> Self {
        let server = ["--api-server-host", "10.96.0.1", "--api-server-port", "443"];
        Self::start_with(
            api,
            &[&["--allow-secret-sync"], &server[..]].concat(),
            REVIEWS,
        )
        .await
    }

    /// Starts one with these arguments.
    pub(crate) async fn start_saying(api: Api, args: &[&str]) -> Self {
        Self::start_with(api, args, REVIEWS).await
    }

    async fn start_with(api: Api, args: &[&str], limits: Limits) -> Self {
        let args = ["webhook", "--injector-image", "injector:1"]
            .iter()
            .chain(args);
        let args = Args::parse_from(args);
        let socket = TcpSocket::new_v4().unwrap();
        // Its connections have the same: the kernel does not take large answers that nobody reads.
        socket.set_send_buffer_size(16 * 1024).unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = socket.listen(128).unwrap();
        let health = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (shutdown, signal) = oneshot::channel();
        let addresses = (listener.local_addr(), health.local_addr());
        let webhook = aws_secrets_webhook::Webhook::new(&args, api.client()).with_limits(limits);
        let server = tokio::spawn(async move {
            let signal = async {
                // Dropped at the end of a test, it is no signal.
                if signal.await.is_err() {
                    std::future::pending::<()>().await;
                }
            };
            webhook.serve(listener, health, signal).await.unwrap();
        });
        let webhook = Self {
            api,
            health: addresses.1.unwrap(),
            address: addresses.0.unwrap(),
            shutdown: Some(shutdown),
            server,
        };
        until("the webhook is ready", async || {
            webhook.get("/readyz").await.0 == StatusCode::OK
        })
        .await;
        webhook
    }

    /// Where it takes reviews.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// A connection of a client that trusts the published bundle.
    pub(crate) async fn connect(&self) -> std::io::Result<Connection> {
        self.connect_trusting(&self.api.ca_bundle()).await
    }

    /// The same from another address of this machine.
    pub(crate) async fn connect_from(&self, client: IpAddr) -> std::io::Result<Connection> {
        connect(self.address, client, &self.api.ca_bundle()).await
    }

    /// A connection of a client that trusts this bundle and no other.
    pub(crate) async fn connect_trusting(&self, bundle: &Value) -> std::io::Result<Connection> {
        let stream = TcpStream::connect(self.address).await?;
        greet(stream, bundle).await
    }

    /// The same, as soon as there is a place for it.
    pub(crate) async fn connect_at_last(&self, client: IpAddr) -> Connection {
        let attempts = async {
            loop {
                if let Ok(connection) = self.connect_from(client).await {
                    return connection;
                }
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        in_time("there is a place for a connection", attempts).await
    }

    /// What SIGTERM does.
    pub(crate) fn shut_down(&mut self) {
        self.shutdown.take().unwrap().send(()).unwrap();
    }

    /// Returns when it takes no new connections.
    pub(crate) async fn closed(&self) {
        until("the webhook takes no new connections", async || {
            self.connect().await.is_err()
        })
        .await;
    }

    /// Returns when it has ended.
    pub(crate) async fn ended(self) {
        in_time("the webhook ends", self.server).await.unwrap();
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
        let answer = async {
            let response = sender.send_request(request.unwrap()).await.unwrap();
            let status = response.status();
            (status, response.into_body().collect().await.unwrap())
        };
        let (status, body) = in_time(path, answer).await;
        (status, String::from_utf8(body.to_bytes().to_vec()).unwrap())
    }

    /// Admits a pod over a connection of its own, and returns the response of the review.
    pub(crate) async fn admit(&self, pod: &Value) -> Value {
        self.connect().await.unwrap().admit(pod).await
    }
}

async fn greet(stream: TcpStream, bundle: &Value) -> std::io::Result<Connection> {
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
    let name = ServerName::try_from(NAME).unwrap();
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    let handshake = connector.connect(name, stream);
    let stream = in_time("a TLS handshake", handshake).await?;
    let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .unwrap();
    tokio::spawn(connection);
    Ok(Connection(sender))
}

/// A connection from an address of this machine, of a client that trusts this bundle.
pub(crate) async fn connect(
    address: SocketAddr,
    client: IpAddr,
    bundle: &Value,
) -> std::io::Result<Connection> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::new(client, 0))?;
    greet(socket.connect(address).await?, bundle).await
}

/// A connection to the webhook.
pub(crate) struct Connection(SendRequest<BoxBody<Bytes, Infallible>>);

/// A request of which only a part was sent.
pub(crate) struct Begun {
    _connection: Connection,
    _body: UnboundedSender<Result<Frame<Bytes>, Infallible>>,
    answer: JoinHandle<()>,
}

impl Begun {
    /// Has the server answered, or closed the connection?
    pub(crate) fn is_answered(&self) -> bool {
        self.answer.is_finished()
    }

    /// Returns when it has.
    pub(crate) async fn answered(&self) {
        while !self.is_answered() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

impl Connection {
    /// Admits a pod, as the API server asks for it.
    pub(crate) async fn admit(&mut self, pod: &Value) -> Value {
        self.review(MUTATE_PODS, pod_request(pod)).await
    }

    /// Admits a class: a new one, or one that was `old` before.
    pub(crate) async fn admit_class(&mut self, class: &Value, old: Option<&Value>) -> Value {
        self.review(VALIDATE_CLASSES, class_request(class, old))
            .await
    }

    pub(crate) async fn review(&mut self, path: &str, request: Value) -> Value {
        let review = review(request);
        let (status, body) = self.post(path, review.to_string()).await;
        assert_eq!(status, StatusCode::OK, "{}", String::from_utf8_lossy(&body));
        let review: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(review["apiVersion"], "admission.k8s.io/v1");
        assert_eq!(review["response"]["uid"], "705ab4f5");
        review["response"].clone()
    }

    /// Returns when the server has closed it; `false` if it takes another request instead.
    pub(crate) async fn is_closed(&mut self) -> bool {
        in_time("the end of a connection", self.0.ready())
            .await
            .is_err()
    }

    /// Begins to post so many bytes, and sends the first of them. Returns when the server reads them, or
    /// has closed the connection.
    pub(crate) async fn begin(mut self, path: &str, announced: usize, sent: usize) -> Begun {
        let (body, frames) = futures::channel::mpsc::unbounded();
        body.unbounded_send(Ok(Frame::data(vec![b' '; sent].into())))
            .unwrap();
        let mut request = Request::post(path)
            .header("host", NAME)
            .header("content-length", announced)
            .header("expect", "100-continue")
            .body(StreamBody::new(frames).boxed())
            .unwrap();
        let is_read = Arc::new(Notify::new());
        let reads = Arc::clone(&is_read);
        hyper::ext::on_informational(&mut request, move |_| reads.notify_one());
        let answer = self.0.send_request(request);
        let mut answer = tokio::spawn(async move { drop(answer.await) });
        let begins = async {
            tokio::select! {
                () = is_read.notified() => {}
                _ = &mut answer => {}
            }
        };
        in_time("the server reads the body", begins).await;
        Begun {
            _connection: self,
            _body: body,
            answer,
        }
    }

    /// Posts anything.
    pub(crate) async fn post(&mut self, path: &str, body: impl Into<Bytes>) -> (StatusCode, Bytes) {
        let response = self.answer(path, body.into()).await;
        let status = response.status();
        let body = in_time(path, response.into_body().collect()).await.unwrap();
        (status, body.to_bytes())
    }

    /// Posts anything, and reads the head of the answer alone.
    async fn answer(&mut self, path: &str, body: Bytes) -> Response<Incoming> {
        in_time(path, self.try_answer(path, body)).await.unwrap()
    }

    /// The same where the server may close the connection, or never answer.
    pub(crate) async fn try_answer(
        &mut self,
        path: &str,
        body: Bytes,
    ) -> hyper::Result<Response<Incoming>> {
        let request = Request::post(path)
            .header("host", NAME)
            .header("content-type", "application/json")
            .body(Full::new(body).boxed())
            .unwrap();
        self.0.ready().await?;
        self.0.send_request(request).await
    }

    /// Has a pod admitted, and does not read more of the answer than its head.
    pub(crate) async fn admit_unread(&mut self, pod: &Value) -> Response<Incoming> {
        let review = review(pod_request(pod));
        self.answer(MUTATE_PODS, review.to_string().into()).await
    }
}

/// The request of a review that creates a pod.
pub(crate) fn pod_request(pod: &Value) -> Value {
    json!({
        "kind": {"group": "", "version": "v1", "kind": "Pod"},
        "resource": {"group": "", "version": "v1", "resource": "pods"},
        "operation": "CREATE",
        "object": pod,
    })
}

/// The request of a review of a class: a new one, or one that was `old` before.
pub(crate) fn class_request(class: &Value, old: Option<&Value>) -> Value {
    let kind = "SecretProviderClass";
    let version = class["apiVersion"].as_str().unwrap().rsplit('/').next();
    json!({
        "kind": {"group": "secrets-store.csi.x-k8s.io", "version": version, "kind": kind},
        "resource": {"group": "secrets-store.csi.x-k8s.io", "version": version, "resource": "secretproviderclasses"},
        "operation": if old.is_some() { "UPDATE" } else { "CREATE" },
        "object": class,
        "oldObject": old,
    })
}

/// The review of a request.
pub(crate) fn review(mut request: Value) -> Value {
    request["uid"] = "705ab4f5".into();
    request["userInfo"] = json!({});
    if request["namespace"].is_null() {
        request["namespace"] = "shop".into();
    }
    json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request})
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
