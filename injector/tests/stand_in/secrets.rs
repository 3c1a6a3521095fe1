//! Kubernetes Secrets: `fetch` and `refresh` apply them, and what stops that.

use std::process::Command;

use api_server::{Https, StatusCode, TOKEN};
use serde_json::{Value, json};

use crate::running::{Running, until};
use crate::support::Stage;

/// A part of a value, which no output may have; in base64, too.
const MARK: &str = "VALUEMARK";
const MARK_BASE64: &str = "VkFMVUVNQVJL";

const OBJECTS: &str = "- {objectName: a, objectType: secretsmanager}\n";

/// A ReplicaSet.
fn owner(uid: &str) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": format!("web-{uid}"), "uid": uid})
}

fn secret_object(name: &str) -> Value {
    json!({
        "secretName": name, "type": "Opaque", "labels": {"team": "shop"}, "annotations": {"note": "x"},
        "data": [{"objectName": "a", "key": "password"}],
    })
}

impl Stage {
    /// A command of the injected containers that applies Secrets.
    fn applying(
        &self,
        command: &str,
        server: &Https,
        owner: Option<Value>,
        secret_objects: &Value,
    ) -> Command {
        let directory = self.path("kubernetes");
        std::fs::create_dir_all(&directory).unwrap();
        std::fs::write(directory.join("token"), TOKEN).unwrap();
        std::fs::write(directory.join("ca.crt"), &server.ca).unwrap();
        let snapshot = json!([{
            "name": "db", "mountPath": self.mount(), "parameters": {"objects": OBJECTS},
            "secretObjects": secret_objects,
        }]);
        let mut sync = json!({"directory": directory});
        if let Some(owner) = owner {
            sync["owner"] = owner;
        }
        let mut injected = self.command();
        injected
            .arg(command)
            .env("SECRET_PROVIDER_CLASSES", snapshot.to_string())
            .env("SECRET_SYNC", sync.to_string())
            .env("KUBERNETES_SERVICE_HOST", server.address.ip().to_string())
            .env("KUBERNETES_SERVICE_PORT", server.address.port().to_string())
            .env("POD_NAMESPACE", "shop")
            .env("POD_NAME", "web-1")
            .env("POD_UID", "uid-of-the-pod")
            .env("STATE_DIR", self.state())
            .env("REFRESH_INTERVAL", "1s")
            .env("FETCH_TIMEOUT", "3s")
            .env("LOG_LEVEL", "trace");
        injected
    }

    /// What `fetch` says where it fails.
    async fn refused(&self, server: &Https, secret_objects: &Value) -> String {
        let fetch = self.applying("fetch", server, Some(owner("1")), secret_objects);
        let outcome = self.run(fetch).await;
        assert!(!outcome.success);
        for secret in [MARK, MARK_BASE64, TOKEN] {
            assert!(!outcome.stderr.contains(secret), "{}", outcome.stderr);
        }
        outcome.stderr
    }
}

async fn server() -> Https {
    Https::start("127.0.0.1").await.unwrap()
}

#[tokio::test]
async fn a_secret_has_what_the_class_says_and_the_pods_owner() {
    let stage = Stage::with_secret("VALUEMARK").await;
    let server = server().await;
    let objects = json!([secret_object("credentials")]);
    let fetch = stage.applying("fetch", &server, Some(owner("1")), &objects);
    let outcome = stage.run(fetch).await;
    assert!(outcome.success, "{}", outcome.stderr);
    let mut fields = server.secret("credentials").unwrap();
    let claims = fields.remove("annotations.aws-secrets-injector.io/claims");
    let claims: Value = serde_json::from_str(claims.unwrap().as_str().unwrap()).unwrap();
    assert_eq!(claims[0]["class"], "db");
    assert_eq!(claims[0]["owners"], json!(["1"]));
    let claimed: Vec<_> = claims[0]["fields"].as_object().unwrap().keys().collect();
    assert_eq!(
        claimed,
        [
            "annotations.note",
            "data.password",
            "labels.secrets-store.csi.k8s.io/managed",
            "labels.team"
        ]
    );
    let expected = [
        ("annotations.note", json!("x")),
        ("data.password", json!(MARK_BASE64)),
        ("labels.secrets-store.csi.k8s.io/managed", json!("true")),
        ("labels.team", json!("shop")),
        ("owner.1", owner("1")),
        ("type", json!("Opaque")),
    ];
    let expected = expected.map(|(path, value)| (path.to_owned(), value));
    assert_eq!(fields, expected.into());
    assert_eq!(
        server.asked(),
        [
            "fieldManager=aws-secrets-injector-reader&dryRun=All",
            "fieldManager=aws-secrets-injector",
        ]
        .map(|query| format!("PATCH /api/v1/namespaces/shop/secrets/credentials?{query}"))
    );
    assert!(
        outcome
            .stderr
            .contains("Kubernetes Secrets applied secrets=1"),
        "{}",
        outcome.stderr
    );
    assert_eq!(outcome.files["a"], b"VALUEMARK");
}

