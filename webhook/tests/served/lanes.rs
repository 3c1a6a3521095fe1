//! What API servers find reserved, whatever others do.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use aws_secrets_webhook::server::{Limits, REVIEWS};
use axum::http::StatusCode;
use serde_json::json;
use tokio::task::JoinSet;

use crate::api::Api;
use crate::load::{API_SERVER, STRANGER, worst};
use crate::patience::{in_time, until};
use crate::webhook::{Begun, Webhook, patched, pod};
use crate::{OBJECTS, cluster};

/// Another API server, or another stranger.
const OTHER: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 4));

const MEBIBYTE: usize = 1024 * 1024;

/// A webhook that knows the API server's address, and that it has called.
async fn called(api: Api, limits: Limits) -> Webhook {
    api.add_api_server(API_SERVER);
    let webhook = Webhook::start_limited(api, limits).await;
    webhook.api.addresses_are_watched().await;
    admitted(&webhook).await;
    webhook
}

/// The API server has a usual pod admitted, and a large one.
async fn admitted(webhook: &Webhook) {
    let mut large = pod("db");
    large["spec"]["containers"][0]["image"] = "x".repeat(MEBIBYTE).into();
    let mut connection = webhook.connect_from(API_SERVER).await.unwrap();
    for pod in [pod("db"), large] {
        patched(&pod, &connection.admit(&pod).await);
    }
}

/// A request whose body never ends.
async fn busy(webhook: &Webhook, client: IpAddr, sent: usize) -> Begun {
    let connection = webhook.connect_at_last(client).await;
    connection.begin("/mutate-pods", 4 * MEBIBYTE, sent).await
}

/// Those that have work keep their connections.
#[tokio::test]
async fn no_stranger_takes_all_connections() {
    let limits = Limits {
        api_servers: 0,
        others: 4,
        ..REVIEWS
    };
    let webhook = Webhook::start_limited(cluster(), limits).await;
    let mut held = Vec::new();
    for _ in 0..3 {
        held.push(busy(&webhook, STRANGER, 1).await);
    }
    webhook.connect_from(STRANGER).await.err().unwrap();
    let mut connection = webhook.connect_from(API_SERVER).await.unwrap();
    patched(&pod("db"), &connection.admit(&pod("db")).await);
    assert!(!held.iter().any(Begun::is_answered));
}

#[tokio::test]
async fn strangers_that_send_slowly_take_no_room_from_an_api_server() {
    let webhook = called(cluster(), REVIEWS).await;
    let mut held = Vec::new();
    for _ in 0..8 {
        held.push(busy(&webhook, STRANGER, 4 * MEBIBYTE - 1).await);
    }
    admitted(&webhook).await;
    assert!(!held.iter().any(Begun::is_answered), "they were in time");
    let timeouts = "aws_secrets_webhook_reviews_total{resource=\"pods\",result=\"refused\",reason=\"timeout\"} 8\n";
    until("those that do not arrive are counted", async || {
        webhook.get("/metrics").await.1.contains(timeouts)
    })
    .await;
}

#[tokio::test]
async fn strangers_that_do_not_read_take_no_room_from_an_api_server() {
    let webhook = called(cluster(), REVIEWS).await;
    let mut pods = worst().into_iter();
    let (large, _) = pods.find(|(_, part)| part.is_empty()).unwrap();
    let mut held = JoinSet::new();
    for _ in 0..60 {
        let mut connection = webhook.connect_from(STRANGER).await.unwrap();
        let large = large.clone();
        held.spawn(async move {
            let unread = connection.admit_unread(&large).await;
            (connection, unread)
        });
    }
    let mut unread = Vec::new();
    let is_full = async {
        while let Some(answered) = held.join_next().await {
            let (connection, answer) = answered.unwrap();
            if answer.status() == StatusCode::SERVICE_UNAVAILABLE {
                return;
            }
            unread.push((connection, answer));
        }
    };
    in_time("there is no room for another answer", is_full).await;
    let mut connection = webhook.connect_from(API_SERVER).await.unwrap();
    patched(&large, &connection.admit(&large).await);
}

