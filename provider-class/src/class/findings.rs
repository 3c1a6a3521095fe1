//! What parsing a class finds.

use std::cell::{Cell, RefCell};

use super::field_path::{Field, Path};
use super::problem::Problem;
use crate::Region;
use crate::words::name;
use crate::yaml::Node;

/// What is wrong in a class, what is doubtful, and what depends on its region.
#[derive(Debug, Default)]
pub(crate) struct Findings<'t> {
    /// The lists of the class, which know the places and the names of their entries.
    lists: Vec<(&'static str, &'t Node)>,
    /// The names of all parameters, once these have been read.
    parameters: RefCell<Vec<&'static str>>,
    problems: RefCell<Vec<Problem>>,
    warnings: RefCell<Vec<Problem>>,
    /// The region of all ARNs of a class that does not name its region.
    arn_region: RefCell<Option<ArnRegion>>,
    /// Are there problems that are not listed, or parts of the class that were not looked at?
    is_cut: Cell<bool>,
}

/// Number of listed problems, and of warnings; a class with more usually repeats one mistake.
pub(crate) const MOST_PROBLEMS: usize = 50;

/// What was found.
pub(crate) struct Found {
    pub(crate) problems: Vec<Problem>,
    pub(crate) warnings: Vec<Problem>,
    pub(crate) arn_region: Option<ArnRegion>,
}

impl<'t> Findings<'t> {
    /// Of a class with these lists.
    pub(crate) fn of(lists: Vec<(&'static str, &'t Node)>) -> Self {
        Self {
            lists,
            ..Self::default()
        }
    }

    /// A field with its place, and the name of its entry.
    pub(crate) fn field(&self, path: &Path) -> Field {
        let mut field = Field::from(path.clone());
        if let Some((list, steps)) = path.in_list()
            && let Some((_, list)) = self.lists.iter().find(|(name, _)| *name == list)
        {
            field.place = list.nearest(steps).place;
            let entry = list.nearest(&steps[..1]);
            let mut titles = ["objectName", "objectPath", "secretName"].into_iter();
            field.object = titles.find_map(|title| {
                let title = entry.get_in_any_case(title)?.text()?.trim();
                (!title.is_empty()).then(|| name::cut(title))
            });
        }
        field
    }

    /// Keeps the names of all parameters.
    pub(crate) fn set_parameters(&self, names: &[&'static str]) {
        self.parameters.replace(names.to_vec());
    }

    /// The parameter of this name, in any letter case.
    pub(crate) fn parameter(&self, name: &str) -> Option<&'static str> {
        let parameters = self.parameters.borrow();
        let mut names = parameters.iter().copied();
        names.find(|known| known.eq_ignore_ascii_case(name))
    }

    pub(crate) fn problem(&self, path: &Path, message: impl Into<String>) {
        if !self.is_full() {
            self.push(Problem::new(self.field(path), message));
        }
    }

    /// Keeps the reason why a list could not be read.
    pub(crate) fn nothing_of<T>(&self, list: &Result<Option<Node>, Problem>) -> Vec<T> {
        if let Err(problem) = list {
            self.push(problem.clone());
        }
        Vec::new()
    }

    pub(crate) fn push(&self, problem: Problem) {
        if !self.is_full() {
            self.problems.borrow_mut().push(problem);
        }
    }

    /// Asked before each part of a class: once there are as many problems as are listed, nothing more is looked for. A class with
    /// thousands of mistakes costs no more than one with as many lines.
    pub(crate) fn is_full(&self) -> bool {
        let is_full = self.problems.borrow().len() >= MOST_PROBLEMS;
        if is_full {
            self.is_cut.set(true);
        }
        is_full
    }

    pub(crate) fn is_valid(&self) -> bool {
        self.problems.borrow().is_empty()
    }

    pub(crate) fn warning(&self, path: &Path, message: impl Into<String>) {
        if self.has_room_for_warnings() {
            let warning = Problem::new(self.field(path), message);
            self.warnings.borrow_mut().push(warning);
        }
    }

    /// Asked before a warning that takes a while to make.
    pub(crate) fn has_room_for_warnings(&self) -> bool {
        self.warnings.borrow().len() < MOST_PROBLEMS
    }

    /// Keeps the value of a result, and its error as a problem of the field.
    pub(crate) fn keep<T, E: ToString>(&self, path: &Path, result: Result<T, E>) -> Option<T> {
        result
            .map_err(|error| self.problem(path, error.to_string()))
            .ok()
    }

    /// Keeps the region of an ARN of a class that does not name its region: no region fits ARNs of two.
    pub(crate) fn arn(&self, path: &Path, region: &Region) {
        let mut first = self.arn_region.borrow_mut();
        let first = first.get_or_insert_with(|| ArnRegion {
            field: self.field(path),
            region: region.clone(),
        });
        if first.region != *region {
            let (other, first) = (&first.region, first.field.in_a_sentence());
            let message = format!(
                "is an ARN in {region}, but {first} has one in {other}: write a class for each region"
            );
            self.problem(path, message);
        }
    }

    /// The region of its ARNs so far.
    pub(crate) fn region_of_arns(&self) -> Option<Region> {
        let arn = self.arn_region.borrow();
        arn.as_ref().map(|arn| arn.region.clone())
    }

    /// What was found, with a last problem that says that there may be others.
    pub(crate) fn found(self) -> Found {
        let mut problems = self.problems.into_inner();
        if self.is_cut.get() {
            let message =
                format!("may have more problems than these {MOST_PROBLEMS}: correct them first");
            let path = Path::parameter("objects");
            problems.push(Problem::new(path, message));
        }
        Found {
            problems,
            warnings: self.warnings.into_inner(),
            arn_region: self.arn_region.into_inner(),
        }
    }
}

/// The region in the first ARN of a class, which must be the class's.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ArnRegion {
    /// The field that has the ARN.
    pub(crate) field: Field,
    /// The region.
    pub(crate) region: Region,
}
