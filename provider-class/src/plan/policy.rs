//! The least IAM policy that a class needs.
//!
//! Source: <https://docs.aws.amazon.com/secretsmanager/latest/userguide/auth-and-access_examples.html>,
//! <https://docs.aws.amazon.com/systems-manager/latest/userguide/sysman-paramstore-access.html>,
//! <https://docs.aws.amazon.com/eks/latest/userguide/pod-id-abac.html>,
//! <https://docs.aws.amazon.com/systems-manager/latest/userguide/integration-ps-secretsmanager.html>.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::words::arn::ObjectType;
use crate::words::name::REFERENCE;
use crate::{Arn, Class, Credentials, ParameterRequest, Region, Request};

/// What reading secrets takes: `DescribeSecret` is how a refresh sees that nothing changed.
const SECRET_ACTIONS: [&str; 2] = [
    "secretsmanager:GetSecretValue",
    "secretsmanager:DescribeSecret",
];
const PARAMETER_ACTIONS: [&str; 1] = ["ssm:GetParameters"];
/// Reading a path reaches everything below it.
const PATH_ACTIONS: [&str; 1] = ["ssm:GetParametersByPath"];
/// What Parameter Store takes to read a secret for somebody who asks for it as a parameter.
const REFERENCE_ACTIONS: [&str; 1] = ["secretsmanager:GetSecretValue"];

/// The policy of a pod's own role: to read the objects of classes without an `assumeRoleArn`, and to assume the roles of
/// the others.
///
/// `default_region` is the region of classes that name none.
pub fn of_pod(classes: &[&Class], default_region: Option<&Region>) -> Value {
    let own = classes.iter().filter(|class| class.assume_role.is_none());
    let mut statements = reading(own, default_region);
    let roles: BTreeSet<String> = classes
        .iter()
        .filter_map(|class| Some(class.assume_role.as_ref()?.arn.to_string()))
        .collect();
    if !roles.is_empty() {
        // Sessions of Pod Identity have tags, which go on to the second role.
        let has_tags = classes.iter().any(|class| {
            class.assume_role.as_ref().is_some_and(|role| {
                class.credentials != Credentials::WebIdentity || !role.session_tags.is_empty()
            })
        });
        let actions: &[&str] = if has_tags {
            &["sts:AssumeRole", "sts:TagSession"]
        } else {
            &["sts:AssumeRole"]
        };
        statements.push(allow("AssumeReaders", actions, &roles));
    }
    policy(&statements)
}

/// The policy of the roles of `assumeRoleArn`, where classes have one.
pub fn of_readers(classes: &[&Class], default_region: Option<&Region>) -> Option<Value> {
    let others = classes.iter().filter(|class| class.assume_role.is_some());
    let statements = reading(others, default_region);
    (!statements.is_empty()).then(|| policy(&statements))
}

/// What reading the objects of classes takes.
fn reading<'a>(
    classes: impl Iterator<Item = &'a &'a Class>,
    default_region: Option<&Region>,
) -> Vec<Value> {
    let mut secrets = BTreeSet::new();
    let mut parameters = BTreeSet::new();
    let mut paths = BTreeSet::new();
    let mut references = BTreeSet::new();
    for class in classes {
        let account = class
            .assume_role
            .as_ref()
            .map_or("*", |role| role.arn.account());
        for object in &class.objects {
            let first = (
                Some(&object.request),
                class.region.as_ref().or(default_region),
            );
            let second = (object.failover.as_ref(), class.failover_region.as_ref());
            for (request, region) in [first, second] {
                match request {
                    Some(Request::Secret(request)) => {
                        secrets.extend(secret(&request.id, region, account));
                    }
                    Some(Request::Parameter(ParameterRequest { name, .. })) => {
                        parameters.insert(parameter(name, region, account));
                        if let Some(id) = name.strip_prefix(REFERENCE) {
                            references.extend(secret(id, region, account));
                        }
                    }
                    Some(Request::Path(request)) => {
                        paths.insert(parameter(request.wire_path(), region, account));
                    }
                    None => {}
                }
            }
        }
    }
    let mut statements = Vec::new();
    if !secrets.is_empty() {
        statements.push(allow("ReadSecrets", &SECRET_ACTIONS, &secrets));
    }
    if !parameters.is_empty() {
        statements.push(allow("ReadParameters", &PARAMETER_ACTIONS, &parameters));
    }
    if !paths.is_empty() {
        statements.push(allow("ReadParametersByPath", &PATH_ACTIONS, &paths));
    }
    if !references.is_empty() {
        statements.push(allow(
            "ReadSecretsAsParameters",
            &REFERENCE_ACTIONS,
            &references,
        ));
    }
    statements
}

