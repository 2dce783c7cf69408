//! Who is let in: by which keys and hooks, and what clients see where those are changed, slow, gone or hostile.
#![expect(clippy::unwrap_used, reason = "helpers of tests may panic, as tests do")]

mod abuse;
mod app;
mod commands;
#[path = "../sockets/common.rs"]
#[allow(dead_code, reason = "the helpers are those of another suite")]
mod common;
mod cookies;
mod forgeries;
mod guests;
mod jwks;
mod keys;
mod live;
mod logs;
mod privacy;
mod process;
mod rooms;
mod security;
mod see;
