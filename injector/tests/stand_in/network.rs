//! The SDK's network settings: endpoints, proxies, certificate authorities.

use std::sync::{Arc, Mutex};

use aws_stand_in::{Distance, Kind};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

use crate::support::{ENTRY, Outcome, Stage};

/// A proxy that notes where it is asked to connect to, and never does.
struct NotingProxy {
    url: String,
    targets: Arc<Mutex<Vec<String>>>,
}

impl NotingProxy {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let targets: Arc<Mutex<Vec<String>>> = Arc::default();
        let noted = Arc::clone(&targets);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut line = String::new();
                let _ = BufReader::new(&mut stream).read_line(&mut line).await;
                noted
                    .lock()
                    .unwrap()
                    .push(line.split(' ').take(2).collect::<Vec<_>>().join(" "));
                let _ = stream
                    .write_all(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n")
                    .await;
            }
        });
        Self { url, targets }
    }

    fn targets(&self) -> Vec<String> {
        let mut targets = self.targets.lock().unwrap().clone();
        targets.sort();
        targets.dedup();
        targets
    }
}

/// Fetches through a proxy with all endpoints at their usual places, but STS, which is the stand-in.
async fn through_proxy(stage: &Stage, proxy: &NotingProxy, variables: &[(&str, &str)]) -> Outcome {
    let url = stage.aws.url();
    stage
        .fetch_with(&[], ENTRY, |command| {
            command
                .env_remove("AWS_ENDPOINT_URL")
                .env("AWS_ENDPOINT_URL_STS", url)
                .env("HTTPS_PROXY", &proxy.url)
                .env("NO_PROXY", "127.0.0.1");
            command
                .envs(variables.iter().copied())
                .args(["--timeout", "8s"])
        })
        .await
}

#[tokio::test]
async fn endpoints_are_regional_and_reached_through_the_proxy() {
    let (stage, proxy) = (Stage::start().await, NotingProxy::start().await);
    let outcome = through_proxy(&stage, &proxy, &[]).await;
    outcome.assert_error(&[
        "objects[0] \"a\": Secrets Manager in us-east-2: no response",
        "from secretsmanager.us-east-2.amazonaws.com through the proxy 127.0.0.1:",
        "the proxy refused to connect",
    ]);
    assert_eq!(
        proxy.targets(),
        ["CONNECT secretsmanager.us-east-2.amazonaws.com:443"]
    );
    assert_eq!(
        stage.calls(),
        ["AssumeRoleWithWebIdentity"],
        "NO_PROXY leads past the proxy"
    );
}

#[tokio::test]
async fn fips_and_dual_stack_have_their_own_endpoints() {
    for (variable, hosts) in [
        (
            None,
            [
                "secretsmanager.us-east-2.amazonaws.com",
                "sts.us-east-2.amazonaws.com",
            ],
        ),
        (
            Some("AWS_USE_FIPS_ENDPOINT"),
            [
                "secretsmanager-fips.us-east-2.amazonaws.com",
                "sts-fips.us-east-2.amazonaws.com",
            ],
        ),
        (
            Some("AWS_USE_DUALSTACK_ENDPOINT"),
            // Secrets Manager's usual endpoint is dual-stack.
            [
                "secretsmanager.us-east-2.amazonaws.com",
                "sts.us-east-2.api.aws",
            ],
        ),
    ] {
        let (stage, proxy) = (Stage::start().await, NotingProxy::start().await);
        let variables: Vec<_> = variable
            .into_iter()
            .map(|variable| (variable, "true"))
            .chain([("AWS_ENDPOINT_URL_STS", "")])
            .collect();
        through_proxy(&stage, &proxy, &variables)
            .await
            .assert_error(&["STS in us-east-2: no response"]);
        assert_eq!(
            proxy.targets(),
            hosts.map(|host| format!("CONNECT {host}:443"))
        );
    }
}

#[tokio::test]
async fn settings_that_contradict_each_other_are_named() {
    let stage = Stage::start().await;
    let outcome = stage
        .fetch_with(&[], ENTRY, |command| {
            command.env("AWS_USE_FIPS_ENDPOINT", "true")
        })
        .await;
    outcome.assert_error(&[
        "STS in us-east-2: Invalid Configuration: FIPS and custom endpoint are not supported",
    ]);
}

