//! An API server over HTTPS, as far as the injector asks one: server-side apply of Secrets, with field managers.

use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// The token that is accepted.
pub(crate) const TOKEN: &str = "token-of-the-pod";
const SECRETS: &str = "/api/v1/namespaces/shop/secrets/";

/// Leaves of an object, by path, such as `data.password`.
type Fields = BTreeMap<String, Value>;

/// The API server; clones share what it holds.
#[derive(Clone)]
pub(crate) struct ApiServer {
    pub(crate) address: SocketAddr,
    /// The certificate to trust, in PEM.
    pub(crate) ca: String,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    /// The managers of each Secret, with what each has set.
    secrets: BTreeMap<String, BTreeMap<String, Fields>>,
    /// Secrets that nobody may write.
    forbidden: Vec<String>,
    /// Statuses of the next answers.
    failures: VecDeque<u16>,
    /// Method, path and query of each request.
    asked: Vec<String>,
}

impl ApiServer {
    /// Starts one on this address, with a certificate for it.
    pub(crate) async fn start(address: &str) -> std::io::Result<Self> {
        let listener = TcpListener::bind((address, 0)).await?;
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed([address.to_owned()]).unwrap();
        let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key)
            .unwrap();
        let server = Self {
            address: listener.local_addr()?,
            ca: cert.pem(),
            state: Arc::default(),
        };
        let acceptor = TlsAcceptor::from(Arc::new(config));
        tokio::spawn(server.clone().serve(listener, acceptor));
        Ok(server)
    }

    async fn serve(self, listener: TcpListener, acceptor: TlsAcceptor) {
        while let Ok((stream, _)) = listener.accept().await {
            let (server, acceptor) = (self.clone(), acceptor.clone());
            tokio::spawn(async move {
                let Ok(stream) = acceptor.accept(stream).await else {
                    return;
                };
                let service = service_fn(|request| server.answer(request));
                let builder = hyper::server::conn::http1::Builder::new();
                let _ = builder
                    .serve_connection(TokioIo::new(stream), service)
                    .await;
            });
        }
    }

    /// Somebody else writes fields of a Secret.
    pub(crate) fn write(&self, secret: &str, manager: &str, fields: &[(&str, Value)]) {
        let fields = fields
            .iter()
            .map(|(path, value)| ((*path).to_owned(), value.clone()));
        let mut state = self.state.lock().unwrap();
        let managers = state.secrets.entry(secret.to_owned()).or_default();
        managers.insert(format!("Update {manager}"), fields.collect());
    }

    pub(crate) fn forbid(&self, secret: &str) {
        self.state.lock().unwrap().forbidden.push(secret.to_owned());
    }

    /// The next requests fail with these statuses.
    pub(crate) fn fail(&self, statuses: &[u16]) {
        self.state.lock().unwrap().failures.extend(statuses);
    }

    /// The fields of a Secret; nothing if it does not exist.
    pub(crate) fn secret(&self, name: &str) -> Option<Fields> {
        let state = self.state.lock().unwrap();
        let managers = state.secrets.get(name)?;
        Some(managers.values().flat_map(Clone::clone).collect())
    }

    /// What was asked so far.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.state.lock().unwrap().asked.clone()
    }

    async fn answer(
        &self,
        request: Request<Incoming>,
    ) -> Result<Response<Full<Bytes>>, Infallible> {
        let (parts, body) = request.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let header = |name: &str| {
            let value = parts.headers.get(name).unwrap();
            value.to_str().unwrap().to_owned()
        };
        let (status, answer) = if header("authorization") == format!("Bearer {TOKEN}") {
            assert_eq!(header("content-type"), "application/apply-patch+yaml");
            assert!(header("accept").starts_with("application/json;as=PartialObjectMetadata"));
            assert_eq!(parts.method, "PATCH");
            let query = parts.uri.query().unwrap();
            let name = parts.uri.path().strip_prefix(SECRETS).unwrap();
            self.apply(name, query, &serde_json::from_slice(&body).unwrap())
        } else {
            refusal(401, "Unauthorized", "Unauthorized", &[])
        };
        let response = Response::builder().status(status);
        Ok(response
            .body(Full::from(answer.to_string().into_bytes()))
            .unwrap())
    }

    fn apply(&self, name: &str, query: &str, object: &Value) -> (u16, Value) {
        let mut state = self.state.lock().unwrap();
        state.asked.push(format!("{name}?{query}"));
        if let Some(status) = state.failures.pop_front() {
            return refusal(status, "", "an internal error", &[]);
        }
        if state.forbidden.iter().any(|other| other == name) {
            let message = format!("secrets {name:?} is forbidden: User cannot patch it");
            return refusal(403, "Forbidden", &message, &[]);
        }
        let manager = query.split('&').next().unwrap();
        let manager = format!("Apply {}", manager.strip_prefix("fieldManager=").unwrap());
        let fields = leaves(object);
        let is_new = !state.secrets.contains_key(name);
        let mut managers = state.secrets.get(name).cloned().unwrap_or_default();
        for (other, theirs) in &managers {
            let differing = fields.iter().find(|(path, value)| {
                *other != manager && theirs.get(*path).is_some_and(|their| their != *value)
            });
            if let Some((path, _)) = differing {
                let other = other.split(' ').nth(1).unwrap();
                let message =
                    format!("Apply failed with 1 conflict: conflict with {other:?}: .{path}");
                return refusal(409, "Conflict", &message, &["FieldManagerConflict"]);
            }
        }
        managers.insert(manager.clone(), fields.clone());
        if fields.is_empty() {
            managers.remove(&manager);
        }
        let entries = managers.keys().map(|manager| {
            let (operation, manager) = manager.split_once(' ').unwrap();
            json!({"manager": manager, "operation": operation})
        });
        let answer =
            json!({"metadata": {"name": name, "managedFields": entries.collect::<Vec<_>>()}});
        if !query.ends_with("&dryRun=All") {
            state.secrets.insert(name.to_owned(), managers);
        }
        (if is_new { 201 } else { 200 }, answer)
    }
}

fn refusal(status: u16, reason: &str, message: &str, causes: &[&str]) -> (u16, Value) {
    let causes: Vec<_> = causes
        .iter()
        .map(|reason| json!({"reason": reason}))
        .collect();
    let answer = json!({"kind": "Status", "reason": reason, "message": message, "details": {"causes": causes}});
    (status, answer)
}

/// The fields that the object sets; owners are told apart by their UID, as in Kubernetes.
fn leaves(object: &Value) -> Fields {
    let mut fields = Fields::new();
    for list in ["labels", "annotations"] {
        for (name, value) in object["metadata"][list].as_object().into_iter().flatten() {
            fields.insert(format!("{list}.{name}"), value.clone());
        }
    }
    for owner in object["metadata"]["ownerReferences"]
        .as_array()
        .into_iter()
        .flatten()
    {
        fields.insert(
            format!("owner.{}", owner["uid"].as_str().unwrap()),
            owner.clone(),
        );
    }
    if let Some(secret_type) = object.get("type") {
        fields.insert("type".to_owned(), secret_type.clone());
    }
    for (key, value) in object["data"].as_object().into_iter().flatten() {
        fields.insert(format!("data.{key}"), value.clone());
    }
    fields
}
