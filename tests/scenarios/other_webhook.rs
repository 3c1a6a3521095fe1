//! Another mutating webhook, in this process. It changes pods like well-known webhooks do.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_secrets_webhook::cluster::ApiServers;
use aws_secrets_webhook::server::{REVIEWS, Server, tls_acceptor};
use axum::Json;
use axum::routing::post;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use certs::Resolver;
use certs::issue::{issue_authority, issue_serving};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::world::World;

/// Computes JSON patch operations for a pod.
pub(crate) type Change = fn(&Value) -> Value;

/// A webhook that is registered and served until this is dropped.
pub(crate) struct OtherWebhook<'a> {
    world: &'a World,
    name: String,
    end: Option<oneshot::Sender<()>>,
}

impl<'a> OtherWebhook<'a> {
    /// Serves pods with the label `other-webhook` and this name. The API server calls webhooks in the order of their names.
    /// With `again`, it calls this one again if a later one changed the pod.
    pub(crate) fn start(world: &'a World, name: &str, change: Change, again: bool) -> Self {
        let address = world.cluster.address();
        let names = [address.to_string()];
        let (now, day) = (SystemTime::now(), Duration::from_hours(24));
        let authority = issue_authority(&names, now, day).unwrap();
        let serving = issue_serving(&authority, &names, now, day).unwrap();
        let resolver = Arc::new(Resolver::default());
        resolver.set(serving.certified_key());
        let (end, ended) = oneshot::channel();
        let (bound, address) = (std::sync::mpsc::channel(), SocketAddr::new(address, 0));
        let (tell, told) = bound;
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async move {
                let listener = TcpListener::bind(address).await.unwrap();
                tell.send(listener.local_addr().unwrap()).unwrap();
                let answer =
                    move |Json(review): Json<Value>| async move { Json(answered(&review, change)) };
                let router = axum::Router::new().route("/", post(answer));
                let end = async {
                    let _ = ended.await;
                };
                let server = Server {
                    tls: Some(tls_acceptor(resolver).unwrap()),
                    router,
                    limits: REVIEWS,
                    api_servers: ApiServers::default(),
                };
                server.serve(listener, end, Duration::ZERO).await;
            });
        });
        let address = told.recv().unwrap();
        let configuration = json!({
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "MutatingWebhookConfiguration",
            "metadata": {"name": name},
            "webhooks": [{
                "name": format!("{name}.example.com"),
                "admissionReviewVersions": ["v1"],
                "clientConfig": {"url": format!("https://{address}/"), "caBundle": BASE64_STANDARD.encode(&authority.certificate.pem)},
                "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}],
                "objectSelector": {"matchLabels": {"other-webhook": name}},
                "failurePolicy": "Fail",
                "sideEffects": "None",
                "reinvocationPolicy": if again { "IfNeeded" } else { "Never" },
            }],
        });
        world.kubectl.apply(&configuration.to_string()).unwrap();
        Self {
            world,
            name: name.to_owned(),
            end: Some(end),
        }
    }
}

impl Drop for OtherWebhook<'_> {
    fn drop(&mut self) {
        let _ = self
            .world
            .kubectl
            .run(&["delete", "mutatingwebhookconfiguration", &self.name]);
        let _ = self.end.take().map(|end| end.send(()));
    }
}

fn answered(review: &Value, change: Change) -> Value {
    let patch = change(&review["request"]["object"]);
    json!({
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "response": {
            "uid": review["request"]["uid"],
            "allowed": true,
            "patchType": "JSONPatch",
            "patch": BASE64_STANDARD.encode(patch.to_string()),
        },
    })
}
