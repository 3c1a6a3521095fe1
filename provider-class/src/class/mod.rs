//! A class, valid by construction.
//!
//! A new field of an entry goes through `raw` (its YAML), `object` and `entry` (its type, and how it is checked) and, if it concerns the value that AWS returns,
//! `plan/extract`.
//!
//! | module | holds |
//! |---|---|
//! | `resource` | the SecretProviderClass as Kubernetes stores it |
//! | `parameters` | the fields of `parameters` |
//! | `raw`, `fields` | the entries of `objects` as they are written: known fields and their YAML types |
//! | `object`, `entry`, `path_entry` | an entry that can be fetched: its request and its files, and how it is checked |
//! | `entry_request` | from an entry's name, type, version and label to its request |
//! | [`request`] | what AWS is asked for |
//! | `regions` | the region of an ARN against the region of the class |
//! | `secret_objects` | Kubernetes Secrets with the contents of files |
//! | `template` | the entries of `templates` |
//! | `output` | the files that a value becomes: known by name, or only at fetch |
//! | `files` | files of a class that would overwrite each other |
//! | `findings`, `problem`, `field_path` | what is wrong or doubtful, and how a message names the field |
//! | `title` | what messages call a class |
//! | [`annotated`] | a class that a pod's annotations describe |
//! | `memory` | bytes that a class takes in memory |

pub mod annotated;
mod entry;
mod entry_request;
pub(crate) mod field_path;
mod fields;
pub(crate) mod files;
pub(crate) mod findings;
mod memory;
pub(crate) mod object;
pub(crate) mod output;
pub(crate) mod parameters;
mod path_entry;
pub(crate) mod problem;
mod raw;
pub(crate) mod regions;
pub mod request;
pub(crate) mod resource;
pub(crate) mod secret_objects;
pub(crate) mod template;
pub(crate) mod title;

use std::collections::HashMap;

use crate::words::name::{self, shown};
use crate::yaml;
use crate::{PathTranslation, Region};

use entry::Context;
use field_path::{Field, TEMPLATES, steps};
use findings::{ArnRegion, Findings, MOST_PROBLEMS};
use object::Object;
use output::{File, OpenFiles, Presence};
use parameters::{AssumeRole, Credentials, Parameters};
use problem::{ClassError, InvalidClass, Problem};
use raw::RawObject;
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
        let mut findings = Findings::default();
        let parameters = Parameters::read(&spec.parameters, &mut findings);
        let text = parameters.objects.unwrap_or_default();
        let raw = if text.is_empty() {
            Vec::new()
        } else {
            raw::read(text, &mut findings)
        };
        let context = Context {
            region: parameters.region.as_ref(),
            failover_region: parameters.failover_region.as_ref(),
            translation: parameters.translation,
        };
        let mut objects = Vec::new();
        for raw in &raw {
            if findings.is_full() {
                break;
            }
            objects.extend(context.object(raw, &mut findings));
        }
        // Many classes are kept in memory.
        objects.shrink_to_fit();
        let of_arns = findings.arn_region.as_ref().map(|arn| arn.region.clone());
        if let Some(region) = parameters.region.as_ref().or(of_arns.as_ref()) {
            regions::check_parameters(
                region,
                parameters.failover_region.as_ref(),
                parameters.assume_role.as_ref(),
                &mut findings,
            );
        }
        let templates_text = parameters.templates.unwrap_or_default();
        let templates = template::read(templates_text, parameters.translation, &mut findings);
        files::check(&objects, &templates, &mut findings);
        template::check(&objects, &templates, &mut findings);
        let secret_objects =
            secret_objects::read(&spec.secret_objects, &objects, &templates, &mut findings);
        if !findings.problems.is_empty() {
            let mut invalid = InvalidClass::of(name, findings);
            let fields = invalid.problems.iter_mut();
            let fields: Vec<_> = fields.map(|problem| &mut problem.field).collect();
            locate(fields, &raw, text, templates_text);
            return Err(invalid.into());
        }
        let Parameters {
            region,
            failover_region,
            translation,
            credentials,
            assume_role,
            ..
        } = parameters;
        let Findings {
            mut warnings,
            mut arn_region,
            ..
        } = findings;
        warnings.truncate(MOST_PROBLEMS);
        let fields = warnings.iter_mut().map(|warning| &mut warning.field);
        let arn = arn_region.iter_mut().map(|arn| &mut arn.field);
        locate(fields.chain(arn).collect(), &raw, text, templates_text);
        Ok(Self {
            name: name.to_owned(),
            region,
            failover_region,
            translation,
            credentials,
            assume_role,
            objects,
            secret_objects,
            templates,
            warnings,
            arn_region,
        })
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
        let problem = Problem::new("provider", message);
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

impl InvalidClass {
    /// An error that lists the first problems, and says if there may be others.
    pub(crate) fn of(name: &str, findings: Findings) -> Self {
        let mut problems = findings.problems;
        if findings.is_cut {
            let message =
                format!("may have more problems than these {MOST_PROBLEMS}: correct them first");
            problems.push(Problem::new("objects", message));
        }
        Self {
            name: name.to_owned(),
            problems,
        }
    }
}

/// Adds the object and the place in the text of its list to fields. Each text is read once for all of them.
fn locate(fields: Vec<&mut Field>, entries: &[RawObject], objects: &str, templates: &str) {
    let names: HashMap<usize, &str> = entries
        .iter()
        .filter_map(|entry| Some((entry.index, entry.title()?)))
        .collect();
    let (mut of_objects, mut of_templates) = (Vec::new(), Vec::new());
    for field in fields {
        if let Some(entry) = field.entry() {
            field.object = names.get(&entry).map(|name| name::cut(name));
            of_objects.push(field);
        } else if field.list() == TEMPLATES && field.path != TEMPLATES {
            of_templates.push(field);
        }
    }
    locate_in(objects, of_objects);
    locate_in(templates, of_templates);
}

fn locate_in(text: &str, mut fields: Vec<&mut Field>) {
    fields.retain(|field| field.place.is_none());
    if fields.is_empty() {
        return;
    }
    let Ok(tree) = yaml::parse(text) else { return };
    for field in fields {
        let path = field.path.strip_prefix(field.list()).unwrap_or_default();
        field.place = tree.nearest(&steps(path)).place;
    }
}
