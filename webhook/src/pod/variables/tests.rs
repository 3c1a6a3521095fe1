use std::collections::BTreeMap;
use std::fmt::Write as _;

use provider_class::{Class, SecretProviderClassSpec};

use super::*;
use crate::pod::annotations::env::{MOST_ITEMS, items};

/// Classes of these directories and files.
fn classes(directories: &[(&str, &[&str])]) -> Vec<MountedClass> {
    let mounted = directories.iter().map(|(mount_path, files)| {
        let mut objects = String::new();
        for file in *files {
            writeln!(
                objects,
                "- {{objectName: s{mount_path}/{file}, objectAlias: {file}, objectType: secretsmanager}}"
            )
            .unwrap();
        }
        let spec = SecretProviderClassSpec::aws([
            ("objects", objects.as_str()),
            ("pathTranslation", "False"),
        ]);
        MountedClass {
            volume: None,
            mount_path: (*mount_path).to_owned(),
            class: Class::parse("db", &spec).unwrap().into(),
            parameters: BTreeMap::new().into(),
        version: 0,
        }
    });
    mounted.collect()
}

fn plan_of(text: &str, directories: &[(&str, &[&str])]) -> Result<Vec<String>, String> {
    let planned = plan(&items(text)?, EnvMethod::Kubelet, &classes(directories))?;
    let shown = planned.variables.iter().map(|variable| {
        let star = if variable.is_of_star { "*" } else { "" };
        format!(
            "{}{star}={}/{}",
            variable.name, variable.mount_path, variable.file
        )
    });
    Ok(shown.collect())
}

const A: (&str, &[&str]) = ("/a", &["password"]);
const B: (&str, &[&str]) = ("/b", &["password", "user", "tls/key.pem"]);

#[test]
fn items_name_files_by_their_path_or_absolute_path() {
    let found = plan_of("DB_USER=user, KEY=tls/key.pem,DB=/a/password", &[A, B]).unwrap();
    assert_eq!(
        found,
        ["DB_USER=/b/user", "KEY=/b/tls/key.pem", "DB=/a/password"]
    );
}

#[test]
fn a_star_stands_for_the_aliases_that_are_variable_names() {
    assert_eq!(
        plan_of("*", &[B]).unwrap(),
        ["password*=/b/password", "user*=/b/user"]
    );
    assert_eq!(
        plan_of("*,user=tls/key.pem", &[B]).unwrap(),
        ["user=/b/tls/key.pem", "password*=/b/password"]
    );
    assert_eq!(
        plan_of("password=/a/password,*", &[A, B]).unwrap(),
        ["password=/a/password", "user*=/b/user"]
    );
}

#[test]
fn everything_else_is_refused_with_what_to_write() {
    for (text, message) in [
        ("", "\"\" is not an item: write NAME=FILE"),
        ("user", "is not an item"),
        ("#1=user", "is not a variable name"),
        (
            "A=user\nB=password",
            "\"A=user\\nB=password\" has a line break, or a second item behind a space: separate items with commas",
        ),
        ("A=user B=password", "separate items with commas"),
        ("A=", "A has no file: write A=FILE"),
        (
            "aws-secrets-injector.x_y=user",
            "aws-secrets-injector.x_y is reserved for keys of Kubernetes Secrets",
        ),
        ("A=user,A=password", "has A twice: remove one"),
        ("*,*", "has \"*\" twice"),
        (
            "A=users",
            "A: the pod's classes have no file \"users\"; the files are password, tls/key.pem, user",
        ),
        (
            "A=password",
            "is in several directories (/a, /b): write its absolute path, such as A=/a/password",
        ),
        (
            "*",
            "finds \"password\" in several directories (/a, /b): add an item for the one to use, such as password=/a/password",
        ),
        ("A=/b/", "have no file \"/b/\""),
        ("A=/a/user", "have no file \"/a/user\""),
    ] {
        let error = plan_of(text, &[A, B]).unwrap_err();
        assert!(error.contains(message), "{text}: {error}");
    }
    let error = plan_of("*", &[("/c", &["key.pem"])]).unwrap_err();
    assert!(error.contains("finds no objectAlias that is"), "{error}");
}

