//! How deeply flow collections (`[a]`, `{a: b}`) are nested, found in linear time, before the YAML reader sees a text.
//!
//! The reader looks at every open bracket again for each word that follows: the time for n nested brackets is n². It refuses
//! more than 128 levels, but only after it has read the whole text.
//!
//! A bracket counts where YAML's scanner takes it for one: not in a quoted, plain or block scalar, nor in a comment. A text
//! that the reader cannot read any further may count in any way.
//! Source: <https://yaml.org/spec/1.2.2/> and libyaml's `scanner.c`.

use std::str::Chars;

use super::{InvalidYaml, Place};

/// Brackets that may be open at the same time in a list of objects or templates, which has four.
pub(super) const OF_LIST: usize = 32;
/// The same in a file of resources of any kind. The reader refuses more.
pub(crate) const OF_FILE: usize = 128;

/// Refuses a text where more than `most` brackets are open at the same time.
pub(crate) fn check(text: &str, most: usize) -> Result<(), InvalidYaml> {
    match Scanner::new(text).deeper_than(most) {
        None => Ok(()),
        Some(place) => Err(InvalidYaml {
            place: Some(place),
            message: format!(
                "more than {most} brackets ([ and {{) are open at line {} column {}: close them",
                place.line, place.column
            ),
        }),
    }
}

struct Scanner<'a> {
    rest: Chars<'a>,
    line: usize,
    /// From 0.
    column: usize,
    depth: usize,
    /// The column of the innermost block collection: what belongs to a scalar in it is further right.
    indent: Option<usize>,
    /// The column of what may turn out to be a key.
    key: Option<usize>,
}

fn is_break(c: char) -> bool {
    matches!(c, '\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t')
}

fn is_bracket_or_comma(c: char) -> bool {
    matches!(c, '[' | ']' | '{' | '}' | ',')
}

/// Does this character end a word?
fn is_end(c: Option<char>) -> bool {
    c.is_none_or(|c| is_blank(c) || is_break(c))
}

impl<'a> Scanner<'a> {
    fn new(text: &'a str) -> Self {
        Self {
            rest: text.chars(),
            line: 0,
            column: 0,
            depth: 0,
            indent: None,
            key: None,
        }
    }

    fn peek(&self) -> Option<char> {
        self.rest.clone().next()
    }

    fn peek_second(&self) -> Option<char> {
        self.rest.clone().nth(1)
    }

    fn next(&mut self) -> Option<char> {
        let c = self.rest.next()?;
        if is_break(c) {
            if c == '\r' && self.peek() == Some('\n') {
                self.rest.next();
            }
            self.line += 1;
            self.column = 0;
        } else {
            self.column += 1;
        }
        Some(c)
    }

    fn next_while(&mut self, is_wanted: impl Fn(char) -> bool) {
        while self.peek().is_some_and(&is_wanted) {
            self.next();
        }
    }

    /// Where the text is too deep, if it is.
    fn deeper_than(mut self, most: usize) -> Option<Place> {
        while let Some(c) = self.peek() {
            self.token(c);
            if self.depth > most {
                return Some(Place {
                    line: self.line + 1,
                    column: self.column,
                });
            }
        }
        None
    }

