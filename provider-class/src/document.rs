//! Files with `SecretProviderClass` resources, as `kubectl apply -f` takes them: one or several YAML documents.

use serde::Deserialize;

use crate::problem::Problem;
use crate::yaml::{self, Node};
use crate::{GROUP, KIND, SecretProviderClass, VERSIONS};

/// A class of a file, with its place in it.
#[derive(Clone, Debug, PartialEq)]
pub struct Document {
    /// Its place in the file, from 1, empty documents not counted.
    pub number: usize,
    /// The resource, its spec not yet checked.
    pub class: SecretProviderClass,
    /// The file's line (from 1) with the first line of `objects`, where that is a literal block (`objects: |`).
    pub objects_line: Option<usize>,
    /// What Kubernetes would not take as it is written.
    pub warnings: Vec<Problem>,
}

/// Why a file does not hold classes.
#[derive(Debug, thiserror::Error)]
pub enum InvalidDocument {
    /// Not YAML, or not the form of the resource.
    #[error("document {number}: {error}{}", block_hint(.error))]
    Yaml {
        /// Its place in the file, from 1.
        number: usize,
        /// What the YAML parser says, with line and column.
        error: serde_yaml::Error,
    },
    /// A mapping of some other kind.
    #[error("document {number} is not a {KIND}: its kind is {kind:?}; write \"kind: {KIND}\"")]
    Kind {
        /// Its place in the file, from 1.
        number: usize,
        /// What it says it is.
        kind: String,
    },
    /// Of another API group or version.
    #[error("document {number}: apiVersion {version:?} is not known: write \"apiVersion: {GROUP}/{}\"", VERSIONS[0])]
    Version {
        /// Its place in the file, from 1.
        number: usize,
        /// As written.
        version: String,
    },
    /// No name.
    #[error("document {number}: metadata.name is required")]
    Name {
        /// Its place in the file, from 1.
        number: usize,
    },
    /// Nothing in the file.
    #[error("holds no {KIND}")]
    Empty,
}

/// `objects:` with a list below it, where a string with that list belongs.
fn block_hint(error: &serde_yaml::Error) -> &'static str {
    let is_list = error
        .to_string()
        .contains("spec.parameters.objects: invalid type: sequence");
    if is_list {
        "; the list is the content of a string: write \"objects: |\""
    } else {
        ""
    }
}

impl Document {
    /// Reads all classes of a file, at least one.
    pub fn read_all(text: &str) -> Result<Vec<Self>, InvalidDocument> {
        // Some editors begin a file with a byte order mark.
        let text = text.trim_start_matches('\u{feff}');
        let mut documents = Vec::new();
        let nodes = serde_yaml::Deserializer::from_str(text).map(Node::deserialize);
        let read = serde_yaml::Deserializer::from_str(text).zip(nodes);
        for (index, (document, node)) in read.enumerate() {
            let number = documents.len() + 1;
            let class = Option::<SecretProviderClass>::deserialize(document)
                .map_err(|error| InvalidDocument::Yaml { number, error })?;
            let Some(class) = class else { continue };
            documents.push(Self {
                number,
                class: checked(number, class)?,
                objects_line: objects_line(text, index),
                warnings: node.as_ref().map(unquoted).unwrap_or_default(),
            });
        }
        if documents.is_empty() {
            Err(InvalidDocument::Empty)
        } else {
            Ok(documents)
        }
    }
}

/// Parameters that are booleans or numbers: the API server takes strings alone.
fn unquoted(document: &Node) -> Vec<Problem> {
    let spec = document.get("spec");
    let parameters = spec.and_then(|spec| spec.get("parameters"));
    let Some(Node::Map(parameters)) = parameters else {
        return Vec::new();
    };
    let unquoted = parameters.iter().filter_map(|(name, value)| match value {
        Node::Scalar(text) => Some((name, text)),
        _ => None,
    });
    let problem = |(name, text): (&String, &String)| {
        let message = format!("must be a string for Kubernetes: write {name}: {text:?}");
        Problem::new(name.as_str(), message)
    };
    unquoted.map(problem).collect()
}

