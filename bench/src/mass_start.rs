//! Many pods at once against the quotas of AWS, simulated in paused time with the injector's own retry loop.
//!
//! Each pod asks STS once and then makes all its other calls at the same time. A service answers after [`DISTANCE`], and
//! throttles what exceeds its quota. A pod whose calls are not all answered within [`TIMEOUT`] has failed: the kubelet
//! starts its container again, later.

use std::cell::RefCell;
use std::time::Duration;

use aws_secrets_injector::aws::retry::{Attempt, Retry, retry};
use aws_secrets_injector::aws::{BACKOFF, Cause, Deadline};
use e2e::progress::step;
use futures::future::join_all;
use tokio::time::{Instant, sleep};

use crate::plot::{Line, number, svg};
use crate::report::{Highlight, Row, Section};
use crate::scale::QUOTA;
use crate::statistics::{Sample, shown};

const PODS: usize = 5000;
const SECRETS: usize = 20;
const MINUTE: Duration = Duration::from_mins(1);
/// The injector's default timeout.
const TIMEOUT: Duration = Duration::from_mins(2);
/// How long a call to AWS takes.
const DISTANCE: Duration = Duration::from_millis(20);

/// Calls per second, per account and region. That of Secrets Manager is [`QUOTA`].
///
/// Sources: <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html> (of AssumeRole; none is published for
/// AssumeRoleWithWebIdentity) and <https://docs.aws.amazon.com/general/latest/gr/ssm.html>.
const STS: f64 = 600.0;
const PARAMETER_STORE: f64 = 40.0;
/// GetParameters with higher throughput turned on.
const HIGHER_THROUGHPUT: f64 = 1000.0;

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
    /// When they were done, from the start of the first one, in order.
    done: Vec<Duration>,
    failed: usize,
}

impl Start {
    /// The time in which the quota allows all calls, or in which the pods start, whichever is longer.
    fn least(self) -> Duration {
        let calls = Duration::from_secs_f64(number(self.pods * self.calls) / self.quota);
        calls.max(self.within)
    }

    /// Simulates it.
    fn run(self) -> anyhow::Result<Outcome> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()?;
        fastrand::seed(7);
        Ok(runtime.block_on(self.simulate()))
    }

    async fn simulate(self) -> Outcome {
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
        let (took, mut done): (Vec<_>, Vec<_>) = results.into_iter().flatten().unzip();
        done.sort_unstable();
        Outcome {
            failed: self.pods - done.len(),
            took: took.into_iter().collect(),
            done,
        }
    }

    /// The largest number of pods, up to this one's and to a twentieth, of which none fails.
    fn largest(self) -> anyhow::Result<usize> {
        let (mut holds, mut falls) = (0, self.pods + 1);
        while falls - holds > falls.div_ceil(20) {
            let pods = usize::midpoint(holds, falls);
            if (Self { pods, ..self }).run()?.failed == 0 {
                holds = pods;
            } else {
                falls = pods;
            }
        }
        Ok(holds)
    }
}

