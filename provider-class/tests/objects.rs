//! The rules for an entry of `objects`, both sides of each, as a class's author meets them.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::collections::BTreeMap;

use provider_class::{Class, Parsed, Request, SecretProviderClassSpec, Selector};

fn parse_with(parameters: &[(&str, &str)], objects: &str) -> Result<Parsed, String> {
    let mut map: BTreeMap<String, String> = [("region".to_owned(), "us-east-2".to_owned())].into();
    map.extend(
        parameters
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned())),
    );
    map.insert("objects".to_owned(), objects.to_owned());
    let spec = SecretProviderClassSpec {
        provider: Some("aws".to_owned()),
        parameters: map,
        ..Default::default()
    };
    Class::parse("db", &spec, None).map_err(|invalid| invalid.to_string())
}

fn parse(objects: &str) -> Result<Parsed, String> {
    parse_with(&[], objects)
}

/// The only problem of a class, without the class's name.
#[track_caller]
fn problem(result: Result<Parsed, String>) -> String {
    let text = result.map(|parsed| parsed.class).unwrap_err();
    assert_eq!(text.lines().count(), 1, "one problem: {text}");
    text.replacen("class \"db\": ", "", 1)
}

fn paths(parsed: &Parsed) -> Vec<String> {
    parsed
        .class
        .files()
        .map(|file| file.path.to_string())
        .collect()
}

const FAILOVER: [(&str, &str); 1] = [("failoverRegion", "us-west-2")];

#[test]
fn the_example_of_aws_documentation_makes_six_files() {
    let parsed = parse(
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
        paths(&parsed),
        [
            "arn:aws:secretsmanager:us-east-2:111122223333:secret:MySecret-00AACC",
            "dbusername",
            "dbpassword",
            "arn:aws:secretsmanager:us-east-2:111122223333:secret:MySecret2-00AABB",
            "MySecret3",
            "MySecret4",
        ]
    );
    assert_eq!(parsed.class.plan().unwrap().requests.len(), 4);
    assert_eq!(parsed.warnings, []);
}

#[test]
fn a_name_and_a_type_are_required() {
    assert_eq!(
        problem(parse("- objectType: secretsmanager")),
        "objects[0].objectName (line 1 of objects): is required: the name or ARN of a secret or parameter"
    );
    assert!(problem(parse("- objectName: a")).starts_with(
        "objects[0].objectType (line 1 of objects): is required where objectName is not an ARN"
    ));
    assert!(
        problem(parse("- {objectName: a, objectType: ssm}"))
            .contains("\"ssm\" is neither \"secretsmanager\" nor \"ssmparameter\"")
    );
}

