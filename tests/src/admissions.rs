//! A steady stream of pods, sent as dry runs: the API server and its webhooks admit them, but nothing is created.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use http::Request;
use k8s_openapi::api::core::v1::Pod;
use kube::api::PostParams;
use kube::{Api, Client};
use serde_json::json;
use tokio::sync::Mutex;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

use crate::Kubectl;

/// How long a pod waits for an unavailable API server.
const PATIENCE: Duration = Duration::from_mins(2);

/// A stream of pods that continues until it is stopped.
pub struct Admissions {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<anyhow::Result<Counts>>,
}

/// The results of all pods.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// All pods that were sent.
    pub sent: u32,
    /// Pods with the injected container.
    pub injected: u32,
    /// Pods without it.
    pub bare: u32,
    /// Pods that were sent again, because the API server was unavailable.
    pub repeated: u32,
    /// Messages of the other pods, with their number.
    pub refused: BTreeMap<String, u32>,
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} pods sent: {} injected, {} bare, {} refused; {} waited for the API server",
            self.sent,
            self.injected,
            self.bare,
            self.refused.values().sum::<u32>(),
            self.repeated
        )
    }
}

/// The result of one pod.
enum Fate {
    Injected,
    Bare,
    Refused(String),
}

impl Admissions {
    /// Starts sending copies of this pod at this rate per second.
    pub fn start(kubectl: &Kubectl, namespace: &str, pod: &Pod, per_second: u32) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (ends, kubectl) = (Arc::clone(&stop), kubectl.clone());
        let (namespace, pod) = (namespace.to_owned(), pod.clone());
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?;
            runtime.block_on(async {
                let client = kubectl.client().await?;
                let target = Target {
                    api: Api::namespaced(client.clone(), &namespace),
                    client,
                    away: Arc::default(),
                };
                send(&target, &pod, per_second, &ends).await
            })
        });
        Self { stop, thread }
    }

    /// Stops the stream and waits for the last pods.
    pub fn stop(self) -> anyhow::Result<Counts> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread
            .join()
            .map_err(|_| anyhow::anyhow!("the stream of pods panicked"))?
    }
}

/// The API to which pods are sent.
#[derive(Clone)]
struct Target {
    api: Api<Pod>,
    client: Client,
    /// Locked while the API server is unavailable, until it is ready: load balancers wait for that, too.
    away: Arc<Mutex<()>>,
}

async fn send(
    target: &Target,
    pod: &Pod,
    per_second: u32,
    stop: &AtomicBool,
) -> anyhow::Result<Counts> {
    let mut ticks = tokio::time::interval(Duration::from_secs(1) / per_second);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut counts = Counts::default();
    let mut open = JoinSet::new();
    while !stop.load(Ordering::Relaxed) {
        ticks.tick().await;
        let (target, pod) = (target.clone(), pod.clone());
        open.spawn(async move { target.admit(&pod).await });
        counts.sent += 1;
        while let Some(done) = open.try_join_next() {
            counts.add(done?);
        }
    }
    while let Some(done) = open.join_next().await {
        counts.add(done?);
    }
    Ok(counts)
}

impl Counts {
    fn add(&mut self, (fate, repeated): (Fate, bool)) {
        self.repeated += u32::from(repeated);
        match fate {
            Fate::Injected => self.injected += 1,
            Fate::Bare => self.bare += 1,
            Fate::Refused(why) => *self.refused.entry(why).or_default() += 1,
        }
    }
}

impl Target {
    /// Sends one pod, and again if the API server is unavailable. Returns whether it was sent again.
    async fn admit(&self, pod: &Pod) -> (Fate, bool) {
        let mut repeated = false;
        loop {
            // The first to find the API server unavailable keeps all others from sending until it is ready.
            drop(self.away.lock().await);
            match dry_run(&self.api, pod).await {
                Ok(made) if is_injected(&made) => return (Fate::Injected, repeated),
                Ok(_) => return (Fate::Bare, repeated),
                Err(kube::Error::Api(status)) => {
                    return (Fate::Refused(reason(&status.message)), repeated);
                }
                Err(error) => {
                    repeated = true;
                    if !self.wait_until_ready().await {
                        return (Fate::Refused(error.to_string()), repeated);
                    }
                }
            }
        }
    }

    async fn wait_until_ready(&self) -> bool {
        let _away = self.away.lock().await;
        let started = Instant::now();
        while started.elapsed() < PATIENCE {
            let request = Request::get("/readyz").body(Vec::new());
            if let Ok(request) = request
                && self.client.request_text(request).await.is_ok()
            {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        false
    }
}

/// Why a pod was refused, without its name, so that equal reasons are counted together.
pub fn reason(message: &str) -> String {
    let without = message.split_once(" is forbidden: ");
    without.map_or(message, |(_, reason)| reason).to_owned()
}

/// A pod for a stream, with or without the annotation for the example's class.
pub fn pod(annotated: bool) -> serde_json::Result<Pod> {
    let annotations = json!({"aws-secrets-injector.io/secret-provider-class": "aws-secrets"});
    serde_json::from_value(json!({
        "metadata": {
            "generateName": "stream-",
            "annotations": if annotated { annotations } else { json!({}) },
        },
        "spec": {"containers": [{"name": "app", "image": "app"}]},
    }))
}

/// Sends a pod to the API server as a dry run.
pub async fn dry_run(api: &Api<Pod>, pod: &Pod) -> kube::Result<Pod> {
    let params = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    api.create(&params, pod).await
}

/// Whether the pod has the injected container.
pub fn is_injected(pod: &Pod) -> bool {
    let containers = pod.spec.iter().flat_map(|spec| &spec.init_containers);
    containers
        .flatten()
        .any(|container| container.name == "aws-secrets-injector")
}

/// A client for the API server, and a runtime for blocking code.
pub fn blocking(kubectl: &Kubectl) -> anyhow::Result<(tokio::runtime::Runtime, Client)> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("could not start a runtime")?;
    let client = runtime.block_on(kubectl.client())?;
    Ok((runtime, client))
}
