//! What an admission takes, in the release build of the webhook, beside a server that does nothing.

use std::fs::File;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use aws_secrets_webhook::router::MUTATE_PODS;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use e2e::images::{self, Profile};
use e2e::progress::step;
use e2e::project;
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use hyper::body::Bytes;
use kube::api::{Api, ApiResource, DynamicObject, PostParams};
use kube::core::GroupVersionKind;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use serde_json::json;
use tokio::runtime::Runtime;

use crate::class::{REGION, class};
use crate::cluster::{NAMESPACE, World, annotations};
use crate::cost::mebibytes;
use crate::echo;
use crate::load::{Load, Server};
use crate::report::{Row, Section};
use crate::statistics::{ratio, shown};

/// Where this webhook keeps its certificates, beside the installed one.
const HOME: &str = "bench-webhook";
/// Classes in the store: few, then many.
const CLASSES: [usize; 2] = [10, 10_000];
/// Both servers take turns of this length.
const TURN: Duration = Duration::from_millis(700);
const TURNS: usize = 4;
/// How long memory may take to settle after classes were made.
const PATIENCE: Duration = Duration::from_mins(3);

/// A process that ends with this value.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Measures it.
pub(crate) fn measure(world: &World) -> anyhow::Result<Section> {
    let runtime = Runtime::new()?;
    let folder = project::target().join("bench");
    std::fs::create_dir_all(&folder)?;
    let (echo, _echo) = start_echo(&folder)?;
    let (webhook, _webhook) = step("admission: starting the webhook", || {
        start_webhook(world, &folder)
    })?;
    let bodies = [
        ("a pod with one container", review(1)?),
        ("a pod with 100 containers", review(100)?),
    ];
    runtime.block_on(webhook.wait(&bodies[0].1, "\"patch\""))?;
    runtime.block_on(echo.wait(&bodies[0].1, "AdmissionReview"))?;
    let mut rows = Vec::new();
    let mut medians = Vec::new();
    for (before, classes) in [(1, CLASSES[0]), (CLASSES[0], CLASSES[1])] {
        step(&format!("admission: {classes} classes"), || {
            runtime.block_on(add_classes(world, before..classes))
        })?;
        let resident = wait_for_classes(&webhook, &runtime, &bodies[0].1, classes)?;
        let (most, text) = if classes == CLASSES[0] {
            (20, "< 20 MiB")
        } else {
            (100, "< 100 MiB")
        };
        rows.push(Row::held(
            format!("resident memory, {classes} classes"),
            mebibytes(resident),
            text,
            resident < most << 20,
            "before the load".to_owned(),
        ));
        for (what, body) in &bodies {
            let mine = step(&format!("admission: {what}, {classes} classes"), || {
                compare(&runtime, &webhook, &echo, body, what, classes, &mut rows)
            })?;
            medians.push((*what, classes, mine));
        }
    }
    for (what, _) in &bodies {
        let of = |classes: usize| {
            let found = medians
                .iter()
                .find(|(other, count, _)| other == what && *count == classes);
            found.map(|(_, _, median)| *median).unwrap_or_default()
        };
        let (few, many) = (of(CLASSES[0]), of(CLASSES[1]));
        rows.push(Row::ratio(
            format!("{what}: {} classes against {}", CLASSES[1], CLASSES[0]),
            ratio(many, few),
            1.1,
            format!("median {} against {}", shown(many), shown(few)),
        ));
    }
    Ok(Section {
        title: "Admission",
        name: "admission",
        method: format!(
            "AdmissionReviews of annotated pods over TLS and kept-alive connections on the loopback address, to the release \
             build of the webhook, which watches a real API server. Beside it, in turns of {}, a server with the same TLS \
             and HTTP that sends the same body back, and one that reads the body into the same types as the webhook and admits the \
             pod as it is: what any webhook does before its own work begins. The load comes from the same \
             two processors. Reviews a second per core: answers by the processor time of the webhook alone.",
            shown(TURN)
        ),
        rows,
    })
}

