//! herenow: a self-hosted real-time presence server, as a library to embed and as what the binary runs.
//!
//! Drivers around the hubs of `herenow-core`: sockets, timers, tokens, configuration. They carry; they decide nothing
//! about presence.

pub mod api;
pub mod assets;
pub mod auth;
pub mod banner;
pub mod cli;
pub mod clock;
pub mod config;
pub mod connection;
pub mod cut;
pub mod demo;
pub mod fanout;
pub mod heartbeat;
pub mod intake;
pub mod key_command;
pub mod outbox;
pub mod patience;
pub mod presence;
pub mod problem;
pub mod rate;
pub mod resume;
pub mod serve;
pub mod server;
pub mod shard;
pub mod transport;
