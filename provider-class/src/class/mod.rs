//! A class, valid by construction.
//!
//! A new field of an entry touches `object`, and `plan/extract` if it concerns the value that AWS returns; a new parameter
//! touches `parameters`.
//!
//! | module | holds |
//! |---|---|
//! | `resource` | the SecretProviderClass as Kubernetes stores it |
//! | `cursor` | the reader of all fields: known ones with their paths and places, and unknown ones |
//! | `parameters` | the fields of `parameters` |
//! | `object`, `path_entry`, `named` | an entry of `objects`: its files, and how it is read |
//! | `entry_request` | from the names in an entry to its requests |
//! | [`request`] | what AWS is asked for |
//! | `regions` | the region of an ARN against the region of the class |
//! | `secret_objects` | Kubernetes Secrets with the contents of files |
//! | `template` | the entries of `templates` |
//! | `output` | the files that a value becomes: known by name, or only at fetch |
//! | `files` | files of a class that would overwrite each other |
//! | `findings`, `problem`, `field_path` | what is wrong or doubtful, and how a message names the field |
//! | `title` | what messages call a class |
//! | [`annotated`] | a class that a pod's annotations describe |

pub mod annotated;
mod cursor;
mod entry_request;
pub(crate) mod field_path;
pub(crate) mod files;
pub(crate) mod findings;
mod named;
pub(crate) mod object;
pub(crate) mod output;
pub(crate) mod parameters;
mod path_entry;
pub(crate) mod problem;
pub(crate) mod regions;
pub mod request;
pub(crate) mod resource;
pub(crate) mod secret_objects;
pub(crate) mod template;
pub(crate) mod title;

use std::collections::BTreeMap;

use crate::words::name::{self, shown};
use crate::yaml::{self, Node};
use crate::{PathTranslation, Region};

use entry_request::Context;
use field_path::{Field, OBJECTS, Path, Root, SECRET_OBJECTS, TEMPLATES};
use findings::{ArnRegion, Findings, Found};
use object::Object;
use output::{File, OpenFiles, Presence};
use parameters::{AddressPreference, AssumeRole, Credentials, Parameters};
use problem::{ClassError, InvalidClass, Problem};
use resource::{PROVIDER, SecretProviderClassSpec};
use secret_objects::SecretObject;
use template::Template;

/// A `SecretProviderClass` of provider `aws` that can be fetched.
#[derive(Clone, Debug, PartialEq)]
pub struct Class {
    /// Its name, for messages.
    pub name: String,
    /// Its own region.
    pub region: Option<Region>,
    /// The region that is asked if the first one fails.
    pub failover_region: Option<Region>,
    /// How names become file names.
    pub translation: PathTranslation,
    /// Where the pod's credentials come from.
    pub credentials: Credentials,
    preferred_address: AddressPreference,
    /// A second role, assumed with the pod's credentials.
    pub assume_role: Option<AssumeRole>,
    /// Its secrets and parameters, at least one.
    pub objects: Vec<Object>,
    /// The Kubernetes Secrets that it describes.
    pub secret_objects: Vec<SecretObject>,
    /// Files that are made of others.
    pub templates: Vec<Template>,
    /// What has no effect, or probably not the intended one.
    pub warnings: Vec<Problem>,
    /// The region of its ARNs; `None` if the class names its region.
    pub(crate) arn_region: Option<ArnRegion>,
}

impl Class {
    /// Checks a class. `name` is for messages.
    ///
    /// # Errors
    /// The provider, if it is not `aws`. Otherwise every problem of the class, each with its field and, inside `objects`,
    /// its line.
    pub fn parse(name: &str, spec: &SecretProviderClassSpec) -> Result<Self, ClassError> {
        Self::check_provider(name, spec)?;
        let texts = Node::from(&spec.parameters);
        let [objects, templates] = [OBJECTS, TEMPLATES].map(|name| list(&spec.parameters, name));
        let secrets = Node::from(&spec.secret_objects[..]);
        let mut lists = vec![(SECRET_OBJECTS, &secrets)];
        for (name, list) in [(OBJECTS, &objects), (TEMPLATES, &templates)] {
            lists.extend(list.iter().flatten().map(|node| (name, node)));
        }
        let findings = Findings::of(lists);
        let parameters = Parameters::read(&texts, &findings);
        let context = Context {
            region: parameters.region.as_ref(),
            failover_region: parameters.failover_region.as_ref(),
            translation: parameters.translation,
        };
        let objects = match &objects {
            Ok(Some(list)) => object::read(list, context, &findings),
            other => findings.nothing_of(other),
        };
        let of_arns = findings.region_of_arns();
        if let Some(region) = parameters.region.as_ref().or(of_arns.as_ref()) {
            regions::check_parameters(
                region,
                parameters.failover_region.as_ref(),
                parameters.assume_role.as_ref(),
                &findings,
            );
        }
        let templates = match &templates {
            Ok(Some(list)) => template::read(list, parameters.translation, &findings),
            other => findings.nothing_of(other),
        };
        files::check(&objects, &templates, &findings);
        template::check(&objects, &templates, &findings);
        let secret_objects = secret_objects::read(&secrets, &objects, &templates, &findings);
        let Found {
            problems,
            warnings,
            arn_region,
        } = findings.found();
        if !problems.is_empty() {
            let name = name.to_owned();
            return Err(InvalidClass { name, problems }.into());
        }
        let Parameters {
            region,
            failover_region,
            translation,
            credentials,
            preferred_address,
            assume_role,
        } = parameters;
        Ok(Self {
            name: name.to_owned(),
            region,
            failover_region,
            translation,
            credentials,
            preferred_address,
            assume_role,
            objects,
            secret_objects,
            templates,
            warnings,
            arn_region,
        })
    }

