//! What a webhook finds in an API server, and what others do to it.

use std::net::IpAddr;
use std::ops::Deref;
use std::sync::{Arc, Mutex};

use api_server::ApiServer;
use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::objects::{may_write, node, version};
use crate::patience::until;

pub(crate) use crate::objects::class;

const CLASSES: &str = "/apis/secrets-store.csi.x-k8s.io/v1/secretproviderclasses";
const CLASS: &str = "/apis/secrets-store.csi.x-k8s.io/v1/namespaces/shop/secretproviderclasses/";
const CONFIGURATION: &str =
    "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/aws-secrets-injector";
const VALIDATING_CONFIGURATION: &str =
    "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/aws-secrets-injector";
const SLICES: &str = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices";
const ADMISSION: &str = "/apis/admissionregistration.k8s.io/v1";
const NAMESPACES: &str = "/api/v1/namespaces";
const NODES: &str = "/api/v1/nodes";
const SECRETS: &str = "/api/v1/namespaces/aws-secrets-injector/secrets";
const SECRET: &str =
    "/api/v1/namespaces/aws-secrets-injector/secrets/aws-secrets-injector-authorities";

/// An API server; clones share what it holds.
#[derive(Clone)]
pub(crate) struct Api {
    server: ApiServer,
    /// The Secrets that ServiceAccount `web` may write.
    secrets: Arc<Mutex<Vec<String>>>,
}

impl Deref for Api {
    type Target = ApiServer;

    fn deref(&self) -> &ApiServer {
        &self.server
    }
}

impl Api {
    /// An API server with the CRD, the webhook's configuration, and nothing else. Reading a class can be made to wait.
    pub(crate) fn new() -> Self {
        let server = ApiServer::gated("/secretproviderclasses/");
        let configurations = [
            (CONFIGURATION, "Mutating", "pods.aws-secrets-injector.io"),
            (
                VALIDATING_CONFIGURATION,
                "Validating",
                "classes.aws-secrets-injector.io",
            ),
        ];
        for (path, kind, webhook) in configurations {
            let configuration = json!({
                "apiVersion": "admissionregistration.k8s.io/v1",
                "kind": format!("{kind}WebhookConfiguration"),
                "metadata": {"name": "aws-secrets-injector"},
                "webhooks": [{"name": webhook, "clientConfig": {}, "sideEffects": "None"}],
            });
            server.put(path, configuration);
            let (list, _) = path.rsplit_once('/').unwrap();
            server.add_list(list);
        }
        for list in [
            CLASSES,
            "/api/v1/serviceaccounts",
            NODES,
            SECRETS,
            SLICES,
            NAMESPACES,
        ] {
            server.add_list(list);
        }
        server.put("/version", version("30"));
        let secrets = Arc::<Mutex<Vec<String>>>::default();
        let allowed = Arc::clone(&secrets);
        server.allow(move |spec| may_write(spec, &allowed.lock().unwrap()));
        Self { server, secrets }
    }

    /// A class in namespace `shop`; in the list as well if it is there when watches begin.
    pub(crate) fn add_class(&self, name: &str, provider: &str, objects: &str, listed: bool) {
        let class = class(name, provider, objects);
        if listed {
            self.list(CLASSES, class.clone());
        }
        self.put_class(name, class);
    }

    /// Any class in namespace `shop`, which is not in the list.
    pub(crate) fn put_class(&self, name: &str, class: Value) {
        self.put(&format!("{CLASS}{name}"), class);
    }

    /// The same in another namespace.
    pub(crate) fn put_class_of(&self, namespace: &str, name: &str, class: Value) {
        let path = CLASS.replace("/shop/", &format!("/{namespace}/"));
        self.put(&format!("{path}{name}"), class);
    }

    /// A Namespace.
    pub(crate) fn add_namespace(&self, name: &str, annotations: &Value) {
        let namespace = json!({
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": name, "annotations": annotations},
        });
        self.put(&format!("{NAMESPACES}/{name}"), namespace.clone());
        self.list(NAMESPACES, namespace);
    }

    /// ServiceAccount `web` in namespace `shop` may write this Secret.
    pub(crate) fn allow_secret(&self, name: &str) {
        self.secrets.lock().unwrap().push(name.to_owned());
    }

    /// A ServiceAccount in namespace `shop`.
    pub(crate) fn add_service_account(&self, name: &str, annotations: &Value) {
        let account = json!({
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": {"name": name, "namespace": "shop", "annotations": annotations},
        });
        let path = format!("/api/v1/namespaces/shop/serviceaccounts/{name}");
        self.put(&path, account.clone());
        self.list("/api/v1/serviceaccounts", account);
    }

