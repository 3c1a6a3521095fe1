//! Every annotation: its name, its documentation, what reads its value, and the value. To add one, add it and its field of
//! [`PodRequest`] here, and its row to docs/annotations.md.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use provider_class::{EnvMethod, OnRefresh, RefreshInterval};

use super::env::{RequestedVariables, items};
use super::values::{
    class_mounts, container_names, id, mount_path, secret_objects, unprivileged_port,
};
use super::{ClassMount, RequestedClass};
use crate::pod::csi::{CSI_VOLUMES, CsiVolumes};
use crate::pod::quantity::quantity;

/// The annotation that names classes. It triggers the injection.
pub const CLASSES: &str = "aws-secrets-injector.io/secret-provider-class";
/// The annotation with the objects of a class that has no SecretProviderClass. It triggers the injection, too.
pub const OBJECTS: &str = "objects";
/// The other parameters of that class.
pub const PARAMETERS: &str = "parameters";

/// Which containers get the files.
pub const CONTAINERS: &str = "containers";
/// How often files are refreshed.
pub const REFRESH_INTERVAL: &str = "refresh-interval";
/// How the app is notified of changed files.
pub const ON_REFRESH: &str = "on-refresh";
/// Which environment variables the containers get.
pub const ENV: &str = "env";
/// How the variables reach the containers.
pub const ENV_METHOD: &str = "env-method";
/// What happens with the Kubernetes Secrets that the classes describe.
pub const SECRET_OBJECTS: &str = "secret-objects";
pub(super) const SECRET_PROVIDER_CLASS: &str = "secret-provider-class";
/// The port on which the sidecar serves its metrics.
pub const REFRESH_METRICS_PORT: &str = "refresh-metrics-port";
pub(super) const CPU_REQUEST: &str = "cpu-request";
pub(super) const MEMORY_REQUEST: &str = "memory-request";

/// What a pod requests.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PodRequest {
    /// Classes and where their files go; at least one.
    pub classes: Vec<ClassMount>,
    /// The containers that get the files; `None` means all.
    pub containers: Option<Vec<String>>,
    /// User of the injected containers.
    pub run_as_user: Option<i64>,
    /// Group of the injected containers.
    pub run_as_group: Option<i64>,
    /// Resources of the injected containers that override the webhook's settings.
    pub resources: Resources,
    /// How files are refreshed; `None` means never.
    pub refresh: Option<Refresh>,
    /// Environment variables of the containers that get the files.
    pub variables: Option<RequestedVariables>,
    /// How variables reach the containers, if the pod says so.
    pub env_method: Option<EnvMethod>,
    /// What happens with the Kubernetes Secrets that the classes describe.
    pub secret_objects: SecretObjects,
    /// A line for each annotation that has no effect.
    pub warnings: Vec<String>,
}

/// What happens with the Kubernetes Secrets that the pod's classes describe.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SecretObjects {
    /// References to them become variables with the contents of files. No Secret is created.
    #[default]
    Env,
    /// The injector applies them.
    Sync,
    /// Nothing.
    Ignore,
}

/// How files are refreshed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refresh {
    /// The time between two checks for changed secrets.
    pub interval: RefreshInterval,
    /// How the app is notified of changed files.
    pub on_refresh: Option<OnRefresh>,
    /// The port on which the sidecar serves its metrics.
    pub metrics_port: Option<u16>,
}

/// Requests and limits of a container.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Resources {
    /// `requests.cpu`
    pub cpu_request: Option<Quantity>,
    /// `limits.cpu`
    pub cpu_limit: Option<Quantity>,
    /// `requests.memory`
    pub memory_request: Option<Quantity>,
    /// `limits.memory`
    pub memory_limit: Option<Quantity>,
}

/// The values of a pod's annotations, each one valid, but not yet compared with each other.
#[derive(Debug, Default)]
pub(super) struct Draft {
    /// What depends on one annotation only.
    pub(super) request: PodRequest,
    /// Classes, some with directories of their own.
    pub(super) classes: Vec<(RequestedClass, Option<String>)>,
    /// The objects of a class of the pod's own, and its other parameters.
    pub(super) objects: Option<String>,
    pub(super) parameters: Option<BTreeMap<String, String>>,
    pub(super) mount_path: Option<String>,
    pub(super) refresh_interval: Option<RefreshInterval>,
    pub(super) on_refresh: Option<OnRefresh>,
    pub(super) metrics_port: Option<u16>,
}