    /// The same with EKS Pod Identity, as with `usePodIdentity: "true"`.
    #[must_use]
    pub fn with_pod_identity(&self) -> Self {
        let mut class = self.clone();
        class.credentials = Credentials::PodIdentity(self.preferred_address);
        if let Some(role) = &mut class.assume_role {
            // EKS sets them.
            role.session_tags.clear();
        }
        class
    }

    /// The region that the class names, itself or by its ARNs.
    pub fn own_region(&self) -> Option<&Region> {
        let of_arns = self.arn_region.as_ref().map(|arn| &arn.region);
        self.region.as_ref().or(of_arns)
    }

    /// Checks just the provider, as [`Class::parse`] does first.
    ///
    /// # Errors
    /// A provider that is not `aws`.
    pub fn check_provider(name: &str, spec: &SecretProviderClassSpec) -> Result<(), ClassError> {
        let written = spec.provider.as_deref().unwrap_or_default();
        let class = name.to_owned();
        if written == PROVIDER {
            return Ok(());
        }
        let message = if written.is_empty() {
            format!("is required: write \"provider: {PROVIDER}\" under spec")
        } else if written.trim().is_empty() || written.trim().eq_ignore_ascii_case(PROVIDER) {
            format!(
                "is {}, which no pod can use: write \"provider: {PROVIDER}\" under spec",
                shown(written)
            )
        } else {
            let provider = shown(written);
            return Err(ClassError::OtherProvider { class, provider });
        };
        let problem = Box::new(Problem::new(Path::new(Root::Spec, "provider"), message));
        Err(ClassError::NoProvider { class, problem })
    }

    /// Every file whose name is known before the fetch. Optional ones may be missing after it.
    pub fn files(&self) -> impl Iterator<Item = &File> {
        self.files_with_presence().map(|(file, _)| file)
    }

    /// The same, and whether they are there after each fetch.
    pub fn files_with_presence(&self) -> impl Iterator<Item = (&File, Presence)> {
        let of_objects = self.objects.iter().flat_map(Object::files);
        let of_templates = self.templates.iter();
        of_objects.chain(of_templates.map(|template| (&template.file, Presence::Required)))
    }

    /// Files of which the names are known only at fetch.
    pub fn open_files(&self) -> impl Iterator<Item = &OpenFiles> {
        self.objects.iter().flat_map(Object::open_files)
    }

    /// What a file is made of. Where it is the same, two versions of the class make the same file, whatever else changed.
    pub fn source(&self, path: &str) -> String {
        let objects = self.objects.iter();
        let objects: Vec<String> = objects.filter_map(|object| object.source(path)).collect();
        let mut templates = self.templates.iter();
        let template = templates.find(|template| template.file.path.as_str() == path);
        // A template may use all files.
        let template = template.map(|template| (&template.body, &self.objects));
        let regions = (&self.region, &self.failover_region);
        format!(
            "{regions:?} {:?} {objects:?} {template:?}",
            self.assume_role
        )
    }

    /// Does it make this file? `None` if it never does.
    pub fn presence(&self, path: &str) -> Option<Presence> {
        let of_objects = self
            .objects
            .iter()
            .filter_map(|object| object.presence(path));
        let mut templates = self.templates.iter();
        let is_template = templates.any(|template| template.file.path.as_str() == path);
        of_objects
            .chain(is_template.then_some(Presence::Required))
            .min()
    }
}

/// Reads the text of a list, if there is one.
fn list(
    parameters: &BTreeMap<String, String>,
    name: &'static str,
) -> Result<Option<Node>, Problem> {
    let Some(text) = parameters.get(name).filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    let mut field = Field::from(Path::parameter(name));
    if name == TEMPLATES {
        template::check_length(text.len()).map_err(|error| Problem::new(field.clone(), error))?;
    }
    yaml::parse(text).map(Some).map_err(|error| {
        field.place = Some(error.place);
        let hint = special_space(text);
        Problem::new(field, format!("is not valid YAML: {error}{hint}"))
    })
}

/// Finds a special space: editors and web pages insert them, and YAML treats them as letters.
fn special_space(text: &str) -> String {
    for (index, line) in text.lines().enumerate() {
        if let Some(blank) = line.chars().filter(|c| !c.is_ascii()).find_map(name::blank) {
            let line = index + 1;
            return format!("; line {line} has {blank}: replace it with an ordinary space");
        }
    }
    String::new()
}