#[test]
fn there_is_a_bound_and_a_long_list_is_cut() {
    let many = vec!["A=user"; MOST_ITEMS + 1].join(",");
    let error = plan_of(&many, &[B]).unwrap_err();
    assert!(
        error.contains("has 129 items, but can have at most 128"),
        "{error}"
    );
    let names: Vec<String> = (10..40).map(|number| format!("file-{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let error = plan_of("A=x", &[("/a", &names)]).unwrap_err();
    assert!(error.ends_with("file-29 and 10 more"), "{error}");
    let long = "X".repeat(1024);
    let items: Vec<String> = (0..MOST_ITEMS)
        .map(|number| format!("{long}{number}=user"))
        .collect();
    let error = plan_of(&items.join(","), &[B]).unwrap_err();
    assert!(
        error.contains("in an environment variable of the injector"),
        "{error}"
    );
}

#[test]
fn the_injector_is_told_where_it_finds_the_files_and_puts_the_variables() {
    let requested = items("A=password").unwrap();
    let told = |method| {
        plan(&requested, method, &classes(&[A]))
            .unwrap()
            .for_injector()
    };
    let with_exec = told(EnvMethod::Exec);
    assert_eq!(
        with_exec.directory,
        "/var/lib/aws-secrets-injector-env/files"
    );
    assert_eq!(with_exec.variables[0].mount_path, "/a/files");
    assert_eq!(
        with_exec.program_directory.as_deref(),
        Some("/var/lib/aws-secrets-injector-bin")
    );
    assert_eq!(told(EnvMethod::Kubelet).program_directory, None);
}

/// The plan for a class in `/a` with these entries: names, files, and whether they may be missing.
fn planned_of(text: &str, objects: &str) -> Result<Vec<(String, String, bool)>, String> {
    let spec = SecretProviderClassSpec::aws([("objects", objects), ("pathTranslation", "False")]);
    let mounted = MountedClass {
        volume: None,
        mount_path: "/a".to_owned(),
        class: Class::parse("db", &spec).unwrap().into(),
        parameters: BTreeMap::new().into(),
        version: 0,
    };
    let planned = plan(&items(text)?, EnvMethod::Kubelet, &[mounted])?;
    let variables = planned.variables.into_iter();
    Ok(variables
        .map(|planned| (planned.name.to_string(), planned.file, planned.is_optional))
        .collect())
}

#[test]
fn an_item_may_name_a_file_that_is_optional_or_known_only_at_fetch() {
    let objects =
        "- {objectName: a, objectType: secretsmanager, wholeFile: false, jsonKeys: {prefix: db/}}
- {objectName: b, objectAlias: b, objectType: secretsmanager, optional: true}
- {objectName: PATH, objectType: secretsmanager}
- {objectPath: /app, objectType: ssmparameter, objectAlias: app, optional: true}";
    let one = |name: &str, file: &str, is_optional| {
        Ok(vec![(name.to_owned(), file.to_owned(), is_optional)])
    };
    assert_eq!(planned_of("A=db/user", objects), one("A", "db/user", false));
    assert_eq!(
        planned_of("A=/a/db/user", objects),
        one("A", "db/user", false)
    );
    assert_eq!(planned_of("A=app/x", objects), one("A", "app/x", true));
    assert_eq!(planned_of("*", objects), one("b", "b", true));
    let error = planned_of("A=other", objects).unwrap_err();
    assert!(
        error.ends_with("the files are PATH, b, db/<each key>, app/<each parameter>"),
        "{error}"
    );
    let error = planned_of("*", objects.lines().next().unwrap()).unwrap_err();
    assert!(
        error.contains("finds no objectAlias") && error.ends_with("<each key>"),
        "{error}"
    );
}
