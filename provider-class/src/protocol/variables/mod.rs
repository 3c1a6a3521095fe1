//! Environment variables that hold the contents of files: what the webhook asks of the injector, and the two forms in which
//! the injector hands them to containers.

mod env_file;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{Class, File, Object, Presence};

pub use env_file::{UnwritableValue, env_file, null_separated};

/// The name of an environment variable that the file of variables can hold: printable ASCII without `=`, as Kubernetes accepts
/// it, and no comment or indentation of an env file.
///
/// Sources: `IsRelaxedEnvVarName` of <https://pkg.go.dev/k8s.io/apimachinery/pkg/util/validation>, `ParseEnv` of
/// <https://pkg.go.dev/k8s.io/kubernetes/pkg/kubelet/util/env>.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, Serialize)]
#[serde(try_from = "String")]
pub struct VariableName(String);

/// A text that is not the name of an environment variable.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not a variable name: use printable ASCII characters except \"=\", no \"#\" at the start, and no space at either end"
)]
pub struct InvalidVariableName(String);

impl VariableName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The variable that `*` makes of a file with this name: one that every shell can use, `[_a-zA-Z][_a-zA-Z0-9]*`.
    ///
    /// Source: <https://pubs.opengroup.org/onlinepubs/9799919799/basedefs/V1_chap08.html>, "Name".
    fn of_file(file: &str) -> Option<Self> {
        let mut bytes = file.bytes();
        let is_plain = bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
            && !file.starts_with(|first: char| first.is_ascii_digit());
        is_plain.then(|| file.parse().ok())?
    }
}

impl Class {
    /// The variables that `*` makes, each with its file: only names that the class gives as an `objectAlias`. So its author
    /// chooses them, and never who names the objects in AWS or writes the keys of a JSON value. No list of names by which
    /// programs find code to run could be complete.
    pub fn variables(&self) -> impl Iterator<Item = (VariableName, &File, Presence)> {
        let of_objects = self.objects.iter().flat_map(Object::aliased_files);
        let of_templates = self.templates.iter();
        let of_templates = of_templates.map(|template| (&template.file, Presence::Required));
        of_objects
            .chain(of_templates)
            .filter_map(|(file, presence)| {
                let name = VariableName::of_file(file.path.as_str())?;
                Some((name, file, presence))
            })
    }
}

/// Start of the names under which the file of variables holds keys of Kubernetes Secrets. Such an entry becomes a variable of
/// another name in some of the containers.
const OF_SECRETS: &str = "aws-secrets-injector.";
/// Stands between the name of a Secret, which cannot have it, and the key.
const KEY: char = '_';

impl VariableName {
    /// The name under which the file of variables holds a key of a Secret.
    pub fn of_secret_key(secret: &str, key: &str) -> Result<Self, InvalidVariableName> {
        format!("{OF_SECRETS}{secret}{KEY}{key}").parse()
    }

    /// The Secret and the key that this name stands for.
    pub fn secret_key(&self) -> Option<(&str, &str)> {
        secret_key(&self.0)
    }

    /// What it stands for, for messages: nobody has written the name of a key of a Secret.
    pub fn described(&self) -> String {
        match self.secret_key() {
            Some((secret, key)) => format!("key {key:?} of the Secret {secret:?}"),
            None => format!("variable {self}"),
        }
    }

    /// Is the name reserved for keys of Secrets?
    pub fn is_reserved(&self) -> bool {
        self.0.starts_with(OF_SECRETS)
    }
}

/// The Secret and the key that such a name stands for.
pub fn secret_key(name: &str) -> Option<(&str, &str)> {
    name.strip_prefix(OF_SECRETS)?.split_once(KEY)
}

impl FromStr for VariableName {
    type Err = InvalidVariableName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut bytes = text.bytes();
        let is_valid = !text.is_empty()
            && !text.starts_with(['#', ' '])
            && !text.ends_with(' ')
            && bytes.all(|byte| matches!(byte, b' '..=b'~') && byte != b'=');
        if is_valid {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidVariableName(text.to_owned()))
        }
    }
}

impl TryFrom<String> for VariableName {
    type Error = InvalidVariableName;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl fmt::Display for VariableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How variables reach a container.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum EnvMethod {
    /// The kubelet reads them from a file when it starts the container (`fileKeyRef`, Kubernetes 1.35).
    #[default]
    Kubelet,
    /// `aws-secrets-exec` sets them and becomes the container's own program.
    Exec,
}

/// Why a text is not an [`EnvMethod`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is neither \"kubelet\" nor \"exec\"")]
pub struct InvalidEnvMethod(String);

impl FromStr for EnvMethod {
    type Err = InvalidEnvMethod;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "kubelet" => Ok(Self::Kubelet),
            "exec" => Ok(Self::Exec),
            other => Err(InvalidEnvMethod(other.to_owned())),
        }
    }
}

