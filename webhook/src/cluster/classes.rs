//! SecretProviderClasses of the cluster, parsed when the API server delivers them.

use std::collections::BTreeMap;
use std::panic::catch_unwind;
use std::sync::Arc;

use kube::ResourceExt as _;
use provider_class::{Class, ClassError, SecretObject, SecretProviderClassSpec};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::cluster::memory::{Keep, Key};
use crate::cluster::objects::ClassObject;
use crate::pod::snapshot_size;

/// Bytes of the longest `parameters` and of the longest `secretObjects` that are read, in JSON. The API server writes six bytes for
/// each `<`, `>` and `&`.
const LONGEST_PARAMETERS: usize = 2 * snapshot_size::MOST;
const LONGEST_SECRET_OBJECTS: usize = snapshot_size::MOST;

/// What a class takes in memory, in bytes for each byte of its text. Dense lists take more, long names less.
const PARSED: usize = 8;

/// A class that pods can use. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct StoredClass {
    pub(crate) class: Arc<Class>,
    /// As the user wrote them.
    pub(crate) parameters: Arc<BTreeMap<String, String>>,
    /// Its `resourceVersion`, or 0 without one.
    pub(crate) version: u64,
}

impl StoredClass {
    /// The same with parameters that go before its own. `name` is for messages.
    pub(crate) fn with_parameters(
        self,
        name: &str,
        parameters: Option<&BTreeMap<String, String>>,
    ) -> KnownClass {
        let Some(more) = parameters.filter(|parameters| !parameters.is_empty()) else {
            return Ok(self);
        };
        let mut spec = SecretProviderClassSpec::aws(self.parameters.as_ref().clone());
        spec.parameters.extend(more.clone());
        let secrets = self.class.secret_objects.iter();
        spec.secret_objects = secrets.map(SecretObject::to_entry).collect();
        let parsed = parse(name, spec)?;
        let version = self.version;
        Ok(Self { version, ..parsed })
    }
}

/// Why no pod can use a class.
#[derive(Clone, Debug)]
pub(crate) enum UnusableClass {
    /// It has mistakes, or is another provider's.
    Invalid(Arc<ClassError>),
    /// It does not fit into the injector's environment, without the path of its directory.
    TooLarge { bytes: usize },
    /// The API server's schema would not allow it.
    Malformed(String),
}

/// What is known of a class.
pub(crate) type KnownClass = Result<StoredClass, UnusableClass>;

/// A spec whose parts are not read yet.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Unread<'a> {
    provider: Option<String>,
    #[serde(borrow)]
    parameters: Option<&'a RawValue>,
    #[serde(borrow)]
    secret_objects: Option<&'a RawValue>,
}

impl Unread<'_> {
    fn bytes(part: Option<&RawValue>) -> usize {
        part.map_or(0, |part| part.get().len())
    }
}

/// Reads a class of the API server: first its provider, then its size, and only then the rest. `name` is for messages.
pub(crate) fn read(name: &str, spec: Option<&RawValue>) -> KnownClass {
    let unread = match spec {
        Some(spec) => serde_json::from_str::<Option<Unread<'_>>>(spec.get())
            .map_err(malformed)?
            .unwrap_or_default(),
        None => Unread::default(),
    };
    let mut spec = SecretProviderClassSpec {
        provider: unread.provider,
        ..SecretProviderClassSpec::default()
    };
    Class::check_provider(name, &spec).map_err(invalid)?;
    let parameters = Unread::bytes(unread.parameters);
    let secret_objects = Unread::bytes(unread.secret_objects);
    if parameters > LONGEST_PARAMETERS || secret_objects > LONGEST_SECRET_OBJECTS {
        let bytes = parameters + secret_objects;
        return Err(UnusableClass::TooLarge { bytes });
    }
    spec.parameters = part(unread.parameters)?;
    spec.secret_objects = part(unread.secret_objects)?;
    parse(name, spec)
}

fn part<T: Default + serde::de::DeserializeOwned>(
    text: Option<&RawValue>,
) -> Result<T, UnusableClass> {
    let Some(text) = text else {
        return Ok(T::default());
    };
    let part: Option<T> = serde_json::from_str(text.get()).map_err(malformed)?;
    Ok(part.unwrap_or_default())
}

