//! Entries with an `objectPath`.

use super::*;
use provider_class::PathRequest;

fn entry(fields: &str) -> String {
    format!("- {{objectPath: /app/, objectType: ssmparameter, {fields}}}")
}

#[test]
fn a_slash_at_the_end_changes_nothing() {
    let request = |path: &str| {
        let objects = format!("- {{objectPath: {path}, objectType: ssmparameter}}");
        parse(&objects).map(|class| class.objects[0].request.clone())
    };
    assert_eq!(request("/app/"), request("/app"));
    let root = PathRequest {
        path: String::new(),
        is_recursive: true,
        label: None,
    };
    assert_eq!(request("/"), Ok(Request::Path(root)));
}

#[test]
fn the_names_of_files_are_known_only_at_fetch() {
    let class = parse(&entry(
        "objectAlias: cfg, filePermission: '0400', jmesPath: [{path: a, objectAlias: b}], jsonKeys: {prefix: k-}",
    ))
    .unwrap();
    assert_eq!(paths(&class), [""; 0]);
    let open: Vec<_> = class
        .open_files()
        .map(|open| format!("{open} {}", open.mode()))
        .collect();
    assert_eq!(
        open,
        [
            "cfg_<each parameter> 0400",
            "cfg_<each parameter>_b 0400",
            "cfg_<each parameter>_k-<each key> 0400"
        ]
    );
}

#[test]
fn fields_that_do_not_fit_beside_a_path_are_refused() {
    for (objects, words) in [
        (
            "- {objectPath: /app, objectName: a, objectType: ssmparameter}".to_owned(),
            "\"a\": objectPath (line 1 of objects): stands in place of objectName",
        ),
        (
            "- {objectPath: /app, objectType: secretsmanager}".to_owned(),
            "\"/app\": objectType (line 1 of objects): must be \"ssmparameter\"",
        ),
        (
            "- {objectPath: /app}".to_owned(),
            "\"/app\": objectType (line 1 of objects): must be \"ssmparameter\"",
        ),
        (
            entry("objectVersion: 3"),
            "objectVersion (line 1 of objects): is the version of one",
        ),
        (
            entry("objectVersionLabel: aws"),
            "objectVersionLabel (line 1 of objects): \"aws\" is not a parameter label",
        ),
        (
            entry("recursive: deep"),
            "recursive (line 1 of objects): \"deep\" is not a boolean",
        ),
        (
            entry("objectAlias: ../x"),
            "objectAlias (line 1 of objects): \"../x/<each parameter>\" leads out",
        ),
        (
            "- {objectPath: app, objectType: ssmparameter}".to_owned(),
            "objectPath (line 1 of objects): \"app\" is no path of parameters",
        ),
        (
            "- {objectPath: /app//x, objectType: ssmparameter}".to_owned(),
            "objectPath (line 1 of objects): \"/app//x\" has an empty level",
        ),
        (
            "- {objectPath: /app/*, objectType: ssmparameter}".to_owned(),
            "objectPath (line 1 of objects): \"/app/*\" is a pattern",
        ),
        (
            entry("failoverObject: {objectPath: /x}"),
            "failoverObject (line 1 of objects): needs the parameter failoverRegion",
        ),
    ] {
        let error = problem(parse(&objects));
        assert!(
            error.starts_with("objects[0] ") && error.contains(words),
            "{words}\n{error}"
        );
    }
    let names = [("pathTranslation", "False")];
    let parts = "jmesPath: [{path: a, objectAlias: b}]";
    let error = problem(parse_with(&names, &entry(parts)));
    assert!(
        error.contains("wholeFile: must be false")
            || error.contains("must be false, because pathTranslation"),
        "{error}"
    );
    parse_with(&names, &entry(&format!("{parts}, wholeFile: false"))).unwrap();
    let warning = parse("- {objectName: /p, objectType: ssmparameter, recursive: true}").unwrap();
    assert!(
        warning.warnings[0]
            .to_string()
            .contains("has no effect without objectPath")
    );
}

#[test]
fn the_failover_region_has_the_same_path_or_its_own() {
    let failover = |fields: &str| {
        parse_with(&FAILOVER, &entry(fields)).map(|class| match class.objects[0].failover.clone() {
            Some(Request::Path(request)) => (request.path, request.label, request.is_recursive),
            other => panic!("{other:?}"),
        })
    };
    let path = |path: &str, label: Option<&str>, is_recursive| {
        Ok((path.to_owned(), label.map(str::to_owned), is_recursive))
    };
    assert_eq!(failover("recursive: false"), path("/app", None, false));
    assert_eq!(
        failover("objectVersionLabel: live, failoverObject: {objectPath: /other/}"),
        path("/other", Some("live"), true)
    );
    for (fields, words) in [
        (
            "failoverObject: {objectVersionLabel: x}",
            "failoverObject.objectPath (line 1 of objects): is required",
        ),
        (
            "failoverObject: {objectName: x, objectPath: /x}",
            "must have an objectPath",
        ),
    ] {
        let error = problem(parse_with(&FAILOVER, &entry(fields)));
        assert!(error.contains(words), "{error}");
    }
    let error = problem(parse_with(
        &FAILOVER,
        "- {objectName: /p, objectAlias: p, objectType: ssmparameter, failoverObject: {objectName: /p, objectPath: /x}}",
    ));
    assert!(
        error.contains("is only for entries with an objectPath"),
        "{error}"
    );
}
