//! `secretObjects`: which Secrets a class describes, and what each mistake is told.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use provider_class::{Class, SecretObject, SecretProviderClassSpec};
use serde_json::{Value, json};

const OBJECTS: &str = "
- objectName: shop/db
  objectType: secretsmanager
  jmesPath:
    - {path: username, objectAlias: dbusername}
    - {path: password, objectAlias: dbpassword}
";

fn parse(secret_objects: Value) -> Result<Class, String> {
    let mut spec = SecretProviderClassSpec::aws([("objects", OBJECTS)]);
    spec.secret_objects = serde_json::from_value(secret_objects).unwrap();
    Class::parse("db", &spec).map_err(|error| error.to_string())
}

fn secrets(secret_objects: Value) -> Vec<SecretObject> {
    let class = parse(secret_objects).unwrap();
    assert_eq!(class.warnings, []);
    class.secret_objects
}

/// A Secret with one field changed.
fn with(field: &str, value: Value) -> Value {
    let mut secret = json!({
        "secretName": "credentials",
        "type": "Opaque",
        "data": [{"objectName": "dbusername", "key": "username"}],
    });
    secret[field] = value;
    json!([secret])
}

#[test]
fn a_secret_has_what_the_class_says() {
    let found = secrets(json!([{
        "secretName": "credentials",
        "type": "Opaque",
        "labels": {"example.com/team": "shop", "empty": ""},
        "annotations": {"note": "any text\n"},
        "data": [
            {"objectName": " dbusername ", "key": " username "},
            {"objectName": "dbusername", "key": "user.name"},
            {"objectName": "shop_db", "key": "whole"},
        ],
    }, {
        "secretName": "tls", "type": "kubernetes.io/tls", "labels": null,
        "data": [{"objectName": "shop_db", "key": "tls.crt"}, {"objectName": "shop_db", "key": "tls.key"}],
    }]));
    let [credentials, tls] = found.as_slice() else {
        panic!("{found:?}")
    };
    assert_eq!(credentials.name.as_str(), "credentials");
    assert_eq!(credentials.labels["example.com/team"], "shop");
    assert_eq!(credentials.annotations["note"], "any text\n");
    let data = credentials.data.iter();
    let data: Vec<_> = data
        .map(|data| (data.key.as_str(), data.file.as_str()))
        .collect();
    assert_eq!(
        data,
        [
            ("username", "dbusername"),
            ("user.name", "dbusername"),
            ("whole", "shop_db")
        ],
        "the driver drops whitespace around both, too"
    );
    assert!(tls.is_tls() && !credentials.is_tls());
    let entries: Vec<Value> = found.iter().map(SecretObject::to_entry).collect();
    assert_eq!(
        secrets(entries.into()),
        found,
        "the injector reads the same"
    );
}

#[test]
fn every_mistake_names_the_secret_the_field_and_the_remedy() {
    let key = |object: &str, key: &str| json!([{"objectName": object, "key": key}]);
    for (secret_objects, message) in [
        (
            json!(["credentials"]),
            "secretObjects[0]: must be a mapping with secretName, type and data",
        ),
        (
            with("secretName", Value::Null),
            "secretObjects[0].secretName: is required",
        ),
        (
            with("secretName", json!("DB")),
            "secretObjects[0] \"DB\": secretName: \"DB\" is not a name of a Secret: use at most 253 lowercase",
        ),
        (
            with("type", json!("")),
            "secretObjects[0] \"credentials\": type: is required: the type of the Secret, such as Opaque",
        ),
        (
            with("type", json!(1)),
            "\"credentials\": type: must be a string",
        ),
        (
            with("type", json!("kubernetes.io/service-account-token")),
            "is not allowed: Kubernetes would put a token",
        ),
        (
            with("type", json!("kubernetes.io/tls")),
            "data: has the key \"username\", but a Secret of type kubernetes.io/tls has only tls.crt and tls.key",
        ),
        (
            with("type", json!("kubernetes.io/ssh-auth")),
            "data: lacks the key ssh-privatekey",
        ),
        (
            with("data", json!([])),
            "secretObjects[0] \"credentials\": data: is required",
        ),
        (
            with("data", json!({})),
            "data: must be a list of objectName and key",
        ),
        (
            with("data", json!([1])),
            "data[0]: must be a mapping with objectName and key",
        ),
        (
            with("data", key("", "a")),
            "data[0].objectName: is required: the name of a file of the class",
        ),
        (
            with("data", key("dbusername", " ")),
            "data[0].key: is required: the key in the Secret",
        ),
        (
            with("data", key("dbusername", "a/b")),
            "data[0].key: \"a/b\" is not a key of a Secret",
        ),
        (
            with("data", key("shop/db", "a")),
            "data[0].objectName: must be the name of the file of this object: write \"shop_db\"",
        ),
        (
            with("data", key("user", "a")),
            "data[0].objectName: the class has no file \"user\"; its files are dbpassword, dbusername, shop_db",
        ),
        (
            with(
                "data",
                json!([{"objectName": "shop_db", "key": "a"}, {"objectName": "dbusername", "key": "a"}]),
            ),
            "data[1].key: is the key of another item, too",
        ),
        (
            with("labels", json!({"a b": "x"})),
            "labels: \"a b\" is not a name of a label",
        ),
        (
            with("labels", json!({"a": "-"})),
            "labels: \"-\" is not a value of a label",
        ),
        (
            with("labels", json!({"a": 1})),
            "labels: the value of \"a\" must be a string",
        ),
        (
            with("annotations", json!([])),
            "annotations: must be a mapping of strings",
        ),
        (
            json!([
                with("type", json!("Opaque"))[0],
                with("type", json!("Opaque"))[0]
            ]),
            "secretObjects[1] \"credentials\": secretName: is the name of another entry, too",
        ),
    ] {
        let error = parse(secret_objects).unwrap_err();
        assert!(error.contains(message), "{message}\n{error}");
    }
}