fn policy(statements: &[Value]) -> Value {
    json!({"Version": "2012-10-17", "Statement": statements})
}

fn allow(sid: &str, actions: &[&str], resources: &BTreeSet<String>) -> Value {
    json!({"Sid": sid, "Effect": "Allow", "Action": actions, "Resource": resources})
}

/// Secrets Manager ends every ARN with a hyphen and six characters of its own choice.
const SUFFIX: &str = "-??????";

/// The ARNs of a secret: two for an ARN that ends like one with the six characters, because a secret's own name can end like that.
fn secret(id: &str, region: Option<&Region>, account: &str) -> Vec<String> {
    let Ok(arn) = id.parse::<Arn>() else {
        let prefix = prefix("secretsmanager", region);
        return vec![format!("{prefix}:{account}:secret:{id}{SUFFIX}")];
    };
    let with_suffix = format!("{id}{SUFFIX}");
    match arn.suffix() {
        None => vec![with_suffix],
        Some(_) => vec![id.to_owned(), with_suffix],
    }
}

fn parameter(name: &str, region: Option<&Region>, account: &str) -> String {
    match name.parse::<Arn>() {
        Ok(arn) if arn.object_type == ObjectType::Parameter => name.to_owned(),
        _ => {
            // What AWS publishes belongs to no account, which is a part of any.
            let account = if name.starts_with("/aws/service/") {
                "*"
            } else {
                account
            };
            let prefix = prefix("ssm", region);
            format!(
                "{prefix}:{account}:parameter/{}",
                name.trim_start_matches('/')
            )
        }
    }
}

