//! The inputs in `fuzz/corpus`, as ordinary tests: those that fuzzing starts with, and every one that it has ever failed on.
//! `make fuzz` searches for more.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
#![allow(
    clippy::expect_used,
    clippy::pedantic,
    reason = "the fuzz targets are not of this workspace, and stop at what must not happen"
)]
#![allow(missing_docs, reason = "a test program has no interface")]

use std::fs;

use e2e::project;

#[path = "fuzz/fuzz_targets/class.rs"]
mod class;
#[path = "fuzz/fuzz_targets/review.rs"]
mod review;

/// The inputs of a target, with their names.
fn inputs(target: &str) -> Vec<(String, Vec<u8>)> {
    let folder = project::root().join("tests/fuzz/corpus").join(target);
    let files = fs::read_dir(folder).unwrap().map(|file| {
        let path = file.unwrap().path();
        (path.display().to_string(), fs::read(path).unwrap())
    });
    let inputs: Vec<_> = files.collect();
    assert!(inputs.len() > 3);
    inputs
}

#[test]
fn classes_are_parsed_planned_and_rendered() {
    for (name, input) in inputs("class") {
        // A failed test prints it.
        eprintln!("{name}");
        class::run(&String::from_utf8_lossy(&input));
    }
}

#[test]
fn reviews_are_answered_with_patches_that_apply_once() {
    for (name, input) in inputs("review") {
        eprintln!("{name}");
        review::run(&input);
    }
}
