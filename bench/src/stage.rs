//! The AWS stand-in with a network delay, and the injector's release build.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use aws_stand_in::{Distance, Front, StandIn};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::class::{ACCOUNT, REGION, class, parameter, secret};

/// Has the form of a web identity token. The stand-in does not verify tokens.
const TOKEN: &str = "e30.eyJzdWIiOiJzeXN0ZW06c2VydmljZWFjY291bnQ6c2hvcDp3ZWIiLCJhdWQiOlsic3RzLmFtYXpvbmF3cy5jb20iXX0.c2ln";

/// The CA certificates of Debian, as in the image.
const CA_CERTIFICATES: &str = "/etc/ssl/certs/ca-certificates.crt";

/// AWS with secrets and parameters, and a temporary folder.
pub(crate) struct Stage {
    _runtime: Runtime,
    pub(crate) aws: StandIn,
    fronts: [Front; 3],
    folder: TempDir,
    /// The release build of the injector.
    pub(crate) injector: PathBuf,
}

impl Stage {
    /// Starts AWS at this distance with this number of secrets and parameters.
    pub(crate) fn start(
        distance: Distance,
        secrets: usize,
        parameters: usize,
    ) -> anyhow::Result<Self> {
        let injector = e2e::images::build_binaries(e2e::images::Profile::Release)?.injector;
        let runtime = Runtime::new().context("could not start the runtime")?;
        let (aws, fronts) = runtime.block_on(async {
            let aws = StandIn::start(&e2e::project::target(), ([127, 0, 0, 1], 0).into()).await?;
            aws.keep_answers();
            let seed = aws.seed(ACCOUNT, REGION);
            for index in 0..secrets {
                seed.secret(&secret(index), "correct horse battery staple")
                    .await?;
            }
            for index in 0..parameters {
                seed.parameter(&parameter(index), "correct horse battery staple")
                    .await?;
            }
            let fronts = [
                aws.tls(distance).await?,
                aws.tls(distance).await?,
                aws.tls(distance).await?,
            ];
            anyhow::Ok((aws, fronts))
        })?;
        let folder = TempDir::new()?;
        std::fs::write(folder.path().join("token"), TOKEN)?;
        let authorities = fronts.each_ref().map(|front| front.authority.as_str());
        std::fs::write(folder.path().join("authority.pem"), authorities.concat())?;
        Ok(Self {
            _runtime: runtime,
            aws,
            fronts,
            folder,
            injector,
        })
    }

    /// Prints how to use the stage from a shell and keeps it running, for profilers.
    pub(crate) fn hold(&self, secrets: usize, parameters: usize) -> anyhow::Result<()> {
        let mut command = Command::new("env");
        self.environment(&mut command);
        for (name, value) in command.get_envs() {
            let value = value.unwrap_or_default().to_string_lossy();
            e2e::progress::print(&format!("export {}={value}", name.to_string_lossy()));
        }
        let arguments = self.fetch_arguments(secrets, parameters)?.join(" ");
        e2e::progress::print(&format!("# {} {arguments}", self.injector.display()));
        loop {
            std::thread::park();
        }
    }

    /// The temporary folder.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Sets the environment that a program has in a pod, with this stage as AWS.
    pub(crate) fn environment<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        let [sts, secrets_manager, ssm] = &self.fronts;
        command
            .env_clear()
            .env("AWS_ENDPOINT_URL_STS", &sts.url)
            .env("AWS_ENDPOINT_URL_SECRETS_MANAGER", &secrets_manager.url)
            .env("AWS_ENDPOINT_URL_SSM", &ssm.url)
            .env("AWS_CA_BUNDLE", self.folder().join("authority.pem"))
            // The image has this file only. Other systems have each certificate in a file of its own too.
            .env("SSL_CERT_FILE", CA_CERTIFICATES)
            .env("AWS_REGION", REGION)
            .env("AWS_ROLE_ARN", format!("arn:aws:iam::{ACCOUNT}:role/web"))
            .env("AWS_WEB_IDENTITY_TOKEN_FILE", self.folder().join("token"))
    }

    /// The arguments to fetch this number of secrets and parameters.
    pub(crate) fn fetch_arguments(
        &self,
        secrets: usize,
        parameters: usize,
    ) -> anyhow::Result<Vec<String>> {
        let file = self
            .folder()
            .join(format!("class-{secrets}-{parameters}.yaml"));
        std::fs::write(&file, class("bench", secrets, parameters))?;
        let mount = self.folder().join("mount");
        Ok(vec![
            "fetch".to_owned(),
            "--class-file".to_owned(),
            file.display().to_string(),
            "--mount-path".to_owned(),
            mount.display().to_string(),
        ])
    }

    /// The command to fetch this number of secrets and parameters.
    pub(crate) fn fetch(&self, secrets: usize, parameters: usize) -> anyhow::Result<Command> {
        let mut command = Command::new(&self.injector);
        self.environment(&mut command)
            .args(self.fetch_arguments(secrets, parameters)?);
        Ok(command)
    }

    /// The command that makes the same calls without the SDK.
    pub(crate) fn floor(&self, secrets: usize) -> anyhow::Result<Command> {
        let mut command = Command::new(std::env::current_exe()?);
        self.environment(&mut command)
            .args(["floor", "--secrets", &secrets.to_string()]);
        Ok(command)
    }
}

/// Runs a program and returns how long it took.
pub(crate) fn timed(command: &mut Command) -> anyhow::Result<Duration> {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let started = Instant::now();
    let output = command.output().context("could not run a program")?;
    let elapsed = started.elapsed();
    ensure!(
        output.status.success(),
        "{command:?} failed:\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(elapsed)
}
