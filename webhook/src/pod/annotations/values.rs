//! The values of annotations, one parser each. The error says what is wrong with a value; the annotation's name is for the
//! caller to add.

use provider_class::ObjectName;

use super::{RequestedClass, SecretObjects};
use crate::pod::contract::{
    MOST_CONTAINERS, PROGRAM_DIRECTORY, STATE_DIRECTORY, VARIABLES_DIRECTORY,
};
use crate::text;

/// Classes that one pod may name. Each is a directory or a part of one; the API server's policy could not check more
/// directories than that either.
pub(crate) const MOST_CLASSES: usize = 64;

/// Bytes of a path. Linux allows 4,095, including the directory that a container runtime puts in front.
const LONGEST_PATH: usize = 1024;

/// `db`, `db,mail`, `db=/etc/db,mail`: classes, some with directories of their own.
pub(super) fn class_mounts(text: &str) -> Result<Vec<(RequestedClass, Option<String>)>, String> {
    // Counted before anything is compared.
    let count = text.split(',').count();
    if count > MOST_CLASSES {
        return Err(format!(
            "names {count} classes, but a pod can have at most {MOST_CLASSES}: put their objects into fewer classes"
        ));
    }
    let mut mounts = Vec::new();
    for item in text.split(',').map(str::trim) {
        let (class, path) = match item.split_once('=') {
            Some((class, path)) => (class.trim(), Some(mount_path(path.trim())?)),
            None => (item, None),
        };
        let Some(class) = requested_class(class) else {
            return Err(format!(
                "{class:?} is not the name of a SecretProviderClass: write NAME or NAME=/path, or a comma-separated list of them"
            ));
        };
        mounts.push((class, path));
    }
    Ok(mounts)
}

/// `db`, `platform/db`.
fn requested_class(text: &str) -> Option<RequestedClass> {
    let Some((namespace, name)) = text.split_once('/') else {
        return Some(RequestedClass::Named(text.parse().ok()?));
    };
    Some(RequestedClass::Shared {
        namespace: namespace.parse().ok()?,
        name: name.parse().ok()?,
        full_name: text.to_owned(),
    })
}

/// `env`, `sync`, `ignore`.
pub(super) fn secret_objects(text: &str) -> Result<SecretObjects, String> {
    match text {
        "env" => Ok(SecretObjects::Env),
        "sync" => Ok(SecretObjects::Sync),
        "ignore" => Ok(SecretObjects::Ignore),
        other => Err(format!("{other:?} is not \"env\", \"sync\" or \"ignore\"")),
    }
}

/// Paths where a mount, there or below, would break the container or hide what Kubernetes puts there. In most images `/var/run` is a
/// link to `/run`. The last ones are the injector's own.
const RESERVED: [&str; 27] = [
    "/dev",
    "/proc",
    "/sys",
    "/var/run/secrets",
    "/run/secrets",
    "/etc/hostname",
    "/etc/hosts",
    "/etc/resolv.conf",
    "/etc/group",
    "/etc/ld.so.cache",
    "/etc/nsswitch.conf",
    "/etc/passwd",
    "/etc/shadow",
    "/bin",
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/sbin",
    "/usr/bin",
    "/usr/sbin",
    "/etc/ssl/certs/ca-certificates.crt",
    "/aws-secrets-injector",
    "/aws-secrets-exec",
    STATE_DIRECTORY,
    VARIABLES_DIRECTORY,
    PROGRAM_DIRECTORY,
];

/// Directories that hold one of those, the programs and libraries of an image, or its CA certificates: a read-only mount hides them
/// and leaves no room for the others. Directories in them are free, as far as [`RESERVED`] does not name them.
const ABOVE_RESERVED: [&str; 17] = [
    "/run",
    "/var/run",
    "/var",
    "/var/lib",
    "/etc",
    "/etc/pki",
    "/etc/pki/tls",
    "/etc/pki/tls/certs",
    "/etc/ssl",
    "/etc/ssl/certs",
    "/usr",
    "/usr/lib",
    "/usr/lib64",
    "/usr/local",
    "/usr/local/bin",
    "/usr/local/lib",
    "/usr/share",
];

pub(super) fn mount_path(value: &str) -> Result<String, String> {
    let path = value.trim_end_matches('/');
    if path.len() > LONGEST_PATH {
        return Err(format!(
            "is a path of {} bytes: choose one of at most {LONGEST_PATH}",
            path.len()
        ));
    }
    if !path.starts_with('/') {
        return Err(format!(
            "{value:?} is not an absolute path of a directory, such as /mnt/secrets-store"
        ));
    }
    let mut parts = path.split('/').skip(1);
    if parts.any(|part| matches!(part, "" | "." | "..")) || path.contains([':', '\0']) {
        return Err(format!(
            "{value:?} is not a plain path: leave out \"//\", \".\", \"..\" and \":\""
        ));
    }
    // Programs print the path, in lines of their own.
    if !text::is_harmless(path) {
        return Err(format!("{value:?} has control characters: leave them out"));
    }
    if is_reserved(path) {
        return Err(format!(
            "{value:?} is reserved for the system: choose another directory"
        ));
    }
    Ok(path.to_owned())
}

fn is_reserved(path: &str) -> bool {
    ABOVE_RESERVED.contains(&path)
        || RESERVED.iter().any(|reserved| {
            let rest = path.strip_prefix(reserved);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        })
}

pub(super) fn container_names(text: &str) -> Result<Vec<String>, String> {
    let count = text.split(',').count();
    if count > MOST_CONTAINERS {
        return Err(format!(
            "names {count} containers, but a pod can have at most {MOST_CONTAINERS}"
        ));
    }
    let names: Vec<String> = text.split(',').map(|name| name.trim().to_owned()).collect();
    match names
        .iter()
        .find(|name| name.parse::<ObjectName>().is_err())
    {
        Some(bad) => Err(format!(
            "{bad:?} is not the name of a container: write a comma-separated list of names"
        )),
        None => Ok(names),
    }
}

/// A user or group, as Kubernetes takes it.
pub(super) fn id(text: &str) -> Result<i64, String> {
    match text.parse() {
        Ok(id) if (0..=i64::from(i32::MAX)).contains(&id) => Ok(id),
        _ => Err(format!(
            "{text:?} is not a numeric ID from 0 to {}",
            i32::MAX
        )),
    }
}

/// A port on which a container without capabilities can listen on every node.
pub(super) fn unprivileged_port(text: &str) -> Result<u16, String> {
    match text.parse() {
        Ok(port) if port >= 1024 => Ok(port),
        _ => Err(format!("{text:?} is not a port from 1024 to 65535")),
    }
}
