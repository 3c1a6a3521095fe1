//! A class, valid by construction.

use crate::collisions;
use crate::object::Context;
use crate::parameters::Parameters;
use crate::raw::{self, Findings};
use crate::yaml;
use crate::{
    AssumeRole, Credentials, File, InvalidClass, NoRegion, Object, PROVIDER, PathTranslation, Plan,
    Problem, Region, SecretProviderClassSpec,
};

/// A `SecretProviderClass` of provider `aws` that can be fetched.
#[derive(Clone, Debug, PartialEq)]
pub struct Class {
    /// Its name, for messages.
    pub name: String,
    /// Its own region, or the default one.
    pub region: Option<Region>,
    /// The region that is asked when the first failed.
    pub failover_region: Option<Region>,
    /// How names become file names.
    pub translation: PathTranslation,
    /// Where the pod's credentials come from.
    pub credentials: Credentials,
    /// A second role.
    pub assume_role: Option<AssumeRole>,
    /// What is fetched, at least one.
    pub objects: Vec<Object>,
}

/// A class and what is doubtful about it.
#[derive(Clone, Debug, PartialEq)]
pub struct Parsed {
    /// The class.
    pub class: Class,
    /// Things that have no effect, or not the one that was probably meant.
    pub warnings: Vec<Problem>,
}

/// Problems that are listed; a class with more has one mistake that repeats.
const MAX_PROBLEMS: usize = 50;

impl Class {
    /// Checks a class. `name` is for messages; `default_region` counts where the class has no `region` of its own.
    ///
    /// # Errors
    /// Every problem of the class, each with its field and, inside `objects`, its line.
    pub fn parse(
        name: &str,
        spec: &SecretProviderClassSpec,
        default_region: Option<&Region>,
    ) -> Result<Parsed, InvalidClass> {
        let mut findings = Findings::default();
        if spec
            .provider
            .as_deref()
            .is_some_and(|provider| provider != PROVIDER)
        {
            let provider = spec.provider.as_deref().unwrap_or_default();
            findings.problem(
                "provider",
                format!("is {provider:?}, and only classes of provider \"aws\" are served here"),
            );
            return Err(findings.into_invalid(name, ""));
        }
        if !spec.secret_objects.is_empty() {
            findings.warning("secretObjects", "has no effect here: copies in Kubernetes Secrets are made by the Secrets Store CSI Driver alone");
        }
        let parameters = Parameters::read(&spec.parameters, default_region, &mut findings);
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
        let objects: Vec<_> = raw
            .iter()
            .filter_map(|raw| context.object(raw, &mut findings))
            .collect();
        collisions::within(&objects, &mut findings);
        if !findings.problems.is_empty() {
            return Err(findings.into_invalid(name, text));
        }
        let Parameters {
            region,
            failover_region,
            translation,
            credentials,
            assume_role,
            ..
        } = parameters;
        let class = Self {
            name: name.to_owned(),
            region,
            failover_region,
            translation,
            credentials,
            assume_role,
            objects,
        };
        findings.warnings.truncate(MAX_PROBLEMS);
        Ok(Parsed {
            class,
            warnings: add_lines(findings.warnings, text),
        })
    }

    /// The requests that fetch it.
    pub fn plan(&self) -> Result<Plan, NoRegion> {
        Plan::of(self)
    }

    /// Every file it makes.
    pub fn files(&self) -> impl Iterator<Item = &File> {
        self.objects.iter().flat_map(Object::files)
    }
}

impl Findings {
    fn into_invalid(mut self, name: &str, text: &str) -> InvalidClass {
        let more = self.problems.len().saturating_sub(MAX_PROBLEMS);
        self.problems.truncate(MAX_PROBLEMS);
        let mut problems = add_lines(self.problems, text);
        if more > 0 {
            problems.push(Problem::new(
                "objects",
                format!("has {more} more problems, not listed"),
            ));
        }
        InvalidClass {
            name: name.to_owned(),
            problems,
        }
    }
}

fn add_lines(problems: Vec<Problem>, text: &str) -> Vec<Problem> {
    let add = |problem: Problem| match (problem.line, problem.field.strip_prefix("objects[")) {
        (None, Some(rest)) => {
            let line = yaml::line_of(text, &format!("[{rest}"));
            problem.at_line(line)
        }
        _ => problem,
    };
    problems.into_iter().map(add).collect()
}
