//! Names that AWS cannot have are refused, with what they probably are; and every hint works when it is followed.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
#![allow(clippy::format_collect, reason = "short texts of tests")]

use provider_class::{Class, SecretProviderClassSpec};

fn parse(objects: &str) -> Result<Class, String> {
    let spec = SecretProviderClassSpec::aws([("region", "us-east-2"), ("objects", objects)]);
    Class::parse("app", &spec).map_err(|invalid| invalid.to_string())
}

fn entry(name: &str, fields: &str) -> String {
    format!(
        "- {{objectName: {}, objectAlias: a, {fields}}}\n",
        serde_json::Value::from(name)
    )
}

fn secret(name: &str) -> Result<Class, String> {
    parse(&entry(name, "objectType: secretsmanager"))
}

fn parameter(name: &str) -> Result<Class, String> {
    parse(&entry(name, "objectType: ssmparameter"))
}

/// The only problem.
#[track_caller]
fn problem(result: Result<Class, String>) -> String {
    let text = result.unwrap_err();
    assert_eq!(text.lines().count(), 1, "one problem: {text}");
    text
}

const SECRET: &str = "arn:aws:secretsmanager:us-east-2:123456789012:secret:";
const PARAMETER: &str = "arn:aws:ssm:us-east-2:123456789012:parameter/";

#[test]
fn names_of_real_secrets_and_parameters_are_valid() {
    for name in [
        "a",
        "prod/shop/db",
        "rds!cluster-1a2b3c4d-5e6f-7a8b-9c0d-1e2f3a4b5c6d",
        "events!connection/my-conn/0f2c1b7e",
        "user@example.com",
        "A_b+c=d.e-f/g!h",
        "/leading/slash",
        &format!("{SECRET}app/db-00AACC"),
        &format!("{SECRET}app/db"),
        &format!("{SECRET}rds!cluster-1a2b-00AACC"),
        &"a".repeat(512),
        &format!("{SECRET}{}-00AACC", "a".repeat(512)),
    ] {
        assert!(secret(name).is_ok(), "{name}: {:?}", secret(name));
    }
    let levels = |count: usize| (0..=count).map(|_| "/l").collect::<String>();
    for name in [
        "plain",
        "/plain",
        "/app/db",
        "/app/db:3",
        "/app/db:live",
        "plain:live",
        "/a.b-c_d/E9",
        "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64",
        "/aws/service/eks/optimized-ami/1.34/amazon-linux-2023/recommended/image_id",
        "/aws/reference/secretsmanager/app/db",
        "/aws/reference/secretsmanager/rds!cluster-1a2b:AWSPREVIOUS",
        "/aws/reference/secretsmanager/app:0f2c1b7e-5f62-4d0e-9d3e-0c5f5c0f7a11",
        "arn:aws:ssm:us-east-2::parameter/aws/service/ecs/optimized-ami/amazon-linux-2023/recommended",
        // Shared by another account.
        "arn:aws:ssm:us-east-2:444455556666:parameter/shared/db:7",
        &format!("{PARAMETER}plain"),
        &format!("{PARAMETER}app/db:live"),
        &levels(15),
        &format!("/{}", "a".repeat(966)),
    ] {
        assert!(parameter(name).is_ok(), "{name}: {:?}", parameter(name));
    }
}

