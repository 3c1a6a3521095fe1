//! The scripts in `release/`, which the release workflow runs: every step that needs no network but this machine's. Also the
//! version, which is in many files, and the files that are rendered from the chart.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
#![allow(missing_docs, reason = "a test program has no interface")]

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use e2e::command::run;
use e2e::registry::Registry;
use e2e::{chart_readme, helm, project};

const VERSION: &str = env!("CARGO_PKG_VERSION");
/// A version that no file contains.
const NEXT: &str = "7.8.9-rc.1";

/// An empty folder.
fn folder(name: &str) -> PathBuf {
    let folder = project::target().join("release").join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// Runs a script of a copy of the project. Returns what it prints, or its error.
fn script_in(root: &Path, name: &str, arguments: &[&str]) -> Result<String, String> {
    let mut script = Command::new(root.join("release").join(name));
    script
        .current_dir(root)
        .env("HELM", helm::program().unwrap())
        .args(arguments);
    run(&mut script).map_err(|error| format!("{error:#}"))
}

fn script(name: &str, arguments: &[&str]) -> Result<String, String> {
    script_in(&project::root(), name, arguments)
}

fn digest(digit: &str) -> String {
    format!("sha256:{}", digit.repeat(64))
}

/// The pages that name versions, from a root.
fn pages(root: &Path) -> Vec<PathBuf> {
    let mut pages = vec![root.join("README.md")];
    for entry in fs::read_dir(root.join("docs")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|end| end == "md") {
            pages.push(path);
        }
    }
    pages
}

/// Places in a copy of the project that name another version than this one.
fn other_versions(root: &Path, version: &str) -> BTreeSet<String> {
    let mut expected = vec![("Cargo.toml", format!("\nversion = \"{version}\"\n"))];
    for file in ["Dockerfile.webhook", "Dockerfile.injector"] {
        expected.push((file, format!("image.version=\"{version}\"")));
    }
    for start in ["\nversion: ", "\nappVersion: ", "/webhook:", "/injector:"] {
        expected.push(("manifests/chart/Chart.yaml", format!("{start}{version}\n")));
    }
    for (lock, package) in [
        ("Cargo.lock", "aws-secrets-injector"),
        ("Cargo.lock", "aws-secrets-webhook"),
        ("Cargo.lock", "provider-class"),
        ("Cargo.lock", "certs"),
        ("Cargo.lock", "api-server"),
        ("Cargo.lock", "aws-stand-in"),
        ("Cargo.lock", "bench"),
        ("Cargo.lock", "e2e"),
        ("tests/fuzz/Cargo.lock", "aws-secrets-webhook"),
        ("tests/fuzz/Cargo.lock", "provider-class"),
        ("tests/fuzz/Cargo.lock", "certs"),
    ] {
        let entry = format!("name = \"{package}\"\nversion = \"{version}\"\n");
        expected.push((lock, entry));
    }
    let mut others = BTreeSet::new();
    for (file, text) in expected {
        if !fs::read_to_string(root.join(file)).unwrap().contains(&text) {
            others.insert(format!("{file}: no {text:?}"));
        }
    }
    for page in pages(root) {
        for line in fs::read_to_string(&page).unwrap().lines() {
            for start in starts(line) {
                if !line[start..].starts_with(version) {
                    others.insert(format!("{}: {line}", page.display()));
                }
            }
        }
    }
    others
}

/// Where a line of a page names a version of this project.
fn starts(line: &str) -> Vec<usize> {
    let mut before = vec![
        "$image:",
        "/webhook:",
        "/injector:",
        "charts/aws-secrets-injector:",
        "releases/download/v",
        "refs/tags/v",
    ];
    if line.contains("charts/aws-secrets-injector") {
        before.push("--version ");
    }
    let mut starts = Vec::new();
    for text in before {
        starts.extend(line.match_indices(text).map(|(at, _)| at + text.len()));
    }
    starts
}

#[test]
fn there_is_one_version() {
    assert_eq!(other_versions(&project::root(), VERSION), BTreeSet::new());
    assert_eq!(script("version", &[]).unwrap().trim(), VERSION);
}

