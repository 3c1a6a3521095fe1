//! The values of annotations, one parser each.

use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use super::{CONTAINERS, ClassMount, InvalidAnnotation, invalid};

/// `db`, `db,mail`, `db=/etc/db,mail`.
pub(super) fn class_mounts(
    text: &str,
    default_path: &str,
) -> Result<Vec<ClassMount>, InvalidAnnotation> {
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

pub(super) fn mount_path(name: &'static str, text: &str) -> Result<String, InvalidAnnotation> {
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

pub(super) fn container_names(text: &str) -> Result<Vec<String>, InvalidAnnotation> {
    let names: Vec<String> = text.split(',').map(|name| name.trim().to_owned()).collect();
    match names.iter().find(|name| !is_name(name)) {
        Some(bad) => Err(invalid(
            CONTAINERS,
            format!("{bad:?} is not the name of a container: list names with commas between"),
        )),
        None => Ok(names),
    }
}

pub(super) fn id(name: &'static str, text: &str) -> Result<i64, InvalidAnnotation> {
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
