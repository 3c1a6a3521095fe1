//! What a keeper finds in an API server, and what others do to it.

use std::ops::Deref;

use api_server::ApiServer;
use k8s_openapi::ByteString;
use serde_json::{Value, json};

use crate::Clock;

const SECRET: &str = "/api/v1/namespaces/ns/secrets/certificates";
const CONFIGURATIONS: [&str; 2] = [
    "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/webhook",
    "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/webhook",
];

/// An API server. Clones share its objects.
#[derive(Clone)]
pub(crate) struct Api(ApiServer);

impl Deref for Api {
    type Target = ApiServer;

    fn deref(&self) -> &ApiServer {
        &self.0
    }
}

impl Api {
    /// An API server with two configurations without a bundle.
    pub(crate) fn new() -> Self {
        let server = ApiServer::default();
        let kinds = ["Mutating", "Validating"];
        for (kind, path) in kinds.into_iter().zip(CONFIGURATIONS) {
            let configuration = json!({
                "apiVersion": "admissionregistration.k8s.io/v1",
                "kind": format!("{kind}WebhookConfiguration"),
                "metadata": {"name": "webhook"},
                "webhooks": [
                    {"name": "a.example.com", "clientConfig": {}},
                    {"name": "b.example.com", "clientConfig": {}},
                ],
            });
            server.put(path, configuration);
        }
        Self(server)
    }

    /// Notes from now on in each configuration when a keeper changed it.
    pub(crate) fn note_changes(&self, clock: &Clock) {
        let clock = clock.clone();
        let time = move || humantime::format_rfc3339_seconds(clock.now()).to_string();
        self.note_times(time);
    }

    /// The number of writes.
    pub(crate) fn writes(&self) -> usize {
        let asked = self.asked().into_iter();
        asked.filter(|asked| !asked.starts_with("GET ")).count()
    }

    /// A field of the Secret; empty if there is none.
    pub(crate) fn secret(&self, field: &str) -> String {
        text(&self.get(SECRET).unwrap()["data"][field])
    }

    pub(crate) fn spoil_secret(&self, field: &str) {
        self.update(SECRET, |secret| {
            secret["data"][field] = "Z2FyYmFnZQ==".into();
        });
    }

    /// Sets a field of the Secret.
    pub(crate) fn plant(&self, field: &str, pem: &str) {
        let value = json!(ByteString(pem.as_bytes().to_vec()));
        self.update(SECRET, |secret| secret["data"][field] = value);
    }

    /// Sets the bundle of every webhook.
    pub(crate) fn plant_bundle(&self, pem: &str) {
        let bundle = json!(ByteString(pem.as_bytes().to_vec()));
        for path in CONFIGURATIONS {
            self.update(path, |configuration| {
                for webhook in configuration["webhooks"].as_array_mut().unwrap() {
                    webhook["clientConfig"]["caBundle"] = bundle.clone();
                }
            });
        }
    }

    /// The Secret as it is installed.
    pub(crate) fn empty_secret(&self) {
        let secret =
            json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "certificates"}});
        self.put(SECRET, secret);
    }

    pub(crate) fn delete_secret(&self) {
        self.remove_object(SECRET);
    }

    /// The bundle that all webhooks of both configurations have.
    pub(crate) fn bundle(&self) -> String {
        let configurations = CONFIGURATIONS.map(|path| self.get(path).unwrap());
        let mut bundles = configurations
            .iter()
            .flat_map(|configuration| configuration["webhooks"].as_array().unwrap())
            .map(|webhook| text(&webhook["clientConfig"]["caBundle"]));
        let first = bundles.next().unwrap();
        assert!(bundles.all(|bundle| bundle == first));
        first
    }
}

fn text(encoded: &Value) -> String {
    let bytes = serde_json::from_value(encoded.clone()).unwrap_or(ByteString(Vec::new()));
    String::from_utf8(bytes.0).unwrap()
}