#[tokio::test]
async fn strangers_whose_reviews_wait_take_no_room_from_an_api_server() {
    let api = cluster();
    api.add_class("slow", "aws", OBJECTS, false);
    let webhook = called(api, REVIEWS).await;
    webhook.api.close_gate();
    let mut heavy = pod("slow");
    heavy["spec"]["volumes"] = vec![json!({"name": "v"}); 450].into();
    let mut held = JoinSet::new();
    for _ in 0..40 {
        let mut connection = webhook.connect_from(STRANGER).await.unwrap();
        let review = crate::webhook::review(crate::webhook::pod_request(&heavy)).to_string();
        held.spawn(async move { connection.post("/mutate-pods", review).await.0 });
    }
    let first = in_time("one has no room to wait", held.join_next()).await;
    assert_eq!(first.unwrap().unwrap(), StatusCode::SERVICE_UNAVAILABLE);
    // One of the API server's waits, too, and is not given up.
    let mut connection = webhook.connect_from(API_SERVER).await.unwrap();
    let review = tokio::spawn(async move { connection.admit(&heavy).await });
    admitted(&webhook).await;
    let response = in_time("the API server's is answered", review).await;
    assert_eq!(response.unwrap()["status"]["code"], 500);
}

/// Pods without any rights open connections as fast as they can, and keep those that they get.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strangers_that_open_connections_keep_no_api_server_out() {
    let webhook = called(cluster(), REVIEWS).await;
    let address = webhook.address();
    let mut held = JoinSet::new();
    for number in 0..500_u16 {
        let client = Ipv4Addr::new(127, 0, 1, u8::try_from(number % 200).unwrap());
        held.spawn(async move {
            loop {
                let socket = tokio::net::TcpSocket::new_v4().unwrap();
                socket.bind((client, 0).into()).unwrap();
                if let Ok(mut stream) = socket.connect(address).await {
                    // Until the server closes it.
                    let _ = tokio::io::AsyncReadExt::read(&mut stream, &mut [0]).await;
                }
            }
        });
    }
    let reviews = async {
        for _ in 0..20 {
            admitted(&webhook).await;
        }
    };
    in_time("the API server is answered", reviews).await;
}

#[tokio::test]
async fn a_new_api_server_has_its_places_as_soon_as_it_is_known() {
    let limits = Limits {
        api_servers: 4,
        others: 1,
        ..REVIEWS
    };
    let webhook = called(cluster(), limits).await;
    let held = busy(&webhook, STRANGER, 1).await;
    webhook.connect_from(OTHER).await.err().unwrap();
    webhook.api.add_api_server(OTHER);
    let mut connection = webhook.connect_at_last(OTHER).await;
    patched(&pod("db"), &connection.admit(&pod("db")).await);
    assert!(!held.is_answered());
}

/// Through a tunnel, an API server comes from an address that is not known for one's.
#[tokio::test]
async fn all_share_everything_until_an_api_server_calls() {
    let limits = Limits {
        api_servers: 4,
        others: 1,
        grace: Duration::from_hours(1),
        ..REVIEWS
    };
    for is_forbidden in [false, true] {
        let api = cluster();
        if is_forbidden {
            api.forbid_addresses();
        } else {
            api.add_api_server(API_SERVER);
        }
        let webhook = Webhook::start_limited(api, limits).await;
        let mut held = Vec::new();
        for client in [STRANGER, STRANGER, OTHER] {
            held.push(busy(&webhook, client, 1).await);
        }
        let mut tunnel = webhook.connect_from(OTHER).await.unwrap();
        patched(&pod("db"), &tunnel.admit(&pod("db")).await);
        assert_eq!(webhook.get("/readyz").await.0, StatusCode::OK);
        assert!(!held.iter().any(Begun::is_answered));
    }
}
