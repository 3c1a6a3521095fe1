//! Later passes: the API server asks again after another webhook has changed the pod, or somebody applies an exported pod.

use super::*;

#[test]
fn a_second_pass_changes_nothing_and_serves_containers_that_came_between() {
    let mut after = patched(&small());
    assert_eq!(patched(&after), after);
    let first = pod(after.clone());
    let first = Stripped::new(&first).unwrap();
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
        ours["env"].as_array_mut().unwrap().push(
            json!({"name": "AWS_CONTAINER_CREDENTIALS_FULL_URI", "value": "http://169.254.170.23/v1/credentials"}),
        );
        // As a webhook for a proxy, the LimitRanger and an autoscaler leave it.
        ours["env"]
            .as_array_mut()
            .unwrap()
            .push(json!({"name": "https_proxy", "value": "http://proxy:3128"}));
        ours["resources"]["limits"]["cpu"] = "1".into();
        ours["resizePolicy"] = json!([{"resourceName": "cpu", "restartPolicy": "NotRequired"}]);
        let volumes = spec["volumes"].as_array_mut().unwrap();
        volumes[1]["projected"]["defaultMode"] = 420.into();
        volumes.push(json!({"name": "aws-iam-token", "projected": {"sources": []}}));
    };
    let mut between = first.clone();
    added(&mut between["spec"]);
    assert_eq!(changed(&added), between);
}

/// It was written by hand, with the status of an injected one.
#[test]
fn an_injected_container_has_nothing_that_is_not_planned() {
    let mut before = small();
    for (name, value) in [("refresh-interval", "5m"), ("refresh-metrics-port", "9090")] {
        before["metadata"]["annotations"][format!("aws-secrets-injector.io/{name}")] = value.into();
    }
    let first = patched(&before);
    let mounts = |mount: Value| json!({"op": "add", "path": "/volumeMounts/-", "value": mount});
    let variable = |name: &str, value: &str| json!({"op": "add", "path": "/env/-", "value": {"name": name, "value": value}});
    let field = |path: &str, value: Value| json!({"op": "add", "path": path, "value": value});
    let foreign = [
        field("/securityContext/privileged", true.into()),
        field("/securityContext/capabilities/add", json!(["SYS_ADMIN"])),
        field("/securityContext/seccompProfile/type", "Unconfined".into()),
        field("/securityContext/readOnlyRootFilesystem", false.into()),
        field("/securityContext/seLinuxOptions", json!({"type": "spc_t"})),
        field(
            "/lifecycle",
            json!({"postStart": {"exec": {"command": ["x"]}}}),
        ),
        field("/startupProbe", json!({"exec": {"command": ["x"]}})),
        field("/livenessProbe", json!({"exec": {"command": ["x"]}})),
        field("/envFrom", json!([{"configMapRef": {"name": "x"}}])),
        field("/workingDir", "/x".into()),
        field("/tty", true.into()),
        field("/terminationMessagePath", "/mnt/secrets-store/x".into()),
        field(
            "/volumeDevices",
            json!([{"name": "disk", "devicePath": "/dev/x"}]),
        ),
        mounts(json!({"name": "host", "mountPath": "/host"})),
        mounts(json!({"name": "host", "mountPath": "/var/run/secrets/x", "readOnly": true})),
        mounts(json!({"name": "projected", "mountPath": "/etc/ssl/certs", "readOnly": true})),
        mounts(
            json!({"name": "projected", "mountPath": "/var/run/secrets/../../../etc/ssl/certs", "readOnly": true}),
        ),
        variable("AWS_ENDPOINT_URL_STS", "https://evil.example"),
        variable("AWS_CA_BUNDLE", "/var/run/secrets/x/ca"),
        variable("AWS_CONTAINER_CREDENTIALS_FULL_URI", "https://evil.example"),
        // The last one of a name counts.
        variable("AWS_ROLE_ARN", "arn:aws:iam::111122223333:role/other"),
        field("/ports/0/hostPort", 9090.into()),
    ];
    for index in 0..2 {
        for operation in &foreign {
            let is_of_sidecar = operation["path"].as_str().unwrap().starts_with("/ports");
            if index == 0 && is_of_sidecar {
                continue;
            }
            let mut between = first.clone();
            let volumes = between["spec"]["volumes"].as_array_mut().unwrap();
            volumes.push(json!({"name": "host", "hostPath": {"path": "/"}}));
            volumes.push(json!({"name": "projected", "projected": {"sources": []}}));
            let mut expected = between.clone();
            let ours = &mut between["spec"]["initContainers"][index];
            let change: Patch = serde_json::from_value(json!([operation])).unwrap();
            json_patch::patch(ours, &change).unwrap();
            // A mirror has rewritten it, and is not called again.
            ours["image"] = "mirror/injector:1".into();
            expected["spec"]["initContainers"][index]["image"] = "mirror/injector:1".into();
            assert_eq!(patched(&between), expected, "{operation}");
        }
    }
}

#[test]
fn an_injected_volume_has_nothing_that_is_not_planned() {
    let mut before = small();
    before["metadata"]["annotations"]["aws-secrets-injector.io/refresh-interval"] = "5m".into();
    let first = patched(&before);
    for index in 0..first["spec"]["volumes"].as_array().unwrap().len() {
        let mut between = first.clone();
        let name = between["spec"]["volumes"][index]["name"].clone();
        between["spec"]["volumes"][index] = json!({"name": name, "hostPath": {"path": "/"}});
        assert_eq!(patched(&between), first, "{name}");
    }
    let mut between = first.clone();
    let sources = between["spec"]["volumes"][2]["projected"]["sources"].as_array_mut();
    sources.unwrap()[0]["serviceAccountToken"]["expirationSeconds"] = 86400.into();
    assert_eq!(patched(&between), first);
    // As the API server writes it.
    let mut between = first;
    between["spec"]["volumes"][1]["emptyDir"]["sizeLimit"] = "1024Ki".into();
    assert_eq!(patched(&between), between);
}

/// An image of an earlier version does not know what the kubelet would ask.
#[test]
fn a_container_of_another_plan_gets_the_image_of_this_one() {
    let mut before = small();
    for (name, value) in [("refresh-interval", "5m"), ("refresh-metrics-port", "9090")] {
        before["metadata"]["annotations"][format!("aws-secrets-injector.io/{name}")] = value.into();
    }
    let first = patched(&before);
    let mut exported = first.clone();
    let sidecar = exported["spec"]["initContainers"][1].as_object_mut();
    sidecar.unwrap().remove("livenessProbe");
    exported["spec"]["initContainers"][1]["image"] = "injector:0".into();
    assert_eq!(patched(&exported), first);
}

/// A service mesh with mutual TLS lets its proxy ask, because the kubelet has no certificate.
#[test]
fn a_probe_that_goes_through_a_mesh_stays() {
    let mut before = small();
    for (name, value) in [("refresh-interval", "5m"), ("refresh-metrics-port", "9090")] {
        before["metadata"]["annotations"][format!("aws-secrets-injector.io/{name}")] = value.into();
    }
    let mut between = patched(&before);
    let probe = &mut between["spec"]["initContainers"][1]["livenessProbe"];
    assert_eq!(probe["httpGet"]["port"], 9090);
    probe["httpGet"] =
        json!({"path": "/app-health/aws-secrets-refresher/livez", "port": 15020, "scheme": "HTTP"});
    probe["successThreshold"] = 1.into();
    assert_eq!(patched(&between), between);
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
    assert!(refused(&exported).contains("already has a volume named \"aws-secrets-injector-2\""));
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
    assert!(refused(&before).contains("already has a container named"));
}
