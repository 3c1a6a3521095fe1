//! Pods without the annotation.

use e2e::images::APP;

use crate::world::{Namespace, World};

/// A pod without the annotation.
pub(crate) fn bare_pod(name: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Pod\nmetadata:\n  name: {name}\nspec:\n  terminationGracePeriodSeconds: 0\n  containers:\n    - name: app\n      image: {APP}\n      imagePullPolicy: IfNotPresent\n"
    )
}

/// A pod that uses the example's class.
pub(crate) fn annotated_pod(name: &str) -> String {
    let annotation =
        "  annotations:\n    aws-secrets-injector.io/secret-provider-class: aws-secrets\n";
    bare_pod(name).replacen("spec:\n", &format!("{annotation}spec:\n"), 1)
}

/// Checks that it runs and was not changed.
pub(crate) fn runs_unchanged(namespace: &Namespace<'_>, name: &str) {
    namespace.apply(&[&bare_pod(name)]).unwrap();
    let pod = namespace.get(&["pod", name]);
    assert!(!pod.to_string().contains("aws-secrets-injector"), "{pod:#}");
    namespace
        .kubectl(&[
            "wait",
            "--for=condition=Ready",
            "--timeout=120s",
            &format!("pod/{name}"),
        ])
        .unwrap();
}

pub(crate) fn unchanged(world: &World) {
    runs_unchanged(&world.namespace("bare"), "bare");
}
