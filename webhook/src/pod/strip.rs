//! From any pod to the pod that its author wrote. What an earlier pass of this webhook added is taken off: the API server asks
//! again after another webhook has changed the pod, and people apply pods that they have exported.
//!
//! Only names decide what is ours, and they are reserved: a pod that has some of them without an earlier pass is refused.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::{
    Container, EnvVar, EnvVarSource, FileKeySelector, Pod, PodSpec, SecretKeySelector, VolumeMount,
};
use kube::ResourceExt as _;
use provider_class::{SNAPSHOT_VARIABLE, variables::secret_key};

use crate::pod::bounds;
use crate::pod::class_hash::CLASS_HASH;
use crate::pod::conflict::Conflict;
use crate::pod::contract::{
    END_OF_OPTIONS, LOCAL_VOLUMES, PROGRAM, PROGRAM_DIRECTORY, PROGRAM_VOLUME, SET, SET_OPTIONAL,
    STATUS, VARIABLES_DIRECTORY, VARIABLES_VOLUME, has_status, is_injected, is_volume,
    is_volume_of_secrets,
};
use crate::pod::csi::{self, REPLACED};
use crate::pod::view::{containers, exec_actions, exec_commands_mut};

/// A pod as it came, and as its author wrote it.
#[derive(Debug)]
pub struct Stripped<'a> {
    /// As it came.
    pub(crate) present: &'a Pod,
    /// As its author wrote it. Everything that is planned depends on this one only.
    pub(crate) own: Cow<'a, Pod>,
    /// Where the author's containers stand, init containers first.
    pub(crate) origins: Vec<Origin<'a>>,
    /// The user of the files, from an earlier pass.
    pub(crate) user: Option<i64>,
    /// What an earlier pass mounted in the author's containers: volumes and paths.
    mounts: BTreeSet<(&'a str, &'a str)>,
}

/// Where a container of the author's stands in the pod as it came.
#[derive(Debug)]
pub(crate) struct Origin<'a> {
    /// Its path, for a patch.
    pub(crate) path: String,
    pub(crate) container: &'a Container,
    /// For each of the author's variables, the index of the one that came, unless an earlier pass has replaced it. Nothing where all
    /// of them came.
    pub(crate) env: Option<Vec<Option<usize>>>,
}

impl<'a> Stripped<'a> {
    /// Takes off what is ours, within the limits of a pod. The error may be a reserved name of something that is not.
    pub fn new(present: &'a Pod) -> Result<Self, Conflict> {
        bounds::check(present)?;
        let mut stripped = Self {
            present,
            own: Cow::Borrowed(present),
            origins: Vec::new(),
            user: None,
            mounts: BTreeSet::from([
                (VARIABLES_VOLUME, VARIABLES_DIRECTORY),
                (PROGRAM_VOLUME, PROGRAM_DIRECTORY),
            ]),
        };
        // Most pods come for the first time, and are not copied.
        if has_status(present)
            || present.annotations().contains_key(REPLACED)
            || containers(present).any(is_wrapped)
            || local_volumes(present).any(|name| name == PROGRAM_VOLUME)
        {
            let own = stripped.own.to_mut();
            strip_annotations(own);
            csi::restore(own);
        }
        if let Some(spec) = &present.spec {
            check_names(present, spec)?;
            stripped.look_at_containers(spec);
            if let Cow::Owned(own) = &mut stripped.own {
                strip(own, &stripped.mounts, &mut stripped.origins);
            }
        }
        Ok(stripped)
    }

    /// Has an earlier pass added this mount to a container of the author's?
    pub(crate) fn has_added(&self, mount: &VolumeMount) -> bool {
        self.mounts
            .contains(&(mount.name.as_str(), mount_path(mount)))
    }

    fn look_at_containers(&mut self, spec: &'a PodSpec) {
        let init_containers = spec.init_containers.as_deref().unwrap_or_default();
        for (list, containers) in [
            ("initContainers", init_containers),
            ("containers", &spec.containers),
        ] {
            for (index, container) in containers.iter().enumerate() {
                if !is_injected(&container.name) {
                    self.origins.push(Origin {
                        path: format!("/spec/{list}/{index}"),
                        container,
                        env: None,
                    });
                    continue;
                }
                let security = container.security_context.as_ref();
                self.user = self.user.or_else(|| security?.run_as_user);
                let mounts = container.volume_mounts.iter().flatten();
                let of_secrets = mounts.filter(|mount| is_volume_of_secrets(&mount.name));
                let of_secrets = of_secrets.map(|mount| (mount.name.as_str(), mount_path(mount)));
                self.mounts.extend(of_secrets);
            }
        }
    }
}

