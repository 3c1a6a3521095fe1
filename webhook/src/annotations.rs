//! What a pod asks for, by its annotations.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Container;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use provider_class::{OnRefresh, RefreshInterval};

use crate::injection::resources::amount;
use crate::injection::{NAME, REFRESHER};

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
        !matches!(container.name.as_str(), NAME | REFRESHER)
            && self
                .containers
                .as_ref()
                .is_none_or(|names| names.contains(&container.name))
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

/// `db`, `db,mail`, `db=/etc/db,mail`.
fn class_mounts(text: &str, default_path: &str) -> Result<Vec<ClassMount>, InvalidAnnotation> {
    const NAME: &str = "secret-provider-class";
    let mut mounts: Vec<ClassMount> = Vec::new();
    for item in text.split(',').map(str::trim) {
        let (class, path) = match item.split_once('=') {
            Some((class, path)) => (class.trim(), mount_path(NAME, path.trim())?),
            None => (item, default_path.to_owned()),
        };
        if !is_name(class) {
            let reason = format!(
                "{class:?} is not the name of a SecretProviderClass: write NAME, NAME=/path, or several of them with commas between"
            );
            return Err(invalid(NAME, reason));
        }
        if mounts
            .iter()
            .any(|other| other.class == class && other.mount_path == path)
        {
            return Err(invalid(NAME, format!("names {class:?} twice")));
        }
        mounts.push(ClassMount {
            class: class.to_owned(),
            mount_path: path,
        });
    }
    for mount in &mounts {
        let below = |other: &&ClassMount| {
            other
                .mount_path
                .starts_with(&format!("{}/", mount.mount_path))
        };
        if let Some(other) = mounts.iter().find(below) {
            let reason = format!(
                "{} is inside {}, which is read-only: mount them side by side",
                other.mount_path, mount.mount_path
            );
            return Err(invalid(NAME, reason));
        }
    }
    Ok(mounts)
}

/// A DNS subdomain, as Kubernetes names objects.
fn is_name(text: &str) -> bool {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let label = |label: &str| {
        label.bytes().all(|b| inner(b) || b == b'-')
            && label.bytes().next().is_some_and(inner)
            && label.bytes().next_back().is_some_and(inner)
    };
    text.len() <= 253 && text.split('.').all(label)
}

/// Directories where a mount would break the container, or hide what Kubernetes puts there.
const RESERVED: [&str; 4] = ["/dev", "/proc", "/sys", "/var/run/secrets"];

fn mount_path(name: &'static str, text: &str) -> Result<String, InvalidAnnotation> {
    let path = text.trim_end_matches('/');
    let refuse = |reason: &str| Err(invalid(name, format!("{text:?} {reason}")));
    if !path.starts_with('/') {
        return refuse("is not an absolute path of a directory, such as /mnt/secrets-store");
    }
    if path
        .split('/')
        .skip(1)
        .any(|part| matches!(part, "" | "." | ".."))
        || path.contains([':', '\0'])
    {
        return refuse("is not a plain path: leave out \"//\", \".\", \"..\" and \":\"");
    }
    if RESERVED
        .iter()
        .any(|reserved| path == *reserved || path.starts_with(&format!("{reserved}/")))
    {
        return refuse("is kept for the system: choose another directory");
    }
    Ok(path.to_owned())
}

fn container_names(text: &str) -> Result<Vec<String>, InvalidAnnotation> {
    let names: Vec<String> = text.split(',').map(|name| name.trim().to_owned()).collect();
    match names.iter().find(|name| !is_name(name)) {
        Some(bad) => Err(invalid(
            CONTAINERS,
            format!("{bad:?} is not the name of a container: list names with commas between"),
        )),
        None => Ok(names),
    }
}

fn id(name: &'static str, text: &str) -> Result<i64, InvalidAnnotation> {
    // What Kubernetes takes as a user or group.
    let parsed = text
        .parse::<i64>()
        .ok()
        .filter(|id| (0..=i64::from(i32::MAX)).contains(id));
    parsed.ok_or_else(|| {
        invalid(
            name,
            format!("{text:?} is not a numeric ID from 0 to {}", i32::MAX),
        )
    })
}

/// Source: <https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/>.
pub(crate) fn quantity(name: &'static str, text: &str) -> Result<Quantity, InvalidAnnotation> {
    const SUFFIXES: [&str; 15] = [
        "", "n", "u", "m", "k", "M", "G", "T", "P", "E", "Ki", "Mi", "Gi", "Ti", "Pi",
    ];
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, suffix) = text.split_at(end);
    let valid = number.starts_with(|c: char| c.is_ascii_digit())
        && number.matches('.').count() <= 1
        && SUFFIXES.contains(&suffix);
    if valid {
        Ok(Quantity(text.to_owned()))
    } else {
        Err(invalid(
            name,
            format!("{text:?} is not a quantity, such as 100m or 64Mi"),
        ))
    }
}

fn unknown(annotations: &BTreeMap<String, String>) -> Vec<String> {
    let ours = annotations
        .keys()
        .filter_map(|key| key.strip_prefix(PREFIX));
    let unknown = ours.filter(|name| !KNOWN.contains(name));
    unknown
        .map(|name| {
            format!(
                "annotation {PREFIX}{name} is unknown and has no effect: did you mean {PREFIX}{}?",
                nearest(name)
            )
        })
        .collect()
}

