//! A Secret as JSON: its fields from a class and its files, as it exists, and as it is to be.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::Path;
use std::{fs, io};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use provider_class::printable::printable;
use provider_class::{Class, ObjectName, Presence, SecretObject, TlsError};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::claims::{DATA, Existing, Fields, Next};
use crate::aws::Cause;
use crate::mount;

/// The label of all such Secrets, which the Secrets Store CSI Driver sets, too.
const MANAGED: &str = "labels.secrets-store.csi.k8s.io/managed";
/// The annotation with the claims.
const CLAIMS: &str = "aws-secrets-injector.io/claims";
/// A `resourceVersion` that no Secret has: an apply with it creates a Secret, or conflicts.
const NEVER: &str = "1";

/// What the names of fields start with.
const LABELS: &str = "labels.";
const ANNOTATIONS: &str = "annotations.";

/// Why a file cannot be a value. Never the value.
#[derive(Debug, thiserror::Error)]
pub enum ValueError {
    /// It should be on disk.
    #[error(
        "key {key:?}: could not read {file}: {error}; if nothing that was fetched became this file, correct the key's objectName in secretObjects of the class, or the names of keys and parameters in AWS"
    )]
    Read {
        /// The key.
        key: String,
        /// The file.
        file: String,
        /// The kernel's error.
        error: io::Error,
    },
    /// It has no such part.
    #[error("key {key:?}: the value of the file {file:?} {error}")]
    Tls {
        /// The key.
        key: String,
        /// The file.
        file: String,
        /// What it lacks.
        error: TlsError,
    },
}

/// What a class describes, with the values from its files.
pub(super) fn fields(
    described: &SecretObject,
    directory: &Path,
) -> Result<Fields<Zeroizing<String>>, ValueError> {
    let mut fields = Fields::new();
    for (part, words) in [
        (LABELS, &described.labels),
        (ANNOTATIONS, &described.annotations),
    ] {
        for (name, value) in words {
            fields.insert(format!("{part}{name}"), Zeroizing::new(value.clone()));
        }
    }
    fields.insert(MANAGED.to_owned(), Zeroizing::new("true".to_owned()));
    for item in &described.data {
        let path = directory.join(&item.file);
        let contents = match fs::read(&path) {
            Ok(contents) => Zeroizing::new(contents),
            Err(error) if mount::is_no_file(&error) && item.presence == Presence::Optional => {
                continue;
            }
            Err(error) => {
                let (key, file) = (item.key.clone(), path.display().to_string());
                return Err(ValueError::Read { key, file, error });
            }
        };
        let value = described
            .value(&item.key, &contents)
            .map_err(|error| ValueError::Tls {
                key: item.key.clone(),
                file: item.file.to_string(),
                error,
            })?;
        let value = Zeroizing::new(BASE64_STANDARD.encode(&*value));
        fields.insert(format!("{DATA}{}", item.key), value);
    }
    Ok(fields)
}

/// Where each of these fields comes from: a digest, because a source can be long.
pub(super) fn sources(
    class: &Class,
    described: &SecretObject,
    fields: &Fields<Zeroizing<String>>,
) -> Fields<String> {
    let source = |name: &str, value: &str| {
        let key = name.strip_prefix(DATA);
        let item = key.and_then(|key| described.data.iter().find(|item| item.key == key));
        let mut digest = DefaultHasher::new();
        match item {
            Some(item) => {
                (class.source(item.file.as_str()), &described.secret_type).hash(&mut digest);
            }
            // The text of a label or annotation stands in the class.
            None => value.hash(&mut digest),
        }
        format!("{:016x}", digest.finish())
    };
    let fields = fields.iter();
    fields
        .map(|(name, value)| (name.clone(), source(name, value)))
        .collect()
}

/// A Secret of the API server. The values of its keys stay where they are.
#[derive(Debug, Deserialize)]
pub(super) struct Object<'a> {
    #[serde(borrow, default)]
    metadata: Metadata<'a>,
    #[serde(rename = "type", default)]
    secret_type: String,
    #[serde(default)]
    immutable: bool,
    #[serde(borrow, default)]
    data: BTreeMap<String, &'a str>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata<'a> {
    #[serde(default)]
    uid: String,
    #[serde(default)]
    resource_version: String,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    #[serde(borrow, default)]
    annotations: BTreeMap<String, Text<'a>>,
    #[serde(default)]
    owner_references: Vec<Value>,
    #[serde(default)]
    managed_fields: Vec<ManagedFields>,
}

/// Borrowed if it has no escapes.
#[derive(Debug, Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

#[derive(Debug, Deserialize)]
struct ManagedFields {
    #[serde(default)]
    manager: String,
    #[serde(default)]
    operation: String,
}

impl<'a> Object<'a> {
    /// Reads the API server's answer. The parser's error could quote a value.
    pub(super) fn read(answer: &'a [u8]) -> Result<Self, Cause> {
        serde_json::from_slice(answer)
            .map_err(|_| Cause::Malformed("it is not an object of Kubernetes".to_owned()))
    }

