//! An in-memory API server with the requests that a keeper needs. It can refuse requests and undo changes.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use k8s_openapi::ByteString;
use kube::Client;
use serde_json::{Value, json};

use crate::Clock;

const SECRETS: &str = "/api/v1/namespaces/ns/secrets";
const CONFIGURATIONS: &str = "/apis/admissionregistration.k8s.io/v1";

/// The API server. Clones share its objects.
#[derive(Clone, Default)]
pub(crate) struct Api(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    objects: BTreeMap<String, Value>,
    version: u64,
    writes: u32,
    /// Requests whose path contains this are refused.
    forbidden: Option<&'static str>,
    /// Every change is undone immediately.
    undoes: bool,
    /// No request is answered.
    hangs: bool,
    /// Notes in a configuration when a keeper changed it.
    clock: Option<Clock>,
}

impl Api {
    /// An API server with two configurations without a bundle.
    pub(crate) fn new() -> Self {
        let api = Self::default();
        for kind in [
            "MutatingWebhookConfiguration",
            "ValidatingWebhookConfiguration",
        ] {
            let configuration = json!({
                "apiVersion": "admissionregistration.k8s.io/v1",
                "kind": kind,
                "metadata": {"name": "webhook"},
                "webhooks": [
                    {"name": "a.example.com", "clientConfig": {}},
                    {"name": "b.example.com", "clientConfig": {}},
                ],
            });
            let path = format!("{CONFIGURATIONS}/{}s/webhook", kind.to_lowercase());
            api.change(|inner| inner.store(&path, configuration));
        }
        api
    }

    pub(crate) fn client(&self) -> Client {
        let router = Router::new().fallback(serve).with_state(self.clone());
        Client::new(router, "ns")
    }

    fn change<T>(&self, change: impl FnOnce(&mut Inner) -> T) -> T {
        change(&mut self.0.lock().unwrap())
    }

    /// Refuses requests whose path contains this from now on.
    pub(crate) fn forbid(&self, path: Option<&'static str>) {
        self.change(|inner| inner.forbidden = path);
    }

    /// Undoes every change immediately from now on.
    pub(crate) fn undo(&self) {
        self.change(|inner| inner.undoes = true);
    }

    /// Notes from now on in each configuration when a keeper changed it.
    pub(crate) fn note_times(&self, clock: &Clock) {
        self.change(|inner| inner.clock = Some(clock.clone()));
    }

    /// Answers no request, or answers them again.
    pub(crate) fn hang(&self, hangs: bool) {
        self.change(|inner| inner.hangs = hangs);
    }

    /// The number of writes.
    pub(crate) fn writes(&self) -> u32 {
        self.change(|inner| inner.writes)
    }

    /// A field of the Secret; empty if there is none.
    pub(crate) fn secret(&self, field: &str) -> String {
        self.change(|inner| text(&inner.objects[&format!("{SECRETS}/certificates")]["data"][field]))
    }

    pub(crate) fn spoil_secret(&self, field: &str) {
        self.change(|inner| {
            let path = format!("{SECRETS}/certificates");
            let mut secret = inner.objects[&path].clone();
            secret["data"][field] = "Z2FyYmFnZQ==".into();
            inner.store(&path, secret);
        });
    }

    /// Sets a field of the Secret.
    pub(crate) fn plant(&self, field: &str, pem: &str) {
        self.change(|inner| {
            let path = format!("{SECRETS}/certificates");
            let mut secret = inner.objects[&path].clone();
            secret["data"][field] = json!(ByteString(pem.as_bytes().to_vec()));
            inner.store(&path, secret);
        });
    }

    /// Sets the bundle of every webhook.
    pub(crate) fn plant_bundle(&self, pem: &str) {
        self.change(|inner| {
            let bundle = json!(ByteString(pem.as_bytes().to_vec()));
            let paths: Vec<String> = inner.objects.keys().cloned().collect();
            for path in paths.iter().filter(|path| path.starts_with(CONFIGURATIONS)) {
                let mut object = inner.objects[path].clone();
                for webhook in object["webhooks"].as_array_mut().unwrap() {
                    webhook["clientConfig"]["caBundle"] = bundle.clone();
                }
                inner.store(path, object);
            }
        });
    }

