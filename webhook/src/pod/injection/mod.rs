//! What is added to a pod, as data.

mod refresher;
mod resources;
pub(crate) mod secret_sync;
mod variables;

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    Container, EmptyDirVolumeSource, EnvVar, EnvVarSource, ObjectFieldSelector,
    ProjectedVolumeSource, ServiceAccountTokenProjection, Volume, VolumeMount, VolumeProjection,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use provider_class::{
    AddressPreference, Credentials, Region, SNAPSHOT_VARIABLE, SYNC_VARIABLE, SecretObject,
    SessionTag, Snapshot, SnapshotClass, VARIABLES_VARIABLE,
};

use crate::pod::annotations::{PodRequest, Resources};
use crate::pod::class::MountedClass;
use crate::pod::class_hash;
use crate::pod::contract::{FILES, NAME, STATE_DIRECTORY, STATE_VOLUME, TOKEN_VOLUME};
use crate::pod::csi::CsiVolume;
use crate::pod::identity::{self, Owner};
use crate::pod::role::Role;
use crate::pod::strip::Stripped;
use crate::pod::variables::{ContainerPlan, PlannedVariables};

use self::resources::Runs;

/// Version IDs of a few hundred secrets.
const STATE_SIZE: &str = "1Mi";
/// Where the tokens are mounted: not where EKS's own webhook mounts its token, which may run after this one.
const TOKEN_DIRECTORY: &str = "/var/run/secrets/aws-secrets-injector";
/// Where the kubelet reads what a container says at its end.
///
/// Source: <https://kubernetes.io/docs/tasks/debug/debug-application/determine-reason-pod-failure/>.
const TERMINATION_MESSAGE: &str = "/dev/termination-log";
/// The token for STS.
const STS_TOKEN: &str = "token";
/// The token for the Pod Identity agent.
const POD_IDENTITY_TOKEN: &str = "pod-identity-token";
/// The audience of the agent's tokens.
const POD_IDENTITY_AUDIENCE: &str = "pods.eks.amazonaws.com";
/// Validity of the agent's token in seconds, as in EKS's own webhook.
const POD_IDENTITY_EXPIRATION: i64 = 86400;

/// Variables that are set per pod.
pub(crate) const OF_EACH_POD: [&str; 11] = [
    SNAPSHOT_VARIABLE,
    SYNC_VARIABLE,
    VARIABLES_VARIABLE,
    "AWS_ROLE_ARN",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    "TERMINATION_MESSAGE_PATH",
    "POD_NAMESPACE",
    "POD_NAME",
    "POD_SERVICE_ACCOUNT",
    "POD_UID",
];

/// The platform's settings for the injected containers of all pods.
#[derive(Clone, Debug, PartialEq)]
pub struct InjectorSettings {
    /// Image of the injector.
    pub image: String,
    /// When the kubelet pulls it.
    pub image_pull_policy: Option<String>,
    /// Its resources.
    pub resources: Resources,
    /// How large the secrets of one directory may be together.
    pub size_limit: Quantity,
    /// Environment variables that every injector gets.
    pub environment: Vec<(String, String)>,
    /// Does the platform assign a user where the pod names none, as OpenShift does?
    pub user_is_assigned: bool,
    /// The API server, for pods that apply Kubernetes Secrets; `None` leaves it to the kubelet.
    pub api_server: Option<ApiServer>,
}

/// Where the API server listens for pods.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiServer {
    /// An address or a name.
    pub host: String,
    /// Its port.
    pub port: u16,
}

/// Everything that an injection depends on.
#[derive(Clone, Copy, Debug)]
pub struct Inputs<'a> {
    /// What the pod requests.
    pub request: &'a PodRequest,
    /// The classes, in the order of the annotation.
    pub classes: &'a [MountedClass],
    /// The ServiceAccount's role, where a class needs it.
    pub role: Option<&'a Role>,
    /// For classes without region.
    pub default_region: Option<&'a Region>,
    /// The platform's settings.
    pub settings: &'a InjectorSettings,
    /// The pod.
    pub pod: &'a Stripped<'a>,
}