/// Strips a copy of a pod.
fn strip(own: &mut Pod, mounts: &BTreeSet<(&str, &str)>, origins: &mut [Origin<'_>]) {
    let Some(own) = &mut own.spec else { return };
    keep(&mut own.volumes, |volume| !is_volume(&volume.name));
    keep(&mut own.init_containers, |container| {
        !is_injected(&container.name)
    });
    let init_containers = own.init_containers.iter_mut().flatten();
    for (own, origin) in init_containers.chain(&mut own.containers).zip(origins) {
        keep(&mut own.volume_mounts, |mount| !is_added(mount, mounts));
        let mut variables = own.env.iter().flatten();
        if is_wrapped(own) || variables.any(|variable| file_key(variable).is_some()) {
            origin.env = Some(strip_command_and_variables(own));
        }
    }
}

fn is_added(mount: &VolumeMount, mounts: &BTreeSet<(&str, &str)>) -> bool {
    mounts.contains(&(mount.name.as_str(), mount_path(mount)))
}

/// Does the injector run a command of the container?
fn is_wrapped(container: &Container) -> bool {
    let actions = exec_actions(container).into_iter();
    let mut commands = actions.filter_map(|action| action.command);
    is_command_wrapped(container.command.as_deref().unwrap_or_default())
        || commands.any(is_command_wrapped)
}

fn is_command_wrapped(command: &[String]) -> bool {
    command.first().is_some_and(|program| program == PROGRAM)
}

/// The path of a mount.
pub(crate) fn mount_path(mount: &VolumeMount) -> &str {
    mount.mount_path.trim_end_matches('/')
}

/// Keeps some elements of a list. The API server leaves out empty lists.
fn keep<T>(list: &mut Option<Vec<T>>, is_kept: impl FnMut(&T) -> bool) {
    if let Some(elements) = list {
        elements.retain(is_kept);
    }
    list.take_if(|elements| elements.is_empty());
}

/// Nothing of the pod's own has a reserved name, whether it is injected this time or not: the policy of the installation trusts
/// containers of these names. After an earlier pass the volumes are ours, even where another webhook has removed the container.
fn check_names(pod: &Pod, spec: &PodSpec) -> Result<(), Conflict> {
    let has_status = has_status(pod);
    let is_ours = |container: &&Container| {
        let mut variables = container.env.iter().flatten();
        has_status && variables.any(|variable| variable.name == SNAPSHOT_VARIABLE)
    };
    let init_containers = spec.init_containers.iter().flatten();
    let mut foreign = init_containers
        .filter(|container| !is_ours(container))
        .chain(&spec.containers);
    if let Some(container) = foreign.find(|container| is_injected(&container.name)) {
        return Err(Conflict::container(&container.name));
    }
    if has_status {
        return Ok(());
    }
    let mut volumes = spec.volumes.iter().flatten();
    if let Some(volume) = volumes.find(|volume| is_volume(&volume.name)) {
        return Err(Conflict::volume(&volume.name));
    }
    let init_containers = spec.init_containers.iter().flatten();
    for container in init_containers.chain(&spec.containers) {
        let mut variables = container.env.iter().flatten();
        if let Some(variable) = variables.find(|variable| file_key(variable).is_some()) {
            return Err(Conflict::VariableSource {
                container: container.name.clone(),
                name: variable.name.clone(),
            });
        }
    }
    Ok(())
}

/// The names of volumes that the Cluster Autoscaler does not count as data.
fn local_volumes(pod: &Pod) -> impl Iterator<Item = &str> {
    let names = pod.annotations().get(LOCAL_VOLUMES).into_iter();
    names.flat_map(|names| names.split(','))
}

fn strip_annotations(pod: &mut Pod) {
    let others = local_volumes(pod).filter(|name| *name != PROGRAM_VOLUME);
    let others: Vec<&str> = others.collect();
    let has_ours = others.len() < local_volumes(pod).count();
    let others = others.join(",");
    let had_status = has_status(pod);
    let annotations = pod.annotations_mut();
    if had_status {
        annotations.remove(STATUS);
        if let Some(labels) = &mut pod.metadata.labels {
            labels.remove(CLASS_HASH);
        }
        pod.metadata.labels.take_if(|labels| labels.is_empty());
    }
    let annotations = pod.annotations_mut();
    if has_ours {
        annotations.remove(LOCAL_VOLUMES);
        if !others.is_empty() {
            annotations.insert(LOCAL_VOLUMES.to_owned(), others);
        }
    }
}

/// Leaves a container its own command and variables. Returns the index of each variable, unless an earlier pass had replaced it.
///
/// What the injector sets takes precedence over the variables of the same name, so that it goes behind them.
fn strip_command_and_variables(container: &mut Container) -> Vec<Option<usize>> {
    for command in exec_commands_mut(container) {
        if is_command_wrapped(command.as_deref().unwrap_or_default()) {
            unwrap(command);
        }
    }
    let mut assigned = unwrap(&mut container.command).into_iter().peekable();
    let present = container.env.take().into_iter().flatten().enumerate();
    let own: Vec<_> = present.filter_map(own_variable).collect();
    let mut last = BTreeMap::new();
    if assigned.peek().is_some() {
        let names = own.iter().map(|(_, variable)| variable.name.clone());
        last.extend(names.enumerate().map(|(index, name)| (name, index)));
    }
    let mut variables = Vec::with_capacity(own.len());
    for (index, own) in own.into_iter().enumerate() {
        let is_free = |next: &EnvVar| last.get(&next.name).is_none_or(|last| *last < index);
        while let Some(next) = assigned.next_if(is_free) {
            variables.push((None, next));
        }
        variables.push(own);
    }
    variables.extend(assigned.map(|next| (None, next)));
    let (indices, variables): (_, Vec<EnvVar>) = variables.into_iter().unzip();
    container.env = (!variables.is_empty()).then_some(variables);
    indices
}

/// A variable of the author's, with its index unless an earlier pass had replaced it. Nothing for one of the annotation `env`.
fn own_variable((index, variable): (usize, EnvVar)) -> Option<(Option<usize>, EnvVar)> {
    let Some(source) = file_key(&variable) else {
        return Some((Some(index), variable));
    };
    let is_optional = source.optional.unwrap_or_default();
    Some((None, of_secret(&variable.name, &source.key, is_optional)?))
}

/// Takes the injector off a command, however often it is in front of it. Returns the variables that it would set to keys of Secrets,
/// each name once.
fn unwrap(command: &mut Option<Vec<String>>) -> Vec<EnvVar> {
    let mut own = command.as_deref().unwrap_or_default();
    let mut assigned = Vec::new();
    let mut names = BTreeSet::new();
    while let [program, options @ ..] = own
        && program == PROGRAM
        && let Some(end) = options.iter().position(|word| word == END_OF_OPTIONS)
    {
        let variables = options[..end]
            .iter()
            .filter_map(|option| assignment(option));
        assigned.extend(variables.filter(|variable| names.insert(variable.name.clone())));
        own = &options[end + 1..];
    }
    *command = (!own.is_empty()).then(|| own.to_vec());
    assigned
}

/// The variable of an option.
fn assignment(option: &str) -> Option<EnvVar> {
    let (assignment, is_optional) = match option.strip_prefix(SET_OPTIONAL) {
        Some(assignment) => (assignment, true),
        None => (option.strip_prefix(SET)?, false),
    };
    let (name, key) = assignment.split_once('=')?;
    of_secret(&name.replace("$$", "$"), key, is_optional)
}

/// Where in the volume of variables a variable comes from.
fn file_key(variable: &EnvVar) -> Option<&FileKeySelector> {
    let source = variable.value_from.as_ref()?.file_key_ref.as_ref()?;
    (source.volume_name == VARIABLES_VOLUME).then_some(source)
}

/// The variable that an earlier pass has replaced by one of this key; nothing if it was one of the annotation `env`.
fn of_secret(name: &str, key: &str, is_optional: bool) -> Option<EnvVar> {
    let (secret, key) = secret_key(key)?;
    let secret_key_ref = SecretKeySelector {
        name: secret.to_owned(),
        key: key.to_owned(),
        optional: is_optional.then_some(true),
    };
    Some(EnvVar {
        name: name.to_owned(),
        value_from: Some(EnvVarSource {
            secret_key_ref: Some(secret_key_ref),
            ..EnvVarSource::default()
        }),
        ..EnvVar::default()
    })
}
