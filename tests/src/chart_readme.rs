//! The chart's README: how to install it, and a table of its values. The comments in `values.yaml` describe them, and
//! `values.schema.json` gives their types.

use std::fmt::Write as _;
use std::fs;

use anyhow::Context as _;
use serde_json::Value as Json;

use crate::helm;

/// Where the released chart is.
pub const CHART: &str = "oci://ghcr.io/aws-secrets-injector/charts/aws-secrets-injector";

const REPOSITORY: &str = "https://github.com/aws-secrets-injector/aws-secrets-injector";

/// A value of the chart, or a group of values.
#[derive(Debug, PartialEq, Eq)]
struct Value<'a> {
    /// Its keys, from the outermost.
    keys: Vec<&'a str>,
    /// Its default as it is written. Empty for a group.
    default: &'a str,
    /// The comment above it, as one line.
    comment: String,
}

/// The text of the README.
///
/// # Errors
///
/// When a file of the chart cannot be read, or a value is not in the schema.
pub fn text() -> anyhow::Result<String> {
    let chart = helm::chart();
    let [schema, metadata, values] = ["values.schema.json", "Chart.yaml", "values.yaml"]
        .map(|name| fs::read_to_string(chart.join(name)).context(name));
    let schema: Json = serde_json::from_str(&schema?)?;
    let metadata = metadata?;
    let version = field(&metadata, "version")?;
    let mut text = format!(
        "<!-- Rendered from Chart.yaml, values.yaml and values.schema.json by `make manifests`. Do not edit. -->

# aws-secrets-injector

{}. See the [documentation]({REPOSITORY}#readme).

## Install

The chart needs Kubernetes 1.30 or newer and Helm 3.14 or newer. The first command installs the SecretProviderClass CRD, unless
the Secrets Store CSI Driver already installed it:

```sh
kubectl get crd secretproviderclasses.secrets-store.csi.x-k8s.io 2>/dev/null ||
  kubectl apply -f {REPOSITORY}/releases/download/v{version}/crd.yaml
helm install aws-secrets-injector {CHART} --version {version} \\
  --namespace aws-secrets-injector --create-namespace
```

[Operations]({REPOSITORY}/blob/main/docs/operations.md) covers production settings, upgrades and removal.
[Images]({REPOSITORY}/blob/main/docs/images.md#verify-a-release) says how to verify the signatures of the chart and its images.

## Test

`helm test` creates a pod that the webhook must inject and that then reads its files. It needs an existing class and a
ServiceAccount that can read its secrets:

```sh
helm upgrade aws-secrets-injector {CHART} --version {version} \\
  --namespace aws-secrets-injector --reset-then-reuse-values \\
  --set test.secretProviderClass=my-class,test.namespace=my-namespace,test.serviceAccountName=my-service-account
helm test aws-secrets-injector --namespace aws-secrets-injector
```

If it fails, `kubectl -n my-namespace describe pod aws-secrets-injector-test` shows why.

## Values

| value | type | default | description |
|---|---|---|---|
",
        field(&metadata, "description")?
    );
    for row in rows(&values?, &schema)? {
        // Writing to a String does not fail.
        let _ = writeln!(text, "{row}");
    }
    Ok(text)
}

/// A field of Chart.yaml.
fn field<'a>(metadata: &'a str, name: &str) -> anyhow::Result<&'a str> {
    let mut fields = metadata.lines().filter_map(|line| line.split_once(": "));
    let found = fields.find(|(key, _)| *key == name);
    let (_, value) = found.with_context(|| format!("Chart.yaml has no {name}"))?;
    Ok(value)
}

