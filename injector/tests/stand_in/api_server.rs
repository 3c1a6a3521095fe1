//! An API server over HTTPS, as far as the injector asks one: server-side apply of Secrets, with field managers and versions.

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
    secrets: BTreeMap<String, Secret>,
    /// That of the last change.
    resource_version: u64,
    /// Secrets that nobody may write.
    forbidden: Vec<String>,
    /// Statuses of the next answers.
    failures: VecDeque<u16>,
    /// Method, path and query of each request.
    asked: Vec<String>,
}

#[derive(Clone, Default)]
struct Secret {
    resource_version: u64,
    /// The managers, with what each has set.
    managers: BTreeMap<String, Fields>,
}

impl Secret {
    fn fields(&self) -> Fields {
        self.managers.values().flat_map(Clone::clone).collect()
    }

    /// As the API server sends it.
    fn object(&self, name: &str) -> Value {
        let managed = self.managers.keys().map(|manager| {
            let (operation, manager) = manager.split_once(' ').unwrap();
            json!({"manager": manager, "operation": operation})
        });
        let fields = self.fields();
        let part = |part: &str| -> Fields {
            let of_part = |path: &String| path.strip_prefix(part).map(str::to_owned);
            let fields = fields.iter();
            fields
                .filter_map(|(path, value)| Some((of_part(path)?, value.clone())))
                .collect()
        };
        json!({
            "metadata": {
                "name": name,
                "uid": format!("uid-of-{name}"),
                "resourceVersion": self.resource_version.to_string(),
                "labels": part("labels."),
                "annotations": part("annotations."),
                "ownerReferences": part("owner.").into_values().collect::<Vec<_>>(),
                "managedFields": managed.collect::<Vec<_>>(),
            },
            "type": fields.get("type").unwrap_or(&json!("Opaque")),
            "immutable": fields.contains_key("immutable"),
            "data": part("data."),
        })
    }
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
            // As etcd's: no Secret has the first version.
            state: Arc::new(Mutex::new(State {
                resource_version: 1,
                ..State::default()
            })),
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
        state.resource_version += 1;
        let resource_version = state.resource_version;
        let secret = state.secrets.entry(secret.to_owned()).or_default();
        secret.resource_version = resource_version;
        secret
            .managers
            .insert(format!("Update {manager}"), fields.collect());
    }

    /// Somebody removes a field of a Secret, or the garbage collector an owner.
    pub(crate) fn remove(&self, secret: &str, path: &str) {
        let mut state = self.state.lock().unwrap();
        state.resource_version += 1;
        let resource_version = state.resource_version;
        let secret = state.secrets.get_mut(secret).unwrap();
        secret.resource_version = resource_version;
        for fields in secret.managers.values_mut() {
            fields.remove(path);
        }
    }

    /// Somebody deletes a Secret.
    pub(crate) fn delete(&self, secret: &str) {
        self.state.lock().unwrap().secrets.remove(secret);
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
        Some(state.secrets.get(name)?.fields())
    }

    /// What was asked so far.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.state.lock().unwrap().asked.clone()
    }

    /// How many requests could change something.
    pub(crate) fn writes(&self) -> usize {
        let asked = self.asked();
        asked
            .iter()
            .filter(|asked| !asked.ends_with("&dryRun=All"))
            .count()
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
        let sent = &object["metadata"];
        let existing = state.secrets.get(name);
        let is_other = match existing {
            Some(existing) => sent["resourceVersion"]
                .as_str()
                .is_some_and(|version| version != existing.resource_version.to_string()),
            None => sent["uid"].as_str().is_some_and(|uid| !uid.is_empty()),
        };
        if is_other {
            return refusal(409, "Conflict", "the object has been modified", &[]);
        }
        let manager = query.split('&').next().unwrap();
        let manager = format!("Apply {}", manager.strip_prefix("fieldManager=").unwrap());
        let fields = leaves(object);
        let is_new = existing.is_none();
        let mut secret = existing.cloned().unwrap_or_default();
        for (other, theirs) in &secret.managers {
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
        secret.managers.insert(manager.clone(), fields.clone());
        if fields.is_empty() {
            secret.managers.remove(&manager);
        }
        if !query.ends_with("&dryRun=All") {
            state.resource_version += 1;
            secret.resource_version = state.resource_version;
            state.secrets.insert(name.to_owned(), secret.clone());
        }
        let answer = secret.object(name);
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
