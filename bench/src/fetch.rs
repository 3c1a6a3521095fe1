//! A fetch: how long it takes from the start of the process to its end, and what it costs, with AWS 20 ms away.

use e2e::images::{self, Profile};
use e2e::progress::step;

use crate::figures::{Figures, Sample, mebibytes};
use crate::process::Usage;
use crate::stage::Stage;

const ROUNDS: usize = 20;
/// Numbers of secrets.
const CASES: [usize; 3] = [1, 20, 100];
/// The case of which the costs are shown.
const COSTS: usize = 20;

/// Measures the injector, its floor and its peer in turns.
pub(crate) fn measure(figures: &mut Figures) -> anyhow::Result<()> {
    let binaries = step("fetch: building the injector", || {
        images::build_binaries(Profile::Release)
    })?;
    let stage = step("fetch: starting AWS", || Stage::start(CASES[2]))?;
    let this = std::env::current_exe()?;
    for secrets in CASES {
        let class = stage.class_file(secrets)?.display().to_string();
        let fetch = ["fetch", "--mount-path", "mount", "--class-file", &class];
        let count = secrets.to_string();
        let programs = [
            ("injector", binaries.injector.as_path(), &fetch[..]),
            ("floor", &this, &["floor", &count]),
            ("serial", &this, &["serial", &count]),
        ];
        let mut usages: [Vec<Usage>; 3] = Default::default();
        step(&format!("fetch: {secrets} secrets"), || {
            for round in 0..=ROUNDS {
                for ((_, program, arguments), usages) in programs.iter().zip(&mut usages) {
                    let usage = stage.run(program, arguments)?;
                    // The first run fills the caches of the stand-in and of the kernel.
                    usages.extend((round > 0).then_some(usage));
                }
            }
            Ok(())
        })?;
        for ((name, ..), usages) in programs.iter().zip(&usages) {
            let sample = |figure: fn(&Usage) -> _| usages.iter().map(figure).collect::<Sample>();
            let wall = sample(|usage| usage.wall).median();
            figures.add(format!("fetch, {secrets}, {name}"), wall);
            if secrets == COSTS && *name != "serial" {
                let cpu = sample(|usage| usage.cpu).median();
                figures.add(format!("cpu, {name}"), cpu);
            }
        }
        if secrets == COSTS {
            let peak = usages[0].iter().map(|usage| usage.peak).max();
            figures.add("peak", mebibytes(peak.unwrap_or_default()));
        }
    }
    Ok(())
}
