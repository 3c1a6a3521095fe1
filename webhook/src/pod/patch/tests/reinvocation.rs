//! Later passes: the API server asks again after another webhook has changed the pod, or somebody applies an exported pod.

use super::*;

#[test]
fn a_second_pass_changes_nothing_and_serves_containers_that_came_between() {
    let mut after = patched(&small());
    assert_eq!(patched(&after), after);
    let first = pod(after.clone());
    assert!(operations(&first, &plan(&first, &[])).unwrap().is_empty());
    after["spec"]["containers"]
        .as_array_mut()
        .unwrap()
        .push(json!({"name": "late"}));
    let again = patched(&after);
    assert_eq!(
        again["spec"]["containers"][1]["volumeMounts"][0]["name"],
        "aws-secrets-injector"
    );
    assert_eq!(again["spec"]["initContainers"].as_array().unwrap().len(), 1);
}

#[test]
fn a_container_that_came_between_does_not_change_the_owner_of_the_files() {
    let mut before = small();
    before["spec"]["containers"][0]["securityContext"] = json!({"runAsUser": 1000});
    let mut after = patched(&before);
    let owner = |pod: &Value| pod["spec"]["initContainers"][0]["securityContext"].clone();
    let proxy = json!({"name": "proxy", "securityContext": {"runAsUser": 1337}});
    let containers = after["spec"]["containers"].as_array_mut().unwrap();
    containers.push(proxy);
    let again = patched(&after);
    assert_eq!(owner(&again), owner(&after));
    assert_eq!(owner(&patched(&again)), owner(&after));
    // An exported pod whose author has changed the user.
    after["spec"]["containers"][0]["securityContext"]["runAsUser"] = 2000.into();
    after["spec"]["containers"][1]["securityContext"]["runAsUser"] = 2000.into();
    assert_eq!(owner(&patched(&after))["runAsUser"], 2000);
}

#[test]
fn a_later_webhooks_init_container_does_not_stay_before_ours() {
    let mut after = patched(&small());
    let containers = after["spec"]["initContainers"].as_array_mut().unwrap();
    containers.insert(0, json!({"name": "mesh-init"}));
    let ours = containers[1].clone();
    let again = patched(&after);
    assert_eq!(again["spec"]["initContainers"][0], ours);
    let mesh = &again["spec"]["initContainers"][1];
    assert_eq!(mesh["name"], "mesh-init");
    assert_eq!(mesh["volumeMounts"][0]["readOnly"], true);
}

#[test]
fn what_was_changed_between_is_put_right_and_what_was_added_stays() {
    let first = patched(&small());
    let changed = |change: &dyn Fn(&mut Value)| {
        let mut between = first.clone();
        change(&mut between["spec"]);
        patched(&between)
    };
    let healed: [&dyn Fn(&mut Value); 9] = [
        &|spec| spec["initContainers"] = json!([]),
        &|spec| spec["initContainers"][0]["env"][0]["value"] = "[]".into(),
        &|spec| spec["initContainers"][0]["volumeMounts"] = json!([]),
        &|spec| spec["initContainers"][0]["restartPolicy"] = "Always".into(),
        &|spec| {
            spec["volumes"][0] = json!({"name": "aws-secrets-injector", "hostPath": {"path": "/"}});
        },
        &|spec| spec["containers"][0]["volumeMounts"][0]["readOnly"] = false.into(),
        &|spec| spec["containers"][0]["volumeMounts"][0]["subPath"] = "files/db".into(),
        // As versions before the files had a directory of their own made it.
        &|spec| spec["containers"][0]["volumeMounts"][0]["subPath"] = Value::Null,
        &|spec| spec["initContainers"][0]["volumeMounts"][0]["subPath"] = "files".into(),
    ];
    for change in healed {
        assert_eq!(changed(change), first);
    }
    // As EKS's pod-identity webhook and one for a registry mirror leave it, with the API server's defaults.
    let added = |spec: &mut Value| {
        let ours = &mut spec["initContainers"][0];
        ours["image"] = "mirror/injector:1".into();
        ours["terminationMessagePath"] = "/dev/termination-log".into();
        ours["env"]
            .as_array_mut()
            .unwrap()
            .push(json!({"name": "AWS_DEFAULT_REGION", "value": "us-east-2"}));
        ours["env"][4]["valueFrom"]["fieldRef"]["apiVersion"] = "v1".into();
        let mount = json!({"name": "aws-iam-token", "mountPath": "/var/run/secrets/eks.amazonaws.com/serviceaccount", "readOnly": true});
        ours["volumeMounts"].as_array_mut().unwrap().push(mount);
        spec["volumes"][1]["projected"]["defaultMode"] = 420.into();
    };
    let mut between = first.clone();
    added(&mut between["spec"]);
    assert_eq!(changed(&added), between);
}

/// A webhook that was built for an older Kubernetes drops the field.
#[test]
fn a_sidecar_that_lost_its_restart_rule_gets_it_again() {
    let mut before = small();
    for (name, value) in [("refresh-interval", "5m"), ("on-refresh", "restart")] {
        before["metadata"]["annotations"][format!("aws-secrets-injector.io/{name}")] = value.into();
    }
    let first = patched(&before);
    let rule = json!([{"action": "RestartAllContainers", "exitCodes": {"operator": "In", "values": [85]}}]);
    assert_eq!(
        first["spec"]["initContainers"][1]["restartPolicyRules"],
        rule
    );
    let mut between = first.clone();
    let sidecar = between["spec"]["initContainers"][1]
        .as_object_mut()
        .unwrap();
    sidecar.remove("restartPolicyRules");
    assert_eq!(patched(&between), first);
}

/// It was exported with `kubectl get -o yaml`, and is applied with other annotations.
#[test]
fn an_injected_pod_that_asks_for_less_has_less() {
    let mut before = small();
    before["metadata"]["annotations"]["aws-secrets-injector.io/refresh-interval"] = "5m".into();
    let mut exported = patched(&before);
    let annotations = exported["metadata"]["annotations"].as_object_mut().unwrap();
    annotations.remove("aws-secrets-injector.io/refresh-interval");
    let after = patched(&exported);
    let names: Vec<_> = after["spec"]["initContainers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|container| container["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["aws-secrets-injector"]);
    assert_eq!(patched(&after), after);
    let mut before = small();
    let classes = "aws-secrets-injector.io/secret-provider-class";
    before["metadata"]["annotations"][classes] = "db,other=/etc/other".into();
    let mut exported = patched(&before);
    exported["metadata"]["annotations"][classes] = "db".into();
    assert!(refused(exported).contains("already has a volume named \"aws-secrets-injector-2\""));
}

#[test]
fn a_status_that_the_user_wrote_is_no_injection() {
    let mut before = small();
    before["metadata"]["annotations"]["aws-secrets-injector.io/status"] = "injected".into();
    assert_eq!(
        patched(&before)["spec"]["initContainers"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    before["spec"]["initContainers"] = json!([{"name": "aws-secrets-injector", "image": "evil"}]);
    assert!(refused(before).contains("already has a container named"));
}
