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
//! | `output` | the files that a value becomes: known by name, or only at fetch |
//! | `files` | files of a class that would overwrite each other |
//! | `findings`, `problem`, `field_path` | what is wrong or doubtful, and how a message names the field |
//! | `memory` | bytes that a class takes in memory |

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

use std::collections::HashMap;

use crate::words::name::{self, shown};
use crate::yaml;
use crate::{PathTranslation, Region};

use entry::Context;
use field_path::Field;
use findings::{ArnRegion, Findings};
use object::Object;
use output::{File, OpenFiles, Presence};
use parameters::{AssumeRole, Credentials, Parameters};
use problem::{ClassError, InvalidClass, Problem};
use raw::RawObject;
use resource::{PROVIDER, SecretProviderClassSpec};
use secret_objects::SecretObject;

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
    /// What has no effect, or probably not the intended one.
    pub warnings: Vec<Problem>,
    /// The regions in its ARNs; empty if the class has its own region.
    pub(crate) arn_regions: Vec<ArnRegion>,
}

/// Number of listed problems; a class with more usually repeats one mistake.
const MAX_PROBLEMS: usize = 50;

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
        if let Some(region) = &parameters.region {
            regions::check_parameters(
                region,
                parameters.failover_region.as_ref(),
                parameters.assume_role.as_ref(),
                &mut findings,
            );
        }
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
        let mut objects: Vec<_> = raw
            .iter()
            .filter_map(|raw| context.object(raw, &mut findings))
            .collect();
        // Many classes are kept in memory.
        objects.shrink_to_fit();
        files::check(&objects, &mut findings);
        let secret_objects = secret_objects::read(&spec.secret_objects, &objects, &mut findings);
        if !findings.problems.is_empty() {
            let mut invalid = InvalidClass::of(name, findings.problems);
            let fields = invalid.problems.iter_mut();
            locate(fields.map(|problem| &mut problem.field), &raw, text);
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
            mut arn_regions,
            ..
        } = findings;
        warnings.truncate(MAX_PROBLEMS);
        let fields = warnings.iter_mut().map(|warning| &mut warning.field);
        let arns = arn_regions.iter_mut().map(|arn| &mut arn.field);
        locate(fields.chain(arns), &raw, text);
        Ok(Self {
            name: name.to_owned(),
            region,
            failover_region,
            translation,
            credentials,
            assume_role,
            objects,
            secret_objects,
            warnings,
            arn_regions,
        })
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
        self.objects.iter().flat_map(Object::files)
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
        of_objects.min()
    }
}

impl InvalidClass {
    /// An error that lists the first problems and counts the others.
    pub(crate) fn of(name: &str, mut problems: Vec<Problem>) -> Self {
        let more = problems.len().saturating_sub(MAX_PROBLEMS);
        problems.truncate(MAX_PROBLEMS);
        if more > 0 {
            let message = format!("has {more} more problems, not listed");
            problems.push(Problem::new("objects", message));
        }
        Self {
            name: name.to_owned(),
            problems,
        }
    }
}

/// Adds the object and the place in the text of `objects` to fields. The text is read once for all of them.
fn locate<'a>(fields: impl Iterator<Item = &'a mut Field>, entries: &[RawObject], text: &str) {
    let names: HashMap<usize, &str> = entries
        .iter()
        .filter_map(|entry| Some((entry.index, entry.title()?)))
        .collect();
    let mut paths = Vec::new();
    let mut missing = Vec::new();
    for field in fields {
        let Some(entry) = field.entry() else { continue };
        field.object = names.get(&entry).map(|name| name::cut(name));
        if field.place.is_none() {
            let path = field.path.strip_prefix("objects").unwrap_or_default();
            paths.push(yaml::steps(path));
            missing.push(field);
        }
    }
    if paths.is_empty() {
        return;
    }
    for (field, place) in missing.into_iter().zip(yaml::places(text, 0, &paths)) {
        field.place = place;
    }
}
