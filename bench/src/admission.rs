//! Admission latency of the webhook's release build, compared with servers that do less.

use std::fs::File;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use aws_secrets_webhook::server::MUTATE_PODS;
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
use crate::cluster::{NAMESPACE, World};
use crate::cost::mebibytes;
use crate::echo;
use crate::hostile;
use crate::load::{Load, Server};
use crate::report::{Highlight, Row, Section};
use crate::review::review;
use crate::statistics::{Sample, ratio, shown};

/// Namespace for the certificates of this webhook, which runs next to the installed one.
const HOME: &str = "bench-webhook";
/// Number of classes in the store: few, then many.
const CLASSES: [usize; 2] = [10, 10_000];
/// Length of a turn. The servers take turns.
const TURN: Duration = Duration::from_millis(700);
const TURNS: usize = 4;
/// Time limit for memory to settle after classes are created.
const PATIENCE: Duration = Duration::from_mins(3);

/// A process that is killed on drop.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Measures latency and memory with few and with many classes.
pub(crate) fn measure(world: &World) -> anyhow::Result<Section> {
    let runtime = Runtime::new()?;
    let folder = project::target().join("bench");
    std::fs::create_dir_all(&folder)?;
    let (echo, _echo) = start_echo(&folder)?;
    let (webhook, _webhook) = step("admission: starting the webhook", || {
        start_webhook(world, &folder)
    })?;
    let bodies = [
        ("1 container", review(1, 0)?),
        ("100 containers", review(100, 0)?),
    ];
    runtime.block_on(webhook.wait(&bodies[0].1, "\"patch\""))?;
    runtime.block_on(echo.wait(&bodies[0].1, "AdmissionReview"))?;
    let mut rows = Vec::new();
    let mut medians = Vec::new();
    let mut highlights = Vec::new();
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
        rows.push(Row::with_target(
            format!("resident memory, {classes} classes"),
            mebibytes(resident),
            text,
            resident < most << 20,
            "before the load".to_owned(),
        ));
        if classes == CLASSES[1] {
            highlights.push(Highlight::new(
                "Memory of the webhook",
                mebibytes(resident),
                format!("resident, with {classes} classes in the cluster"),
            ));
        }
        for (what, body) in &bodies {
            let mine = step(&format!("admission: {what}, {classes} classes"), || {
                compare(&runtime, &webhook, &echo, body, what, classes, &mut rows)
            })?;
            if (*what, classes) == (bodies[0].0, CLASSES[0]) {
                highlights.push(Highlight::new(
                    "Admission of a pod",
                    shown(mine.median()),
                    format!(
                        "median with one container and one connection; 99th percentile {}",
                        shown(mine.percentile(99))
                    ),
                ));
            }
            medians.push((*what, classes, mine.median()));
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
            format!("{what}: {} classes, vs. {}", CLASSES[1], CLASSES[0]),
            ratio(many, few),
            1.1,
            format!("median {} vs. {}", shown(many), shown(few)),
        ));
    }
    rows.push(step("admission: variables", || {
        variables(&runtime, &webhook, &bodies[0].1)
    })?);
    rows.extend(step("admission: reviews of a megabyte", || {
        hostile::measure(&runtime, &webhook, &echo.at(echo::READ))
    })?);
    Ok(Section {
        title: "Admission",
        name: "admission",
        method: format!(
            "AdmissionReviews of annotated pods are sent over TLS and keep-alive connections on the loopback interface. The \
             webhook is the release build and watches a real API server. It alternates every {} with two baseline servers \
             that use the same TLS and HTTP code. The echo server returns the body that it receives. The parse-only server \
             parses the body into the same types as the webhook, as any webhook must, and admits the pod unchanged. The load \
             is generated on the same machine. Reviews per second and core are responses divided by the webhook's CPU time. \
             The reviews of 1 MB are made to take long, and come one after another on one connection.",
            shown(TURN)
        ),
        highlights,
        rows,
    })
}

/// Environment variables in a pod's container.
const VARIABLES: usize = 10;

/// The same pod with variables and without, in turns.
fn variables(runtime: &Runtime, webhook: &Server, without: &Bytes) -> anyhow::Result<Row> {
    let with = review(1, VARIABLES)?;
    runtime.block_on(webhook.wait(&with, "\"patch\""))?;
    let (mut all_with, mut all_without) = (Vec::new(), Vec::new());
    for _ in 0..TURNS {
        all_without.push(runtime.block_on(webhook.load(without, 1, TURN))?);
        all_with.push(runtime.block_on(webhook.load(&with, 1, TURN))?);
    }
    let (with, without) = (Load::all(all_with), Load::all(all_without));
    Ok(Row::plain(
        format!("1 container with {VARIABLES} environment variables, vs. without"),
        format!(
            "{:.2} ×",
            ratio(with.latencies.median(), without.latencies.median())
        ),
        format!(
            "p50 {}, p99 {}; without p50 {}, p99 {}; answers of {} and {} bytes",
            shown(with.latencies.median()),
            shown(with.latencies.percentile(99)),
            shown(without.latencies.median()),
            shown(without.latencies.percentile(99)),
            with.bytes,
            without.bytes,
        ),
    ))
}

/// Measures all servers with one connection and with 64. Returns the webhook's latencies with one connection.
fn compare(
    runtime: &Runtime,
    webhook: &Server,
    echo: &Server,
    body: &Bytes,
    what: &str,
    classes: usize,
    rows: &mut Vec<Row>,
) -> anyhow::Result<Sample> {
    let mut latencies = Sample::default();
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
            "p50 {}, p99 {}; echo server p50 {}, p99 {}; {:.0} reviews per second and core",
            shown(mine.latencies.median()),
            shown(mine.latencies.percentile(99)),
            shown(floor.latencies.median()),
            shown(floor.latencies.percentile(99)),
            per_core(mine.answers, cpu),
        );
        let plural = if connections == 1 { "" } else { "s" };
        let load = format!("{what}, {classes} classes, {connections} connection{plural}");
        let title = format!("{load}: vs. the echo server");
        let over_reading = Row::ratio(
            format!("{load}: vs. the parse-only server"),
            ratio(mine.latencies.median(), reading.latencies.median()),
            1.15,
            format!(
                "parse-only server p50 {}, {:.2} × the echo server",
                shown(reading.latencies.median()),
                ratio(reading.latencies.median(), floor.latencies.median())
            ),
        );
        if connections == 1 {
            latencies.clone_from(&mine.latencies);
            rows.push(Row::ratio(title, times, 2.0, figures));
            let p99 = mine.latencies.percentile(99);
            rows.push(Row::with_target(
                format!("{load}: p99"),
                shown(p99),
                "< 1 ms",
                p99 < Duration::from_millis(1),
                format!("request {} bytes, answer {} bytes", body.len(), mine.bytes),
            ));
        } else {
            rows.push(Row::plain(title, format!("{times:.2} ×"), figures));
        }
        rows.push(over_reading);
    }
    Ok(latencies)
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
    let secret = ["-n", HOME, "secret", "aws-secrets-injector-authorities"];
    world
        .kubectl
        .wait_until("the webhook has a certificate", || {
            Ok(world.kubectl.get(&secret).is_ok())
        })?;
    let secret = world.kubectl.get(&secret)?;
    let authority = secret["data"]["signing.pem"].as_str();
    let authority = authority.context("no signing.pem")?;
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

/// Waits until the webhook knows the last class. Returns its memory at that time.
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
    // The API server's answers are freed soon after, so wait until memory has settled.
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
            "the webhook's memory did not settle"
        );
    }
}
