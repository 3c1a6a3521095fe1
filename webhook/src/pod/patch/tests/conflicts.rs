//! What stands where the injection goes.

use super::*;

#[test]
fn a_mount_inside_or_around_the_secrets_is_named() {
    let mut before = small();
    before["spec"]["containers"][0]["volumeMounts"] =
        json!([{"name": "own", "mountPath": "/mnt/secrets-store/cache/"}]);
    assert!(
        refused(&before)
            .contains("\"own\" at /mnt/secrets-store/cache/, inside the read-only directory")
    );
    let mut before = small();
    before["spec"]["containers"][0]["volumeMounts"] = json!([{"name": "own", "mountPath": "/mnt", "readOnly": true}, {"name": "other", "mountPath": "/mnt/secrets-stores"}]);
    let pod = pod(before);
    let warnings = {
        let pod = Stripped::new(&pod).unwrap();
        warnings(&pod, &plan(&pod, &[]))
    };
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(
        warnings[0].contains("\"own\" read-only at /mnt:"),
        "{warnings:?}"
    );
}

#[test]
fn what_is_in_the_way_is_named() {
    let mut before = small();
    before["spec"]["volumes"] = json!([{"name": "aws-secrets-injector", "emptyDir": {}}]);
    assert!(refused(&before).contains("already has a volume named \"aws-secrets-injector\""));
    let mut before = small();
    before["spec"]["containers"][0]["name"] = "aws-secrets-injector".into();
    assert!(refused(&before).contains("already has a container named \"aws-secrets-injector\""));
    // Not asked for this time, and kept all the same.
    for (list, name) in [
        ("containers", "aws-secrets-refresher"),
        ("initContainers", "aws-secrets-refresher"),
    ] {
        let mut before = small();
        before["spec"][list] = json!([{"name": name}]);
        let words = format!("already has a container named {name:?}");
        assert!(refused(&before).contains(&words), "{list}");
    }
    for name in [
        "aws-secrets-injector-2",
        "aws-secrets-injector-007",
        "aws-secrets-injector-token",
        "aws-secrets-injector-state",
    ] {
        let mut before = small();
        before["spec"]["volumes"] = json!([{"name": name, "emptyDir": {}}]);
        let words = format!("already has a volume named {name:?}");
        assert!(refused(&before).contains(&words), "{name}");
    }
    let mut before = small();
    before["spec"]["volumes"] = json!([{"name": "aws-secrets-injector-2x", "emptyDir": {}}]);
    patched(&before);
    let mut before = small();
    before["spec"]["containers"][0]["volumeMounts"] =
        json!([{"name": "csi", "mountPath": "/mnt/secrets-store/"}]);
    assert!(
        refused(&before)
            .contains("container \"web\" already mounts the volume \"csi\" at /mnt/secrets-store")
    );
}

#[test]
fn the_volume_of_the_csi_driver_is_to_be_removed() {
    let mut before = small();
    before["spec"]["volumes"] = json!([{"name": "secrets", "csi": {
        "driver": "secrets-store.csi.k8s.io", "readOnly": true,
        "volumeAttributes": {"secretProviderClass": "db"},
    }}]);
    before["spec"]["containers"][0]["volumeMounts"] =
        json!([{"name": "secrets", "mountPath": "/mnt/secrets-store", "readOnly": true}]);
    let message = refused(&before);
    assert!(
        message.contains("remove that volume and its mounts") && !message.contains("mount-path"),
        "{message}"
    );
}
