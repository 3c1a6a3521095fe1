//! The resource use of the injector: startup, CPU, memory and size.

use std::io::Read as _;
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use aws_stand_in::Distance;
use e2e::images::{self, Profile};
use e2e::progress::step;

use crate::measured::Usage;
use crate::report::{Highlight, Row, Section};
use crate::stage::Stage;
use crate::statistics::{Sample, ratio, shown};

const ROUNDS: usize = 30;
const SECRETS: usize = 20;

/// Measures startup, CPU time, memory and size.
pub(crate) fn measure() -> anyhow::Result<Section> {
    let stage = Stage::start(Distance::default(), SECRETS, 0)?;
    let (injector, plainest) = step("cost: first byte", || first_bytes(&stage))?;
    let usages = step("cost: CPU and memory", || usages(&stage))?;
    let cpu = |usage: fn(&Pair) -> &Usage| -> Sample {
        usages.iter().map(|pair| usage(pair).cpu).collect()
    };
    let (cpu, floor) = (cpu(|pair| &pair.injector), cpu(|pair| &pair.floor));
    let peak = usages.iter().map(|pair| pair.injector.peak_rss_kib).max();
    let peak = peak.unwrap_or_default();
    let binary = std::fs::metadata(&stage.injector)?.len();
    let image = step("cost: image", || image_size(&stage))?;
    let rows = vec![
        Row::with_target(
            "process start to first byte".to_owned(),
            shown(injector.median()),
            "< 10 ms",
            injector.median() < Duration::from_millis(10),
            format!(
                "p90 {}; {:.1} × the {} of a minimal program",
                shown(injector.percentile(90)),
                ratio(injector.median(), plainest.median()),
                shown(plainest.median())
            ),
        ),
        Row::with_target(
            format!("CPU time, {SECRETS} secrets"),
            shown(cpu.median()),
            "≤ 10 ms",
            cpu.median() <= Duration::from_millis(10),
            format!(
                "{:.1} × the {} of the same calls without the SDK",
                ratio(cpu.median(), floor.median()),
                shown(floor.median())
            ),
        ),
        Row::with_target(
            format!("peak resident memory, {SECRETS} secrets"),
            mebibytes(peak * 1024),
            "< 16 MiB",
            peak < 16 * 1024,
            format!("maximum of {ROUNDS} runs; includes pages of the binary"),
        ),
        Row::plain("static binary".to_owned(), megabytes(binary), String::new()),
        Row::with_target(
            "uncompressed image".to_owned(),
            megabytes(image),
            "< 8 MB",
            image < 8_000_000,
            "the binary and CA certificates".to_owned(),
        ),
    ];
    Ok(Section {
        title: "Injector resources",
        name: "cost",
        method: format!(
            "{ROUNDS} runs of the static release build. The first byte is the first byte of the TLS handshake that reaches STS; \
             the minimal program only connects and writes a byte. CPU time and memory are the kernel's figures for a whole \
             fetch of {SECRETS} secrets over TLS."
        ),
        highlights: vec![
            Highlight::new(
                "Memory of the injector",
                mebibytes(peak * 1024),
                format!("peak while it fetches {SECRETS} secrets"),
            ),
            Highlight::new(
                "Size of the injector image",
                megabytes(image),
                "uncompressed; every node with injected pods pulls it",
            ),
        ],
        rows,
    })
}

/// Times to the first byte, of the injector and of a minimal program.
fn first_bytes(stage: &Stage) -> anyhow::Result<(Sample, Sample)> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let arguments = stage.fetch_arguments(SECRETS, 0)?;
    let (mut injector, mut plainest) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let mut command = Command::new(&stage.injector);
        stage
            .environment(&mut command)
            .env("AWS_ENDPOINT_URL_STS", format!("https://{address}"))
            .args(&arguments);
        injector.push(first_byte(&listener, &mut command)?);
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["connect", &address.to_string()]);
        plainest.push(first_byte(&listener, &mut command)?);
    }
    Ok((
        injector.into_iter().collect(),
        plainest.into_iter().collect(),
    ))
}

fn first_byte(listener: &TcpListener, command: &mut Command) -> anyhow::Result<Duration> {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let started = Instant::now();
    let mut child = command.spawn().context("could not start a program")?;
    let (mut stream, _) = listener.accept()?;
    stream.read_exact(&mut [0])?;
    let elapsed = started.elapsed();
    child.kill()?;
    child.wait()?;
    Ok(elapsed)
}

/// Sends one byte to an address.
pub(crate) fn connect(address: std::net::SocketAddr) -> anyhow::Result<()> {
    use std::io::Write as _;
    std::net::TcpStream::connect(address)?.write_all(b"x")?;
    // The parent process kills it, like the injector.
    std::thread::park();
    Ok(())
}

/// What a run of the injector and one of the floor took.
struct Pair {
    injector: Usage,
    floor: Usage,
}

fn usages(stage: &Stage) -> anyhow::Result<Vec<Pair>> {
    let (injector, floor) = (stage.fetch(SECRETS, 0)?, stage.floor(SECRETS)?);
    let pair = |_| {
        Ok(Pair {
            injector: usage(stage, &injector)?,
            floor: usage(stage, &floor)?,
        })
    };
    (0..ROUNDS).map(pair).collect()
}

fn usage(stage: &Stage, program: &Command) -> anyhow::Result<Usage> {
    let mut command = Command::new(std::env::current_exe()?);
    let output = stage
        .environment(&mut command)
        .arg("measured")
        .arg(program.get_program())
        .args(program.get_args())
        .output()?;
    ensure!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// Size of the archive with the only layer of the image.
fn image_size(stage: &Stage) -> anyhow::Result<u64> {
    let binaries = images::build_binaries(Profile::Release)?;
    ensure!(
        stage.injector == binaries.injector,
        "the image was built from another binary"
    );
    let archives = images::build_images(&binaries)?;
    let archive = archives.iter().find(|(tag, _)| *tag == images::INJECTOR);
    let (_, archive) = archive.context("the injector image was not built")?;
    Ok(std::fs::metadata(archive)?.len())
}

pub(crate) fn mebibytes(bytes: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "a size to read")]
    let mebibytes = bytes as f64 / f64::from(1 << 20);
    format!("{mebibytes:.1} MiB")
}

fn megabytes(bytes: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "a size to read")]
    let megabytes = bytes as f64 / 1e6;
    format!("{megabytes:.1} MB")
}
