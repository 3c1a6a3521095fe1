//! The real program, in process trees and over HTTP, against the stand-in for AWS.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
#![allow(clippy::format_push_string, reason = "short texts of tests")]

mod check;
mod faults;
mod network;
mod refresh;
mod refresh_local;
mod running;
mod support;
mod values;
