//! How often AWS is asked for a pod's start.

use aws_stand_in::Distance;

use crate::report::{Row, Section};
use crate::stage::{Stage, timed};

/// Secrets, parameters, and the calls that they need: STS, Secrets Manager, Parameter Store.
const CASES: [(usize, usize, [usize; 3]); 3] = [
    (1, 0, [1, 1, 0]),
    (20, 25, [1, 20, 3]),
    (100, 100, [1, 100, 10]),
];

/// Counts them.
pub(crate) fn measure() -> anyhow::Result<Section> {
    let stage = e2e::progress::step("calls: starting AWS", || {
        Stage::start(Distance::default(), 100, 100)
    })?;
    let mut rows = Vec::new();
    for (secrets, parameters, wanted) in CASES {
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
        let met = counted == wanted && calls.len() == wanted.iter().sum::<usize>();
        rows.push(Row::held(
            format!("{secrets} secrets, {parameters} parameters"),
            format!("{} + {} + {}", counted[0], counted[1], counted[2]),
            &format!("{} + {} + {}", wanted[0], wanted[1], wanted[2]),
            met,
            format!("{} calls in all", calls.len()),
        ));
    }
    Ok(Section {
        title: "Calls to AWS",
        name: "calls",
        method: "What the stand-in's record has after one fetch: AssumeRoleWithWebIdentity + GetSecretValue + \
                 GetParameters. One exchange of the token, one call a secret, one for ten parameters."
            .to_owned(),
        rows,
    })
}
