//! Tests of the user documentation: every code block is tested or says why not, classes are valid, and links work. Tests that
//! need a cluster are in `scenarios/documents.rs`.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::collections::BTreeSet;
use std::fs;

use e2e::documents::{Block, Mark, Page, pages};
use e2e::{helm, project};
use provider_class::{Class, Document, KIND, Region};
use serde_json::Value;

/// The stories that `scenarios/documents.rs` runs.
const STORIES: [&str; 7] = [
    "check",
    "pod-identity",
    "irsa",
    "operations",
    "manifests",
    "own-images",
    "use",
];
/// The allowed reasons for not running a block.
const REASONS: [&str; 5] = [
    "the AWS stand-in does not support these operations",
    "starts its own cluster; the scenarios run the same steps",
    "runs all tests, including this one",
    "needs Docker; the scenarios build the same Dockerfiles",
    "needs a published release",
];

fn place(page: &Page, block: &Block) -> String {
    format!("{}:{}", page.path, block.line)
}

fn each_block(work: impl Fn(&Page, &Block)) {
    for page in pages().unwrap() {
        for block in page.blocks() {
            work(&page, &block);
        }
    }
}

#[test]
fn every_shell_block_is_run_or_says_why_not() {
    each_block(|page, block| {
        let place = place(page, block);
        match (&block.mark, block.language.as_str()) {
            (Mark::Run(stories), "sh") => {
                assert!(!stories.is_empty(), "{place}: no story");
                for story in stories {
                    assert!(STORIES.contains(&story.as_str()), "{place}: {story}");
                }
            }
            (Mark::NotRun(reason), "sh") => {
                assert!(REASONS.contains(&reason.as_str()), "{place}: {reason}");
                let is_of_aws_alone =
                    block.text.contains("aws ") && !block.text.contains("docker ");
                assert_eq!(is_of_aws_alone, reason == REASONS[0], "{place}: {reason}");
            }
            (_, "sh") => panic!("{place}: neither \"run:\" nor \"not run:\" in front of it"),
            (Mark::Values, "yaml")
            | (Mark::None, "yaml" | "json" | "mermaid" | "text" | "promql") => {}
            (mark, language) => panic!("{place}: {mark:?} in front of {language:?}"),
        }
    });
}

#[test]
fn every_class_is_valid_without_warnings() {
    let region: Region = "us-east-2".parse().unwrap();
    let mut count = 0;
    for page in pages().unwrap() {
        for block in page.blocks() {
            for class in classes(&block) {
                let place = place(&page, &block);
                let class = class.parse();
                let class = class.unwrap_or_else(|error| panic!("{place}: {error}"));
                assert_eq!(class.warnings, [], "{place}");
                let plan = class.resolve(Some(&region));
                assert!(plan.is_ok(), "{place}: {plan:?}");
                count += 1;
            }
        }
    }
    assert!(count > 3);
}

/// The classes in a block: YAML documents, or here-documents of a shell block.
fn classes(block: &Block) -> Vec<Document> {
    let text = match block.language.as_str() {
        "yaml" => block.text.clone(),
        "sh" => here_documents(&block.text).join("---\n"),
        _ => return Vec::new(),
    };
    let is_class = |text: &&str| text.contains(&format!("kind: {KIND}"));
    text.split("---\n")
        .filter(is_class)
        .flat_map(|text| Document::read_all(text).unwrap())
        .collect()
}

fn here_documents(script: &str) -> Vec<String> {
    let starts = script.split("<<").skip(1);
    starts
        .filter_map(|rest| {
            let (_, body) = rest.split_once('\n')?;
            Some(format!("{}\n", body.split_once("\nEND\n")?.0))
        })
        .collect()
}

