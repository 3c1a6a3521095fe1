//! The texts in the sources of the programs: string literals outside of comments and tests.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use proc_macro2::{Delimiter, TokenStream, TokenTree};
use syn::Lit;

use crate::project;

/// The crates of the programs.
const CRATES: [&str; 4] = ["certs", "injector", "provider-class", "webhook"];

/// A text in a source file.
#[derive(Debug)]
pub struct Text {
    /// Its file, relative to the project's root.
    pub file: String,
    /// With `…` for each value that is filled in at run time. Constants are filled in here.
    pub text: String,
    /// Whether it is the message of an error, from an attribute `#[error("…")]`.
    pub is_error: bool,
}

/// All texts of the programs, by file and position.
///
/// # Errors
///
/// When a source cannot be read or is not Rust.
pub fn texts() -> anyhow::Result<Vec<Text>> {
    let mut all = Vec::new();
    let mut constants = Constants::default();
    for name in CRATES {
        for path in sources(&project::root().join(name).join("src"))? {
            let file = path.strip_prefix(project::root())?.display().to_string();
            let tokens = fs::read_to_string(&path)?.parse::<TokenStream>();
            let tokens = tokens.map_err(|error| anyhow!("{error}"));
            let mut literals = Literals::default();
            literals.take(tokens.with_context(|| file.clone())?, false);
            for constant in literals.constants.iter().filter(|one| one.is_public) {
                let known = constants.entry(constant.name.clone());
                let known = known.or_insert_with(|| Some(constant.value.clone()));
                *known = known.take().filter(|known| *known == constant.value);
            }
            all.push((file, literals));
        }
    }
    let texts = all.into_iter().flat_map(|(file, literals)| {
        let mut known = constants.clone();
        let own = literals.constants.into_iter();
        known.extend(own.map(|constant| (constant.name, Some(constant.value))));
        let text = move |(format, is_error): (String, bool)| Text {
            file: file.clone(),
            text: fill(&format, &known),
            is_error,
        };
        literals.texts.into_iter().map(text)
    });
    Ok(texts.collect())
}

/// The messages of the ValidatingAdmissionPolicies in the manifest.
///
/// # Errors
///
/// When it cannot be read.
pub fn policy_messages() -> anyhow::Result<Vec<Text>> {
    let file = "manifests/install.yaml";
    let text = fs::read_to_string(project::root().join(file))?;
    let mut messages = Vec::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        if line.trim() == "message: >-" {
            let indentation = |line: &str| line.len() - line.trim_start().len();
            let mut words = Vec::new();
            while let Some(next) = lines.next_if(|next| indentation(next) > indentation(line)) {
                words.push(next.trim());
            }
            messages.push(Text {
                file: file.to_owned(),
                text: words.join(" "),
                is_error: true,
            });
        }
    }
    Ok(messages)
}

fn sources(directory: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() {
            // The model of `certs` is only for tests.
            if !path.ends_with("model") && !path.ends_with("tests") {
                paths.extend(sources(&path)?);
            }
        } else if path.extension().is_some_and(|end| end == "rs") && !path.ends_with("tests.rs") {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

/// The values of constants by name. `None` if a name has several values.
type Constants = BTreeMap<String, Option<String>>;

/// A constant with a text or a number.
struct Constant {
    name: String,
    value: String,
    is_public: bool,
}

/// The literals of a file.
#[derive(Default)]
struct Literals {
    constants: Vec<Constant>,
    /// Each with whether it is in an attribute `error`.
    texts: Vec<(String, bool)>,
}

impl Literals {
    fn take(&mut self, tokens: TokenStream, is_error: bool) {
        let mut tokens = tokens.into_iter().peekable();
        let (mut is_public, mut constant) = (false, None);
        while let Some(token) = tokens.next() {
            match token {
                TokenTree::Punct(mark) if mark.as_char() == '#' => {
                    let Some(TokenTree::Group(attribute)) = tokens.peek().cloned() else {
                        continue;
                    };
                    tokens.next();
                    let text = attribute.stream().to_string().replace(' ', "");
                    if text.starts_with("cfg(test") {
                        // What is only for tests ends with a block or a semicolon.
                        let ends = |token: &TokenTree| match token {
                            TokenTree::Group(group) => group.delimiter() == Delimiter::Brace,
                            token => token.to_string() == ";",
                        };
                        tokens.by_ref().find(ends);
                    } else if text.starts_with("error(") {
                        self.take(attribute.stream(), true);
                    }
                }
                TokenTree::Ident(word) if word == "pub" => is_public = true,
                TokenTree::Ident(word) if word == "const" => {
                    constant = tokens.peek().map(ToString::to_string);
                }
                TokenTree::Group(group) => {
                    is_public = false;
                    self.take(group.stream(), is_error);
                }
                TokenTree::Literal(literal) => {
                    let literal = Lit::new(literal);
                    let value = match &literal {
                        Lit::Str(text) => text.value(),
                        Lit::Int(number) => number.base10_digits().to_owned(),
                        _ => continue,
                    };
                    let is_all = tokens.peek().is_some_and(|next| next.to_string() == ";");
                    if let Some(name) = constant.take()
                        && is_all
                    {
                        self.constants.push(Constant {
                            name,
                            value: value.clone(),
                            is_public,
                        });
                    }
                    if let Lit::Str(_) = literal {
                        self.texts.push((value, is_error));
                    }
                }
                TokenTree::Punct(mark) if mark.as_char() == ';' => {
                    (is_public, constant) = (false, None);
                }
                TokenTree::Punct(_) | TokenTree::Ident(_) => {}
            }
        }
    }
}

/// Replaces each `{…}` of a format with the constant of this name, or with `…`.
fn fill(format: &str, constants: &Constants) -> String {
    let mut text = String::new();
    let mut rest = format;
    while let Some((before, after)) = rest.split_once('{') {
        text += before;
        if let Some(literal) = after.strip_prefix('{') {
            text.push('{');
            rest = literal;
        } else {
            let (name, after) = after.split_once('}').unwrap_or((after, ""));
            let constant = constants.get(name).and_then(Option::as_deref);
            text += constant.unwrap_or("…");
            rest = after;
        }
    }
    (text + rest).replace("}}", "}")
}
