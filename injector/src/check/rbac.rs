//! The Role and RoleBinding by which a ServiceAccount may apply the Kubernetes Secrets of its classes.

use std::fmt::Write as _;

use provider_class::Class;
use provider_class::printable::{LONGEST_LINE, printable, printable_json};
use serde_json::{Value, json};

use super::{Checked, Rbac, show};

/// The namespace of classes that name none, as for kubectl.
const DEFAULT: &str = "default";

/// Classes in another namespace than the one that is asked for, a line each: nobody should get permissions there by mistake.
pub(super) fn elsewhere(checked: &[Checked], rbac: Rbac<'_>) -> Vec<String> {
    let Some(wanted) = rbac.namespace else {
        return Vec::new();
    };
    let other = checked.iter().filter_map(|checked| {
        let class = checked.class.as_ref()?;
        if class.secret_objects.is_empty() {
            return None;
        }
        let own = checked.namespace.as_deref().filter(|own| *own != wanted)?;
        let start = show::start(checked, None);
        Some(printable(
            &format!("{start}: metadata.namespace is {own:?}, but --namespace is {wanted:?}: give the namespace of the class, or correct it"),
            LONGEST_LINE,
        ))
    });
    other.collect()
}

/// YAML for `kubectl apply -f -`: a Role and a RoleBinding for each class with Secrets.
pub(super) fn text(checked: &[Checked], rbac: Rbac<'_>) -> String {
    let mut text = String::new();
    for checked in checked {
        let Some(class) = &checked.class else {
            continue;
        };
        if class.secret_objects.is_empty() {
            continue;
        }
        let namespace = checked.namespace.as_deref().or(rbac.namespace);
        let namespace = namespace.unwrap_or(DEFAULT);
        for object in [
            role(class, namespace),
            binding(class, namespace, rbac.service_account),
        ] {
            // JSON is YAML, and writing to a String does not fail.
            let _ = write!(text, "---\n{}\n", printable_json(&format!("{object:#}")));
        }
    }
    text
}

/// With server-side apply, the name is in the path also when a Secret is created, so both verbs are limited by name.
fn role(class: &Class, namespace: &str) -> Value {
    let secrets = class.secret_objects.iter();
    let names: Vec<&str> = secrets.map(|secret| secret.name.as_str()).collect();
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": {"name": role_name(class), "namespace": namespace},
        "rules": [{
            "apiGroups": [""],
            "resources": ["secrets"],
            "resourceNames": names,
            "verbs": ["create", "patch"],
        }],
    })
}

fn binding(class: &Class, namespace: &str, service_account: &str) -> Value {
    let role = role_name(class);
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"name": format!("{role}-{service_account}"), "namespace": namespace},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": role},
        "subjects": [{"kind": "ServiceAccount", "name": service_account, "namespace": namespace}],
    })
}

fn role_name(class: &Class) -> String {
    format!("secret-objects-{}", class.name)
}
