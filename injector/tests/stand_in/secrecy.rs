//! The pod's token, its credentials and the values are in no output, whatever fails, and however much is logged.

use aws_stand_in::{Distance, Fault, Kind, When};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::support::{AGENT_ACCOUNT, OTHER_REGION, Outcome, POD_IDENTITY, REGION, Stage};

/// A part of the token, the key, the session's token, the value, the proxy's password; the latter also in base64, after
/// a user whose name has five letters.
const MARKS: [&str; 6] = [
    "TOKENMARK",
    "KEYMARK",
    "SESSIONMARK",
    "VALUEMARK",
    "PROXYMARK",
    "UFJPWFlNQVJL",
];

const OBJECTS: &str = "- {objectName: a, objectType: secretsmanager}
- {objectName: /p, objectType: ssmparameter}";

async fn stage() -> Stage {
    let stage = Stage::start().await;
    std::fs::write(stage.path("token"), token()).unwrap();
    for seed in [stage.seed(), stage.aws.seed(AGENT_ACCOUNT, REGION)] {
        seed.secret("a", &"VALUEMARK ".repeat(50)).await.unwrap();
        seed.parameter("/p", &"VALUEMARK ".repeat(50))
            .await
            .unwrap();
    }
    stage
}

fn token() -> String {
    format!("eyJhbGciOiJSUzI1NiJ9.{}.TOKENMARK", "TOKENMARK".repeat(40))
}

/// What the agent gives, with these changes.
fn credentials(changes: &serde_json::Value) -> Kind {
    let mut answer = json!({
        "AccessKeyId": "ASIAEXAMPLE",
        "SecretAccessKey": "KEYMARK".repeat(6),
        "Token": "SESSIONMARK".repeat(40),
        "AccountId": AGENT_ACCOUNT,
        "Expiration": "2099-01-01T00:00:00Z",
    });
    for (key, value) in changes.as_object().unwrap() {
        answer[key] = value.clone();
    }
    Kind::Answer(answer)
}

fn fail(stage: &Stage, operation: &str, kind: Kind, times: Option<usize>) {
    stage.aws.fail(Fault {
        when: When::operation(operation),
        kind,
        times,
    });
}

/// Fetches with everything logged, and searches all that is printed.
async fn fetch(
    stage: &Stage,
    what: &str,
    parameters: &[(&str, &str)],
    variables: &[(&str, &str)],
) -> Outcome {
    let agent = stage.agent_variables();
    let outcome = stage.fetch_with(parameters, OBJECTS, |command| {
        command
            .env("LOG_LEVEL", "trace")
            .env("RUST_LOG", "trace")
            .env("FETCH_TIMEOUT", "2s")
            .envs(agent)
            .envs(variables.iter().copied())
    });
    let outcome = outcome.await;
    for output in [&outcome.stdout, &outcome.stderr] {
        let letters: String = output.chars().filter(char::is_ascii_alphanumeric).collect();
        for mark in MARKS {
            assert!(!letters.contains(mark), "{what}: {mark} in {output}");
        }
    }
    outcome
}

async fn fetch_fails(
    stage: &Stage,
    what: &str,
    parameters: &[(&str, &str)],
    variables: &[(&str, &str)],
) {
    let outcome = fetch(stage, what, parameters, variables).await;
    assert!(!outcome.success, "{what}: {}", outcome.stderr);
    assert!(
        outcome.stderr.contains("error: "),
        "{what}: {}",
        outcome.stderr
    );
}

#[tokio::test]
async fn settings_of_which_no_request_can_be_made() {
    let stage = stage().await;
    for (variable, value) in [
        (
            "AWS_ENDPOINT_URL_STS",
            "vpce-0abc.sts.us-east-2.vpce.amazonaws.com",
        ),
        ("AWS_ENDPOINT_URL", "127.0.0.1:4566"),
        ("AWS_ENDPOINT_URL_STS", "https:/x"),
        ("AWS_ENDPOINT_URL_STS", "http://a b"),
        ("AWS_ENDPOINT_URL_STS", "http://u:PROXYMARK@127.0.0.1:1"),
        ("AWS_ENDPOINT_URL_STS", "http://127.0.0.1:1/?PROXYMARK"),
        ("AWS_ENDPOINT_URL_SECRETS_MANAGER", "sm"),
        ("AWS_USE_FIPS_ENDPOINT", "true"),
        ("AWS_USE_DUALSTACK_ENDPOINT", "true"),
        ("HTTP_PROXY", "http://u:PROXYMARK"),
        ("HTTPS_PROXY", "http:u:PROXYMARK@proxy"),
        ("NO_PROXY", "http://u:PROXYMARK@proxy"),
    ] {
        for parameters in [&[][..], &POD_IDENTITY] {
            fail(
                &stage,
                "PodIdentityCredentials",
                credentials(&json!({})),
                None,
            );
            fetch_fails(&stage, value, parameters, &[(variable, value)]).await;
            stage.aws.heal();
        }
    }
    // A token that no header can hold.
    std::fs::write(stage.path("token"), format!("TOKENMARK\u{7f}\n{}", token())).unwrap();
    fetch_fails(&stage, "a broken token", &POD_IDENTITY, &[]).await;
}

