//! The classes to fetch.

use std::fmt::Write as _;

/// The AWS account of all objects.
pub(crate) const ACCOUNT: &str = "111122223333";
/// Their region.
pub(crate) const REGION: &str = "us-east-2";

/// The name of a secret.
pub(crate) fn secret(index: usize) -> String {
    format!("bench/secret-{index}")
}

/// The name of a parameter.
pub(crate) fn parameter(index: usize) -> String {
    format!("/bench/parameter-{index}")
}

/// The manifest of a class with this number of secrets and parameters.
pub(crate) fn class(name: &str, secrets: usize, parameters: usize) -> String {
    let mut text = format!(
        "apiVersion: secrets-store.csi.x-k8s.io/v1
kind: SecretProviderClass
metadata:
  name: {name}
spec:
  provider: aws
  parameters:
    region: {REGION}
    objects: |
"
    );
    let objects = (0..secrets).map(|index| (secret(index), "secretsmanager"));
    let objects = objects.chain((0..parameters).map(|index| (parameter(index), "ssmparameter")));
    for (name, kind) in objects {
        let _ = writeln!(text, "      - {{objectName: {name}, objectType: {kind}}}");
    }
    text
}
