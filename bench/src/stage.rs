//! AWS at a distance, and the programs that fetch from it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::Context as _;
use aws_stand_in::{Distance, Front, StandIn};
use e2e::project;
use e2e::stand_in::{ACCOUNT, REGION};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::process::Usage;

/// Network delay of each handshake and each call. A fetch takes at least four: a handshake and a call with STS, then with
/// Secrets Manager. Everything else can happen meanwhile.
const AWAY: Duration = Duration::from_millis(20);
/// Has the form of a web identity token. The stand-in does not verify tokens.
const TOKEN: &str = "e30.eyJzdWIiOiJzeXN0ZW06c2VydmljZWFjY291bnQ6c2hvcDp3ZWIiLCJhdWQiOlsic3RzLmFtYXpvbmF3cy5jb20iXX0.c2ln";
/// The CA certificates of Debian, as in the image.
const CA_CERTIFICATES: &str = "/etc/ssl/certs/ca-certificates.crt";

/// The name of a secret.
pub(crate) fn secret(index: usize) -> String {
    format!("bench/secret-{index}")
}

/// The names of this number of secrets.
pub(crate) fn secrets(count: usize) -> Vec<String> {
    (0..count).map(secret).collect()
}

/// A class with these secrets.
pub(crate) fn class(name: &str, secrets: &[String]) -> Value {
    let objects = secrets
        .iter()
        .map(|secret| format!("- objectName: {secret}\n  objectType: secretsmanager\n"));
    json!({
        "apiVersion": "secrets-store.csi.x-k8s.io/v1",
        "kind": "SecretProviderClass",
        "metadata": {"name": name},
        "spec": {
            "provider": "aws",
            "parameters": {"region": REGION, "objects": objects.collect::<String>()},
        },
    })
}

/// AWS with secrets, and a temporary folder.
pub(crate) struct Stage {
    _runtime: Runtime,
    _aws: StandIn,
    fronts: [Front; 2],
    folder: TempDir,
}

impl Stage {
    /// Starts AWS with this number of secrets.
    pub(crate) fn start(count: usize) -> anyhow::Result<Self> {
        let runtime = Runtime::new().context("could not start the runtime")?;
        let (aws, fronts) = runtime.block_on(async {
            let aws = StandIn::start(&project::target(), ([127, 0, 0, 1], 0).into()).await?;
            aws.keep_answers();
            let seed = aws.seed(ACCOUNT, REGION);
            for name in secrets(count) {
                seed.secret(&name, "correct horse battery staple").await?;
            }
            let distance = Distance {
                handshake: AWAY,
                call: AWAY,
            };
            let fronts = [aws.tls(distance).await?, aws.tls(distance).await?];
            anyhow::Ok((aws, fronts))
        })?;
        let folder = TempDir::new()?;
        std::fs::write(folder.path().join("token"), TOKEN)?;
        let authorities = fronts.each_ref().map(|front| front.authority.as_str());
        std::fs::write(folder.path().join("authority.pem"), authorities.concat())?;
        Ok(Self {
            _runtime: runtime,
            _aws: aws,
            fronts,
            folder,
        })
    }

    /// Runs a program in the environment that it has in a pod, with this stage as AWS.
    pub(crate) fn run(&self, program: &Path, arguments: &[&str]) -> anyhow::Result<Usage> {
        let [sts, secrets_manager] = &self.fronts;
        let folder = self.folder.path();
        let mut command = Command::new(std::env::current_exe()?);
        command
            .current_dir(folder)
            .env_clear()
            .env("AWS_ENDPOINT_URL_STS", &sts.url)
            .env("AWS_ENDPOINT_URL_SECRETS_MANAGER", &secrets_manager.url)
            .env("AWS_CA_BUNDLE", folder.join("authority.pem"))
            // The image has this file only. Other systems have each certificate in a file of its own too.
            .env("SSL_CERT_FILE", CA_CERTIFICATES)
            .env("AWS_REGION", REGION)
            .env("AWS_ROLE_ARN", format!("arn:aws:iam::{ACCOUNT}:role/web"))
            .env("AWS_WEB_IDENTITY_TOKEN_FILE", folder.join("token"))
            .arg("measured")
            .arg(program)
            .args(arguments);
        Ok(serde_json::from_str(&e2e::command::run(&mut command)?)?)
    }

    /// A file with the class of this number of secrets.
    pub(crate) fn class_file(&self, count: usize) -> anyhow::Result<PathBuf> {
        let file = self.folder.path().join(format!("class-{count}.yaml"));
        std::fs::write(&file, class("bench", &secrets(count)).to_string())?;
        Ok(file)
    }
}