#[tokio::test]
async fn the_endpoint_of_a_service_goes_before_the_one_for_all() {
    let stage = Stage::start().await;
    stage.seed().secret("a", "value").await.unwrap();
    let url = stage.aws.url();
    let outcome = stage
        .fetch_with(&[], ENTRY, |command| {
            command
                .env("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
                .env("AWS_ENDPOINT_URL_STS", &url)
                .env("AWS_ENDPOINT_URL_SECRETS_MANAGER", &url)
        })
        .await;
    outcome.assert_files(&[("a", "value")]);
}

#[tokio::test]
async fn a_certificate_authority_of_ones_own_is_trusted_when_named() {
    let stage = Stage::start().await;
    stage.seed().secret("a", "value").await.unwrap();
    let front = stage.aws.tls(Distance::default()).await.unwrap();
    let bundle = stage.path("bundle.pem");
    std::fs::write(&bundle, &front.authority).unwrap();
    let fetch = |bundle: Option<&std::path::Path>| {
        let (url, bundle) = (front.url.clone(), bundle.map(ToOwned::to_owned));
        stage.fetch_with(&[], ENTRY, move |command| {
            command
                .env("AWS_ENDPOINT_URL", url)
                .args(["--timeout", "20s"]);
            bundle.iter().fold(command, |command, bundle| {
                command.env("AWS_CA_BUNDLE", bundle)
            })
        })
    };
    fetch(None)
        .await
        .assert_error(&["STS in us-east-2: no response", "certificate"]);
    let with_text = async |pem: &str| {
        let (url, pem) = (front.url.clone(), pem.to_owned());
        let fetch = stage.fetch_with(&[], ENTRY, move |command| {
            command.env("AWS_ENDPOINT_URL", url).env("CA_BUNDLE", pem)
        });
        fetch.await
    };
    with_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
        .await
        .assert_error(&["environment variable CA_BUNDLE: its value: certificate 1: "]);
    with_text(&front.authority)
        .await
        .assert_files(&[("a", "value")]);
    fetch(Some(&bundle)).await.assert_files(&[("a", "value")]);
}

#[tokio::test]
async fn connections_are_opened_while_sts_has_not_answered_yet() {
    let stage = Stage::start().await;
    let sts = stage.aws.tls(Distance::default()).await.unwrap();
    let secrets_manager = stage.aws.tls(Distance::default()).await.unwrap();
    let ssm = stage.aws.tls(Distance::default()).await.unwrap();
    let bundle = stage.path("bundle.pem");
    let authorities = [&sts, &secrets_manager, &ssm].map(|front| front.authority.as_str());
    std::fs::write(&bundle, authorities.concat()).unwrap();
    stage.fail("AssumeRoleWithWebIdentity", Kind::Hang);
    let objects = "- {objectName: a, objectType: secretsmanager}
- {objectName: b, objectType: secretsmanager}
- {objectName: /c, objectType: ssmparameter}
- {objectName: /d, objectType: ssmparameter}";
    let outcome = stage
        .fetch_with(&[], objects, |command| {
            command
                .env("AWS_ENDPOINT_URL_STS", &sts.url)
                .env("AWS_ENDPOINT_URL_SECRETS_MANAGER", &secrets_manager.url)
                .env("AWS_ENDPOINT_URL_SSM", &ssm.url)
                .env("AWS_CA_BUNDLE", &bundle)
                .args(["--timeout", "3s"])
        })
        .await;
    outcome.assert_error(&["STS in us-east-2: "]);
    assert_eq!(stage.calls(), ["AssumeRoleWithWebIdentity"]);
    assert_eq!(secrets_manager.connections(), 2, "one for each secret");
    assert_eq!(ssm.connections(), 1, "one for both parameters");
}

#[tokio::test]
async fn a_variable_that_names_no_server_is_named_before_anything_is_sent() {
    let stage = Stage::start().await;
    for (variable, value, words) in [
        (
            "AWS_ENDPOINT_URL_STS",
            "vpce-0abc.sts.us-east-2.vpce.amazonaws.com",
            "has no scheme; write https://vpce-0abc.sts.us-east-2.vpce.amazonaws.com",
        ),
        (
            "AWS_ENDPOINT_URL",
            "127.0.0.1:4566",
            "write https://127.0.0.1:4566",
        ),
        ("AWS_ENDPOINT_URL_SSM", "https:/x", "write https://HOST"),
        (
            "AWS_ENDPOINT_URL_SECRETS_MANAGER",
            "https://x y",
            "is not a URL of http or https",
        ),
        (
            "HTTPS_PROXY",
            "socks5://proxy:1080",
            "is not the URL of an HTTP proxy",
        ),
        ("https_proxy", "http:proxy", "write http://HOST:PORT"),
        ("no_proxy", "a b", "separate hosts by commas"),
        (
            "AWS_CONTAINER_CREDENTIALS_FULL_URI",
            "http://10.0.0.1/",
            "the pod's token is sent there",
        ),
    ] {
        let outcome = stage
            .fetch_with(&[], ENTRY, |command| command.env(variable, value))
            .await;
        outcome.assert_error(&[&format!("error: environment variable {variable}: "), words]);
    }
    assert_eq!(stage.calls(), [] as [&str; 0]);
}

#[tokio::test]
async fn a_bad_bundle_is_named() {
    let stage = Stage::start().await;
    for (content, words) in [
        (None, "No such file"),
        (Some("nothing"), "contains no PEM certificate"),
        (
            Some("-----BEGIN CERTIFICATE-----\nbm90aGluZw==\n-----END CERTIFICATE-----\n"),
            "certificate 1: ",
        ),
    ] {
        let bundle = stage.path("bundle.pem");
        if let Some(content) = content {
            std::fs::write(&bundle, content).unwrap();
        }
        let outcome = stage
            .fetch_with(&[], ENTRY, |command| command.env("AWS_CA_BUNDLE", &bundle))
            .await;
        outcome.assert_error(&["environment variable AWS_CA_BUNDLE: ", words]);
    }
}

/// Behind a firewall, packets get no response at all. So it is with a server whose queue is full.
#[tokio::test]
async fn a_server_that_does_not_respond_is_named() {
    let stage = Stage::start().await;
    let away = TcpSocket::new_v4().unwrap();
    away.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let away = away.listen(0).unwrap();
    let address = away.local_addr().unwrap();
    let _queued = TcpStream::connect(address).await.unwrap();
    for variable in ["AWS_ENDPOINT_URL_STS", "AWS_ENDPOINT_URL_SECRETS_MANAGER"] {
        let outcome = stage
            .fetch_with(&[], ENTRY, |command| {
                command
                    .env(variable, format!("http://{address}"))
                    .args(["--timeout", "8s"])
            })
            .await;
        let last = format!("last attempt: no response: from {address}: the connection timed out");
        outcome.assert_error(&[" in us-east-2: no success within 8 s", &last]);
    }
}
