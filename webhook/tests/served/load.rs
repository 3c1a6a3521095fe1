//! What a few requests, or a stranger with many connections, can do to the others.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use aws_secrets_webhook::server::{Limits, REVIEWS};
use axum::http::StatusCode;
use serde_json::{Value, json};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpSocket;

use crate::api::class;
use crate::patience::{LIMIT, in_time};
use crate::webhook::{Webhook, patched, pod};
use crate::{OBJECTS, cluster, message};

/// The API server's address, and a stranger's.
pub(crate) const API_SERVER: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));
pub(crate) const STRANGER: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 3));

/// Pods that are as much work as a body of 4 MiB can be, each with what the answer says.
pub(crate) fn worst() -> Vec<(Value, &'static str)> {
    const CLASS: &str = "aws-secrets-injector.io/secret-provider-class";
    const CONTAINERS: &str = "aws-secrets-injector.io/containers";
    const STATUS: &str = "aws-secrets-injector.io/status";
    let names = |count: usize| {
        (0..count)
            .map(|index| format!("c{index}"))
            .collect::<Vec<_>>()
    };
    let paths = names(64)
        .iter()
        .map(|name| format!("db=/{name}"))
        .collect::<Vec<_>>();
    let long_paths = paths
        .iter()
        .map(|path| format!("{path}{}", "a".repeat(1000)))
        .collect::<Vec<_>>();
    let containers = |count| {
        names(count)
            .iter()
            .map(|name| json!({"name": name}))
            .collect::<Vec<_>>()
    };
    let web = json!({"containers": [{"name": "web"}]});
    let unknown = names(50_000)
        .into_iter()
        .map(|name| (format!("aws-secrets-injector.io/{name}"), json!("")));
    let mut unknown: serde_json::Map<_, _> = unknown.collect();
    unknown.insert(CLASS.to_owned(), "db".into());
    let ours =
        json!({"name": "aws-secrets-refresher", "env": [{"name": "SECRET_PROVIDER_CLASSES"}]});
    let cases = [
        (
            json!({CLASS: names(15_000).join(",")}),
            web.clone(),
            "at most 64",
        ),
        (
            json!({CLASS: "db", CONTAINERS: names(15_000).join(",")}),
            web.clone(),
            "at most 256",
        ),
        (Value::Object(unknown), web.clone(), "are unknown"),
        (
            json!({CLASS: "db"}),
            json!({"containers": containers(7_000)}),
            "at most 256",
        ),
        (
            json!({CLASS: "db", STATUS: "injected"}),
            json!({"containers": [], "initContainers": vec![ours; 4_000]}),
            "at most 256",
        ),
        (
            json!({CLASS: paths.join(",")}),
            json!({"containers": containers(128)}),
            "",
        ),
        (
            json!({CLASS: long_paths.join(",")}),
            json!({"containers": containers(256)}),
            "grow by more than",
        ),
        (
            json!({CLASS: format!("db={}", "/a".repeat(60_000))}),
            web.clone(),
            "at most 1024",
        ),
        (
            json!({CLASS: names(100_000).join(",")}),
            web,
            "at most 130048",
        ),
    ];
    let pod = |(annotations, mut spec, part): (Value, Value, &'static str)| {
        spec["serviceAccountName"] = "web".into();
        (
            json!({"metadata": {"annotations": annotations}, "spec": spec}),
            part,
        )
    };
    cases.map(pod).into()
}

#[tokio::test]
async fn the_most_work_that_a_pod_can_be_is_done_in_time() {
    let webhook = Webhook::start(cluster()).await;
    for (pod, part) in worst() {
        let mut connection = webhook.connect().await.unwrap();
        // Work that grows faster than its input takes minutes.
        let response = connection.admit(&pod).await;
        if part.is_empty() {
            patched(&pod, &response);
        } else {
            let text = format!("{} {}", response["status"]["message"], response["warnings"]);
            assert!(text.contains(part), "{part}: {text}");
        }
    }
}