#[tokio::test]
async fn pods_of_a_rollout_add_their_owners_and_take_none_away() {
    let stage = Stage::with_secret("x").await;
    let server = server().await;
    let objects = json!([secret_object("credentials")]);
    for uid in ["1", "2", "1"] {
        let fetch = stage.applying("fetch", &server, Some(owner(uid)), &objects);
        let outcome = stage.run(fetch).await;
        assert!(outcome.success, "{}", outcome.stderr);
    }
    let fetch = stage.applying("fetch", &server, None, &objects);
    assert!(stage.run(fetch).await.success);
    assert_eq!(server.writes(), 3, "the third pod has nothing to add");
    let fields = server.secret("credentials").unwrap();
    assert!(fields.contains_key("owner.1") && fields.contains_key("owner.2"));
    assert_eq!(
        fields["owner.uid-of-the-pod"],
        json!({"apiVersion": "v1", "kind": "Pod", "name": "web-1", "uid": "uid-of-the-pod"})
    );
}

#[tokio::test]
async fn a_foreign_secret_stays_as_it_is() {
    let stage = Stage::with_secret("VALUEMARK").await;
    let server = server().await;
    let own = [("data.other", json!("eA=="))];
    server.write("credentials", "kubectl-create", &own);
    let objects = json!([secret_object("credentials"), secret_object("second")]);
    let message = stage.refused(&server, &objects).await;
    assert!(
        message.contains("Secret \"credentials\" already exists and is managed by \"kubectl-create\", so it is left as it is: delete it"),
        "{message}"
    );
    let before = own.map(|(path, value)| (path.to_owned(), value));
    assert_eq!(server.secret("credentials").unwrap(), before.into());
    assert!(server.secret("second").is_some(), "the others are applied");
}

#[tokio::test]
async fn a_field_that_another_manager_has_changed_is_not_overwritten() {
    let stage = Stage::with_secret("VALUEMARK").await;
    let server = server().await;
    let objects = json!([secret_object("credentials")]);
    let fetch = stage.applying("fetch", &server, Some(owner("1")), &objects);
    assert!(stage.run(fetch).await.success);
    server.write(
        "credentials",
        "kubectl-edit",
        &[("data.password", json!("eA=="))],
    );
    let message = stage.refused(&server, &objects).await;
    assert!(
        message.contains("Secret \"credentials\": ")
            && message.contains("conflict with \"kubectl-edit\": .data.password")
            && message.contains("delete the Secret, or give it another secretName"),
        "{message}"
    );
}

#[tokio::test]
async fn a_missing_right_is_told_with_the_command_that_prints_it() {
    let stage = Stage::with_secret("VALUEMARK").await;
    let server = server().await;
    server.fail("/secrets/credentials", StatusCode::FORBIDDEN);
    let message = stage
        .refused(&server, &json!([secret_object("credentials")]))
        .await;
    assert!(
        message.contains("secrets \"credentials\" is forbidden")
            && message.contains("aws-secrets-injector check --rbac prints the Role"),
        "{message}"
    );
}

#[tokio::test]
async fn an_api_server_that_restarts_is_asked_again() {
    let stage = Stage::with_secret("x").await;
    let server = server().await;
    server.fail_next(&[503, 500, 429]);
    let objects = json!([secret_object("credentials")]);
    let fetch = stage.applying("fetch", &server, Some(owner("1")), &objects);
    let outcome = stage.run(fetch).await;
    assert!(outcome.success, "{}", outcome.stderr);
    assert_eq!(server.asked().len(), 5);
}