/// A variable and the file that holds its value.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Variable {
    /// The variable's name.
    pub name: VariableName,
    /// The directory of the file's class, as in [`SnapshotClass::mount_path`](crate::SnapshotClass::mount_path).
    pub mount_path: String,
    /// The file's path in that directory.
    pub file: String,
    /// May it be missing? Then no container gets it.
    #[serde(
        default,
        rename = "optional",
        skip_serializing_if = "std::ops::Not::not"
    )]
    pub is_optional: bool,
}

/// The environment variable of the injected containers that carries [`Variables`] as JSON; set only where a pod has any.
pub const VARIABLES_VARIABLE: &str = "SECRET_VARIABLES";

/// The file of all variables in [`Variables::directory`], for the kubelet.
pub const ENV_FILE: &str = "env";
/// The file of all variables in [`Variables::directory`], for `exec`.
pub const ENVIRON_FILE: &str = "environ";

/// The program in [`Variables::program_directory`] that becomes a container's own, for `exec`.
pub const PROGRAM_FILE: &str = "aws-secrets-exec";

/// All variables of a pod.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Variables {
    /// How they reach the containers.
    pub method: EnvMethod,
    /// Where the injector writes them, an absolute path in its container.
    pub directory: String,
    /// Where the injector copies [`PROGRAM_FILE`], for [`EnvMethod::Exec`]: an absolute path in its container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub program_directory: Option<String>,
    /// Each name once.
    pub variables: Vec<Variable>,
}

impl Variables {
    /// The value of [`VARIABLES_VARIABLE`].
    pub fn to_json(&self) -> String {
        serde_json::to_string(self)
            .unwrap_or_else(|_| unreachable!("structs of strings always serialize to JSON"))
    }

    /// Reads the value of [`VARIABLES_VARIABLE`].
    ///
    /// # Errors
    /// JSON's, with line and column.
    pub fn from_json(json: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(json)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SecretProviderClassSpec;

    #[test]
    fn names_are_those_that_kubernetes_accepts() {
        for name in [
            "DB_PASSWORD",
            "_",
            "db.password",
            "-x",
            "1a",
            "a b",
            "Db:x",
            "a'$#~",
        ] {
            name.parse::<VariableName>().unwrap();
        }
        for name in ["", "é", "a=b", "a\0", "a\nb", "a\x7f", "#a", " a", "a "] {
            name.parse::<VariableName>().unwrap_err();
        }
    }

    #[test]
    fn a_key_of_a_secret_has_a_name_of_its_own() {
        let name = VariableName::of_secret_key("1.db", "_a_b.c").unwrap();
        assert_eq!(name.as_str(), "aws-secrets-injector.1.db__a_b.c");
        assert_eq!(name.secret_key(), Some(("1.db", "_a_b.c")));
        let other: VariableName = "DB_PASSWORD".parse().unwrap();
        assert_eq!(other.secret_key(), None);
        assert!(name.is_reserved() && !other.is_reserved());
    }

    #[test]
    fn variables_come_back_as_they_were() {
        let variables = Variables {
            method: EnvMethod::Exec,
            directory: "/env".to_owned(),
            program_directory: Some("/bin".to_owned()),
            variables: vec![Variable {
                name: "A".parse().unwrap(),
                mount_path: "/mnt/secrets-store/files".to_owned(),
                file: "a/b".to_owned(),
                is_optional: true,
            }],
        };
        assert_eq!(
            Variables::from_json(&variables.to_json()).unwrap(),
            variables
        );
        Variables::from_json(r#"{"method":"kubelet","directory":"/e","variables":[{"name":"a=","mountPath":"/","file":"a"}]}"#)
            .unwrap_err();
    }

    #[test]
    fn a_star_takes_aliases_that_every_shell_can_use() {
        let objects = "- {objectName: LUA_INIT, objectType: secretsmanager}
- {objectName: /NODE_OPTIONS, objectType: ssmparameter}
- {objectName: a, objectAlias: dbpassword, objectType: secretsmanager}
- {objectName: b, objectAlias: db-password, objectType: secretsmanager}
- {objectName: c, objectAlias: app/db, objectType: secretsmanager}
- {objectName: d, objectAlias: 1d, objectType: secretsmanager}
- objectName: JSON
  objectType: secretsmanager
  jsonKeys: {prefix: KEY_}
  jmesPath: [{path: user, objectAlias: DB_USER}, {path: p, objectAlias: _1, optional: true}]
- {objectPath: /app, objectType: ssmparameter, objectAlias: APP, recursive: false}
";
        let spec =
            SecretProviderClassSpec::aws([("objects", objects), ("pathTranslation", "False")]);
        let class = Class::parse("db", &spec).unwrap();
        let variables = class.variables();
        let found: Vec<_> = variables
            .map(|(name, file, presence)| {
                assert_eq!(name.as_str(), file.path.as_str());
                (name.to_string(), presence)
            })
            .collect();
        let expected = [
            ("dbpassword", Presence::Required),
            ("DB_USER", Presence::Required),
            ("_1", Presence::Optional),
        ];
        assert_eq!(
            found,
            expected.map(|(name, presence)| (name.to_owned(), presence))
        );
    }
}