#[test]
fn the_policy_of_the_quick_start_is_the_one_that_its_class_needs() {
    let pages = pages().unwrap();
    let page = pages
        .iter()
        .find(|page| page.path == "docs/quick-start-eks.md")
        .unwrap();
    let blocks = page.blocks();
    let bodies = blocks.iter().flat_map(|block| here_documents(&block.text));
    let policy = |body: &String| body.contains("GetSecretValue");
    let shown = bodies.into_iter().find(policy).unwrap();
    let shown = shown.replace("$REGION", "us-east-2");
    let document = blocks.iter().flat_map(classes).next().unwrap();
    let region: Region = "us-east-2".parse().unwrap();
    let class = Class::parse("db", &document.class.spec).unwrap();
    let shown: Value = serde_json::from_str(&shown).unwrap();
    let needed = provider_class::policy::of_pod(&[&class], Some(&region));
    assert!(shown == needed, "the class needs\n{needed:#}");
}

#[test]
fn json_is_json() {
    each_block(|page, block| {
        let bodies = match block.language.as_str() {
            "json" => vec![block.text.clone()],
            "sh" => {
                let bodies = here_documents(&block.text).into_iter();
                bodies.filter(|body| body.starts_with('{')).collect()
            }
            _ => return,
        };
        for body in &bodies {
            if let Err(error) = serde_json::from_str::<Value>(body) {
                panic!("{}: {error}", place(page, block));
            }
        }
    });
}

#[test]
fn values_are_those_of_the_chart() {
    let mut count = 0;
    for page in pages().unwrap() {
        for block in page
            .blocks()
            .iter()
            .filter(|block| block.mark == Mark::Values)
        {
            let file = project::target().join(format!("documents-values-{}.yaml", block.line));
            fs::write(&file, &block.text).unwrap();
            let rendered = helm::template("release", &["-f", &file.display().to_string()]).unwrap();
            assert!(rendered.contains("kind: Deployment"));
            count += 1;
        }
    }
    assert!(count > 0);
}

#[test]
fn links_lead_somewhere() {
    let mut pages = pages().unwrap();
    for name in [
        "CONTRIBUTING.md",
        "CHANGELOG.md",
        "SECURITY.md",
        "certs/README.md",
    ] {
        let text = fs::read_to_string(project::root().join(name)).unwrap();
        pages.push(Page {
            path: name.to_owned(),
            text,
        });
    }
    let mut broken = BTreeSet::new();
    for page in &pages {
        let here = project::root().join(&page.path);
        for link in page.links() {
            if link.contains("://") {
                continue;
            }
            let (file, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let target = if file.is_empty() {
                here.clone()
            } else {
                here.parent().unwrap().join(file)
            };
            let Ok(target) = target.canonicalize() else {
                broken.insert(format!("{}: {link}", page.path));
                continue;
            };
            let has_anchor = || {
                let text = fs::read_to_string(&target).unwrap();
                let page = Page {
                    path: String::new(),
                    text,
                };
                page.anchors().iter().any(|known| known == anchor)
            };
            if !anchor.is_empty() && !has_anchor() {
                broken.insert(format!("{}: {link}", page.path));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn the_readme_leads_to_every_page() {
    let pages = pages().unwrap();
    let links = pages[0].links();
    for page in &pages[1..] {
        assert!(links.contains(&page.path), "{}", page.path);
    }
}

#[test]
fn every_threat_names_tests_that_exist() {
    let page = fs::read_to_string(project::root().join("docs/security.md")).unwrap();
    let table = page.split_once("| threat |").unwrap().1;
    let rows = table.lines().skip(2);
    let rows: Vec<_> = rows.take_while(|line| line.starts_with('|')).collect();
    assert!(rows.len() > 15, "{rows:#?}");
    for row in rows {
        let cells: Vec<_> = row.trim_matches('|').rsplitn(2, '|').collect();
        let tests: Vec<_> = cells[0].split('`').skip(1).step_by(2).collect();
        assert!(!tests.is_empty(), "no test: {row}");
        for test in tests {
            let (file, function) = test.split_once("::").unwrap();
            let text = fs::read_to_string(project::root().join(file)).unwrap_or_default();
            let is_there = text.contains(&format!("fn {function}("));
            assert!(is_there, "{test} does not exist: {row}");
        }
    }
}
