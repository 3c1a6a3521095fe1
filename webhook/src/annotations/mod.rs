//! What a pod asks for, by its annotations.

mod unknown;
mod values;

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Container;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use provider_class::{OnRefresh, RefreshInterval};

use crate::injection::resources::amount;
use unknown::unknown;
pub(crate) use values::quantity;
use values::{class_mounts, container_names, id, mount_path};

use crate::injection::is_chosen;

/// Prefix of all annotations of this project.
pub const PREFIX: &str = "aws-secrets-injector.io/";
/// The annotation that triggers the injection.
pub const CLASSES: &str = "aws-secrets-injector.io/secret-provider-class";
/// What the webhook writes.
pub const STATUS: &str = "aws-secrets-injector.io/status";
/// The value of [`STATUS`] of a pod that was injected.
pub const INJECTED: &str = "injected";
/// Where files go if the pod does not say.
pub const DEFAULT_MOUNT_PATH: &str = "/mnt/secrets-store";

const MOUNT_PATH: &str = "mount-path";
const CONTAINERS: &str = "containers";
const RUN_AS_USER: &str = "run-as-user";
const RUN_AS_GROUP: &str = "run-as-group";
const CPU_REQUEST: &str = "cpu-request";
const CPU_LIMIT: &str = "cpu-limit";
const MEMORY_REQUEST: &str = "memory-request";
const MEMORY_LIMIT: &str = "memory-limit";
/// How often files are refreshed.
pub const REFRESH_INTERVAL: &str = "refresh-interval";
/// What is done when files have changed.
pub const ON_REFRESH: &str = "on-refresh";
const REFRESH_METRICS_PORT: &str = "refresh-metrics-port";

/// Names of all annotations, after the prefix.
pub const KNOWN: [&str; 13] = [
    "secret-provider-class",
    "status",
    MOUNT_PATH,
    CONTAINERS,
    RUN_AS_USER,
    RUN_AS_GROUP,
    CPU_REQUEST,
    CPU_LIMIT,
    MEMORY_REQUEST,
    MEMORY_LIMIT,
    REFRESH_INTERVAL,
    ON_REFRESH,
    REFRESH_METRICS_PORT,
];

/// What a pod asks for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Wanted {
    /// Classes and where their files go; at least one.
    pub classes: Vec<ClassMount>,
    /// The containers that get the files; all of them without names.
    pub containers: Option<Vec<String>>,
    /// User of the injected container.
    pub run_as_user: Option<i64>,
    /// Group of the injected container.
    pub run_as_group: Option<i64>,
    /// Resources of the injected container, where they differ from the webhook's settings.
    pub resources: Resources,
    /// Files are kept fresh, where the pod asks for that.
    pub refresh: Option<Refresh>,
    /// Annotations that have no effect.
    pub warnings: Vec<String>,
}

/// How files are kept fresh.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refresh {
    /// The time between two looks at AWS.
    pub interval: RefreshInterval,
    /// What is done when files have changed.
    pub on_refresh: Option<OnRefresh>,
    /// Where the sidecar serves its metrics.
    pub metrics_port: Option<u16>,
}

/// A class and its directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClassMount {
    /// The class's name.
    pub class: String,
    /// An absolute path.
    pub mount_path: String,
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

/// An annotation that cannot be followed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("annotation {PREFIX}{name}: {reason}")]
pub struct InvalidAnnotation {
    name: &'static str,
    reason: String,
}

fn invalid(name: &'static str, reason: impl Into<String>) -> InvalidAnnotation {
    InvalidAnnotation {
        name,
        reason: reason.into(),
    }
}

