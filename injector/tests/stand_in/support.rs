//! Runs the real program against the stand-in for AWS.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use aws_stand_in::{Fault, Kind, Seed, StandIn, When};
use tempfile::TempDir;

pub(crate) const ACCOUNT: &str = "111122223333";
/// The account of the agent's credentials: moto takes unknown access keys for this one's.
pub(crate) const AGENT_ACCOUNT: &str = "123456789012";
pub(crate) const REGION: &str = "us-east-2";
pub(crate) const OTHER_REGION: &str = "us-west-2";

/// One secret, which most tests ask for.
pub(crate) const ENTRY: &str = "- {objectName: a, objectType: secretsmanager}";
/// Parameters of a class with Pod Identity.
pub(crate) const POD_IDENTITY: [(&str, &str); 1] = [("usePodIdentity", "true")];
/// Parameters of a class with two regions.
pub(crate) const FAILOVER: [(&str, &str); 2] =
    [("region", REGION), ("failoverRegion", OTHER_REGION)];

/// A web identity token as the API server would give it; nobody verifies it here.
const TOKEN: &str = "e30.eyJzdWIiOiJzeXN0ZW06c2VydmljZWFjY291bnQ6c2hvcDp3ZWIiLCJhdWQiOlsic3RzLmFtYXpvbmF3cy5jb20iXX0.c2ln";

/// AWS, and a folder for one test.
pub(crate) struct Stage {
    pub(crate) aws: StandIn,
    folder: TempDir,
}

/// What the program did.
pub(crate) struct Outcome {
    pub(crate) success: bool,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    /// Visible files below the mount with their contents.
    pub(crate) files: BTreeMap<String, Vec<u8>>,
}

impl Stage {
    pub(crate) async fn start() -> Self {
        let target = Path::new(env!("CARGO_TARGET_TMPDIR"))
            .parent()
            .unwrap()
            .to_owned();
        let aws = StandIn::start(&target, "127.0.0.1:0".parse().unwrap())
            .await
            .unwrap();
        let folder = TempDir::new().unwrap();
        std::fs::write(folder.path().join("token"), TOKEN).unwrap();
        Self { aws, folder }
    }

    /// AWS, with the secret of [`ENTRY`].
    pub(crate) async fn with_secret(value: &str) -> Self {
        let stage = Self::start().await;
        stage.seed().secret("a", value).await.unwrap();
        stage
    }

    /// The same, with another value in the other region.
    pub(crate) async fn with_secret_in_both_regions(value: &str, other: &str) -> Self {
        let stage = Self::with_secret(value).await;
        let seed = stage.seed_other_region();
        seed.secret("a", other).await.unwrap();
        stage
    }

    /// From now on all calls of an operation fail, until the stand-in is healed.
    pub(crate) fn fail(&self, operation: &str, kind: Kind) {
        self.fail_when(When::operation(operation), kind);
    }

    /// From now on all such calls fail, until the stand-in is healed.
    pub(crate) fn fail_when(&self, when: When, kind: Kind) {
        let times = None;
        self.aws.fail(Fault { when, kind, times });
    }

    /// The next calls of an operation fail.
    pub(crate) fn fail_times(&self, operation: &str, kind: Kind, times: usize) {
        self.aws.fail(Fault {
            when: When::operation(operation),
            kind,
            times: Some(times),
        });
    }

    pub(crate) fn seed(&self) -> Seed {
        self.aws.seed(ACCOUNT, REGION)
    }

    pub(crate) fn seed_other_region(&self) -> Seed {
        self.aws.seed(ACCOUNT, OTHER_REGION)
    }

    pub(crate) fn mount(&self) -> PathBuf {
        self.folder.path().join("mount")
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The program with a pod's usual environment, and nothing of this process's.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_aws-secrets-injector"));
        command
            .env_clear()
            .env("AWS_ENDPOINT_URL", self.aws.url())
            .env("AWS_REGION", REGION)
            .env("AWS_ROLE_ARN", format!("arn:aws:iam::{ACCOUNT}:role/web"))
            .env("AWS_WEB_IDENTITY_TOKEN_FILE", self.path("token"))
            // Failures that may pass are waited out for a quarter of it.
            .env("FETCH_TIMEOUT", "20s");
        command
    }

