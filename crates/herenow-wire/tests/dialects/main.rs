//! The dialects against the files in `fixtures/`, which the suite of the SDK reads as well, and against any text.
#![allow(clippy::unwrap_used, reason = "helpers of tests; the exception in clippy.toml sees only test functions")]

mod any_text;
mod bad;
mod board;
mod documentation;
mod files;
mod native;
mod people;