/// The rows of the table. Groups without a comment have none.
fn rows(yaml: &str, schema: &Json) -> anyhow::Result<Vec<String>> {
    let mut rows = Vec::new();
    let values = values(yaml);
    for (at, value) in values.iter().enumerate() {
        let path = value.keys.join(".");
        let Some(of_value) = schema_of(schema, &value.keys)? else {
            // Part of the default of the object around it.
            continue;
        };
        let inner = values[at + 1..].iter();
        let inner = inner.take_while(|inner| inner.keys.starts_with(&value.keys));
        let default = if is_open(of_value) && value.default.is_empty() {
            let inner = inner.map(|inner| {
                let key = inner.keys.last().copied().unwrap_or_default();
                format!("{key}: {}", inner.default)
            });
            format!("{{{}}}", inner.collect::<Vec<_>>().join(", "))
        } else {
            value.default.to_owned()
        };
        let comment = match value.comment.as_str() {
            "" => String::new(),
            comment => format!(" {}", comment.replace('|', "\\|")),
        };
        match (default.as_str(), comment.as_str()) {
            ("", "") => {}
            ("", comment) => rows.push(format!("| `{path}` | | |{comment} |")),
            (default, comment) => {
                let types = types(of_value);
                rows.push(format!("| `{path}` | {types} | `{default}` |{comment} |"));
            }
        }
    }
    Ok(rows)
}

/// All values and groups in their order.
fn values(yaml: &str) -> Vec<Value<'_>> {
    let mut values = Vec::new();
    let mut parents: Vec<(usize, &str)> = Vec::new();
    let mut comment: Vec<&str> = Vec::new();
    for line in yaml.lines() {
        let trimmed = line.trim_start();
        if let Some(words) = trimmed.strip_prefix('#') {
            comment.push(words.trim());
            continue;
        }
        let comment = std::mem::take(&mut comment).join(" ");
        let Some((key, default)) = trimmed.split_once(':') else {
            continue;
        };
        let indentation = line.len() - trimmed.len();
        parents.retain(|(of_parent, _)| *of_parent < indentation);
        parents.push((indentation, key));
        values.push(Value {
            keys: parents.iter().map(|(_, key)| *key).collect(),
            default: default.trim(),
            comment,
        });
    }
    values
}

/// The schema of a value. None if it is inside an object of any keys.
fn schema_of<'a>(schema: &'a Json, keys: &[&str]) -> anyhow::Result<Option<&'a Json>> {
    let mut schema = schema;
    for key in keys {
        if is_open(schema) {
            return Ok(None);
        }
        let inner = schema["properties"].get(key);
        schema = inner.with_context(|| format!("values.schema.json has no {}", keys.join(".")))?;
    }
    Ok(Some(schema))
}

/// An object of any keys.
fn is_open(schema: &Json) -> bool {
    schema["type"] == "object" && schema["properties"].is_null()
}

/// The type of a value or its allowed values, such as `string or number`.
fn types(schema: &Json) -> String {
    let words: Vec<String> = match (&schema["enum"], &schema["type"]) {
        (Json::Array(allowed), _) => allowed.iter().map(|value| format!("`{value}`")).collect(),
        (_, Json::Array(types)) => types
            .iter()
            .filter_map(Json::as_str)
            .map(str::to_owned)
            .collect(),
        (_, Json::String(of)) => vec![of.clone()],
        _ => Vec::new(),
    };
    words.join(" or ")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests {
    use serde_json::json;

    use super::*;

    const YAML: &str = "# One\n# group.\na:\n  b: 1\n  # Deep.\n  c: \"\"\n\n# Lost.\n\nopen:\n  x.y/z: {e: f}\n  g: []\nbare:\n  # Or | not.\n  d: a\n";

    #[test]
    fn a_comment_describes_the_next_value_or_group() {
        let schema = json!({"type": "object", "properties": {
            "a": {"type": "object", "properties": {
                "b": {"type": ["string", "number"]},
                "c": {"enum": ["", "x"]},
            }},
            "open": {"type": "object"},
            "bare": {"type": "object", "properties": {"d": {"type": "string"}}},
        }});
        let expected = [
            "| `a` | | | One group. |",
            "| `a.b` | string or number | `1` | |",
            "| `a.c` | `\"\"` or `\"x\"` | `\"\"` | Deep. |",
            "| `open` | object | `{x.y/z: {e: f}, g: []}` | |",
            r"| `bare.d` | string | `a` | Or \| not. |",
        ];
        assert_eq!(rows(YAML, &schema).unwrap(), expected);
    }

    #[test]
    fn a_value_that_is_not_in_the_schema_is_an_error() {
        let schema =
            json!({"type": "object", "properties": {"a": {"type": "object", "properties": {}}}});
        let error = rows(YAML, &schema).unwrap_err().to_string();
        assert_eq!(error, "values.schema.json has no a.b");
    }
}
