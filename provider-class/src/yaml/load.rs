//! From a YAML text to trees.

use std::collections::{HashMap, HashSet};

use granit_parser::{
    ErrorKind, Event, Options, Parser, ScalarStyle, ScanError, Span, StrInput, Tag,
};

use super::{InvalidYaml, Node, Place, Style, Value, scalar};

/// A document of a text.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) node: Node,
    /// Where it begins.
    pub(super) place: Place,
    /// The first thing in it that no class can have. Resources of other kinds can: tags, or lists as names of fields.
    pub(crate) fault: Option<InvalidYaml>,
}

impl Default for Loaded {
    fn default() -> Self {
        let place = Place { line: 1, column: 1 };
        Self {
            node: node(Value::Null, place),
            place,
            fault: None,
        }
    }
}

/// Levels of lists and mappings, with those that aliases bring in.
const DEEPEST: usize = 256;
/// What a node counts for, besides the bytes of its text.
const NODE: usize = 16;

/// The documents of a text up to the first error. At most `nested` brackets may be open at the same time.
pub(crate) fn documents(text: &str, nested: usize) -> (Vec<Loaded>, Option<InvalidYaml>) {
    let mut options = Options::default();
    options.set_emit_comments(false);
    // As libyaml does.
    options.block_scalar_eof_without_line_feed = true;
    options.flow_nesting_limit = nested;
    options.block_nesting_limit = nested;
    let mut loader = Loader {
        parser: Parser::new_from_str_with_options(text, options),
        anchors: HashMap::new(),
        budget: text.len().saturating_mul(NODE).saturating_add(65_536),
        depth: 0,
        fault: None,
    };
    let mut documents = Vec::new();
    let error = loader.documents(&mut documents).err();
    (documents, error.map(|error| invalid(&error, nested)))
}

fn invalid(error: &ScanError, nested: usize) -> InvalidYaml {
    let mark = error.marker();
    let message = match error.kind() {
        ErrorKind::RecursionLimitExceeded => {
            format!(
                "more than {nested} brackets ([ and {{) or indented levels are open: close them"
            )
        }
        kind => kind.to_string(),
    };
    let place = Place {
        line: mark.line(),
        column: mark.col() + 1,
    };
    InvalidYaml { place, message }
}

fn node(value: Value, place: Place) -> Node {
    Node {
        value,
        place: Some(place),
        style: Style::Plain,
    }
}

fn start(span: Span) -> Place {
    Place {
        line: span.start.line(),
        column: span.start.col() + 1,
    }
}

struct Loader<'t> {
    parser: Parser<'t, StrInput<'t>>,
    /// Values with an anchor, by its number.
    anchors: HashMap<usize, Node>,
    /// How much may still be copied: aliases can turn a short text into a very long one.
    budget: usize,
    depth: usize,
    fault: Option<InvalidYaml>,
}

impl<'t> Loader<'t> {
    fn documents(&mut self, documents: &mut Vec<Loaded>) -> Result<(), ScanError> {
        while let Some(next) = self.parser.next_event() {
            let (Event::DocumentStart(..), span) = next? else {
                continue;
            };
            self.anchors.clear();
            let node = self.next()?;
            documents.push(Loaded {
                node,
                place: start(span),
                fault: self.fault.take(),
            });
        }
        Ok(())
    }

    fn event(&mut self) -> Result<(Event<'t>, Span), ScanError> {
        // It ends with an event that ends all values.
        self.parser
            .next_event()
            .unwrap_or(Ok((Event::StreamEnd, Span::default())))
    }

    /// The next value.
    fn next(&mut self) -> Result<Node, ScanError> {
        let event = self.event()?;
        self.value(event)
    }