#[tokio::test]
async fn another_certificate_is_not_trusted() {
    let stage = Stage::with_secret("x").await;
    let (server, other) = (server().await, server().await);
    let objects = json!([secret_object("credentials")]);
    let fetch = stage.applying("fetch", &server, Some(owner("1")), &objects);
    std::fs::write(stage.path("kubernetes/ca.crt"), &other.ca).unwrap();
    let outcome = stage.run(fetch).await;
    assert!(!outcome.success);
    assert!(
        outcome.stderr.contains("Secret \"credentials\": "),
        "{}",
        outcome.stderr
    );
    assert_eq!(server.asked(), [] as [&str; 0]);
}

#[tokio::test]
async fn the_api_server_may_have_an_ipv6_address() {
    // Not every machine has IPv6.
    let Ok(server) = Https::start("::1").await else {
        return;
    };
    let stage = Stage::with_secret("x").await;
    let objects = json!([secret_object("credentials")]);
    let fetch = stage.applying("fetch", &server, Some(owner("1")), &objects);
    let outcome = stage.run(fetch).await;
    assert!(outcome.success, "{}", outcome.stderr);
}

#[tokio::test]
async fn a_tls_secret_has_the_parts_of_one_file() {
    let certificate = "-----BEGIN CERTIFICATE-----\nb25l\n-----END CERTIFICATE-----\n";
    let key = "-----BEGIN PRIVATE KEY-----\na2V5\n-----END PRIVATE KEY-----\n";
    let stage = Stage::with_secret(&format!("{key}{certificate}")).await;
    let server = server().await;
    let objects = json!([{
        "secretName": "tls", "type": "kubernetes.io/tls",
        "data": [{"objectName": "a", "key": "tls.crt"}, {"objectName": "a", "key": "tls.key"}],
    }]);
    let fetch = stage.applying("fetch", &server, Some(owner("1")), &objects);
    let outcome = stage.run(fetch).await;
    assert!(outcome.success, "{}", outcome.stderr);
    let fields = server.secret("tls").unwrap();
    assert_eq!(fields["data.tls.crt"], base64(certificate));
    assert_eq!(fields["data.tls.key"], base64(key));
    stage.seed().update_secret("a", "VALUEMARK").await.unwrap();
    let message = stage.refused(&server, &objects).await;
    assert!(
        message.contains("Secret \"tls\": key \"tls.crt\": the value of the file \"a\" is not PEM"),
        "{message}"
    );
}

fn base64(text: &str) -> Value {
    use base64::Engine as _;
    base64::prelude::BASE64_STANDARD.encode(text).into()
}

#[tokio::test]
async fn a_rotated_secret_reaches_the_kubernetes_secret() {
    let stage = Stage::with_secret("one").await;
    let server = server().await;
    let objects = json!([secret_object("credentials")]);
    let command = |name| stage.applying(name, &server, Some(owner("1")), &objects);
    assert!(stage.run(command("fetch")).await.success);
    let refresh = Running::start(command("refresh"));
    stage.seed().update_secret("a", "two").await.unwrap();
    let value = || server.secret("credentials").unwrap()["data.password"].clone();
    until(|| value() == base64("two")).await;
    assert_eq!(stage.file("a"), "two");
    refresh.says("Secret \"credentials\" updated").await;
    server.fail("/secrets/credentials", StatusCode::FORBIDDEN);
    stage.seed().update_secret("a", "three").await.unwrap();
    refresh
        .says("refresh failed: class \"db\": Secret \"credentials\": ")
        .await;
    assert!(!refresh.log().contains("three"), "{}", refresh.log());
}

#[tokio::test]
async fn an_unchanged_secret_is_not_applied_again() {
    let stage = Stage::with_secret("one").await;
    let server = server().await;
    let objects = json!([secret_object("credentials")]);
    let command = |name| stage.applying(name, &server, Some(owner("1")), &objects);
    assert!(stage.run(command("fetch")).await.success);
    let _refresh = Running::start(command("refresh"));
    stage.more_calls("DescribeSecret", 3).await;
    assert_eq!(server.writes(), 1);
}

