//! Whether the pod's containers can read the files, judged only by users, groups and modes.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::{Container, Pod};
use provider_class::{Class, FileMode, Title};

use crate::pod::annotations::{CONTAINERS, PREFIX, PodRequest};
use crate::pod::class::MountedClass;
use crate::pod::identity::{self, Owner};
use crate::pod::view::{containers, is_sidecar};

/// Warnings of one pod: more of them say nothing new.
const MAX_WARNINGS: usize = 5;

/// When a container runs.
const SIDECAR: usize = 0;
const ORDINARY: usize = 1;
const INIT: usize = 2;
/// Which containers run at the same time: init containers run one after another, beside sidecars only.
const TOGETHER: [(usize, usize); 6] = [
    (SIDECAR, SIDECAR),
    (SIDECAR, ORDINARY),
    (SIDECAR, INIT),
    (ORDINARY, SIDECAR),
    (ORDINARY, ORDINARY),
    (INIT, SIDECAR),
];

/// A warning for each file that a container will not be able to read, or that it may not be.
pub(crate) fn warnings(
    request: &PodRequest,
    pod: &Pod,
    owner: Owner,
    classes: &[MountedClass],
) -> Vec<String> {
    let mut warnings = Vec::new();
    for MountedClass { class, volume, .. } in classes {
        let readers =
            containers(pod).filter(|container| request.reads_of(container, volume.as_ref()));
        let readers: Vec<&Container> = readers.collect();
        let known = class.files().map(|file| (file.path.to_string(), file.mode));
        let open = class
            .open_files()
            .map(|open| (open.to_string(), open.mode()));
        for (file, mode) in known.chain(open) {
            for container in &readers {
                if warnings.len() == MAX_WARNINGS {
                    return warnings;
                }
                warnings.extend(warning(class, (&file, mode), container, owner, pod));
            }
        }
    }
    warnings
}

/// A warning where a container that does not get the files could read them through the process of one that does.
pub(crate) fn shared_processes(request: &PodRequest, pod: &Pod, owner: Owner) -> Option<String> {
    let spec = pod.spec.as_ref()?;
    if spec.share_process_namespace != Some(true) {
        return None;
    }
    let init_containers = spec.init_containers.iter().flatten();
    let init_containers = init_containers.map(|container| {
        (
            container,
            if is_sidecar(container) { SIDECAR } else { INIT },
        )
    });
    let containers = spec.containers.iter();
    let containers = containers.map(|container| (container, ORDINARY));
    // Users of the containers that get the files, and of the others; `None` means the one of an image.
    let mut readers: [BTreeSet<Option<i64>>; 3] = Default::default();
    let mut others = readers.clone();
    for (container, runs) in init_containers.chain(containers) {
        let is_reader = request.reads(container);
        let users = if is_reader { &mut readers } else { &mut others };
        users[runs].insert(identity::user_of(container, pod));
    }
    // The injector's own sidecar has the files, too.
    let refresher = request.refresh.as_ref();
    readers[SIDECAR].extend(refresher.map(|_| Some(owner.user)));
    let may_share_one = TOGETHER.iter().any(|(reader, other)| {
        let readers = &readers[*reader];
        !readers.is_empty()
            && others[*other].iter().any(|user| {
                matches!(user, None | Some(0)) || readers.contains(user) || readers.contains(&None)
            })
    });
    may_share_one.then(|| {
        format!(
            "shareProcessNamespace lets containers that the annotation {PREFIX}{CONTAINERS} leaves out read the files through the processes of those that have them, if they run as the same user: give them other users (runAsUser)"
        )
    })
}

fn warning(
    class: &Class,
    (file, mode): (&str, FileMode),
    container: &Container,
    owner: Owner,
    pod: &Pod,
) -> Option<String> {
    let readable = reads(mode.bits(), container, owner, pod);
    if readable == Some(true) {
        return None;
    }
    let what = format!("{}: file {file} has mode {mode}", Title(&class.name));
    let name = &container.name;
    let remedy = if mode.bits() & 0o040 == 0 {
        "set its runAsUser, or the annotation aws-secrets-injector.io/run-as-user"
    } else {
        "set fsGroup in the pod's securityContext"
    };
    let Owner { user, group, .. } = owner;
    Some(match identity::user_of(container, pod) {
        Some(own) => format!(
            "{what} and belongs to {user}:{group}; container {name:?} runs as {own} and cannot read it: {remedy}"
        ),
        None => format!(
            "{what} and belongs to {user}:{group}; container {name:?} can read it only if its image's user is {user}: {remedy}"
        ),
    })
}

