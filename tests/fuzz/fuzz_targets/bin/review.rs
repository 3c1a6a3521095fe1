//! libFuzzer's entry to `review.rs`.

#![no_main]

#[path = "../review.rs"]
mod review;

libfuzzer_sys::fuzz_target!(|body: &[u8]| review::run(body));