#[test]
fn the_files_are_what_the_chart_renders() {
    for (path, text) in helm::rendered().unwrap() {
        let file = fs::read_to_string(&path).unwrap_or_default();
        let path = path.display();
        assert!(file == text, "{path} is outdated: run make manifests");
    }
}

/// A copy of the files that name versions, with the scripts.
fn copy(name: &str) -> PathBuf {
    let copy = folder(name);
    let root = project::root();
    let mut cp = Command::new("cp");
    let files = [
        "Cargo.toml",
        "Cargo.lock",
        "CHANGELOG.md",
        "README.md",
        "Dockerfile.webhook",
        "Dockerfile.injector",
        "docs",
        "manifests",
        "release",
        "tests/fuzz/Cargo.lock",
    ];
    cp.current_dir(&root).args(["-r", "--parents"]);
    run(cp.args(files).arg(&copy)).unwrap();
    copy
}

/// A program of the copy's `bin`, a shell script.
fn write_program(copy: &Path, name: &str, text: &str) {
    let program = copy.join("bin").join(name);
    fs::create_dir_all(copy.join("bin")).unwrap();
    fs::write(&program, format!("#!/bin/sh\n{text}\n")).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
}

/// A script that finds the programs of the copy's `bin`.
fn with_programs(copy: &Path, script: &str) -> Command {
    let path = std::env::var("PATH").unwrap();
    let mut script = Command::new(copy.join("release").join(script));
    script.env("PATH", format!("{}:{path}", copy.join("bin").display()));
    script
}

fn set_version(copy: &Path, version: &str) -> anyhow::Result<String> {
    run(with_programs(copy, "set-version").arg(version))
}

#[test]
fn set_version_sets_it_everywhere() {
    let copy = copy("set-version");
    // The copy cannot be built, so nothing is rendered.
    write_program(&copy, "make", "echo \"$@\" >made");
    let mut changelog = fs::read_to_string(copy.join("CHANGELOG.md")).unwrap();
    changelog = changelog.replace(
        "## Unreleased\n",
        "## Unreleased\n\nText of the next version.\n",
    );
    fs::write(copy.join("CHANGELOG.md"), changelog).unwrap();

    for bad in ["v1.0.0", "1.0", "1.0.0 ", "latest"] {
        let error = set_version(&copy, bad).unwrap_err().to_string();
        assert!(error.contains("is not valid"), "{bad}: {error}");
    }
    set_version(&copy, NEXT).unwrap();
    assert_eq!(other_versions(&copy, NEXT), BTreeSet::new());
    let made = fs::read_to_string(copy.join("made")).unwrap();
    assert!(made.contains("manifests"), "{made}");
    for page in pages(&copy) {
        let text = fs::read_to_string(&page).unwrap();
        assert!(!text.contains("not published"), "{}", page.display());
    }

    // The next version has the entries so far, and "Unreleased" is empty.
    let tag = format!("v{NEXT}");
    assert_eq!(script_in(&copy, "version", &[&tag]).unwrap().trim(), NEXT);
    let notes = script_in(&copy, "notes", &[NEXT]).unwrap();
    assert!(notes.starts_with("Text of the next version."), "{notes}");
    assert!(script_in(&copy, "notes", &["Unreleased"]).is_err());
    // The release has the entries of its pre-release.
    set_version(&copy, "7.8.9").unwrap();
    assert_eq!(other_versions(&copy, "7.8.9"), BTreeSet::new());
    let notes = script_in(&copy, "notes", &["7.8.9"]).unwrap();
    assert!(notes.starts_with("Text of the next version."), "{notes}");
    assert!(script_in(&copy, "notes", &[NEXT]).is_err());
    // Other crates keep their versions.
    let lock = fs::read_to_string(copy.join("Cargo.lock")).unwrap();
    assert_eq!(lock.matches("\"7.8.9\"").count(), 8);
}

#[test]
fn a_tag_of_another_version_or_without_notes_is_refused() {
    let error = script("version", &["v0.0.1"]).unwrap_err();
    assert!(error.contains("run release/set-version 0.0.1"), "{error}");
    let error = script("notes", &["0.0.1"]).unwrap_err();
    assert!(error.contains("no entries for version 0.0.1"), "{error}");
}

