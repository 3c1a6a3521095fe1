//! The messages in the sources of the programs.
//!
//! A message is a string literal with at least two words. Excluded are comments, tests, help texts of commands and metrics,
//! reasons why something cannot fail, log lines about normal operation, and text that other text is compared with.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{
    Attribute, Expr, ExprCall, ExprLit, ExprMethodCall, File, Item, ItemConst, Lit, LitStr, Macro,
    Meta, Pat, Visibility,
};

use crate::project;

/// The crates of the programs.
const CRATES: [&str; 4] = ["certs", "injector", "provider-class", "webhook"];
/// Names of functions, methods and macros whose arguments are not messages.
const SILENT: [&str; 18] = [
    "cfg",
    "contains",
    "debug",
    "debug_assert",
    "describe",
    "ends_with",
    "expect",
    "info",
    "matches",
    "register",
    "registered",
    "rsplit_once",
    "says",
    "split_once",
    "starts_with",
    "strip_prefix",
    "trace",
    "unreachable",
];

/// A message in a source file.
#[derive(Debug)]
pub struct Message {
    /// Its file, relative to the project's root.
    pub file: String,
    /// Its text, with `…` for each value that is filled in at run time. Constants are filled in here.
    pub text: String,
}

/// All messages of the programs, by file and position.
///
/// # Errors
///
/// When a source cannot be read or parsed.
pub fn messages() -> anyhow::Result<Vec<Message>> {
    let mut files = Vec::new();
    for name in CRATES {
        for path in sources(&project::root().join(name).join("src"))? {
            let shown = path.strip_prefix(project::root())?.display().to_string();
            let file =
                syn::parse_file(&fs::read_to_string(&path)?).with_context(|| shown.clone())?;
            files.push((shown, file));
        }
    }
    let mut constants = Constants::default();
    for (_, file) in &files {
        constants.add(file);
    }
    let messages = files.iter().flat_map(|(name, file)| {
        let texts = sentences(file, &constants.and_own(file)).into_iter();
        texts.map(|text| Message {
            file: name.clone(),
            text,
        })
    });
    Ok(messages.collect())
}

