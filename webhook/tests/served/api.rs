//! An API server in memory, as far as the webhook asks one: the end-to-end tests have a real one, which cannot be made to
//! forget a permission or to answer late at will.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use futures::channel::mpsc::UnboundedSender;
use kube::Client;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::objects::{REVIEWS, node, page, reviewed, status, version};
use crate::patience::until;

pub(crate) use crate::objects::class;

const CLASSES: &str = "/apis/secrets-store.csi.x-k8s.io/v1";
const CONFIGURATION: &str =
    "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/aws-secrets-injector";
const VALIDATING_CONFIGURATION: &str =
    "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/aws-secrets-injector";
const SLICES: &str = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices";
const ADMISSION: &str = "/apis/admissionregistration.k8s.io/v1";
const SECRETS: &str = "/api/v1/namespaces/aws-secrets-injector/secrets";
const SECRET: &str =
    "/api/v1/namespaces/aws-secrets-injector/secrets/aws-secrets-injector-authorities";

/// The events of a watch.
type Watch = UnboundedSender<Result<Bytes, Infallible>>;

/// The API server; clones share what it holds.
#[derive(Clone)]
pub(crate) struct Api(Arc<Inner>);

struct Inner {
    /// By path; what is here can be read one by one.
    objects: Mutex<BTreeMap<String, Value>>,
    /// By path; what is here is found by lists and watches.
    lists: Mutex<BTreeMap<String, Vec<Value>>>,
    /// Every request's method and path, but those of watches.
    asked: Mutex<Vec<String>>,
    /// Paths that are answered with this status instead.
    failing: Mutex<BTreeMap<String, StatusCode>>,
    /// Open watches, by the path of their list.
    watches: Mutex<Vec<(String, Watch)>>,
    /// The Secrets that ServiceAccount `web` may write.
    secrets: Mutex<Vec<String>>,
    /// Reviews of what a ServiceAccount may do that are open, and the most at the same time.
    reviews: AtomicUsize,
    most_reviews: AtomicUsize,
    /// Reading a class waits for a permit.
    gate: Semaphore,
}

impl Api {
    /// An API server with the CRD, the webhook's configuration, and nothing else.
    pub(crate) fn new() -> Self {
        let configuration = |path: &str, kind: &str, webhook: &str| {
            let configuration = json!({
                "apiVersion": "admissionregistration.k8s.io/v1",
                "kind": kind,
                "metadata": {"name": "aws-secrets-injector"},
                "webhooks": [{"name": webhook, "clientConfig": {}, "sideEffects": "None"}],
            });
            (path.to_owned(), configuration)
        };
        let configurations = [
            configuration(
                CONFIGURATION,
                "MutatingWebhookConfiguration",
                "pods.aws-secrets-injector.io",
            ),
            configuration(
                VALIDATING_CONFIGURATION,
                "ValidatingWebhookConfiguration",
                "classes.aws-secrets-injector.io",
            ),
        ];
        let mut objects = BTreeMap::from(configurations);
        objects.insert("/version".to_owned(), version("30"));
        let lists = [
            format!("{CLASSES}/secretproviderclasses"),
            "/api/v1/serviceaccounts".to_owned(),
            "/api/v1/nodes".to_owned(),
            SECRETS.to_owned(),
            SLICES.to_owned(),
            format!("{ADMISSION}/mutatingwebhookconfigurations"),
            format!("{ADMISSION}/validatingwebhookconfigurations"),
        ];
        Self(Arc::new(Inner {
            objects: Mutex::new(objects),
            lists: Mutex::new(lists.into_iter().map(|path| (path, Vec::new())).collect()),
            asked: Mutex::default(),
            failing: Mutex::default(),
            watches: Mutex::default(),
            secrets: Mutex::default(),
            reviews: AtomicUsize::default(),
            most_reviews: AtomicUsize::default(),
            gate: Semaphore::new(Semaphore::MAX_PERMITS),
        }))
    }

    pub(crate) fn client(&self) -> Client {
        let router = Router::new().fallback(serve).with_state(self.clone());
        Client::new(router, "default")
    }