/// What both injected containers have in common.
struct Common<'a> {
    inputs: Inputs<'a>,
    owner: Owner,
    /// The volumes of the files, writable.
    secrets: &'a [VolumeMount],
    tokens: &'a Tokens<'a>,
    variables: Option<&'a PlannedVariables>,
}

/// What is added to a pod.
#[derive(Clone, Debug, PartialEq)]
pub struct Injection {
    /// The tmpfs of each directory, and the tokens.
    pub volumes: Vec<Volume>,
    /// The container that fetches, to run before all others, and the sidecar that refreshes the files.
    pub init_containers: Vec<Container>,
    /// What the pod's own containers get: the files of each volume, read-only.
    pub mounts: Vec<VolumeMount>,
    /// The state of the classes.
    pub(crate) class_hash: String,
    /// The volumes of the pod's own that get files.
    pub(crate) replaced: BTreeMap<String, CsiVolume>,
    /// What those get whose command the injector runs.
    for_exec: [VolumeMount; 2],
    /// For each of the pod's own containers, what becomes of its variables.
    pub(crate) containers: Vec<ContainerPlan>,
}

impl Injection {
    /// Plans an injection whose injected containers write the variables, if there are some.
    pub(crate) fn plan(
        inputs: Inputs<'_>,
        owner: Owner,
        variables: Option<&PlannedVariables>,
        containers: Vec<ContainerPlan>,
    ) -> Self {
        let writable = directories(inputs.classes);
        let replaced = inputs
            .classes
            .iter()
            .filter_map(|mounted| mounted.volume.clone());
        let replaced: BTreeMap<String, CsiVolume> = replaced
            .map(|volume| (volume.name.clone(), volume))
            .collect();
        let ours = writable
            .iter()
            .filter(|mount| !replaced.contains_key(&mount.name));
        let tokens = Tokens::of(inputs);
        let refresh = inputs.request.refresh.as_ref();
        let state = refresh.map(|_| tmpfs(STATE_VOLUME, &Quantity(STATE_SIZE.to_owned())));
        let common = Common {
            inputs,
            owner,
            secrets: &writable,
            tokens: &tokens,
            variables: variables.filter(|planned| !planned.is_empty()),
        };
        let for_variables = variables::volumes(common.variables, inputs.settings);
        Self {
            volumes: writable
                .iter()
                .map(|mount| tmpfs(&mount.name, &inputs.settings.size_limit))
                .chain(state)
                .chain(for_variables)
                .chain([tokens.volume()])
                .collect(),
            mounts: ours.map(read_only_files).collect(),
            class_hash: class_hash::of(inputs.classes),
            replaced: replaced.clone(),
            init_containers: [fetcher(&common)]
                .into_iter()
                .chain(refresh.map(|refresh| refresher::container(&common, refresh)))
                .collect(),
            for_exec: variables::for_exec(),
            containers,
        }
    }

    /// What a container of the pod's own mounts.
    pub(crate) fn mounts_of(&self, plan: &ContainerPlan) -> Vec<&VolumeMount> {
        let files = self.mounts.iter().filter(|_| plan.is_chosen);
        let for_exec = self.for_exec.iter().filter(|_| plan.is_run);
        files.chain(for_exec).collect()
    }
}

/// The name of the volume for the directory at this index.
fn volume_name(index: usize) -> String {
    if index == 0 {
        NAME.to_owned()
    } else {
        format!("{NAME}-{}", index + 1)
    }
}

/// What the pod's own containers mount of the same volume: its files, read-only.
fn read_only_files(writable: &VolumeMount) -> VolumeMount {
    VolumeMount {
        read_only: Some(true),
        sub_path: Some(FILES.to_owned()),
        ..writable.clone()
    }
}

