//! The sidecar: `fetch` first, then `refresh` beside the app.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use aws_stand_in::{Fault, Kind, When};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::support::{Stage, class};

const OBJECTS: &str = "- {objectName: a, objectType: secretsmanager}\n- {objectName: b, objectType: secretsmanager, jmesPath: [{path: k, objectAlias: bk}]}\n- {objectName: /p, objectType: ssmparameter}\n";

/// A running sidecar; it is ended when it is dropped.
struct Sidecar {
    process: Child,
    log: PathBuf,
}

impl Drop for Sidecar {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Sidecar {
    fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Sends SIGTERM; how it ended, and how long that took.
    fn end(&mut self) -> (bool, Duration) {
        let started = Instant::now();
        let id = self.process.id().to_string();
        assert!(
            Command::new("kill")
                .args(["-TERM", &id])
                .status()
                .unwrap()
                .success()
        );
        let status = self.process.wait().unwrap();
        (status.success(), started.elapsed())
    }
}

/// AWS with the objects, and their files fetched.
async fn fetched(objects: &str) -> Stage {
    let stage = Stage::start().await;
    stage.seed().secret("a", "a1").await.unwrap();
    stage.seed().secret("b", r#"{"k": "k1"}"#).await.unwrap();
    stage.seed().parameter("/p", "p1").await.unwrap();
    let notes = stage.path("state");
    let outcome = stage
        .fetch_with(&[], objects, |command| {
            command.env("STATE_DIRECTORY", notes)
        })
        .await;
    assert!(outcome.success, "{}", outcome.stderr);
    stage.aws.forget();
    stage
}

fn refresh(stage: &Stage, change: impl FnOnce(&mut Command) -> &mut Command) -> Sidecar {
    let log = stage.path("log");
    let mut command = stage.command();
    command
        .arg("refresh")
        .arg("--class-file")
        .arg(stage.path("class.yaml"))
        .arg("--mount-path")
        .arg(stage.mount())
        .env("REFRESH_INTERVAL", "1s")
        .env("FETCH_TIMEOUT", "20s")
        .env("STATE_DIRECTORY", stage.path("state"))
        .env("LOG_LEVEL", "debug")
        .stderr(std::fs::File::create(&log).unwrap())
        .stdout(Stdio::null());
    change(&mut command);
    let process = command.spawn().unwrap();
    Sidecar { process, log }
}

fn read(stage: &Stage, name: &str) -> String {
    std::fs::read_to_string(stage.mount().join(name)).unwrap_or_default()
}

async fn until(what: &str, sidecar: &Sidecar, condition: impl AsyncFn() -> bool) {
    let started = Instant::now();
    while !condition().await {
        assert!(
            started.elapsed() < Duration::from_mins(1),
            "{what}: {}",
            sidecar.log()
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// How often each operation was called, with its objects.
fn counts(stage: &Stage) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for call in stage.calls() {
        *counts.entry(call).or_default() += 1;
    }
    counts
}

#[tokio::test]
async fn changed_secrets_reach_their_files_in_one_step() {
    let stage = fetched(OBJECTS).await;
    let before = std::fs::read_link(stage.mount().join("..data")).unwrap();
    let sidecar = refresh(&stage, |command| command);
    stage.seed().update_secret("a", "hunter-a2").await.unwrap();
    stage
        .seed()
        .update_secret("b", r#"{"k": "hunter-k2"}"#)
        .await
        .unwrap();
    stage.seed().parameter("/p", "hunter-p2").await.unwrap();
    until("all are new", &sidecar, async || {
        ["a", "bk", "_p"].map(|name| read(&stage, name)) == ["hunter-a2", "hunter-k2", "hunter-p2"]
    })
    .await;
    assert_eq!(read(&stage, "b"), r#"{"k": "hunter-k2"}"#);
    assert_ne!(
        std::fs::read_link(stage.mount().join("..data")).unwrap(),
        before
    );
    let log = sidecar.log();
    assert!(log.contains("secrets changed"), "{log}");
    assert!(!log.contains("hunter"), "{log}");
}

#[tokio::test]
async fn what_has_not_changed_is_described_and_not_fetched_or_written() {
    let objects =
        format!("{OBJECTS}- {{objectName: a, objectType: secretsmanager, objectAlias: again}}\n");
    let stage = fetched(&objects).await;
    let before = std::fs::read_link(stage.mount().join("..data")).unwrap();
    let sidecar = refresh(&stage, |command| command);
    until("three looks", &sidecar, async || {
        sidecar.log().matches("everything is fresh").count() >= 3
    })
    .await;
    drop(sidecar);
    let counts = counts(&stage);
    let names: Vec<_> = counts.keys().map(String::as_str).collect();
    let all = [
        "AssumeRoleWithWebIdentity",
        "DescribeSecret a",
        "DescribeSecret b",
        "GetParameters /p",
    ];
    assert_eq!(names, all);
    assert_eq!(
        counts["AssumeRoleWithWebIdentity"], 1,
        "credentials are kept while they hold"
    );
    assert!(counts["DescribeSecret a"] >= 3, "{counts:?}");
    assert_eq!(
        std::fs::read_link(stage.mount().join("..data")).unwrap(),
        before
    );
}

#[tokio::test]
async fn a_pinned_version_is_never_asked_for() {
    let stage = Stage::start().await;
    let made = stage.seed().secret("a", "a1").await.unwrap();
    let version = made["VersionId"].as_str().unwrap();
    stage.seed().parameter("/p", "p1").await.unwrap();
    stage.seed().secret("b", "b1").await.unwrap();
    let objects = format!(
        "- {{objectName: a, objectType: secretsmanager, objectVersion: {version}}}\n- {{objectName: /p, objectType: ssmparameter, objectVersion: \"1\"}}\n- {{objectName: b, objectType: secretsmanager}}\n"
    );
    let notes = stage.path("state");
    stage
        .fetch_with(&[], &objects, |command| {
            command.env("STATE_DIRECTORY", notes)
        })
        .await;
    stage.aws.forget();
    let sidecar = refresh(&stage, |command| command);
    until("two looks", &sidecar, async || {
        sidecar.log().matches("everything is fresh").count() >= 2
    })
    .await;
    let calls = stage.calls();
    assert!(
        calls
            .iter()
            .all(|call| call == "DescribeSecret b" || call == "AssumeRoleWithWebIdentity"),
        "{calls:?}"
    );
}

#[tokio::test]
async fn without_a_note_everything_is_fetched_once() {
    let stage = fetched(OBJECTS).await;
    std::fs::remove_dir_all(stage.path("state")).unwrap();
    let before = std::fs::read_link(stage.mount().join("..data")).unwrap();
    let sidecar = refresh(&stage, |command| command);
    until("two looks", &sidecar, async || {
        sidecar.log().matches("everything is fresh").count() >= 2
    })
    .await;
    let counts = counts(&stage);
    assert_eq!(
        (counts["GetSecretValue a"], counts["GetSecretValue b"]),
        (1, 1)
    );
    assert_eq!(
        std::fs::read_link(stage.mount().join("..data")).unwrap(),
        before,
        "nothing was different"
    );
}

#[tokio::test]
async fn failures_keep_the_files_and_pass_by_themselves() {
    for kind in [
        Kind::throttle(),
        Kind::Drop,
        Kind::access_denied(),
        Kind::error(500, "InternalFailure", "later"),
    ] {
        let stage = fetched(OBJECTS).await;
        stage.aws.fail(Fault {
            when: When::default(),
            kind,
            times: None,
        });
        let sidecar = refresh(&stage, |command| command.args(["--timeout", "2s"]));
        stage.seed().update_secret("a", "a2").await.unwrap();
        until("two failures", &sidecar, async || {
            sidecar.log().matches("the files stay as they are").count() >= 2
        })
        .await;
        assert_eq!(
            ["a", "bk", "_p"].map(|name| read(&stage, name)),
            ["a1", "k1", "p1"]
        );
        stage.aws.heal();
        until("it has recovered", &sidecar, async || {
            read(&stage, "a") == "a2" && sidecar.log().contains("refreshing works again")
        })
        .await;
    }
}

#[tokio::test]
async fn a_class_that_fails_keeps_all_its_files_and_others_go_on() {
    let stage = Stage::start().await;
    for name in ["a", "b", "c"] {
        stage.seed().secret(name, "1").await.unwrap();
    }
    let entry = |name: &str| format!("- {{objectName: {name}, objectType: secretsmanager}}\n");
    let text =
        class("one", &[], &(entry("a") + &entry("b"))) + "---\n" + &class("two", &[], &entry("c"));
    std::fs::write(stage.path("class.yaml"), text).unwrap();
    stage.aws.fail(Fault {
        when: When {
            operation: Some("DescribeSecret".to_owned()),
            object: Some("b".to_owned()),
            ..When::default()
        },
        kind: Kind::access_denied(),
        times: None,
    });
    let mut fetch = stage.command();
    fetch
        .arg("fetch")
        .arg("--class-file")
        .arg(stage.path("class.yaml"))
        .arg("--mount-path")
        .arg(stage.mount())
        .env("STATE_DIRECTORY", stage.path("state"));
    assert!(stage.run(fetch).await.success);
    let sidecar = refresh(&stage, |command| command);
    for name in ["a", "c"] {
        stage.seed().update_secret(name, "2").await.unwrap();
    }
    until("the other class is fresh", &sidecar, async || {
        read(&stage, "c") == "2"
    })
    .await;
    assert_eq!(["a", "b"].map(|name| read(&stage, name)), ["1", "1"]);
    assert!(
        sidecar.log().contains("class \"one\": objects[1] \"b\""),
        "{}",
        sidecar.log()
    );
    stage.aws.heal();
    until("the class is fresh", &sidecar, async || {
        read(&stage, "a") == "2"
    })
    .await;
}

#[tokio::test]
async fn credentials_that_expire_soon_are_asked_for_anew_with_the_token_of_now() {
    let stage = fetched(OBJECTS).await;
    let sidecar = refresh(&stage, |command| {
        command.env("AWS_ROLE_ARN", "arn:aws:iam::111122223333:role/short")
    });
    until("a look", &sidecar, async || {
        sidecar.log().contains("everything is fresh")
    })
    .await;
    // A failure: the credentials are asked for again, and the token is read again.
    let token = std::fs::read_to_string(stage.path("token")).unwrap();
    std::fs::write(stage.path("token"), "").unwrap();
    stage.aws.fail(Fault {
        when: When::operation("DescribeSecret"),
        kind: Kind::error(400, "ExpiredTokenException", "expired"),
        times: Some(2),
    });
    until("the token is missed", &sidecar, async || {
        sidecar.log().contains("is empty")
    })
    .await;
    std::fs::write(stage.path("token"), token).unwrap();
    until("it has recovered", &sidecar, async || {
        sidecar.log().contains("refreshing works again")
    })
    .await;
}

#[tokio::test]
async fn readers_see_whole_sets_alone() {
    let objects = "- {objectName: b, objectType: secretsmanager, jmesPath: [{path: k, objectAlias: one}, {path: k, objectAlias: two}]}\n";
    let stage = fetched(objects).await;
    let sidecar = refresh(&stage, |command| command);
    let mount = stage.mount();
    let reader = std::thread::spawn(move || {
        let mut seen = std::collections::BTreeSet::new();
        let started = Instant::now();
        while seen.len() < 4 && started.elapsed() < Duration::from_mins(1) {
            // As an app does that wants a set: one look at ..data, and everything through it.
            let Ok(data) = std::fs::read_link(mount.join("..data")) else {
                panic!("the link is always there");
            };
            let read = |name: &str| std::fs::read_to_string(mount.join(&data).join(name));
            if let (Ok(one), Ok(two)) = (read("one"), read("two")) {
                assert_eq!(one, two);
                seen.insert(one);
            }
        }
        seen
    });
    for number in 2..5 {
        let value = format!("{{\"k\": \"k{number}\"}}");
        stage.seed().update_secret("b", &value).await.unwrap();
        let wanted = format!("k{number}");
        until("the value is there", &sidecar, async || {
            read(&stage, "one") == wanted
        })
        .await;
    }
    let seen = tokio::task::spawn_blocking(move || reader.join().unwrap())
        .await
        .unwrap();
    assert_eq!(seen.len(), 4, "{seen:?}");
}

#[tokio::test]
async fn it_ends_at_once_when_it_is_told_to() {
    let stage = fetched(OBJECTS).await;
    stage.aws.fail(Fault {
        when: When::operation("DescribeSecret"),
        kind: Kind::Hang,
        times: None,
    });
    let mut sidecar = refresh(&stage, |command| command);
    until("it hangs", &sidecar, async || {
        stage
            .calls()
            .iter()
            .any(|call| call.starts_with("DescribeSecret"))
    })
    .await;
    let (success, _) = sidecar.end();
    assert!(success, "{}", sidecar.log());
    let mut waiting = refresh(&stage, |command| command.args(["--interval", "1h"]));
    until("it runs", &waiting, async || {
        waiting.log().contains("refreshing")
    })
    .await;
    assert!(waiting.end().0, "{}", waiting.log());
}

/// An app that answers requests with these statuses, one after the other; what it was asked.
async fn app(statuses: Vec<u16>) -> (u16, tokio::sync::mpsc::UnboundedReceiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (sender, receiver) = tokio::sync::mpsc::unbounded_channel();
    tokio::spawn(async move {
        for status in statuses {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut bytes = vec![0; 4096];
            let length = stream.read(&mut bytes).await.unwrap();
            let text = String::from_utf8_lossy(&bytes[..length]).into_owned();
            let answer = format!("HTTP/1.1 {status} x\r\ncontent-length: 0\r\n\r\n");
            stream.write_all(answer.as_bytes()).await.unwrap();
            sender
                .send(text.lines().next().unwrap().to_owned())
                .unwrap();
        }
    });
    (port, receiver)
}

#[tokio::test]
async fn the_app_is_told_by_a_request_until_it_says_yes_and_once_a_change() {
    let stage = fetched(OBJECTS).await;
    let (port, mut asked) = app(vec![500, 200, 204]).await;
    let spec = format!("http:POST:{port}/reload?x=1");
    let sidecar = refresh(&stage, |command| command.args(["--on-refresh", &spec]));
    until("a look", &sidecar, async || {
        sidecar.log().contains("everything is fresh")
    })
    .await;
    assert!(asked.try_recv().is_err(), "nothing has changed");
    for value in ["a2", "a3"] {
        stage.seed().update_secret("a", value).await.unwrap();
        until("it was told", &sidecar, async || {
            let told = if value == "a2" { 1 } else { 2 };
            sidecar.log().matches("told the app").count() == told
        })
        .await;
    }
    let mut requests = Vec::new();
    while let Ok(request) = asked.try_recv() {
        requests.push(request);
    }
    assert_eq!(requests, ["POST /reload?x=1 HTTP/1.1"; 3]);
}

#[tokio::test]
async fn an_app_that_cannot_be_told_is_told_later_and_stops_nothing() {
    let stage = fetched(OBJECTS).await;
    let sidecar = refresh(&stage, |command| {
        command.args(["--on-refresh", "signal:SIGHUP:no-such-container"])
    });
    stage.seed().update_secret("a", "a2").await.unwrap();
    until("it was tried twice", &sidecar, async || {
        sidecar.log().matches("could not tell the app").count() >= 2
    })
    .await;
    assert_eq!(read(&stage, "a"), "a2");
    assert!(
        sidecar.log().contains("\"no-such-container\""),
        "{}",
        sidecar.log()
    );
}

#[tokio::test]
async fn metrics_say_when_it_last_worked_and_name_no_value() {
    let stage = fetched(OBJECTS).await;
    let port = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let address = format!("127.0.0.1:{port}");
    let sidecar = refresh(&stage, |command| {
        command.args(["--metrics-listen", &address])
    });
    let metrics = async || {
        let Ok(mut stream) = tokio::net::TcpStream::connect(&address).await else {
            return String::new();
        };
        stream
            .write_all(b"GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n")
            .await
            .unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        text
    };
    until("a look is counted", &sidecar, async || {
        metrics()
            .await
            .contains("rounds_total{result=\"unchanged\"} 1")
    })
    .await;
    let text = metrics().await;
    assert!(
        text.contains("object_checked_timestamp_seconds{class=\"db\",object=\"a\"}"),
        "{text}"
    );
    stage.aws.fail(Fault {
        when: When::default(),
        kind: Kind::access_denied(),
        times: None,
    });
    until("a failure is counted", &sidecar, async || {
        metrics().await.contains("failures_in_a_row 1")
    })
    .await;
    assert!(!metrics().await.contains("a1"));
}

#[tokio::test]
async fn bad_options_are_named() {
    let stage = fetched(OBJECTS).await;
    for (arguments, words) in [
        (["--interval", "5"], "such as 5m"),
        (["--on-refresh", "restart"], "signal:SIGHUP:CONTAINER"),
        (["--metrics-listen", "9090"], "metrics-listen"),
    ] {
        let mut command = stage.command();
        command
            .arg("refresh")
            .arg("--class-file")
            .arg(stage.path("class.yaml"))
            .arg("--mount-path")
            .arg(stage.mount());
        if arguments[0] != "--interval" {
            command.args(["--interval", "1s"]);
        }
        let mut process = command
            .args(arguments)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut text = String::new();
        process
            .stderr
            .take()
            .unwrap()
            .read_to_string(&mut text)
            .unwrap();
        assert!(!process.wait().unwrap().success());
        assert!(text.contains(words), "{text}");
    }
}
