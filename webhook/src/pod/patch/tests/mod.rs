//! Pods before and after the patch.

mod conflicts;
mod injection;
mod reinvocation;
mod variables;

use std::error::Error;

use k8s_openapi::api::core::v1::Pod;
use provider_class::{Class, SecretProviderClassSpec};
use serde_json::Value;

use super::*;
use crate::pod::annotations::{PodRequest, Resources};
use crate::pod::class::MountedClass;
use crate::pod::identity;
use crate::pod::injection::{InjectorSettings, Inputs};
use crate::pod::role::Role;
use crate::pod::variables::{PlannedVariables, plan as plan_variables, plan_containers};

fn pod(pod: Value) -> Pod {
    serde_json::from_value(pod).unwrap()
}

fn settings() -> InjectorSettings {
    InjectorSettings {
        user_is_assigned: false,
        image: "injector:1".to_owned(),
        image_pull_policy: None,
        resources: Resources::default(),
        size_limit: k8s_openapi::apimachinery::pkg::api::resource::Quantity("16Mi".to_owned()),
        environment: vec![("AWS_ENDPOINT_URL".to_owned(), "http://aws".to_owned())],
        api_server: None,
    }
}

/// The injection of a pod, whose classes have `parameters` besides their objects.
fn plan(pod: &Stripped<'_>, parameters: &[(&str, &str)]) -> Injection {
    try_plan(pod, parameters, |_| ()).unwrap()
}

fn try_plan(
    pod: &Stripped<'_>,
    parameters: &[(&str, &str)],
    change: impl FnOnce(&mut PlannedVariables),
) -> Result<Injection, Box<dyn Error>> {
    let request = PodRequest::read(pod.own.metadata.annotations.as_ref().unwrap())
        .unwrap()
        .unwrap();
    let region = "us-east-2".parse().unwrap();
    let classes: Vec<_> = request
        .classes
        .iter()
        .map(|mount| {
            let objects = format!(
                "- {{objectName: {0}, objectType: secretsmanager, objectAlias: {0}-$(HOME)}}",
                mount.class.name()
            );
            let objects = [("objects", objects.as_str())];
            let spec = SecretProviderClassSpec::aws([&objects, parameters].concat());
            MountedClass {
                volume: None,
                mount_path: mount.mount_path.clone(),
                class: Class::parse(mount.class.name(), &spec).unwrap().into(),
                parameters: spec.parameters.into(),
                version: 0,
            }
        })
        .collect();
    let role = Role {
        arn: "arn:aws:iam::111122223333:role/web".parse().unwrap(),
        audience: "sts.amazonaws.com".to_owned(),
        expiration: 3600,
    };
    let settings = settings();
    let inputs = Inputs {
        request: &request,
        classes: &classes,
        role: Some(&role),
        default_region: Some(&region),
        settings: &settings,
        pod,
    };
    request.check_containers(&pod.own)?;
    let mut variables = request.variables.as_ref().map(|requested| {
        let method = request.env_method.unwrap_or_default();
        plan_variables(requested, method, &classes).unwrap()
    });
    if let Some(planned) = &mut variables {
        change(planned);
    }
    let containers = plan_containers(&request, &pod.own, &mut variables, &mut Vec::new())?;
    let owner = identity::owner(&request, &pod.own, pod.user);
    Ok(Injection::plan(
        inputs,
        owner,
        variables.as_ref(),
        containers,
    ))
}

fn try_patch(before: &Value) -> Result<Value, Box<dyn Error>> {
    let pod = pod(before.clone());
    let pod = Stripped::new(&pod)?;
    let mut after = before.clone();
    json_patch::patch(
        &mut after,
        &operations(&pod, &try_plan(&pod, &[], |_| ())?)?,
    )?;
    Ok(after)
}

fn patched(before: &Value) -> Value {
    try_patch(before).unwrap()
}

fn refused(before: &Value) -> String {
    try_patch(before).unwrap_err().to_string()
}

/// The smallest pod that wants a class.
fn small() -> Value {
    json!({
        "metadata": {"annotations": {"aws-secrets-injector.io/secret-provider-class": "db"}},
        "spec": {"containers": [{"name": "web", "image": "web"}]},
    })
}
