//! Variables of the pod's own containers, by both methods.

use super::*;

const ENV: &str = "aws-secrets-injector.io/env";
const METHOD: &str = "aws-secrets-injector.io/env-method";

/// The smallest pod that requests variables; the class has the file `db-$(HOME)`.
fn requesting(env: &str, method: &str) -> Value {
    let mut pod = small();
    pod["metadata"]["annotations"][ENV] = env.into();
    pod["metadata"]["annotations"][METHOD] = method.into();
    pod["spec"]["containers"][0]["command"] = json!(["app", "--", "x"]);
    pod
}

/// The class has only a file that `*` leaves out, so its variable is written as an item.
const ITEM: &str = "DB=db-$(HOME)";

fn of_file(name: &str) -> Value {
    json!({"name": name, "valueFrom": {"fileKeyRef":
        {"volumeName": "aws-secrets-injector-env", "path": "files/env", "key": name}}})
}

fn volume_names(pod: &Value) -> Vec<&str> {
    let volumes = pod["spec"]["volumes"].as_array().unwrap();
    volumes
        .iter()
        .map(|volume| volume["name"].as_str().unwrap())
        .collect()
}

fn value_of<'a>(container: &'a Value, name: &str) -> Option<&'a str> {
    let variables = container["env"].as_array().unwrap();
    let variable = variables.iter().find(|variable| variable["name"] == name)?;
    variable["value"].as_str()
}

#[test]
fn the_kubelet_sets_variables_before_the_containers_own() {
    let mut before = requesting(ITEM, "kubelet");
    before["spec"]["containers"][0]["env"] =
        json!([{"name": "URL", "value": "x://$(DB)", "fieldOfTheFuture": 1}]);
    before["spec"]["initContainers"] = json!([{"name": "migrate", "image": "web"}]);
    let after = patched(&before);
    let web = &after["spec"]["containers"][0];
    let own = json!({"name": "URL", "value": "x://$(DB)", "fieldOfTheFuture": 1});
    assert_eq!(web["env"], json!([of_file("DB"), own]));
    assert_eq!(web["command"], json!(["app", "--", "x"]));
    assert_eq!(web["volumeMounts"].as_array().unwrap().len(), 1);
    assert_eq!(
        after["spec"]["initContainers"][1]["env"],
        json!([of_file("DB")])
    );
    let volume = json!({"name": "aws-secrets-injector-env", "emptyDir": {"medium": "Memory", "sizeLimit": "16Mi"}});
    assert_eq!(after["spec"]["volumes"][1], volume);
    let fetcher = &after["spec"]["initContainers"][0];
    let mount = json!({"name": "aws-secrets-injector-env", "mountPath": "/var/lib/aws-secrets-injector-env"});
    assert_eq!(fetcher["volumeMounts"][1], mount);
    assert_eq!(
        value_of(fetcher, "SECRET_VARIABLES").unwrap(),
        r#"{"method":"kubelet","directory":"/var/lib/aws-secrets-injector-env/files","variables":[{"name":"DB","mountPath":"/mnt/secrets-store/files","file":"db-$$(HOME)"}]}"#
    );
    assert_eq!(patched(&after), after);
}

#[test]
fn the_variable_of_an_optional_file_is_optional() {
    let mut after = requesting("DB=b", "kubelet");
    let pod = pod(after.clone());
    let objects = "- {objectName: b, objectType: secretsmanager, optional: true}";
    let pod = Stripped::new(&pod).unwrap();
    let injection = plan(&pod, &[("objects", objects)]);
    json_patch::patch(&mut after, &operations(&pod, &injection).unwrap()).unwrap();
    let mut variable = of_file("DB");
    variable["valueFrom"]["fileKeyRef"]["optional"] = true.into();
    assert_eq!(after["spec"]["containers"][0]["env"], json!([variable]));
}

#[test]
fn the_injector_runs_the_command_with_the_variables() {
    let mut before = requesting(ITEM, "exec");
    before["spec"]["containers"][0]["args"] = json!(["$(DB)"]);
    before["metadata"]["annotations"]["aws-secrets-injector.io/refresh-interval"] = "5m".into();
    let after = patched(&before);
    let web = &after["spec"]["containers"][0];
    let command = json!([
        "/var/lib/aws-secrets-injector-bin/aws-secrets-exec",
        "--env-file",
        "/var/lib/aws-secrets-injector-env/environ",
        "--",
        "app",
        "--",
        "x",
    ]);
    assert_eq!(web["command"], command);
    assert_eq!(web["args"], json!(["$(DB)"]));
    assert_eq!(web["env"], Value::Null);
    let mounts = json!([
        {"name": "aws-secrets-injector", "mountPath": "/mnt/secrets-store", "subPath": "files", "readOnly": true},
        {"name": "aws-secrets-injector-env", "mountPath": "/var/lib/aws-secrets-injector-env", "subPath": "files", "readOnly": true},
        {"name": "aws-secrets-injector-bin", "mountPath": "/var/lib/aws-secrets-injector-bin", "readOnly": true},
    ]);
    assert_eq!(web["volumeMounts"], mounts);
    let program = json!({"name": "aws-secrets-injector-bin", "mountPath": "/var/lib/aws-secrets-injector-bin"});
    let [fetcher, refresher] = [0, 1].map(|index| &after["spec"]["initContainers"][index]);
    assert!(
        fetcher["volumeMounts"]
            .as_array()
            .unwrap()
            .contains(&program)
    );
    assert!(
        !refresher["volumeMounts"]
            .as_array()
            .unwrap()
            .contains(&program)
    );
    let variables = value_of(fetcher, "SECRET_VARIABLES").unwrap();
    assert!(variables.contains("programDirectory"), "{variables}");
    assert_eq!(value_of(refresher, "SECRET_VARIABLES"), Some(variables));
    assert_eq!(patched(&after), after);
}