#[tokio::test]
async fn a_deleted_secret_and_a_removed_key_come_back() {
    let stage = Stage::with_secret("VALUEMARK").await;
    let server = server().await;
    let objects = json!([secret_object("credentials")]);
    let command = |name| stage.applying(name, &server, Some(owner("1")), &objects);
    assert!(stage.run(command("fetch")).await.success);
    let before = server.secret("credentials");
    let refresh = Running::start(command("refresh"));
    for (removed, log) in [
        (None, "Secret \"credentials\" did not exist: created"),
        (
            Some("data.password"),
            "Secret \"credentials\" had lost data.password: restored",
        ),
        (
            Some("labels.team"),
            "Secret \"credentials\" had lost labels.team: restored",
        ),
    ] {
        match removed {
            None => server.delete("credentials"),
            Some(field) => server.remove("credentials", field),
        }
        until(|| server.secret("credentials") == before).await;
        refresh.says(log).await;
    }
    assert!(!refresh.log().contains(MARK_BASE64), "{}", refresh.log());
}

/// A pod of this version of a class, whose Secret has these keys.
struct Pod<'a> {
    uid: &'a str,
    class: &'a str,
    version: u64,
    keys: &'a [&'a str],
}

impl Pod<'_> {
    /// The pod starts; returns what its init container says where it fails.
    async fn start(&self, stage: &Stage, server: &Https) -> Result<(), String> {
        let keys = self.keys.iter();
        let data: Vec<_> = keys
            .map(|key| json!({"objectName": "a", "key": key}))
            .collect();
        let objects = json!([{"secretName": "credentials", "type": "Opaque", "data": data}]);
        let mut fetch = stage.applying("fetch", server, None, &objects);
        let snapshot = json!([{
            "name": self.class, "mountPath": stage.mount(), "parameters": {"objects": OBJECTS},
            "secretObjects": objects,
        }]);
        let sync = json!({
            "directory": stage.path("kubernetes"), "owner": owner(self.uid),
            "versions": {self.class: self.version},
        });
        fetch
            .env("SECRET_PROVIDER_CLASSES", snapshot.to_string())
            .env("SECRET_SYNC", sync.to_string());
        let outcome = stage.run(fetch).await;
        if outcome.success {
            Ok(())
        } else {
            Err(outcome.stderr)
        }
    }
}

/// The keys of the Secret with their values.
fn data(server: &Https) -> Vec<(String, Value)> {
    let fields = server.secret("credentials").unwrap().into_iter();
    fields
        .filter(|(path, _)| path.starts_with("data."))
        .collect()
}

#[tokio::test]
async fn a_pod_of_an_older_class_keeps_up_what_it_takes_from_where_the_newer_one_does() {
    let stage = Stage::with_secret("one").await;
    let server = server().await;
    let old = Pod {
        uid: "1",
        class: "db",
        version: 9,
        keys: &["dropped", "kept"],
    };
    let new = Pod {
        uid: "2",
        class: "db",
        version: 10,
        keys: &["added", "kept"],
    };
    let key = |key: &str, value: &str| (format!("data.{key}"), base64(value));
    old.start(&stage, &server).await.unwrap();
    new.start(&stage, &server).await.unwrap();
    let all = ["added", "dropped", "kept"];
    assert_eq!(data(&server), all.map(|name| key(name, "one")));
    stage.seed().update_secret("a", "two").await.unwrap();
    old.start(&stage, &server).await.unwrap();
    assert_eq!(
        data(&server),
        [
            key("added", "one"),
            key("dropped", "two"),
            key("kept", "two")
        ]
    );
    new.start(&stage, &server).await.unwrap();
    assert_eq!(data(&server), all.map(|name| key(name, "two")));
    server.remove("credentials", "owner.1");
    new.start(&stage, &server).await.unwrap();
    assert_eq!(data(&server), [key("added", "two"), key("kept", "two")]);
    // As after a rollback of the class's pods.
    old.start(&stage, &server).await.unwrap();
    server.remove("credentials", "owner.2");
    old.start(&stage, &server).await.unwrap();
    assert_eq!(data(&server), [key("dropped", "two"), key("kept", "two")]);
}

