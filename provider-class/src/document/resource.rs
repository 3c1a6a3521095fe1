//! From the YAML of one resource to a class.

use std::collections::BTreeMap;

use super::{Document, InvalidDocument, LISTS, Number};
use crate::class::field_path::SECRET_OBJECTS;
use crate::words::kubernetes::{InvalidForKubernetes, class_name, label_name, label_value};
use crate::words::name::shown;
use crate::yaml::{Node, Value};
use crate::{GROUP, Metadata, Problem, SecretProviderClass, SecretProviderClassSpec, VERSIONS};

/// A class from its YAML.
pub(super) fn document(number: Number, node: Node) -> Result<Document, InvalidDocument> {
    let mut reader = Reader {
        number,
        problems: Vec::new(),
        warnings: Vec::new(),
    };
    let class = reader.class(&node)?;
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
        node,
        problems: reader.problems,
        warnings: reader.warnings,
    })
}

struct Reader {
    number: Number,
    problems: Vec<Problem>,
    warnings: Vec<Problem>,
}

impl Reader {
    fn class(&mut self, node: &Node) -> Result<SecretProviderClass, InvalidDocument> {
        let nothing = Node::default();
        let metadata = self.mapping(node, "metadata")?.unwrap_or(&nothing);
        let spec = self.mapping(node, "spec")?.unwrap_or(&nothing);
        let name = self.text(metadata, "metadata.name")?.unwrap_or_default();
        if !name.is_empty()
            && let Err(error) = class_name(&name)
        {
            self.problem("metadata.name", error.to_string());
        }
        self.words(metadata, "labels", |value| label_value(value).map(drop));
        self.words(metadata, "annotations", |_| Ok(()));
        Ok(SecretProviderClass {
            api_version: self.text(node, "apiVersion")?.unwrap_or_default(),
            kind: self.text(node, "kind")?.unwrap_or_default(),
            metadata: Metadata {
                name,
                namespace: self.text(metadata, "metadata.namespace")?,
            },
            spec: SecretProviderClassSpec {
                provider: self.text(spec, "provider")?,
                parameters: self.parameters(spec),
                secret_objects: self.secret_objects(spec),
            },
        })
    }

    fn problem(&mut self, field: &str, message: impl Into<String>) {
        self.problems.push(Problem::new(field, message));
    }

    fn form(&self, field: &str, expected: &str, node: &Node) -> InvalidDocument {
        InvalidDocument::Form {
            number: self.number,
            reason: format!("{field} must be {expected}, not {}", node.kind()),
        }
    }

    fn mapping<'a>(
        &self,
        node: &'a Node,
        field: &str,
    ) -> Result<Option<&'a Node>, InvalidDocument> {
        match node.get(field) {
            Some(value) if matches!(value.value, Value::Map(_)) => Ok(Some(value)),
            Some(value) if !matches!(value.value, Value::Null) => {
                Err(self.form(field, "a mapping", value))
            }
            _ => Ok(None),
        }
    }

    /// A text; what is a number or boolean for Kubernetes is a problem.
    fn text(&mut self, node: &Node, path: &str) -> Result<Option<String>, InvalidDocument> {
        let name = path.rsplit('.').next().unwrap_or(path);
        let Some(value) = node.get(name) else {
            return Ok(None);
        };
        if matches!(value.value, Value::Null) {
            return Ok(None);
        }
        let Some(text) = value.text() else {
            return Err(self.form(path, "a string", value));
        };
        if !value.is_string_in_kubernetes() {
            self.problem(path, not_a_string(name, text));
        }
        Ok(Some(text.to_owned()))
    }

    /// Labels or annotations of the resource.
    fn words(
        &mut self,
        metadata: &Node,
        list: &str,
        check: impl Fn(&str) -> Result<(), InvalidForKubernetes>,
    ) {
        let path = format!("metadata.{list}");
        let Some(node) = metadata.get(list) else {
            return;
        };
        if !matches!(node.value, Value::Map(_) | Value::Null) {
            let message = format!("must be a mapping of strings, not {}", node.kind());
            self.problem(&path, message);
        }
        for (name, value) in node.fields() {
            let path = format!("{path}.{name}");
            if let Err(error) = label_name(name).and_then(|_| {
                let text = value.text().unwrap_or_default();
                check(text)
            }) {
                self.problem(&path, error.to_string());
            } else if !matches!(value.value, Value::Null) && !value.is_string_in_kubernetes() {
                let message = match value.text() {
                    Some(text) => not_a_string(name, text),
                    None => format!("must be a string, not {}", value.kind()),
                };
                self.problem(&path, message);
            }
        }
    }

    fn secret_objects(&mut self, spec: &Node) -> Vec<serde_json::Value> {
        let Some(node) = spec.get(SECRET_OBJECTS) else {
            return Vec::new();
        };
        match &node.value {
            Value::Null => Vec::new(),
            Value::List(items) => items.iter().map(as_kubernetes).collect(),
            _ => {
                let message = format!(
                    "must be a list of secretName, type and data, not {}: write \"- \" before each secretName",
                    node.kind()
                );
                self.problem(SECRET_OBJECTS, message);
                Vec::new()
            }
        }
    }

    /// The parameters that are strings; the API server takes no others. A list of objects becomes the text that it should be.
    fn parameters(&mut self, spec: &Node) -> BTreeMap<String, String> {
        let mut strings = BTreeMap::new();
        let Some(node) = spec.get("parameters") else {
            return strings;
        };
        if !matches!(node.value, Value::Map(_) | Value::Null) {
            let message = format!("must be a mapping, not {}", node.kind());
            self.problem("parameters", message);
        }
        for (name, value) in node.fields() {
            let text = match &value.value {
                Value::Null => continue,
                Value::String(text) | Value::Scalar(text) => {
                    if !value.is_string_in_kubernetes() {
                        let message = not_a_string(name, text);
                        self.warnings.push(Problem::new(name.as_str(), message));
                    }
                    text.clone()
                }
                Value::List(_) if LISTS.contains(&name.as_str()) => {
                    let message = format!(
                        "must be a string that contains the list, not a list: write \"{name}: |\""
                    );
                    self.problem(name, message);
                    value.to_json(|_, text| text.into()).to_string()
                }
                _ if name == SECRET_OBJECTS => {
                    let message = format!(
                        "must be a string, not {}: secretObjects belongs under spec, beside parameters",
                        value.kind()
                    );
                    self.problem("parameters.secretObjects", message);
                    continue;
                }
                _ => {
                    self.problem(name, format!("must be a string, not {}", value.kind()));
                    continue;
                }
            };
            strings.insert(name.clone(), text);
        }
        strings
    }
}

/// As JSON, in which a number or boolean is any boolean: it is not what a field needs.
fn as_kubernetes(node: &Node) -> serde_json::Value {
    node.to_json(|node, text| match node.is_string_in_kubernetes() {
        true => text.into(),
        false => true.into(),
    })
}

fn not_a_string(name: &str, text: &str) -> String {
    format!("must be a string for Kubernetes: write {name}: {text:?}")
}