#[test]
fn a_container_without_command_is_named() {
    let mut before = requesting(ITEM, "exec");
    before["spec"]["containers"][0]["command"] = Value::Null;
    let message = refused(&before);
    assert!(
        message.contains("container \"web\" has no command")
            && message.contains("use env-method kubelet"),
        "{message}"
    );
}

#[test]
fn a_variable_that_the_container_sets_is_refused_by_both_methods() {
    for method in ["kubelet", "exec"] {
        let mut before = requesting(ITEM, method);
        before["spec"]["containers"][0]["env"] = json!([{"name": "DB", "value": "x"}]);
        let message = refused(&before);
        assert!(
            message.contains("container \"web\" already sets the variable \"DB\""),
            "{message}"
        );
    }
}

#[test]
fn a_variable_of_a_star_gives_way_to_the_containers_own() {
    for method in ["kubelet", "exec"] {
        let mut before = requesting("A=db-$(HOME)", method);
        before["spec"]["containers"][0]["env"] = json!([{"name": "db", "value": "x"}]);
        let pod = pod(before.clone());
        let pod = Stripped::new(&pod).unwrap();
        let add_star = |planned: &mut PlannedVariables| {
            let mut star = planned.variables[0].clone();
            star.name = "db".parse().unwrap();
            star.is_of_star = true;
            planned.variables.push(star);
        };
        let injection = try_plan(&pod, &[], add_star).unwrap();
        let mut after = before;
        json_patch::patch(&mut after, &operations(&pod, &injection).unwrap()).unwrap();
        let web = &after["spec"]["containers"][0];
        if method == "kubelet" {
            assert_eq!(
                web["env"],
                json!([of_file("A"), {"name": "db", "value": "x"}])
            );
        } else {
            let command = web["command"].as_array().unwrap();
            assert_eq!(command[3..5], [json!("--except=db"), json!("--")]);
        }
    }
}

#[test]
fn only_the_chosen_containers_have_variables() {
    for method in ["kubelet", "exec"] {
        let mut before = requesting(ITEM, method);
        let other = json!({"name": "other", "command": ["b"]});
        before["spec"]["containers"]
            .as_array_mut()
            .unwrap()
            .push(other.clone());
        before["metadata"]["annotations"]["aws-secrets-injector.io/containers"] = "web".into();
        assert_eq!(patched(&before)["spec"]["containers"][1], other);
    }
}

/// As an exported pod that is applied with other annotations, and as another webhook leaves it.
#[test]
fn what_an_earlier_pass_added_goes_where_the_annotations_have_changed() {
    let mut own = requesting(ITEM, "kubelet");
    own["spec"]["containers"][0]["env"] = json!([{"name": "URL", "value": "x"}]);
    for (first, second) in [
        (Some("kubelet"), Some("exec")),
        (Some("exec"), Some("kubelet")),
        (Some("kubelet"), None),
        (Some("exec"), None),
    ] {
        let with = |pod: &mut Value, method: Option<&str>| {
            let annotations = pod["metadata"]["annotations"].as_object_mut().unwrap();
            annotations.remove(ENV);
            annotations.remove(METHOD);
            if let Some(method) = method {
                annotations.insert(ENV.to_owned(), ITEM.into());
                annotations.insert(METHOD.to_owned(), method.into());
            }
        };
        let (mut before, mut fresh) = (own.clone(), own.clone());
        with(&mut before, first);
        with(&mut fresh, second);
        let mut exported = patched(&before);
        with(&mut exported, second);
        let (after, mut expected) = (patched(&exported), patched(&fresh));
        let mut volumes = [volume_names(&after), volume_names(&expected)];
        for names in &mut volumes {
            names.sort_unstable();
        }
        assert_eq!(volumes[0], volumes[1], "{first:?} {second:?}");
        expected["spec"]["volumes"] = after["spec"]["volumes"].clone();
        assert_eq!(after, expected, "{first:?} {second:?}");
        assert_eq!(patched(&after), after);
    }
    let mut exported = patched(&requesting(ITEM, "exec"));
    exported["spec"]["containers"]
        .as_array_mut()
        .unwrap()
        .push(json!({"name": "other"}));
    exported["metadata"]["annotations"]["aws-secrets-injector.io/containers"] = "other".into();
    exported["metadata"]["annotations"][METHOD] = "kubelet".into();
    let after = patched(&exported);
    assert_eq!(
        after["spec"]["containers"][0]["command"],
        json!(["app", "--", "x"])
    );
    assert_eq!(
        after["spec"]["containers"][1]["env"],
        json!([of_file("DB")])
    );
}