#[tokio::test]
async fn two_classes_share_a_secret_but_no_key() {
    let stage = Stage::with_secret("one").await;
    let server = server().await;
    let first = Pod {
        uid: "1",
        class: "first",
        version: 1,
        keys: &["username"],
    };
    let second = Pod {
        uid: "2",
        class: "second",
        version: 2,
        keys: &["password"],
    };
    let both = Pod {
        uid: "3",
        class: "third",
        version: 3,
        keys: &["other", "password"],
    };
    first.start(&stage, &server).await.unwrap();
    second.start(&stage, &server).await.unwrap();
    let before = server.secret("credentials");
    let message = both.start(&stage, &server).await.unwrap_err();
    assert!(
        message.contains("Secret \"credentials\": data.password is also in the class \"second\"")
            && message.contains("ReplicaSet \"web-1\", ReplicaSet \"web-2\""),
        "{message}"
    );
    assert_eq!(server.secret("credentials"), before);
    assert_eq!(
        data(&server),
        ["password", "username"].map(|key| (format!("data.{key}"), base64("one")))
    );
}

#[tokio::test]
async fn what_cannot_change_is_named_with_the_owners_of_the_secret() {
    let stage = Stage::with_secret("VALUEMARK").await;
    let server = server().await;
    let mut objects = json!([secret_object("credentials")]);
    let fetch = stage.applying("fetch", &server, Some(owner("1")), &objects);
    assert!(stage.run(fetch).await.success);
    server.write(
        "credentials",
        "kubectl-patch",
        &[("immutable", json!(true))],
    );
    let fetch = stage.applying("fetch", &server, Some(owner("1")), &objects);
    assert!(stage.run(fetch).await.success, "nothing has to change");
    stage
        .seed()
        .update_secret("a", "VALUEMARK-2")
        .await
        .unwrap();
    let message = stage.refused(&server, &objects).await;
    assert!(
        message.contains(
            "Secret \"credentials\": it is immutable, so its data cannot change: delete it"
        ) && message.contains("; its owners: ReplicaSet \"web-1\""),
        "{message}"
    );
    objects[0]["type"] = json!("example.com/other");
    let message = stage.refused(&server, &objects).await;
    assert!(
        message.contains("Secret \"credentials\": its type is \"Opaque\", but the class has \"example.com/other\"")
            && message.contains("; its owners: ReplicaSet \"web-1\""),
        "{message}"
    );
}

#[tokio::test]
async fn pods_of_many_owners_that_start_at_once_keep_their_keys() {
    let stages = [
        Stage::with_secret("one").await,
        Stage::with_secret("one").await,
        Stage::with_secret("one").await,
    ];
    let server = server().await;
    let pods = [["a", "1"], ["b", "2"], ["c", "3"]];
    let starts = pods.iter().zip(&stages).map(|([key, uid], stage)| {
        let server = &server;
        async move {
            let pod = Pod {
                uid,
                class: key,
                version: 1,
                keys: &[key],
            };
            pod.start(stage, server).await
        }
    });
    for started in futures::future::join_all(starts).await {
        started.unwrap();
    }
    assert_eq!(data(&server).len(), 3, "{:?}", data(&server));
}

#[tokio::test]
async fn what_the_webhook_and_the_kubelet_do_not_set_is_named() {
    let stage = Stage::with_secret("x").await;
    let server = server().await;
    let objects = json!([secret_object("credentials")]);
    for (variable, value, message) in [
        (
            "KUBERNETES_SERVICE_HOST",
            "",
            "environment variable KUBERNETES_SERVICE_HOST is not set",
        ),
        (
            "SECRET_SYNC",
            "{",
            "environment variable SECRET_SYNC does not say how Secrets are applied",
        ),
    ] {
        let mut fetch = stage.applying("fetch", &server, None, &objects);
        fetch.env(variable, value);
        let outcome = stage.run(fetch).await;
        assert!(
            !outcome.success && outcome.stderr.contains(message),
            "{}",
            outcome.stderr
        );
    }
}