/// Both servers with one connection and with 64; the webhook's median with one.
fn compare(
    runtime: &Runtime,
    webhook: &Server,
    echo: &Server,
    body: &Bytes,
    what: &str,
    classes: usize,
    rows: &mut Vec<Row>,
) -> anyhow::Result<Duration> {
    let mut median = Duration::ZERO;
    for connections in [1, 64] {
        let (mut mine, mut floor, mut reading) = (Vec::new(), Vec::new(), Vec::new());
        let reader = echo.at(echo::READ);
        let mut cpu = Duration::ZERO;
        for _ in 0..TURNS {
            floor.push(runtime.block_on(echo.load(body, connections, TURN))?);
            reading.push(runtime.block_on(reader.load(body, connections, TURN))?);
            let before = webhook.cpu()?;
            mine.push(runtime.block_on(webhook.load(body, connections, TURN))?);
            cpu += webhook.cpu()?.saturating_sub(before);
        }
        let (mine, floor, reading) = (Load::all(mine), Load::all(floor), Load::all(reading));
        let times = ratio(mine.latencies.median(), floor.latencies.median());
        let figures = format!(
            "p50 {}, p99 {}; echo p50 {}, p99 {}; {:.0} reviews a second per core",
            shown(mine.latencies.median()),
            shown(mine.latencies.percentile(99)),
            shown(floor.latencies.median()),
            shown(floor.latencies.percentile(99)),
            per_core(mine.answers, cpu),
        );
        let title =
            format!("{what}, {classes} classes, {connections} connections: against the echo");
        let over_reading = Row::plain(
            format!(
                "{what}, {classes} classes, {connections} connections: against reading the pod"
            ),
            format!(
                "{:.2} ×",
                ratio(mine.latencies.median(), reading.latencies.median())
            ),
            format!(
                "reading alone p50 {}, which is {:.2} × the echo",
                shown(reading.latencies.median()),
                ratio(reading.latencies.median(), floor.latencies.median())
            ),
        );
        if connections == 1 {
            median = mine.latencies.median();
            rows.push(Row::ratio(title, times, 2.0, figures));
            let p99 = mine.latencies.percentile(99);
            rows.push(Row::held(
                format!("{what}, {classes} classes, 1 connection: p99"),
                shown(p99),
                "< 1 ms",
                p99 < Duration::from_millis(1),
                format!("{} bytes sent, {} answered", body.len(), mine.bytes),
            ));
        } else {
            rows.push(Row::plain(title, format!("{times:.2} ×"), figures));
        }
        rows.push(over_reading);
    }
    Ok(median)
}

#[expect(clippy::cast_precision_loss, reason = "a number to read")]
fn per_core(answers: usize, cpu: Duration) -> f64 {
    answers as f64 / cpu.as_secs_f64()
}

fn free_address() -> anyhow::Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

fn start_echo(folder: &std::path::Path) -> anyhow::Result<(Server, Process)> {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()])?;
    let (certificate, key) = (folder.join("echo.pem"), folder.join("echo-key.pem"));
    std::fs::write(&certificate, cert.pem())?;
    std::fs::write(&key, signing_key.serialize_pem())?;
    let address = free_address()?;
    let mut command = Command::new(std::env::current_exe()?);
    command
        .args(["echo", "--listen", &address.to_string(), "--certificate"])
        .arg(&certificate)
        .arg("--key")
        .arg(&key);
    let child = command.stdin(Stdio::null()).spawn()?;
    let server = Server::trusting(child.id(), address, "localhost", echo::PATH, &certificate)?;
    Ok((server, Process(child)))
}

fn start_webhook(world: &World, folder: &std::path::Path) -> anyhow::Result<(Server, Process)> {
    world.kubectl.apply(&format!(
        "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: {HOME}\n"
    ))?;
    let (address, health) = (free_address()?, free_address()?);
    let program: PathBuf = images::build_binaries(Profile::Release)?.webhook;
    let log = File::create(folder.join("webhook.log"))?;
    let child = Command::new(program)
        .env_clear()
        .env("KUBECONFIG", world.kubectl.kubeconfig())
        .env("AWS_REGION", REGION)
        .args(["--namespace", HOME, "--injector-image", images::INJECTOR])
        .args([
            "--mutating-webhook-configuration",
            HOME,
            "--validating-webhook-configuration",
            HOME,
        ])
        .args([
            "--listen",
            &address.to_string(),
            "--health-listen",
            &health.to_string(),
        ])
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()
        .context("could not start the webhook")?;
    let child = Process(child);
    let secret = ["-n", HOME, "secret", "aws-secrets-injector-certificates"];
    world
        .kubectl
        .wait_until("the webhook has a certificate", || {
            Ok(world.kubectl.get(&secret).is_ok())
        })?;
    let secret = world.kubectl.get(&secret)?;
    let authority = secret["data"]["ca.crt"].as_str().context("no ca.crt")?;
    let name = format!("aws-secrets-injector.{HOME}.svc");
    let server = Server::new(
        child.0.id(),
        address,
        &name,
        MUTATE_PODS,
        &BASE64_STANDARD.decode(authority)?,
    )?;
    Ok((server, child))
}

