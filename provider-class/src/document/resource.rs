//! From the YAML of one resource to a class.

use std::collections::{BTreeMap, HashSet};

use super::{Document, InvalidDocument, Number};
use crate::class::field_path::{Path, Root, SECRET_OBJECTS};
use crate::class::findings::MOST_PROBLEMS;
use crate::words::kubernetes::{InvalidForKubernetes, class_name, label_name, label_value};
use crate::words::name::shown;
use crate::words::nearest::nearest;
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
        let resource = Path::of(Root::Resource);
        let of_metadata = resource.key("metadata");
        let name = self.text(metadata, &of_metadata, "name")?;
        if let Some(name) = &name
            && !name.is_empty()
            && let Err(error) = class_name(name)
        {
            self.problem(of_metadata.key("name"), error.to_string());
        }
        self.words(metadata, &of_metadata, "labels", |value| {
            label_value(value).map(drop)
        });
        self.words(metadata, &of_metadata, "annotations", |_| Ok(()));
        self.names(spec);
        Ok(SecretProviderClass {
            api_version: self
                .text(node, &resource, "apiVersion")?
                .unwrap_or_default(),
            kind: self.text(node, &resource, "kind")?.unwrap_or_default(),
            metadata: Metadata {
                name: name.unwrap_or_default(),
                namespace: self.text(metadata, &of_metadata, "namespace")?,
            },
            spec: SecretProviderClassSpec {
                provider: self.text(spec, &Path::of(Root::Spec), "provider")?,
                parameters: self.parameters(spec),
                secret_objects: self.secret_objects(spec),
            },
        })
    }

    fn problem(&mut self, path: Path, message: impl Into<String>) {
        if self.problems.len() < MOST_PROBLEMS {
            self.problems.push(Problem::new(path, message));
        }
    }

    fn warning(&mut self, path: Path, message: impl Into<String>) {
        if self.warnings.len() < MOST_PROBLEMS {
            self.warnings.push(Problem::new(path, message));
        }
    }

    fn form(&self, path: &Path, expected: &str, node: &Node) -> InvalidDocument {
        InvalidDocument::Form {
            number: self.number,
            place: node.place,
            reason: format!("{path} {expected}, not {}", node.kind()),
        }
    }

    fn mapping<'a>(
        &self,
        node: &'a Node,
        field: &'static str,
    ) -> Result<Option<&'a Node>, InvalidDocument> {
        match node.get(field) {
            Some(value) if matches!(value.value, Value::Map(_)) => Ok(Some(value)),
            Some(value) if !matches!(value.value, Value::Null) => {
                let path = Path::new(Root::Resource, field);
                Err(self.form(&path, "must be a mapping", value))
            }
            _ => Ok(None),
        }
    }

    /// A text; what is a number or boolean for Kubernetes is a problem.
    fn text(
        &mut self,
        node: &Node,
        at: &Path,
        name: &'static str,
    ) -> Result<Option<String>, InvalidDocument> {
        let Some(value) = node.get(name) else {
            return Ok(None);
        };
        if matches!(value.value, Value::Null) {
            return Ok(None);
        }
        let path = at.key(name);
        let Some(text) = value.text() else {
            return Err(self.form(&path, "must be a string", value));
        };
        if !value.is_string_in_kubernetes() {
            self.problem(path, not_a_string(name, text));
        }
        Ok(Some(text.to_owned()))
    }

    /// Finds fields of `spec` that Kubernetes does not know, and names that occur twice there or among the parameters: kubectl
    /// refuses both.
    fn names(&mut self, spec: &Node) {
        const KNOWN: [&str; 3] = ["provider", "parameters", SECRET_OBJECTS];
        let parameters = spec.get("parameters").map(Node::fields).unwrap_or_default();
        for (at, fields) in [(Root::Spec, spec.fields()), (Root::Parameters, parameters)] {
            let mut known = HashSet::new();
            for (name, _) in fields {
                let path = Path::of(at).key(name.clone());
                if !known.insert(name) {
                    self.problem(
                        path,
                        "is given more than once: kubectl refuses that; remove one",
                    );
                } else if at == Root::Spec && !KNOWN.contains(&name.as_str()) {
                    let message = match nearest(name, &KNOWN) {
                        Some(meant) => format!(
                            "is not a field of Kubernetes' SecretProviderClass: did you mean {meant}?"
                        ),
                        None => "is not a field of Kubernetes' SecretProviderClass: remove it"
                            .to_owned(),
                    };
                    self.problem(path, message);
                }
            }
        }
    }

    /// Labels or annotations of the resource.
    fn words(
        &mut self,
        metadata: &Node,
        at: &Path,
        list: &'static str,
        check: impl Fn(&str) -> Result<(), InvalidForKubernetes>,
    ) {
        let path = at.key(list);
        let Some(node) = metadata.get(list) else {
            return;
        };
        if !matches!(node.value, Value::Map(_) | Value::Null) {
            let message = format!("must be a mapping of strings, not {}", node.kind());
            self.problem(path.clone(), message);
        }
        for (name, value) in node.fields() {
            let text = match &value.value {
                Value::Null => "",
                _ => value.text().unwrap_or_default(),
            };
            let message = if let Err(error) = label_name(name).and_then(|_| check(text)) {
                error.to_string()
            } else if matches!(value.value, Value::Null) || value.is_string_in_kubernetes() {
                continue;
            } else if value.text().is_some() {
                not_a_string(name, text)
            } else {
                format!("must be a string, not {}", value.kind())
            };
            self.problem(path.key(name.clone()), message);
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
                self.problem(Path::new(Root::Spec, SECRET_OBJECTS), message);
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
        let parameters = Path::new(Root::Spec, "parameters");
        if !matches!(node.value, Value::Map(_) | Value::Null) {
            let message = format!("must be a mapping, not {}", node.kind());
            self.problem(parameters.clone(), message);
        }
        for (name, value) in node.fields() {
            let path = Path::parameter(name.clone());
            let text = match &value.value {
                Value::Null => continue,
                Value::String(text) | Value::Scalar(text) => {
                    if !value.is_string_in_kubernetes() {
                        let message = not_a_string(name, text);
                        self.warning(path, message);
                    }
                    text.clone()
                }
                Value::List(_) if path.is_list() => {
                    let message = format!(
                        "must be a string that contains the list, not a list: write \"{name}: |\""
                    );
                    self.problem(path, message);
                    value.to_json(|_, text| text.into()).to_string()
                }
                _ if name == SECRET_OBJECTS => {
                    let message = format!(
                        "must be a string, not {}: secretObjects belongs under spec, beside parameters",
                        value.kind()
                    );
                    self.problem(parameters.key(SECRET_OBJECTS), message);
                    continue;
                }
                _ => {
                    self.problem(path, format!("must be a string, not {}", value.kind()));
                    continue;
                }
            };
            strings.insert(name.clone(), text);
        }
        strings
    }
}

/// As JSON, as Kubernetes reads it; numbers and booleans that only YAML has are any boolean, because no field needs one.
fn as_kubernetes(node: &Node) -> serde_json::Value {
    node.to_json(|node, text| {
        if node.is_string_in_kubernetes() {
            text.into()
        } else {
            serde_json::from_str(text).unwrap_or(true.into())
        }
    })
}

/// A number can be written in many ways, and its text is one of them.
fn not_a_string(name: &str, text: &str) -> String {
    if text.bytes().all(|byte| byte.is_ascii_alphabetic()) {
        format!("must be a string for Kubernetes: write {name}: {text:?}")
    } else {
        "must be a string for Kubernetes: write the number in quotes".to_owned()
    }
}