    /// A node with the region's name and label.
    pub(crate) fn add_node(&self, region: &str) {
        let labels = json!({"topology.kubernetes.io/region": region});
        self.list(NODES, node(region, &labels, "v1.36.3"));
    }

    /// A node whose kubelet has this version.
    pub(crate) fn add_kubelet(&self, name: &str, version: &str) {
        self.list(NODES, node(name, &json!({}), version));
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
        self.send(SLICES, "ADDED", &slice);
    }

    /// Listing the addresses of API servers is refused.
    pub(crate) fn forbid_addresses(&self) {
        self.fail(SLICES, StatusCode::FORBIDDEN);
    }

    /// Returns when changes of the addresses of API servers are seen.
    pub(crate) async fn addresses_are_watched(&self) {
        until("the addresses of API servers are watched", async || {
            self.server.watches().iter().any(|path| path == SLICES)
        })
        .await;
    }

    /// Listing nodes is answered with a failure from now on.
    pub(crate) fn fail_nodes(&self, status: StatusCode) {
        self.fail(NODES, status);
    }

    /// As in a cluster without the CRD.
    pub(crate) fn remove_crd(&self) {
        self.unserve("/apis/secrets-store.csi.x-k8s.io/v1");
    }

    /// Reading this class is answered with a failure from now on.
    pub(crate) fn fail_class(&self, name: &str, status: StatusCode) {
        self.fail(&format!("{CLASS}{name}"), status);
    }

    /// Listing nodes is refused from now on, or allowed again.
    pub(crate) fn allow_nodes(&self, is_allowed: bool) {
        if is_allowed {
            self.heal(Some(NODES));
        } else {
            self.fail_nodes(StatusCode::FORBIDDEN);
        }
    }

    /// The permission to read the certificates' Secret is taken away.
    pub(crate) async fn forbid_secret(&self) {
        self.fail(SECRET, StatusCode::FORBIDDEN);
        self.secret_has_changed().await;
    }

    /// Every watch of classes ends, as when the API server has forgotten the version that it began with.
    pub(crate) fn expire_watches(&self) {
        let status = json!({"kind": "Status", "status": "Failure", "reason": "Expired", "message": "too old resource version", "code": 410});
        self.send(CLASSES, "ERROR", &status);
        self.end_watches(CLASSES);
    }

    /// Tells the watches of the Secret.
    async fn secret_has_changed(&self) {
        until("the Secret is watched", async || {
            self.send(SECRETS, "MODIFIED", &self.secret()) > 0
        })
        .await;
    }

    /// Returns when somebody has asked for this class.
    pub(crate) async fn class_is_asked_for(&self, name: &str) {
        let request = format!("GET {CLASS}{name}");
        until("the class is asked for", async || {
            self.asked().contains(&request)
        })
        .await;
    }

    /// Method and path of what was asked so far, but not what certificates need, nor the addresses of API servers.
    pub(crate) fn asked(&self) -> Vec<String> {
        let asked = self.server.asked().into_iter();
        let of_reviews = asked.filter(|asked| {
            ![SECRETS, ADMISSION, SLICES]
                .iter()
                .any(|path| asked.contains(path))
        });
        of_reviews
            .map(|asked| asked.split('?').next().unwrap().to_owned())
            .collect()
    }

    /// How many watches are open, but for that of addresses.
    pub(crate) fn watches(&self) -> usize {
        let watches = self.server.watches();
        watches.iter().filter(|path| *path != SLICES).count()
    }

    /// The Secret with the certificates.
    pub(crate) fn secret(&self) -> Value {
        self.get(SECRET).unwrap()
    }

    /// Somebody spoils a field of the Secret.
    pub(crate) async fn spoil_secret(&self, field: &str) {
        self.update(SECRET, |secret| {
            secret["data"][field] = "Z2FyYmFnZQ==".into();
        });
        self.secret_has_changed().await;
    }

    /// The published bundle, as both configurations hold it.
    pub(crate) fn ca_bundle(&self) -> Value {
        let bundle = |path: &str| {
            let configuration = self.get(path).unwrap();
            configuration["webhooks"][0]["clientConfig"]["caBundle"].clone()
        };
        assert_eq!(bundle(CONFIGURATION), bundle(VALIDATING_CONFIGURATION));
        bundle(CONFIGURATION)
    }

    /// The cluster is of this minor version.
    pub(crate) fn set_version(&self, minor: &str) {
        self.put("/version", version(minor));
    }
}
