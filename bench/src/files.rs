//! Fetch time: from the start of the process to its end, with AWS 20 ms away.

use std::process::Command;
use std::time::Duration;

use aws_stand_in::Distance;

use crate::report::{Highlight, Row, Section};
use crate::stage::{Stage, timed};
use crate::statistics::{Sample, ratio, shown};

/// Network delay of each handshake and each call.
const AWAY: Duration = Duration::from_millis(20);
/// The distance of AWS in these measurements.
pub(crate) const DISTANCE: Distance = Distance {
    handshake: AWAY,
    call: AWAY,
};

/// Number of secrets, parallel rounds, serial rounds, and the target as a multiple of the network minimum.
const CASES: [(usize, usize, usize, Option<f64>); 3] = [
    (1, 20, 10, None),
    (20, 20, 10, Some(1.3)),
    (100, 20, 5, Some(1.3)),
];

/// Measures the fetch time of each case.
pub(crate) fn measure() -> anyhow::Result<Section> {
    let stage = e2e::progress::step(
        "files: building the injector and starting the AWS stand-in",
        || Stage::start(DISTANCE, 100, 0),
    )?;
    // A handshake and a call with STS, then a handshake and a call with Secrets Manager. None of these can be skipped, and
    // everything else can run at the same time.
    let minimum = 4 * AWAY;
    let mut rows = Vec::new();
    let mut highlights = Vec::new();
    for (secrets, rounds, serial_rounds, target) in CASES {
        let Times {
            fetched,
            floor,
            serial,
        } = e2e::progress::step(&format!("files: {secrets} secrets"), || {
            run(&stage, secrets, rounds, serial_rounds)
        })?;
        let figures = format!(
            "median {}, p90 {}; minimum {}",
            shown(fetched.median()),
            shown(fetched.percentile(90)),
            shown(minimum)
        );
        let over = ratio(fetched.median(), minimum);
        let count = counted(secrets);
        let what = format!("{count}, vs. the network minimum");
        rows.push(match target {
            Some(most) => Row::ratio(what, over, most, figures),
            None => Row::plain(what, format!("{over:.2} ×"), figures),
        });
        rows.push(Row::plain(
            format!("{count}, vs. the same calls without the SDK"),
            format!("{:.2} ×", ratio(fetched.median(), floor.median())),
            format!(
                "median {}, {:.2} × the network minimum",
                shown(floor.median()),
                ratio(floor.median(), minimum)
            ),
        ));
        rows.push(Row::plain(
            format!("{count}, vs. a serial fetch"),
            format!("{:.2} ×", ratio(fetched.median(), serial.median())),
            format!("serial median {}", shown(serial.median())),
        ));
        if secrets > 1 {
            highlights.push(Highlight::new(
                format!("Fetch {count}"),
                shown(fetched.median()),
                format!(
                    "AWS is {} away; fetching one secret after the other takes {}",
                    shown(AWAY),
                    shown(serial.median())
                ),
            ));
        }
    }
    Ok(Section {
        title: "Fetch time",
        name: "files",
        method: format!(
            "Time of `aws-secrets-injector fetch` from process start to exit, with all files written. The AWS stand-in uses \
             TLS 1.3 and delays each handshake and each response by {}. The network minimum is the delay of a handshake and a \
             call to STS, then of a handshake and a call to Secrets Manager. The same calls without the SDK are made by a \
             program with as many connections and the same TLS library, which signs, parses and writes nothing. It shows what \
             the two CPUs need for the handshakes, those of the stand-in included. The serial fetch is a program with the \
             same SDK that fetches one secret after another. Runs of the programs alternate.",
            shown(AWAY)
        ),
        highlights,
        rows,
    })
}

fn counted(secrets: usize) -> String {
    if secrets == 1 {
        "1 secret".to_owned()
    } else {
        format!("{secrets} secrets")
    }
}

/// Fetch times of the injector, the floor and the serial fetch.
struct Times {
    fetched: Sample,
    floor: Sample,
    serial: Sample,
}

fn run(
    stage: &Stage,
    secrets: usize,
    rounds: usize,
    serial_rounds: usize,
) -> anyhow::Result<Times> {
    let mut fetch = stage.fetch(secrets, 0)?;
    let mut floor = stage.floor(secrets)?;
    let mut serial = Command::new(std::env::current_exe()?);
    stage
        .environment(&mut serial)
        .args(["serial", "--secrets", &secrets.to_string(), "--mount-path"])
        .arg(stage.folder().join("serial"));
    // The first run of each is not counted: it fills the caches of the stand-in and of the kernel.
    timed(&mut fetch)?;
    timed(&mut floor)?;
    timed(&mut serial)?;
    let (mut fetched, mut bare, mut one_by_one) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..rounds {
        fetched.push(timed(&mut fetch)?);
        bare.push(timed(&mut floor)?);
        if round < serial_rounds {
            one_by_one.push(timed(&mut serial)?);
        }
    }
    Ok(Times {
        fetched: fetched.into_iter().collect(),
        floor: bare.into_iter().collect(),
        serial: one_by_one.into_iter().collect(),
    })
}
