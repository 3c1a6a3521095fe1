//! What an answer costs, however long it is.

use std::process::Stdio;

use aws_stand_in::{Kind, When};
use rustix::process::{Pid, Signal, kill_process};

use crate::support::{ENTRY, POD_IDENTITY, Stage, class};

/// Runs a fetch; its output, and the most memory that it had, in KiB.
async fn measured(stage: &Stage, parameters: &[(&str, &str)], objects: &str) -> (String, u64) {
    std::fs::write(stage.path("class.yaml"), class("db", parameters, objects)).unwrap();
    let mut command = stage.command();
    command
        .envs(stage.agent_variables())
        .args(["fetch", "--timeout", "60s", "--class-file"])
        .arg(stage.path("class.yaml"))
        .arg("--mount-path")
        .arg(stage.mount())
        .stderr(Stdio::piped());
    let process = command.spawn().unwrap();
    let id = process.id();
    let ended = tokio::task::spawn_blocking(move || process.wait_with_output().unwrap());
    let mut most = 0;
    while !ended.is_finished() {
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let peak = peak.and_then(|peak| peak.trim().trim_end_matches(" kB").parse().ok());
        most = most.max(peak.unwrap_or_default());
        if most > 256 * 1024 {
            // It must not take the machine's memory, too.
            let id = Pid::from_raw(i32::try_from(id).unwrap()).unwrap();
            kill_process(id, Signal::KILL).unwrap();
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    }
    let output = ended.await.unwrap();
    assert_eq!(output.status.code(), Some(1), "{most} KiB");
    (String::from_utf8_lossy(&output.stderr).into_owned(), most)
}

#[tokio::test]
async fn an_answer_without_end_ends_with_an_error_and_takes_little_memory() {
    let stage = Stage::start().await;
    let parameter = "- {objectName: /a, objectType: ssmparameter}";
    for (operation, parameters, objects) in [
        ("GetSecretValue", &[][..], ENTRY),
        ("GetParameters", &[], parameter),
        ("AssumeRoleWithWebIdentity", &[], ENTRY),
        ("PodIdentityCredentials", &POD_IDENTITY, ENTRY),
    ] {
        for told in [false, true] {
            stage.fail(operation, Kind::Endless { told });
            let (stderr, most) = measured(&stage, parameters, objects).await;
            let words =
                "the response cannot be parsed: it is longer than any response of this service";
            assert!(stderr.contains(words), "{operation}: {stderr}");
            // The default limit of an injected container.
            assert!(most < 64 * 1024, "{operation}: {most} KiB");
            stage.aws.heal();
        }
    }
}

#[tokio::test]
async fn the_largest_secret_that_there_is_is_read() {
    let stage = Stage::start().await;
    // JSON makes six bytes of each of these.
    let value = "\u{1}".repeat(64 * 1024);
    stage.seed().secret("a", &value).await.unwrap();
    stage.fetch(&[], ENTRY).await.assert_files(&[("a", &value)]);
}

#[tokio::test]
async fn one_parameter_that_is_too_long_spoils_no_other() {
    let stage = Stage::start().await;
    stage.seed().parameter("/a", "here").await.unwrap();
    stage.fail_when(When::object("/long"), Kind::Endless { told: false });
    let objects = "- {objectName: /a, objectType: ssmparameter}\n- {objectName: /long, objectType: ssmparameter}";
    let outcome = stage.fetch(&[], objects).await;
    outcome.assert_error(&["objects[1] \"/long\"", "longer than any response"]);
    assert!(!outcome.stderr.contains("objects[0]"), "{}", outcome.stderr);
}

#[tokio::test]
async fn what_a_service_says_is_one_short_line_without_control_characters() {
    let stage = Stage::start().await;
    let message = format!(
        "no\rERROR forged\u{1b}[2J\u{202e}{}\nERROR of the next line",
        "and more ".repeat(40_000)
    );
    for (operation, code) in [
        ("GetSecretValue", "Odd\u{1b}Exception"),
        ("PodIdentityCredentials", ""),
    ] {
        stage.fail(operation, Kind::error(400, code, &message));
    }
    for parameters in [&[][..], &POD_IDENTITY] {
        let (stderr, _) = measured(&stage, parameters, ENTRY).await;
        assert!(
            stderr.contains(r"no\rERROR forged\u{1b}[2J\u{202e}and more"),
            "{stderr}"
        );
        assert!(stderr.chars().count() < 1500, "{stderr}");
        assert_eq!(stderr.lines().count(), 1, "{stderr}");
        let is_plain = |c: char| c == '\n' || c == '…' || (' '..='~').contains(&c);
        assert!(stderr.chars().all(is_plain), "{stderr:?}");
    }
}