    fn token(&mut self, c: char) {
        let is_block = self.depth == 0;
        match c {
            c if is_break(c) => {
                self.next();
                if is_block {
                    self.key = None;
                }
            }
            c if is_blank(c) => self.next_while(is_blank),
            '\u{feff}' if self.column == 0 => {
                self.next();
            }
            _ if self.is_at_document_marker() => {
                self.rest = self.rest.as_str()[3..].chars();
                self.column = 3;
                (self.indent, self.key) = (None, None);
            }
            '#' => self.next_while(|c| !is_break(c)),
            '%' if is_block && self.column == 0 => self.next_while(|c| !is_break(c)),
            '[' | '{' => {
                self.begin_key();
                self.next();
                self.depth += 1;
            }
            ']' | '}' => {
                self.next();
                self.depth = self.depth.saturating_sub(1);
            }
            ',' if !is_block => {
                self.next();
            }
            '-' | '?' | ':' if self.is_indicator() => self.indicator(c),
            '\'' | '"' => {
                self.begin_key();
                self.quoted(c);
            }
            '&' | '*' => {
                self.begin_key();
                self.next();
                self.next_while(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'));
            }
            '!' => {
                self.begin_key();
                self.tag();
            }
            '|' | '>' if is_block => self.block_scalar(),
            _ => {
                self.begin_key();
                self.plain();
            }
        }
    }

    /// `-`, `?` and `:` are indicators before a blank. In brackets, `?` and `:` are at any other place, too.
    fn is_indicator(&self) -> bool {
        let in_brackets = self.depth > 0 && matches!(self.peek(), Some('?' | ':'));
        in_brackets || is_end(self.peek_second())
    }

    fn indicator(&mut self, c: char) {
        if self.depth == 0 {
            // A value makes what was before it a key. Any other indicator begins a collection where it is.
            let begins_at = if c == ':' { self.key } else { None };
            self.indent = Some(begins_at.unwrap_or(self.column));
            self.key = None;
        }
        self.next();
    }

    fn begin_key(&mut self) {
        if self.depth == 0 && self.key.is_none() {
            self.key = Some(self.column);
        }
    }

    fn quoted(&mut self, quote: char) {
        self.next();
        while let Some(c) = self.next() {
            if c == quote {
                if quote == '\'' && self.peek() == Some(quote) {
                    self.next();
                } else {
                    return;
                }
            } else if c == '\\' && quote == '"' {
                self.next();
            }
        }
    }

    fn tag(&mut self) {
        self.next();
        if self.peek() == Some('<') {
            return self.next_while(|c| c != '>' && !is_blank(c) && !is_break(c));
        }
        self.next_while(|c| c.is_ascii_alphanumeric() || "-_;/?:@&=+$.!~*'()%".contains(c));
    }

    /// A plain scalar goes on in further lines that are indented.
    fn plain(&mut self) {
        let indent = self.indent.map_or(0, |column| column + 1);
        loop {
            let started = self.rest.as_str().len();
            while let Some(c) = self.peek() {
                let ends = match c {
                    ':' => is_end(self.peek_second()),
                    c if self.depth > 0 && is_bracket_or_comma(c) => true,
                    c => is_blank(c) || is_break(c),
                };
                if ends {
                    break;
                }
                self.next();
            }
            // What cannot begin a plain scalar is an error for the reader.
            if self.rest.as_str().len() == started {
                self.next();
                return;
            }
            let line = self.line;
            self.next_while(|c| is_blank(c) || is_break(c));
            let is_over = match self.peek() {
                None | Some('#') => true,
                Some(c) if self.depth > 0 && is_bracket_or_comma(c) => true,
                Some(':') if is_end(self.peek_second()) => true,
                Some(_) => self.depth == 0 && self.line > line && self.column < indent,
            };
            if self.depth == 0 && self.line > line {
                self.key = None;
            }
            if is_over || self.is_at_document_marker() {
                return;
            }
        }
    }

    /// Is this the line `---` or `...`?
    fn is_at_document_marker(&self) -> bool {
        let rest = self.rest.as_str();
        self.column == 0
            && (rest.starts_with("---") || rest.starts_with("..."))
            && is_end(rest.chars().nth(3))
    }

    /// A block scalar: its first line, and all lines that are indented like the next one.
    fn block_scalar(&mut self) {
        let parent = self.indent;
        let mut increment = None;
        self.next();
        while let Some(c) = self.peek() {
            match c {
                '0'..='9' => increment = c.to_digit(10),
                '+' | '-' => {}
                _ => break,
            }
            self.next();
        }
        self.next_while(is_blank);
        if self.peek() == Some('#') {
            self.next_while(|c| !is_break(c));
        }
        if !self.peek().is_some_and(is_break) {
            return;
        }
        self.next();
        let least = parent.map_or(1, |column| column + 1);
        let indent = match increment {
            Some(increment) => parent.unwrap_or(0) + increment as usize,
            None => self.content_indent().max(least),
        };
        while self.has_content(indent) {
            self.next_while(|c| !is_break(c));
            self.next();
        }
        self.key = None;
    }

    /// The indentation of the first line with content, or of a longer blank one before it.
    fn content_indent(&mut self) -> usize {
        let mut longest = 0;
        loop {
            let start = self.rest.clone();
            self.next_while(|c| c == ' ');
            longest = longest.max(self.column);
            match self.peek() {
                Some(c) if is_break(c) => {
                    self.next();
                }
                _ => {
                    self.rest = start;
                    self.column = 0;
                    return longest;
                }
            }
        }
    }

    /// Goes to the content of the next line, over blank ones. `false` where a line is indented less.
    fn has_content(&mut self, indent: usize) -> bool {
        loop {
            while self.column < indent && self.peek() == Some(' ') {
                self.next();
            }
            match self.peek() {
                None => return false,
                Some(c) if is_break(c) => {
                    self.next();
                }
                Some(_) => return self.column == indent,
            }
        }
    }
}

#[cfg(test)]
mod tests;
