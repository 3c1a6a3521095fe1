//! Admission latency and memory of the webhook's release build, beside the parse-only server.

use std::fs::File;
use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use e2e::images::{self, Profile};
use e2e::progress::step;
use e2e::project;
use e2e::stand_in::REGION;
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use hyper::body::Bytes;
use kube::api::{Api, ApiResource, DynamicObject, PostParams};
use kube::core::GroupVersionKind;
use serde_json::Value;
use tokio::runtime::Runtime;

use crate::figures::{Figures, Sample, mebibytes, shown};
use crate::http::Server;
use crate::parse_only;
use crate::process::resident;
use crate::stage::{class, secrets};
use crate::world::World;

/// Numbers of classes in the cluster.
const CLASSES: [usize; 2] = [10, 10_000];
/// Numbers of containers in the pod.
const CONTAINERS: [usize; 2] = [1, 100];
/// The webhook and the parse-only server take turns of this length.
const TURN: Duration = Duration::from_millis(700);
const TURNS: usize = 4;
/// Time limit for an answer, and for memory to settle after classes are created.
const PATIENCE: Duration = Duration::from_mins(3);

/// A process that is killed on drop.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Measures with few and with many classes.
pub(crate) fn measure(world: &World, figures: &mut Figures) -> anyhow::Result<()> {
    let runtime = Runtime::new()?;
    let floor = parse_only::start()?;
    let (webhook, process) = step("admission: starting the webhook", || start_webhook(world))?;
    for (before, classes) in [0, CLASSES[0]].into_iter().zip(CLASSES) {
        step(&format!("admission: {classes} classes"), || {
            runtime.block_on(add_classes(world, before..classes))
        })?;
        let last = review(&format!("class-{}", classes - 1), 1)?;
        runtime.block_on(wait_for_patch(&webhook, &last))?;
        let memory = settled(process.0.id())?;
        figures.add(format!("memory, {classes}"), mebibytes(memory));
        for containers in CONTAINERS {
            let body = review(world.name, containers)?;
            let (mut mine, mut bare) = (Vec::new(), Vec::new());
            let what = format!("{containers} containers, {classes} classes");
            step(&format!("admission: {what}"), || {
                for _ in 0..TURNS {
                    bare.extend(runtime.block_on(load(&floor, &body))?);
                    mine.extend(runtime.block_on(load(&webhook, &body))?);
                }
                Ok(())
            })?;
            let (mine, bare) = (Sample::from_iter(mine), Sample::from_iter(bare));
            figures.add(format!("{what}, p50"), mine.median());
            figures.add(format!("{what}, p99"), shown(mine.percentile(99)));
            figures.add(format!("{what}, floor"), bare.median());
        }
    }
    Ok(())
}

/// Sends the same review for a turn, one after another, and returns the latencies.
async fn load(server: &Server, body: &Bytes) -> anyhow::Result<Vec<Duration>> {
    let mut connection = server.connect().await?;
    let end = Instant::now() + TURN;
    let mut latencies = Vec::new();
    while Instant::now() < end {
        let started = Instant::now();
        connection.post(PATH, &HEADERS, body.clone()).await?;
        latencies.push(started.elapsed());
    }
    Ok(latencies)
}

const PATH: &str = "/mutate-pods";
const HEADERS: [(&str, &str); 1] = [("content-type", "application/json")];

/// Waits until the webhook knows the class of this review.
async fn wait_for_patch(server: &Server, body: &Bytes) -> anyhow::Result<()> {
    let started = Instant::now();
    loop {
        let answer = async {
            let mut connection = server.connect().await?;
            connection.post(PATH, &HEADERS, body.clone()).await
        };
        let answer = answer.await;
        let text = answer.as_deref().map(String::from_utf8_lossy);
        if text.is_ok_and(|text| text.contains("\"patch\"")) {
            return Ok(());
        }
        let waits = started.elapsed() < PATIENCE;
        ensure!(waits, "the answer contains no patch: {answer:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// The memory of a process, once it no longer falls: the API server's answers are freed soon after they were read.
fn settled(id: u32) -> anyhow::Result<usize> {
    let started = Instant::now();
    loop {
        let before = resident(id)?;
        std::thread::sleep(Duration::from_secs(1));
        let now = resident(id)?;
        if now >= before {
            return Ok(now);
        }
        ensure!(started.elapsed() < PATIENCE, "memory did not settle");
    }
}

fn free_address() -> anyhow::Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

/// Starts a webhook next to the installed one, with certificates in the benchmark's namespace.
fn start_webhook(world: &World) -> anyhow::Result<(Server, Process)> {
    let (name, kubectl) = (world.name, &world.kubectl);
    let address = free_address()?.to_string();
    let log = File::create(project::target().join("bench-webhook.log"))?;
    let child = Command::new(images::build_binaries(Profile::Release)?.webhook)
        .env_clear()
        .env("KUBECONFIG", kubectl.kubeconfig())
        .env("AWS_REGION", REGION)
        .args(["--namespace", name, "--injector-image", images::INJECTOR])
        .args(["--mutating-webhook-configuration", name])
        .args(["--validating-webhook-configuration", name])
        .args(["--listen", &address])
        .args(["--health-listen", &free_address()?.to_string()])
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()
        .context("could not start the webhook")?;
    let process = Process(child);
    let secret = ["-n", name, "secret", "aws-secrets-injector-authorities"];
    kubectl.wait_until("the webhook has a certificate", || {
        Ok(kubectl.get(&secret).is_ok())
    })?;
    let secret = kubectl.get(&secret)?;
    let authority = secret["data"]["signing.pem"].as_str();
    let authority = BASE64_STANDARD.decode(authority.context("no signing.pem")?)?;
    let host = format!("aws-secrets-injector.{name}.svc");
    Ok((Server::new(&address, &host, &authority)?, process))
}

async fn add_classes(world: &World, indices: std::ops::Range<usize>) -> anyhow::Result<()> {
    let kind = GroupVersionKind::gvk("secrets-store.csi.x-k8s.io", "v1", "SecretProviderClass");
    let resource = ApiResource::from_gvk_with_plural(&kind, "secretproviderclasses");
    let client = world.kubectl.client().await?;
    let api: &Api<DynamicObject> = &Api::namespaced_with(client, world.name, &resource);
    let made = indices.map(async |index| {
        let class = class(&format!("class-{index}"), &secrets(4));
        let class = serde_json::from_value(class)?;
        api.create(&PostParams::default(), &class).await?;
        anyhow::Ok(())
    });
    stream::iter(made).buffer_unordered(16).try_collect().await
}

/// The review of a pod with this class and number of containers.
fn review(class: &str, containers: usize) -> anyhow::Result<Bytes> {
    let mut review: Value = serde_json::from_str(include_str!("review.json"))?;
    let pod = &mut review["request"]["object"];
    pod["metadata"]["annotations"]["aws-secrets-injector.io/secret-provider-class"] = class.into();
    let container = pod["spec"]["containers"][0].take();
    let container = |index| {
        let mut container = container.clone();
        container["name"] = format!("app-{index}").into();
        container
    };
    pod["spec"]["containers"] = (0..containers).map(container).collect();
    Ok(serde_json::to_vec(&review)?.into())
}