#[test]
fn notes_are_one_section_whose_links_work_outside_the_repository() {
    let copy = copy("notes");
    let text = "# Changelog\n\n## Unreleased\n\n## 1.1.0 - 2026-02-03\n\n### Added\n\n- [Docs](docs/images.md#build).\n\n## 1.0.0 - 2026-01-02\n\n- Old.\n";
    fs::write(copy.join("CHANGELOG.md"), text).unwrap();
    let notes = script_in(&copy, "notes", &["1.1.0"]).unwrap();
    assert_eq!(
        notes.trim_end(),
        "### Added\n\n- [Docs](https://github.com/aws-secrets-injector/aws-secrets-injector/blob/v1.1.0/docs/images.md#build)."
    );
}

/// A manifest without the comments at its start.
fn without_head(manifest: &Path) -> String {
    let text = fs::read_to_string(manifest).unwrap();
    let mut rest = text.as_str();
    while rest.starts_with('#') {
        rest = rest.split_once('\n').unwrap().1;
    }
    rest.to_owned()
}

#[test]
fn the_released_chart_comes_from_a_registry_with_the_images_digests() {
    let folder = folder("chart");
    let out = folder.display().to_string();
    let [webhook, injector] = [digest("a"), digest("b")];
    script("chart", &[&webhook, &injector, &out]).unwrap();

    // install.yaml differs from the repository's only in the images.
    for name in ["install.yaml", "crd.yaml"] {
        let released = without_head(&folder.join(name));
        let ours = without_head(&project::root().join("manifests").join(name));
        let ours = ours
            .replace(
                &format!("/webhook:{VERSION}"),
                &format!("/webhook@{webhook}"),
            )
            .replace(
                &format!("/injector:{VERSION}"),
                &format!("/injector@{injector}"),
            );
        assert!(released == ours, "{name}");
    }

    let registry = Registry::start().unwrap();
    let charts = format!("oci://{}/charts", registry.address);
    let package = folder.join(format!("aws-secrets-injector-{VERSION}.tgz"));
    let package = package.display().to_string();
    let pushed = script("push-chart", &[&package, &charts, "--plain-http"]).unwrap();
    let pushed = pushed.trim();
    assert_eq!(pushed.len(), digest("a").len(), "{pushed}");
    let chart = format!("{charts}/aws-secrets-injector@{pushed}");
    let template = [
        "template",
        "release",
        &chart,
        "--kube-version",
        "1.30.0",
        "--plain-http",
    ];
    let rendered = helm::helm(None, &template).unwrap();
    for image in [
        format!("image: \"ghcr.io/aws-secrets-injector/webhook@{webhook}\""),
        format!("value: \"ghcr.io/aws-secrets-injector/injector@{injector}\""),
    ] {
        assert!(rendered.contains(&image), "{image}");
    }
    let described = helm::helm(None, &["show", "chart", &chart, "--plain-http"]).unwrap();
    assert!(
        described.contains(&format!("/injector@{injector}")),
        "{described}"
    );
    assert!(
        !described.contains(&format!("/injector:{VERSION}")),
        "{described}"
    );
}

#[test]
fn a_chart_is_not_made_without_digests() {
    let folder = folder("no-chart");
    let out = folder.display().to_string();
    for bad in ["", "latest", "sha256:0123", "sha512:00"] {
        let error = script("chart", &[bad, &digest("b"), &out]).unwrap_err();
        assert!(error.contains("is not an image digest"), "{bad}: {error}");
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 0, "{bad}");
    }
    let nobody = "oci://127.0.0.1:1/charts";
    assert!(script("push-chart", &["Cargo.toml", nobody]).is_err());
}

#[test]
fn checksums_are_those_of_all_files() {
    let folder = folder("checksums");
    for (name, text) in [("one", "1"), ("two", "2"), ("checksums.txt", "old")] {
        fs::write(folder.join(name), text).unwrap();
    }
    script("checksums", &[&folder.display().to_string()]).unwrap();
    let sums = fs::read_to_string(folder.join("checksums.txt")).unwrap();
    let names: Vec<&str> = sums.lines().map(|line| &line[66..]).collect();
    assert_eq!(names, ["one", "two"]);
    let mut check = Command::new("sha256sum");
    check
        .current_dir(&folder)
        .args(["--check", "--strict", "checksums.txt"]);
    run(&mut check).unwrap();
}

