//! Certificates that live for seconds, under a steady stream of pods: no admission fails while both the serving certificate
//! and its authority are exchanged again and again, the Secret is deleted, and the caBundle is overwritten.

use std::collections::BTreeSet;

use e2e::install::{self, DEPLOYMENT, NAMESPACE};
use e2e::progress::line;

use crate::life::{all_injected, prepared, stream};
use crate::world::World;

const SECRET: &str = "secret/aws-secrets-injector-certificates";
const CONFIGURATION: &str = "mutatingwebhookconfiguration/aws-secrets-injector";

/// Rotations that are waited for.
const SERVING: usize = 6;
const AUTHORITIES: usize = 3;

/// Sets the lifetimes of certificates; nothing for the manifests' own.
fn set_lifetimes(world: &World, authority: &str, serving: &str) {
    let variables = [
        format!("AUTHORITY_LIFETIME={authority}"),
        format!("CERTIFICATE_LIFETIME={serving}"),
    ];
    let set = ["-n", NAMESPACE, "set", "env", DEPLOYMENT];
    world
        .kubectl
        .run(&[&set[..], &[&variables[0], &variables[1]]].concat())
        .unwrap();
    install::wait(&world.kubectl).unwrap();
    world
        .kubectl
        .wait_until("the old replicas are gone", || {
            let pods = world.kubectl.run(&["-n", NAMESPACE, "get", "pods", "-o", "name"])?;
            Ok(pods.lines().count() == 2)
        })
        .unwrap();
}

/// A field of the Secret, as it is.
fn field(world: &World, name: &str) -> anyhow::Result<String> {
    let path = format!("jsonpath={{.data.{}}}", name.replace('.', "\\."));
    world.kubectl.run(&["-n", NAMESPACE, "get", SECRET, "-o", &path])
}

fn ca_bundle(world: &World) -> anyhow::Result<String> {
    world.kubectl.run(&["get", CONFIGURATION, "-o", "jsonpath={.webhooks[0].clientConfig.caBundle}"])
}

pub(crate) fn rotations(world: &World) {
    let namespace = prepared(world, "rotations");
    set_lifetimes(world, "40s", "20s");
    let admissions = stream(&namespace, true, 20);
    let (mut serving, mut authorities) = (BTreeSet::new(), BTreeSet::new());
    let mut disturbed = 0;
    world
        .kubectl
        .wait_until("certificates were exchanged many times", || {
            serving.insert(field(world, "tls.crt")?);
            authorities.insert(field(world, "ca.crt")?);
            if disturbed == 0 && serving.len() == 3 {
                world.kubectl.run(&["-n", NAMESPACE, "delete", SECRET])?;
                disturbed = 1;
            }
            if disturbed == 1 && serving.len() == 5 {
                let patch = r#"[{"op": "replace", "path": "/webhooks/0/clientConfig/caBundle", "value": ""}]"#;
                world.kubectl.run(&["patch", CONFIGURATION, "--type=json", "-p", patch])?;
                disturbed = 2;
            }
            Ok(disturbed == 2 && serving.len() > SERVING && authorities.len() > AUTHORITIES)
        })
        .unwrap();
    let counts = admissions.stop().unwrap();
    line(&format!(
        "{} serving certificates of {} authorities, the Secret deleted and the caBundle emptied meanwhile",
        serving.len(),
        authorities.len()
    ));
    set_lifetimes(world, "3650d", "90d");
    all_injected("certificates that live for 20 s", &counts);
}
