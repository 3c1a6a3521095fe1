//! The parameters of a class that a pod's annotations describe.

use std::collections::BTreeMap;

use crate::words::name::shown;
use crate::yaml::{self, Value};

/// The parameter that has an annotation of its own.
const OBJECTS: &str = "objects";

/// Reads a YAML map of parameters. Numbers and booleans count as their text, as in the fields of an entry.
///
/// # Errors
/// What is wrong with the map, and what to write.
pub fn parameters(text: &str) -> Result<BTreeMap<String, String>, String> {
    let parameters = map(text, "parameters, such as \"region: us-east-2\"")?;
    if parameters.contains_key(OBJECTS) {
        return Err("has objects: write them in the annotation objects".to_owned());
    }
    Ok(parameters)
}

/// Reads a YAML map of texts. `what` is for the message about anything else.
///
/// # Errors
/// What is wrong with the map, and what to write.
pub fn map(text: &str, what: &str) -> Result<BTreeMap<String, String>, String> {
    let fields = match yaml::parse(text).map(|node| (node.kind(), node.value)) {
        Ok((_, Value::Map(fields))) => fields,
        Ok((_, Value::Null)) => Vec::new(),
        Ok((kind, _)) => {
            return Err(format!("must be a YAML map of {what}, not {kind}"));
        }
        Err(error) => return Err(format!("is not valid YAML: {error}")),
    };
    let mut parameters = BTreeMap::new();
    for (name, value) in fields {
        let kind = value.kind();
        let value = match value.value {
            Value::String(text) | Value::Scalar(text) => text,
            Value::Null => String::new(),
            Value::List(_) | Value::Map(_) => {
                let name = shown(&name);
                return Err(format!(
                    "{name} must be a string, not {kind}: write it as a block scalar"
                ));
            }
        };
        let shown = shown(&name);
        if parameters.insert(name, value).is_some() {
            return Err(format!("has {shown} twice: remove one"));
        }
    }
    Ok(parameters)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_texts() {
        let text = "region: us-east-2\nassumeRoleDurationSeconds: 900\nusePodIdentity: true\nfailoverRegion:\ntemplates: |\n  - a\n";
        let read = parameters(text).unwrap();
        let expected = [
            ("assumeRoleDurationSeconds", "900"),
            ("failoverRegion", ""),
            ("region", "us-east-2"),
            ("templates", "- a\n"),
            ("usePodIdentity", "true"),
        ];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(read, BTreeMap::from(expected));
        assert_eq!(parameters("").unwrap(), BTreeMap::new());
    }

    #[test]
    fn what_is_no_map_of_texts_is_refused() {
        for (text, message) in [
            ("[", "is not valid YAML"),
            ("- region: a", "must be a YAML map of parameters"),
            ("templates:\n- a", "must be a string, not a list"),
            ("region: {a: b}", "must be a string, not a mapping"),
            ("objects: a", "write them in the annotation objects"),
            ("region: a\nregion: b", "twice: remove one"),
        ] {
            let error = parameters(text).unwrap_err();
            assert!(error.contains(message), "{error}");
        }
    }
}
