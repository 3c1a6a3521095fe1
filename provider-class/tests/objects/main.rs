//! The rules for an entry of `objects`, both sides of each, as a class's author meets them.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod failover;
mod files;
mod paths;
mod templates;

use provider_class::{
    Class, ParameterRequest, Request, SecretProviderClassSpec, SecretRequest, Selector,
};

fn parse_with(parameters: &[(&str, &str)], objects: &str) -> Result<Class, String> {
    let (region, objects) = ([("region", "us-east-2")], [("objects", objects)]);
    let spec = SecretProviderClassSpec::aws([&region, parameters, &objects].concat());
    Class::parse("db", &spec).map_err(|invalid| invalid.to_string())
}

fn parse(objects: &str) -> Result<Class, String> {
    parse_with(&[], objects)
}

/// The only problem of a class, without the class's name.
#[track_caller]
fn problem(result: Result<Class, String>) -> String {
    let text = result.unwrap_err();
    assert_eq!(text.lines().count(), 1, "one problem: {text}");
    text.replacen("class \"db\": ", "", 1)
}

fn paths(class: &Class) -> Vec<String> {
    class.files().map(|file| file.path.to_string()).collect()
}

const FAILOVER: [(&str, &str); 1] = [("failoverRegion", "us-west-2")];

#[test]
fn the_example_of_aws_documentation_makes_six_files() {
    let class = parse(
        r#"- objectName: "arn:aws:secretsmanager:us-east-2:111122223333:secret:MySecret-00AACC"
  jmesPath:
    - path: username
      objectAlias: dbusername
    - path: password
      objectAlias: dbpassword
- objectName: "arn:aws:secretsmanager:us-east-2:111122223333:secret:MySecret2-00AABB"
- objectName: "MySecret3"
  objectType: "secretsmanager"
- objectName: "MySecret4"
  objectType: "secretsmanager"
  objectVersionLabel: "AWSCURRENT"
"#,
    )
    .unwrap();
    assert_eq!(
        paths(&class),
        [
            "arn:aws:secretsmanager:us-east-2:111122223333:secret:MySecret-00AACC",
            "dbusername",
            "dbpassword",
            "arn:aws:secretsmanager:us-east-2:111122223333:secret:MySecret2-00AABB",
            "MySecret3",
            "MySecret4",
        ]
    );
    assert_eq!(class.resolve(None).unwrap().requests.len(), 4);
    assert_eq!(class.warnings, []);
}

#[test]
fn a_name_and_a_type_are_required() {
    assert_eq!(
        problem(parse("- objectType: secretsmanager")),
        "objects[0].objectName (line 1 of objects): is required: the name or ARN of a secret or parameter"
    );
    assert!(problem(parse("- objectName: a")).starts_with(
        "objects[0] \"a\": objectType (line 1 of objects): is required where objectName is not an ARN"
    ));
    assert!(
        problem(parse("- {objectName: a, objectType: ssm}"))
            .contains("\"ssm\" is neither \"secretsmanager\" nor \"ssmparameter\"")
    );
}

#[test]
fn an_arn_tells_the_type_and_must_agree_with_it() {
    let ssm = "arn:aws:ssm:us-east-2:111122223333:parameter/app/db";
    let class = parse(&format!("- objectName: {ssm}")).unwrap();
    assert_eq!(
        class.objects[0].request,
        Request::Parameter(ParameterRequest {
            name: ssm.to_owned(),
            selector: None
        })
    );
    assert!(
        parse(&format!(
            "- {{objectName: \"{ssm}\", objectType: ssmparameter}}"
        ))
        .is_ok()
    );
    let error = problem(parse(&format!(
        "- {{objectName: \"{ssm}\", objectType: secretsmanager}}"
    )));
    assert!(
        error.contains("does not match the ARN, which is of type \"ssmparameter\""),
        "{error}"
    );
    let error = problem(parse("- objectName: arn:aws:s3:us-east-2:111122223333:x"));
    assert!(error.contains("service \"s3\""), "{error}");
}

#[test]
fn an_arn_is_in_the_region_of_the_class() {
    let error = problem(parse(
        "- objectName: arn:aws:ssm:us-west-2:111122223333:parameter/a",
    ));
    assert!(
        error.contains("is an ARN in us-west-2, but the class's region is us-east-2"),
        "{error}"
    );
    let failover = |arn: &str| {
        parse_with(
            &FAILOVER,
            &format!(
                "- {{objectName: a, objectType: ssmparameter, objectAlias: b, failoverObject: {{objectName: \"{arn}\"}}}}"
            ),
        )
    };
    assert!(failover("arn:aws:ssm:us-west-2:111122223333:parameter/a").is_ok());
    let error = problem(failover("arn:aws:ssm:us-east-2:111122223333:parameter/a"));
    assert!(
        error.starts_with("objects[0] \"a\": failoverObject.objectName")
            && error.contains("the class's failoverRegion is us-west-2"),
        "{error}"
    );
}