#[test]
fn what_other_webhooks_change_is_put_right_without_doing_anything_twice() {
    let first = patched(&requesting(ITEM, "kubelet"));
    let own = json!({"name": "OTEL", "value": "x"});
    let changes: [fn(&mut Value); 5] = [
        |web| web["env"] = json!([{"name": "OTEL", "value": "x"}]),
        |web| web["env"] = json!([{"name": "OTEL", "value": "x"}, of_file("DB")]),
        |web| web["env"] = json!([of_file("DB"), of_file("OLD"), {"name": "OTEL", "value": "x"}]),
        |web| web["env"] = json!([of_file("DB"), {"name": "OTEL", "value": "x"}, of_file("DB")]),
        |web| {
            let mut other = of_file("DB");
            other["valueFrom"]["fileKeyRef"]["optional"] = true.into();
            web["env"] = json!([other, {"name": "OTEL", "value": "x"}]);
        },
    ];
    for change in changes {
        let mut between = first.clone();
        change(&mut between["spec"]["containers"][0]);
        let after = patched(&between);
        assert_eq!(
            after["spec"]["containers"][0]["env"],
            json!([of_file("DB"), own])
        );
    }
    // The API server's default.
    let mut defaulted = first.clone();
    defaulted["spec"]["containers"][0]["env"][0]["valueFrom"]["fileKeyRef"]["optional"] =
        false.into();
    assert_eq!(patched(&defaulted), defaulted);

    let first = patched(&requesting(ITEM, "exec"));
    let changes: [fn(&mut Value); 5] = [
        |spec| spec["containers"][0]["command"] = json!(["app", "--", "x"]),
        |spec| {
            let command = spec["containers"][0]["command"].as_array_mut().unwrap();
            let before = command[..4].to_vec();
            command.splice(0..0, before);
        },
        |spec| spec["containers"][0]["volumeMounts"][2]["readOnly"] = false.into(),
        |spec| {
            spec["volumes"][2] =
                json!({"name": "aws-secrets-injector-bin", "hostPath": {"path": "/"}});
        },
        |spec| spec["containers"][0]["command"][2] = "/etc/passwd".into(),
    ];
    for change in changes {
        let mut between = first.clone();
        change(&mut between["spec"]);
        assert_eq!(patched(&between), first);
    }
}

#[test]
fn what_is_in_the_way_of_variables_is_named() {
    let mut before = requesting(ITEM, "kubelet");
    before["spec"]["containers"][0]["env"] = json!([of_file("OTHER")]);
    let message = refused(&before);
    assert!(
        message.contains("sets the variable \"OTHER\" from the volume aws-secrets-injector-env"),
        "{message}"
    );
    for name in ["aws-secrets-injector-env", "aws-secrets-injector-bin"] {
        let mut before = requesting(ITEM, "exec");
        before["spec"]["volumes"] = json!([{"name": name, "emptyDir": {}}]);
        assert!(refused(&before).contains(&format!("already has a volume named {name:?}")));
        for path in ["", "/x"] {
            let mut before = requesting(ITEM, "exec");
            let path = format!("/var/lib/{name}{path}");
            before["spec"]["containers"][0]["volumeMounts"] =
                json!([{"name": "own", "mountPath": path}]);
            let message = refused(&before);
            let words = format!("at {path}, but the injector needs /var/lib/{name} for variables");
            assert!(message.contains(&words), "{message}");
        }
    }
    let mut before = requesting(ITEM, "exec");
    before["spec"]["containers"][0]["volumeMounts"] =
        json!([{"name": "own", "mountPath": "/var/lib", "readOnly": true}]);
    let pod = pod(before);
    let warnings = {
        let pod = Stripped::new(&pod).unwrap();
        warnings(&pod, &plan(&pod, &[]))
    };
    assert!(
        warnings[0].contains("read-only at /var/lib: the directory"),
        "{warnings:?}"
    );
}

#[test]
fn the_volume_of_the_program_does_not_keep_a_node() {
    const LOCAL: &str = "cluster-autoscaler.kubernetes.io/safe-to-evict-local-volumes";
    let mut before = small();
    let annotations = &mut before["metadata"]["annotations"];
    annotations["aws-secrets-injector.io/env"] = "DB=db-$(HOME)".into();
    annotations["aws-secrets-injector.io/env-method"] = "exec".into();
    annotations[LOCAL] = "cache".into();
    before["spec"]["containers"][0]["command"] = json!(["app"]);
    let mut after = patched(&before);
    assert_eq!(
        after["metadata"]["annotations"][LOCAL],
        "cache,aws-secrets-injector-bin"
    );
    assert_eq!(patched(&after), after);
    // Somebody exports the pod and has the kubelet set its variables.
    after["metadata"]["annotations"]["aws-secrets-injector.io/env-method"] = "kubelet".into();
    let after = patched(&after);
    assert_eq!(after["metadata"]["annotations"][LOCAL], "cache");
}