/// The messages of the ValidatingAdmissionPolicies in the manifest.
///
/// # Errors
///
/// When it cannot be read.
pub fn policy_messages() -> anyhow::Result<Vec<Message>> {
    let file = "manifests/install.yaml";
    let text = fs::read_to_string(project::root().join(file))?;
    let mut messages = Vec::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        if line.trim() == "message: >-" {
            let indentation = line.len() - line.trim_start().len();
            let mut words = Vec::new();
            while let Some(next) =
                lines.next_if(|next| next.len() - next.trim_start().len() > indentation)
            {
                words.push(next.trim());
            }
            messages.push(Message {
                file: file.to_owned(),
                text: words.join(" "),
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

/// Public constants with text or a number, by name. `None` if a name has several values.
#[derive(Clone, Default)]
struct Constants(BTreeMap<String, Option<String>>);

impl Constants {
    fn add(&mut self, file: &File) {
        let public =
            constants(file).filter(|(constant, _)| matches!(constant.vis, Visibility::Public(_)));
        for (constant, value) in public {
            let name = constant.ident.to_string();
            let known = self.0.entry(name).or_insert_with(|| Some(value.clone()));
            if known.as_ref() != Some(&value) {
                *known = None;
            }
        }
    }

    /// The constants for a file. Its own take precedence.
    fn and_own(&self, file: &File) -> Self {
        let mut all = self.clone();
        let own =
            constants(file).map(|(constant, value)| (constant.ident.to_string(), Some(value)));
        all.0.extend(own);
        all
    }
}

fn constants(file: &File) -> impl Iterator<Item = (&ItemConst, String)> {
    file.items.iter().filter_map(|item| {
        let Item::Const(constant) = item else {
            return None;
        };
        let Expr::Lit(ExprLit { lit, .. }) = &*constant.expr else {
            return None;
        };
        let value = match lit {
            Lit::Str(text) => text.value(),
            Lit::Int(number) => number.base10_digits().to_owned(),
            _ => return None,
        };
        Some((constant, value))
    })
}

fn sentences(file: &File, constants: &Constants) -> Vec<String> {
    let mut finder = Finder {
        constants,
        found: Vec::new(),
    };
    finder.visit_file(file);
    finder.found
}

struct Finder<'a> {
    constants: &'a Constants,
    found: Vec<String>,
}

impl Finder<'_> {
    fn take(&mut self, literal: &LitStr) {
        let text = self.constants.template(&literal.value());
        let is_word = |word: &&str| !word.contains('…') && word.contains(char::is_alphabetic);
        if text.split_whitespace().filter(is_word).count() >= 2 {
            self.found.push(text);
        }
    }

    /// Macros can have their own grammar, e.g. those of `tracing`, so their tokens are checked one by one.
    fn take_all(&mut self, tokens: TokenStream) {
        for token in tokens {
            match token {
                TokenTree::Group(group) => self.take_all(group.stream()),
                TokenTree::Literal(literal) => {
                    if let Lit::Str(text) = Lit::new(literal) {
                        self.take(&text);
                    }
                }
                TokenTree::Ident(_) | TokenTree::Punct(_) => {}
            }
        }
    }
}

impl<'ast> Visit<'ast> for Finder<'_> {
    fn visit_attribute(&mut self, attribute: &'ast Attribute) {
        if let Meta::List(list) = &attribute.meta
            && list.path.is_ident("error")
        {
            self.take_all(list.tokens.clone());
        }
    }

    fn visit_item(&mut self, item: &'ast Item) {
        let attributes = match item {
            Item::Mod(item) => &item.attrs,
            Item::Fn(item) => &item.attrs,
            _ => return visit::visit_item(self, item),
        };
        let is_test = |attribute: &Attribute| match &attribute.meta {
            Meta::List(list) => {
                list.path.is_ident("cfg") && list.tokens.to_string().starts_with("test")
            }
            meta => meta.path().is_ident("test"),
        };
        if !attributes.iter().any(is_test) {
            visit::visit_item(self, item);
        }
    }

    fn visit_macro(&mut self, call: &'ast Macro) {
        let name = call.path.segments.last().map(|last| last.ident.to_string());
        if !name.is_some_and(|name| SILENT.contains(&name.as_str())) {
            self.take_all(call.tokens.clone());
        }
    }

    fn visit_expr_call(&mut self, call: &'ast ExprCall) {
        let is_silent = matches!(&*call.func, Expr::Path(function)
            if function.path.segments.last().is_some_and(|last| SILENT.contains(&last.ident.to_string().as_str())));
        if !is_silent {
            visit::visit_expr_call(self, call);
        }
    }

    fn visit_expr_method_call(&mut self, call: &'ast ExprMethodCall) {
        self.visit_expr(&call.receiver);
        if !SILENT.contains(&call.method.to_string().as_str()) {
            for argument in &call.args {
                self.visit_expr(argument);
            }
        }
    }

    /// Text in a pattern is compared, not printed.
    fn visit_pat(&mut self, _: &'ast Pat) {}

    fn visit_lit_str(&mut self, literal: &'ast LitStr) {
        self.take(literal);
    }
}

impl Constants {
    /// Replaces each `{…}` of a format with the constant of this name, or with `…`.
    fn template(&self, format: &str) -> String {
        let mut text = String::new();
        let mut rest = format;
        while let Some((before, after)) = rest.split_once('{') {
            text += before;
            if let Some(literal) = after.strip_prefix('{') {
                text.push('{');
                rest = literal;
            } else {
                let (name, after) = after.split_once('}').unwrap_or((after, ""));
                let constant = self.0.get(name).and_then(Option::as_deref);
                text += constant.unwrap_or("…");
                rest = after;
            }
        }
        (text + rest).replace("}}", "}")
    }
}