/// An annotation of a pod.
#[derive(Clone, Copy, Debug)]
pub struct Annotation {
    /// Its name, without the prefix.
    pub name: &'static str,
    /// The values that it takes, as in the documentation.
    pub values: &'static str,
    /// What holds without it.
    pub default: &'static str,
    /// A value.
    pub example: &'static str,
    /// Reads a value. The error says what is wrong with it.
    pub(super) read: fn(&mut Draft, &str) -> Result<(), String>,
}

/// The annotations that only the webhook writes.
pub(super) const SET_BY_WEBHOOK: [&str; 3] = ["status", "replaced-volumes", "replaced-parameters"];

/// All annotations, in the order of the documentation.
pub const ANNOTATIONS: [Annotation; 21] = [
    Annotation {
        name: SECRET_PROVIDER_CLASS,
        values: "comma-separated names of classes in the pod's namespace, or `namespace/name` for a [shared class](webhook.md#shared-classes). Write `name=/path` to give a class its own directory. A pod needs this annotation or `objects`",
        default: "no injection",
        example: "shop,mail=/etc/mail",
        read: |draft, text| class_mounts(text).map(|mounts| draft.classes = mounts),
    },
    Annotation {
        name: OBJECTS,
        values: "a YAML list of [objects](class-fields.md#entries-of-objects), as in a class. No SecretProviderClass is needed for it",
        default: "none",
        example: "[{objectName: shop/db, objectType: secretsmanager}]",
        read: |draft, text| {
            // Its mistakes are those of a class.
            draft.objects = Some(text.to_owned());
            Ok(())
        },
    },
    Annotation {
        name: PARAMETERS,
        values: "a YAML map of the other [parameters](class-fields.md#specparameters) for `objects`",
        default: "none",
        example: "region: us-east-2",
        read: |draft, text| {
            let parameters = provider_class::annotated::parameters(text);
            parameters.map(|parameters| draft.parameters = Some(parameters))
        },
    },
    Annotation {
        name: "mount-path",
        values: "absolute path of the directory for classes without their own. Not allowed, because a container would not start or would lose its CA certificates: [reserved paths](#reserved-paths)",
        default: "`/mnt/secrets-store`",
        example: "/etc/secrets",
        read: |draft, text| mount_path(text).map(|path| draft.mount_path = Some(path)),
    },
    Annotation {
        name: CONTAINERS,
        values: "comma-separated names of the containers and init containers that get the files",
        default: "all",
        example: "web,migrate",
        read: |draft, text| {
            container_names(text).map(|names| draft.request.containers = Some(names))
        },
    },
    Annotation {
        name: ENV,
        values: "comma-separated `NAME=FILE`: environment variables with the contents of files, in the containers that get the files. FILE is as `aws-secrets-injector check` prints it, or its absolute path where several directories have it. `*` adds every file whose `objectAlias` is a variable name (letters, digits, `_`)",
        default: "no variables",
        example: "DB_PASSWORD=shop_password",
        read: |draft, text| items(text).map(|items| draft.request.variables = Some(items)),
    },
    Annotation {
        name: ENV_METHOD,
        values: "`kubelet`: the kubelet sets the variables (Kubernetes 1.35 or later). `exec`: the injector sets them and then runs the container's `command`, which must be set",
        default: "`kubelet`",
        example: "exec",
        read: |draft, text| {
            let method = text.parse::<EnvMethod>();
            draft.request.env_method = Some(method.map_err(|error| error.to_string())?);
            Ok(())
        },
    },
    Annotation {
        name: SECRET_OBJECTS,
        values: "what happens with the Kubernetes Secrets in the classes' `secretObjects`. `env`: variables that refer to them get the contents of files, and no Secret is created. `sync`: the pod creates and updates them, with a right of its own. `ignore`: nothing. See [Kubernetes Secrets](kubernetes-secrets.md)",
        default: "`env`",
        example: "sync",
        read: |draft, text| secret_objects(text).map(|mode| draft.request.secret_objects = mode),
    },
    Annotation {
        name: REFRESH_INTERVAL,
        values: "`1s` to `24h`, in `h`, `m` and `s`: how often a sidecar refreshes the files, see [rotation](rotation.md)",
        default: "never",
        example: "1h30m",
        read: |draft, text| {
            let interval = text.parse::<RefreshInterval>();
            draft.refresh_interval = Some(interval.map_err(|error| error.to_string())?);
            Ok(())
        },
    },
    Annotation {
        name: ON_REFRESH,
        values: "`signal:SIGNAL:CONTAINER` (with `shareProcessNamespace: true`), `http:METHOD:PORT/PATH` or `restart` (Kubernetes 1.36 or later): how to [notify the app](rotation.md#how-apps-notice-changes) of changed files",
        default: "no notification",
        example: "http:POST:8080/-/reload",
        read: |draft, text| {
            let on_refresh = text.parse::<OnRefresh>();
            draft.on_refresh = Some(on_refresh.map_err(|error| error.to_string())?);
            Ok(())
        },
    },
    Annotation {
        name: REFRESH_METRICS_PORT,
        values: "1024 to 65535: the port on which the sidecar serves [metrics](rotation.md#metrics) and its [liveness probe](rotation.md#liveness-probe)",
        default: "no metrics and no probe",
        example: "9090",
        read: |draft, text| unprivileged_port(text).map(|port| draft.metrics_port = Some(port)),
    },
    Annotation {
        name: "run-as-user",
        values: "0 to 2147483647: user of the injected containers and owner of the files",
        default: "the common user of the containers that get the files, else the pod's `runAsUser`, else 65532. Init containers count only if no other container gets the files",
        example: "1000",
        read: |draft, text| id(text).map(|id| draft.request.run_as_user = Some(id)),
    },
    Annotation {
        name: "run-as-group",
        values: "0 to 2147483647: group of the injected containers",
        default: "the pod's `runAsGroup`, else the same number as the user",
        example: "1000",
        read: |draft, text| id(text).map(|id| draft.request.run_as_group = Some(id)),
    },
    Annotation {
        name: CPU_REQUEST,
        values: "CPU request of the injected containers, a quantity",
        default: "the webhook's setting (10m)",
        example: "20m",
        read: |draft, text| {
            quantity(text).map(|cpu| draft.request.resources.cpu_request = Some(cpu))
        },
    },
    Annotation {
        name: "cpu-limit",
        values: "CPU limit",
        default: "the webhook's setting (none)",
        example: "200m",
        read: |draft, text| quantity(text).map(|cpu| draft.request.resources.cpu_limit = Some(cpu)),
    },
    Annotation {
        name: MEMORY_REQUEST,
        values: "memory request",
        default: "the webhook's setting (32Mi)",
        example: "48Mi",
        read: |draft, text| {
            quantity(text).map(|size| draft.request.resources.memory_request = Some(size))
        },
    },
    Annotation {
        name: "memory-limit",
        values: "memory limit; includes the secrets, because they are in memory",
        default: "the webhook's setting (64Mi)",
        example: "128Mi",
        read: |draft, text| {
            quantity(text).map(|size| draft.request.resources.memory_limit = Some(size))
        },
    },
    Annotation {
        name: CSI_VOLUMES,
        values: "`replace`: volumes of the Secrets Store CSI Driver get their files from the injector, see [pods with a CSI volume](moving-from-the-csi-driver.md#change-nothing). `ignore`: they are left to the driver",
        default: "the chart's `csiVolumes` (`ignore`)",
        example: "replace",
        read: |_, text| text.parse::<CsiVolumes>().map(drop),
    },
    Annotation {
        name: "replaced-volumes",
        values: "set by the webhook to the CSI volumes that it has replaced; do not set it yourself",
        default: "none",
        example: "secrets=shop",
        read: |_, _| Ok(()),
    },
    Annotation {
        name: "replaced-parameters",
        values: "set by the webhook to the parameters of these volumes, if they have any; do not set it yourself",
        default: "none",
        example: "{\"secrets\":{\"region\":\"us-west-2\"}}",
        read: |_, _| Ok(()),
    },
    Annotation {
        name: "status",
        values: "set by the webhook; do not set it yourself",
        default: "none",
        example: "injected",
        read: |_, _| Ok(()),
    },
];

/// What says which secrets a pod gets, and where, is the pod's own. Volumes have a setting of their own.
const OF_THE_POD: [&str; 6] = [
    "secret-provider-class",
    "objects",
    "parameters",
    "containers",
    "env",
    "csi-volumes",
];

/// Is it an annotation that may have a default?
pub(crate) fn may_have_default(name: &str) -> bool {
    ANNOTATIONS.iter().any(|known| known.name == name)
        && ![&OF_THE_POD[..], &SET_BY_WEBHOOK].concat().contains(&name)
}
