//! A shell for the commands of the documentation: the programs of this cluster, and the released files and images as those of
//! this commit.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::PathBuf;
use std::process::Command;

use e2e::command::run;
use e2e::{chart_readme, helm, images, install, project};
use serde_json::Value;

use crate::world::World;

/// An empty folder.
pub(crate) fn folder(name: &str) -> PathBuf {
    let folder = project::target().join("documents").join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// Where the files of this version's release are.
const RELEASE: &str = concat!(
    "https://github.com/aws-secrets-injector/aws-secrets-injector/releases/download/v",
    env!("CARGO_PKG_VERSION"),
    "/"
);

/// A script that runs Helm on this cluster. In place of the released chart, it uses the chart of this commit, with the images
/// that were just built.
fn helm_as_released(world: &World) -> String {
    let aws = world.aws.stand_in.url();
    format!(
        "values='{tests}'
for argument do
  shift
  if [ \"$argument\" = '{released}' ]; then
    argument='{chart}'
    values='{tests_and_images}'
  fi
  set -- \"$@\" \"$argument\"
done
if [ \"$1\" = install ]; then set -- \"$@\" --set \"$values\"; fi
exec '{helm}' --kubeconfig '{kubeconfig}' \"$@\"",
        tests = install::values_of_tests(&aws),
        released = chart_readme::CHART,
        chart = helm::chart().display(),
        tests_and_images = install::values(&aws),
        helm = helm::program().unwrap().display(),
        kubeconfig = world.kubectl.kubeconfig().display(),
    )
}

/// A shell for the commands of a page, in a separate folder, with the programs of this cluster.
pub(crate) struct Shell {
    /// The folder in which the commands run.
    pub(crate) folder: PathBuf,
}

impl Shell {
    pub(crate) fn new(world: &World, name: &str) -> Self {
        let folder = folder(name);
        symlink(project::root().join("manifests"), folder.join("manifests")).unwrap();
        let shell = Self { folder };
        // Nobody waits for what the pods of a namespace still have to do when it goes.
        let kubectl = world.kubectl.typed().unwrap();
        shell.program(
            "kubectl",
            &format!(
                "if [ \"$1 $2\" = 'delete namespace' ]; then
  {kubectl} -n \"$3\" delete pods --all --force --grace-period=0 --wait=false >/dev/null 2>&1 || true
fi
exec {kubectl} \"$@\""
            ),
        );
        shell.program("helm", &helm_as_released(world));
        shell.release();
        let injector = images::build_binaries(images::Profile::Dev)
            .unwrap()
            .injector;
        shell.program(
            "aws-secrets-injector",
            &format!("exec '{}' \"$@\"", injector.display()),
        );
        // Files are kept, because they are checked afterwards.
        shell.program("rm", "mkdir -p removed; mv \"$@\" removed");
        let aws = world.aws.command_line().unwrap();
        let environment = aws.environment.iter();
        let environment: Vec<_> = environment
            .map(|(name, value)| format!("export {name}='{value}'"))
            .collect();
        let environment = environment.join("\n");
        let [interpreter, program] = aws.program.map(|path| path.display().to_string());
        shell.program(
            "aws",
            &format!("{environment}\nexec '{interpreter}' '{program}' \"$@\""),
        );
        shell
    }

    /// The files of this version's release, with the images that were just built.
    fn release(&self) {
        let folder = self.folder.join("release");
        fs::create_dir(&folder).unwrap();
        for name in ["install.yaml", "crd.yaml"] {
            let text = fs::read_to_string(project::root().join("manifests").join(name)).unwrap();
            let images = format!("{}/", images::REGISTRY);
            let text = text.replace("ghcr.io/aws-secrets-injector/", &images);
            fs::write(folder.join(name), text).unwrap();
        }
    }

    fn program(&self, name: &str, script: &str) {
        let folder = self.folder.join("bin");
        fs::create_dir_all(&folder).unwrap();
        let file = folder.join(name);
        fs::write(&file, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// Runs a script. The test fails at the first command that fails.
    pub(crate) fn run(&self, script: &str) -> String {
        assert!(!script.is_empty());
        let script = script
            .replace("public.ecr.aws/docker/library/busybox:stable", images::APP)
            .replace("my-registry", images::REGISTRY)
            .replace(RELEASE, "release/")
            .replace(
                "$ACCOUNT.dkr.ecr.$REGION.amazonaws.com/aws-secrets-injector",
                images::REGISTRY,
            );
        let file = self.folder.join("story.sh");
        fs::write(&file, script).unwrap();
        let mut bash = Command::new("bash");
        bash.current_dir(&self.folder)
            .env_clear()
            .env("HOME", &self.folder)
            .env(
                "PATH",
                format!("{}:/usr/bin:/bin", self.folder.join("bin").display()),
            )
            .args(["-eux", "-o", "pipefail"])
            .arg(&file);
        run(&mut bash).unwrap()
    }

    /// A file that a story created and removed.
    pub(crate) fn json(&self, file: &str) -> Value {
        let file = self.folder.join("removed").join(file);
        serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap()
    }
}
