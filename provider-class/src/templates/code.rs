//! The code of a template, before minijinja reads it: the names of files that it mentions, and what is refused.
//!
//! minijinja's steps do not bound everything. Its parser and the code of a parsed template recurse over long expressions, and a
//! list that holds itself several times takes one step to print. So expressions are short here, and lists hold only texts.

use super::{FILES, LONGEST_TAG, MOST_ELIFS};

/// A name, and the line of the template that mentions it, from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mentioned<'a> {
    pub(crate) name: &'a str,
    pub(crate) line: usize,
}

/// What a template may not have, and its line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) reason: String,
    pub(super) line: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token<'a> {
    Text(&'a str),
    Number,
    Word(&'a str),
    Mark(char),
}

/// An open bracket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Open {
    Arguments,
    Group,
    Subscript,
    /// A list of texts and numbers after `in`.
    List,
}

/// Words after which a bracket starts a value.
const KEYWORDS: [&str; 8] = ["and", "or", "not", "in", "is", "if", "else", "elif"];
/// What may stand after a list.
const AFTER_LIST: [&str; 5] = ["and", "or", "if", "else", "recursive"];
const LISTS: &str =
    "has a list or a mapping: only lists of texts exist, and only after in, as in [\"a\", \"b\"]";

/// All names that are written out in the code of a template. Computed names are found out when it is rendered.
pub(super) fn read(template: &str) -> Result<Vec<Mentioned<'_>>, Refused> {
    let mut code = Code {
        rest: template,
        line: 1,
        mentioned: Vec::new(),
        elifs: 0,
    };
    while let Some(start) = code.next_tag() {
        code.tag(start)?;
    }
    Ok(code.mentioned)
}

struct Code<'a> {
    rest: &'a str,
    line: usize,
    mentioned: Vec<Mentioned<'a>>,
    elifs: usize,
}