#[tokio::test]
async fn connections_that_fail() {
    let stage = stage().await;
    let front = stage.aws.tls(Distance::default()).await.unwrap();
    let plain = stage.aws.url().replace("http://", "https://");
    let reset = server(|_| Vec::new()).await;
    let garbage = server(|request| [b"\x16\x03garbage ", request].concat()).await;
    let endpoints = [
        ("refused", "http://127.0.0.1:1"),
        ("no such name", "http://no-such-host.invalid"),
        ("an unknown authority", &front.url),
        ("no TLS", &plain),
        ("reset", &reset),
        ("garbage", &garbage),
    ];
    for (what, url) in endpoints {
        fetch_fails(&stage, what, &[], &[("AWS_ENDPOINT_URL", url)]).await;
        fail(
            &stage,
            "PodIdentityCredentials",
            credentials(&json!({})),
            None,
        );
        fetch_fails(&stage, what, &POD_IDENTITY, &[("AWS_ENDPOINT_URL", url)]).await;
        stage.aws.heal();
    }
    for (what, url) in [
        ("reset", &reset),
        ("garbage", &garbage),
        ("an unknown authority", &front.url),
    ] {
        let agent = [("AWS_CONTAINER_CREDENTIALS_FULL_URI", url.as_str())];
        fetch_fails(&stage, what, &POD_IDENTITY, &agent).await;
    }
    // Through proxies that take the request, and say nothing good.
    let asking = server(|_| b"HTTP/1.1 407 no\r\ncontent-length: 0\r\n\r\n".to_vec()).await;
    for (what, url) in [
        ("refused", "http://127.0.0.1:1"),
        ("reset", &reset),
        ("garbage", &garbage),
        ("asking", &asking),
    ] {
        let proxy = url.replace("http://", "http://users:PROXYMARK@");
        for endpoint in ["", "http://aws.example"] {
            let variables = [("AWS_ENDPOINT_URL", endpoint), ("ALL_PROXY", &proxy)];
            fetch_fails(&stage, what, &[], &variables).await;
        }
    }
}

/// A server that gives back the request, or something else made from it.
async fn server(answer: impl Fn(&[u8]) -> Vec<u8> + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = vec![0; 64 * 1024];
            let read = stream.read(&mut request).await.unwrap_or_default();
            let _ = stream.write_all(&answer(&request[..read])).await;
        }
    });
    url
}

