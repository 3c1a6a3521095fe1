//! Time to files: from the start of the process to its end, with AWS 20 ms away.

use std::process::Command;
use std::time::Duration;

use aws_stand_in::Distance;

use crate::report::{Row, Section};
use crate::stage::{Stage, timed};
use crate::statistics::{Sample, ratio, shown};

/// What each handshake and each call takes on the way.
const AWAY: Duration = Duration::from_millis(20);
/// AWS as it is measured here.
pub(crate) const DISTANCE: Distance = Distance {
    handshake: AWAY,
    call: AWAY,
};

/// How many secrets, how often each is fetched, and how often one after the other, and how many times the floor it may take.
const CASES: [(usize, usize, usize, Option<f64>); 3] = [
    (1, 20, 10, None),
    (20, 20, 10, Some(1.3)),
    (100, 20, 5, Some(1.6)),
];

/// Measures it.
pub(crate) fn measure() -> anyhow::Result<Section> {
    let stage = e2e::progress::step("files: starting AWS far away", || {
        Stage::start(DISTANCE, 100, 0)
    })?;
    // Handshake with STS, its call, handshake with Secrets Manager, one call: nothing can be left out, and all else can
    // be done meanwhile.
    let floor = 4 * AWAY;
    let mut rows = Vec::new();
    for (secrets, rounds, serial_rounds, target) in CASES {
        let (fetched, serial) = e2e::progress::step(&format!("files: {secrets} secrets"), || {
            run(&stage, secrets, rounds, serial_rounds)
        })?;
        let figures = format!(
            "median {}, p90 {}; floor {}",
            shown(fetched.median()),
            shown(fetched.percentile(90)),
            shown(floor)
        );
        let over = ratio(fetched.median(), floor);
        let what = format!("{secrets} secrets, against the floor");
        rows.push(match target {
            Some(most) => Row::ratio(what, over, most, figures),
            None => Row::plain(what, format!("{over:.2} ×"), figures),
        });
        rows.push(Row::plain(
            format!("{secrets} secrets, against one after the other"),
            format!("{:.2} ×", ratio(fetched.median(), serial.median())),
            format!("serial median {}", shown(serial.median())),
        ));
    }
    Ok(Section {
        title: "Time to files",
        name: "files",
        method: format!(
            "`aws-secrets-injector fetch`, from the start of the process to its end, with everything written. AWS is the \
             recording stand-in over TLS 1.3, {} away: so long it waits before its part of each handshake and before each \
             answer. The floor is a handshake and a call to STS, then a handshake and a call to Secrets Manager, with \
             programs that take no time. The serial fetch is a program with the same SDK that asks for one secret after \
             the other; both take turns.",
            shown(AWAY)
        ),
        rows,
    })
}

fn run(
    stage: &Stage,
    secrets: usize,
    rounds: usize,
    serial_rounds: usize,
) -> anyhow::Result<(Sample, Sample)> {
    let mut fetch = stage.fetch(secrets, 0)?;
    let mut serial = Command::new(std::env::current_exe()?);
    stage
        .environment(&mut serial)
        .args(["serial", "--secrets", &secrets.to_string(), "--mount-path"])
        .arg(stage.folder().join("serial"));
    // The first of each is not counted: from then on the answers are kept, and the programs in memory.
    timed(&mut fetch)?;
    timed(&mut serial)?;
    let (mut fetched, mut one_by_one) = (Vec::new(), Vec::new());
    for round in 0..rounds {
        fetched.push(timed(&mut fetch)?);
        if round < serial_rounds {
            one_by_one.push(timed(&mut serial)?);
        }
    }
    Ok((
        fetched.into_iter().collect(),
        one_by_one.into_iter().collect(),
    ))
}
