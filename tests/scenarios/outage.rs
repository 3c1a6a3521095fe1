//! Without the webhook's configuration, pods without the annotation are not affected, and annotated pods are refused instead of
//! started without their secrets.

use e2e::install::{self, example_class, service_account};

use crate::bare::{annotated_pod, runs_unchanged};
use crate::world::World;

pub(crate) const CONFIGURATION: &str = "mutatingwebhookconfiguration/aws-secrets-injector";

pub(crate) fn configuration_deleted(world: &World) {
    let namespace = world.namespace("configuration-deleted");
    namespace
        .apply(&[&service_account("default"), &example_class("v1")])
        .unwrap();
    world.kubectl.run(&["delete", CONFIGURATION]).unwrap();
    // The API server takes a moment to notice. A dry run checks this without creating anything.
    let refused = |pod: &str| namespace.apply(&[pod]).unwrap_err().to_string();
    world
        .kubectl
        .wait_until("the policy refuses", || {
            Ok(refused(&annotated_pod("annotated")).contains("ValidatingAdmissionPolicy"))
        })
        .unwrap();
    let error = refused(&annotated_pod("annotated"));
    assert!(
        error.contains("was not given the container that fetches them"),
        "{error}"
    );
    runs_unchanged(&namespace, "bare");
    install::install(&world.kubectl, &world.aws.stand_in.url()).unwrap();
    world
        .kubectl
        .wait_until("annotated pods are injected again", || {
            Ok(namespace.apply(&[&annotated_pod("annotated")]).is_ok())
        })
        .unwrap();
}
