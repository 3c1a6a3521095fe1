//! Mounts of single files: where the pod mounts a part of the secrets by itself, that part must exist. Otherwise the
//! kubelet would silently create an empty directory in its place.

use std::collections::{BTreeSet, HashMap};

use k8s_openapi::api::core::v1::{Pod, VolumeMount};
use provider_class::Presence;

use crate::pod::contract::FILES;
use crate::pod::csi;
use crate::pod::injection::{Injection, Inputs};
use crate::pod::view::containers;

/// Files that a message lists.
const MOST_LISTED: usize = 20;

/// A mount of files by which a container would not get them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnusableMount {
    /// No class of the pod creates the file, or it is optional or known only at fetch.
    #[error(
        "container {container:?} mounts {sub_path:?} of the volume {volume:?}, but no class of the pod always creates that file: correct the subPath; the files are {files}"
    )]
    NoSuchFile {
        /// The container.
        container: String,
        /// The volume.
        volume: String,
        /// What it mounts of it.
        sub_path: String,
        /// The files that it could mount.
        files: String,
    },
    /// Which file it is depends on variables that only the kubelet knows.
    #[error(
        "container {container:?} mounts {expression:?} of the volume {volume:?} by subPathExpr, but the webhook cannot check that such a file exists: {remedy}"
    )]
    Expression {
        /// The container.
        container: String,
        /// The volume.
        volume: String,
        /// The `subPathExpr`.
        expression: String,
        /// What to write instead.
        remedy: String,
    },
}

/// Checks the mounts that the pod came with.
pub(crate) fn check(inputs: Inputs<'_>, injection: &Injection) -> Result<(), UnusableMount> {
    let directories: HashMap<&str, &str> = injection
        .mounts
        .iter()
        .map(|mount| (mount.name.as_str(), mount.mount_path.as_str()))
        .chain(inputs.classes.iter().filter_map(|mounted| {
            let volume = mounted.volume.as_ref()?;
            Some((volume.name.as_str(), mounted.mount_path.as_str()))
        }))
        .collect();
    // Few pods have such a mount, so the names of files are written down only then, and once for each volume.
    let mut files_of: HashMap<&str, BTreeSet<String>> = HashMap::new();
    for container in containers(&inputs.pod.own) {
        for mount in container.volume_mounts.iter().flatten() {
            let Some(directory) = directories.get(mount.name.as_str()) else {
                continue;
            };
            let is_replaced = injection.replaced.contains_key(&mount.name);
            if let Some(expression) = &mount.sub_path_expr {
                return Err(UnusableMount::Expression {
                    container: container.name.clone(),
                    volume: mount.name.clone(),
                    expression: expression.clone(),
                    remedy: if is_replaced {
                        "leave it out for all files, or use subPath: NAME for one".to_owned()
                    } else {
                        format!(
                            "use subPath: {FILES} for all files, or subPath: {FILES}/NAME for one"
                        )
                    },
                });
            }
            let part = if is_replaced {
                csi::part(mount).map(|part| part.trim_matches('/'))
            } else {
                part_of(mount)
            };
            let Some(part) = part else {
                continue;
            };
            let files = files_of
                .entry(directory)
                .or_insert_with(|| files_in(inputs, directory));
            if !has_part(files, part) {
                return Err(UnusableMount::NoSuchFile {
                    container: container.name.clone(),
                    volume: mount.name.clone(),
                    sub_path: mount.sub_path.clone().unwrap_or_default(),
                    files: list(files, if is_replaced { "" } else { "files/" }),
                });
            }
        }
    }
    Ok(())
}

/// A warning for Kata Containers, which mount a tmpfs of their own in the virtual machine, and no part of it; and for gVisor, which
/// reads a program as its user.
///
/// Sources: <https://github.com/kata-containers/kata-containers/blob/main/docs/Limitations.md>,
/// <https://github.com/google/gvisor/issues/160>.
pub(crate) fn runtime(pod: &Pod) -> Option<String> {
    let class = pod.spec.as_ref()?.runtime_class_name.as_ref()?;
    let reason = if class.contains("kata") {
        "Kata Containers do not support subPath mounts of a tmpfs, so the containers would find an empty directory: use another runtime"
    } else if ["gvisor", "runsc"].iter().any(|name| class.contains(name)) {
        "gVisor does not start a program that its user cannot read, such as the injector's in its image: use a derived image whose program is readable, unless the injector's image is one already"
    } else {
        return None;
    };
    Some(format!("runtimeClassName {class:?}: {reason}"))
}

/// What a mount takes of the directory of files; nothing where it takes all of it.
fn part_of(mount: &VolumeMount) -> Option<&str> {
    let rest = mount.sub_path.as_deref()?.strip_prefix(FILES)?;
    let part = rest.strip_prefix('/')?.trim_matches('/');
    (!part.is_empty()).then_some(part)
}

/// The files that are in a directory after each fetch.
fn files_in(inputs: Inputs<'_>, directory: &str) -> BTreeSet<String> {
    let mut files = BTreeSet::new();
    for mounted in inputs.classes {
        if mounted.mount_path == directory {
            let files_of_class = mounted.class.files_with_presence();
            let required = files_of_class.filter(|(_, presence)| *presence == Presence::Required);
            files.extend(required.map(|(file, _)| file.path.to_string()));
        }
    }
    files
}

/// Is it one of the files, or a directory above one?
fn has_part(files: &BTreeSet<String>, part: &str) -> bool {
    let below = format!("{part}/");
    let mut after = files.range(below.clone()..);
    files.contains(part) || after.next().is_some_and(|path| path.starts_with(&below))
}

fn list(files: &BTreeSet<String>, prefix: &str) -> String {
    let shown = files.iter().take(MOST_LISTED);
    let mut names: Vec<_> = shown.map(|file| format!("{prefix}{file}")).collect();
    if files.len() > MOST_LISTED {
        names.push("…".to_owned());
    }
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_and_the_directories_above_it_can_be_mounted() {
        let files = ["a", "db-x", "db/password", "db0"]
            .map(str::to_owned)
            .into();
        assert!(has_part(&files, "db/password") && has_part(&files, "db") && has_part(&files, "a"));
        assert!(!has_part(&files, "d") && !has_part(&files, "a/b") && !has_part(&files, "c"));
    }

    #[test]
    fn the_whole_directory_is_no_file() {
        let of = |sub_path: &str| {
            let mount = VolumeMount {
                sub_path: Some(sub_path.to_owned()),
                ..VolumeMount::default()
            };
            part_of(&mount).map(str::to_owned)
        };
        assert_eq!(of("files"), None);
        assert_eq!(of("files/"), None);
        assert_eq!(of("other/a"), None, "the policy refuses that");
        assert_eq!(of("files/a/b"), Some("a/b".to_owned()));
    }

    #[test]
    fn a_long_list_is_cut() {
        let files = (10..40).map(|number: u8| number.to_string()).collect();
        assert!(list(&files, "files/").ends_with("files/29, …"));
    }
}
