//! `refresh` and its neighbours in the pod: the app that is told, the agent that gives credentials, a scrape of metrics.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use aws_stand_in::Kind;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

use crate::running::{Running, until};
use crate::support::{AGENT_ACCOUNT, ENTRY, POD_IDENTITY, REGION, Stage};

/// A server of one answer at a time, which keeps the head of every request.
struct Local {
    port: u16,
    heads: Arc<Mutex<Vec<String>>>,
    answer: Arc<Mutex<String>>,
}

impl Local {
    async fn start(answer: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let local = Self {
            port: listener.local_addr().unwrap().port(),
            heads: Arc::default(),
            answer: Arc::new(Mutex::new(answer.to_owned())),
        };
        let (heads, answer) = (Arc::clone(&local.heads), Arc::clone(&local.answer));
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut lines = BufReader::new(&mut stream).lines();
                let mut head = String::new();
                while let Ok(Some(line)) = lines.next_line().await {
                    if line.is_empty() {
                        break;
                    }
                    head += &format!("{line}\n");
                }
                heads.lock().unwrap().push(head);
                let text = answer.lock().unwrap().clone();
                let _ = stream.write_all(text.as_bytes()).await;
            }
        });
        local
    }

    fn answers(&self, answer: &str) {
        answer.clone_into(&mut self.answer.lock().unwrap());
    }

    fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }
}

fn http(status: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}")
}

