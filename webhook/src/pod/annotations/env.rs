//! The annotation `env`.

use std::collections::BTreeSet;

use provider_class::VariableName;

/// Items that the annotation may have. The API server's policy looks up each of them in each container.
pub(crate) const MOST_ITEMS: usize = 128;

/// The annotation `env`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequestedVariables {
    /// Variables with a file each, each name once.
    pub items: Vec<Item>,
    /// `*`: a variable for each `objectAlias` that is a variable name.
    pub all: bool,
}

/// `NAME=FILE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// The variable.
    pub name: VariableName,
    /// The file's path in its directory, or its absolute path.
    pub file: String,
}

/// Reads the annotation `env`.
pub(crate) fn items(text: &str) -> Result<RequestedVariables, String> {
    // Counted before anything is compared.
    let count = text.split(',').count();
    if count > MOST_ITEMS {
        return Err(format!(
            "has {count} items, but can have at most {MOST_ITEMS}: use fewer, or \"*\" for all aliases"
        ));
    }
    let mut items = Vec::new();
    let mut names = BTreeSet::new();
    let mut all = false;
    for text in text.split(',').map(str::trim) {
        if text == "*" {
            if all {
                return Err("has \"*\" twice: remove one".to_owned());
            }
            all = true;
            continue;
        }
        let Some((name, file)) = text.split_once('=') else {
            return Err(format!(
                "{text:?} is not an item: write NAME=FILE or \"*\", or a comma-separated list of them"
            ));
        };
        let name = name.trim().parse::<VariableName>();
        let name = name.map_err(|error| error.to_string())?;
        if name.is_reserved() {
            return Err(format!(
                "{name} is reserved for keys of Kubernetes Secrets: choose another name"
            ));
        }
        let file = file.trim();
        if file.is_empty() {
            return Err(format!("{name} has no file: write {name}=FILE"));
        }
        let mut words = file.split_whitespace().skip(1);
        if file.contains(char::is_control) || words.any(|word| word.contains('=')) {
            return Err(format!(
                "{text:?} has a line break, or a second item behind a space: separate items with commas"
            ));
        }
        if !names.insert(name.clone()) {
            return Err(format!("has {name} twice: remove one"));
        }
        items.push(Item {
            name,
            file: file.to_owned(),
        });
    }
    Ok(RequestedVariables { items, all })
}