    fn value(&mut self, (event, span): (Event<'t>, Span)) -> Result<Node, ScanError> {
        let place = start(span);
        let (anchor, node) = match event {
            Event::Alias(anchor) => return Ok(self.alias(anchor, place)),
            Event::Scalar(text, style, anchor, tag) => {
                (anchor, self.scalar(&text, style, tag.as_deref(), place))
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.check_tag(tag.as_deref(), "seq", place);
                (anchor, self.nested(|loader| loader.list(place))?)
            }
            Event::MappingStart(_, anchor, tag) => {
                self.check_tag(tag.as_deref(), "map", place);
                (anchor, self.nested(|loader| loader.map(place))?)
            }
            _ => (0, node(Value::Null, place)),
        };
        if anchor > 0
            && let Some(copy) = self.copy(&node, place)
        {
            self.anchors.insert(anchor, copy);
        }
        Ok(node)
    }

    fn nested(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<Node, ScanError>,
    ) -> Result<Node, ScanError> {
        self.depth += 1;
        let node = read(self);
        self.depth -= 1;
        node
    }

    fn list(&mut self, place: Place) -> Result<Node, ScanError> {
        let mut items = Vec::new();
        loop {
            match self.event()? {
                (Event::SequenceEnd | Event::StreamEnd, _) => break,
                event => items.push(self.value(event)?),
            }
        }
        Ok(node(Value::List(items), place))
    }

    fn map(&mut self, place: Place) -> Result<Node, ScanError> {
        let mut fields: Vec<(String, Node)> = Vec::new();
        let mut has_merged = false;
        let mut first = None;
        loop {
            let (event, span) = self.event()?;
            if matches!(event, Event::MappingEnd | Event::StreamEnd) {
                break;
            }
            let is_merge =
                matches!(&event, Event::Scalar(text, ScalarStyle::Plain, ..) if text == "<<");
            let place = start(span);
            first.get_or_insert(place);
            let key = self.value((event, span))?;
            let mut value = self.next()?;
            if is_merge {
                has_merged = true;
                self.merge(value, place, &mut fields);
                continue;
            }
            value.place = Some(place);
            let key = match key.value {
                Value::String(text) | Value::Scalar(text) => text,
                Value::Null => "null".to_owned(),
                Value::List(_) | Value::Map(_) => {
                    let message = format!("a field's name cannot be {}", key.kind());
                    self.fail(place, message);
                    continue;
                }
            };
            fields.push((key, value));
        }
        if has_merged {
            // What is written twice on purpose is once enough.
            let mut known = HashSet::new();
            fields.reverse();
            fields.retain(|(key, _)| known.insert(key.clone()));
            fields.reverse();
        }
        Ok(node(Value::Map(fields), first.unwrap_or(place)))
    }

    /// Adds the fields that the value of a `<<` brings in: of several mappings the first one counts most. As in Go, they
    /// replace what is written before them.
    fn merge(&mut self, value: Node, place: Place, fields: &mut Vec<(String, Node)>) {
        match value.value {
            Value::Map(merged) => fields.extend(merged),
            Value::List(maps) if maps.iter().all(|map| matches!(map.value, Value::Map(_))) => {
                for map in maps.into_iter().rev() {
                    self.merge(map, place, fields);
                }
            }
            _ => self.fail(place, format!("<< merges a mapping, not {}", value.kind())),
        }
    }

    fn scalar(&mut self, text: &str, style: ScalarStyle, tag: Option<&Tag>, place: Place) -> Node {
        let core = tag.and_then(Tag::core_suffix);
        let is_string = core == Some("str") || style != ScalarStyle::Plain && core.is_none();
        if !matches!(core, Some("str" | "int" | "float" | "bool" | "null")) {
            self.check_tag(tag, "", place);
        }
        let value = if is_string {
            Value::String(text.to_owned())
        } else {
            scalar::value(text)
        };
        let empty_lines = text.bytes().take_while(|b| *b == b'\n').count();
        let style = match style {
            ScalarStyle::Plain if tag.is_none() => Style::Plain,
            ScalarStyle::Literal => Style::Literal(Place {
                // Empty lines before it are a part of it.
                line: place.line.saturating_sub(empty_lines).max(1),
                ..place
            }),
            _ => Style::Quoted,
        };
        Node {
            style,
            ..node(value, place)
        }
    }

    fn check_tag(&mut self, tag: Option<&Tag>, allowed: &str, place: Place) {
        if tag.is_some_and(|tag| tag.core_suffix() != Some(allowed)) {
            self.fail(
                place,
                "YAML tags (words that start with \"!\") have no meaning here: quote the value",
            );
        }
    }

    fn alias(&mut self, anchor: usize, place: Place) -> Node {
        let Some(known) = self.anchors.remove(&anchor) else {
            self.fail(
                place,
                "the alias (a word that starts with \"*\") is in its own value",
            );
            return node(Value::Null, place);
        };
        let copy = self.copy(&known, place);
        self.anchors.insert(anchor, known);
        Node {
            place: Some(place),
            ..copy.unwrap_or_else(|| node(Value::Null, place))
        }
    }

    /// A copy, as far as the budget allows one.
    fn copy(&mut self, node: &Node, place: Place) -> Option<Node> {
        let mut depth = 0;
        let weight = weight(node, self.depth, &mut depth);
        if depth > DEEPEST {
            self.fail(
                place,
                "its aliases (words that start with \"*\") are nested too deeply",
            );
            return None;
        }
        let Some(left) = self.budget.checked_sub(weight) else {
            self.budget = 0;
            self.fail(
                place,
                "its aliases (words that start with \"*\") repeat too much: write the values out",
            );
            return None;
        };
        self.budget = left;
        Some(node.clone())
    }

    /// Keeps the first fault of a document.
    fn fail(&mut self, place: Place, message: impl Into<String>) {
        let message = message.into();
        self.fault.get_or_insert(InvalidYaml { place, message });
    }
}

/// What a value and all below it take, and the deepest level of it.
fn weight(node: &Node, level: usize, deepest: &mut usize) -> usize {
    *deepest = level.max(*deepest);
    let below: usize = match &node.value {
        Value::Null => 0,
        Value::Scalar(text) | Value::String(text) => text.len(),
        Value::List(items) => items
            .iter()
            .map(|item| weight(item, level + 1, deepest))
            .sum(),
        Value::Map(fields) => fields
            .iter()
            .map(|(key, value)| key.len() + weight(value, level + 1, deepest))
            .sum(),
    };
    NODE + below
}