#[test]
fn a_parameter_has_a_version_or_a_label() {
    let request = |fields: &str| {
        parse(&format!(
            "- {{objectName: /p, objectType: ssmparameter, {fields}}}"
        ))
        .map(|class| class.objects[0].request.clone())
    };
    let parameter = |selector| {
        Request::Parameter(ParameterRequest {
            name: "/p".to_owned(),
            selector,
        })
    };
    assert_eq!(
        request("objectVersion: 3"),
        Ok(parameter(Some(Selector::Version(3))))
    );
    assert_eq!(
        request("objectVersionLabel: live"),
        Ok(parameter(Some(Selector::Label("live".to_owned()))))
    );
    assert!(
        request("objectVersion: 3, objectVersionLabel: live")
            .unwrap_err()
            .contains("more than once")
    );
    assert_eq!(
        request("objectVersion: live"),
        Ok(parameter(Some(Selector::Label("live".to_owned())))),
        "as AWS's provider sends it"
    );
    for bad in ["0", "3rc", "-1", "aws-live", "v 1"] {
        assert!(
            request(&format!("objectVersion: '{bad}'"))
                .unwrap_err()
                .contains("is not a parameter's version number"),
            "{bad}"
        );
    }
    let inline = parse("- {objectName: \"/p:3\", objectType: ssmparameter}").unwrap();
    assert_eq!(
        inline.objects[0].request,
        parameter(Some(Selector::Version(3)))
    );
    assert_eq!(paths(&inline), ["_p:3"]);
    for bad in ["/p:", ":3"] {
        let error = problem(parse(&format!(
            "- {{objectName: \"{bad}\", objectType: ssmparameter}}"
        )));
        assert!(error.contains("a version or label after it"), "{error}");
    }
    assert!(request("objectVersion: 0").is_err());
    assert!(
        problem(parse(
            "- {objectName: \"/p:3\", objectType: ssmparameter, objectVersion: 3}"
        ))
        .contains("more than once")
    );
}

#[test]
fn a_secret_may_have_version_and_label() {
    let class = parse("- {objectName: s, objectType: secretsmanager, objectVersion: 0f2c1b7e-5f62-4d0e-9d3e-0c5f5c0f7a11, objectVersionLabel: AWSCURRENT}").unwrap();
    let Request::Secret(SecretRequest { version, stage, .. }) = &class.objects[0].request else {
        panic!("a secret")
    };
    assert_eq!(
        (version.as_deref(), stage.as_deref()),
        (
            Some("0f2c1b7e-5f62-4d0e-9d3e-0c5f5c0f7a11"),
            Some("AWSCURRENT")
        )
    );
}

#[test]
fn all_problems_come_at_once_with_their_lines() {
    let error = parse_with(
        &[("pathTranslation", "__"), ("usePodIdentity", "maybe")],
        "- objectName: ../a\n  objectType: secretsmanager\n- objectType: secretsmanager\n-\n- objectName: b\n",
    )
    .unwrap_err();
    let lines: Vec<_> = error.lines().collect();
    assert_eq!(lines.len(), 6, "{error}");
    assert!(
        lines.iter().all(|line| line.starts_with("class \"db\": ")),
        "{error}"
    );
    for place in [
        "pathTranslation: ",
        "usePodIdentity: ",
        "objects[0] \"../a\": objectName (line 1 of objects): ",
        "objects[1].objectName (line 3 of objects): ",
        "objects[2] (line 4 of objects): ",
        "objects[3] \"b\": objectType (line 5 of objects): ",
    ] {
        assert!(error.contains(place), "{place} in {error}");
    }
}

#[test]
fn a_class_with_very_many_mistakes_is_cut_short() {
    let error = parse(&"- objectName: x\n".repeat(60)).unwrap_err();
    assert_eq!(error.lines().count(), 51);
    assert!(
        error.ends_with("may have more problems than these 50: correct them first"),
        "{error}"
    );
}

#[test]
fn other_providers_and_missing_objects_are_named() {
    let spec = |provider: &str| SecretProviderClassSpec {
        provider: Some(provider.to_owned()),
        ..Default::default()
    };
    let error = Class::parse("db", &spec("vault")).unwrap_err().to_string();
    assert_eq!(
        error,
        "class \"db\": provider: is \"vault\", but only provider \"aws\" is supported here"
    );
    let error = Class::parse("db", &spec("aws")).unwrap_err().to_string();
    assert!(
        error.starts_with("class \"db\": objects: is required"),
        "{error}"
    );
}
