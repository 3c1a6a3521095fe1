//! The contents of a file: its classes, its errors, and how many other resources it has.

use std::collections::BTreeMap;

use super::heads::{self, Head};
use super::{At, Document, InvalidDocument, LISTS, Number, resource};
use crate::words::name::shown;
use crate::yaml::{Place, places_in_documents};
use crate::{GROUP, KIND, Problem};

/// The contents of a file.
#[derive(Debug, Default)]
pub struct Contents {
    /// Its classes.
    pub classes: Vec<Document>,
    /// Documents that should be classes but are not, and invalid YAML, where reading ends.
    pub errors: Vec<InvalidDocument>,
    /// How many resources of other kinds it has.
    pub others: BTreeMap<String, usize>,
}

impl Document {
    /// Reads all classes of a file, at least one; the first error counts.
    pub fn read_all(text: &str) -> Result<Vec<Self>, InvalidDocument> {
        let contents = Contents::read(text);
        if let Some(error) = contents.errors.into_iter().next() {
            return Err(error);
        }
        if contents.classes.is_empty() {
            let others = contents.others;
            return Err(InvalidDocument::Empty { others });
        }
        Ok(contents.classes)
    }
}

impl Contents {
    /// Reads a file up to the first invalid YAML.
    pub fn read(text: &str) -> Self {
        let text = without_mark(text);
        let mut contents = Self::default();
        let (documents, broken) = heads::read(text);
        let mut wanted = Vec::new();
        let mut count = 0;
        for (document, head) in documents.iter().enumerate() {
            let Some(head) = head else { continue };
            count += 1;
            if head.is_list() {
                for (item, head) in head.items.iter().flatten().enumerate() {
                    let at = At {
                        document,
                        item: Some(item),
                    };
                    let number = Number {
                        document: count,
                        item: Some(item + 1),
                    };
                    contents.sort(head, number, at, &mut wanted);
                }
            } else {
                let at = At {
                    document,
                    item: None,
                };
                let number = Number {
                    document: count,
                    item: None,
                };
                contents.sort(head, number, at, &mut wanted);
            }
        }
        let asked: Vec<_> = wanted
            .iter()
            .map(|(_, at)| (at.document, at.item))
            .collect();
        let nodes = heads::nodes(text, &asked);
        for ((number, at), node) in wanted.into_iter().zip(nodes) {
            match node.map(|node| resource::document(number, at, &node)) {
                Ok(Ok(document)) => contents.classes.push(document),
                Ok(Err(error)) => contents.errors.push(error),
                Err(error) => contents
                    .errors
                    .push(InvalidDocument::Yaml { number, error }),
            }
        }
        if let Some(error) = broken {
            let number = Number {
                document: count + 1,
                item: None,
            };
            contents
                .errors
                .push(InvalidDocument::Yaml { number, error });
        }
        contents.find_blocks(text);
        contents
    }

    /// Decides by a resource's kind what to do with it.
    fn sort(&mut self, head: &Head, number: Number, at: At, wanted: &mut Vec<(Number, At)>) {
        let is_ours = head
            .api_version
            .strip_prefix(GROUP)
            .is_some_and(|rest| rest.starts_with('/'));
        if head.kind == KIND {
            wanted.push((number, at));
        } else if head.kind.eq_ignore_ascii_case(KIND) || head.kind.is_empty() && is_ours {
            let kind = shown(&head.kind);
            self.errors.push(InvalidDocument::Kind { number, kind });
        } else {
            let kind = match head.kind.as_str() {
                "" => "without a kind".to_owned(),
                kind => kind.escape_debug().take(63).collect(),
            };
            *self.others.entry(kind).or_default() += 1;
        }
    }

    /// Finds the lines of `objects` and `templates`: in a literal block they start below the `|`.
    fn find_blocks(&mut self, text: &str) {
        let lines: Vec<&str> = text.lines().collect();
        for (list, name) in LISTS.iter().enumerate() {
            let field = format!("spec.parameters.{name}");
            let fields: Vec<_> = self
                .classes
                .iter()
                .map(|class| (class.at.document, class.at.steps(&field)))
                .collect();
            let asked: Vec<_> = fields
                .iter()
                .map(|(document, steps)| (*document, steps.as_slice()))
                .collect();
            let places = places_in_documents(text, &asked);
            for (class, place) in self.classes.iter_mut().zip(places) {
                class.blocks[list] = place.and_then(|place| block_below(&lines, place, name));
            }
        }
    }

    /// The places of problems in the file, each with the index of its class: the place in the text of `objects` where that
    /// is known, or else that of the field.
    pub fn places(&self, text: &str, problems: &[(usize, &Problem)]) -> Vec<Option<Place>> {
        let text = without_mark(text);
        let fields: Vec<_> = problems
            .iter()
            .map(|(class, problem)| (&self.classes[*class], *problem))
            .map(|(class, problem)| class.at.steps(&class.field(&problem.field.path)))
            .collect();
        let asked: Vec<_> = problems
            .iter()
            .zip(&fields)
            .map(|((class, _), steps)| (self.classes[*class].at.document, steps.as_slice()))
            .collect();
        let mut places = places_in_documents(text, &asked);
        for (place, (class, problem)) in places.iter_mut().zip(problems) {
            let first = self.classes[*class].block(&problem.field);
            if let (Some(first), Some(within)) = (first, problem.field.place) {
                *place = Some(Place {
                    line: first.line + within.line - 1,
                    column: first.column + within.column - 1,
                });
            }
        }
        places
    }
}

/// Some editors begin a file with a byte order mark.
fn without_mark(text: &str) -> &str {
    text.trim_start_matches('\u{feff}')
}

/// The place of a literal block's first character, below the line that has `objects: |` or the like.
fn block_below(lines: &[&str], place: Place, name: &str) -> Option<Place> {
    let source = lines.get(place.line.checked_sub(1)?)?;
    let value = source
        .split_once(name)?
        .1
        .trim_start_matches(['"', '\'', ' '])
        .strip_prefix(':')?;
    if !value.trim_start().starts_with('|') {
        return None;
    }
    // Empty lines do not show the indentation.
    let below = lines
        .iter()
        .skip(place.line)
        .find(|line| !line.trim().is_empty())?;
    let indentation = below.len() - below.trim_start_matches(' ').len();
    Some(Place {
        line: place.line + 1,
        column: indentation + 1,
    })
}