fn tmpfs(name: &str, size_limit: &Quantity) -> Volume {
    Volume {
        name: name.to_owned(),
        empty_dir: Some(EmptyDirVolumeSource {
            medium: Some("Memory".to_owned()),
            size_limit: Some(size_limit.clone()),
        }),
        ..Volume::default()
    }
}

/// Each directory once, in the order in which classes name them.
fn directories(classes: &[MountedClass]) -> Vec<VolumeMount> {
    let mut mounts: Vec<VolumeMount> = Vec::new();
    let mut ours = 0;
    for MountedClass {
        mount_path, volume, ..
    } in classes
    {
        if mounts.iter().any(|mount| mount.mount_path == *mount_path) {
            continue;
        }
        let name = volume.as_ref().map(|volume| volume.name.clone());
        let name = name.unwrap_or_else(|| {
            ours += 1;
            volume_name(ours - 1)
        });
        mounts.push(mount(&name, mount_path, false));
    }
    mounts
}

/// The projected tokens that the classes need.
struct Tokens<'a> {
    sts: Option<&'a Role>,
    pod_identity: Option<AddressPreference>,
    /// For the API server, to apply Kubernetes Secrets.
    kubernetes: bool,
}

impl<'a> Tokens<'a> {
    fn of(inputs: Inputs<'a>) -> Self {
        let (mut sts, mut pod_identity) = (None, None);
        for mounted in inputs.classes {
            match mounted.class.credentials {
                Credentials::WebIdentity => sts = inputs.role,
                Credentials::PodIdentity(preference) => {
                    pod_identity.get_or_insert(preference);
                }
            }
        }
        Self {
            sts,
            pod_identity,
            kubernetes: secret_sync::is_requested(inputs),
        }
    }

    fn volume(&self) -> Volume {
        let sts = self
            .sts
            .map(|role| token(STS_TOKEN, &role.audience, role.expiration));
        let pod_identity = self.pod_identity.map(|_| {
            token(
                POD_IDENTITY_TOKEN,
                POD_IDENTITY_AUDIENCE,
                POD_IDENTITY_EXPIRATION,
            )
        });
        let kubernetes = self.kubernetes.then(secret_sync::projections);
        let sources = sts.into_iter().chain(pod_identity);
        Volume {
            name: TOKEN_VOLUME.to_owned(),
            projected: Some(ProjectedVolumeSource {
                sources: Some(sources.chain(kubernetes.into_iter().flatten()).collect()),
                ..ProjectedVolumeSource::default()
            }),
            ..Volume::default()
        }
    }

    fn environment(&self) -> Vec<EnvVar> {
        let mut variables = Vec::new();
        if let Some(role) = self.sts {
            variables.push(variable("AWS_ROLE_ARN", role.arn.as_str()));
            variables.push(variable(
                "AWS_WEB_IDENTITY_TOKEN_FILE",
                &format!("{TOKEN_DIRECTORY}/{STS_TOKEN}"),
            ));
        }
        if self.pod_identity.is_some() {
            let file = format!("{TOKEN_DIRECTORY}/{POD_IDENTITY_TOKEN}");
            variables.push(variable("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", &file));
        }
        variables
    }
}

fn token(path: &str, audience: &str, seconds: i64) -> VolumeProjection {
    VolumeProjection {
        service_account_token: Some(ServiceAccountTokenProjection {
            audience: Some(audience.to_owned()),
            expiration_seconds: Some(seconds),
            path: path.to_owned(),
        }),
        ..VolumeProjection::default()
    }
}

/// The container that fetches, once.
fn fetcher(common: &Common<'_>) -> Container {
    let mut container = container(common, Runs::First);
    let message = variable("TERMINATION_MESSAGE_PATH", TERMINATION_MESSAGE);
    container.env.get_or_insert_default().push(message);
    Container {
        name: NAME.to_owned(),
        args: Some(vec!["fetch".to_owned()]),
        ..container
    }
}