#[allow(
    clippy::needless_pass_by_value,
    reason = "it is the argument of map_err"
)]
fn malformed(error: serde_json::Error) -> UnusableClass {
    UnusableClass::Malformed(error.to_string())
}

/// Parses a class, if it fits into the injector's environment. `name` is for messages.
pub(crate) fn parse(name: &str, spec: SecretProviderClassSpec) -> KnownClass {
    // To parse it would take a while.
    let bytes = snapshot_size::bytes(name, "", &spec.parameters);
    if bytes > snapshot_size::MOST {
        return Err(UnusableClass::TooLarge { bytes });
    }
    let class = Class::parse(name, &spec).map_err(invalid)?;
    Ok(StoredClass {
        class: Arc::new(class),
        parameters: Arc::new(spec.parameters),
        version: 0,
    })
}

fn invalid(error: ClassError) -> UnusableClass {
    UnusableClass::Invalid(Arc::new(error))
}

impl ClassObject {
    /// What it is read to. `name` is for messages.
    pub(crate) fn known(&self, name: &str) -> KnownClass {
        let version = self.resource_version();
        Ok(StoredClass {
            version: version
                .and_then(|version| version.parse().ok())
                .unwrap_or_default(),
            ..read(name, self.spec.as_deref())?
        })
    }
}

impl Keep for ClassObject {
    type Kept = KnownClass;

    fn key(&self) -> Key {
        Key::new(&self.namespace().unwrap_or_default(), &self.name_any())
    }

    /// What it was read to, or in a word why no pod can use it: whoever needs it need not ask the API server for megabytes.
    fn kept(self) -> Option<(KnownClass, usize)> {
        let key = self.namespace().map_or(0, |namespace| namespace.len()) + self.name_any().len();
        // A panic of the parser must not end the watch: the class is then asked for, and the panic fails that request.
        let name = self.name_any();
        let known = catch_unwind(|| self.known(&name)).ok()?;
        let bytes = match &known {
            Ok(_) => self.spec.map_or(0, |spec| spec.get().len()) * PARSED,
            Err(UnusableClass::Invalid(error)) => error.to_string().len() * PARSED,
            Err(UnusableClass::TooLarge { .. }) => 0,
            Err(UnusableClass::Malformed(reason)) => reason.len(),
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
        assert!(bytes > objects.len() * PARSED);
    }

    #[test]
    fn a_class_with_mistakes_is_kept_as_a_few_of_them() {
        let many = "- {objectName: a, objectType: x}\n".repeat(1000);
        let (known, bytes) = kept("aws", &many).unwrap();
        assert!(matches!(known, Err(UnusableClass::Invalid(_))));
        assert!(bytes < 100_000, "{bytes}");
    }

    #[test]
    fn of_other_providers_and_too_large_classes_only_that_is_kept() {
        let objects = "- {objectName: a, objectType: ssmparameter}\n";
        for (provider, objects) in [
            ("vault", &"x".repeat(1_000_000)),
            ("AWS", &objects.to_owned()),
            ("aws", &objects.repeat(4000)),
            ("aws", &"x".repeat(1_000_000)),
        ] {
            let (known, bytes) = kept(provider, objects).unwrap();
            assert!(known.is_err(), "{provider}");
            assert!(bytes < 1000, "{bytes}");
        }
    }

    #[test]
    fn nothing_is_read_before_its_size_and_what_has_no_form_is_said() {
        let read = |spec: &str| read("db", Some(&RawValue::from_string(spec.to_owned()).unwrap()));
        let many = "{\"\":0},".repeat(200_000);
        let spec = format!(r#"{{"provider":"aws","secretObjects":[{many}{{}}]}}"#);
        let bytes = match read(&spec) {
            Err(UnusableClass::TooLarge { bytes }) => bytes,
            other => panic!("{other:?}"),
        };
        assert_eq!(bytes, many.len() + 4);
        let malformed = read(r#"{"provider":"aws","parameters":{"objects":[]}}"#);
        assert!(matches!(malformed, Err(UnusableClass::Malformed(_))));
        let other = read(r#"{"provider":"vault","parameters":{"objects":[]}}"#);
        assert!(matches!(other, Err(UnusableClass::Invalid(_))));
    }
}