    /// Fetches a class of these parameters.
    pub(crate) async fn fetch(&self, parameters: &[(&str, &str)], objects: &str) -> Outcome {
        self.fetch_with(parameters, objects, |command| command)
            .await
    }

    /// The same, with the command changed.
    pub(crate) async fn fetch_with(
        &self,
        parameters: &[(&str, &str)],
        objects: &str,
        change: impl FnOnce(&mut Command) -> &mut Command,
    ) -> Outcome {
        let file = self.path("class.yaml");
        std::fs::write(&file, class("db", parameters, objects)).unwrap();
        let mut command = self.command();
        command
            .arg("fetch")
            .arg("--class-file")
            .arg(file)
            .arg("--mount-path")
            .arg(self.mount());
        change(&mut command);
        self.run(command).await
    }

    /// The same with a class that uses Pod Identity.
    pub(crate) async fn fetch_with_agent(&self, objects: &str) -> Outcome {
        let agent = self.agent_variables();
        self.fetch_with(&POD_IDENTITY, objects, |command| command.envs(agent))
            .await
    }

    /// What the webhook sets for Pod Identity, with the stand-in as the agent.
    pub(crate) fn agent_variables(&self) -> [(&'static str, OsString); 2] {
        let uri = format!("{}/v1/credentials", self.aws.url());
        [
            ("AWS_CONTAINER_CREDENTIALS_FULL_URI", uri.into()),
            (
                "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
                self.path("token").into(),
            ),
        ]
    }

    pub(crate) async fn run(&self, mut command: Command) -> Outcome {
        let output: Output = tokio::task::spawn_blocking(move || command.output().unwrap())
            .await
            .unwrap();
        Outcome {
            success: output.status.success(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            files: files(&self.mount()),
        }
    }

    /// Operations and objects of all calls, sorted.
    pub(crate) fn calls(&self) -> Vec<String> {
        let mut calls = Vec::new();
        for call in self.aws.calls() {
            let text = format!("{} {}", call.operation, call.objects.join(","));
            calls.push(text.trim_end().to_owned());
        }
        calls.sort();
        calls
    }
}

/// A class as a file has it; the objects are indented as a block.
pub(crate) fn class(name: &str, parameters: &[(&str, &str)], objects: &str) -> String {
    let mut text = format!(
        "apiVersion: secrets-store.csi.x-k8s.io/v1\nkind: SecretProviderClass\nmetadata:\n  name: {name}\nspec:\n  provider: aws\n  parameters:\n"
    );
    for (key, value) in parameters {
        text += &format!("    {key}: {value:?}\n");
    }
    text += "    objects: |\n";
    for line in objects.lines() {
        text += &format!("      {line}\n");
    }
    text
}

fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(current) = folders.pop() {
        for entry in std::fs::read_dir(current).into_iter().flatten().flatten() {
            let path = entry.path();
            let name = path
                .strip_prefix(folder)
                .unwrap()
                .to_str()
                .unwrap()
                .to_owned();
            if name.split('/').any(|part| part.starts_with("..")) {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else {
                found.insert(name, std::fs::read(&path).unwrap());
            }
        }
    }
    found
}

impl Outcome {
    #[track_caller]
    pub(crate) fn assert_files(&self, expected: &[(&str, &str)]) {
        assert!(self.success, "{}", self.stderr);
        let found: Vec<_> = self
            .files
            .iter()
            .map(|(name, bytes)| (name.as_str(), String::from_utf8_lossy(bytes).into_owned()))
            .collect();
        let expected: Vec<_> = expected
            .iter()
            .map(|(name, text)| (*name, (*text).to_owned()))
            .collect();
        assert_eq!(found, expected, "{}", self.stderr);
    }

    /// It failed, wrote nothing, and said all of this.
    #[track_caller]
    pub(crate) fn assert_error(&self, words: &[&str]) {
        assert!(!self.success, "{}", self.stderr);
        assert!(self.files.is_empty(), "{:?}", self.files.keys());
        for word in words {
            assert!(
                self.stderr.contains(word),
                "{word:?} is not in {}",
                self.stderr
            );
        }
    }
}