/// Where the lines of `objects` stand in the file: in a literal block they start below the `|`.
fn objects_line(text: &str, document: usize) -> Option<usize> {
    let line = yaml::line_in_document(text, document, "spec.parameters.objects")?;
    let source = text.lines().nth(line.checked_sub(1)?)?;
    let value = source
        .split_once("objects")?
        .1
        .trim_start_matches(['"', '\'', ' '])
        .strip_prefix(':')?;
    value.trim_start().starts_with('|').then_some(line + 1)
}

fn checked(
    number: usize,
    class: SecretProviderClass,
) -> Result<SecretProviderClass, InvalidDocument> {
    if class.kind != KIND {
        return Err(InvalidDocument::Kind {
            number,
            kind: class.kind,
        });
    }
    let known = class
        .api_version
        .strip_prefix(GROUP)
        .and_then(|rest| rest.strip_prefix('/'))
        .is_some_and(|version| VERSIONS.contains(&version));
    if !known {
        return Err(InvalidDocument::Version {
            number,
            version: class.api_version,
        });
    }
    if class.metadata.name.is_empty() {
        return Err(InvalidDocument::Name { number });
    }
    Ok(class)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLASS: &str = "apiVersion: secrets-store.csi.x-k8s.io/v1alpha1\nkind: SecretProviderClass\nmetadata: {name: NAME}\nspec: {provider: aws, parameters: {objects: '- objectName: x'}}\n";

    #[test]
    fn reads_several_documents_and_skips_empty_ones() {
        let text = format!(
            "---\n{}---\n# nothing\n---\n{}",
            CLASS.replace("NAME", "a"),
            CLASS.replace("v1alpha1", "v1").replace("NAME", "b")
        );
        let documents = Document::read_all(&text).unwrap();
        let names: Vec<_> = documents
            .iter()
            .map(|document| document.class.metadata.name.as_str())
            .collect();
        assert_eq!(names, ["a", "b"]);
    }

    #[test]
    fn knows_the_lines_of_a_literal_block() {
        let block = CLASS.replace(
            "{provider: aws, parameters: {objects: '- objectName: x'}}",
            "\n  parameters:\n    objects: | # the list\n      - objectName: x\n",
        );
        let documents = Document::read_all(&format!("{block}---\n{block}---\n{CLASS}")).unwrap();
        let lines: Vec<_> = documents
            .iter()
            .map(|document| document.objects_line)
            .collect();
        assert_eq!(lines, [Some(7), Some(16), None]);
    }

    #[test]
    fn a_byte_order_mark_is_no_matter() {
        let text = format!("\u{feff}{}", CLASS.replace("NAME", "a"));
        assert_eq!(Document::read_all(&text).unwrap().len(), 1);
    }

    #[test]
    fn parameters_without_quotes_are_doubted() {
        let text = CLASS.replace("objects:", "usePodIdentity: true, objects:");
        let warnings = &Document::read_all(&text).unwrap()[0].warnings;
        assert_eq!(
            warnings[0].to_string(),
            "usePodIdentity: must be a string for Kubernetes: write usePodIdentity: \"true\""
        );
        assert_eq!(warnings.len(), 1);
    }

    #[test]
    fn a_list_in_place_of_the_string_gets_the_mend() {
        let text = CLASS.replace("'- objectName: x'", "[{objectName: x}]");
        let error = Document::read_all(&text).unwrap_err().to_string();
        assert!(error.ends_with("write \"objects: |\""), "{error}");
    }

    #[test]
    fn says_what_is_wrong_with_which_document() {
        let error = |text: &str| Document::read_all(text).unwrap_err().to_string();
        assert_eq!(error("# nothing"), "holds no SecretProviderClass");
        assert!(
            error("kind: Pod\n")
                .contains("document 1 is not a SecretProviderClass: its kind is \"Pod\"")
        );
        assert!(error(&CLASS.replace("v1alpha1", "v2")).contains("v2\" is not known"));
        assert!(
            error(&CLASS.replace("csi.x-k8s.io/v1alpha1", "csi.x-k8s.io.evil/v1"))
                .contains("is not known")
        );
        assert!(error(&CLASS.replace("name: NAME", "")).contains("metadata.name is required"));
        assert!(error("a: [").contains("document 1: "));
    }
}