async fn add_classes(world: &World, indices: std::ops::Range<usize>) -> anyhow::Result<()> {
    let kind = GroupVersionKind::gvk("secrets-store.csi.x-k8s.io", "v1", "SecretProviderClass");
    let resource = ApiResource::from_gvk_with_plural(&kind, "secretproviderclasses");
    let api: Api<DynamicObject> =
        Api::namespaced_with(world.kubectl.client().await?, NAMESPACE, &resource);
    let text = class("NAME", 4, 0);
    let spec: serde_json::Value = serde_yaml::from_str(&text)?;
    let made = stream::iter(indices.map(|index| {
        let (api, spec) = (api.clone(), spec["spec"].clone());
        let resource = resource.clone();
        async move {
            let mut object = DynamicObject::new(&format!("class-{index}"), &resource);
            object.data = json!({"spec": spec});
            api.create(&PostParams::default(), &object).await.map(drop)
        }
    }));
    made.buffer_unordered(16).try_collect::<()>().await?;
    Ok(())
}

/// Waits until the last class is known to the webhook; its memory then.
fn wait_for_classes(
    webhook: &Server,
    runtime: &Runtime,
    body: &Bytes,
    classes: usize,
) -> anyhow::Result<u64> {
    let last = String::from_utf8_lossy(body).replace(
        &format!("secret-provider-class\":\"{}\"", crate::cluster::CLASS),
        &format!("secret-provider-class\":\"class-{}\"", classes - 1),
    );
    runtime.block_on(webhook.wait(&last.into(), "\"patch\""))?;
    // The API server's answers are freed in a moment: the figure is the one that stays.
    let started = Instant::now();
    loop {
        let before = webhook.resident()?;
        std::thread::sleep(Duration::from_secs(1));
        let now = webhook.resident()?;
        if now >= before {
            return Ok(now);
        }
        ensure!(
            started.elapsed() < PATIENCE,
            "the webhook's memory does not settle"
        );
    }
}

/// The review of a pod with so many containers, as the API server sends it.
fn review(containers: usize) -> anyhow::Result<Bytes> {
    let container = |index: usize| {
        json!({
            "name": format!("app-{index}"),
            "image": format!("registry.example/team/app-{index}:1.2.3"),
            "env": [
                {"name": "LOG_LEVEL", "value": "info"},
                {"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
            ],
            "ports": [{"containerPort": 8080, "protocol": "TCP"}],
            "resources": {"requests": {"cpu": "10m", "memory": "16Mi"}, "limits": {"memory": "64Mi"}},
            "volumeMounts": [{"name": "kube-api-access-x", "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount", "readOnly": true}],
        })
    };
    let containers: Vec<_> = (0..containers).map(container).collect();
    let pod = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"generateName": "web-", "namespace": NAMESPACE, "annotations": annotations()},
        "spec": {
            "serviceAccountName": "web",
            "containers": containers,
            "volumes": [{"name": "kube-api-access-x", "projected": {"sources": [{"serviceAccountToken": {"path": "token", "expirationSeconds": 3607}}]}}],
        },
    });
    let review = json!({
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": "705ab4f5-6393-11e8-b7cc-42010a800002",
            "kind": {"group": "", "version": "v1", "kind": "Pod"},
            "resource": {"group": "", "version": "v1", "resource": "pods"},
            "requestKind": {"group": "", "version": "v1", "kind": "Pod"},
            "requestResource": {"group": "", "version": "v1", "resource": "pods"},
            "name": "",
            "namespace": NAMESPACE,
            "operation": "CREATE",
            "userInfo": {"username": "system:serviceaccount:kube-system:replicaset-controller"},
            "object": pod,
            "oldObject": null,
            "dryRun": true,
            "options": {"kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1"},
        },
    });
    Ok(serde_json::to_vec(&review)?.into())
}
