//! All that strangers can do, at the same time, against a webhook in a process of its own.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::http::StatusCode;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::runtime::Builder;

use crate::cluster;
use crate::load::{API_SERVER, worst};
use crate::patience::in_time;
use crate::webhook::{Connection, Webhook, connect, patched, pod, pod_request, review};

/// Says that this is the process of the webhook.
const SERVES: &str = "AWS_SECRETS_WEBHOOK_SERVES";

/// The chart's limit of memory, in KiB.
const MEMORY: usize = 256 * 1024;

const MUTATE_PODS: &str = "/mutate-pods";

/// A webhook in its own process.
#[derive(Clone)]
struct Target {
    address: SocketAddr,
    bundle: Arc<Value>,
}

impl Target {
    async fn start() -> (Self, Child) {
        let this = std::thread::current().name().unwrap().to_owned();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", &this, "--nocapture"])
            .env(SERVES, "1")
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let said = async {
            loop {
                let line = lines.next_line().await.unwrap().unwrap();
                if let Some(said) = line.strip_prefix(SERVES) {
                    return said.to_owned();
                }
            }
        };
        let said = in_time("the webhook is ready", said).await;
        // It ends if nobody takes what it says.
        tokio::spawn(
            async move { while lines.next_line().await.is_ok_and(|line| line.is_some()) {} },
        );
        let (address, bundle) = serde_json::from_str(&said).unwrap();
        (Self { address, bundle }, child)
    }

    async fn connect(&self, client: IpAddr) -> std::io::Result<Connection> {
        pause().await;
        connect(self.address, client, &self.bundle).await
    }

    /// Sends a body again and again, and reads each answer, or none of it.
    async fn send(self, client: IpAddr, body: Bytes, is_read: bool) {
        loop {
            let Ok(mut connection) = self.connect(client).await else {
                continue;
            };
            while let Ok(answer) = connection.try_answer(MUTATE_PODS, body.clone()).await {
                if is_read {
                    pause().await;
                    let _ = http_body_util::BodyExt::collect(answer).await;
                } else {
                    // Longer than anybody reads.
                    tokio::time::sleep(Duration::from_mins(1)).await;
                }
            }
        }
    }

    /// Begins large bodies that never end.
    async fn begin(self, client: IpAddr) {
        const LARGEST: usize = 4 * 1024 * 1024;
        loop {
            if let Ok(connection) = self.connect(client).await {
                let begun = connection.begin(MUTATE_PODS, LARGEST, LARGEST - 1).await;
                begun.answered().await;
            }
        }
    }

    /// Opens connections, and keeps each until the server closes it.
    async fn hold(self, client: IpAddr) {
        loop {
            pause().await;
            let socket = tokio::net::TcpSocket::new_v4().unwrap();
            socket.bind(SocketAddr::new(client, 0)).unwrap();
            if let Ok(mut stream) = socket.connect(self.address).await {
                let _ = stream.read(&mut [0]).await;
            }
        }
    }
}

/// The processor has to be enough for a review and for the attackers, who are on the same machine here.
async fn pause() {
    tokio::time::sleep(Duration::from_millis(50)).await;
}

#[allow(clippy::print_stdout, reason = "the other process reads where it is")]
async fn serve() {
    let api = cluster();
    api.add_api_server(API_SERVER);
    let webhook = Webhook::start(api).await;
    webhook.api.addresses_are_watched().await;
    let said = json!([webhook.address(), webhook.api.ca_bundle()]);
    println!("\n{SERVES}{said}");
    std::future::pending::<()>().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn under_all_attacks_every_review_of_an_api_server_is_answered_and_memory_has_its_bound() {
    if std::env::var_os(SERVES).is_some() {
        return serve().await;
    }
    let (target, child) = Target::start().await;
    let body = |pod: &Value| Bytes::from(review(pod_request(pod)).to_string());
    let mut heavy = pod("db");
    heavy["spec"]["volumes"] = vec![json!({"name": "v"}); 9000].into();
    let mut pods = worst().into_iter();
    let (answered_at_length, _) = pods.find(|(_, part)| part.is_empty()).unwrap();
    let (heavy, long) = (body(&heavy), body(&answered_at_length));

    let usual = pod("db");
    let mut large = pod("db");
    large["spec"]["containers"][0]["image"] = "x".repeat(128 * 1024).into();
    let mut theirs = target.connect(API_SERVER).await.unwrap();
    patched(&usual, &theirs.admit(&usual).await);

    let attackers = Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    for number in 0..30 {
        let client = IpAddr::V4(Ipv4Addr::new(127, 0, 2, number % 10 + 1));
        attackers.spawn(target.clone().begin(client));
        attackers.spawn(target.clone().send(client, long.clone(), false));
        attackers.spawn(target.clone().send(client, heavy.clone(), true));
        attackers.spawn(target.clone().hold(client));
    }
    // A tenant creates what is as heavy as it can be, and the API server sends it.
    attackers.spawn(target.clone().send(API_SERVER, heavy, true));
    for _ in 0..20 {
        for pod in [&usual, &large] {
            let (status, answer) = theirs.post(MUTATE_PODS, body(pod)).await;
            assert_eq!(status, StatusCode::OK, "{answer:?}");
        }
        // And on new connections.
        theirs = target.connect(API_SERVER).await.unwrap();
    }
    attackers.shutdown_background();
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id().unwrap())).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let peak = peak.unwrap().trim().strip_suffix(" kB").unwrap();
    assert!(peak.parse::<usize>().unwrap() < MEMORY, "{peak} KiB");
}
