//! The user and group of the injected container, which own the files.

use k8s_openapi::api::core::v1::{
    Capabilities, Container, Pod, PodSecurityContext, SeccompProfile, SecurityContext,
};

use crate::pod::annotations::PodRequest;

/// The user of injected containers where the pod names none: the usual "nonroot".
const NONROOT: i64 = 65532;

/// What the `restricted` Pod Security Standard asks for, and a user that makes files readable for the pod's own.
/// With `is_assigned`, a user that the pod does not name is left out, because the platform assigns one.
pub(crate) fn security_context(owner: Owner, is_assigned: bool) -> SecurityContext {
    let Owner { user, group, .. } = owner;
    SecurityContext {
        run_as_user: (owner.is_named || !is_assigned).then_some(user),
        run_as_group: (owner.has_group || !is_assigned).then_some(group),
        run_as_non_root: Some(user != 0),
        read_only_root_filesystem: Some(true),
        allow_privilege_escalation: Some(false),
        capabilities: Some(Capabilities {
            drop: Some(vec!["ALL".to_owned()]),
            ..Capabilities::default()
        }),
        seccomp_profile: Some(SeccompProfile {
            type_: "RuntimeDefault".to_owned(),
            ..SeccompProfile::default()
        }),
        ..SecurityContext::default()
    }
}

/// Who owns the files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Owner {
    pub(crate) user: i64,
    pub(crate) group: i64,
    /// Does the pod name the user?
    pub(crate) is_named: bool,
    /// Does it name the group, or a user whose number the group has?
    pub(crate) has_group: bool,
}

/// From the annotations, else the same as the pod's own containers. `earlier` is the user of an earlier pass.
pub(crate) fn owner(request: &PodRequest, pod: &Pod, earlier: Option<i64>) -> Owner {
    let user = request.run_as_user;
    let user = user.or_else(|| shared_user(request, pod, earlier));
    let group = request
        .run_as_group
        .or_else(|| pod_security(pod)?.run_as_group);
    // A named user without a group would get root's.
    let group = group.or(user);
    Owner {
        user: user.unwrap_or(NONROOT),
        group: group.unwrap_or(NONROOT),
        has_group: group.is_some(),
        is_named: user.is_some(),
    }
}

/// The security context of a whole pod.
pub(crate) fn pod_security(pod: &Pod) -> Option<&PodSecurityContext> {
    pod.spec.as_ref()?.security_context.as_ref()
}

/// The user that the container or its pod sets; `None` means the one of its image.
pub(crate) fn user_of(container: &Container, pod: &Pod) -> Option<i64> {
    let own = container
        .security_context
        .as_ref()
        .and_then(|security| security.run_as_user);
    own.or_else(|| pod_security(pod)?.run_as_user)
}

/// The user that all containers with the files share, or else the pod's. Init containers count only if no other container gets
/// the files: the app needs them for longer. After an earlier pass it is the same as then while one of them runs as it: another
/// webhook may have added a container since, such as a service mesh's proxy, and the others would lose access to their files.
fn shared_user(request: &PodRequest, pod: &Pod, earlier: Option<i64>) -> Option<i64> {
    let user = |container| user_of(container, pod);
    let containers = pod.spec.iter().flat_map(|spec| &spec.containers);
    let readers = containers.filter(|container| request.reads(container));
    let mut users: Vec<_> = readers.map(user).collect();
    if users.is_empty() {
        users.extend(request.readers(pod).map(user));
    }
    let first = users.first().copied().flatten();
    earlier
        .filter(|_| users.contains(&earlier))
        .or_else(|| first.filter(|_| users.iter().all(|user| *user == first)))
        .or_else(|| pod_security(pod)?.run_as_user)
}