#[test]
fn the_injectors_own_annotations_are_reserved() {
    let annotations = json!({"aws-secrets-injector.io/claims": "[]"});
    let error = parse(with("annotations", annotations)).unwrap_err();
    assert!(
        error.contains("annotations: names that start with"),
        "{error}"
    );
}

#[test]
fn too_many_secrets_or_keys_are_an_error() {
    for (secret_objects, message) in [
        (
            Value::Array(vec![json!({}); 65]),
            "secretObjects: has 65 entries, but can have at most 64",
        ),
        (
            with("data", json!(vec![json!({}); 1100])),
            "secretObjects: has 1103 keys, labels and annotations, but can have at most 1024",
        ),
    ] {
        let error = parse(secret_objects).unwrap_err();
        assert!(error.contains(message), "{message}\n{error}");
    }
}

#[test]
fn all_mistakes_are_told_at_once_but_none_that_follows_from_another() {
    let error = parse(json!([
        {"secretName": "a"},
        {"secretName": "b", "type": "Opaque", "data": [{"key": "x"}, {"objectName": "none", "key": "y"}]},
    ]))
    .unwrap_err();
    assert_eq!(error.lines().count(), 4, "{error}");
    let mut spec = SecretProviderClassSpec::aws([("objects", "- {objectName: a}")]);
    spec.secret_objects = serde_json::from_value(with("type", json!("Opaque"))).unwrap();
    let error = Class::parse("db", &spec).unwrap_err().to_string();
    assert_eq!(error.lines().count(), 1, "{error}");
    assert!(error.contains("objects[0]"), "{error}");
}

#[test]
fn a_field_or_type_that_is_almost_right_is_a_warning() {
    for (field, value, message) in [
        (
            "lables",
            json!({}),
            "secretObjects[0] \"credentials\": lables: is not a known field and is ignored: did you mean labels?",
        ),
        (
            "type",
            json!("opaque"),
            "type: is \"opaque\": did you mean Opaque?",
        ),
    ] {
        let class = parse(with(field, value)).unwrap();
        assert!(
            class.warnings[0].to_string().contains(message),
            "{:?}",
            class.warnings
        );
    }
}

#[test]
fn a_key_may_have_the_file_of_a_template() {
    let templates = "- {objectAlias: url, template: \"db://{{ files['dbusername'] }}\"}";
    let mut spec = SecretProviderClassSpec::aws([("objects", OBJECTS), ("templates", templates)]);
    let url = with("data", json!([{"objectName": "url", "key": "url"}]));
    spec.secret_objects = serde_json::from_value(url).unwrap();
    let class = Class::parse("db", &spec).unwrap();
    assert_eq!(class.secret_objects[0].data[0].file.as_str(), "url");
    spec.parameters.remove("templates");
    let error = Class::parse("db", &spec).unwrap_err().to_string();
    assert!(error.contains("the class has no file \"url\""), "{error}");
}
