//! libFuzzer's entry to `class.rs`.

#![no_main]

#[path = "../class.rs"]
mod class;

libfuzzer_sys::fuzz_target!(|input: &str| class::run(input));
