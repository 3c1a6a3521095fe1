//! The modules of a crate stand in layers: those of one folder import each other in one direction only, and so do all files
//! below them. What is imported through a parent's `use` counts as imported from the module that defines it.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use e2e::project;
use syn::visit::{self, Visit};
use syn::{Attribute, ItemFn, ItemMod, ItemUse, Meta, UseTree};

/// Modules that still stand in a circle, one list for each. Only ever remove some.
const CIRCLES: [&[&str]; 2] = [
    &[
        "tests/aws-stand-in/src/moto",
        "tests/aws-stand-in/src/state",
    ],
    &["tests/src/chart_readme", "tests/src/helm"],
];

/// A path of a module or an item, from the root of its crate.
type ItemPath = Vec<String>;

/// A file of a crate.
#[derive(Default)]
struct Module {
    /// What its `use` items name: so many `super` up, or from the root, or from here.
    names: BTreeMap<String, ItemPath>,
    /// All paths in its code.
    paths: Vec<ItemPath>,
}

/// All files of a crate, by the paths of their modules.
type Modules = BTreeMap<ItemPath, Module>;

impl Module {
    fn add_use(&mut self, tree: &UseTree, before: &ItemPath) {
        let with = |ident: &syn::Ident| [before.as_slice(), &[ident.to_string()]].concat();
        let (name, path) = match tree {
            UseTree::Path(path) => return self.add_use(&path.tree, &with(&path.ident)),
            UseTree::Group(group) => {
                return group
                    .items
                    .iter()
                    .for_each(|tree| self.add_use(tree, before));
            }
            UseTree::Glob(_) => (None, before.clone()),
            UseTree::Name(name) if name.ident == "self" => (before.last().cloned(), before.clone()),
            UseTree::Name(name) => (Some(name.ident.to_string()), with(&name.ident)),
            UseTree::Rename(rename) => (Some(rename.rename.to_string()), with(&rename.ident)),
        };
        self.names.extend(name.map(|name| (name, path.clone())));
        self.paths.push(path);
    }
}

impl<'ast> Visit<'ast> for Module {
    fn visit_item_mod(&mut self, item: &'ast ItemMod) {
        if !is_test(&item.attrs) {
            visit::visit_item_mod(self, item);
        }
    }

    fn visit_item_fn(&mut self, item: &'ast ItemFn) {
        if !is_test(&item.attrs) {
            visit::visit_item_fn(self, item);
        }
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        if !is_test(&item.attrs) {
            self.add_use(&item.tree, &Vec::new());
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let segments = path.segments.iter();
        self.paths
            .push(segments.map(|segment| segment.ident.to_string()).collect());
        visit::visit_path(self, path);
    }
}

fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| match &attribute.meta {
        Meta::List(list) => list.path.is_ident("cfg") && list.tokens.to_string().contains("test"),
        _ => false,
    })
}

/// Reads the modules of a folder.
fn read(folder: &Path, module: &ItemPath, modules: &mut Modules) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let own = match name.as_str() {
            // Programs of their own, and tests.
            "main" | "bin" | "tests" | "model" => continue,
            "lib" | "mod" => module.clone(),
            _ => [module.as_slice(), &[name]].concat(),
        };
        if path.is_dir() {
            read(&path, &own, modules);
        } else if path.extension().is_some_and(|end| end == "rs") {
            let mut module = Module::default();
            module.visit_file(&syn::parse_file(&fs::read_to_string(&path).unwrap()).unwrap());
            modules.insert(own, module);
        }
    }
}

/// The module that defines what a path in a module names, if it is of this crate. Names are followed through `use` items.
fn defining(modules: &Modules, at: &ItemPath, path: &[String], most: usize) -> Option<ItemPath> {
    let (mut at, mut rest) = (at.clone(), path);
    match path.first()?.as_str() {
        "crate" => (at, rest) = (Vec::new(), &rest[1..]),
        "self" => rest = &rest[1..],
        "super" => {
            while rest.first().is_some_and(|first| first == "super") {
                at.pop();
                rest = &rest[1..];
            }
        }
        first => {
            let own = [at.as_slice(), &[first.to_owned()]].concat();
            if !modules.contains_key(&own) && !modules.get(&at)?.names.contains_key(first) {
                return None;
            }
        }
    }
    while let Some((first, after)) = rest.split_first() {
        let child = [at.as_slice(), std::slice::from_ref(first)].concat();
        if modules.contains_key(&child) {
            (at, rest) = (child, after);
        } else if let Some(used) = modules.get(&at)?.names.get(first) {
            let whole = [used.as_slice(), after].concat();
            return (most > 0 && whole != path)
                .then(|| defining(modules, &at, &whole, most - 1))
                .flatten();
        } else {
            break;
        }
    }
    Some(at)
}

/// What each module of a crate imports of its siblings. An import between two folders is one of the siblings that contain them,
/// and one between a parent and its child counts for nothing.
fn arrows(modules: &Modules) -> BTreeMap<ItemPath, BTreeSet<ItemPath>> {
    let mut arrows: BTreeMap<ItemPath, BTreeSet<ItemPath>> = BTreeMap::new();
    for (at, module) in modules {
        for other in (module.paths.iter()).filter_map(|path| defining(modules, at, path, 8)) {
            let shared = at.iter().zip(&other).take_while(|(a, b)| a == b).count();
            if shared < at.len() && shared < other.len() {
                let to = other[..=shared].to_vec();
                arrows.entry(at[..=shared].to_vec()).or_default().insert(to);
            }
        }
    }
    arrows
}

/// All modules that a module imports, also through others.
fn reached(arrows: &BTreeMap<ItemPath, BTreeSet<ItemPath>>, from: &ItemPath) -> BTreeSet<ItemPath> {
    let mut reached = BTreeSet::new();
    let mut next = vec![from];
    while let Some(module) = next.pop() {
        for other in arrows.get(module).into_iter().flatten() {
            if reached.insert(other.clone()) {
                next.push(other);
            }
        }
    }
    reached
}

/// The modules of each circle of a crate.
fn circles(member: &str) -> BTreeSet<Vec<String>> {
    let mut modules = Modules::new();
    let source = project::root().join(member).join("src");
    read(&source, &Vec::new(), &mut modules);
    let arrows = arrows(&modules);
    let mut circles = BTreeSet::new();
    for module in arrows.keys() {
        let circle = reached(&arrows, module).into_iter();
        let circle = circle.filter(|other| reached(&arrows, other).contains(module));
        let circle: Vec<_> = circle
            .map(|other| format!("{member}/src/{}", other.join("/")))
            .collect();
        if !circle.is_empty() {
            circles.insert(circle);
        }
    }
    circles
}

#[test]
fn no_modules_import_each_other_in_a_circle() {
    let manifest = fs::read_to_string(project::root().join("Cargo.toml")).unwrap();
    let members = manifest.lines().find(|line| line.starts_with("members"));
    let mut found = BTreeSet::new();
    for member in members.unwrap().split('"').skip(1).step_by(2) {
        found.extend(circles(member));
    }
    let known: BTreeSet<Vec<String>> = CIRCLES
        .iter()
        .map(|files| files.iter().map(ToString::to_string).collect())
        .collect();
    let new: Vec<_> = found.difference(&known).collect();
    let gone: Vec<_> = known.difference(&found).collect();
    assert!(
        new.is_empty(),
        "modules import each other in a circle: {new:#?}"
    );
    assert!(
        gone.is_empty(),
        "these circles are gone, remove them from the list: {gone:#?}"
    );
}
