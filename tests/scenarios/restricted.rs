//! The Pod Security Standard `restricted`, enforced.

use e2e::install::{example_class, example_deployment, service_account};

use crate::world::World;

pub(crate) fn admitted(world: &World) {
    let namespace = world.namespace_with(
        "restricted",
        "pod-security.kubernetes.io/enforce: restricted",
    );
    namespace
        .apply(&[
            &service_account("web"),
            &example_class("v1"),
            &example_deployment(),
        ])
        .unwrap();
    namespace.wait_for_web();
    assert_eq!(
        namespace
            .sh("app", "cat /mnt/secrets-store/dbusername")
            .unwrap(),
        "admin"
    );
}
