//! What lets several nodes tell one truth: carries what the pure half in `herenow_core::cluster` asks to a store that all
//! nodes share, and back. Decides nothing about presence.

pub mod asks;
pub mod beat;
pub mod courier;
pub mod entry;
pub mod node;
pub mod passing;
pub mod redis;
pub mod renewer;
pub mod seat;
pub mod shards;
pub mod status;
pub mod sweeper;
pub mod withdrawals;