/// The start of an ARN; a region that the environment decides is any region.
fn prefix(service: &str, region: Option<&Region>) -> String {
    let (partition, region) = region.map_or(("aws", "*"), |region| {
        (region.partition().unwrap_or("aws"), region.as_str())
    });
    format!("arn:{partition}:{service}:{region}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SecretProviderClassSpec;

    fn class(parameters: &[(&str, &str)], objects: &str) -> Class {
        let defaults = [("region", "us-east-2"), ("objects", objects)];
        let spec = SecretProviderClassSpec::aws([&defaults, parameters].concat());
        Class::parse("db", &spec).unwrap()
    }

    fn resources(class: &Class) -> Vec<String> {
        let policy = of_readers(&[class], None).unwrap_or_else(|| of_pod(&[class], None));
        let statements = policy["Statement"].as_array().unwrap().clone();
        let resources = statements
            .iter()
            .flat_map(|statement| statement["Resource"].as_array().unwrap().clone());
        resources
            .map(|resource| resource.as_str().unwrap().to_owned())
            .collect()
    }

    #[test]
    fn names_just_what_is_read() {
        let class = class(
            &[],
            "- {objectName: a/b, objectType: secretsmanager}
- {objectName: a/b, objectType: secretsmanager, objectVersionLabel: AWSPREVIOUS, objectAlias: x}
- objectName: arn:aws:secretsmanager:us-east-2:111122223333:secret:MySecret-00AACC
- objectName: arn:aws:secretsmanager:us-east-2:111122223333:secret:partial
- {objectName: \"/app/db:3\", objectType: ssmparameter}
- {objectName: plain, objectType: ssmparameter}
",
        );
        assert_eq!(
            resources(&class),
            [
                "arn:aws:secretsmanager:us-east-2:*:secret:a/b-??????",
                "arn:aws:secretsmanager:us-east-2:111122223333:secret:MySecret-00AACC",
                "arn:aws:secretsmanager:us-east-2:111122223333:secret:MySecret-00AACC-??????",
                "arn:aws:secretsmanager:us-east-2:111122223333:secret:partial-??????",
                "arn:aws:ssm:us-east-2:*:parameter/app/db",
                "arn:aws:ssm:us-east-2:*:parameter/plain",
            ]
        );
    }

    #[test]
    fn a_secret_as_a_parameter_is_read_too() {
        let class = class(
            &[],
            "- {objectName: \"/aws/reference/secretsmanager/app/db:AWSPREVIOUS\", objectType: ssmparameter, objectAlias: db}",
        );
        let policy = of_pod(&[&class], None);
        let statements = policy["Statement"].as_array().unwrap();
        assert_eq!(statements.len(), 2, "{policy}");
        assert_eq!(statements[0]["Action"], json!(["ssm:GetParameters"]));
        assert_eq!(
            statements[0]["Resource"],
            json!(["arn:aws:ssm:us-east-2:*:parameter/aws/reference/secretsmanager/app/db"])
        );
        assert_eq!(
            statements[1]["Action"],
            json!(["secretsmanager:GetSecretValue"])
        );
        assert_eq!(
            statements[1]["Resource"],
            json!(["arn:aws:secretsmanager:us-east-2:*:secret:app/db-??????"])
        );
    }

    #[test]
    fn a_path_is_read_by_its_own_action_on_its_own_arn() {
        let class = class(
            &[("failoverRegion", "us-west-2")],
            "- {objectPath: /app/, objectType: ssmparameter, failoverObject: {objectPath: /other}}
- {objectPath: /app/db, objectType: ssmparameter, recursive: false}",
        );
        let policy = of_pod(&[&class], None);
        let statement = &policy["Statement"][0];
        assert_eq!(statement["Action"], json!(["ssm:GetParametersByPath"]));
        assert_eq!(
            statement["Resource"],
            json!([
                "arn:aws:ssm:us-east-2:*:parameter/app",
                "arn:aws:ssm:us-east-2:*:parameter/app/db",
                "arn:aws:ssm:us-west-2:*:parameter/app/db",
                "arn:aws:ssm:us-west-2:*:parameter/other",
            ])
        );
        assert_eq!(policy["Statement"].as_array().unwrap().len(), 1);
    }

    #[test]
    fn what_aws_publishes_is_in_no_account_of_a_second_role() {
        let class = class(
            &[("assumeRoleArn", "arn:aws:iam::444455556666:role/reader")],
            "- {objectName: /aws/service/x, objectType: ssmparameter}",
        );
        assert_eq!(
            resources(&class),
            ["arn:aws:ssm:us-east-2:*:parameter/aws/service/x"]
        );
    }

    #[test]
    fn a_class_without_region_is_in_the_default_one_or_in_any() {
        let class = class(
            &[("region", "")],
            "- {objectName: a, objectType: secretsmanager}",
        );
        assert_eq!(
            resources(&class),
            ["arn:aws:secretsmanager:*:*:secret:a-??????"]
        );
        let region = "us-west-2".parse().unwrap();
        let policy = of_pod(&[&class], Some(&region));
        assert_eq!(
            policy["Statement"][0]["Resource"],
            json!(["arn:aws:secretsmanager:us-west-2:*:secret:a-??????"])
        );
    }

    #[test]
    fn covers_the_failover_region_and_its_partition() {
        let class = class(
            &[
                ("region", "cn-north-1"),
                ("failoverRegion", "cn-northwest-1"),
            ],
            "- {objectName: a, objectType: secretsmanager, objectAlias: x, failoverObject: {objectName: b}}",
        );
        assert_eq!(
            resources(&class),
            [
                "arn:aws-cn:secretsmanager:cn-north-1:*:secret:a-??????",
                "arn:aws-cn:secretsmanager:cn-northwest-1:*:secret:b-??????"
            ]
        );
    }

    #[test]
    fn a_second_role_reads_and_the_pods_own_assumes_it() {
        let role = "arn:aws:iam::444455556666:role/reader";
        let class = class(
            &[("assumeRoleArn", role)],
            "- {objectName: a, objectType: secretsmanager}",
        );
        assert_eq!(
            resources(&class),
            ["arn:aws:secretsmanager:us-east-2:444455556666:secret:a-??????"]
        );
        let own = &of_pod(&[&class], None)["Statement"][0];
        assert_eq!(own["Resource"], json!([role]));
        assert_eq!(own["Action"], json!(["sts:AssumeRole"]));
    }

    #[test]
    fn the_session_of_the_second_role_may_be_tagged_by_eks_or_by_the_class() {
        for tagged in [("usePodIdentity", "true"), ("assumeRoleSessionTags", "pod")] {
            let class = class(
                &[
                    ("assumeRoleArn", "arn:aws:iam::444455556666:role/reader"),
                    tagged,
                ],
                "- {objectName: a, objectType: secretsmanager}",
            );
            let own = &of_pod(&[&class], None)["Statement"][0];
            assert_eq!(own["Action"], json!(["sts:AssumeRole", "sts:TagSession"]));
        }
    }
}
