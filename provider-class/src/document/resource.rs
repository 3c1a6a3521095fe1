//! From the YAML of one resource to a class.

use serde_json::{Map, Value};

use super::{At, Document, InvalidDocument, LISTS, Number};
use crate::words::name::shown;
use crate::yaml::Node;
use crate::{GROUP, Problem, SecretProviderClass, VERSIONS};

/// A class from its YAML.
pub(super) fn document(number: Number, at: At, node: &Node) -> Result<Document, InvalidDocument> {
    let (mut problems, mut warnings) = (Vec::new(), Vec::new());
    let mut value = json(node);
    if let Some(spec) = value.get_mut("spec").and_then(Value::as_object_mut) {
        let parameters = node.get("spec").and_then(|spec| spec.get("parameters"));
        let parameters = parameters.map(|node| strings(node, &mut problems, &mut warnings));
        if let Some(parameters) = parameters {
            spec.insert("parameters".to_owned(), Value::Object(parameters));
        }
    }
    let class: SecretProviderClass =
        serde_json::from_value(value).map_err(|error| InvalidDocument::Form {
            number,
            reason: error.to_string(),
        })?;
    let known = class
        .api_version
        .strip_prefix(GROUP)
        .and_then(|rest| rest.strip_prefix('/'))
        .is_some_and(|version| VERSIONS.contains(&version));
    if !known {
        let version = shown(&class.api_version);
        return Err(InvalidDocument::Version { number, version });
    }
    if class.metadata.name.is_empty() {
        return Err(InvalidDocument::Name { number });
    }
    Ok(Document {
        number,
        class,
        blocks: [None; 2],
        problems,
        warnings,
        at,
    })
}

/// The parameters that are strings; the API server takes no others. A list of objects becomes the text that it should be.
fn strings(
    node: &Node,
    problems: &mut Vec<Problem>,
    warnings: &mut Vec<Problem>,
) -> Map<String, Value> {
    let mut strings = Map::new();
    let fields = match node {
        Node::Map(fields) => fields.as_slice(),
        Node::Null => &[],
        other => {
            let message = format!("must be a mapping, not {}", other.kind());
            problems.push(Problem::new("parameters", message));
            &[]
        }
    };
    for (name, value) in fields {
        match value {
            Node::Null => {}
            Node::String(text) => {
                strings.insert(name.clone(), Value::from(text.as_str()));
            }
            Node::Scalar(text) => {
                let message = format!("must be a string for Kubernetes: write {name}: {text:?}");
                warnings.push(Problem::new(name.as_str(), message));
                strings.insert(name.clone(), Value::from(text.as_str()));
            }
            Node::List(_) if LISTS.contains(&name.as_str()) => {
                let message = format!(
                    "must be a string that contains the list, not a list: write \"{name}: |\""
                );
                problems.push(Problem::new(name.as_str(), message));
                strings.insert(name.clone(), Value::from(json(value).to_string()));
            }
            other if name == "secretObjects" => {
                let kind = other.kind();
                let message = format!(
                    "must be a string, not {kind}: secretObjects belongs under spec, beside parameters"
                );
                problems.push(Problem::new("parameters.secretObjects", message));
            }
            other => {
                let message = format!("must be a string, not {}", other.kind());
                problems.push(Problem::new(name.as_str(), message));
            }
        }
    }
    strings
}

/// The same as JSON, with numbers and booleans as strings.
fn json(node: &Node) -> Value {
    match node {
        Node::Null => Value::Null,
        Node::Scalar(text) | Node::String(text) => Value::from(text.as_str()),
        Node::List(items) => items.iter().map(json).collect(),
        Node::Map(fields) => {
            let fields = fields.iter().map(|(key, value)| (key.clone(), json(value)));
            Value::Object(fields.collect())
        }
    }
}
