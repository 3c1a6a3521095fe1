//! What an entry has in the failover region.

use super::*;

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
    assert!(problem(with("failoverObject: {objectName: b}")).contains(
        "objects[0] \"a\": objectAlias (line 1 of objects): is required with a failoverObject"
    ));
    let arn = "- {objectName: arn:aws:ssm:us-east-2:111122223333:parameter/a, objectAlias: x, failoverObject: {objectVersionLabel: two}}";
    assert!(
        problem(parse_with(&FAILOVER, arn))
            .contains("failoverObject.objectName (line 1 of objects): is required")
    );
    assert!(
        problem(with(
            "objectAlias: x, objectVersion: 0f2c1b7e5f624d0e9d3e0c5f5c0f7a11, failoverObject: {objectName: b}"
        ))
        .contains("must be the same as the entry's objectVersion")
    );
    assert!(
        problem(with(
            "objectAlias: x, failoverObject: {objectName: b, objectVersion: 1a2c1b7e5f624d0e9d3e0c5f5c0f7a22}"
        ))
        .contains("must be the same as the entry's objectVersion")
    );
    let class =
        with("objectAlias: x, objectVersionLabel: one, failoverObject: {objectName: b}").unwrap();
    let secret = |id: &str, stage: &str| {
        Some(Request::Secret(SecretRequest {
            id: id.to_owned(),
            version: None,
            stage: Some(stage.to_owned()),
        }))
    };
    assert_eq!(class.objects[0].failover, secret("b", "one"));
    let class = with("objectAlias: x, objectVersionLabel: one, failoverObject: {objectName: b, objectVersionLabel: two}").unwrap();
    assert_eq!(class.objects[0].failover, secret("b", "two"));
    let class = with("failoverObject: {objectVersionLabel: two}").unwrap();
    assert_eq!(class.objects[0].failover, secret("a", "two"));
}

/// Charts write empty values for what is not set; AWS's provider ignores such a failoverObject, whatever the class has else.
#[test]
fn an_empty_failover_object_is_none() {
    for empty in [
        "{}",
        "null",
        "{objectName: ''}",
        "{objectName: '', objectVersion: null, objectVersionLabel: \"\"}",
    ] {
        let entry = format!(
            "- {{objectName: a, objectType: secretsmanager, objectVersion: 0f2c1b7e5f624d0e9d3e0c5f5c0f7a11, failoverObject: {empty}}}"
        );
        let class = parse(&entry).unwrap();
        assert_eq!(class.objects[0].failover, None, "{empty}");
        let class = parse_with(&FAILOVER, &entry).unwrap();
        let object = &class.objects[0];
        assert_eq!(object.failover.as_ref(), Some(&object.request), "{empty}");
    }
}

#[test]
fn without_a_failover_object_the_name_is_the_same_in_both_regions() {
    let class = parse_with(&FAILOVER, "- {objectName: a, objectType: secretsmanager}").unwrap();
    assert_eq!(
        class.objects[0].failover.as_ref(),
        Some(&class.objects[0].request)
    );
    let class = parse_with(
        &FAILOVER,
        "- objectName: arn:aws:ssm:us-east-2:111122223333:parameter/a",
    )
    .unwrap();
    assert_eq!(class.objects[0].failover, None);
    assert!(
        class.warnings[0].to_string().contains("has no failover"),
        "{:?}",
        class.warnings
    );
}