impl Wanted {
    /// Reads a pod's annotations; `None` where the pod asks for nothing.
    ///
    /// # Errors
    /// Every annotation that cannot be followed.
    pub fn read(
        annotations: &BTreeMap<String, String>,
    ) -> Result<Option<Self>, Vec<InvalidAnnotation>> {
        let Some(classes) = annotations.get(CLASSES) else {
            return Ok(None);
        };
        let get = |name: &str| {
            annotations
                .get(&format!("{PREFIX}{name}"))
                .map(|value| value.trim())
        };
        let mut errors = Vec::new();
        let default_path = keep(
            &mut errors,
            get(MOUNT_PATH).map(|path| mount_path(MOUNT_PATH, path)),
        );
        let default_path = default_path.unwrap_or_else(|| DEFAULT_MOUNT_PATH.to_owned());
        let classes =
            keep(&mut errors, Some(class_mounts(classes, &default_path))).unwrap_or_default();
        let mut wanted = Self {
            classes,
            containers: keep(&mut errors, get(CONTAINERS).map(container_names)),
            run_as_user: keep(
                &mut errors,
                get(RUN_AS_USER).map(|text| id(RUN_AS_USER, text)),
            ),
            run_as_group: keep(
                &mut errors,
                get(RUN_AS_GROUP).map(|text| id(RUN_AS_GROUP, text)),
            ),
            resources: Resources {
                cpu_request: keep(
                    &mut errors,
                    get(CPU_REQUEST).map(|text| quantity(CPU_REQUEST, text)),
                ),
                cpu_limit: keep(
                    &mut errors,
                    get(CPU_LIMIT).map(|text| quantity(CPU_LIMIT, text)),
                ),
                memory_request: keep(
                    &mut errors,
                    get(MEMORY_REQUEST).map(|text| quantity(MEMORY_REQUEST, text)),
                ),
                memory_limit: keep(
                    &mut errors,
                    get(MEMORY_LIMIT).map(|text| quantity(MEMORY_LIMIT, text)),
                ),
            },
            refresh: refresh(&get, &mut errors),
            warnings: unknown(annotations),
        };
        wanted.warnings.extend(without_refresh(&wanted, &get));
        errors.extend(wanted.resources.contradictions());
        if errors.is_empty() {
            Ok(Some(wanted))
        } else {
            Err(errors)
        }
    }

    /// Does this container of the pod's own get the files?
    pub fn chooses(&self, container: &Container) -> bool {
        is_chosen(container, self.containers.as_deref())
    }
}

impl Resources {
    /// Requests above their limits.
    fn contradictions(&self) -> Vec<InvalidAnnotation> {
        let pairs = [
            (CPU_REQUEST, &self.cpu_request, &self.cpu_limit),
            (MEMORY_REQUEST, &self.memory_request, &self.memory_limit),
        ];
        let contradiction =
            |(name, request, limit): (&'static str, &Option<Quantity>, &Option<Quantity>)| {
                let (request, limit) = (request.as_ref()?, limit.as_ref()?);
                let is_above = amount(request) > amount(limit);
                is_above.then(|| {
                    invalid(
                        name,
                        format!("{} is more than the limit {}", request.0, limit.0),
                    )
                })
            };
        pairs.into_iter().filter_map(contradiction).collect()
    }
}

fn refresh<'a>(
    get: &impl Fn(&str) -> Option<&'a str>,
    errors: &mut Vec<InvalidAnnotation>,
) -> Option<Refresh> {
    let on_refresh = get(ON_REFRESH).map(|text| {
        let parsed = text.parse::<OnRefresh>();
        parsed.map_err(|error| invalid(ON_REFRESH, error.to_string()))
    });
    let on_refresh = keep(errors, on_refresh);
    let metrics_port = get(REFRESH_METRICS_PORT).map(|text| {
        // Below 1024 a container without capabilities cannot listen on every node.
        let port = text.parse::<u16>().ok().filter(|port| *port >= 1024);
        let reason = || format!("{text:?} is not a port from 1024 to 65535");
        port.ok_or_else(|| invalid(REFRESH_METRICS_PORT, reason()))
    });
    let metrics_port = keep(errors, metrics_port);
    let interval = get(REFRESH_INTERVAL).map(|text| {
        let parsed = text.parse::<RefreshInterval>();
        parsed.map_err(|error| invalid(REFRESH_INTERVAL, error.to_string()))
    });
    Some(Refresh {
        interval: keep(errors, interval)?,
        on_refresh,
        metrics_port,
    })
}

/// Annotations that say how to do what nobody asked for.
fn without_refresh<'a>(wanted: &Wanted, get: &impl Fn(&str) -> Option<&'a str>) -> Vec<String> {
    if wanted.refresh.is_some() {
        return Vec::new();
    }
    let names = [ON_REFRESH, REFRESH_METRICS_PORT].into_iter();
    names
        .filter(|name| get(name).is_some())
        .map(|name| {
            format!("annotation {PREFIX}{name} has no effect without {PREFIX}{REFRESH_INTERVAL}")
        })
        .collect()
}

fn keep<T>(
    errors: &mut Vec<InvalidAnnotation>,
    read: Option<Result<T, InvalidAnnotation>>,
) -> Option<T> {
    read?.map_err(|error| errors.push(error)).ok()
}

#[cfg(test)]
mod tests;