/// Can it read? `None`: that depends on the image.
fn reads(mode: u32, container: &Container, owner: Owner, pod: &Pod) -> Option<bool> {
    let security = identity::pod_security(pod);
    // The directory belongs to this group and passes it on to the files; every container is in it.
    let fs_group = security.and_then(|security| security.fs_group);
    let group_of_files = fs_group.unwrap_or(owner.group);
    let own = container.security_context.as_ref();
    let group = own
        .and_then(|own| own.run_as_group)
        .or_else(|| security?.run_as_group);
    let supplemental = security.and_then(|security| security.supplemental_groups.as_ref());
    let in_group = fs_group.is_some()
        || group == Some(group_of_files)
        || supplemental.is_some_and(|groups| groups.contains(&group_of_files));
    let by_others = mode & 0o004 != 0;
    let by_group = mode & 0o040 != 0 && in_group;
    match identity::user_of(container, pod) {
        Some(0) if keeps_capabilities(container) => Some(true),
        // The kernel looks at the owner's bits alone where the owner reads, then at the group's alone.
        Some(user) if user == owner.user => Some(mode & 0o400 != 0),
        Some(_) if in_group => Some(by_group),
        Some(_) => Some(by_others),
        None if by_group || by_others => Some(true),
        None => None,
    }
}

/// Root without capabilities is a user like any other.
fn keeps_capabilities(container: &Container) -> bool {
    let dropped = container
        .security_context
        .as_ref()
        .and_then(|security| security.capabilities.as_ref()?.drop.as_ref());
    dropped.is_none_or(|dropped| {
        !dropped
            .iter()
            .any(|name| matches!(name.as_str(), "ALL" | "DAC_OVERRIDE"))
    })
}

#[cfg(test)]
mod tests {
    use provider_class::SecretProviderClassSpec;
    use serde_json::{Value, json};

    use super::*;

    /// What a pod with these annotations asks for.
    fn request(annotations: &[(&str, &str)]) -> PodRequest {
        let annotations = [("secret-provider-class", "db")].iter().chain(annotations);
        let annotations = annotations
            .map(|(name, value)| (format!("{PREFIX}{name}"), (*value).to_owned()))
            .collect();
        PodRequest::read(&annotations).unwrap().unwrap()
    }

    /// Warnings for a file of a mode, in a pod with this security context and containers with these.
    fn of(
        mode: &str,
        pod: &Value,
        containers: &[Value],
        annotations: &[(&str, &str)],
    ) -> Vec<String> {
        let containers: Vec<_> = containers
            .iter()
            .enumerate()
            .map(|(index, security)| json!({"name": format!("c{index}"), "securityContext": security}))
            .collect();
        let pod = json!({"spec": {"securityContext": pod, "containers": containers}});
        of_pod(mode, pod, annotations)
    }

    fn of_pod(mode: &str, pod: Value, annotations: &[(&str, &str)]) -> Vec<String> {
        let pod: Pod = serde_json::from_value(pod).unwrap();
        let request = request(annotations);
        let objects =
            format!("- {{objectName: db, objectType: secretsmanager, filePermission: {mode:?}}}");
        let spec = SecretProviderClassSpec::aws([("objects", objects)]);
        let class = MountedClass {
            volume: None,
            mount_path: "/mnt".to_owned(),
            class: Class::parse("db", &spec).unwrap().into(),
            parameters: spec.parameters.into(),
            version: 0,
        };
        warnings(
            &request,
            &pod,
            identity::owner(&request, &pod, None),
            &[class],
        )
    }

    #[test]
    fn files_that_everybody_may_read_need_no_word() {
        assert_eq!(
            of(
                "0644",
                &json!({}),
                &[json!({}), json!({"runAsUser": 7})],
                &[]
            ),
            [""; 0]
        );
    }

    #[test]
    fn the_files_belong_to_the_user_that_the_containers_share() {
        let seven = json!({"runAsUser": 7});
        assert_eq!(of("0400", &seven, &[json!({})], &[]), [""; 0]);
        assert_eq!(
            of("0400", &json!({}), &[seven.clone(), seven.clone()], &[]),
            [""; 0]
        );
        // The other one does not get the files.
        let chosen = [("containers", "c0")];
        assert_eq!(
            of(
                "0400",
                &json!({}),
                &[seven, json!({"runAsUser": 8})],
                &chosen
            ),
            [""; 0]
        );
    }

    #[test]
    fn a_container_of_another_user_is_named_with_the_remedy() {
        let warnings = of(
            "0400",
            &json!({"runAsUser": 7}),
            &[json!({}), json!({"runAsUser": 8})],
            &[],
        );
        assert_eq!(
            warnings,
            [
                "class \"db\": file db has mode 0400 and belongs to 7:7; container \"c1\" runs as 8 and cannot read it: set its runAsUser, or the annotation aws-secrets-injector.io/run-as-user"
            ]
        );
    }

