//! Many pods against the quotas of AWS, simulated with the injector's own retry loop and the sidecar's own schedule.
//!
//! Each pod asks STS once and then makes all its other calls at the same time. A service answers after [`DISTANCE`], and
//! throttles what exceeds its quota. A pod whose calls are not all answered within [`TIMEOUT`] has failed: the kubelet
//! starts its container again, later.

use std::cell::RefCell;
use std::time::Duration;

use aws_secrets_injector::aws::retry::{Attempt, Retry, retry};
use aws_secrets_injector::aws::{BACKOFF, Cause, Deadline};
use aws_secrets_injector::refresh::schedule::{jittered, offset};
use e2e::progress::step;
use futures::future::join_all;
use tokio::time::{Instant, sleep};

use crate::figures::{Figures, Sample, number, shown};

const PODS: usize = 5000;
const MINUTE: Duration = Duration::from_mins(1);
/// The injector's default timeout.
const TIMEOUT: Duration = Duration::from_mins(2);
/// How long a call to AWS takes.
const DISTANCE: Duration = Duration::from_millis(20);

/// Calls per second, per account and region.
///
/// Sources: <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html> (of AssumeRole; none is published for
/// AssumeRoleWithWebIdentity), <https://docs.aws.amazon.com/secretsmanager/latest/userguide/reference_limits.html> (of
/// DescribeSecret and GetSecretValue together) and <https://docs.aws.amazon.com/general/latest/gr/ssm.html>.
const STS: f64 = 600.0;
const SECRETS_MANAGER: f64 = 10_000.0;
const PARAMETER_STORE: f64 = 40.0;
/// GetParameters with higher throughput turned on.
const HIGHER_THROUGHPUT: f64 = 1000.0;

/// Calls per refresh of a sidecar: one per secret.
const SECRETS: usize = 20;
const SIDECARS: usize = 10_000;
/// The interval in the documentation's example.
const INTERVAL: Duration = Duration::from_mins(5);
/// The simulated time, in seconds.
const HOUR: usize = 3600;

/// Simulates all.
pub(crate) fn measure(figures: &mut Figures) -> anyhow::Result<()> {
    let starts = [
        ("secrets", MINUTE, SECRETS, SECRETS_MANAGER),
        ("at once", Duration::ZERO, SECRETS, SECRETS_MANAGER),
        ("higher", MINUTE, SECRETS / 10, HIGHER_THROUGHPUT),
        ("default", MINUTE, SECRETS / 10, PARAMETER_STORE),
    ];
    for (name, within, calls, quota) in starts {
        let start = Start {
            pods: PODS,
            within,
            calls,
            quota,
        };
        let outcome = step(&format!("quotas: {name}"), || start.run())?;
        let mut add = |what: &str, figure: String| figures.add(format!("{name}, {what}"), figure);
        add("failed", outcome.failed.to_string());
        add("median", outcome.took.median());
        add("longest", shown(outcome.took.percentile(100)));
        add("last", shown(outcome.last));
        add("least", shown(start.least()));
        if name == "default" {
            add(
                "most",
                step("quotas: most pods", || start.most())?.to_string(),
            );
        }
    }
    let calls = calls_of_sidecars();
    let busiest = calls.iter().max().copied().unwrap_or_default();
    figures.add("sidecars, busiest", busiest);
    figures.add("sidecars, mean", calls.iter().sum::<usize>() / HOUR);
    Ok(())
}

/// A service that throttles. AWS does not publish how much it allows at once: this one allows what one second brings.
struct Service {
    quota: f64,
    tokens: RefCell<(f64, Instant)>,
}

impl Service {
    fn new(quota: f64) -> Self {
        Self {
            quota,
            tokens: RefCell::new((quota, Instant::now())),
        }
    }

    /// One call, by the injector's retry loop.
    async fn call(&self, deadline: Deadline) -> Result<(), Cause> {
        let attempt = async || {
            sleep(DISTANCE).await;
            if self.takes() {
                return Ok(());
            }
            Err(Attempt {
                cause: Cause::Refused {
                    code: "ThrottlingException".to_owned(),
                    message: String::new(),
                },
                retry: Retry::UntilDeadline,
                pause: None,
            })
        };
        retry("simulated", BACKOFF, deadline, attempt).await
    }

    /// Is one more call within the quota?
    fn takes(&self) -> bool {
        let mut bucket = self.tokens.borrow_mut();
        let (tokens, filled) = *bucket;
        let now = Instant::now();
        let tokens = (tokens + (now - filled).as_secs_f64() * self.quota).min(self.quota);
        let takes = tokens >= 1.0;
        *bucket = (if takes { tokens - 1.0 } else { tokens }, now);
        takes
    }
}

/// A mass start.
#[derive(Clone, Copy)]
struct Start {
    pods: usize,
    /// All pods start within this time.
    within: Duration,
    /// Calls of each pod, besides the one to STS.
    calls: usize,
    /// The quota of these calls.
    quota: f64,
}

/// What came of it.
struct Outcome {
    /// How long the pods took that did not fail.
    took: Sample,
    /// When the last one was done.
    last: Duration,
    failed: usize,
}

impl Start {
    /// The time in which the quota allows all calls, or in which the pods start, whichever is longer.
    fn least(self) -> Duration {
        let calls = Duration::from_secs_f64(number(self.pods * self.calls) / self.quota);
        calls.max(self.within)
    }

    /// Simulates it in paused time.
    fn run(self) -> anyhow::Result<Outcome> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()?;
        fastrand::seed(7);
        Ok(runtime.block_on(async {
            let (sts, service) = (Service::new(STS), Service::new(self.quota));
            let first = Instant::now();
            let pod = async |_| {
                sleep(self.within.mul_f64(fastrand::f64())).await;
                let started = Instant::now();
                let deadline = Deadline::after(TIMEOUT);
                sts.call(deadline).await?;
                let calls = join_all((0..self.calls).map(|_| service.call(deadline))).await;
                calls.into_iter().collect::<Result<(), _>>()?;
                Ok::<_, Cause>((started.elapsed(), first.elapsed()))
            };
            let results = join_all((0..self.pods).map(pod)).await;
            let (took, done): (Vec<_>, Vec<_>) = results.into_iter().flatten().unzip();
            Outcome {
                failed: self.pods - done.len(),
                last: done.into_iter().max().unwrap_or_default(),
                took: took.into_iter().collect(),
            }
        }))
    }

    /// The largest number of pods, up to this one's and to a twentieth, of which none fails.
    fn most(self) -> anyhow::Result<usize> {
        let (mut holds, mut falls) = (0, self.pods + 1);
        while falls - holds > falls.div_ceil(20) {
            let pods = usize::midpoint(holds, falls);
            let has_failed = Self { pods, ..self }.run()?.failed > 0;
            *(if has_failed { &mut falls } else { &mut holds }) = pods;
        }
        Ok(holds)
    }
}

/// Calls in each second of an hour. All sidecars start within a minute, as after a restart of the whole cluster.
fn calls_of_sidecars() -> Vec<usize> {
    let mut numbers = fastrand::Rng::with_seed(7);
    let mut calls = vec![0; HOUR];
    for _ in 0..SIDECARS {
        let mut at = MINUTE.mul_f64(numbers.f64()) + offset(INTERVAL, numbers.f64());
        while let Ok(second) = usize::try_from(at.as_secs())
            && let Some(second) = calls.get_mut(second)
        {
            *second += SECRETS;
            at += jittered(INTERVAL, numbers.f64());
        }
    }
    calls
}
