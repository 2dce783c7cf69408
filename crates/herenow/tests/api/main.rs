//! The HTTP API over real sockets: each call, each refusal, streams and polls, and what is in `docs/http.md`.
#![expect(clippy::unwrap_used, reason = "helpers of tests may panic, as tests do")]

mod access;
mod common;
mod crowd;
mod hosted;
mod leaks;
mod refusals;
mod rooms;
mod streams;
mod transcript;
mod users;