    /// A class in namespace `shop`; in the list as well if it is there when watches begin.
    pub(crate) fn add_class(&self, name: &str, provider: &str, objects: &str, listed: bool) {
        let class = class(name, provider, objects);
        if listed {
            self.list(&format!("{CLASSES}/secretproviderclasses"), class.clone());
        }
        self.put_class(name, class);
    }

    /// Any class in namespace `shop`, which is not in the list.
    pub(crate) fn put_class(&self, name: &str, class: Value) {
        let path = format!("{CLASSES}/namespaces/shop/secretproviderclasses/{name}");
        self.objects().insert(path, class);
    }

    /// ServiceAccount `web` in namespace `shop` may write this Secret.
    pub(crate) fn allow_secret(&self, name: &str) {
        self.0.secrets.lock().unwrap().push(name.to_owned());
    }

    /// A ServiceAccount in namespace `shop`.
    pub(crate) fn add_service_account(&self, name: &str, annotations: &Value) {
        let account = json!({
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": {"name": name, "namespace": "shop", "annotations": annotations},
        });
        let path = format!("/api/v1/namespaces/shop/serviceaccounts/{name}");
        self.objects().insert(path, account.clone());
        self.list("/api/v1/serviceaccounts", account);
    }

    /// A node with the region's name and label.
    pub(crate) fn add_node(&self, region: &str) {
        let labels = json!({"topology.kubernetes.io/region": region});
        self.list("/api/v1/nodes", node(region, &labels, "v1.36.3"));
    }

    /// A node whose kubelet has this version.
    pub(crate) fn add_kubelet(&self, name: &str, version: &str) {
        self.list("/api/v1/nodes", node(name, &json!({}), version));
    }

    /// An API server has this address; known from the list if it is there when watches begin, else from their events.
    pub(crate) fn add_api_server(&self, address: IpAddr) {
        let slice = json!({
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {"name": format!("kubernetes-{address}"), "namespace": "default"},
            "addressType": "IPv4",
            "endpoints": [{"addresses": [address.to_string()]}],
        });
        self.list(SLICES, slice.clone());
        let watches = self.0.watches.lock().unwrap();
        let of_slices = watches.iter().filter(|(path, _)| path == SLICES);
        of_slices.for_each(|(_, watch)| send(watch, "ADDED", &slice));
    }

    /// Listing the addresses of API servers is refused.
    pub(crate) fn forbid_addresses(&self) {
        self.fail(SLICES, StatusCode::FORBIDDEN);
    }

    /// Returns when changes of the addresses of API servers are seen.
    pub(crate) async fn addresses_are_watched(&self) {
        until("the addresses of API servers are watched", async || {
            let watches = self.0.watches.lock().unwrap();
            watches.iter().any(|(path, _)| path == SLICES)
        })
        .await;
    }

    /// Listing nodes is answered with a failure from now on.
    pub(crate) fn fail_nodes(&self, status: StatusCode) {
        self.fail("/api/v1/nodes", status);
    }

    fn fail(&self, path: &str, status: StatusCode) {
        self.0
            .failing
            .lock()
            .unwrap()
            .insert(path.to_owned(), status);
    }

    /// As in a cluster without the CRD.
    pub(crate) fn remove_crd(&self) {
        self.0
            .lists
            .lock()
            .unwrap()
            .retain(|path, _| !path.starts_with(CLASSES));
        self.objects().retain(|path, _| !path.starts_with(CLASSES));
    }

    /// Reading this class is answered with a failure from now on.
    pub(crate) fn fail_class(&self, name: &str, status: StatusCode) {
        let path = format!("{CLASSES}/namespaces/shop/secretproviderclasses/{name}");
        self.fail(&path, status);
    }

    /// Listing nodes is refused from now on, or allowed again.
    pub(crate) fn allow_nodes(&self, is_allowed: bool) {
        let mut failing = self.0.failing.lock().unwrap();
        if is_allowed {
            failing.remove("/api/v1/nodes");
        } else {
            failing.insert("/api/v1/nodes".to_owned(), StatusCode::FORBIDDEN);
        }
    }

