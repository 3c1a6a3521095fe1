use provider_class::{Class, SecretProviderClassSpec, Variable};
use serde_json::json;
use tempfile::TempDir;

use super::*;

/// A class in a directory, with the files a, and d.
fn class(mount_path: &Path) -> ClassToFetch {
    let objects = "- {objectName: a, objectType: secretsmanager}\n- {objectName: d, objectType: secretsmanager}";
    let parameters = [("region", "us-east-2"), ("objects", objects)];
    let class = Class::parse("db", &SecretProviderClassSpec::aws(parameters)).unwrap();
    let plan = class.resolve(None).unwrap();
    ClassToFetch {
        class,
        plan,
        mount_path: mount_path.to_owned(),
    }
}

/// Variables with their files in a directory; those with a question mark may be missing.
fn variables(
    method: EnvMethod,
    directory: &Path,
    items: &[(&str, &str)],
) -> Result<SecretVariables, String> {
    let variables = Variables {
        method,
        directory: "/env".to_owned(),
        program_directory: Some("/bin".to_owned()),
        variables: items
            .iter()
            .map(|(name, file)| Variable {
                name: name.trim_end_matches('?').parse().unwrap(),
                mount_path: directory.display().to_string(),
                file: (*file).to_owned(),
                is_optional: name.ends_with('?'),
            })
            .collect(),
    };
    let classes = [class(directory)];
    SecretVariables::from_json(&variables.to_json(), &classes).map_err(|error| error.to_string())
}

#[test]
fn every_variable_without_a_file_and_every_double_is_named() {
    let items = [("A", "a"), ("B", "b"), ("A", "d"), ("C", "../a")];
    let error = variables(EnvMethod::Kubelet, Path::new("/mnt"), &items).unwrap_err();
    let remedy = "is not a file of the pod's classes: correct the annotation aws-secrets-injector.io/env (aws-secrets-injector check prints the files)";
    assert_eq!(
        error.lines().collect::<Vec<_>>(),
        [
            format!("variable B: \"/mnt/b\" {remedy}"),
            "variable A is listed twice: remove one of them from the annotation aws-secrets-injector.io/env"
                .to_owned(),
            format!("variable C: \"/mnt/../a\" {remedy}"),
        ]
    );
}

#[test]
fn what_the_webhook_does_not_write_is_refused() {
    let classes = [class(Path::new("/mnt"))];
    for (json, words) in [
        ("{}".to_owned(), "is not a list of variables: missing field"),
        (
            json!({"method": "exec", "directory": "/env", "variables": []}).to_string(),
            "has method \"exec\" without programDirectory",
        ),
    ] {
        let error = SecretVariables::from_json(&json, &classes)
            .unwrap_err()
            .to_string();
        assert!(
            error.starts_with("environment variable SECRET_VARIABLES ") && error.contains(words),
            "{error}"
        );
    }
}

#[test]
fn the_file_has_what_the_files_of_the_class_have_on_disk() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("a"), "one").unwrap();
    fs::write(folder.path().join("d"), "$two\n").unwrap();
    let items = [("A", "a"), ("B", "d"), ("C", "a")];
    for (method, path, mode, text) in [
        (
            EnvMethod::Kubelet,
            "env",
            0o400,
            "A='one'\nC='one'\nB='$two\n'\n",
        ),
        (
            EnvMethod::Exec,
            "environ",
            0o444,
            "A=one\0C=one\0B=$two\n\0",
        ),
    ] {
        let contents = variables(method, folder.path(), &items)
            .unwrap()
            .file()
            .unwrap();
        assert_eq!(contents.file.path.as_str(), path);
        assert_eq!(contents.file.mode.bits(), mode);
        assert_eq!(contents.bytes.as_slice(), text.as_bytes());
    }
}

#[test]
fn an_optional_variable_of_a_missing_file_or_empty_value_is_left_out() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("a"), "").unwrap();
    let key = "aws-secrets-injector.db_user";
    let optional = [("A?", "a"), ("aws-secrets-injector.db_user?", "d")];
    let text = |method, items: &[(&str, &str)]| {
        let variables = variables(method, folder.path(), items).unwrap();
        assert_eq!(
            variables.unmade(&class(folder.path()), &["a"].into()),
            [""; 0]
        );
        let file = variables.file();
        file.map(|file| String::from_utf8(file.bytes.to_vec()).unwrap())
    };
    assert_eq!(text(EnvMethod::Kubelet, &optional).unwrap(), "");
    assert_eq!(text(EnvMethod::Exec, &optional).unwrap(), "A=\0");
    let error = text(EnvMethod::Kubelet, &[("A", "a")]).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("variable A: the value of the file")
    );
    // One that needs the file is enough.
    let items = [("D?", "d"), (key, "d")];
    let variables = variables(EnvMethod::Kubelet, folder.path(), &items).unwrap();
    let file = folder.path().join("d");
    assert_eq!(
        variables.unmade(&class(folder.path()), &["a"].into()),
        [format!(
            "key \"user\" of the Secret \"db\": nothing that was fetched became the file {file:?}: correct secretObjects of the class, or the names of keys and parameters in AWS"
        )]
    );
    variables.file().unwrap_err();
}

#[test]
fn files_that_are_missing_or_do_not_fit_are_named_and_not_quoted() {
    let folder = TempDir::new().unwrap();
    let items = [("A", "a"), ("B", "d"), ("C", "a")];
    let variables = variables(EnvMethod::Kubelet, folder.path(), &items).unwrap();
    fs::write(folder.path().join("a"), "VALUE'MARK").unwrap();
    let error = variables.file().unwrap_err().to_string();
    let d = folder.path().join("d").display().to_string();
    assert!(
        error.starts_with(&format!(
            "could not read {d} for the environment variables: "
        )),
        "{error}"
    );
    fs::write(folder.path().join("d"), "fine").unwrap();
    let error = variables.file().unwrap_err().to_string();
    let lines: Vec<_> = error.lines().collect();
    assert_eq!(lines.len(), 2, "{error}");
    for (line, name) in lines.iter().zip(["A", "C"]) {
        assert!(line.starts_with(&format!("variable {name}: the value of the file ")));
        assert!(line.contains("has a single quote (')"), "{line}");
        assert!(!line.contains("MARK"), "{line}");
    }
}
