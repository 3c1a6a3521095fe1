//! The containers of a pod, and the elements of its lists.

use k8s_openapi::api::core::v1::{Container, Pod};

/// All of them, init containers first.
pub(crate) fn containers(pod: &Pod) -> impl Iterator<Item = &Container> {
    let spec = pod.spec.iter();
    spec.flat_map(|spec| {
        let init_containers = spec.init_containers.iter().flatten();
        init_containers.chain(&spec.containers)
    })
}

/// Does this init container keep running beside the others?
pub(crate) fn is_sidecar(container: &Container) -> bool {
    container.restart_policy.as_deref() == Some("Always")
}

/// An element of a list in the pod that results.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Slot<T> {
    /// The author's, by its index. It is not touched: it may have fields that are not known here.
    Own(usize),
    /// One of ours.
    Injected(T),
}
