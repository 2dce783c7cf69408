//! herenow: a self-hosted real-time presence server, as a library to embed and as what the binary runs.
//!
//! Drivers around the hubs of `herenow-core`: sockets, timers, tokens, configuration. They carry; they decide nothing
//! about presence.

pub mod address_kind;
pub mod admin_route;
pub mod api;
pub mod assemble;
pub mod assets;
pub mod auth;
pub mod banner;
pub mod cli;
pub mod clock;
pub mod cluster;
pub mod config;
pub mod config_command;
pub mod connection;
mod content_type;
pub mod cut;
pub mod demo;
pub mod doors;
pub mod embed;
pub mod fanout;
pub mod guest_route;
pub mod handover;
pub mod handshakes;
pub mod heartbeat;
pub mod intake;
pub mod key_command;
pub mod log_ids;
pub mod memory;
pub mod open_files;
pub mod outbox;
pub mod outcome;
pub mod outgoing;
pub mod partition;
pub mod patience;
pub mod pour;
pub mod presence;
pub mod problem;
pub mod quota;
pub mod rate;
pub mod rechecks;
pub mod reload;
pub mod restart_route;
pub mod resume;
pub mod rules;
pub mod serve;
pub mod server;
pub mod shard;
pub mod tallies;
pub mod tls;
pub mod transport;
pub mod webhooks;
