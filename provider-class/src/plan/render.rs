//! Fills in the templates of a class, once the contents of its other files are known.

use std::collections::BTreeMap;

use zeroize::Zeroizing;

use crate::class::template::Body;
use crate::templates::{Document, MAX_OUTPUTS, Part, check_length};
use crate::words::name::shown;
use crate::{Class, Field, FileContents, MadeFile, Presence};

/// Why a template's file could not be made; never with a value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {reason}")]
pub struct TemplateError {
    /// The field that says what the file has in it.
    pub field: Field,
    /// What is wrong and what to do.
    pub reason: String,
}

impl Class {
    /// Makes the files of all templates of the contents of all other files, by name.
    pub fn render(
        &self,
        files: &BTreeMap<&str, &[u8]>,
    ) -> Result<Vec<MadeFile>, Vec<TemplateError>> {
        let mut made = Vec::new();
        let mut errors = Vec::new();
        let mut length = 0;
        for template in &self.templates {
            let rendered = match &template.body {
                Body::Text(parts) => text(parts, files),
                Body::Document(document) => self.document(document, files),
            };
            let rendered = rendered.and_then(|bytes| {
                length += bytes.len();
                if length > MAX_OUTPUTS {
                    return Err(format!(
                        "makes more than {MAX_OUTPUTS} bytes together with the templates before it: make them shorter"
                    ));
                }
                Ok(bytes)
            });
            match rendered {
                Ok(bytes) => made.push(MadeFile {
                    field: template.field(),
                    is_new: false,
                    contents: FileContents {
                        file: template.file.clone(),
                        bytes,
                    },
                }),
                Err(reason) => errors.push(TemplateError {
                    field: template.body_field(),
                    reason,
                }),
            }
        }
        if errors.is_empty() {
            Ok(made)
        } else {
            Err(errors)
        }
    }

    fn document(
        &self,
        document: &Document,
        files: &BTreeMap<&str, &[u8]>,
    ) -> Result<Zeroizing<Vec<u8>>, String> {
        let names: Vec<&str> = match &document.files {
            Some(listed) => listed.iter().map(String::as_str).collect(),
            None => files.keys().copied().collect(),
        };
        let mut found = BTreeMap::new();
        for name in names {
            match files.get(name) {
                Some(content) => {
                    found.insert(name, *content);
                }
                None if self.presence(name) == Some(Presence::Optional) => {}
                None => {
                    return Err(format!(
                        "needs the file {}, which does not exist: correct the name in files",
                        shown(name)
                    ));
                }
            }
        }
        let keys = document.keys(found.keys().copied())?;
        document.write(
            keys.iter()
                .map(|(key, name)| (key.as_str(), *name, found[name])),
        )
    }
}

fn text(parts: &[Part], files: &BTreeMap<&str, &[u8]>) -> Result<Zeroizing<Vec<u8>>, String> {
    let mut filled = Vec::new();
    let mut length = 0;
    for part in parts {
        let part = match part {
            Part::Text(text) => Zeroizing::new(text.clone().into_bytes()),
            Part::Placeholder(placeholder) => {
                let content = files.get(placeholder.name.as_str()).copied();
                let filled = placeholder.fill(content);
                filled.map_err(|reason| format!("{reason} ({})", placeholder.at))?
            }
        };
        length += part.len();
        check_length(length)?;
        filled.push(part);
    }
    // It never grows, which would leave a copy behind.
    let mut text = Zeroizing::new(Vec::with_capacity(length));
    for part in &filled {
        text.extend_from_slice(part);
    }
    Ok(text)
}
