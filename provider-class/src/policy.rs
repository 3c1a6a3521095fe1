//! The least IAM policy that a class needs.
//!
//! Source: <https://docs.aws.amazon.com/secretsmanager/latest/userguide/auth-and-access_examples.html>,
//! <https://docs.aws.amazon.com/systems-manager/latest/userguide/sysman-paramstore-access.html>,
//! <https://docs.aws.amazon.com/eks/latest/userguide/pod-id-abac.html>.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::arn::Service;
use crate::{Arn, Class, Credentials, Region, Request};

/// What reading secrets takes: `DescribeSecret` is how a refresh sees that nothing changed.
const SECRET_ACTIONS: [&str; 2] = [
    "secretsmanager:GetSecretValue",
    "secretsmanager:DescribeSecret",
];
const PARAMETER_ACTIONS: [&str; 1] = ["ssm:GetParameters"];

/// The policy of a pod's own role: to read the objects of classes without an `assumeRoleArn`, and to assume the roles of
/// the others.
pub fn of_pod(classes: &[Class]) -> Value {
    let mut statements = reading(classes.iter().filter(|class| class.assume_role.is_none()));
    let roles: BTreeSet<String> = classes
        .iter()
        .filter_map(|class| Some(class.assume_role.as_ref()?.arn.to_string()))
        .collect();
    if !roles.is_empty() {
        // Sessions of Pod Identity have tags, which go on to the second role.
        let has_tags = |class: &Class| {
            class.assume_role.is_some() && class.credentials != Credentials::WebIdentity
        };
        let actions: &[&str] = if classes.iter().any(has_tags) {
            &["sts:AssumeRole", "sts:TagSession"]
        } else {
            &["sts:AssumeRole"]
        };
        statements.push(allow("AssumeReaders", actions, &roles));
    }
    policy(&statements)
}

/// The policy of the roles of `assumeRoleArn`, where classes have one.
pub fn of_readers(classes: &[Class]) -> Option<Value> {
    let statements = reading(classes.iter().filter(|class| class.assume_role.is_some()));
    (!statements.is_empty()).then(|| policy(&statements))
}

/// What reading the objects of classes takes.
fn reading<'a>(classes: impl Iterator<Item = &'a Class>) -> Vec<Value> {
    let mut secrets = BTreeSet::new();
    let mut parameters = BTreeSet::new();
    for class in classes {
        let account = class
            .assume_role
            .as_ref()
            .map_or("*", |role| role.arn.account());
        for object in &class.objects {
            let first = (Some(&object.request), class.region.as_ref());
            let second = (object.failover.as_ref(), class.failover_region.as_ref());
            for (request, region) in [first, second] {
                match request {
                    Some(Request::Secret { id, .. }) => secrets.insert(secret(id, region, account)),
                    Some(Request::Parameter { name, .. }) => {
                        parameters.insert(parameter(name, region, account))
                    }
                    None => continue,
                };
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

fn secret(id: &str, region: Option<&Region>, account: &str) -> String {
    match id.parse::<Arn>() {
        Ok(_) if has_suffix(id) => id.to_owned(),
        Ok(_) => format!("{id}{SUFFIX}"),
        Err(_) => format!(
            "{}:{account}:secret:{id}{SUFFIX}",
            prefix("secretsmanager", region)
        ),
    }
}

fn has_suffix(arn: &str) -> bool {
    arn.rsplit_once('-')
        .is_some_and(|(_, end)| end.len() == 6 && end.bytes().all(|b| b.is_ascii_alphanumeric()))
}

fn parameter(name: &str, region: Option<&Region>, account: &str) -> String {
    match name.parse::<Arn>() {
        Ok(arn) if arn.service == Service::Ssm => name.to_owned(),
        _ => format!(
            "{}:{account}:parameter/{}",
            prefix("ssm", region),
            name.trim_start_matches('/')
        ),
    }
}

/// The start of an ARN; a region that the environment decides is any region.
fn prefix(service: &str, region: Option<&Region>) -> String {
    let (partition, region) =
        region.map_or(("aws", "*"), |region| (partition(region), region.as_str()));
    format!("arn:{partition}:{service}:{region}")
}

/// Source: <https://docs.aws.amazon.com/whitepapers/latest/aws-fault-isolation-boundaries/partitions.html>.
fn partition(region: &Region) -> &'static str {
    let is = |prefix: &str| region.as_str().starts_with(prefix);
    match () {
        () if is("cn-") => "aws-cn",
        () if is("us-gov-") => "aws-us-gov",
        () if is("us-isob-") => "aws-iso-b",
        () if is("us-isof-") => "aws-iso-f",
        () if is("eu-isoe-") => "aws-iso-e",
        () if is("us-iso-") => "aws-iso",
        () if is("eusc-") => "aws-eusc",
        () => "aws",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SecretProviderClassSpec;

    fn class(parameters: &[(&str, &str)], objects: &str) -> Class {
        let mut map: std::collections::BTreeMap<String, String> = [
            ("region".to_owned(), "us-east-2".to_owned()),
            ("objects".to_owned(), objects.to_owned()),
        ]
        .into();
        map.extend(
            parameters
                .iter()
                .map(|(key, value)| ((*key).to_owned(), (*value).to_owned())),
        );
        let spec = SecretProviderClassSpec {
            parameters: map,
            ..Default::default()
        };
        Class::parse("db", &spec, None).unwrap().class
    }

    fn resources(class: &Class) -> Vec<String> {
        let class = std::slice::from_ref(class);
        let policy = of_readers(class).unwrap_or_else(|| of_pod(class));
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
                "arn:aws:secretsmanager:us-east-2:111122223333:secret:partial-??????",
                "arn:aws:ssm:us-east-2:*:parameter/app/db",
                "arn:aws:ssm:us-east-2:*:parameter/plain",
            ]
        );
    }

    #[test]
    fn an_unknown_region_is_any() {
        let class = class(
            &[("region", "")],
            "- {objectName: a, objectType: secretsmanager}",
        );
        assert_eq!(
            resources(&class),
            ["arn:aws:secretsmanager:*:*:secret:a-??????"]
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
        let own = &of_pod(&[class])["Statement"][0];
        assert_eq!(own["Resource"], json!([role]));
        assert_eq!(own["Action"], json!(["sts:AssumeRole"]));
    }

    #[test]
    fn the_tags_of_pod_identity_may_go_on_to_the_second_role() {
        let class = class(
            &[
                ("assumeRoleArn", "arn:aws:iam::444455556666:role/reader"),
                ("usePodIdentity", "true"),
            ],
            "- {objectName: a, objectType: secretsmanager}",
        );
        let own = &of_pod(&[class])["Statement"][0];
        assert_eq!(own["Action"], json!(["sts:AssumeRole", "sts:TagSession"]));
    }
}