    #[test]
    fn a_group_helps_files_that_it_may_read() {
        let other = json!({"runAsUser": 8});
        let two =
            |pod: &Value, mode| of(mode, pod, &[json!({"runAsUser": 7}), other.clone()], &[]).len();
        assert_eq!(two(&json!({"fsGroup": 9}), "0440"), 0);
        assert_eq!(two(&json!({"fsGroup": 9}), "0400"), 2);
        assert_eq!(two(&json!({"supplementalGroups": [65532]}), "0440"), 0);
        assert_eq!(two(&json!({"runAsGroup": 9}), "0440"), 0);
        assert_eq!(two(&json!({}), "0440"), 2);
        // In the group, the others' bits do not count.
        assert_eq!(two(&json!({"fsGroup": 9}), "0404"), 2);
    }

    #[test]
    fn processes_of_one_user_in_one_namespace_are_no_border() {
        let warns = |share: bool, other: &Value, annotations: &[(&str, &str)]| {
            let pod = json!({"spec": {"shareProcessNamespace": share, "containers": [
                {"name": "app", "securityContext": {"runAsUser": 7}},
                {"name": "other", "securityContext": other},
            ]}});
            let request = request(annotations);
            let pod = serde_json::from_value(pod).unwrap();
            let owner = identity::owner(&request, &pod, None);
            shared_processes(&request, &pod, owner).is_some()
        };
        let (same, another) = (json!({"runAsUser": 7}), json!({"runAsUser": 8}));
        let chosen = [("containers", "app")];
        assert!(warns(true, &same, &chosen));
        assert!(warns(true, &json!({}), &chosen), "by its image");
        assert!(warns(true, &json!({"runAsUser": 0}), &chosen));
        assert!(!warns(true, &another, &chosen));
        assert!(!warns(false, &same, &chosen) && !warns(true, &same, &[]));
    }

    #[test]
    fn containers_that_run_at_the_same_time_share_processes() {
        let warns = |chosen: &str, refresh: bool| {
            let same = json!({"runAsUser": 7});
            let pod = json!({"spec": {
                "shareProcessNamespace": true,
                "initContainers": [
                    {"name": "init", "securityContext": same},
                    {"name": "sidecar", "securityContext": same, "restartPolicy": "Always"},
                ],
                "containers": [{"name": "app", "securityContext": {"runAsUser": 8}}],
            }});
            let mut annotations = vec![("containers", chosen), ("run-as-user", "8")];
            annotations.extend(refresh.then_some(("refresh-interval", "5m")));
            let pod = serde_json::from_value(pod).unwrap();
            let request = request(&annotations);
            let owner = identity::owner(&request, &pod, None);
            shared_processes(&request, &pod, owner).is_some()
        };
        assert!(
            warns("init", false),
            "the sidecar, through the init container"
        );
        assert!(
            warns("sidecar", false),
            "the init container, through the sidecar"
        );
        assert!(!warns("app,sidecar,init", true) && !warns("app", false));
        assert!(!warns("sidecar,init", false), "another user");
        assert!(
            warns("sidecar,init", true),
            "the app, through the injector's sidecar"
        );
    }

    #[test]
    fn init_containers_and_sidecars_get_the_files_too() {
        let of = |pod_user: Value, init: Value, annotations: &[(&str, &str)]| {
            let pod = json!({"spec": {
                "securityContext": pod_user,
                "initContainers": [init],
                "containers": [{"name": "app"}],
            }});
            of_pod("0400", pod, annotations)
        };
        let user = json!({"runAsUser": 1000});
        let migrate = json!({"name": "migrate", "securityContext": {"runAsUser": 2000}});
        let mut sidecar = migrate.clone();
        sidecar["restartPolicy"] = json!("Always");
        for init in [&migrate, &sidecar] {
            let warnings = of(user.clone(), init.clone(), &[]);
            assert_eq!(warnings.len(), 1, "{warnings:?}");
            assert!(
                warnings[0].contains(
                    "belongs to 1000:1000; container \"migrate\" runs as 2000 and cannot read it"
                ),
                "{warnings:?}"
            );
            // Where nobody else gets the files, they belong to its user.
            let only = [("containers", "migrate")];
            assert_eq!(of(user.clone(), init.clone(), &only), [""; 0]);
            assert_eq!(of(json!({}), init.clone(), &only), [""; 0]);
        }
    }

    #[test]
    fn the_user_of_an_image_is_not_known() {
        let warnings = of("0400", &json!({}), &[json!({})], &[]);
        assert!(
            warnings[0].contains("if its image's user is 65532"),
            "{warnings:?}"
        );
        assert_eq!(
            of("0440", &json!({"fsGroup": 9}), &[json!({})], &[]),
            [""; 0]
        );
    }

    #[test]
    fn root_reads_everything_unless_its_capabilities_are_dropped() {
        let root = json!({"runAsUser": 0});
        let other = [("run-as-user", "7")];
        assert_eq!(
            of("0400", &json!({}), std::slice::from_ref(&root), &other),
            [""; 0]
        );
        let bare = json!({"runAsUser": 0, "capabilities": {"drop": ["ALL"]}});
        assert_eq!(of("0400", &json!({}), &[bare], &other).len(), 1);
    }
}