/// The known name with the fewest edits.
fn nearest(name: &str) -> &'static str {
    let name: String = name.chars().take(64).collect();
    KNOWN
        .into_iter()
        .filter(|known| *known != "status")
        .min_by_key(|known| distance(&name, known))
        .unwrap_or(KNOWN[0])
}

/// Levenshtein's distance.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, ca) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, cb) in b.chars().enumerate() {
            let replaced = diagonal + usize::from(ca != cb);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<Wanted, String> {
        let annotations = pairs
            .iter()
            .map(|(name, value)| (format!("{PREFIX}{name}"), (*value).to_owned()))
            .collect();
        match Wanted::read(&annotations) {
            Ok(wanted) => Ok(wanted.unwrap()),
            Err(errors) => Err(errors
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join("\n")),
        }
    }

    fn mounts(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        read(pairs)
            .unwrap()
            .classes
            .into_iter()
            .map(|mount| (mount.class, mount.mount_path))
            .collect()
    }

    fn pair(class: &str, path: &str) -> (String, String) {
        (class.to_owned(), path.to_owned())
    }

    #[test]
    fn without_the_class_nothing_is_wanted() {
        let other = [(format!("{PREFIX}mount-path"), "relative".to_owned())].into();
        assert_eq!(Wanted::read(&other), Ok(None));
    }

    #[test]
    fn classes_have_their_own_path_or_the_pods() {
        assert_eq!(
            mounts(&[("secret-provider-class", "db")]),
            [pair("db", "/mnt/secrets-store")]
        );
        assert_eq!(
            mounts(&[
                ("secret-provider-class", " db = /etc/db/ , mail"),
                ("mount-path", "/secrets")
            ]),
            [pair("db", "/etc/db"), pair("mail", "/secrets")]
        );
    }

    #[test]
    fn a_bad_value_names_its_annotation_and_all_are_named() {
        let error = read(&[
            ("secret-provider-class", "DB"),
            ("mount-path", "x"),
            ("containers", "a,,b"),
            ("run-as-user", "root"),
            ("cpu-request", "much"),
        ])
        .unwrap_err();
        assert_eq!(error.lines().count(), 5, "{error}");
        assert!(
            error
                .lines()
                .all(|line| line.starts_with("annotation aws-secrets-injector.io/")),
            "{error}"
        );
    }

    #[test]
    fn paths_that_would_break_the_container_are_refused() {
        for bad in [
            "/",
            "",
            "a/b",
            "/a/../b",
            "/a//b",
            "/a:b",
            "/proc",
            "/proc/x",
            "/var/run/secrets/x",
        ] {
            assert!(
                read(&[("secret-provider-class", "db"), ("mount-path", bad)]).is_err(),
                "{bad}"
            );
        }
        assert!(
            read(&[("secret-provider-class", "a=/x,b=/x/y")])
                .unwrap_err()
                .contains("/x/y is inside /x")
        );
        assert!(read(&[("secret-provider-class", "a=/x,b=/xy")]).is_ok());
        assert!(
            read(&[("secret-provider-class", "a,a")])
                .unwrap_err()
                .contains("twice")
        );
    }

    #[test]
    fn a_request_above_its_limit_is_refused() {
        let error = read(&[
            ("secret-provider-class", "db"),
            ("memory-request", "1Gi"),
            ("memory-limit", "512Mi"),
        ])
        .unwrap_err();
        assert!(
            error.contains("memory-request: 1Gi is more than the limit 512Mi"),
            "{error}"
        );
    }

    #[test]
    fn refreshing_has_an_interval_and_may_tell_the_app() {
        let pairs = [
            ("secret-provider-class", "db"),
            ("refresh-interval", "5m"),
            ("on-refresh", "signal:SIGHUP:web"),
            ("refresh-metrics-port", "9090"),
        ];
        let refresh = read(&pairs).unwrap().refresh.unwrap();
        assert_eq!(refresh.interval.to_string(), "5m");
        assert_eq!(refresh.on_refresh.unwrap().to_string(), "signal:SIGHUP:web");
        assert_eq!(refresh.metrics_port, Some(9090));
        let error = read(&[
            ("secret-provider-class", "db"),
            ("refresh-interval", "5"),
            ("on-refresh", "restart"),
            ("refresh-metrics-port", "80"),
        ])
        .unwrap_err();
        assert_eq!(error.lines().count(), 3, "{error}");
        let wanted = read(&[
            ("secret-provider-class", "db"),
            ("on-refresh", "http:POST:80/"),
        ])
        .unwrap();
        assert!(
            wanted.warnings[0].contains("has no effect without"),
            "{:?}",
            wanted.warnings
        );
    }

    #[test]
    fn quantities_are_those_of_kubernetes() {
        for good in ["1", "100m", "0.5", "64Mi", "1Gi"] {
            assert!(quantity("cpu-request", good).is_ok(), "{good}");
        }
        for bad in ["", "m", "1 Mi", "1.2.3", "-1", "1Mb", ".5"] {
            assert!(quantity("cpu-request", bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_unknown_annotation_names_the_nearest_one() {
        let warnings = read(&[("secret-provider-class", "db"), ("mountpath", "/x")])
            .unwrap()
            .warnings;
        assert_eq!(
            warnings,
            [
                "annotation aws-secrets-injector.io/mountpath is unknown and has no effect: did you mean aws-secrets-injector.io/mount-path?"
            ]
        );
        assert_eq!(
            read(&[("secret-provider-class", "db"), ("status", "injected")])
                .unwrap()
                .warnings,
            [] as [&str; 0]
        );
    }
}
