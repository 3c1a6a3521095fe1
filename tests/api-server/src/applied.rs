//! Server-side apply of Secrets, with field managers and versions.

use std::collections::BTreeMap;

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};

use crate::answer::status;
use crate::{ApiServer, State};

/// Leaves of an object, by path, such as `data.password`.
pub type Fields = BTreeMap<String, Value>;

#[derive(Clone, Default)]
pub(crate) struct Secret {
    version: u64,
    /// The managers, with what each has set.
    managers: BTreeMap<String, Fields>,
}

impl Secret {
    fn fields(&self) -> Fields {
        self.managers.values().flat_map(Clone::clone).collect()
    }

    /// As the API server sends it.
    fn object(&self, name: &str) -> Value {
        let managed = self.managers.keys().map(|manager| {
            let (operation, manager) = manager.split_once(' ').unwrap();
            json!({"manager": manager, "operation": operation})
        });
        let fields = self.fields();
        let part = |part: &str| -> Fields {
            let of_part = |path: &String| path.strip_prefix(part).map(str::to_owned);
            let fields = fields.iter();
            fields
                .filter_map(|(path, value)| Some((of_part(path)?, value.clone())))
                .collect()
        };
        json!({
            "metadata": {
                "name": name,
                "uid": format!("uid-of-{name}"),
                "resourceVersion": self.version.to_string(),
                "labels": part("labels."),
                "annotations": part("annotations."),
                "ownerReferences": part("owner.").into_values().collect::<Vec<_>>(),
                "managedFields": managed.collect::<Vec<_>>(),
            },
            "type": fields.get("type").unwrap_or(&json!("Opaque")),
            "immutable": fields.contains_key("immutable"),
            "data": part("data."),
        })
    }
}

impl ApiServer {
    /// Somebody else writes fields of a Secret.
    pub fn write(&self, secret: &str, manager: &str, fields: &[(&str, Value)]) {
        let fields = fields
            .iter()
            .map(|(path, value)| ((*path).to_owned(), value.clone()));
        self.change_secret(secret, |secret| {
            let manager = format!("Update {manager}");
            secret.managers.insert(manager, fields.collect());
        });
    }

    /// Somebody removes a field of a Secret, or the garbage collector an owner.
    pub fn remove(&self, secret: &str, path: &str) {
        self.change_secret(secret, |secret| {
            for fields in secret.managers.values_mut() {
                fields.remove(path);
            }
        });
    }

    fn change_secret(&self, secret: &str, change: impl FnOnce(&mut Secret)) {
        self.change(|state| {
            state.version += 1;
            let secret = state.applied.entry(secret.to_owned()).or_default();
            secret.version = state.version;
            change(secret);
        });
    }

    /// Somebody deletes a Secret.
    pub fn delete(&self, secret: &str) {
        self.change(|state| state.applied.remove(secret));
    }

    /// The fields of a Secret; nothing if it does not exist.
    pub fn secret(&self, name: &str) -> Option<Fields> {
        self.change(|state| Some(state.applied.get(name)?.fields()))
    }
}

impl State {
    pub(crate) fn apply_secret(&mut self, path: &str, query: &str, object: &Value) -> Response {
        let (_, name) = path.rsplit_once('/').unwrap();
        let sent = &object["metadata"];
        let existing = self.applied.get(name);
        let is_other = match existing {
            Some(existing) => sent["resourceVersion"]
                .as_str()
                .is_some_and(|version| version != existing.version.to_string()),
            None => sent["uid"].as_str().is_some_and(|uid| !uid.is_empty()),
        };
        if is_other {
            return status(StatusCode::CONFLICT, "the object has been modified", &[]);
        }
        let manager = query.split('&').next().unwrap();
        let manager = format!("Apply {}", manager.strip_prefix("fieldManager=").unwrap());
        let fields = leaves(object);
        let is_new = existing.is_none();
        let mut secret = existing.cloned().unwrap_or_default();
        for (other, theirs) in &secret.managers {
            let differing = fields.iter().find(|(path, value)| {
                *other != manager && theirs.get(*path).is_some_and(|their| their != *value)
            });
            if let Some((path, _)) = differing {
                let other = other.split(' ').nth(1).unwrap();
                let message =
                    format!("Apply failed with 1 conflict: conflict with {other:?}: .{path}");
                return status(StatusCode::CONFLICT, &message, &["FieldManagerConflict"]);
            }
        }
        secret.managers.insert(manager.clone(), fields.clone());
        if fields.is_empty() {
            secret.managers.remove(&manager);
        }
        if !query.ends_with("&dryRun=All") {
            self.version += 1;
            secret.version = self.version;
            self.applied.insert(name.to_owned(), secret.clone());
        }
        let code = if is_new {
            StatusCode::CREATED
        } else {
            StatusCode::OK
        };
        (code, Json(secret.object(name))).into_response()
    }
}

/// The fields that the object sets; owners are told apart by their UID, as in Kubernetes.
fn leaves(object: &Value) -> Fields {
    let mut fields = Fields::new();
    let metadata = &object["metadata"];
    let parts = [
        ("labels", &metadata["labels"]),
        ("annotations", &metadata["annotations"]),
        ("data", &object["data"]),
    ];
    for (part, values) in parts {
        for (name, value) in values.as_object().into_iter().flatten() {
            fields.insert(format!("{part}.{name}"), value.clone());
        }
    }
    for owner in metadata["ownerReferences"].as_array().into_iter().flatten() {
        let uid = owner["uid"].as_str().unwrap();
        fields.insert(format!("owner.{uid}"), owner.clone());
    }
    if let Some(secret_type) = object.get("type") {
        fields.insert("type".to_owned(), secret_type.clone());
    }
    fields
}