fn container(common: &Common<'_>, runs: Runs) -> Container {
    let inputs = common.inputs;
    let mut mounts = common.secrets.to_vec();
    let mut environment = environment(inputs, common.tokens);
    if let Some(planned) = common.variables {
        mounts.extend(variables::mounts(planned, runs));
        environment.push(variables::for_injector(planned));
    }
    if inputs.request.refresh.is_some() {
        mounts.push(mount(STATE_VOLUME, STATE_DIRECTORY, false));
        environment.push(variable("STATE_DIR", STATE_DIRECTORY));
    }
    mounts.push(mount(TOKEN_VOLUME, TOKEN_DIRECTORY, true));
    Container {
        image: Some(inputs.settings.image.clone()),
        image_pull_policy: inputs.settings.image_pull_policy.clone(),
        env: Some(environment),
        volume_mounts: Some(mounts),
        resources: Some(resources::of(
            &inputs.request.resources,
            &inputs.settings.resources,
            &inputs.pod.own,
            runs,
        )),
        security_context: Some(identity::security_context(
            common.owner,
            inputs.settings.user_is_assigned,
        )),
        termination_message_policy: Some("FallbackToLogsOnError".to_owned()),
        ..Container::default()
    }
}

fn mount(name: &str, path: &str, read_only: bool) -> VolumeMount {
    VolumeMount {
        name: name.to_owned(),
        mount_path: path.to_owned(),
        read_only: read_only.then_some(true),
        ..VolumeMount::default()
    }
}

/// The value of a variable that has to arrive as it is: Kubernetes replaces $(NAME) in values, and turns $$ into $.
fn escaped(value: &str) -> String {
    value.replace('$', "$$")
}

fn variable(name: &str, value: &str) -> EnvVar {
    EnvVar {
        name: name.to_owned(),
        value: Some(value.to_owned()),
        ..EnvVar::default()
    }
}

/// A variable with a field of the pod, known only to the kubelet: a generated name does not exist at admission.
fn field(name: &str, path: &str) -> EnvVar {
    let field_ref = ObjectFieldSelector {
        field_path: path.to_owned(),
        ..ObjectFieldSelector::default()
    };
    let value_from = EnvVarSource {
        field_ref: Some(field_ref),
        ..EnvVarSource::default()
    };
    EnvVar {
        name: name.to_owned(),
        value_from: Some(value_from),
        ..EnvVar::default()
    }
}

fn environment(inputs: Inputs<'_>, tokens: &Tokens<'_>) -> Vec<EnvVar> {
    let mut snapshot = Snapshot::default();
    for mounted in inputs.classes {
        snapshot.classes.push(SnapshotClass {
            name: mounted.class.name.clone(),
            mount_path: format!("{}/{FILES}", mounted.mount_path),
            parameters: BTreeMap::clone(&mounted.parameters),
            secret_objects: if tokens.kubernetes {
                let secrets = mounted.class.secret_objects.iter();
                secrets.map(SecretObject::to_entry).collect()
            } else {
                Vec::new()
            },
        });
    }
    let mut variables = vec![variable(SNAPSHOT_VARIABLE, &escaped(&snapshot.to_json()))];
    variables.extend(
        inputs
            .default_region
            .map(|region| variable("AWS_REGION", region.as_str())),
    );
    variables.extend(tokens.environment());
    variables.push(field("POD_NAMESPACE", "metadata.namespace"));
    variables.push(field("POD_NAME", "metadata.name"));
    let mut roles = inputs
        .classes
        .iter()
        .filter_map(|mounted| mounted.class.assume_role.as_ref());
    if roles.any(|role| role.session_tags.contains(&SessionTag::ServiceAccount)) {
        variables.push(field("POD_SERVICE_ACCOUNT", "spec.serviceAccountName"));
    }
    if tokens.kubernetes {
        variables.extend(secret_sync::environment(inputs));
    }
    for (name, value) in &inputs.settings.environment {
        variables.retain(|other| other.name != *name);
        variables.push(variable(name, value));
    }
    variables
}