/// Simulates all; also returns the plot.
pub(crate) fn measure() -> anyhow::Result<(Section, String)> {
    let secrets = Start {
        pods: PODS,
        within: MINUTE,
        calls: SECRETS,
        quota: number(QUOTA),
    };
    let at_once = Start {
        within: Duration::ZERO,
        ..secrets
    };
    let parameters = Start {
        calls: SECRETS.div_ceil(10),
        quota: PARAMETER_STORE,
        ..secrets
    };
    let higher = Start {
        quota: HIGHER_THROUGHPUT,
        ..parameters
    };
    let run = |what: &str, start: Start| step(&format!("mass start: {what}"), || start.run());
    let within = run("secrets", secrets)?;
    let together = run("all at once", at_once)?;
    let throttled = run("parameters", parameters)?;
    let raised = run("higher throughput", higher)?;
    let largest = step("mass start: the largest", || parameters.largest())?;
    let rows = vec![
        row(
            &format!("{PODS} pods within a minute, {SECRETS} secrets each"),
            secrets,
            &within,
        ),
        row(
            &format!("{PODS} pods at the same moment, {SECRETS} secrets each"),
            at_once,
            &together,
        ),
        row(
            &format!("{PODS} pods within a minute, {SECRETS} parameters each, higher throughput"),
            higher,
            &raised,
        ),
        plain(
            &format!("{PODS} pods within a minute, {SECRETS} parameters each, default throughput"),
            parameters,
            &throttled,
        ),
        Row::plain(
            format!(
                "most pods within a minute of which none fails, {SECRETS} parameters each, default throughput"
            ),
            largest.to_string(),
            "found by bisection, to a twentieth".to_owned(),
        ),
    ];
    let section = Section {
        title: "Mass start",
        name: "mass-start",
        method: format!(
            "A node group comes back, and {PODS} pods start within a minute. This is a simulation: the pods use the injector's \
             own retry loop and its timeout of {} s, AWS answers after {} ms, and throttles what exceeds its published quotas: \
             {STS} calls per second to STS, {QUOTA} to Secrets Manager, and to Parameter Store {PARAMETER_STORE}, or \
             {HIGHER_THROUGHPUT} with higher throughput. All pods are in one account and region. A pod makes one call to STS, \
             one per secret, and one per ten parameters. A pod that fails is started again by the kubelet, so it starts later.\n\n\
             If your pods fail with `ThrottlingException`, turn on higher throughput in Parameter Store, or give the injector \
             more time with the chart's value `injector.env.FETCH_TIMEOUT`.\n\n\
             ![Pods with all their files over time](mass-start.svg)",
            TIMEOUT.as_secs(),
            DISTANCE.as_millis()
        ),
        highlights: vec![Highlight::new(
            format!("Failures when {PODS} pods start within a minute"),
            within.failed.to_string(),
            format!("simulated with AWS's quotas, {SECRETS} secrets each"),
        )],
        rows,
    };
    let plot = plot(&[
        ("#06c", secrets, &within),
        ("#093", at_once, &together),
        ("#c60", higher, &raised),
        ("#c00", parameters, &throttled),
    ]);
    Ok((section, plot))
}

/// A mass start that no pod may fail.
fn row(what: &str, start: Start, outcome: &Outcome) -> Row {
    let failed = outcome.failed;
    let details = details(start, outcome);
    Row::with_target(
        format!("{what}: failed"),
        failed.to_string(),
        "0",
        failed == 0,
        details,
    )
}

fn plain(what: &str, start: Start, outcome: &Outcome) -> Row {
    let details = details(start, outcome);
    Row::plain(
        format!("{what}: failed"),
        outcome.failed.to_string(),
        details,
    )
}

fn details(start: Start, outcome: &Outcome) -> String {
    format!(
        "a pod waits {} (median), {} (p99), {} (longest); the last one is done after {}; the quotas allow {}",
        shown(outcome.took.median()),
        shown(outcome.took.percentile(99)),
        shown(outcome.took.percentile(100)),
        shown(outcome.done.last().copied().unwrap_or_default()),
        shown(start.least())
    )
}

/// Pods that are done, over time; dashed, what the quotas allow.
fn plot(starts: &[(&'static str, Start, &Outcome)]) -> String {
    const SECONDS: f64 = 180.0;
    let all = number(PODS);
    let lines = starts.iter().flat_map(|(color, start, outcome)| {
        let done = outcome.done.iter().enumerate().step_by(PODS / 200);
        let done = done.map(|(index, at)| (at.as_secs_f64(), number(index)));
        let least = start.least().as_secs_f64();
        let line = |dashed, points| Line {
            color,
            dashed,
            points,
        };
        let (end, share) = (least.min(SECONDS), SECONDS / least);
        [
            line(true, vec![(0.0, 0.0), (end, all * share.min(1.0))]),
            line(false, done.collect()),
        ]
    });
    svg(
        (SECONDS, all * 1.1),
        &[0.0, all],
        "pods done over 3 min; blue: secrets, green: at once, orange: parameters, red: default throughput; dashed: quotas",
        &lines.collect::<Vec<_>>(),
    )
}
