//! One class: from AWS's answers to the contents of its files, all or none.

use std::collections::BTreeSet;

use zeroize::Zeroizing;

use provider_class::{ExtractError, FileContents, Made, MadeFile, Object, PlannedRequest, Title};

use super::answers::{Answer, Value, ValueError};
use super::regions;
use crate::classes::ClassToFetch;
use crate::credentials::{CredentialStore, Identity};
use crate::variables::SecretVariables;
use crate::versions::{ClassVersions, Version};

/// A class as AWS has it.
#[derive(Debug, Default)]
pub(crate) struct Fetched {
    /// Contents of the files whose values were fetched.
    pub(crate) files: Vec<FileContents>,
    /// The version of every object.
    pub(crate) versions: ClassVersions,
}

/// A class that could not be fetched.
#[derive(Debug)]
pub(crate) struct Failed {
    /// A line for each object.
    pub(crate) lines: BTreeSet<String>,
    /// Did a service refuse? Then new credentials may help.
    pub(crate) refused: bool,
}

/// Fetches what is not `held` of a class, and makes the contents of its files.
pub(crate) async fn fetch(
    wanted: &ClassToFetch,
    variables: Option<&SecretVariables>,
    store: &CredentialStore,
    held: &ClassVersions,
) -> Result<Fetched, Failed> {
    let class = &wanted.class;
    let identity = Identity {
        source: class.credentials,
        assume_role: class.assume_role.clone(),
    };
    let results = regions::fetch(&wanted.plan, held, store, &identity).await;
    let mut assembly = Assembly {
        wanted,
        variables,
        held,
        made: Vec::new(),
        versions: ClassVersions::new(),
        lines: BTreeSet::new(),
    };
    let mut refused = false;
    for (planned, result) in wanted.plan.requests.iter().zip(&results) {
        match result {
            Ok(Answer::Unchanged) => assembly.keep(planned),
            Ok(Answer::Fetched { values, version }) => assembly.take(planned, values, version),
            Err(error) => {
                let failed = assembly.miss(planned, error);
                refused |= failed && error.is_refused();
            }
        }
    }
    assembly.check();
    assembly.render();
    assembly.check_unmade();
    let Assembly {
        made,
        versions,
        lines,
        ..
    } = assembly;
    if !lines.is_empty() {
        return Err(Failed { lines, refused });
    }
    let files = made.into_iter().map(|made| made.contents).collect();
    Ok(Fetched { files, versions })
}

/// The files and versions of a class, put together from the answers to its requests.
struct Assembly<'a> {
    wanted: &'a ClassToFetch,
    variables: Option<&'a SecretVariables>,
    held: &'a ClassVersions,
    made: Vec<MadeFile>,
    versions: ClassVersions,
    /// What is wrong.
    lines: BTreeSet<String>,
}

