//! SecretProviderClasses of the cluster, parsed when the API server delivers them.

use std::collections::BTreeMap;
use std::panic::catch_unwind;
use std::sync::Arc;

use kube::ResourceExt as _;
use kube::core::{NotUsed, Object};
use provider_class::{Class, ClassError, SecretProviderClassSpec};

use crate::cluster::memory::{ENTRY, Keep, Key};
use crate::pod::snapshot_size;

/// A `SecretProviderClass` as the API server holds it.
pub(crate) type ClassObject = Object<SecretProviderClassSpec, NotUsed>;

/// A class that pods can use. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct StoredClass {
    pub(crate) class: Arc<Class>,
    /// As the user wrote them.
    pub(crate) parameters: Arc<BTreeMap<String, String>>,
}

/// Why no pod can use a class.
#[derive(Clone, Debug)]
pub(crate) enum UnusableClass {
    /// It has mistakes, or is another provider's.
    Invalid(Arc<ClassError>),
    /// It does not fit into the injector's environment, without the path of its directory.
    TooLarge { bytes: usize },
}

/// What is known of a class.
pub(crate) type KnownClass = Result<StoredClass, UnusableClass>;

/// Parses a class. `name` is for messages.
pub(crate) fn parse(name: &str, spec: SecretProviderClassSpec) -> KnownClass {
    Class::check_provider(name, &spec).map_err(invalid)?;
    // To parse it would take a while.
    let bytes = snapshot_size::bytes(name, "", &spec.parameters);
    if bytes > snapshot_size::MOST {
        return Err(UnusableClass::TooLarge { bytes });
    }
    let class = Class::parse(name, &spec).map_err(invalid)?;
    Ok(StoredClass {
        class: Arc::new(class),
        parameters: Arc::new(spec.parameters),
    })
}

fn invalid(error: ClassError) -> UnusableClass {
    UnusableClass::Invalid(Arc::new(error))
}

impl Keep for ClassObject {
    type Kept = KnownClass;

    fn key(&self) -> Key {
        Key::new(&self.namespace().unwrap_or_default(), &self.name_any())
    }

    /// Nothing of other providers' classes, nor of one that is too large. Whoever needs one asks the API server.
    fn kept(self) -> Option<(KnownClass, usize)> {
        let key = self.namespace().map_or(0, |namespace| namespace.len()) + self.name_any().len();
        // A panic of the parser must not end the watch: the class is then asked for, and the panic fails that request.
        let name = self.name_any();
        let known = catch_unwind(|| parse(&name, self.spec)).ok()?;
        let bytes = match &known {
            Ok(stored) => {
                let parameters = stored.parameters.iter();
                let text = parameters.map(|(name, value)| name.len() + value.len() + ENTRY);
                stored.class.memory() + text.sum::<usize>()
            }
            Err(UnusableClass::Invalid(error)) => match &**error {
                ClassError::Invalid(_) => error.memory(),
                ClassError::OtherProvider { .. } | ClassError::NoProvider { .. } => return None,
            },
            Err(UnusableClass::TooLarge { .. }) => return None,
        };
        Some((known, key + bytes))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn kept(provider: &str, objects: &str) -> Option<(KnownClass, usize)> {
        let object: ClassObject = serde_json::from_value(json!({
            "apiVersion": "secrets-store.csi.x-k8s.io/v1",
            "kind": "SecretProviderClass",
            "metadata": {"name": "db", "namespace": "shop"},
            "spec": {"provider": provider, "parameters": {"objects": objects}},
        }))
        .unwrap();
        object.kept()
    }

    #[test]
    fn a_class_is_kept_parsed_and_counted_with_what_it_was_parsed_to() {
        let objects = "- {objectName: a, objectType: ssmparameter}\n";
        let (known, bytes) = kept("aws", objects).unwrap();
        let stored = known.unwrap();
        assert_eq!(stored.class.objects.len(), 1);
        assert_eq!(stored.parameters["objects"], objects);
        assert!(bytes > objects.len() + stored.class.memory());
    }

    #[test]
    fn a_class_with_mistakes_is_kept_as_a_few_of_them() {
        let many = "- {objectName: a, objectType: x}\n".repeat(1000);
        let (known, bytes) = kept("aws", &many).unwrap();
        assert!(matches!(known, Err(UnusableClass::Invalid(_))));
        assert!(bytes < 30_000, "{bytes}");
    }

    #[test]
    fn other_providers_and_too_large_classes_are_not_kept() {
        let objects = "- {objectName: a, objectType: ssmparameter}\n";
        assert!(kept("vault", objects).is_none());
        assert!(kept("AWS", objects).is_none());
        assert!(kept("aws", &objects.repeat(4000)).is_none());
    }
}