fn respond(status: &str, kind: &str, body: &str) -> Vec<u8> {
    format!(
        "HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

#[tokio::test]
async fn servers_that_repeat_the_request() {
    let stage = stage().await;
    let text = server(|request| {
        respond(
            "400 Bad Request",
            "text/plain",
            &String::from_utf8_lossy(request),
        )
    });
    let json = server(|request| {
        let message = String::from_utf8_lossy(request);
        let body = json!({"__type": "OddException", "message": message}).to_string();
        respond("400 Bad Request", "application/x-amz-json-1.1", &body)
    });
    let xml = server(|request| {
        let message = String::from_utf8_lossy(request).replace('&', "&amp;");
        let body = format!(
            "<ErrorResponse><Error><Type>Sender</Type><Code>Odd</Code><Message>{message}</Message></Error></ErrorResponse>"
        );
        respond("400 Bad Request", "text/xml", &body)
    });
    // Whatever separates the letters, and as a code.
    let pieces = server(|request| {
        let request = String::from_utf8_lossy(request);
        let message: Vec<&str> = request.split("").collect();
        let body = json!({"__type": "OddException", "message": message.join(" ")}).to_string();
        respond("400 Bad Request", "application/x-amz-json-1.1", &body)
    });
    let code = server(|_| {
        let body = json!({"__type": "SESSIONMARK".repeat(4), "message": "no"}).to_string();
        respond("400 Bad Request", "application/x-amz-json-1.1", &body)
    });
    let xml_code = server(|_| {
        let code = "TOKENMARK".repeat(5);
        let body = format!(
            "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>no</Message></Error></ErrorResponse>"
        );
        respond("400 Bad Request", "text/xml", &body)
    });
    let wrong = server(|request| {
        let body = json!({"Expiration": String::from_utf8_lossy(request)}).to_string();
        respond("200 OK", "application/json", &body)
    });
    for (what, url) in [
        ("text", text.await),
        ("json", json.await),
        ("xml", xml.await),
        ("pieces", pieces.await),
        ("code", code.await),
        ("code in XML", xml_code.await),
        ("wrong", wrong.await),
    ] {
        // It is asked for with credentials only if STS is another server.
        if what != "code" {
            fetch_fails(&stage, what, &[], &[("AWS_ENDPOINT_URL", &url)]).await;
        }
        let agent = [("AWS_CONTAINER_CREDENTIALS_FULL_URI", url.as_str())];
        fetch_fails(&stage, what, &POD_IDENTITY, &agent).await;
        fail(
            &stage,
            "PodIdentityCredentials",
            credentials(&json!({})),
            None,
        );
        fetch_fails(&stage, what, &POD_IDENTITY, &[("AWS_ENDPOINT_URL", &url)]).await;
        stage.aws.heal();
        // As a proxy, which is given its password.
        let proxy = url.replace("http://", "http://users:PROXYMARK@");
        let variables = [
            ("AWS_ENDPOINT_URL", "http://aws.example"),
            ("http_proxy", &proxy),
        ];
        fetch_fails(&stage, what, &[], &variables).await;
    }
}

/// Failures of all kinds, and how often each happens.
fn kinds() -> Vec<(&'static str, Kind, Option<usize>)> {
    let signature = "The request signature we calculated does not match. The Canonical String for this request should have been\n'POST\nx-amz-security-token:SESSIONMARK";
    vec![
        ("cut", Kind::Truncate, None),
        ("closed", Kind::DropMidBody, None),
        ("dropped", Kind::Drop, None),
        ("endless", Kind::Endless { told: false }, None),
        ("hanging", Kind::Hang, None),
        (
            "a page",
            Kind::Page {
                status: 200,
                text: "<html>VALUEMARK".to_owned(),
            },
            None,
        ),
        (
            "a redirect",
            Kind::Page {
                status: 302,
                text: "<html>VALUEMARK".to_owned(),
            },
            None,
        ),
        (
            "another form",
            Kind::Answer(
                json!({"SecretString": {"x": "VALUEMARK"}, "Parameters": [{"Value": ["VALUEMARK"]}]}),
            ),
            None,
        ),
        (
            "nothing in it",
            Kind::Answer(json!({"Name": "VALUEMARK"})),
            None,
        ),
        ("denied", Kind::access_denied(), None),
        (
            "signature",
            Kind::error(403, "SignatureDoesNotMatch", signature),
            None,
        ),
        (
            "broken",
            Kind::error(500, "InternalServiceError", "x"),
            None,
        ),
        ("throttled", Kind::throttle(), None),
        (
            "broken twice",
            Kind::error(500, "InternalServiceError", "x"),
            Some(2),
        ),
        ("throttled once", Kind::throttle(), Some(1)),
    ]
}

/// Each kind happens to one operation. Most of the time is spent on waiting for AWS.
async fn every_kind(operation: &str, parameters: &[(&str, &str)]) {
    let stage = stage().await;
    for (what, kind, times) in kinds() {
        fail(&stage, operation, kind, times);
        let what = format!("{operation} {what}");
        let outcome = fetch(&stage, &what, parameters, &[]).await;
        assert!(
            outcome.stderr.contains("error: ") || outcome.success,
            "{what}"
        );
        stage.aws.heal();
    }
}

#[tokio::test]
async fn answers_that_are_broken_refused_or_late() {
    tokio::join!(
        every_kind("GetSecretValue", &[]),
        every_kind("GetParameters", &[("failoverRegion", OTHER_REGION)]),
        every_kind("AssumeRoleWithWebIdentity", &[]),
        every_kind(
            "AssumeRole",
            &[("assumeRoleArn", "arn:aws:iam::444455556666:role/other")]
        ),
        every_kind("PodIdentityCredentials", &POD_IDENTITY),
    );
}

#[tokio::test]
async fn credentials_and_values_of_another_form() {
    let stage = stage().await;
    for changes in [
        json!({"Expiration": ["x"]}),
        json!({"Token": 7}),
        json!({"SecretAccessKey": null}),
        json!({"Expiration": "never"}),
    ] {
        fail(
            &stage,
            "PodIdentityCredentials",
            credentials(&changes),
            None,
        );
        fail(&stage, "GetSecretValue", Kind::access_denied(), None);
        fetch_fails(&stage, &changes.to_string(), &POD_IDENTITY, &[]).await;
        stage.aws.heal();
    }
    // A value that is not what the class says.
    let objects =
        "- {objectName: a, objectType: secretsmanager, jmesPath: [{path: k, objectAlias: x}]}";
    let outcome = stage.fetch(&[], objects).await;
    assert!(
        outcome.stderr.contains("the value is not JSON"),
        "{}",
        outcome.stderr
    );
    assert!(!outcome.stderr.contains("VALUEMARK"), "{}", outcome.stderr);
}