#[test]
fn the_names_of_a_strangers_class_are_all_told() {
    let text = r#"- {objectName: "${SECRET_NAME}", objectType: secretsmanager}
- {objectName: "/{{ .Values.env }}/db", objectType: secretsmanager}
- {objectName: "My App Secret", objectType: secretsmanager}
- {objectName: '"rds!cluster-1a2b"', objectType: secretsmanager, objectAlias: q}
- {objectName: "arn:aws:secretsmanager:us-east-2:123456789012:secret:app/db-??????", objectAlias: w}
- {objectName: "arn:aws:secretsmanager:us-east-2:123456789012:secret:appauth-AbCdEf:username::", objectAlias: u}
- {objectName: "/app/*", objectType: ssmparameter, objectAlias: s}
"#;
    let error = parse(text).unwrap_err();
    let words = [
        "looks like an unrendered template, because no name in AWS has \"${\"",
        "looks like an unrendered template, because no name in AWS has \"{{\"",
        "has a space in it, which no name in AWS has",
        "has quotes in it, which no name in AWS has: remove the inner ones",
        "remove \"-??????\"",
        "has the form of an ECS task definition, NAME:KEY:STAGE:VERSION: remove \":username::\", and take the key with jmesPath (path: username)",
        "is a pattern, as in an IAM policy",
    ];
    let lines: Vec<_> = error.lines().collect();
    assert_eq!(lines.len(), words.len(), "{error}");
    for (index, (line, words)) in lines.iter().zip(words).enumerate() {
        let start = format!("class \"app\": objects[{index}] \"");
        let field = format!("\": objectName (line {} of objects): ", index + 1);
        assert!(line.starts_with(&start) && line.contains(&field), "{line}");
        assert!(line.contains(words), "{line}");
    }
}

#[test]
fn each_sign_of_another_tool_is_named() {
    for (name, words) in [
        ("$(aws sts get-caller-identity)", "an unrendered template"),
        ("<%= name %>", "an unrendered template"),
        ("$NAME", "an unrendered template"),
        ("<your-secret>", "an unrendered template"),
        ("#{Name}#", "an unrendered template"),
        ("{{resolve:secretsmanager:app}}", "an unrendered template"),
        ("'app'", "quotes"),
        ("“app”", "quotes"),
        ("app-*", "a pattern"),
        ("app?", "a pattern"),
        ("app/db-??????", "remove \"-??????\""),
        ("app ", "a space at its end"),
        (" app", "a space at its start"),
        ("app\n", "a line break at its end"),
        ("app\tdb", "a tab in it"),
        ("app\u{a0}", "a no-break space (U+00A0) at its end"),
        ("app\u{a0}db", "a no-break space (U+00A0) in it"),
        ("app\u{200b}", "an invisible character (U+200B) at its end"),
        ("app\u{7}", "a control character (U+0007)"),
        ("app:AWSCURRENT", "has a \":\", which no secret's name has"),
        ("app::AWSPREVIOUS:", "write objectVersionLabel: AWSPREVIOUS"),
        ("app,db", "has ',', but a secret's name has only letters"),
        ("größe", "has 'ö'"),
        (
            &"a".repeat(513),
            "is 513 characters long, but a secret's name has at most 512",
        ),
        (&format!("{SECRET}app/db-00AACC "), "a space at its end"),
        (&format!("{SECRET}app,db-00AACC"), "has ','"),
        (
            "arn:aws-cn:secretsmanager:us-east-2:123456789012:secret:a",
            "does not fit the region us-east-2: write \"aws\"",
        ),
    ] {
        let error = problem(secret(name));
        assert!(error.contains(words), "{words} is not in {error}");
    }
    let levels = |count: usize| (0..=count).map(|_| "/l").collect::<String>();
    for (name, words) in [
        ("app/db", "has levels, but does not start with \"/\""),
        (
            "/app//db",
            "has an empty level, which no parameter's name has: write \"/app/db\"",
        ),
        ("/app/db/", "write \"/app/db\""),
        ("awsThing", "starts with \"aws\""),
        ("SSM-thing", "starts with \"SSM\""),
        ("/ssm/x", "starts with \"ssm\""),
        ("/awsome/x", "starts with \"aws\""),
        (
            "/app@db",
            "has '@', but a parameter's name has only letters, digits and .-_/",
        ),
        ("/app/db:3rc", "is not a parameter label"),
        ("/app/db:a b", "a space in it"),
        (&levels(16), "has 17 levels"),
        (&"a".repeat(967), "is 967 characters long"),
        ("/aws/reference/secretsmanager/a,b", "a secret's name"),
        (&format!("{PARAMETER}app/db "), "a space at its end"),
        (&format!("{PARAMETER}app@db"), "has '@'"),
    ] {
        let error = problem(parameter(name));
        assert!(error.contains(words), "{words} is not in {error}");
    }
}

#[test]
fn a_very_long_name_makes_no_long_message() {
    let error = problem(secret(&"é".repeat(1_000_000)));
    assert!(error.chars().count() < 400, "{}", error.len());
}

