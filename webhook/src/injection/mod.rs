//! What is added to a pod, as data.

pub(crate) mod identity;
pub(crate) mod resources;

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    Container, ContainerPort, EmptyDirVolumeSource, EnvVar, EnvVarSource, ObjectFieldSelector, Pod,
    ProjectedVolumeSource, ServiceAccountTokenProjection, Volume, VolumeMount, VolumeProjection,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use provider_class::{AddressPreference, Class, Credentials, Region, SNAPSHOT_VARIABLE, Snapshot};

use crate::annotations::{Refresh, Resources, Wanted};
use crate::service_account::Role;

use self::resources::Runs;

/// Name of the injected container, of the first volume, and start of the other volumes' names.
pub const NAME: &str = "aws-secrets-injector";
/// Name of the sidecar that keeps files fresh.
pub const REFRESHER: &str = "aws-secrets-refresher";
/// Name of the volume by which the first container tells the sidecar which versions it has written.
pub const STATE_VOLUME: &str = "aws-secrets-injector-state";
/// Where it is mounted.
const STATE_DIRECTORY: &str = "/var/lib/aws-secrets-injector";
/// Version IDs of a few hundred secrets.
const STATE_SIZE: &str = "1Mi";
/// Name of the volume with the tokens.
pub const TOKEN_VOLUME: &str = "aws-secrets-injector-token";
/// Where the tokens are mounted: not where EKS's own webhook mounts its token, which may run after this one.
const TOKEN_DIRECTORY: &str = "/var/run/secrets/aws-secrets-injector";
/// The token for STS.
const STS_TOKEN: &str = "token";
/// The token for the Pod Identity agent.
const POD_IDENTITY_TOKEN: &str = "pod-identity-token";
/// Whom the agent takes tokens for.
const POD_IDENTITY_AUDIENCE: &str = "pods.eks.amazonaws.com";
/// How long its token holds, in seconds: what EKS's own webhook asks for.
const POD_IDENTITY_EXPIRATION: i64 = 86400;

/// Variables by which the container learns of its own pod.
pub(crate) const OF_EACH_POD: [&str; 6] = [
    SNAPSHOT_VARIABLE,
    "AWS_ROLE_ARN",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    "POD_NAMESPACE",
    "POD_NAME",
];

/// How the platform wants the injected container, for all pods.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
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
}

/// All that a plan depends on.
#[derive(Clone, Copy, Debug)]
pub struct Inputs<'a> {
    /// What the pod asks for.
    pub wanted: &'a Wanted,
    /// The classes, in the order of `wanted.classes`, each with its parameters as the user wrote them.
    pub classes: &'a [(Class, BTreeMap<String, String>)],
    /// The ServiceAccount's role, where a class needs it.
    pub role: Option<&'a Role>,
    /// For classes without region.
    pub default_region: Option<&'a Region>,
    /// The platform's wishes.
    pub settings: &'a Settings,
    /// The pod.
    pub pod: &'a Pod,
}

/// What is added to a pod.
#[derive(Clone, Debug, PartialEq)]
pub struct Injection {
    /// The tmpfs of each directory, and the tokens.
    pub volumes: Vec<Volume>,
    /// The container that fetches, to run before all others, and the sidecar that keeps files fresh.
    pub init_containers: Vec<Container>,
    /// What the pod's own containers get, read-only.
    pub mounts: Vec<VolumeMount>,
    /// Which of them; all without names.
    pub containers: Option<Vec<String>>,
}

impl Injection {
    /// Plans an injection.
    pub fn plan(inputs: Inputs<'_>) -> Self {
        let paths = mount_paths(inputs.wanted);
        let volume_name = |index: usize| {
            if index == 0 {
                NAME.to_owned()
            } else {
                format!("{NAME}-{}", index + 1)
            }
        };
        let mount = |(index, path): (usize, &&str)| VolumeMount {
            name: volume_name(index),
            mount_path: (*path).to_owned(),
            ..VolumeMount::default()
        };
        let writable: Vec<VolumeMount> = paths.iter().enumerate().map(mount).collect();
        let read_only = |mount: &VolumeMount| VolumeMount {
            read_only: Some(true),
            ..mount.clone()
        };
        let tokens = Tokens::of(inputs);
        let secrets = |mount: &VolumeMount| tmpfs(&mount.name, &inputs.settings.size_limit);
        let refresh = inputs.wanted.refresh.as_ref();
        let state = refresh.map(|_| tmpfs(STATE_VOLUME, &Quantity(STATE_SIZE.to_owned())));
        Self {
            volumes: writable
                .iter()
                .map(secrets)
                .chain(state)
                .chain([tokens.volume()])
                .collect(),
            mounts: writable.iter().map(read_only).collect(),
            init_containers: [fetcher(inputs, &writable, &tokens)]
                .into_iter()
                .chain(refresh.map(|refresh| refresher(inputs, refresh, &writable, &tokens)))
                .collect(),
            containers: inputs.wanted.containers.clone(),
        }
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

/// Is it the name of an injected container?
pub(crate) fn is_injected(name: &str) -> bool {
    matches!(name, NAME | REFRESHER)
}

/// Is it the name of a volume for secrets? The first has [`NAME`], those of further directories a number behind it.
pub(crate) fn is_volume_of_secrets(name: &str) -> bool {
    let Some(rest) = name.strip_prefix(NAME) else {
        return false;
    };
    let number = rest.strip_prefix('-');
    rest.is_empty()
        || number.is_some_and(|number| {
            !number.is_empty() && number.bytes().all(|digit| digit.is_ascii_digit())
        })
}

/// Does this container get the files, where these names were chosen? It is one of the pod's own.
pub(crate) fn is_chosen(container: &Container, names: Option<&[String]>) -> bool {
    !is_injected(&container.name) && names.is_none_or(|names| names.contains(&container.name))
}

/// Each directory once, in the order in which classes name them.
fn mount_paths(wanted: &Wanted) -> Vec<&str> {
    let mut paths: Vec<&str> = Vec::new();
    for mount in &wanted.classes {
        if !paths.contains(&mount.mount_path.as_str()) {
            paths.push(&mount.mount_path);
        }
    }
    paths
}

/// The projected tokens that the classes need.
struct Tokens<'a> {
    sts: Option<&'a Role>,
    pod_identity: Option<AddressPreference>,
}

impl<'a> Tokens<'a> {
    fn of(inputs: Inputs<'a>) -> Self {
        let credentials = || inputs.classes.iter().map(|(class, _)| class.credentials);
        let preference = |credentials| match credentials {
            Credentials::PodIdentity(preference) => Some(preference),
            Credentials::WebIdentity => None,
        };
        Self {
            sts: inputs.role.filter(|_| {
                credentials().any(|credentials| credentials == Credentials::WebIdentity)
            }),
            pod_identity: credentials().find_map(preference),
        }
    }