impl<'a> Code<'a> {
    fn advance(&mut self, bytes: usize) -> &'a str {
        let (before, after) = self.rest.split_at(bytes);
        self.line += before.matches('\n').count();
        self.rest = after;
        before
    }

    /// Goes behind the next `{{` or `{%` and returns it.
    fn next_tag(&mut self) -> Option<&'a str> {
        loop {
            let bytes = self.rest.as_bytes().windows(2);
            let at = bytes
                .into_iter()
                .position(|pair| matches!(pair, b"{{" | b"{%" | b"{#"))?;
            self.advance(at);
            let start = self.advance(2);
            if start != "{#" {
                return Some(start);
            }
            let end = self.rest.find("#}")?;
            self.advance(end + 2);
        }
    }

    /// Reads up to the end of a tag. What is incomplete is left to minijinja, which says so.
    fn tag(&mut self, start: &str) -> Result<(), Refused> {
        let end = if start == "{{" { "}}" } else { "%}" };
        let mut tokens = Vec::new();
        let mut tag = Tag::default();
        loop {
            let spaces = self.rest.len() - self.rest.trim_ascii_start().len();
            self.advance(spaces);
            if tag.open.is_empty() && self.rest.starts_with(end) {
                self.advance(2);
                return Ok(());
            }
            let line = self.line;
            let Some(token) = self.token() else {
                return Ok(());
            };
            if tokens.len() == LONGEST_TAG {
                return Err(self.refused(format!(
                    "has more than {LONGEST_TAG} words and marks between {start} and {end}: split it with set"
                )));
            }
            if start == "{%" && tokens.iter().all(|token| *token == Token::Mark('-')) {
                self.statement(token)?;
            }
            let checked = tag.check(&tokens, token);
            checked.map_err(|reason| self.refused(reason.to_owned()))?;
            tokens.push(token);
            if let Some(name) = mention(&tokens) {
                self.mentioned.push(Mentioned { name, line });
            }
        }
    }

    /// Checks the first word of a statement.
    fn statement(&mut self, token: Token<'_>) -> Result<(), Refused> {
        match token {
            Token::Word("raw") => {
                Err(self
                    .refused("has the statement raw: write braces as a text in quotes".to_owned()))
            }
            Token::Word("elif") => {
                self.elifs += 1;
                if self.elifs > MOST_ELIFS {
                    return Err(self.refused(format!("has more than {MOST_ELIFS} elif")));
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn token(&mut self) -> Option<Token<'a>> {
        let first = self.rest.chars().next()?;
        if matches!(first, '"' | '\'') {
            return self.text(first);
        }
        let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if !is_word(first) {
            self.advance(first.len_utf8());
            return Some(Token::Mark(first));
        }
        let end = self.rest.find(|c| !is_word(c)).unwrap_or(self.rest.len());
        let word = self.advance(end);
        Some(if first.is_ascii_digit() {
            Token::Number
        } else {
            Token::Word(word)
        })
    }

    fn text(&mut self, quote: char) -> Option<Token<'a>> {
        let mut is_escaped = false;
        let end = self.rest[1..].find(|c| {
            let is_end = c == quote && !is_escaped;
            is_escaped = c == '\\' && !is_escaped;
            is_end
        })?;
        let text = self.advance(end + 2);
        Some(Token::Text(&text[1..=end]))
    }

    fn refused(&self, reason: String) -> Refused {
        Refused {
            reason,
            line: self.line,
        }
    }
}

/// The brackets of a tag.
#[derive(Default)]
struct Tag {
    open: Vec<Open>,
    is_after_list: bool,
}

impl Tag {
    fn check(&mut self, before: &[Token<'_>], token: Token<'_>) -> Result<(), &'static str> {
        let innermost = self.open.last();
        if innermost == Some(&Open::List) {
            return self.in_list(token);
        }
        if std::mem::take(&mut self.is_after_list) && !may_follow_list(token) {
            return Err(LISTS);
        }
        let last = before.last();
        match token {
            Token::Mark('[') if last == Some(&Token::Word("in")) => self.open.push(Open::List),
            Token::Mark('[') if is_operand(before) => self.open.push(Open::Subscript),
            Token::Mark('(') if is_operand(before) => self.open.push(Open::Arguments),
            Token::Mark('(') => self.open.push(Open::Group),
            Token::Mark(',') if innermost == Some(&Open::Arguments) => {}
            Token::Mark('[' | '{' | '}' | ',') => return Err(LISTS),
            Token::Mark(')') => self.close(&[Open::Arguments, Open::Group])?,
            Token::Mark(']') => self.close(&[Open::Subscript])?,
            _ => {}
        }
        Ok(())
    }

    fn in_list(&mut self, token: Token<'_>) -> Result<(), &'static str> {
        match token {
            Token::Text(_) | Token::Number | Token::Mark(',') => Ok(()),
            Token::Mark(']') => {
                self.is_after_list = true;
                self.close(&[Open::List])
            }
            _ => Err(LISTS),
        }
    }

    fn close(&mut self, expected: &[Open]) -> Result<(), &'static str> {
        match self.open.pop() {
            Some(open) if expected.contains(&open) => Ok(()),
            _ => Err("has a bracket without its other one"),
        }
    }
}

fn may_follow_list(token: Token<'_>) -> bool {
    match token {
        Token::Word(word) => AFTER_LIST.contains(&word),
        // The minus of -%}: minijinja subtracts nothing from lists.
        token => matches!(token, Token::Mark(')' | '-')),
    }
}

/// Is a bracket after these tokens a part of the value that they end with?
fn is_operand(before: &[Token<'_>]) -> bool {
    let is_attribute = matches!(before, [.., Token::Mark('.'), Token::Word(_)]);
    is_attribute
        || match before.last() {
            Some(Token::Word(word)) => !KEYWORDS.contains(word),
            Some(Token::Text(_) | Token::Number | Token::Mark(')' | ']')) => true,
            _ => false,
        }
}

/// The name in `files["name"]` or `files.name` at the end.
fn mention<'a>(tokens: &[Token<'a>]) -> Option<&'a str> {
    use Token::{Mark, Text, Word};
    let ([before @ .., Word(FILES), Mark('['), Text(name), Mark(']')]
    | [before @ .., Word(FILES), Mark('.'), Word(name)]) = tokens
    else {
        return None;
    };
    let is_own = before.last() != Some(&Mark('.')) && !name.contains('\\');
    is_own.then_some(*name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_in_code_with_their_lines() {
        let template = "files[\"no\"] {{ files[\"a\"] }}\n{# files[\"no\"] #}{% if files['b/c'] == files.d|trim %}\n{{ myfiles[\"no\"] ~ x.files.no ~ files[name] ~ \"files.no }}\" ~ files.e }}";
        let found = read(template).unwrap();
        let found: Vec<_> = found.iter().map(|found| (found.name, found.line)).collect();
        assert_eq!(found, [("a", 1), ("b/c", 2), ("d", 2), ("e", 3)]);
        assert_eq!(read("{{ files[\"a").unwrap(), []);
    }

    #[test]
    fn lists_are_texts_after_in() {
        for template in [
            "{% for a in [\"b\", 'c'] -%}",
            "{% if (a in [\"b\"]) or b in [1, 2] and c %}",
            "{{ files.a|replace(\"a\", files[\"b\"]) }} [a, b] {c}",
            "{{ files[\"a\"][1:] }}",
        ] {
            read(template).unwrap();
        }
        for template in [
            "{% set a = [\"b\"] %}",
            "{% set a = {\"b\": 1} %}",
            "{% set a = 1, 2 %}",
            "{% set a = (1, 2) %}",
            "{% for a in [\"b\"] * 9 %}",
            "{% for a in [b] %}",
            "{% for a in [[1]] %}",
            "{% for a in ([1]) %}",
            "{{ files[1, 2] }}",
            "{{ a|tojson([1]) }}",
            "\n{{ 1 in [1] ~ 2 }}",
        ] {
            let refused = read(template).unwrap_err();
            assert_eq!(refused.reason, LISTS, "{template}");
        }
        for template in ["{{ a) }}", "{{ (a] }}", "{%- raw %}"] {
            read(template).unwrap_err();
        }
        assert_eq!(read("a\n{{\n[1] }}").unwrap_err().line, 3);
    }
}
