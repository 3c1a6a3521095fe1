//! What parsing a class finds.

use super::field_path::Field;
use super::problem::Problem;
use crate::Region;

/// What is wrong in a class, what is doubtful, and what depends on its region.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    pub(crate) problems: Vec<Problem>,
    pub(crate) warnings: Vec<Problem>,
    /// The region of all ARNs of a class that does not name its region.
    pub(crate) arn_region: Option<ArnRegion>,
    /// Are there problems that are not listed, or parts of the class that were not looked at?
    pub(crate) is_cut: bool,
}

/// Number of listed problems, and of warnings; a class with more usually repeats one mistake.
pub(crate) const MOST_PROBLEMS: usize = 50;

impl Findings {
    pub(crate) fn problem(&mut self, field: impl Into<String>, message: impl Into<String>) {
        self.push(Problem::new(field, message));
    }

    pub(crate) fn push(&mut self, problem: Problem) {
        if !self.is_full() {
            self.problems.push(problem);
        }
    }

    /// Asked before each part of a class: once there are as many problems as are listed, nothing more is looked for. A class with
    /// thousands of mistakes costs no more than one with as many lines.
    pub(crate) fn is_full(&mut self) -> bool {
        let is_full = self.problems.len() >= MOST_PROBLEMS;
        self.is_cut |= is_full;
        is_full
    }

    pub(crate) fn warning(&mut self, field: impl Into<String>, message: impl Into<String>) {
        self.push_warning(Problem::new(field, message));
    }

    pub(crate) fn push_warning(&mut self, warning: Problem) {
        if self.has_room_for_warnings() {
            self.warnings.push(warning);
        }
    }

    /// Asked before a warning that takes a while to make.
    pub(crate) fn has_room_for_warnings(&self) -> bool {
        self.warnings.len() < MOST_PROBLEMS
    }

    /// An ARN of a class that does not name its region: no region fits ARNs of two.
    pub(crate) fn arn_region(&mut self, field: &str, region: &Region) {
        match &self.arn_region {
            None => {
                self.arn_region = Some(ArnRegion {
                    field: Field::new(field),
                    region: region.clone(),
                });
            }
            Some(first) if first.region == *region => {}
            Some(first) => {
                let message = format!(
                    "is an ARN in {region}, but {} has one in {}: write a class for each region",
                    first.field.in_a_sentence(),
                    first.region
                );
                self.problem(field, message);
            }
        }
    }

    /// Keeps the value of a result, and its error as a problem of the field.
    pub(crate) fn keep<T, E: ToString>(
        &mut self,
        field: impl Into<String>,
        result: Result<T, E>,
    ) -> Option<T> {
        result
            .map_err(|error| self.problem(field, error.to_string()))
            .ok()
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