    fn volume(&self) -> Volume {
        let token = |path: &str, audience: &str, seconds: i64| VolumeProjection {
            service_account_token: Some(ServiceAccountTokenProjection {
                audience: Some(audience.to_owned()),
                expiration_seconds: Some(seconds),
                path: path.to_owned(),
            }),
            ..VolumeProjection::default()
        };
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
        Volume {
            name: TOKEN_VOLUME.to_owned(),
            projected: Some(ProjectedVolumeSource {
                sources: Some(sts.into_iter().chain(pod_identity).collect()),
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

/// The container that fetches, once.
fn fetcher(inputs: Inputs<'_>, secrets: &[VolumeMount], tokens: &Tokens<'_>) -> Container {
    Container {
        name: NAME.to_owned(),
        args: Some(vec!["fetch".to_owned()]),
        ..container(inputs, secrets, tokens, Runs::First)
    }
}

/// The sidecar that keeps the files fresh: an init container that goes on, and ends with the pod.
///
/// Source: <https://kubernetes.io/docs/concepts/workloads/pods/sidecar-containers/>.
fn refresher(
    inputs: Inputs<'_>,
    refresh: &Refresh,
    secrets: &[VolumeMount],
    tokens: &Tokens<'_>,
) -> Container {
    let mut container = container(inputs, secrets, tokens, Runs::Beside);
    let on_refresh = refresh.on_refresh.as_ref().map(ToString::to_string);
    let metrics = refresh.metrics_port.map(|port| format!("[::]:{port}"));
    let variables = [
        ("REFRESH_INTERVAL", Some(refresh.interval.to_string())),
        ("ON_REFRESH", on_refresh),
        ("METRICS_LISTEN", metrics),
    ];
    let variables = variables
        .into_iter()
        .filter_map(|(name, value)| Some(variable(name, &value?)));
    container.env.get_or_insert_default().extend(variables);
    Container {
        name: REFRESHER.to_owned(),
        args: Some(vec!["refresh".to_owned()]),
        restart_policy: Some("Always".to_owned()),
        ports: refresh.metrics_port.map(|port| {
            vec![ContainerPort {
                name: Some("refresh-metrics".to_owned()),
                container_port: i32::from(port),
                ..ContainerPort::default()
            }]
        }),
        ..container
    }
}

/// What both have in common.
fn container(
    inputs: Inputs<'_>,
    secrets: &[VolumeMount],
    tokens: &Tokens<'_>,
    runs: Runs,
) -> Container {
    let mount = |name: &str, path: &str, read_only: bool| VolumeMount {
        name: name.to_owned(),
        mount_path: path.to_owned(),
        read_only: read_only.then_some(true),
        ..VolumeMount::default()
    };
    let mut mounts = secrets.to_vec();
    let mut environment = environment(inputs, tokens);
    if inputs.wanted.refresh.is_some() {
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
            &inputs.wanted.resources,
            &inputs.settings.resources,
            inputs.pod,
            runs,
        )),
        security_context: Some(identity::security_context(inputs.wanted, inputs.pod)),
        termination_message_policy: Some("FallbackToLogsOnError".to_owned()),
        ..Container::default()
    }
}

fn variable(name: &str, value: &str) -> EnvVar {
    EnvVar {
        name: name.to_owned(),
        value: Some(value.to_owned()),
        ..EnvVar::default()
    }
}

/// A variable with a field of the pod, known to the kubelet alone: a generated name does not exist at admission.
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
    let classes = inputs.wanted.classes.iter().zip(inputs.classes);
    let snapshot = Snapshot {
        classes: classes
            .map(
                |(mount, (class, parameters))| provider_class::SnapshotClass {
                    name: class.name.clone(),
                    mount_path: mount.mount_path.clone(),
                    parameters: parameters.clone(),
                },
            )
            .collect(),
    };
    // Kubernetes replaces $(NAME) in values, and turns $$ into $: the class has to arrive as it is.
    let mut variables = vec![variable(
        SNAPSHOT_VARIABLE,
        &snapshot.to_json().replace('$', "$$"),
    )];
    variables.extend(
        inputs
            .default_region
            .map(|region| variable("AWS_REGION", region.as_str())),
    );
    variables.extend(tokens.environment());
    variables.push(field("POD_NAMESPACE", "metadata.namespace"));
    variables.push(field("POD_NAME", "metadata.name"));
    for (name, value) in &inputs.settings.environment {
        variables.retain(|other| other.name != *name);
        variables.push(variable(name, value));
    }
    variables
}