#[tokio::test]
async fn more_objects_than_memory_can_hold_are_not_read() {
    let webhook = Webhook::start(cluster()).await;
    let mut connection = webhook.connect().await.unwrap();
    let containers = vec![json!({}); 1_000_000];
    let review = json!({"request": {"object": {"spec": {"containers": containers}}}});
    let (status, body) = connection.post("/mutate-pods", review.to_string()).await;
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
    assert!(
        String::from_utf8_lossy(&body).contains("too many objects"),
        "{body:?}"
    );
    patched(&pod("db"), &connection.admit(&pod("db")).await);
}

#[tokio::test]
async fn probes_are_answered_while_every_thread_of_the_reviews_is_busy() {
    let webhook = Webhook::start(cluster()).await;
    // This is the only thread of the reviews, and from here on it does something else.
    let mut stream = std::net::TcpStream::connect(webhook.health).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    stream
        .write_all(b"GET /healthz HTTP/1.1\r\nHost: webhook\r\nConnection: close\r\n\r\n")
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

/// Pods without any rights hold connections open, and take each one again that they lose.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_probe_does_not_wait_for_anybody_elses_connection() {
    let webhook = Webhook::start(cluster()).await;
    let mut held = tokio::task::JoinSet::new();
    for number in 0..300 {
        let address = webhook.health;
        held.spawn(async move {
            loop {
                let socket = TcpSocket::new_v4().unwrap();
                let client = [127, 0, 1, number_of_pod(number)].into();
                socket.bind(SocketAddr::new(client, 0)).unwrap();
                if let Ok(mut stream) = socket.connect(address).await {
                    // Until the server closes it.
                    let _ = stream.read(&mut [0]).await;
                }
            }
        });
    }
    // With a second for each of them, they would take longer than everything here may.
    let probes = async {
        for _ in 0..100 {
            assert_eq!(webhook.get("/readyz").await.0, StatusCode::OK);
        }
    };
    in_time("probes are answered", probes).await;
}

