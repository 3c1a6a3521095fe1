//! The number of AWS calls when a pod starts.

use aws_stand_in::Distance;

use crate::report::{Highlight, Row, Section};
use crate::stage::{Stage, timed};

/// Secrets, parameters, and the expected calls to STS, Secrets Manager and Parameter Store.
const CASES: [(usize, usize, [usize; 3]); 3] = [
    (1, 0, [1, 1, 0]),
    (20, 25, [1, 20, 3]),
    (100, 100, [1, 100, 10]),
];

/// Counts the calls of each case.
pub(crate) fn measure() -> anyhow::Result<Section> {
    let stage = e2e::progress::step(
        "calls: building the injector and starting the AWS stand-in",
        || Stage::start(Distance::default(), 100, 100),
    )?;
    let mut rows = Vec::new();
    let mut highlights = Vec::new();
    for (secrets, parameters, expected) in CASES {
        stage.aws.forget();
        timed(&mut stage.fetch(secrets, parameters)?)?;
        let calls = stage.aws.calls();
        let count = |operation| {
            let of = calls.iter().filter(|call| call.operation == operation);
            of.count()
        };
        let counted = [
            "AssumeRoleWithWebIdentity",
            "GetSecretValue",
            "GetParameters",
        ]
        .map(count);
        let met = counted == expected && calls.len() == expected.iter().sum::<usize>();
        rows.push(Row::with_target(
            format!("secrets: {secrets}, parameters: {parameters}"),
            format!("{} + {} + {}", counted[0], counted[1], counted[2]),
            &format!("{} + {} + {}", expected[0], expected[1], expected[2]),
            met,
            format!("{} calls in total", calls.len()),
        ));
        if secrets == 20 {
            highlights.push(Highlight::new(
                format!("AWS calls for {secrets} secrets and {parameters} parameters"),
                calls.len().to_string(),
                "one for the role, one per secret, one per ten parameters",
            ));
        }
    }
    Ok(Section {
        title: "Calls to AWS",
        name: "calls",
        method: "Calls that the AWS stand-in recorded for one fetch: AssumeRoleWithWebIdentity + GetSecretValue + \
                 GetParameters."
            .to_owned(),
        highlights,
        rows,
    })
}
