//! Every annotation: its name, its documentation, and what reads its value. To add one, add it here, and its row to
//! docs/annotations.md.

use provider_class::{EnvMethod, OnRefresh, RefreshInterval};

use super::draft::Draft;
use super::values::{
    class_mounts, container_names, id, mount_path, secret_objects, unprivileged_port,
};
use super::{
    CONTAINERS, CPU_REQUEST, ENV, ENV_METHOD, MEMORY_REQUEST, OBJECTS, ON_REFRESH, PARAMETERS,
    REFRESH_INTERVAL, REFRESH_METRICS_PORT, SECRET_OBJECTS, SECRET_PROVIDER_CLASS,
};
use crate::pod::quantity::quantity;
use crate::pod::variables::items;

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

/// The annotation that only the webhook writes.
pub(super) const SET_BY_WEBHOOK: &str = "status";

/// All annotations, in the order of the documentation.
pub const ANNOTATIONS: [Annotation; 18] = [
    Annotation {
        name: SECRET_PROVIDER_CLASS,
        values: "comma-separated names of classes in the pod's namespace. Write `name=/path` to give a class its own directory. A pod needs this annotation or `objects`",
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
        read: |draft, text| container_names(text).map(|names| draft.containers = Some(names)),
    },
    Annotation {
        name: ENV,
        values: "comma-separated `NAME=FILE`: environment variables with the contents of files, in the containers that get the files. FILE is as `aws-secrets-injector check` prints it, or its absolute path where several directories have it. `*` adds every file whose `objectAlias` is a variable name (letters, digits, `_`)",
        default: "no variables",
        example: "DB_PASSWORD=shop_password",
        read: |draft, text| items(text).map(|items| draft.variables = Some(items)),
    },
    Annotation {
        name: ENV_METHOD,
        values: "`kubelet`: the kubelet sets the variables (Kubernetes 1.35 or later). `exec`: the injector sets them and then runs the container's `command`, which must be set",
        default: "`kubelet`",
        example: "exec",
        read: |draft, text| {
            let method = text.parse::<EnvMethod>();
            draft.env_method = Some(method.map_err(|error| error.to_string())?);
            Ok(())
        },
    },
    Annotation {
        name: SECRET_OBJECTS,
        values: "what happens with the Kubernetes Secrets in the classes' `secretObjects`. `env`: variables that refer to them get the contents of files, and no Secret is created. `sync`: the pod creates and updates them, with a right of its own. `ignore`: nothing. See [Kubernetes Secrets](kubernetes-secrets.md)",
        default: "`env`",
        example: "sync",
        read: |draft, text| secret_objects(text).map(|mode| draft.secret_objects = Some(mode)),
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
        read: |draft, text| id(text).map(|id| draft.run_as_user = Some(id)),
    },
    Annotation {
        name: "run-as-group",
        values: "0 to 2147483647: group of the injected containers",
        default: "the pod's `runAsGroup`, else the same number as the user",
        example: "1000",
        read: |draft, text| id(text).map(|id| draft.run_as_group = Some(id)),
    },
    Annotation {
        name: CPU_REQUEST,
        values: "CPU request of the injected containers, a quantity",
        default: "the webhook's setting (10m)",
        example: "20m",
        read: |draft, text| quantity(text).map(|cpu| draft.resources.cpu_request = Some(cpu)),
    },
    Annotation {
        name: "cpu-limit",
        values: "CPU limit",
        default: "the webhook's setting (none)",
        example: "200m",
        read: |draft, text| quantity(text).map(|cpu| draft.resources.cpu_limit = Some(cpu)),
    },
    Annotation {
        name: MEMORY_REQUEST,
        values: "memory request",
        default: "the webhook's setting (32Mi)",
        example: "48Mi",
        read: |draft, text| quantity(text).map(|size| draft.resources.memory_request = Some(size)),
    },
    Annotation {
        name: "memory-limit",
        values: "memory limit; includes the secrets, because they are in memory",
        default: "the webhook's setting (64Mi)",
        example: "128Mi",
        read: |draft, text| quantity(text).map(|size| draft.resources.memory_limit = Some(size)),
    },
    Annotation {
        name: SET_BY_WEBHOOK,
        values: "set by the webhook; do not set it yourself",
        default: "none",
        example: "injected",
        read: |_, _| Ok(()),
    },
];
