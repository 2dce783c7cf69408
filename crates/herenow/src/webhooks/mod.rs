//! Tells a backend by HTTP who came and went: signed, in order within each room, at least once.
//!
//! What the hubs notice goes through a bounded queue to one thread, which keeps in a file who was announced as present and
//! which events are still to be sent. Presence never waits for any of it; what the queue or the file cannot take is counted
//! and made good later, by comparing who was announced with who is here.

pub mod delivery;
pub mod event;
pub mod handle;
pub mod inlet;
pub mod kinds;
pub mod ledger;
pub mod meters;
pub mod online;
pub mod orders;
pub mod settings;
pub mod signature;
pub mod spool;
mod wall;
pub mod worker;
