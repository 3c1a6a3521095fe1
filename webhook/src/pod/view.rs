//! The containers of a pod, and the elements of its lists.

use k8s_openapi::api::core::v1::{Container, ExecAction, Pod, Probe};

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

/// A command that the kubelet runs in a container, besides its own.
pub(crate) struct Action<'a> {
    /// Where it is in the container.
    pub(crate) path: &'static str,
    pub(crate) is_hook: bool,
    pub(crate) command: Option<&'a [String]>,
}

/// The probes and hooks of a container, with their commands if they run any.
pub(crate) fn exec_actions(container: &Container) -> [Action<'_>; 5] {
    let lifecycle = container.lifecycle.as_ref();
    let post_start = lifecycle.and_then(|lifecycle| lifecycle.post_start.as_ref());
    let pre_stop = lifecycle.and_then(|lifecycle| lifecycle.pre_stop.as_ref());
    [
        ("livenessProbe", exec_of(container.liveness_probe.as_ref())),
        (
            "readinessProbe",
            exec_of(container.readiness_probe.as_ref()),
        ),
        ("startupProbe", exec_of(container.startup_probe.as_ref())),
        (
            "lifecycle/postStart",
            post_start.and_then(|hook| hook.exec.as_ref()),
        ),
        (
            "lifecycle/preStop",
            pre_stop.and_then(|hook| hook.exec.as_ref()),
        ),
    ]
    .map(|(path, exec)| Action {
        path,
        is_hook: path.starts_with("lifecycle"),
        command: exec.and_then(|exec| exec.command.as_deref()),
    })
}

fn exec_of(probe: Option<&Probe>) -> Option<&ExecAction> {
    probe?.exec.as_ref()
}

/// The same commands, to be changed.
pub(crate) fn exec_commands_mut(
    container: &mut Container,
) -> impl Iterator<Item = &mut Option<Vec<String>>> {
    let probes = [
        &mut container.liveness_probe,
        &mut container.readiness_probe,
        &mut container.startup_probe,
    ];
    let probes = probes
        .into_iter()
        .flatten()
        .filter_map(|probe| probe.exec.as_mut());
    let lifecycle = container.lifecycle.as_mut();
    let hooks = lifecycle.map(|lifecycle| [&mut lifecycle.post_start, &mut lifecycle.pre_stop]);
    let hooks = hooks.into_iter().flatten().flatten();
    let hooks = hooks.filter_map(|handler| handler.exec.as_mut());
    probes.chain(hooks).map(|exec| &mut exec.command)
}

/// An element of a list in the pod that results.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Slot<T> {
    /// The author's, by its index. It is not touched: it may have fields that are not known here.
    Own(usize),
    /// One of ours.
    Injected(T),
}