/// Of three pods that take turns.
fn number_of_pod(connection: usize) -> u8 {
    match connection % 3 {
        0 => 1,
        1 => 2,
        _ => 3,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn probes_and_small_reviews_are_answered_beside_the_largest() {
    let webhook = Webhook::start(cluster()).await;
    let mut large = tokio::task::JoinSet::new();
    for _ in 0..2 {
        for (pod, _) in worst() {
            let mut connection = webhook.connect().await.unwrap();
            large.spawn(async move { connection.admit(&pod).await });
        }
    }
    let all = async {
        while !large.is_empty() {
            assert_eq!(webhook.get("/healthz").await.0, StatusCode::OK);
            patched(&pod("db"), &webhook.admit(&pod("db")).await);
            large.try_join_next();
        }
    };
    in_time("the largest are answered", all).await;
}

#[tokio::test]
async fn slow_bodies_do_not_hold_up_a_review() {
    let webhook = Webhook::start(cluster()).await;
    let mut slow = Vec::new();
    for _ in 0..20 {
        let connection = webhook.connect().await.unwrap();
        slow.push(
            connection
                .begin("/mutate-pods", 4 * 1024 * 1024, 40 * 1024)
                .await,
        );
    }
    patched(&pod("db"), &webhook.admit(&pod("db")).await);
    let mut large = pod("db");
    large["spec"]["containers"][0]["image"] = "x".repeat(1024 * 1024).into();
    patched(&large, &webhook.admit(&large).await);
}

#[tokio::test]
async fn a_request_whose_client_has_left_is_given_up() {
    let limits = Limits {
        api_servers: 0,
        others: 1,
        grace: Duration::ZERO,
        ..REVIEWS
    };
    let webhook = Webhook::start_limited(cluster(), limits).await;
    webhook.api.add_class("slow", "aws", OBJECTS, false);
    webhook.api.close_gate();
    let mut connection = webhook.connect().await.unwrap();
    let review = tokio::spawn(async move { connection.admit(&pod("slow")).await });
    webhook.api.class_is_asked_for("slow").await;
    review.abort();
    // There is place for one connection, and the one with work is not closed for another.
    let mut next = webhook.connect_at_last(STRANGER).await;
    webhook.api.open_gate();
    patched(&pod("db"), &next.admit(&pod("db")).await);
    let (_, metrics) = webhook.get("/metrics").await;
    assert!(
        metrics.contains("result=\"injected\",reason=\"\"} 1\n"),
        "{metrics}"
    );
}

#[tokio::test]
async fn a_client_that_does_not_read_its_answer_loses_its_connection() {
    let limits = Limits {
        api_servers: 0,
        others: 1,
        reading: Duration::from_millis(100),
        ..REVIEWS
    };
    let webhook = Webhook::start_limited(cluster(), limits).await;
    let (large, _) = worst()
        .into_iter()
        .find(|(_, part)| part.is_empty())
        .unwrap();
    let mut client = webhook.connect().await.unwrap();
    let _unread = client.admit_unread(&large).await;
    // There is place for one connection, and the one that is being answered is not closed for another.
    let mut next = webhook.connect_at_last(STRANGER).await;
    patched(&pod("db"), &next.admit(&pod("db")).await);
}

#[tokio::test]
async fn nodes_that_name_no_region_are_not_listed_for_each_class() {
    let api = cluster();
    api.add_node("us-west-2");
    let webhook = Webhook::start(api).await;
    let mut connection = webhook.connect().await.unwrap();
    for _ in 0..20 {
        let class = class("db", "aws", OBJECTS);
        let response = connection.admit_class(&class, None).await;
        assert!(
            response["warnings"].to_string().contains("region"),
            "{response}"
        );
    }
    let asked = webhook.api.asked();
    let lists = asked.iter().filter(|asked| *asked == "GET /api/v1/nodes");
    // More than one only where the machine takes seconds for these.
    assert!(lists.count() < 20);
}

#[tokio::test]
async fn a_new_connection_takes_the_place_of_one_that_carries_nothing() {
    let limits = Limits {
        api_servers: 0,
        others: 4,
        grace: Duration::ZERO,
        ..REVIEWS
    };
    let webhook = Webhook::start_limited(cluster(), limits).await;
    let mut used = webhook.connect().await.unwrap();
    patched(&pod("db"), &used.admit(&pod("db")).await);
    let mut unused = webhook.connect().await.unwrap();
    let _unused = webhook.connect().await.unwrap();
    let mut new = webhook.connect().await.unwrap();
    patched(&pod("db"), &new.admit(&pod("db")).await);
    assert!(unused.is_closed().await);
    patched(&pod("db"), &used.admit(&pod("db")).await);
}

#[tokio::test]
async fn what_a_message_quotes_stays_on_its_line_and_has_a_bound() {
    let webhook = Webhook::start(cluster()).await;
    let mut connection = webhook.connect().await.unwrap();
    let mut forged = pod("db");
    let mount = json!({"name": "x", "mountPath": "/mnt/secrets-store/a\nINFO injected \u{1b}[2J"});
    forged["spec"]["containers"][0]["volumeMounts"] = json!([mount]);
    let response = connection.admit(&forged).await;
    assert!(
        message(&response).contains("a\\nINFO injected \\u{1b}[2J"),
        "{response}"
    );
    forged["spec"]["containers"][0]["volumeMounts"][0]["mountPath"] =
        format!("/mnt/secrets-store/{}", "a".repeat(1024 * 1024)).into();
    let response = connection.admit(&forged).await;
    assert!(
        message(&response).len() < 3000,
        "{}",
        message(&response).len()
    );
    for value in ["/a\nb", "/a\u{1b}[2J", "/a\u{202e}b"] {
        let mut pod = pod("db");
        pod["metadata"]["annotations"]["aws-secrets-injector.io/mount-path"] = value.into();
        let response = connection.admit(&pod).await;
        assert!(
            message(&response).contains("has control characters"),
            "{response}"
        );
        assert!(!message(&response).contains(value));
    }
    let body = json!({"apiVersion": "a\nb\u{1b}", "kind": "AdmissionReview"}).to_string();
    let (status, answer) = connection.post("/mutate-pods", body).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(
        !answer.contains(&b'\n') && !answer.contains(&0x1b),
        "{answer:?}"
    );
}