    /// The permission to read the certificates' Secret is taken away.
    pub(crate) async fn forbid_secret(&self) {
        self.fail(SECRET, StatusCode::FORBIDDEN);
        self.secret_has_changed().await;
    }

    /// From now on reading a class waits for [`Api::open_gate`].
    pub(crate) fn close_gate(&self) {
        self.0.gate.forget_permits(Semaphore::MAX_PERMITS);
    }

    pub(crate) fn open_gate(&self) {
        self.0.gate.add_permits(1);
    }

    /// Every watch of classes ends, as when the API server has forgotten the version that it began with.
    pub(crate) fn expire_watches(&self) {
        let status = json!({"kind": "Status", "status": "Failure", "reason": "Expired", "message": "too old resource version", "code": 410});
        let mut watches = self.0.watches.lock().unwrap();
        for (_, watch) in watches.extract_if(.., |(path, _)| path.starts_with(CLASSES)) {
            send(&watch, "ERROR", &status);
        }
    }

    /// Tells the watches of the Secret.
    async fn secret_has_changed(&self) {
        let object = self.secret();
        until("the Secret is watched", async || {
            let watches = self.0.watches.lock().unwrap();
            let mut of_secrets = watches
                .iter()
                .filter(|(path, _)| path == SECRETS)
                .peekable();
            let is_watched = of_secrets.peek().is_some();
            for (_, watch) in of_secrets {
                send(watch, "MODIFIED", &object);
            }
            is_watched
        })
        .await;
    }

    /// Returns when somebody has asked for this class.
    pub(crate) async fn class_is_asked_for(&self, name: &str) {
        let request = format!("GET {CLASSES}/namespaces/shop/secretproviderclasses/{name}");
        until("the class is asked for", async || {
            self.asked().contains(&request)
        })
        .await;
    }

    /// What was asked so far, but not what certificates need, nor the addresses of API servers.
    pub(crate) fn asked(&self) -> Vec<String> {
        let asked = self.0.asked.lock().unwrap();
        let of_reviews = asked.iter().filter(|asked| {
            ![SECRETS, ADMISSION, SLICES]
                .iter()
                .any(|path| asked.contains(path))
        });
        of_reviews.cloned().collect()
    }

    /// How many watches are open, but for that of addresses.
    pub(crate) fn watches(&self) -> usize {
        let mut watches = self.0.watches.lock().unwrap();
        watches.retain(|(_, watch)| !watch.is_closed());
        watches.iter().filter(|(path, _)| path != SLICES).count()
    }

    /// The most reviews of what a ServiceAccount may do that were open at the same time.
    pub(crate) fn most_reviews(&self) -> usize {
        self.0.most_reviews.load(Ordering::Relaxed)
    }

    /// The Secret with the certificates.
    pub(crate) fn secret(&self) -> Value {
        self.objects()[SECRET].clone()
    }

    /// Somebody spoils a field of the Secret.
    pub(crate) async fn spoil_secret(&self, field: &str) {
        self.objects().get_mut(SECRET).unwrap()["data"][field] = "Z2FyYmFnZQ==".into();
        self.secret_has_changed().await;
    }

    /// The published bundle, as both configurations hold it.
    pub(crate) fn ca_bundle(&self) -> Value {
        let objects = self.objects();
        let bundle = |path: &str| objects[path]["webhooks"][0]["clientConfig"]["caBundle"].clone();
        assert_eq!(bundle(CONFIGURATION), bundle(VALIDATING_CONFIGURATION));
        bundle(CONFIGURATION)
    }

    fn list(&self, path: &str, object: Value) {
        self.0
            .lists
            .lock()
            .unwrap()
            .get_mut(path)
            .unwrap()
            .push(object);
    }