/// A copy of the project with programs that note how they are called; one of them may fail.
fn verify(name: &str, failing: &str) -> (Result<String, String>, Vec<String>) {
    let copy = copy(name);
    let files = copy.join("files");
    fs::create_dir(&files).unwrap();
    for program in ["cosign", "gh", "sha256sum"] {
        let status = u8::from(program == failing);
        let text = format!("echo {program} \"$@\" >>called\nexit {status}");
        write_program(&copy, program, &text);
    }
    let mut script = with_programs(&copy, "verify");
    script.env("VERIFY_WAIT", "0").arg(&files);
    let done = run(&mut script).map_err(|error| format!("{error:#}"));
    let called = fs::read_to_string(files.join("called")).unwrap();
    (done, called.lines().map(str::to_owned).collect())
}

#[test]
fn a_release_is_verified_with_the_documentations_commands() {
    let (done, called) = verify("verify", "");
    done.unwrap();
    for start in [
        "cosign verify --certificate-oidc-issuer https://",
        "cosign verify-attestation --type cyclonedx",
        "gh attestation verify",
        "cosign verify-blob",
        "sha256sum --check",
    ] {
        let is_called = called.iter().any(|line| line.starts_with(start));
        assert!(is_called, "{start}: {called:?}");
    }
    let (done, called) = verify("not-verified", "gh");
    let error = done.unwrap_err();
    assert!(error.contains("cannot be verified"), "{error}");
    let tries = called.iter().filter(|line| line.starts_with("gh"));
    assert_eq!(tries.count(), 4, "it waits for the registry: {called:?}");
}

#[test]
fn the_workflow_runs_the_scripts_with_the_tests_version_of_helm() {
    let file = project::root().join(".github/workflows/release.yaml");
    let workflow = fs::read_to_string(file).unwrap();
    let version = format!("        with: {{version: {}}}", helm::version().unwrap());
    let mut lines = workflow.lines();
    lines.find(|line| line.contains("azure/setup-helm@"));
    assert_eq!(lines.next(), Some(version.as_str()));
    for entry in fs::read_dir(project::root().join("release")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        // A maintainer runs this one before the tag.
        if name != "set-version" {
            assert!(workflow.contains(&format!("release/{name} ")), "{name}");
        }
    }
    // The chart is pushed to where the documentation says that it is.
    let charts = chart_readme::CHART.strip_prefix("oci://").unwrap();
    let charts = charts.strip_suffix("/aws-secrets-injector").unwrap();
    assert!(workflow.contains(&format!("CHARTS: {charts}\n")));
}

/// The pod of `helm test` for a release named "release".
fn test_pod(values: &str) -> anyhow::Result<String> {
    let show = ["--show-only", "templates/tests/read-secrets.yaml"];
    helm::template("release", &[&["--set", values], &show[..]].concat())
}

#[test]
fn the_charts_test_is_off_until_it_names_a_class_outside_the_release() {
    assert!(test_pod("replicas=2").is_err(), "there is nothing to show");
    let pod = test_pod("test.secretProviderClass=db,test.namespace=shop").unwrap();
    for line in [
        "  namespace: shop\n",
        "    helm.sh/hook: test\n",
        "    aws-secrets-injector.io/secret-provider-class: db\n",
    ] {
        assert!(pod.contains(line), "{line}: {pod}");
    }
    for (values, words) in [
        ("test.secretProviderClass=db", "test.namespace is required"),
        (
            "test.secretProviderClass=db,test.namespace=release",
            "cannot be release",
        ),
        (
            "test.secretProviderClass=db,test.namespace=kube-system",
            "cannot be kube-system",
        ),
    ] {
        let error = test_pod(values).unwrap_err().to_string();
        assert!(error.contains(words), "{values}: {error}");
    }
}
