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

#[test]
fn a_parameter_inside_an_entry_is_told_where_it_belongs() {
    let entry = "- objectName: a\n  objectType: secretsmanager\n  usePodIdentity: true\n  Region: eu-west-1\n  objectTyp: x\n";
    let warnings = parse(entry).unwrap().warnings;
    let warnings: Vec<_> = warnings.iter().map(ToString::to_string).collect();
    let unknown = "is not a known field and is ignored";
    assert_eq!(
        warnings,
        [
            format!(
                "objects[0] \"a\": usePodIdentity (line 3 of objects): {unknown}: usePodIdentity belongs under parameters, beside objects"
            ),
            format!(
                "objects[0] \"a\": Region (line 4 of objects): {unknown}: region belongs under parameters, beside objects"
            ),
            format!(
                "objects[0] \"a\": objectTyp (line 5 of objects): {unknown}: did you mean objectType?"
            ),
        ]
    );
    let class = parse_with(
        &[
            ("usePodIdentiy", "true"),
            ("secretObjects", "x"),
            ("x", "y"),
        ],
        entry,
    )
    .unwrap();
    let warnings: Vec<_> = class.warnings.iter().map(ToString::to_string).collect();
    let unknown = "is not a known parameter and is ignored";
    assert_eq!(
        warnings[..3],
        [
            format!(
                "secretObjects: {unknown}: secretObjects belongs under spec, beside parameters"
            ),
            format!("usePodIdentiy: {unknown}: did you mean usePodIdentity?"),
            format!("x: {unknown}: remove it, or correct its name"),
        ]
    );
}

#[test]
fn a_required_field_that_is_misspelt_is_told_its_name() {
    for (entry, expected) in [
        (
            "- objectNmae: a\n  objectType: secretsmanager",
            "objects[0].objectName (line 1 of objects): is required: the name or ARN of a secret or parameter; \"objectNmae\" is not a known field: did you mean objectName?",
        ),
        (
            "- objectName: a\n  objectTyp: secretsmanager",
            "\"ssmparameter\"; \"objectTyp\" is not a known field: did you mean objectType?",
        ),
        (
            "- objectName: a\n  objectType: secretsmanager\n  jmesPath: [{pth: a, objectAlias: b}]",
            "\"pth\" is not a known field: did you mean path?",
        ),
    ] {
        let error = parse(entry).unwrap_err();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn a_text_that_aws_provider_reads_as_another_is_doubted() {
    for text in ["yes", "On", "010", "1_000"] {
        let entry = |text: &str| {
            format!("- objectName: a\n  objectType: secretsmanager\n  objectAlias: {text}\n")
        };
        let class = parse(&entry(text)).unwrap();
        assert_eq!(class.files().next().unwrap().path.as_str(), text);
        let warnings: Vec<_> = class.warnings.iter().map(ToString::to_string).collect();
        let expected = "objects[0] \"a\": objectAlias (line 3 of objects): is a number or boolean for AWS's provider, which reads another text: put it in quotes";
        assert_eq!(warnings, [expected]);
        assert!(
            parse(&entry(&format!("'{text}'")))
                .unwrap()
                .warnings
                .is_empty()
        );
    }
}

#[test]
fn an_entry_that_is_read_wrongly_is_told_at_its_line() {
    for (objects, expected) in [
        (
            "-\n- {objectName: b, objectType: secretsmanager}",
            "objects[0] (line 1 of objects): is empty: remove the dash",
        ),
        (
            "- text",
            "objects[0] (line 1 of objects): must be a mapping of fields (\"objectName: …\"), not a string",
        ),
        (
            "- objectName: [a]",
            "objects[0].objectName (line 1 of objects): must be a string, not a list",
        ),
        (
            "- objectName: b\n  objectType: secretsmanager\n  jmesPath: x",
            "objects[0] \"b\": jmesPath (line 3 of objects): must be a list of path and objectAlias, not a string",
        ),
        (
            "- objectName: c\n  objectType: secretsmanager\n  jmesPath:\n  - 1",
            "objects[0] \"c\": jmesPath[0] (line 4 of objects): must be a mapping of fields (\"path: …\"), not a number",
        ),
        (
            "- objectName: d\n  objectType: secretsmanager\n  failoverObject: no",
            "objects[0] \"d\": failoverObject (line 3 of objects): must be a mapping of objectName or objectPath, not a string",
        ),
        (
            "- objectName: e\n  objectType: secretsmanager\n  jsonKeys: []",
            "objects[0] \"e\": jsonKeys (line 3 of objects): must be true, or a mapping of prefix and filePermission, not a list",
        ),
        ("[]", "objects: has no entries"),
        ("~", "objects: has no entries"),
        (
            "objectName: a",
            "objects: must be a YAML list (lines that start with \"- \"), not a mapping",
        ),
        ("- a: [", "objects (line 1 of objects): is not valid YAML: "),
    ] {
        let error = parse(objects).unwrap_err();
        assert!(error.contains(expected), "{expected}\n{error}");
    }
    let class = parse("- ObjectName: a\n  OBJECTTYPE: ssmparameter\n  objectname: b\n  objectVersion: 1\n  objectAlias: null\n  jmespath:\n    - Path: p\n      objectalias: true\n").unwrap();
    assert!(
        class.warnings[0]
            .to_string()
            .contains("objectName (line 3 of objects): is given more than once"),
        "{:?}",
        class.warnings
    );
    assert_eq!(
        paths(&class),
        ["b", "true"],
        "names of fields in any case, scalars as strings"
    );
}