impl Assembly<'_> {
    /// The files that are on disk stay.
    fn keep(&mut self, planned: &PlannedRequest) {
        let key = planned.key();
        if let Some(version) = self.held.get(&key) {
            self.versions.insert(key, version.clone());
        }
    }

    /// Values become files.
    fn take(&mut self, planned: &PlannedRequest, values: &[Value], version: &Version) {
        let mut version = version.clone();
        let key = planned.key();
        let is_known = self
            .held
            .get(&key)
            .is_some_and(|held| held.id == version.id);
        for object in objects(self.wanted, planned) {
            let made = match contents(object, values) {
                Ok(made) => made,
                Err(errors) => {
                    let errors = errors.iter().map(ToString::to_string);
                    self.lines.extend(errors);
                    continue;
                }
            };
            if !is_known {
                self.log(&made);
            }
            let source = format!("objects[{}] {:?}", object.index, object.request.to_string());
            for file in made.files {
                self.check_variable(&source, &file);
                version.files.push(file.contents.file.path.to_string());
                self.made.push(file);
            }
        }
        self.versions.insert(key, version);
    }

    /// There is no value: for optional objects because they do not exist. Returns whether that is an error.
    fn miss(&mut self, planned: &PlannedRequest, error: &ValueError) -> bool {
        let objects: Vec<&Object> = objects(self.wanted, planned).collect();
        let is_optional = objects.iter().all(|object| object.is_optional);
        if !error.is_not_found() || !is_optional {
            self.lines.extend(lines_of(&objects, planned, error));
            return true;
        }
        let class = Title(&self.wanted.class.name);
        let key = planned.key();
        let held = self.held.get(&key);
        let is_there = held.is_some_and(Version::exists);
        for Object { index, .. } in objects {
            let object = format!("objects[{index}] {:?}", planned.request.to_string());
            if is_there {
                tracing::warn!(
                    "{class}: {object}: is no longer found; keeping its files, because it is optional"
                );
            } else if held.is_none() {
                let line = format!(
                    "{object}: is not found; its files are missing, because it is optional"
                );
                tracing::info!("{class}: {line}");
            }
        }
        let missing = || Version::missing(self.wanted.plan.region.clone());
        let version = held.cloned().unwrap_or_else(missing);
        self.versions.insert(key, version);
        false
    }

    /// Logs what the value did not have. Values never get here, only names.
    fn log(&self, made: &Made) {
        let class = Title(&self.wanted.class.name);
        for line in &made.warnings {
            tracing::warn!("{class}: {line}");
        }
        for line in &made.missing {
            tracing::info!("{class}: {line}");
        }
    }

    /// A line for each variable that cannot have the new contents of its file.
    fn check_variable(&mut self, source: &str, made: &MadeFile) {
        let Some(variables) = self.variables else {
            return;
        };
        for unwritable in variables.check(&self.wanted.mount_path, &made.contents) {
            self.lines.insert(format!("{source}: {unwritable}"));
        }
    }

    /// The files of earlier fetches that stay, each with its object.
    fn kept(&self) -> Vec<(&Object, &str)> {
        let wanted = self.wanted;
        let made: BTreeSet<&str> = self.made.iter().map(MadeFile::path).collect();
        let mut kept = Vec::new();
        for planned in &wanted.plan.requests {
            let (Some(version), Some(index)) =
                (self.versions.get(&planned.key()), planned.objects.first())
            else {
                continue;
            };
            let files = version.files.iter().map(String::as_str);
            let files = files.filter(|file| !made.contains(file));
            kept.extend(files.map(|file| (&wanted.class.objects[*index], file)));
        }
        kept
    }

    /// A line for each file with a new name that meets another one.
    fn check(&mut self) {
        let collisions = self.wanted.class.check_made(&self.kept(), &self.made);
        self.lines
            .extend(collisions.iter().map(ToString::to_string));
    }

    /// Renders the templates with the files of this fetch and those that stay.
    fn render(&mut self) {
        let wanted = self.wanted;
        // Versions also change when there are fewer files, or none on the first fetch.
        let may_differ = !self.made.is_empty() || self.versions != *self.held;
        if wanted.class.templates.is_empty() || !may_differ || !self.lines.is_empty() {
            return;
        }
        let kept = self.kept().into_iter().map(|(_, name)| {
            let path = wanted.mount_path.join(name);
            match std::fs::read(&path) {
                Ok(bytes) => Ok((name, Zeroizing::new(bytes))),
                Err(error) => Err(format!("could not read {}: {error}", path.display())),
            }
        });
        let kept: Vec<(&str, Zeroizing<Vec<u8>>)> = match kept.collect() {
            Ok(kept) => kept,
            Err(line) => {
                self.lines.insert(line);
                return;
            }
        };
        let made = self.made.iter();
        let made = made.map(|made| (made.path(), made.contents.bytes.as_slice()));
        let kept = kept.iter().map(|(name, bytes)| (*name, bytes.as_slice()));
        let rendered = wanted.class.render(&made.chain(kept).collect());
        match rendered {
            Ok(files) => {
                for made in &files {
                    self.check_variable(&made.field.to_string(), made);
                }
                self.made.extend(files);
            }
            Err(errors) => self.lines.extend(errors.iter().map(ToString::to_string)),
        }
    }

    /// A line for each variable whose file nothing became.
    fn check_unmade(&mut self) {
        let Some(variables) = self.variables else {
            return;
        };
        if self.lines.is_empty() {
            let kept = self.kept();
            let kept = kept.iter().map(|(_, file)| *file);
            let templates = self.wanted.class.templates.iter();
            let templates = templates.map(|template| template.file.path.as_str());
            let made = self.made.iter().map(MadeFile::path);
            let files: BTreeSet<&str> = made.chain(kept).chain(templates).collect();
            let unmade = variables.unmade(self.wanted, &files);
            self.lines.extend(unmade);
        }
    }
}

/// What an object makes of the values: of all parameters below its path, or of its one value.
fn contents(object: &Object, values: &[Value]) -> Result<Made, Vec<ExtractError>> {
    let mut all = Made::default();
    let mut errors = Vec::new();
    for Value { name, bytes } in values {
        let made = match name {
            Some(name) => object.contents_of(name, bytes),
            None => object.contents(bytes),
        };
        match made {
            Ok(made) => {
                all.files.extend(made.files);
                all.warnings.extend(made.warnings);
                all.missing.extend(made.missing);
            }
            Err(found) => errors.extend(found),
        }
    }
    if errors.is_empty() {
        Ok(all)
    } else {
        Err(errors)
    }
}

/// The objects that a request is for.
fn objects<'a>(
    wanted: &'a ClassToFetch,
    planned: &PlannedRequest,
) -> impl Iterator<Item = &'a Object> {
    let objects = &wanted.class.objects;
    planned.objects.iter().map(|index| &objects[*index])
}

/// A line for each object that a failed request was for.
fn lines_of(objects: &[&Object], planned: &PlannedRequest, error: &ValueError) -> Vec<String> {
    // Without credentials all objects fail alike: one line is enough.
    if error.is_about_credentials() {
        return vec![error.to_string()];
    }
    let name = planned.request.to_string();
    let objects = objects.iter();
    objects
        .map(|object| format!("objects[{}] {name:?}: {error}", object.index))
        .collect()
}
