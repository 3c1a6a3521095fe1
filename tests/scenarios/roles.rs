//! Kubernetes' own roles, which the installation extends to classes.

use e2e::install::example_class;
use serde_json::json;

use crate::world::World;

/// Without the driver, nobody else gives these permissions.
pub(crate) fn view_and_edit(world: &World) {
    let namespace = world.namespace("roles");
    for (user, role) in [("alice", "edit"), ("bob", "view")] {
        let binding = json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": user},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}],
        });
        namespace.apply(&[&binding.to_string()]).unwrap();
    }
    let file = e2e::project::target().join("roles.yaml");
    std::fs::write(&file, example_class("v1")).unwrap();
    let file = file.display().to_string();
    let apply = ["apply", "-f", &file];
    let read = ["get", "secretproviderclass", "aws-secrets", "-o", "name"];
    let label = ["label", "secretproviderclass", "aws-secrets", "team=shop"];
    let delete = ["delete", "secretproviderclass", "aws-secrets"];
    let as_user = |user: &str, command: &[&str]| {
        let user = format!("--as={user}");
        namespace.kubectl(&[&[user.as_str()], command].concat())
    };
    let may = |user: &str, command: &[&str]| {
        as_user(user, command)
            .map(drop)
            .map_err(|error| error.to_string())
    };
    // The controller adds the rules to the roles a moment after the installation.
    world
        .kubectl
        .wait_until("edit includes classes", || Ok(may("alice", &apply).is_ok()))
        .unwrap();
    may("bob", &read).unwrap();
    may("alice", &label).unwrap();
    let other = [
        "label",
        "secretproviderclass",
        "aws-secrets",
        "team=other",
        "--overwrite",
    ];
    for command in [&other[..], &delete] {
        let error = may("bob", command).unwrap_err();
        assert!(error.contains("forbidden"), "{error}");
    }
    may("alice", &delete).unwrap();
}