    fn objects(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Value>> {
        self.0.objects.lock().unwrap()
    }

    /// The cluster is of this minor version.
    pub(crate) fn set_version(&self, minor: &str) {
        self.objects().insert("/version".to_owned(), version(minor));
    }

    fn read(&self, path: &str, query: &str) -> Response {
        if let Some(items) = self.0.lists.lock().unwrap().get(path) {
            return page(items, query);
        }
        if let Some(object) = self.objects().get(path) {
            return axum::Json(object).into_response();
        }
        let has_kind = path.starts_with("/api/v1/")
            || self
                .0
                .lists
                .lock()
                .unwrap()
                .keys()
                .any(|list| list.starts_with(CLASSES));
        if has_kind {
            status(StatusCode::NOT_FOUND, "NotFound", "not found")
        } else {
            (StatusCode::NOT_FOUND, "404 page not found").into_response()
        }
    }

    fn create(&self, path: &str, mut object: Value) -> Response {
        let path = format!("{path}/{}", object["metadata"]["name"].as_str().unwrap());
        object["metadata"]["resourceVersion"] = "1".into();
        let mut objects = self.objects();
        if objects.contains_key(&path) {
            return status(StatusCode::CONFLICT, "AlreadyExists", "already exists");
        }
        objects.insert(path, object.clone());
        (StatusCode::CREATED, axum::Json(object)).into_response()
    }

    fn replace(&self, path: &str, mut object: Value) -> Response {
        let mut objects = self.objects();
        let before = objects[path]["metadata"]["resourceVersion"]
            .as_str()
            .unwrap();
        if object["metadata"]["resourceVersion"] != before {
            return status(StatusCode::CONFLICT, "Conflict", "was changed");
        }
        let next = before.parse::<u32>().unwrap() + 1;
        object["metadata"]["resourceVersion"] = next.to_string().into();
        objects.insert(path.to_owned(), object.clone());
        axum::Json(object).into_response()
    }

    /// Server-side apply, of webhooks' client configurations alone.
    fn apply(&self, path: &str, object: &Value) -> Response {
        let mut objects = self.objects();
        let before = objects.get_mut(path).unwrap();
        assert_eq!(before["webhooks"][0]["name"], object["webhooks"][0]["name"]);
        before["webhooks"][0]["clientConfig"] = object["webhooks"][0]["clientConfig"].clone();
        axum::Json(before.clone()).into_response()
    }
}

fn send(watch: &Watch, what: &str, object: &Value) {
    // In the order of the API server: first the type.
    let event = format!("{{\"type\":\"{what}\",\"object\":{object}}}\n");
    // A watch whose reader has left takes nothing.
    let _ = watch.unbounded_send(Ok(Bytes::from(event)));
}

async fn serve(State(api): State<Api>, request: Request) -> Response {
    let (method, uri) = (request.method().clone(), request.uri().clone());
    let path = uri.path().to_owned();
    let is_watch = uri
        .query()
        .is_some_and(|query| query.contains("watch=true"));
    if is_watch {
        let (sender, receiver) = futures::channel::mpsc::unbounded();
        api.0.watches.lock().unwrap().push((path, sender));
        return Body::from_stream(receiver).into_response();
    }
    api.0.asked.lock().unwrap().push(format!("{method} {path}"));
    if path.contains("/secretproviderclasses/") {
        let _permit = api.0.gate.acquire().await.unwrap();
    }
    let failing = api.0.failing.lock().unwrap().get(&path).copied();
    if let Some(code) = failing {
        return status(code, "Forbidden", "is forbidden");
    }
    let body = axum::body::to_bytes(request.into_body(), usize::MAX)
        .await
        .unwrap();
    let object = || serde_json::from_slice::<Value>(&body).unwrap();
    match method {
        Method::GET => api.read(&path, uri.query().unwrap_or_default()),
        Method::POST if path == REVIEWS => {
            let open = api.0.reviews.fetch_add(1, Ordering::Relaxed) + 1;
            api.0.most_reviews.fetch_max(open, Ordering::Relaxed);
            // The others come meanwhile.
            for _ in 0..100 {
                tokio::task::yield_now().await;
            }
            api.0.reviews.fetch_sub(1, Ordering::Relaxed);
            reviewed(object(), &api.0.secrets.lock().unwrap())
        }
        Method::POST => api.create(&path, object()),
        Method::PUT => api.replace(&path, object()),
        Method::PATCH => api.apply(&path, &object()),
        other => panic!("the webhook has no reason to {other} {path}"),
    }
}
