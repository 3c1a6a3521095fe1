//! The volumes of variables, and what the injected containers are told of them.

use k8s_openapi::api::core::v1::{EmptyDirVolumeSource, EnvVar, Volume, VolumeMount};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use provider_class::{EnvMethod, VARIABLES_VARIABLE};

use super::resources::Runs;
use super::{InjectorSettings, escaped, mount, read_only_files, tmpfs, variable};
use crate::pod::contract::{
    PROGRAM_DIRECTORY, PROGRAM_VOLUME, VARIABLES_DIRECTORY, VARIABLES_VOLUME,
};
use crate::pod::variables::PlannedVariables;

/// Room for `aws-secrets-exec`, many times its size.
const PROGRAM_SIZE: &str = "64Mi";

/// A tmpfs for the file of variables, and, for `exec`, a directory on the node's disk for the program.
pub(super) fn volumes(
    planned: Option<&PlannedVariables>,
    settings: &InjectorSettings,
) -> Vec<Volume> {
    let Some(planned) = planned else {
        return Vec::new();
    };
    let mut volumes = vec![tmpfs(VARIABLES_VOLUME, &settings.size_limit)];
    if planned.method == EnvMethod::Exec {
        volumes.push(Volume {
            name: PROGRAM_VOLUME.to_owned(),
            empty_dir: Some(EmptyDirVolumeSource {
                medium: None,
                size_limit: Some(Quantity(PROGRAM_SIZE.to_owned())),
            }),
            ..Volume::default()
        });
    }
    volumes
}

/// What an injected container mounts of them. Only the first one copies its program.
pub(super) fn mounts(planned: &PlannedVariables, runs: Runs) -> Vec<VolumeMount> {
    let mut mounts = vec![mount(VARIABLES_VOLUME, VARIABLES_DIRECTORY, false)];
    if planned.method == EnvMethod::Exec && runs == Runs::First {
        mounts.push(mount(PROGRAM_VOLUME, PROGRAM_DIRECTORY, false));
    }
    mounts
}

/// What a container mounts whose command the injector runs. The kubelet reads its file without any mount.
pub(super) fn for_exec() -> [VolumeMount; 2] {
    [
        read_only_files(&mount(VARIABLES_VOLUME, VARIABLES_DIRECTORY, true)),
        mount(PROGRAM_VOLUME, PROGRAM_DIRECTORY, true),
    ]
}

/// The variables, for the injector.
pub(super) fn for_injector(planned: &PlannedVariables) -> EnvVar {
    variable(
        VARIABLES_VARIABLE,
        &escaped(&planned.for_injector().to_json()),
    )
}