#[test]
fn a_version_of_a_secret_is_an_id() {
    let version = |version: &str| {
        parse(&entry(
            "s",
            &format!("objectType: secretsmanager, objectVersion: {version}"),
        ))
    };
    assert!(version("0f2c1b7e-5f62-4d0e-9d3e-0c5f5c0f7a11").is_ok());
    assert!(version(&"a".repeat(32)).is_ok() && version(&"a".repeat(64)).is_ok());
    assert!(version(&"a".repeat(31)).is_err() && version(&"a".repeat(65)).is_err());
    for (text, words) in [
        ("latest", "remove objectVersion"),
        ("AWSPREVIOUS", "write it as objectVersionLabel"),
        (
            "3",
            "is 1 characters long, but a secret's version ID has 32 to 64",
        ),
        ("'${VERSION}'", "an unrendered template"),
    ] {
        let error = problem(version(text));
        assert!(
            error.contains(": objectVersion ") && error.contains(words),
            "{error}"
        );
    }
    let stage = |stage: &str| {
        parse(&entry(
            "s",
            &format!("objectType: secretsmanager, objectVersionLabel: {stage}"),
        ))
    };
    assert!(stage("AWSPREVIOUS").is_ok() && stage(&"a".repeat(256)).is_ok());
    assert!(problem(stage(&"a".repeat(257))).contains("a secret's stage has at most 256"));
    assert!(problem(stage("'a b'")).contains("a space in it"));
}

#[test]
fn the_name_in_the_failover_region_is_checked_too() {
    let objects = "- {objectName: a, objectType: secretsmanager, objectAlias: a, failoverObject: {objectName: 'b*'}}";
    let spec = SecretProviderClassSpec::aws([
        ("region", "us-east-2"),
        ("failoverRegion", "us-west-2"),
        ("objects", objects),
    ]);
    let error = Class::parse("app", &spec).unwrap_err().to_string();
    assert!(
        error.contains(
            "objects[0] \"a\": failoverObject.objectName (line 1 of objects): \"b*\" is a pattern"
        ),
        "{error}"
    );
}

#[test]
fn a_label_in_place_of_a_parameters_version_is_taken_with_a_warning() {
    let class = parse(&entry(
        "/p",
        "objectType: ssmparameter, objectVersion: live",
    ))
    .unwrap();
    assert_eq!(class.objects[0].request.to_string(), "/p:live");
    let warning = class.warnings[0].to_string();
    assert!(
        warning.starts_with(
            "objects[0] \"/p\": objectVersion (line 1 of objects): \"live\" is a label"
        ) && warning.ends_with("write objectVersionLabel: live"),
        "{warning}"
    );
    let followed = parse(&entry(
        "/p",
        "objectType: ssmparameter, objectVersionLabel: live",
    ))
    .unwrap();
    assert_eq!(followed.warnings, []);
    assert_eq!(
        followed.resolve(None).unwrap(),
        class.resolve(None).unwrap()
    );
}

#[test]
fn an_arn_that_ends_in_a_word_is_doubted() {
    let warnings = |name: &str| secret(name).unwrap().warnings;
    let doubted = warnings(&format!("{SECRET}prod/shop-config"));
    assert!(
        doubted[0]
            .to_string()
            .contains("ends in \"-config\", which AWS takes for the six characters"),
        "{doubted:?}"
    );
    assert_eq!(warnings("prod/shop-config"), [], "the hint, followed");
    assert_eq!(
        warnings(&format!("{SECRET}prod/shop-config-1a2B3c")),
        [],
        "the other hint"
    );
}

#[test]
fn a_blank_of_another_kind_in_the_yaml_is_named() {
    let error = parse("- objectName: a\n\u{a0}\u{a0}objectType: secretsmanager\n").unwrap_err();
    assert!(error.contains("no-break space (U+00A0)"), "{error}");
    let error = parse("- {objectName: a, \u{a0}objectType: secretsmanager}\n").unwrap_err();
    assert!(
        error.contains("has a no-break space (U+00A0) in its name, so the field is not recognized"),
        "{error}"
    );
}
