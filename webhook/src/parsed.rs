//! Classes as they were parsed for an earlier pod: parsing is a good part of an admission, and pods of one class come by the
//! dozen.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use provider_class::{Class, Parsed, Region};

use crate::refusal::Refusal;
use crate::stores::ClassObject;

/// Classes that are kept; when there are more, all are forgotten.
const MOST: usize = 1024;

/// What a parsed class depends on. An object that is deleted and made anew has another uid.
type Key = (String, String, Option<Region>);

/// The classes; clones share them.
#[derive(Clone, Debug, Default)]
pub struct ParsedClasses(Arc<Mutex<HashMap<Key, Arc<Parsed>>>>);

impl ParsedClasses {
    /// Parses a class and plans it, or remembers it. Bad ones are not kept: they are to be mended.
    pub fn parse(
        &self,
        name: &str,
        object: &ClassObject,
        default_region: Option<&Region>,
    ) -> Result<Arc<Parsed>, Refusal> {
        let metadata = &object.metadata;
        let key = match (&metadata.uid, &metadata.resource_version) {
            (Some(uid), Some(version)) => {
                Some((uid.clone(), version.clone(), default_region.cloned()))
            }
            _ => None,
        };
        let lock = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = key.as_ref().and_then(|key| lock().get(key).cloned()) {
            return Ok(known);
        }
        let parsed = Class::parse(name, &object.spec, default_region)?;
        parsed.class.plan()?;
        let parsed = Arc::new(parsed);
        if let Some(key) = key {
            let mut known = lock();
            if known.len() >= MOST {
                known.clear();
            }
            known.insert(key, Arc::clone(&parsed));
        }
        Ok(parsed)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(version: &str, secret: &str) -> ClassObject {
        let objects = format!("- {{objectName: {secret}, objectType: secretsmanager}}");
        serde_json::from_value(json!({
            "apiVersion": "secrets-store.csi.x-k8s.io/v1",
            "kind": "SecretProviderClass",
            "metadata": {"name": "db", "namespace": "shop", "uid": "1", "resourceVersion": version},
            "spec": {"provider": "aws", "parameters": {"region": "us-east-2", "objects": objects}},
        }))
        .unwrap()
    }

    #[test]
    fn a_changed_class_is_parsed_again_and_an_unchanged_one_is_not() {
        let known = ParsedClasses::default();
        let name_of = |object: &ClassObject| {
            let parsed = known.parse("db", object, None).unwrap();
            parsed.class.objects[0].request.to_string()
        };
        assert_eq!(name_of(&object("1", "old")), "old");
        // Only a version says that something changed.
        assert_eq!(name_of(&object("1", "new")), "old");
        assert_eq!(name_of(&object("2", "new")), "new");
    }

    #[test]
    fn what_is_kept_has_a_bound() {
        let known = ParsedClasses::default();
        for version in 0..=MOST {
            known
                .parse("db", &object(&version.to_string(), "a"), None)
                .unwrap();
        }
        assert_eq!(known.0.lock().unwrap().len(), 1);
    }
}
