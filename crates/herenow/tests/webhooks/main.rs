//! Webhooks: what a backend is told, and what becomes of it when anything fails.
#![allow(clippy::unwrap_used, reason = "helpers of tests may panic, as tests may")]
#![allow(clippy::print_stdout, reason = "and they say what they found")]

mod addresses;
mod common;
mod examples;
mod process;
mod receiver;
mod telling;
mod trouble;
