//! How much memory a class takes, so that a cache of classes can keep to its limit.

use super::Class;
use super::field_path::Field;
use super::object::{Extract, Object};
use super::output::{OpenFiles, Output};
use super::problem::{ClassError, Problem};
use super::secret_objects::{SecretKey, SecretObject};
use super::template::{Body, Template};
use crate::templates::Part;

/// What the allocator adds to each text on the heap.
const ALLOCATION: usize = 32;

fn text(text: &str) -> usize {
    text.len() + ALLOCATION
}

fn optional(text: Option<&String>) -> usize {
    text.map_or(0, |text| self::text(text))
}

impl Class {
    /// Memory that the class takes, in bytes, estimated.
    pub fn memory(&self) -> usize {
        let role = self.assume_role.as_ref();
        let role = role.map_or(0, |role| {
            text(role.arn.as_str()) + optional(role.external_id.as_ref())
        });
        let regions = [&self.region, &self.failover_region].into_iter().flatten();
        let arn = self.arn_region.as_ref();
        size_of::<Self>()
            + text(&self.name)
            + regions.map(|region| text(region.as_str())).sum::<usize>()
            + role
            + self.objects.capacity() * size_of::<Object>()
            + self.objects.iter().map(Object::heap).sum::<usize>()
            + self.secret_objects.capacity() * size_of::<SecretObject>()
            + self
                .secret_objects
                .iter()
                .map(SecretObject::heap)
                .sum::<usize>()
            + size_of_val(&self.templates[..])
            + self.templates.iter().map(Template::heap).sum::<usize>()
            + problems(&self.warnings)
            + arn.map_or(0, |arn| arn.field.heap() + text(arn.region.as_str()))
    }
}

impl ClassError {
    /// Memory that the error takes, in bytes, estimated.
    pub fn memory(&self) -> usize {
        let own = match self {
            Self::OtherProvider { class, provider } => text(class) + text(provider),
            Self::NoProvider { class, problem } => text(class) + problem.heap(),
            Self::Invalid(invalid) => text(&invalid.name) + problems(&invalid.problems),
        };
        size_of::<Self>() + own
    }
}

fn problems(problems: &[Problem]) -> usize {
    size_of_val(problems) + problems.iter().map(Problem::heap).sum::<usize>()
}

impl Problem {
    fn heap(&self) -> usize {
        self.field.heap() + text(&self.message)
    }
}

impl Field {
    fn heap(&self) -> usize {
        text(&self.path) + optional(self.object.as_ref())
    }
}

impl Object {
    fn heap(&self) -> usize {
        let requests = std::iter::once(&self.request).chain(&self.failover);
        text(&self.name)
            + self.whole.iter().map(Output::heap).sum::<usize>()
            + self.keys.iter().map(OpenFiles::memory).sum::<usize>()
            + requests
                .map(|request| text(&request.to_string()) + 2 * ALLOCATION)
                .sum::<usize>()
            + self.extracts.capacity() * size_of::<Extract>()
            + self.extracts.iter().map(Extract::heap).sum::<usize>()
    }
}

impl Extract {
    fn heap(&self) -> usize {
        text(self.path.as_str()) + self.output.heap()
    }
}

impl Template {
    fn heap(&self) -> usize {
        let body = match &self.body {
            Body::Text(parts) => {
                let heaps = parts.iter().map(|part| match part {
                    Part::Text(own) => text(own),
                    Part::Placeholder(placeholder) => placeholder.heap() + 2 * ALLOCATION,
                });
                size_of_val(&parts[..]) + heaps.sum::<usize>()
            }
            Body::Document(document) => {
                let names = document.files.iter().flatten();
                names
                    .map(|name| size_of_val(name) + text(name))
                    .sum::<usize>()
            }
        };
        body + text(self.file.path.as_str())
    }
}

impl Output {
    fn heap(&self) -> usize {
        match self {
            Self::File(file) => text(file.path.as_str()),
            Self::Open(open) => open.memory(),
        }
    }
}

impl OpenFiles {
    fn memory(&self) -> usize {
        self.heap() + 3 * ALLOCATION
    }
}

impl SecretObject {
    fn heap(&self) -> usize {
        let words = self.labels.iter().chain(&self.annotations);
        let keys = self.data.iter();
        text(self.name.as_str())
            + text(&self.secret_type)
            + words
                .map(|(name, value)| text(name) + text(value))
                .sum::<usize>()
            + self.data.capacity() * size_of::<SecretKey>()
            + keys
                .map(|data| text(&data.key) + text(data.file.as_str()))
                .sum::<usize>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SecretProviderClassSpec;

    fn parse(objects: String) -> Result<Class, ClassError> {
        Class::parse("db", &SecretProviderClassSpec::aws([("objects", objects)]))
    }

    #[test]
    fn grows_with_the_class_and_is_bounded_for_mistakes() {
        let entries = |count: usize, fields: &str| {
            (0..count)
                .map(|n| format!("- {{objectName: secret-{n}, {fields}}}\n"))
                .collect::<Vec<_>>()
                .concat()
        };
        let of = |count| {
            parse(entries(count, "objectType: secretsmanager"))
                .unwrap()
                .memory()
        };
        let (few, many) = (of(10), of(1000));
        assert!(
            few > 10 * size_of::<Object>() && many > 50 * few,
            "{few}, {many}"
        );
        let error = |count| parse(entries(count, "objectType: x")).unwrap_err().memory();
        assert!(error(100) < 2 * error(50) && error(5000) < 2 * error(100));
        let long = parse("x".repeat(100_000)).unwrap_err().memory();
        assert!(long < 10_000, "{long}");
    }
}
