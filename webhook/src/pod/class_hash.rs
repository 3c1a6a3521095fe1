//! A short name for the text of a pod's classes: pods that run with another state of a class have another one.

use ring::digest::{Context, SHA256};
use serde_json::json;

use crate::pod::class::MountedClass;

/// The label with the hash: `kubectl get pods -L aws-secrets-injector.io/class-hash`.
pub(crate) const CLASS_HASH: &str = "aws-secrets-injector.io/class-hash";

/// Hexadecimal digits of a hash.
const DIGITS: usize = 10;

/// The hash of names, parameters and Secrets. Where the files go makes no difference.
pub(crate) fn of(classes: &[MountedClass]) -> String {
    let mut context = Context::new(&SHA256);
    for MountedClass {
        class, parameters, ..
    } in classes
    {
        let secrets: Vec<_> = class
            .secret_objects
            .iter()
            .map(provider_class::SecretObject::to_entry)
            .collect();
        context.update(
            json!([class.name, parameters, secrets])
                .to_string()
                .as_bytes(),
        );
    }
    let digest = context.finish();
    let mut first = [0; 8];
    first.copy_from_slice(&digest.as_ref()[..8]);
    let mut hash = format!("{:016x}", u64::from_be_bytes(first));
    hash.truncate(DIGITS);
    hash
}