async fn get(port: u16, path: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

async fn stage() -> Stage {
    let stage = Stage::start().await;
    stage.seed().secret("a", "one").await.unwrap();
    stage.fetch_for_refresh(&[], ENTRY).await;
    stage
}

#[tokio::test]
async fn the_app_is_told_once_of_each_change() {
    let stage = stage().await;
    let app = Local::start(&http("204 No Content", "")).await;
    let mut command = stage.refresh_command();
    command.env("ON_REFRESH", format!("http:POST:{}/-/reload?x=1", app.port));
    let refresh = Running::start(command);
    stage.more_calls("DescribeSecret", 2).await;
    assert!(app.heads().is_empty(), "nothing changed yet");
    for (n, value) in ["two", "three"].into_iter().enumerate() {
        stage.seed().update_secret("a", value).await.unwrap();
        until(|| refresh.log().matches("notified the app").count() == n + 1).await;
        assert_eq!(stage.file("a"), value);
        stage.more_calls("DescribeSecret", 2).await;
        assert_eq!(app.heads().len(), n + 1);
    }
    assert!(
        app.heads()[0].starts_with("POST /-/reload?x=1 HTTP/1.1\n"),
        "{}",
        app.heads()[0]
    );
}

#[tokio::test]
async fn an_app_that_refuses_is_told_again_until_it_agrees() {
    let stage = stage().await;
    let app = Local::start(&http("503 Service Unavailable", "")).await;
    let mut command = stage.refresh_command();
    command.env("ON_REFRESH", format!("http:PUT:{}/", app.port));
    stage.seed().update_secret("a", "two").await.unwrap();
    let refresh = Running::start(command);
    refresh.says("could not notify the app: http:PUT:").await;
    refresh.says("the app answered 503").await;
    assert!(app.heads().len() >= 3, "a few tries at once");
    app.answers(&http("200 OK", ""));
    refresh.says("notified the app").await;
    assert_eq!(stage.file("a"), "two");
}

#[tokio::test]
async fn a_signal_without_its_container_is_a_failure_and_no_end() {
    let stage = stage().await;
    let mut command = stage.refresh_command();
    command.env("ON_REFRESH", "signal:SIGHUP:no-such-container");
    stage.seed().update_secret("a", "two").await.unwrap();
    let mut refresh = Running::start(command);
    refresh
        .says("no process of container \"no-such-container\" is visible")
        .await;
    stage.seed().update_secret("a", "three").await.unwrap();
    until(|| stage.file("a") == "three").await;
    assert!(refresh.is_running());
}

#[tokio::test]
async fn credentials_are_renewed_before_they_expire_with_the_token_of_that_moment() {
    let stage = Stage::start().await;
    stage
        .aws
        .seed(AGENT_ACCOUNT, REGION)
        .secret("a", "one")
        .await
        .unwrap();
    let credentials = |key: &str, expires: &str| {
        let body = format!(
            r#"{{"AccessKeyId":"{key}","SecretAccessKey":"S","Token":"T","Expiration":"{expires}"}}"#
        );
        http("200 OK", &body)
    };
    // Long past: good for the round that asked and for no other.
    let agent = Local::start(&credentials("AKIASHORT", "2020-01-01T00:00:00Z")).await;
    let token = stage.path("agent-token");
    std::fs::write(&token, "first").unwrap();
    stage.write_class(&POD_IDENTITY, ENTRY);
    let mut command = stage.refresh_command();
    command
        .env(
            "AWS_CONTAINER_CREDENTIALS_FULL_URI",
            format!("http://127.0.0.1:{}/v1", agent.port),
        )
        .env("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", &token);
    let _refresh = Running::start(command);
    until(|| agent.heads().len() >= 3).await;
    assert!(
        agent
            .heads()
            .iter()
            .all(|head| head.contains("authorization: first\n")),
        "{:?}",
        agent.heads()
    );
    std::fs::write(&token, "second").unwrap();
    until(|| {
        agent
            .heads()
            .last()
            .unwrap()
            .contains("authorization: second\n")
    })
    .await;
    agent.answers(&credentials("AKIALONG", "2100-01-01T00:00:00Z"));
    until(|| {
        let calls = stage.aws.calls();
        let last = calls
            .last()
            .and_then(|call| call.caller.access_key.as_deref());
        last == Some("AKIALONG")
    })
    .await;
    let asked = agent.heads().len();
    stage.more_calls("DescribeSecret", 3).await;
    assert_eq!(agent.heads().len(), asked, "these last");
}

/// A refresh with metrics, and where they are.
async fn with_metrics(stage: &Stage) -> (Running, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let free = listener.local_addr().unwrap();
    drop(listener);
    let mut command = stage.refresh_command();
    command.env("METRICS_LISTEN", free.to_string());
    let refresh = Running::start(command);
    refresh.says("metrics on").await;
    (refresh, free)
}

#[tokio::test]
async fn metrics_tell_successes_failures_and_the_age_of_objects() {
    let stage = stage().await;
    let (refresh, free) = with_metrics(&stage).await;
    stage.seed().update_secret("a", "hunter2").await.unwrap();
    until(|| stage.file("a") == "hunter2").await;
    stage.more_calls("DescribeSecret", 2).await;
    for operation in ["DescribeSecret", "GetSecretValue"] {
        stage.fail(operation, Kind::access_denied());
    }
    refresh.says("retrying in").await;
    let text = get(free.port(), "/metrics").await;
    assert!(
        text.starts_with("HTTP/1.1 200 OK\r\n")
            && text.contains("application/openmetrics-text; version=1.0.0"),
        "{text}"
    );
    for (name, labels) in [
        ("refreshes_total", "{class=\"db\",result=\"success\"}"),
        ("refreshes_total", "{class=\"db\",result=\"failure\"}"),
        ("last_success_timestamp_seconds", "{class=\"db\"}"),
        ("last_change_timestamp_seconds", "{class=\"db\"}"),
        (
            "object_created_timestamp_seconds",
            "{class=\"db\",object=\"a\"}",
        ),
        ("next_refresh_timestamp_seconds", ""),
    ] {
        let start = format!("aws_secrets_injector_{name}{labels} ");
        let line = text.lines().find_map(|line| line.strip_prefix(&start));
        assert!(line.unwrap().parse::<u64>().unwrap() > 0, "{start}: {text}");
    }
    assert!(!text.contains("hunter2"));
    assert!(get(free.port(), "/").await.starts_with("HTTP/1.1 404"));
    let alive = get(free.port(), "/healthz").await;
    assert!(alive.starts_with("HTTP/1.1 200"), "{alive}");
    // Any pod can send a long head, and the sidecar has little memory.
    let mut stream = TcpStream::connect(free).await.unwrap();
    let head = format!("GET / HTTP/1.1\r\nx: {}", "x".repeat(32 * 1024));
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 431");
}

#[tokio::test]
async fn idle_connections_do_not_keep_a_scrape_out() {
    let stage = stage().await;
    let (_refresh, free) = with_metrics(&stage).await;
    let neighbour = tokio::net::TcpSocket::new_v4().unwrap();
    neighbour.bind("127.0.0.2:0".parse().unwrap()).unwrap();
    let neighbour = neighbour.connect(free).await.unwrap();
    let mut idle = Vec::new();
    for _ in 0..40 {
        idle.push(TcpStream::connect(free).await.unwrap());
    }
    let answer = get(free.port(), "/metrics").await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    // The scrape took the place of the oldest one of its address, and did not wait until the others had timed out.
    for stream in idle.drain(37..).chain([neighbour]) {
        let read = stream.into_std().unwrap().peek(&mut [0]);
        assert_eq!(read.unwrap_err().kind(), ErrorKind::WouldBlock);
    }
}

#[tokio::test]
async fn a_taken_port_costs_the_metrics_alone() {
    let stage = stage().await;
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut command = stage.refresh_command();
    command.env("METRICS_LISTEN", taken.local_addr().unwrap().to_string());
    let refresh = Running::start(command);
    refresh.says("no metrics: could not listen on").await;
    stage.more_calls("DescribeSecret", 1).await;
}

#[tokio::test]
async fn bad_options_are_refused_with_the_reason() {
    let stage = stage().await;
    for (variable, value, words) in [
        ("REFRESH_INTERVAL", "5 minutes", "not a duration"),
        ("ON_REFRESH", "exec:reload", "signal:SIGHUP:<container>"),
        ("METRICS_LISTEN", "9090", "invalid socket address"),
    ] {
        let mut command = stage.command();
        command
            .arg("refresh")
            .env("REFRESH_INTERVAL", "5m")
            .env(variable, value);
        let outcome = stage.run(command).await;
        assert!(!outcome.success);
        assert!(outcome.stderr.contains(words), "{}", outcome.stderr);
    }
}