    pub(super) fn is_managed_by(&self, manager: &str) -> bool {
        let mut managers = self.metadata.managed_fields.iter();
        managers.any(|fields| fields.manager == manager && fields.operation == "Apply")
    }

    /// Everybody who manages it, for a message.
    pub(super) fn managers(&self) -> String {
        let managers = self.metadata.managed_fields.iter();
        some(
            managers.map(|fields| format!("{:?}", shown(&fields.manager))),
            "somebody else",
        )
    }

    /// Everybody who owns it, for a message.
    pub(super) fn owners(&self) -> String {
        let text = |owner: &Value, field: &str| shown(owner[field].as_str().unwrap_or_default());
        let owners = self.metadata.owner_references.iter();
        some(
            owners.map(|owner| format!("{} {:?}", text(owner, "kind"), text(owner, "name"))),
            "nobody",
        )
    }

    /// What the rule needs of it.
    pub(super) fn existing(&self) -> Existing<'a> {
        let metadata = &self.metadata;
        let claims = metadata.annotations.get(CLAIMS);
        let claims = claims.and_then(|Text(claims)| serde_json::from_str(claims).ok());
        let mut fields: Fields<Cow<'a, str>> = Fields::new();
        for (name, value) in &self.data {
            fields.insert(format!("{DATA}{name}"), Cow::Borrowed(value));
        }
        for (name, value) in &metadata.labels {
            fields.insert(format!("{LABELS}{name}"), value.clone().into());
        }
        for (name, Text(value)) in &metadata.annotations {
            fields.insert(format!("{ANNOTATIONS}{name}"), value.clone());
        }
        Existing {
            secret_type: Some(self.secret_type.clone().into()),
            is_immutable: self.immutable,
            fields,
            owners: metadata.owner_references.clone(),
            claims: claims.unwrap_or_default(),
        }
    }
}

/// A few of them, in words.
fn some(all: impl Iterator<Item = String>, none: &str) -> String {
    const MOST: usize = 5;
    let mut some: Vec<String> = all.collect();
    some.dedup();
    let rest = some.len().saturating_sub(MOST);
    some.truncate(MOST);
    match (some.is_empty(), rest) {
        (true, _) => none.to_owned(),
        (false, 0) => some.join(", "),
        (false, rest) => format!("{} and {rest} more", some.join(", ")),
    }
}

fn shown(text: &str) -> String {
    const MOST_LETTERS: usize = 100;
    printable(text, MOST_LETTERS)
}

/// The body of an apply that sets nothing.
pub(super) fn name_only(name: &ObjectName) -> Zeroizing<Vec<u8>> {
    let body = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name.as_str()}});
    Zeroizing::new(body.to_string().into_bytes())
}

/// The body of an apply that writes a Secret if it still is as it was read; without `object`, if it still does not exist.
pub(super) fn with(
    secret: &SecretObject,
    object: Option<&Object<'_>>,
    next: &Next<'_>,
) -> Zeroizing<Vec<u8>> {
    let claims = json!(next.claims).to_string();
    let fields = |part: &str| -> BTreeMap<&str, &str> {
        let fields = next.fields.iter();
        fields
            .filter_map(|(name, value)| Some((name.strip_prefix(part)?, *value)))
            .collect()
    };
    let mut metadata = AppliedMetadata {
        name: secret.name.as_str(),
        uid: object.map_or("", |object| &object.metadata.uid),
        resource_version: object.map_or(NEVER, |object| &object.metadata.resource_version),
        labels: fields(LABELS),
        annotations: fields(ANNOTATIONS),
        owner_references: &next.owners,
    };
    metadata.annotations.insert(CLAIMS, &claims);
    let applied = Applied {
        api_version: "v1",
        kind: "Secret",
        metadata,
        secret_type: &secret.secret_type,
        data: fields(DATA),
    };
    let json = serde_json::to_vec(&applied);
    Zeroizing::new(
        json.unwrap_or_else(|_| unreachable!("structs of strings always serialize to JSON")),
    )
}

/// A Secret for a server-side apply. As a struct, so that no copy of a value stays in memory.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Applied<'a> {
    api_version: &'a str,
    kind: &'a str,
    metadata: AppliedMetadata<'a>,
    #[serde(rename = "type")]
    secret_type: &'a str,
    data: BTreeMap<&'a str, &'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AppliedMetadata<'a> {
    name: &'a str,
    /// None if it is empty.
    uid: &'a str,
    resource_version: &'a str,
    labels: BTreeMap<&'a str, &'a str>,
    annotations: BTreeMap<&'a str, &'a str>,
    owner_references: &'a [Value],
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_managers_of_an_object_are_named() {
        let object = Object::read(
            br#"{"metadata": {"managedFields": [{"manager": "helm", "operation": "Update"}, {"manager": "a", "operation": "Apply"}]}}"#,
        )
        .unwrap();
        assert_eq!(object.managers(), "\"helm\", \"a\"");
        assert!(object.is_managed_by("a") && !object.is_managed_by("helm"));
        assert_eq!(object.owners(), "nobody");
        let object = Object::read(b"{}").unwrap();
        assert_eq!(object.managers(), "somebody else");
    }
}