    /// A configuration as it is installed.
    pub(crate) fn empty_secret(&self) {
        self.change(|inner| {
            let secret =
                json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "certificates"}});
            inner.store(&format!("{SECRETS}/certificates"), secret);
        });
    }

    pub(crate) fn delete_secret(&self) {
        self.change(|inner| inner.objects.retain(|path, _| !path.starts_with(SECRETS)));
    }

    /// The bundle that all webhooks of both configurations have.
    pub(crate) fn bundle(&self) -> String {
        self.change(|inner| {
            let configurations = inner.objects.iter();
            let mut bundles = configurations
                .filter(|(path, _)| path.starts_with(CONFIGURATIONS))
                .flat_map(|(_, object)| object["webhooks"].as_array().unwrap())
                .map(|webhook| text(&webhook["clientConfig"]["caBundle"]));
            let first = bundles.next().unwrap();
            assert!(bundles.all(|bundle| bundle == first));
            first
        })
    }
}

fn text(encoded: &Value) -> String {
    let bytes = serde_json::from_value(encoded.clone()).unwrap_or(ByteString(Vec::new()));
    String::from_utf8(bytes.0).unwrap()
}

impl Inner {
    fn store(&mut self, path: &str, mut object: Value) -> Response {
        self.version += 1;
        object["metadata"]["resourceVersion"] = self.version.to_string().into();
        self.objects.insert(path.to_owned(), object.clone());
        axum::Json(object).into_response()
    }

    fn answer(&mut self, method: &Method, path: &str, sent: Value) -> Response {
        if self.forbidden.is_some_and(|part| path.contains(part)) {
            return status(StatusCode::FORBIDDEN, "is forbidden");
        }
        let object = self.objects.get(path).cloned();
        if *method == Method::GET {
            return object.map_or_else(
                || status(StatusCode::NOT_FOUND, "not found"),
                |object| axum::Json(object).into_response(),
            );
        }
        self.writes += 1;
        if *method == Method::POST {
            let path = format!("{path}/{}", sent["metadata"]["name"].as_str().unwrap());
            return if self.objects.contains_key(&path) {
                status(StatusCode::CONFLICT, "already exists")
            } else {
                self.store(&path, sent)
            };
        }
        let Some(mut object) = object else {
            return status(StatusCode::NOT_FOUND, "not found");
        };
        if object["metadata"]["resourceVersion"] != sent["metadata"]["resourceVersion"] {
            return status(StatusCode::CONFLICT, "was changed");
        }
        match *method {
            Method::PUT => self.store(path, sent),
            Method::PATCH => {
                let webhooks = object["webhooks"].as_array_mut().unwrap();
                for (webhook, applied) in webhooks
                    .iter_mut()
                    .zip(sent["webhooks"].as_array().unwrap())
                {
                    assert_eq!(webhook["name"], applied["name"]);
                    if !self.undoes {
                        webhook["clientConfig"] = applied["clientConfig"].clone();
                    }
                }
                if let Some(clock) = &self.clock {
                    let time = humantime::format_rfc3339_seconds(clock.now()).to_string();
                    object["metadata"]["managedFields"] =
                        json!([{"manager": "webhook-certs", "operation": "Apply", "time": time}]);
                }
                self.store(path, object)
            }
            _ => panic!("a keeper has no reason to {method} {path}"),
        }
    }
}

async fn serve(State(api): State<Api>, request: Request) -> Response {
    if api.change(|inner| inner.hangs) {
        std::future::pending::<()>().await;
    }
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let body = axum::body::to_bytes(request.into_body(), usize::MAX)
        .await
        .unwrap();
    let sent = serde_json::from_slice(&body).unwrap_or_default();
    api.change(|inner| inner.answer(&method, &path, sent))
}

fn status(code: StatusCode, message: &str) -> Response {
    let status = json!({
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "message": message,
        "reason": code.canonical_reason().unwrap().replace(' ', ""),
        "code": code.as_u16(),
    });
    (code, axum::Json(status)).into_response()
}