#[test]
fn an_arn_tells_the_type_and_must_agree_with_it() {
    let ssm = "arn:aws:ssm:us-east-2:111122223333:parameter/app/db";
    let parsed = parse(&format!("- objectName: {ssm}")).unwrap();
    assert_eq!(
        parsed.class.objects[0].request,
        Request::Parameter {
            name: ssm.to_owned(),
            selector: None
        }
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
        error.contains("does not agree with the ARN, which is of type \"ssmparameter\""),
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
        error.starts_with("objects[0].failoverObject.objectName")
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
        .map(|parsed| parsed.class.objects[0].request.clone())
    };
    let parameter = |selector| Request::Parameter {
        name: "/p".to_owned(),
        selector,
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
    assert!(
        request("objectVersion: latest")
            .unwrap_err()
            .contains("not the number of a parameter's version")
    );
    let inline = parse("- {objectName: \"/p:3\", objectType: ssmparameter}").unwrap();
    assert_eq!(
        inline.class.objects[0].request,
        parameter(Some(Selector::Version(3)))
    );
    assert_eq!(paths(&inline), ["_p:3"]);
    for bad in ["/p:", ":3"] {
        let error = problem(parse(&format!(
            "- {{objectName: \"{bad}\", objectType: ssmparameter}}"
        )));
        assert!(error.contains("a version or label behind it"), "{error}");
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
    let parsed = parse("- {objectName: s, objectType: secretsmanager, objectVersion: v, objectVersionLabel: AWSCURRENT}").unwrap();
    let Request::Secret { version, stage, .. } = &parsed.class.objects[0].request else {
        panic!("a secret")
    };
    assert_eq!(
        (version.as_deref(), stage.as_deref()),
        (Some("v"), Some("AWSCURRENT"))
    );
}

#[test]
fn file_modes_come_from_the_item_or_its_parent() {
    let parsed = parse(
        "- objectName: s
  objectType: secretsmanager
  filePermission: 0400
  jmesPath:
    - {path: a, objectAlias: a}
    - {path: b, objectAlias: b, filePermission: \"0440\"}
",
    )
    .unwrap();
    let modes: Vec<_> = parsed
        .class
        .files()
        .map(|file| file.mode.to_string())
        .collect();
    assert_eq!(
        modes,
        ["0400", "0400", "0440"],
        "an unquoted 0400 is meant, not the number 256"
    );
    for bad in ["400", "0o400", "0888", "rw", "\"\\u0664000\""] {
        let error = problem(parse(&format!(
            "- {{objectName: s, objectType: secretsmanager, filePermission: {bad}}}"
        )));
        assert!(
            error.starts_with("objects[0].filePermission (line 1 of objects): ")
                && error.contains("four octal digits in quotes"),
            "{error}"
        );
    }
}

#[test]
fn a_json_path_needs_path_and_alias() {
    let error = parse("- objectName: s\n  objectType: secretsmanager\n  jmesPath:\n    - path: a\n    - objectAlias: b\n    - path: \"a[\"\n      objectAlias: c\n").unwrap_err();
    let lines: Vec<_> = error.lines().collect();
    assert_eq!(lines.len(), 3, "{error}");
    assert!(
        lines[0].contains("objects[0].jmesPath[0].objectAlias (line 4 of objects): is required"),
        "{error}"
    );
    assert!(
        lines[1].contains("objects[0].jmesPath[1].path (line 5 of objects): is required"),
        "{error}"
    );
    assert!(
        lines[2].contains(
            "objects[0].jmesPath[2].path (line 6 of objects): \"a[\" is not a JMESPath expression"
        ),
        "{error}"
    );
}

#[test]
fn files_never_overwrite_each_other() {
    let entry = |fields: &str| format!("- {{objectType: secretsmanager, {fields}}}\n");
    for (first, second) in [
        ("objectName: a", "objectName: a"),
        (
            "objectName: a, objectAlias: x",
            "objectName: a, objectAlias: x",
        ),
        (
            "objectName: a, objectAlias: x",
            "objectName: b, objectAlias: x",
        ),
        (
            "objectName: a, objectVersionLabel: one",
            "objectName: a, objectVersionLabel: two",
        ),
        ("objectName: a/b", "objectName: a_b"),
        (
            "objectName: a",
            "objectName: b, jmesPath: [{path: p, objectAlias: a}]",
        ),
    ] {
        let error = problem(parse(&(entry(first) + &entry(second))));
        assert!(
            error.starts_with("objects[1]")
                && error.contains("as objects[0] does: give one of them another objectAlias"),
            "{error}"
        );
    }
    for (first, second) in [
        ("objectName: a", "objectName: a, objectAlias: x"),
        (
            "objectName: a, objectAlias: x, objectVersionLabel: one",
            "objectName: a, objectAlias: y, objectVersionLabel: two",
        ),
    ] {
        assert!(
            parse(&(entry(first) + &entry(second))).is_ok(),
            "{first} and {second}"
        );
    }
}

#[test]
fn a_file_is_no_directory_of_another() {
    let error = problem(parse_with(
        &[("pathTranslation", "False")],
        "- {objectName: a/b, objectType: secretsmanager}\n- {objectName: a, objectType: secretsmanager}\n",
    ));
    assert!(
        error.contains("one cannot be a file and the other's directory"),
        "{error}"
    );
    assert!(parse("- {objectName: a/b, objectType: secretsmanager}\n- {objectName: a, objectType: secretsmanager}\n").is_ok());
}

#[test]
fn a_failover_object_has_its_conditions() {
    let entry = |fields: &str| format!("- {{objectName: a, objectType: secretsmanager, {fields}}}");
    assert!(
        problem(parse(&entry(
            "objectAlias: x, failoverObject: {objectName: b}"
        )))
        .contains("needs the parameter failoverRegion")
    );
    let with = |fields: &str| parse_with(&FAILOVER, &entry(fields));
    assert!(
        problem(with("failoverObject: {objectName: b}")).contains(
            "objects[0].objectAlias (line 1 of objects): is required with a failoverObject"
        )
    );
    assert!(
        problem(with(
            "objectAlias: x, failoverObject: {objectVersion: 1}, objectVersion: 1"
        ))
        .contains("failoverObject.objectName (line 1 of objects): is required")
    );
    assert!(
        problem(with(
            "objectAlias: x, objectVersion: 1, failoverObject: {objectName: b}"
        ))
        .contains("must be the same as the entry's objectVersion")
    );
    assert!(
        problem(with(
            "objectAlias: x, failoverObject: {objectName: b, objectVersion: 2}"
        ))
        .contains("must be the same as the entry's objectVersion")
    );
    let parsed =
        with("objectAlias: x, objectVersionLabel: one, failoverObject: {objectName: b}").unwrap();
    let secret = |id: &str, stage: &str| {
        Some(Request::Secret {
            id: id.to_owned(),
            version: None,
            stage: Some(stage.to_owned()),
        })
    };
    assert_eq!(parsed.class.objects[0].failover, secret("b", "one"));
    let parsed = with("objectAlias: x, objectVersionLabel: one, failoverObject: {objectName: b, objectVersionLabel: two}").unwrap();
    assert_eq!(parsed.class.objects[0].failover, secret("b", "two"));
}

#[test]
fn without_a_failover_object_the_name_is_the_same_in_both_regions() {
    let parsed = parse_with(&FAILOVER, "- {objectName: a, objectType: secretsmanager}").unwrap();
    assert_eq!(
        parsed.class.objects[0].failover.as_ref(),
        Some(&parsed.class.objects[0].request)
    );
    let parsed = parse_with(
        &FAILOVER,
        "- objectName: arn:aws:ssm:us-east-2:111122223333:parameter/a",
    )
    .unwrap();
    assert_eq!(parsed.class.objects[0].failover, None);
    assert!(
        parsed.warnings[0].to_string().contains("has no failover"),
        "{:?}",
        parsed.warnings
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
        "objects[0].objectName (line 1 of objects): ",
        "objects[1].objectName (line 3 of objects): ",
        "objects[2] (line 4 of objects): ",
        "objects[3].objectType (line 5 of objects): ",
    ] {
        assert!(error.contains(place), "{place} in {error}");
    }
}

#[test]
fn a_class_with_very_many_mistakes_is_cut_short() {
    let error = parse(&"- objectName: x\n".repeat(60)).unwrap_err();
    assert_eq!(error.lines().count(), 51);
    assert!(
        error.ends_with("has 10 more problems, not listed"),
        "{error}"
    );
}

#[test]
fn other_providers_and_missing_objects_are_named() {
    let spec = |provider: &str| SecretProviderClassSpec {
        provider: Some(provider.to_owned()),
        ..Default::default()
    };
    let error = Class::parse("db", &spec("vault"), None)
        .unwrap_err()
        .to_string();
    assert_eq!(
        error,
        "class \"db\": provider: is \"vault\", and only classes of provider \"aws\" are served here"
    );
    let error = Class::parse("db", &spec("aws"), None)
        .unwrap_err()
        .to_string();
    assert!(
        error.starts_with("class \"db\": objects: is required"),
        "{error}"
    );
}

#[test]
fn no_region_says_where_it_was_looked_for() {
    let spec = SecretProviderClassSpec {
        parameters: [(
            "objects".to_owned(),
            "- {objectName: a, objectType: secretsmanager}".to_owned(),
        )]
        .into(),
        ..Default::default()
    };
    let class = Class::parse("db", &spec, None).unwrap().class;
    let error = class.plan().unwrap_err().to_string();
    for place in [
        "class's parameters",
        "AWS_REGION",
        "topology.kubernetes.io/region",
    ] {
        assert!(error.contains(place), "{error}");
    }
}
